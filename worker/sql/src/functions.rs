//! The functions that queries may call, as the library's planner sees them: Flink's, with Flink's result types.

use std::{hash::Hash, sync::Arc};

use arrow::datatypes::{DataType as Arrow, FieldRef};
use datafusion_common::{Result, ScalarValue, not_impl_err};
use datafusion_expr::{
    AggregateUDF, ColumnarValue, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};
use model::DataType;
use sqlparser::ast::Ident;

use crate::{SqlError, aggregates, escape};

mod aggregate;
mod scalar;

/// A field of a `ROW` that is no column: `FIELD(row, 'name')`.
pub(crate) const FIELD: &str = "$FIELD";
/// An element of an array or map: `ITEM(array, 1)`.
pub(crate) const ITEM: &str = "ITEM";
/// Processing time; a column of it is a time attribute.
pub(crate) const PROCTIME: &str = "PROCTIME";
/// The parts of a window that `GROUP BY` names: `$GROUP_WINDOW(part, window, time, length, …)`.
pub(crate) const GROUP_WINDOW: &str = "$GROUP_WINDOW";
/// `CASE`: conditions and results in turn, then what else it is. The library would type it by its own rules.
pub(crate) const CASE: &str = "$CASE";
/// Predicates that the library's planner has no form for; they are planned as functions.
const PREDICATES: [&str; 5] = ["IS JSON ARRAY", "IS JSON OBJECT", "IS JSON SCALAR", "IS JSON VALUE", "SIMILAR TO"];
/// Java classes whose functions are built in.
const CLASSES: [(&str, &str); 1] = [("com.github.nexmark.flink.udf.CountChar", "COUNT_CHAR")];
/// Functions of Flink's that do not exist here, and why not.
const ABSENT: [(&str, &str); 4] = [
    ("CURRENT_WATERMARK", "an expression does not know the watermark"),
    ("PARSE_JSON", "there is no type VARIANT; JSON_VALUE and JSON_QUERY read JSON in text"),
    ("SOURCE_WATERMARK", "no connector makes watermarks; WATERMARK FOR takes an expression of the time"),
    ("TRY_PARSE_JSON", "there is no type VARIANT; JSON_VALUE and JSON_QUERY read JSON in text"),
];
/// Arguments of window table functions.
const TABLE_ARGUMENTS: [&str; 2] = ["TABLE", "DESCRIPTOR"];

/// Refuses a function that does not exist.
pub(crate) fn check(name: &Ident) -> Result<(), SqlError> {
    let upper = name.value.to_ascii_uppercase();
    let known = upper == FIELD
        || upper == GROUP_WINDOW
        || upper == CASE
        || TABLE_ARGUMENTS.contains(&upper.as_str())
        || scalar(&upper).is_some()
        || aggregate(&upper).is_some();
    if known {
        return Ok(());
    }
    if let Some((_, why)) = ABSENT.iter().find(|(name, _)| *name == upper) {
        return Err(SqlError::at_ident(format!("function '{}' is not supported: {why}", name.value), name));
    }
    Err(SqlError::at_ident(format!("function '{}' not found", name.value), name))
}

/// The built-in function that a Java class stands for.
pub(crate) fn of_class(class: &str) -> Option<&'static str> {
    CLASSES.iter().find(|(known, _)| *known == class).map(|(_, function)| *function)
}

/// A scalar function by its name.
pub(crate) fn scalar(name: &str) -> Option<Arc<ScalarUDF>> {
    let upper = name.to_ascii_uppercase();
    if upper == FIELD {
        return Some(Arc::new(ScalarUDF::from(FieldAccess::new())));
    }
    if upper == GROUP_WINDOW {
        return Some(Arc::new(ScalarUDF::from(GroupWindow {
            signature: Signature::variadic_any(Volatility::Immutable),
        })));
    }
    if upper == CASE || PREDICATES.contains(&upper.as_str()) {
        return operator(&upper).ok().map(Arc::new);
    }
    scalar::find(&upper)
}

/// An aggregate function by its name.
pub(crate) fn aggregate(name: &str) -> Option<Arc<AggregateUDF>> {
    let upper = name.to_ascii_uppercase();
    if upper == aggregates::COLLECT {
        return Some(Arc::new(aggregates::collect()));
    }
    aggregate::find(&upper)
}

