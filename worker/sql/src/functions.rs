//! The functions that queries may call, as the library's planner sees them: Flink's, with Flink's result types.

use std::{hash::Hash, sync::Arc};

use arrow::datatypes::{DataType as Arrow, FieldRef};
use datafusion_common::{Result, ScalarValue, not_impl_err};
use datafusion_expr::{
    AggregateUDF, ColumnarValue, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};
use model::DataType;
use sqlparser::ast::Ident;

use crate::{SqlError, escape};

/// A field of a `ROW` that is no column: `FIELD(row, 'name')`.
pub(crate) const FIELD: &str = "$FIELD";
/// An element of an array or map: `ITEM(array, 1)`.
pub(crate) const ITEM: &str = "ITEM";
/// Predicates that the library's planner has no form for; they are planned as functions.
const PREDICATES: [&str; 5] = ["IS JSON ARRAY", "IS JSON OBJECT", "IS JSON SCALAR", "IS JSON VALUE", "SIMILAR TO"];
/// Arguments of window table functions.
const TABLE_ARGUMENTS: [&str; 2] = ["TABLE", "DESCRIPTOR"];

/// Refuses a function that does not exist.
pub(crate) fn check(name: &Ident) -> Result<(), SqlError> {
    let upper = name.value.to_ascii_uppercase();
    let known = upper == FIELD
        || TABLE_ARGUMENTS.contains(&upper.as_str())
        || scalar(&upper).is_some()
        || aggregate(&upper).is_some();
    if known {
        return Ok(());
    }
    let message = match upper.as_str() {
        "TUMBLE" | "HOP" | "SESSION" | "TUMBLE_START" | "TUMBLE_END" | "HOP_START" | "HOP_END" | "SESSION_START"
        | "SESSION_END" => {
            format!("the group window function {upper} is not supported; use the window table function in FROM")
        }
        _ => format!("function '{}' not found", name.value),
    };
    Err(SqlError::at_ident(message, name))
}

/// A scalar function by its name.
pub(crate) fn scalar(name: &str) -> Option<Arc<ScalarUDF>> {
    let upper = name.to_ascii_uppercase();
    if upper == FIELD {
        return Some(Arc::new(ScalarUDF::from(FieldAccess::new())));
    }
    if PREDICATES.contains(&upper.as_str()) {
        return operator(&upper).ok().map(Arc::new);
    }
    expressions::scalar_function(&upper)
}

/// An aggregate function by its name.
pub(crate) fn aggregate(name: &str) -> Option<Arc<AggregateUDF>> {
    expressions::aggregate_function(&name.to_ascii_uppercase())
}

/// All names, for `SHOW FUNCTIONS`.
pub(crate) fn names() -> Vec<String> {
    let scalars = expressions::scalar_functions();
    let aggregates = expressions::aggregate_functions();
    let mut names: Vec<String> = scalars
        .iter()
        .map(|function| function.name().to_ascii_uppercase())
        .chain(aggregates.iter().map(|function| function.name().to_ascii_uppercase()))
        .collect();
    names.sort();
    names.dedup();
    names
}

/// An operator of Flink whose result type is not the library's.
pub(crate) fn operator(sign: &str) -> Result<ScalarUDF, SqlError> {
    let sign = ["+", "-", "*", "/", "%"].into_iter().chain(PREDICATES).find(|known| *known == sign);
    let sign = sign.ok_or_else(|| SqlError::internal("an unknown operator"))?;
    Ok(ScalarUDF::from(OperatorFunction { sign, signature: Signature::variadic_any(Volatility::Immutable) }))
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct OperatorFunction {
    sign: &'static str,
    signature: Signature,
}

impl ScalarUDFImpl for OperatorFunction {
    fn name(&self) -> &str {
        self.sign
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _types: &[Arrow]) -> Result<Arrow> {
        not_impl_err!("{} is typed by its fields", self.sign)
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs) -> Result<FieldRef> {
        let types =
            args.arg_fields.iter().map(|field| escape::flink_type(field)).collect::<Result<Vec<_>, SqlError>>()?;
        let result = expressions::call_type(self.sign, &types).map_err(|_| mismatch(self.sign, &types))?;
        Ok(escape::arrow_field(self.sign, &result))
    }

    fn invoke_with_args(&self, _args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        not_impl_err!("{} is not evaluated by the planner", self.sign)
    }
}

fn mismatch(sign: &str, types: &[DataType]) -> SqlError {
    let types: Vec<String> = types.iter().map(ToString::to_string).collect();
    SqlError::new(format!("cannot apply '{sign}' to arguments of type {}", types.join(" and ")))
}

/// Reads a field of a row; becomes [`graph::Expr::Field`].
#[derive(Debug, PartialEq, Eq, Hash)]
struct FieldAccess {
    signature: Signature,
}

impl FieldAccess {
    fn new() -> Self {
        Self { signature: Signature::any(2, Volatility::Immutable) }
    }
}

impl ScalarUDFImpl for FieldAccess {
    fn name(&self) -> &str {
        FIELD
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _types: &[Arrow]) -> Result<Arrow> {
        not_impl_err!("a field is typed by its row")
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs) -> Result<FieldRef> {
        let Some(Some(ScalarValue::Utf8(Some(name)))) = args.scalar_arguments.get(1) else {
            return not_impl_err!("a field has a constant name");
        };
        let row = escape::flink_type(&args.arg_fields[0])?;
        let DataType::Row(fields) = &row else {
            return Err(
                SqlError::new(format!("'{name}' is read from a value of type {row}, which has no fields")).into()
            );
        };
        match fields.iter().find(|field| field.name == **name) {
            Some(field) => Ok(escape::arrow_field(name, &field.data_type)),
            None => {
                let names: Vec<&str> = fields.iter().map(|field| field.name.as_str()).collect();
                Err(SqlError::new(format!("field '{name}' not found; fields are {}", names.join(", "))).into())
            }
        }
    }

    fn invoke_with_args(&self, _args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        not_impl_err!("fields are not read by the planner")
    }
}
