//! Aggregate functions by signature and result type, for planning. The engine computes them itself.

use std::{
    hash::Hash,
    sync::{Arc, LazyLock},
};

use arrow::datatypes::DataType as Arrow;
use datafusion_common::{Result, not_impl_err, plan_datafusion_err, plan_err};
use datafusion_expr::{
    Accumulator, AggregateUDF, AggregateUDFImpl, ReversedUDAF, Signature, Volatility, function::AccumulatorArgs,
};
use model::DataType;

/// Digits of the widest decimal.
const PRECISION_MAX: u8 = 38;

static FUNCTIONS: LazyLock<Vec<Arc<AggregateUDF>>> = LazyLock::new(|| {
    AGGREGATES.iter().map(|entry| Arc::new(AggregateUDF::new_from_impl(Aggregate::new(entry)))).collect()
});

/// An aggregate function of Flink's by its upper-case name.
pub(super) fn find(name: &str) -> Option<Arc<AggregateUDF>> {
    FUNCTIONS.iter().find(|udaf| udaf.name() == name).cloned()
}

/// All of Flink's aggregate functions.
pub(super) fn all() -> Vec<Arc<AggregateUDF>> {
    FUNCTIONS.clone()
}

struct Entry {
    name: &'static str,
    /// Least and greatest number of arguments.
    arguments: (usize, usize),
    returns: fn(&[DataType]) -> Option<DataType>,
}

const AGGREGATES: &[Entry] = &[
    entry("$SUM0", (1, 1), sum),
    entry("APPROX_COUNT_DISTINCT", (1, 1), |_| Some(DataType::BigInt)),
    entry("ARRAY_AGG", (1, 1), |types| Some(DataType::Array(Box::new(types[0].clone())))),
    entry("AVG", (1, 1), average),
    entry("COLLECT", (1, 1), |types| Some(DataType::Multiset(Box::new(types[0].clone())))),
    entry("COUNT", (0, usize::MAX), |_| Some(DataType::BigInt)),
    entry("FIRST_VALUE", (1, 1), first),
    // They say which groups a row's grouping set leaves out; the planner knows.
    entry("GROUPING", (1, 62), |_| Some(DataType::BigInt)),
    entry("GROUPING_ID", (1, 62), |_| Some(DataType::BigInt)),
    entry("GROUP_ID", (0, 0), |_| Some(DataType::BigInt)),
    // Behind the values stands what becomes of nulls.
    entry("JSON_ARRAYAGG", (2, 2), |_| Some(DataType::String)),
    entry("JSON_OBJECTAGG", (3, 3), |types| is_text(&types[0]).then_some(DataType::String)),
    entry("LAST_VALUE", (1, 1), first),
    entry("LISTAGG", (1, 2), list),
    entry("MAX", (1, 1), extreme),
    entry("MIN", (1, 1), extreme),
    entry("PERCENTILE", (2, 3), percentile),
    entry("SINGLE_VALUE", (1, 1), first),
    entry("STDDEV", (1, 1), average),
    entry("STDDEV_POP", (1, 1), average),
    entry("STDDEV_SAMP", (1, 1), average),
    entry("SUM", (1, 1), sum),
    entry("VARIANCE", (1, 1), average),
    entry("VAR_POP", (1, 1), average),
    entry("VAR_SAMP", (1, 1), average),
];

const fn entry(name: &'static str, arguments: (usize, usize), returns: fn(&[DataType]) -> Option<DataType>) -> Entry {
    Entry { name, arguments, returns }
}

fn is_text(data_type: &DataType) -> bool {
    matches!(data_type, DataType::Char(_) | DataType::Varchar(_) | DataType::String)
}

fn is_integer(data_type: &DataType) -> bool {
    matches!(data_type, DataType::TinyInt | DataType::SmallInt | DataType::Int | DataType::BigInt)
}

fn first(types: &[DataType]) -> Option<DataType> {
    Some(types[0].clone())
}

/// Of what has an order.
fn extreme(types: &[DataType]) -> Option<DataType> {
    let is_ordered =
        !matches!(types[0], DataType::Array(_) | DataType::Map(..) | DataType::Multiset(_) | DataType::Row(_));
    is_ordered.then(|| types[0].clone())
}

fn list(types: &[DataType]) -> Option<DataType> {
    types.iter().all(|data_type| is_text(data_type) || *data_type == DataType::Null).then_some(DataType::String)
}

