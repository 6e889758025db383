//! Calls of aggregate functions as the library's planner sees them: what is constant in them, the clauses that they do
//! not have, and the type of `COLLECT`.

use std::hash::Hash;

use arrow::datatypes::{DataType as Arrow, FieldRef};
use datafusion_common::{Result as Planned, ScalarValue, not_impl_err};
use datafusion_expr::{
    Accumulator, AggregateUDF, AggregateUDFImpl, Expr, Signature, Volatility, function::AccumulatorArgs,
    planner::RawAggregateExpr,
};
use model::DataType;

use crate::{SqlError, escape};

/// The function whose result no arrow type tells.
pub(crate) const COLLECT: &str = "COLLECT";

/// `COLLECT` with its result as a multiset.
pub(crate) fn collect() -> AggregateUDF {
    AggregateUDF::from(Collect { signature: Signature::any(1, Volatility::Immutable) })
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Collect {
    signature: Signature,
}

impl AggregateUDFImpl for Collect {
    fn name(&self) -> &str {
        COLLECT
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, types: &[Arrow]) -> Planned<Arrow> {
        match types.first() {
            Some(element) => {
                Ok(DataType::Multiset(Box::new(DataType::from_arrow(element).map_err(SqlError::from)?))
                    .to_planned_arrow())
            }
            None => not_impl_err!("{COLLECT} takes an argument"),
        }
    }

    fn return_field(&self, args: &[FieldRef]) -> Planned<FieldRef> {
        match args.first() {
            Some(element) => {
                let element = escape::typed_field(element)?.data_type;
                Ok(escape::arrow_field(COLLECT, &DataType::Multiset(Box::new(element))))
            }
            None => not_impl_err!("{COLLECT} takes an argument"),
        }
    }

    fn accumulator(&self, _: AccumulatorArgs<'_>) -> Planned<Box<dyn Accumulator>> {
        not_impl_err!("{COLLECT} is computed by the engine")
    }
}

/// Refuses what no aggregation computes.
pub(crate) fn check(call: &RawAggregateExpr) -> Result<(), SqlError> {
    let name = call.func.name();
    if !call.order_by.is_empty() {
        return Err(SqlError::new(format!("ORDER BY in '{name}' is not supported")));
    }
    match name {
        "APPROX_COUNT_DISTINCT" => {
            Err(SqlError::new(format!("'{name}' is not supported on streams; COUNT(DISTINCT …) counts exactly")))
        }
        "COUNT" if call.args.len() != 1 => {
            Err(SqlError::new(format!("the aggregate function '{name}' takes one argument")))
        }
        "LISTAGG" => separator(&call.args).map(drop),
        "PERCENTILE" => percentages(&call.args).map(drop),
        _ => Ok(()),
    }
}

/// What `LISTAGG` puts between values.
pub(crate) fn separator(args: &[Expr]) -> Result<String, SqlError> {
    match args.get(1).map(constant) {
        None => Ok(",".to_owned()),
        Some(Some(ScalarValue::Utf8(Some(text)))) => Ok(text.clone()),
        Some(_) => Err(SqlError::new("the separator of 'LISTAGG' must be a constant text")),
    }
}

/// Where on the way from the least to the greatest value `PERCENTILE` looks.
pub(crate) fn percentages(args: &[Expr]) -> Result<Vec<f64>, SqlError> {
    let second = args.get(1).map(|arg| if let Expr::Alias(alias) = arg { &*alias.expr } else { arg });
    let all = match second {
        Some(Expr::ScalarFunction(call)) if call.name() == "ARRAY" => call.args.as_slice(),
        Some(one) => std::slice::from_ref(one),
        None => &[],
    };
    let wrong = || SqlError::new("the percentage of 'PERCENTILE' must be a constant from 0 to 1, or an array of these");
    let all: Option<Vec<f64>> = all.iter().map(|arg| constant(arg).and_then(number)).collect();
    all.filter(|all| !all.is_empty() && all.iter().all(|at| (0.0..=1.0).contains(at))).ok_or_else(wrong)
}

fn constant(expr: &Expr) -> Option<&ScalarValue> {
    match expr {
        Expr::Alias(alias) => constant(&alias.expr),
        Expr::Cast(cast) => constant(&cast.expr),
        Expr::Literal(value, _) => Some(value),
        _ => None,
    }
}

fn number(value: &ScalarValue) -> Option<f64> {
    match value {
        ScalarValue::Float64(value) => *value,
        ScalarValue::Float32(value) => value.map(f64::from),
        ScalarValue::Decimal128(value, _, scale) => value.map(|value| value as f64 / 10_f64.powi(i32::from(*scale))),
        ScalarValue::Int32(value) => value.map(f64::from),
        ScalarValue::Int64(value) => value.map(|value| value as f64),
        _ => None,
    }
}