/// All names, for `SHOW FUNCTIONS`.
pub(crate) fn names() -> Vec<String> {
    let (scalars, aggregates) = (scalar::all(), aggregate::all());
    let mut names: Vec<String> = scalars
        .iter()
        .map(|function| function.name().to_ascii_uppercase())
        .chain(aggregates.iter().map(|function| function.name().to_ascii_uppercase()))
        .filter(|name| !name.starts_with('$'))
        .collect();
    names.sort();
    names.dedup();
    names
}

/// An operator of Flink whose result type is not the library's.
pub(crate) fn operator(sign: &str) -> Result<ScalarUDF, SqlError> {
    let signs = ["+", "-", "*", "/", "%", "=", "<>", "<", "<=", ">", ">=", CASE];
    let sign = signs.into_iter().chain(PREDICATES).find(|known| *known == sign);
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
        if self.sign == CASE {
            return Ok(escape::arrow_field(self.sign, &case_type(&types)?));
        }
        let result = expressions::call_type(self.sign, &types).map_err(|_| mismatch(self.sign, &types))?;
        Ok(escape::arrow_field(self.sign, &result))
    }

    fn invoke_with_args(&self, _args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        not_impl_err!("{} is not evaluated by the planner", self.sign)
    }
}

fn case_type(types: &[DataType]) -> Result<DataType, SqlError> {
    let is_result = |index: usize| index % 2 == 1 || index + 1 == types.len();
    let condition = types
        .iter()
        .enumerate()
        .find(|(index, data_type)| !is_result(*index) && !matches!(data_type, DataType::Boolean | DataType::Null));
    if let Some((_, other)) = condition {
        return Err(SqlError::new(format!("WHEN takes a condition of type BOOLEAN, not {other}")));
    }
    let mut common = DataType::Null;
    for (_, next) in types.iter().enumerate().filter(|(index, _)| is_result(*index)) {
        common = expressions::common_type(&common, next).ok_or_else(|| {
            SqlError::new(format!("CASE has results of the types {common} and {next}, which have no common type"))
        })?;
    }
    Ok(common)
}

fn mismatch(sign: &str, types: &[DataType]) -> SqlError {
    let types: Vec<String> = types.iter().map(ToString::to_string).collect();
    SqlError::new(format!("cannot apply '{sign}' to arguments of type {}", types.join(" and ")))
}

/// A part of a window in `GROUP BY`; replaced by a column of the window before anything else is done.
#[derive(Debug, PartialEq, Eq, Hash)]
struct GroupWindow {
    signature: Signature,
}

/// The window itself, of which the other parts are.
pub(crate) const WHOLE: &str = "WINDOW";
/// The part that is a time attribute; the other ones are plain timestamps.
pub(crate) const TIME: &str = "TIME";
/// The parts of a window that are columns.
pub(crate) const PARTS: [&str; 3] = ["START", "END", TIME];

/// The window and the part that a group window function means.
pub(crate) fn group_window(name: &str) -> Option<(&'static str, &'static str)> {
    let upper = name.to_ascii_uppercase();
    let (window, part) = upper.split_once('_').unwrap_or((&upper, WHOLE));
    let window = ["TUMBLE", "HOP", "SESSION"].into_iter().find(|known| *known == window)?;
    let part = match part {
        "ROWTIME" | "PROCTIME" => TIME,
        TIME => return None,
        part => [WHOLE].into_iter().chain(PARTS).find(|known| *known == part)?,
    };
    Some((window, part))
}

impl ScalarUDFImpl for GroupWindow {
    fn name(&self) -> &str {
        GROUP_WINDOW
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _types: &[Arrow]) -> Result<Arrow> {
        not_impl_err!("a window's part is typed by its time")
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs) -> Result<FieldRef> {
        let is_time =
            matches!(args.scalar_arguments.first(), Some(Some(ScalarValue::Utf8(Some(part)))) if part == TIME);
        let data_type = match args.arg_fields.get(2) {
            Some(time) if is_time => escape::flink_type(time)?,
            _ => DataType::Timestamp(3),
        };
        Ok(escape::arrow_field(GROUP_WINDOW, &data_type))
    }

    fn invoke_with_args(&self, _args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        not_impl_err!("windows are not evaluated by the planner")
    }
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