/// Of a number, at a share or several, counted so often.
fn percentile(types: &[DataType]) -> Option<DataType> {
    if !types[0].is_numeric() || !types.get(2).is_none_or(is_integer) {
        return None;
    }
    match &types[1] {
        DataType::Array(item) if item.is_numeric() => Some(DataType::Array(Box::new(DataType::Double))),
        other => other.is_numeric().then_some(DataType::Double),
    }
}

fn sum(types: &[DataType]) -> Option<DataType> {
    match &types[0] {
        DataType::Decimal(_, scale) => Some(DataType::Decimal(PRECISION_MAX, *scale)),
        DataType::Null => Some(DataType::Null),
        other => other.is_numeric().then(|| other.clone()),
    }
}

/// Averages of integers are integers, cut off.
fn average(types: &[DataType]) -> Option<DataType> {
    match &types[0] {
        DataType::Decimal(_, scale) => Some(DataType::Decimal(PRECISION_MAX, (*scale).max(6))),
        other => sum(std::slice::from_ref(other)),
    }
}

#[derive(PartialEq, Eq, Hash)]
struct Aggregate {
    index: usize,
    signature: Signature,
}

impl Aggregate {
    fn new(entry: &'static Entry) -> Self {
        let index = AGGREGATES.iter().position(|known| known.name == entry.name).unwrap_or_default();
        Self { index, signature: Signature::user_defined(Volatility::Immutable) }
    }

    fn entry(&self) -> &'static Entry {
        &AGGREGATES[self.index]
    }
}

impl std::fmt::Debug for Aggregate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.entry().name)
    }
}

impl AggregateUDFImpl for Aggregate {
    fn name(&self) -> &str {
        self.entry().name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, arg_types: &[Arrow]) -> Result<Vec<Arrow>> {
        let (least, most) = self.entry().arguments;
        if arg_types.len() < least || arg_types.len() > most {
            return plan_err!("aggregate function {} does not take {} arguments", self.name(), arg_types.len());
        }
        Ok(arg_types.to_vec())
    }

    fn return_type(&self, arg_types: &[Arrow]) -> Result<Arrow> {
        let types = arg_types
            .iter()
            .map(|arrow| DataType::from_arrow(arrow).map_err(|failure| plan_datafusion_err!("{failure}")))
            .collect::<Result<Vec<_>>>()?;
        if types.len() < self.entry().arguments.0 {
            return plan_err!("aggregate function {} does not take {} arguments", self.name(), types.len());
        }
        match (self.entry().returns)(&types) {
            Some(data_type) => Ok(data_type.to_planned_arrow()),
            None => {
                let types: Vec<String> = types.iter().map(DataType::to_string).collect();
                plan_err!("aggregate function {} does not take {}", self.name(), types.join(", "))
            }
        }
    }

    fn is_nullable(&self) -> bool {
        !matches!(self.name(), "COUNT" | "APPROX_COUNT_DISTINCT" | "$SUM0")
    }

    fn supports_null_handling_clause(&self) -> bool {
        self.name() == "ARRAY_AGG"
    }

    fn accumulator(&self, _: AccumulatorArgs<'_>) -> Result<Box<dyn Accumulator>> {
        not_impl_err!("aggregate function {} is computed by the engine", self.name())
    }

    fn reverse_expr(&self) -> ReversedUDAF {
        ReversedUDAF::NotSupported
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_have_flinks_types() {
        for (name, argument, result) in [
            ("SUM", DataType::Int, DataType::Int),
            ("SUM", DataType::BigInt, DataType::BigInt),
            ("SUM", DataType::Decimal(10, 2), DataType::Decimal(38, 2)),
            ("AVG", DataType::BigInt, DataType::BigInt),
            ("AVG", DataType::Decimal(10, 2), DataType::Decimal(38, 6)),
            ("AVG", DataType::Decimal(20, 10), DataType::Decimal(38, 10)),
            ("AVG", DataType::Double, DataType::Double),
            ("COUNT", DataType::String, DataType::BigInt),
            ("MAX", DataType::String, DataType::String),
            ("STDDEV_POP", DataType::TinyInt, DataType::TinyInt),
            ("VARIANCE", DataType::Decimal(10, 2), DataType::Decimal(38, 6)),
            ("ARRAY_AGG", DataType::Int, DataType::Array(Box::new(DataType::Int))),
            ("COLLECT", DataType::Int, DataType::Multiset(Box::new(DataType::Int))),
        ] {
            let udaf = find(name).unwrap();
            assert_eq!(
                udaf.return_type(&[argument.to_planned_arrow()]).unwrap(),
                result.to_planned_arrow(),
                "{name}({argument})"
            );
        }
        assert!(find("SUM").unwrap().return_type(&[Arrow::Utf8]).is_err());
    }
}
