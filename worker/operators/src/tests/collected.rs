//! Aggregates that keep the values of their rows, and variances: computed the slow way, and in the order of arrival.

use std::collections::BTreeMap;

use graph::{
    ChangelogMode, Node, OperatorSpec,
    operator::{AggregateCall, AggregateFunction as Function, GroupAggregateSpec},
};
use model::{
    DataType, Field, RowKind,
    RowKind::{Delete, Insert, UpdateAfter, UpdateBefore},
    Schema,
};

use super::{
    harness::{Change, Cluster, On},
    rows::{D, F, FLAG, G, K, Row, S, V, batch, call, schema, shown},
};

/// Every such function whose result does not depend on the order of rows but for the order of its parts.
pub(super) fn calls() -> Vec<AggregateCall> {
    let distinct = |call: AggregateCall| AggregateCall { distinct: true, ..call };
    let filtered = |call: AggregateCall| AggregateCall { filter: Some(FLAG), ..call };
    let list = |separator: &str| call(Function::ListAgg { separator: separator.to_owned() }, Some(S), DataType::String);
    let array =
        |ignore_nulls| call(Function::ArrayAgg { ignore_nulls }, Some(V), DataType::Array(Box::new(DataType::BigInt)));
    let json = |absent_on_null| call(Function::JsonArrayAgg { absent_on_null }, Some(S), DataType::String);
    let percentile = |percentages: &[f64], data_type| {
        call(Function::Percentile { percentages: percentages.to_vec() }, None, data_type)
    };
    let of = |column, call: AggregateCall| AggregateCall { argument: Some(column), ..call };
    let several = DataType::Array(Box::new(DataType::Double));
    let collect = |column, element| call(Function::Collect, Some(column), DataType::Multiset(Box::new(element)));
    vec![
        list("|"),
        filtered(list(" + ")),
        distinct(list("|")),
        array(false),
        filtered(array(true)),
        distinct(array(false)),
        json(true),
        json(false),
        collect(V, DataType::BigInt),
        distinct(collect(D, DataType::Decimal(10, 2))),
        call(Function::WelfordM2, Some(V), DataType::Double),
        filtered(call(Function::WelfordM2, Some(D), DataType::Double)),
        call(Function::WelfordM2, Some(F), DataType::Double),
        distinct(call(Function::WelfordM2, Some(F), DataType::Double)),
        of(V, percentile(&[0.3], DataType::Double)),
        distinct(of(D, percentile(&[0.5], DataType::Double))),
        AggregateCall { second: Some(V), ..of(F, percentile(&[0.25, 1.0], several)) },
    ]
}

/// The result of a call over rows, in the form of [`canonical`]; none if it is not one of these calls.
pub(super) fn aggregate(call: &AggregateCall, rows: &[&Row]) -> Option<String> {
    let column = call.argument?;
    let mut values: Vec<String> = rows.iter().map(|row| shown(row)[column].clone()).collect();
    let keeps_nulls = matches!(
        call.function,
        Function::ArrayAgg { ignore_nulls: false } | Function::JsonArrayAgg { absent_on_null: false }
    );
    values.retain(|value| keeps_nulls || value != "NULL");
    values.sort();
    if call.distinct {
        values.dedup();
    }
    let unless_empty = |text: String| if values.is_empty() { "NULL".to_owned() } else { text };
    let mut numbers: Vec<f64> = values.iter().filter_map(|value| value.parse().ok()).collect();
    let text = match &call.function {
        Function::ListAgg { separator } => unless_empty(values.join(separator)),
        Function::ArrayAgg { .. } => unless_empty(format!("[{}]", values.join(", "))),
        Function::JsonArrayAgg { .. } => format!("[{}]", values.join(",").replace("NULL", "null")),
        Function::Collect => {
            let mut counts: BTreeMap<&String, u32> = BTreeMap::new();
            values.iter().for_each(|value| *counts.entry(value).or_default() += 1);
            let counts: Vec<String> = counts.iter().map(|(value, count)| format!("{value}: {count}")).collect();
            format!("{{{}}}", counts.join(", "))
        }
        Function::WelfordM2 => {
            let mean = numbers.iter().sum::<f64>() / numbers.len() as f64;
            unless_empty(numbers.iter().map(|number| (number - mean).powi(2)).sum::<f64>().to_string())
        }
        Function::Percentile { percentages } => {
            if let Some(times) = call.second {
                let pairs = rows.iter().map(|row| (shown(row)[column].clone(), shown(row)[times].clone()));
                numbers = pairs
                    .filter_map(|(value, times)| Some((value.parse().ok()?, times.parse::<i64>().ok()?)))
                    .flat_map(|(value, times)| std::iter::repeat_n(value, times.max(0) as usize))
                    .collect();
            }
            numbers.sort_by(f64::total_cmp);
            let at: Vec<String> = percentages.iter().map(|&at| format!("{:?}", percentile(&numbers, at))).collect();
            match numbers.is_empty() {
                true => "NULL".to_owned(),
                false if matches!(call.data_type, DataType::Array(_)) => format!("[{}]", at.join(", ")),
                false => at[0].clone(),
            }
        }
        _ => return None,
    };
    Some(canonical(call, &text))
}

