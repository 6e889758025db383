//! The rows that tests feed in, and aggregates computed the slow way.

use std::{collections::BTreeSet, sync::Arc};

use arrow::{
    array::{
        BooleanArray, Decimal128Array, Float64Array, Int64Array, RecordBatch, StringArray, TimestampMillisecondArray,
    },
    buffer::ScalarBuffer,
};
use graph::operator::{AggregateCall, AggregateFunction};
use model::{Batch, DataType, Field, RowKind, Schema};
use rand::{Rng, rngs::SmallRng};

use super::collected;

pub(super) const K: usize = 0;
pub(super) const G: usize = 1;
pub(super) const V: usize = 2;
pub(super) const D: usize = 3;
pub(super) const F: usize = 4;
pub(super) const S: usize = 5;
pub(super) const FLAG: usize = 6;
pub(super) const T: usize = 7;

/// A row of [`schema`].
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Row {
    pub(super) k: Option<i64>,
    pub(super) g: Option<String>,
    pub(super) v: Option<i64>,
    pub(super) d: Option<i128>,
    pub(super) f: Option<f64>,
    pub(super) s: Option<String>,
    pub(super) flag: Option<bool>,
    pub(super) t: Option<i64>,
}

pub(crate) fn schema() -> Schema {
    Schema::new(vec![
        Field::new("k", DataType::BigInt),
        Field::new("g", DataType::String),
        Field::new("v", DataType::BigInt),
        Field::new("d", DataType::Decimal(10, 2)),
        Field::new("f", DataType::Double),
        Field::new("s", DataType::String),
        Field::new("flag", DataType::Boolean),
        Field::new("t", DataType::Timestamp(3)),
    ])
}

pub(super) fn batch(rows: &[(RowKind, Row)]) -> Batch {
    let of = |rows: &[(RowKind, Row)]| rows.iter().map(|(_, row)| row.clone()).collect::<Vec<_>>();
    let kinds: ScalarBuffer<u8> = rows.iter().map(|(kind, _)| *kind as u8).collect();
    let rows = of(rows);
    let decimals: Decimal128Array = rows.iter().map(|row| row.d).collect();
    let columns = RecordBatch::try_new(
        schema().to_arrow(),
        vec![
            Arc::new(rows.iter().map(|row| row.k).collect::<Int64Array>()),
            Arc::new(rows.iter().map(|row| row.g.clone()).collect::<StringArray>()),
            Arc::new(rows.iter().map(|row| row.v).collect::<Int64Array>()),
            Arc::new(decimals.with_precision_and_scale(10, 2).expect("fits")),
            Arc::new(rows.iter().map(|row| row.f).collect::<Float64Array>()),
            Arc::new(rows.iter().map(|row| row.s.clone()).collect::<StringArray>()),
            Arc::new(rows.iter().map(|row| row.flag).collect::<BooleanArray>()),
            Arc::new(rows.iter().map(|row| row.t).collect::<TimestampMillisecondArray>()),
        ],
    );
    let is_append = kinds.iter().all(|kind| *kind == 0);
    Batch::new(columns.expect("the columns fit the schema"), (!is_append).then_some(kinds))
}

/// The row as output shows it.
pub(super) fn shown(row: &Row) -> Vec<String> {
    super::harness::rows(&batch(&[(RowKind::Insert, row.clone())])).remove(0).1
}

/// As [`shown`], for many rows.
pub(super) fn all_shown(rows: &[Row]) -> Vec<Vec<String>> {
    let rows: Vec<_> = rows.iter().map(|row| (RowKind::Insert, row.clone())).collect();
    super::harness::rows(&batch(&rows)).into_iter().map(|(_, row)| row).collect()
}

/// A random row; few different keys and values, and nulls.
pub(super) fn random(rng: &mut SmallRng, keys: i64) -> Row {
    fn some<T>(rng: &mut SmallRng, value: T) -> Option<T> {
        rng.random_bool(0.9).then_some(value)
    }
    let (k, g, v) = (rng.random_range(0..keys), rng.random_range(0..3), rng.random_range(-4..5));
    let (d, f, s, flag) =
        (rng.random_range(-500..500), rng.random_range(-8..8), rng.random_range(0..12), rng.random_bool(0.5));
    Row {
        k: some(rng, k),
        g: some(rng, format!("group {g}")),
        v: some(rng, v),
        d: some(rng, d),
        f: some(rng, f64::from(f) / 2.0),
        s: some(rng, "x".repeat(s % 5) + &s.to_string()),
        flag: some(rng, flag),
        t: Some(rng.random_range(0..1000)),
    }
}

pub(super) fn call(function: AggregateFunction, argument: Option<usize>, data_type: DataType) -> AggregateCall {
    let argument_type = argument.map_or(DataType::Null, |column| schema().fields[column].data_type.clone());
    AggregateCall { function, argument, second: None, filter: None, distinct: false, argument_type, data_type }
}