fn percentile(sorted: &[f64], at: f64) -> f64 {
    let position = at * (sorted.len().max(1) - 1) as f64;
    let (below, above) = (position.floor() as usize, position.ceil() as usize);
    match sorted.get(below).zip(sorted.get(above)) {
        Some((low, high)) if low == high => *low,
        Some((low, high)) => (above as f64 - position) * low + (position - below as f64) * high,
        None => f64::NAN,
    }
}

/// A result with its parts in order, and without the last digits of a sum of floats.
pub(super) fn canonical(call: &AggregateCall, text: &str) -> String {
    let sorted = |inner: &str, separator: &str| {
        let mut parts: Vec<&str> = inner.split(separator).collect();
        parts.sort_unstable();
        parts.join(separator)
    };
    let inside = |separator: &str| match text.strip_prefix(['[', '{']) {
        Some(rest) => {
            format!("{}{}{}", &text[..1], sorted(&rest[..rest.len() - 1], separator), &text[text.len() - 1..])
        }
        None => text.to_owned(),
    };
    match &call.function {
        Function::ListAgg { separator } => sorted(text, separator),
        Function::ArrayAgg { .. } | Function::Collect => inside(", "),
        Function::JsonArrayAgg { .. } => inside(","),
        Function::WelfordM2 | Function::Percentile { .. } => match text.parse::<f64>() {
            // Neither a zero nor a decimal that ends in 5 lies between two texts.
            Ok(number) => format!("{:.6}", number + 3.3e-8),
            Err(_) => text.to_owned(),
        },
        _ => text.to_owned(),
    }
}

/// A row of output whose aggregates stand behind so many keys.
pub(super) fn canonical_row(calls: &[AggregateCall], keys: usize, mut row: Vec<String>) -> Vec<String> {
    for (text, call) in row.iter_mut().skip(keys).zip(calls) {
        *text = canonical(call, text);
    }
    row
}

fn cluster(aggregates: Vec<AggregateCall>, input: ChangelogMode) -> Cluster {
    let results =
        aggregates.iter().enumerate().map(|(index, call)| Field::new(format!("a{index}"), call.data_type.clone()));
    let node = Node {
        uid: "aggregate".to_owned(),
        name: "GroupAggregate".to_owned(),
        parallelism: None,
        schema: Schema::new(std::iter::once(schema().fields[K].clone()).chain(results).collect()),
        changelog: ChangelogMode::ALL,
        operator: OperatorSpec::GroupAggregate(GroupAggregateSpec {
            keys: vec![K],
            aggregates,
            input,
            emit_update_before: false,
            partial: None,
        }),
    };
    Cluster::new(node, vec![schema()], vec![vec![K]])
}

fn row(k: i64, s: impl Into<Option<&'static str>>, v: impl Into<Option<i64>>) -> Row {
    Row { k: Some(k), s: s.into().map(str::to_owned), v: v.into(), ..Row::default() }
}

fn change(kind: RowKind, values: &[&str]) -> Change {
    (kind, values.iter().map(|&value| value.to_owned()).collect())
}

fn list() -> AggregateCall {
    call(Function::ListAgg { separator: ",".to_owned() }, Some(S), DataType::String)
}

fn ends() -> Vec<AggregateCall> {
    let of = |function| call(function, Some(S), DataType::String);
    vec![of(Function::FirstValue), of(Function::LastValue), list()]
}

#[test]
fn values_are_in_the_order_of_arrival() {
    let mut cluster = cluster(ends(), ChangelogMode::APPEND);
    cluster.process(0, batch(&[(Insert, row(1, None, 1)), (Insert, row(2, None, 1)), (Insert, row(1, "b", 1))]));
    assert_eq!(cluster.take(), [change(Insert, &["1", "b", "b", "b"]), change(Insert, &["2", "NULL", "NULL", "NULL"])]);
    cluster.restart(2, On::RocksDb);
    cluster.process(0, batch(&[(Insert, row(1, "c", 1)), (Insert, row(1, None, 1)), (Insert, row(1, "a", 1))]));
    assert_eq!(cluster.take(), [change(UpdateAfter, &["1", "b", "a", "b,c,a"])]);
    // Nothing changes.
    cluster.process(0, batch(&[(Insert, row(1, None, 7))]));
    assert_eq!(cluster.take(), []);
}

#[test]
fn the_first_of_equal_values_is_taken_back() {
    let mut cluster = cluster(ends(), ChangelogMode::ALL);
    let text = |text: &'static str| row(1, text, 1);
    cluster.process(0, batch(&[(Insert, text("a")), (Insert, text("b")), (Insert, text("a"))]));
    assert_eq!(cluster.take(), [change(Insert, &["1", "a", "a", "a,b,a"])]);
    cluster.restart(1, On::RocksDb);
    cluster.process(0, batch(&[(UpdateBefore, text("a")), (UpdateAfter, text("c"))]));
    assert_eq!(cluster.take(), [change(UpdateAfter, &["1", "b", "c", "b,a,c"])]);
    cluster.process(0, batch(&[(Delete, text("c"))]));
    cluster.restart(2, On::HashMap);
    cluster.process(0, batch(&[(Delete, text("b")), (Delete, text("a"))]));
    assert_eq!(cluster.take(), [change(UpdateAfter, &["1", "b", "a", "b,a"]), change(Delete, &["1", "b", "a", "b,a"])]);
}

#[test]
fn a_distinct_value_goes_with_its_last_occurrence() {
    let distinct = |call: AggregateCall| AggregateCall { distinct: true, ..call };
    let mut cluster = cluster(ends().into_iter().map(distinct).collect(), ChangelogMode::ALL);
    let text = |text: &'static str| row(1, text, 1);
    cluster.process(0, batch(&[(Insert, text("a")), (Insert, text("b")), (Insert, text("a")), (Insert, text("c"))]));
    assert_eq!(cluster.take(), [change(Insert, &["1", "a", "c", "a,b,c"])]);
    cluster.process(0, batch(&[(Delete, text("a"))]));
    assert_eq!(cluster.take(), []);
    cluster.restart(1, On::RocksDb);
    cluster.process(0, batch(&[(Delete, text("a")), (Insert, text("b"))]));
    assert_eq!(cluster.take(), [change(UpdateAfter, &["1", "b", "c", "b,c"])]);
    cluster.process(0, batch(&[(Insert, text("a"))]));
    assert_eq!(cluster.take(), [change(UpdateAfter, &["1", "b", "a", "b,c,a"])]);
}

#[test]
fn json_objects_have_each_key_once() {
    let object = |absent_on_null| AggregateCall {
        second: Some(G),
        ..call(Function::JsonObjectAgg { absent_on_null }, Some(S), DataType::String)
    };
    let pair = |key: &'static str, value: Option<&str>| Row { g: value.map(str::to_owned), ..row(1, key, 1) };
    let mut cluster = cluster(vec![object(false), object(true)], ChangelogMode::ALL);
    cluster.process(0, batch(&[(Insert, pair("\"a\"", Some("1"))), (Insert, pair("\"b\"", None))]));
    assert_eq!(cluster.take(), [change(Insert, &["1", "{\"a\":1,\"b\":null}", "{\"a\":1}"])]);
    cluster.restart(1, On::RocksDb);
    cluster.process(0, batch(&[(UpdateBefore, pair("\"a\"", Some("1"))), (UpdateAfter, pair("\"a\"", Some("2")))]));
    assert_eq!(cluster.take(), [change(UpdateAfter, &["1", "{\"a\":2,\"b\":null}", "{\"a\":2}"])]);
    let again = cluster.try_process(0, batch(&[(Insert, pair("\"a\"", Some("3")))])).expect_err("twice");
    assert!(again.message.contains("the key \"a\" of JSON_OBJECTAGG occurs more than once"), "{again}");
}

#[test]
fn a_single_value_has_no_second_row() {
    let single = || call(Function::SingleValue, Some(V), DataType::BigInt);
    let mut cluster = cluster(vec![single()], ChangelogMode::ALL);
    cluster.process(0, batch(&[(Insert, row(1, None, None))]));
    cluster.process(0, batch(&[(UpdateBefore, row(1, None, None)), (UpdateAfter, row(1, None, 4))]));
    assert_eq!(cluster.take(), [change(Insert, &["1", "NULL"]), change(UpdateAfter, &["1", "4"])]);
    let second = cluster.try_process(0, batch(&[(Insert, row(1, None, 5))])).expect_err("two rows");
    assert!(second.message.contains("SINGLE_VALUE has more than one row"), "{second}");
}