/// Every function on every kind of argument.
pub(crate) fn calls() -> Vec<AggregateCall> {
    use AggregateFunction::{Avg, Count, Max, Min, Sum};
    let distinct = |call: AggregateCall| AggregateCall { distinct: true, ..call };
    let filtered = |call: AggregateCall| AggregateCall { filter: Some(FLAG), ..call };
    let decimal = DataType::Decimal(38, 2);
    let counted_and_added = vec![
        call(Count, None, DataType::BigInt),
        call(Count, Some(V), DataType::BigInt),
        filtered(call(Count, None, DataType::BigInt)),
        distinct(call(Count, Some(V), DataType::BigInt)),
        filtered(distinct(call(Count, Some(V), DataType::BigInt))),
        distinct(call(Count, Some(S), DataType::BigInt)),
        distinct(call(Count, Some(D), DataType::BigInt)),
        call(Sum, Some(V), DataType::BigInt),
        filtered(call(Sum, Some(V), DataType::BigInt)),
        distinct(call(Sum, Some(V), DataType::BigInt)),
        call(Sum, Some(D), decimal.clone()),
        distinct(call(Sum, Some(D), decimal)),
        call(Sum, Some(F), DataType::Double),
        distinct(call(Sum, Some(F), DataType::Double)),
        call(Avg, Some(V), DataType::BigInt),
        call(Avg, Some(D), DataType::Decimal(38, 6)),
        call(Avg, Some(F), DataType::Double),
        call(Min, Some(V), DataType::BigInt),
        filtered(call(Max, Some(V), DataType::BigInt)),
        distinct(call(Max, Some(D), DataType::Decimal(10, 2))),
        call(Min, Some(D), DataType::Decimal(10, 2)),
        call(Min, Some(F), DataType::Double),
        call(Max, Some(F), DataType::Double),
        call(Min, Some(S), DataType::String),
        filtered(call(Max, Some(S), DataType::String)),
        call(Min, Some(FLAG), DataType::Boolean),
        call(Max, Some(T), DataType::Timestamp(3)),
    ];
    counted_and_added.into_iter().chain(collected::calls()).collect()
}

/// The result of a call over all rows of a group, as output shows it.
pub(super) fn aggregate(call: &AggregateCall, rows: &[Row]) -> String {
    let rows: Vec<&Row> = rows.iter().filter(|row| call.filter.is_none() || row.flag == Some(true)).collect();
    let Some(column) = call.argument else { return rows.len().to_string() };
    if let Some(result) = collected::aggregate(call, &rows) {
        return result;
    }
    match column {
        V => integers(call, rows.iter().filter_map(|row| row.v).map(i128::from).collect(), 0),
        D => integers(call, rows.iter().filter_map(|row| row.d).collect(), 2),
        F => floats(call, rows.iter().filter_map(|row| row.f).collect()),
        S => ordered(call, rows.iter().filter_map(|row| row.s.clone()).collect()),
        FLAG => ordered(call, rows.iter().filter_map(|row| row.flag).collect()),
        T => {
            let column: Vec<Row> =
                rows.iter().filter_map(|row| row.t).map(|t| Row { t: Some(t), ..Row::default() }).collect();
            let best = column.into_iter().max_by_key(|row| row.t).unwrap_or_default();
            shown(&best)[T].clone()
        }
        other => unreachable!("no aggregate over column {other}"),
    }
}

fn integers(call: &AggregateCall, mut values: Vec<i128>, scale: u32) -> String {
    let shown = |value: i128| match scale {
        0 => value.to_string(),
        scale => decimal(value, scale),
    };
    if call.distinct {
        values = values.into_iter().collect::<BTreeSet<_>>().into_iter().collect();
    }
    let count = values.len() as i128;
    let sum: i128 = values.iter().sum();
    match call.function {
        AggregateFunction::Count => count.to_string(),
        _ if values.is_empty() => "NULL".to_owned(),
        AggregateFunction::Sum => shown(sum),
        AggregateFunction::Avg if scale == 0 => (sum / count).to_string(),
        AggregateFunction::Avg => {
            let scaled = sum * 10_000;
            let half = if sum < 0 { -count } else { count };
            decimal((2 * scaled + half) / (2 * count), 6)
        }
        AggregateFunction::Min => shown(values.into_iter().min().expect("not empty")),
        AggregateFunction::Max => shown(values.into_iter().max().expect("not empty")),
        _ => unreachable!("no number"),
    }
}

fn decimal(value: i128, scale: u32) -> String {
    let unit = 10i128.pow(scale);
    let sign = if value < 0 { "-" } else { "" };
    format!("{sign}{}.{:0width$}", value.abs() / unit, value.abs() % unit, width = scale as usize)
}

fn floats(call: &AggregateCall, mut values: Vec<f64>) -> String {
    values.sort_by(f64::total_cmp);
    if call.distinct {
        values.dedup();
    }
    let result = match call.function {
        _ if values.is_empty() => return "NULL".to_owned(),
        AggregateFunction::Count => return values.len().to_string(),
        AggregateFunction::Sum => values.iter().sum(),
        AggregateFunction::Avg => values.iter().sum::<f64>() / values.len() as f64,
        AggregateFunction::Min => values[0],
        AggregateFunction::Max => values[values.len() - 1],
        _ => unreachable!("no number"),
    };
    format!("{:?}", if result == 0.0 { 0.0 } else { result })
}

fn ordered<T: Ord + ToString>(call: &AggregateCall, values: Vec<T>) -> String {
    let values: BTreeSet<T> = values.into_iter().collect();
    match call.function {
        AggregateFunction::Count => values.len().to_string(),
        AggregateFunction::Min => values.first().map_or("NULL".to_owned(), T::to_string),
        AggregateFunction::Max => values.last().map_or("NULL".to_owned(), T::to_string),
        _ => unreachable!("not a number"),
    }
}