#[test]
fn variances_do_not_suffer_from_large_means() {
    let mut cluster = cluster(vec![call(Function::WelfordM2, Some(V), DataType::Double)], ChangelogMode::ALL);
    let number = |value: i64| row(1, None, 1_000_000_000_000 + value);
    cluster.process(0, batch(&[(Insert, number(1)), (Insert, number(2)), (Insert, number(3))]));
    assert_eq!(cluster.take(), [change(Insert, &["1", "2.0"])]);
    cluster.process(0, batch(&[(Delete, number(2))]));
    cluster.process(0, batch(&[(Delete, number(1))]));
    assert_eq!(cluster.take(), [change(UpdateAfter, &["1", "0.0"])]);
    cluster.process(0, batch(&[(Delete, number(3)), (Insert, row(1, None, None))]));
    assert_eq!(cluster.take(), [change(UpdateAfter, &["1", "NULL"])]);
}

#[test]
fn a_variance_of_what_is_not_a_number_stays_so() {
    let mut cluster = cluster(vec![call(Function::WelfordM2, Some(F), DataType::Double)], ChangelogMode::ALL);
    let number = |f: f64| Row { f: Some(f), ..row(1, None, 1) };
    cluster.process(0, batch(&[(Insert, number(1.0)), (Insert, number(f64::NAN)), (Insert, number(2.0))]));
    cluster.process(0, batch(&[(Delete, number(1.0))]));
    assert_eq!(cluster.take(), [change(Insert, &["1", "NaN"])]);
}

#[test]
fn values_of_many_are_taken_back() {
    let distinct = |call: AggregateCall| AggregateCall { distinct: true, ..call };
    let calls: Vec<_> = ends().into_iter().chain(ends().into_iter().map(distinct)).collect();
    let mut cluster = cluster(calls, ChangelogMode::ALL);
    let text = |number: i64| Row { s: Some(format!("{}", number % 30)), ..row(1, None, 1) };
    let feed = |kind, numbers: std::ops::Range<i64>| batch(&numbers.map(|n| (kind, text(n))).collect::<Vec<_>>());
    cluster.process(0, feed(Insert, 0..60));
    cluster.process(0, feed(Delete, 0..40));
    cluster.restart(1, On::RocksDb);
    cluster.take();
    cluster.process(0, feed(Delete, 40..57));
    let last = ["1", "27", "29", "27,28,29", "27", "29", "27,28,29"];
    assert_eq!(cluster.take(), [change(UpdateAfter, &last)]);
    cluster.process(0, feed(Insert, 27..28));
    cluster.process(0, feed(Delete, 57..58));
    let last = ["1", "28", "27", "28,29,27", "27", "29", "27,28,29"];
    assert_eq!(cluster.take().last(), Some(&change(UpdateAfter, &last)));
}

#[test]
fn percentiles_lie_between_values() {
    let percentile = |percentages: &[f64], data_type| {
        call(Function::Percentile { percentages: percentages.to_vec() }, Some(V), data_type)
    };
    let several = DataType::Array(Box::new(DataType::Double));
    let aggregates = vec![percentile(&[0.3], DataType::Double), percentile(&[0.75, 0.25], several)];
    let mut cluster = cluster(aggregates, ChangelogMode::ALL);
    let number = |value: i64| row(1, None, value);
    cluster.process(0, batch(&[(Insert, number(1)), (Insert, number(2)), (Insert, number(4)), (Insert, number(2))]));
    assert_eq!(cluster.take(), [change(Insert, &["1", "1.9", "[2.5, 1.75]"])]);
    cluster.restart(1, On::RocksDb);
    cluster.process(0, batch(&[(Delete, number(2)), (Delete, number(1))]));
    assert_eq!(cluster.take(), [change(UpdateAfter, &["1", "2.6", "[3.5, 2.5]"])]);
}

#[test]
fn a_value_may_occur_more_often_than_can_be_counted() {
    let call = call(Function::Percentile { percentages: vec![0.5] }, Some(F), DataType::Double);
    let mut cluster = cluster(vec![AggregateCall { second: Some(V), ..call }], ChangelogMode::APPEND);
    let often = Row { f: Some(1.5), ..row(1, None, i64::MAX) };
    let other = Row { f: Some(2.5), ..row(1, None, 3) };
    cluster.process(0, batch(&[(Insert, often.clone()), (Insert, other), (Insert, often)]));
    assert_eq!(cluster.take(), [change(Insert, &["1", "1.5"])]);
}
