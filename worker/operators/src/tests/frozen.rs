//! What operators store is as it was, byte by byte: which tables they have, what is kept under which key and
//! namespace, and which accumulators each aggregate function has, in which order.
//!
//! Each case feeds some rows, holds what is stored against the fixture, and goes on from it on another backend at
//! another parallelism.

use graph::{
    ChangelogMode, Expr, Node, OperatorSpec,
    operator::{
        AggregateCall, AggregateFunction, DeduplicateSpec, GroupAggregateSpec, IntervalJoinSpec, JoinSpec, Keep,
        LimitSpec, RankSpec, SemiJoinSpec, SortColumn, WindowAggregateSpec, WindowAssignSpec, WindowJoinKind,
        WindowJoinSpec, WindowKind,
    },
};
use model::{
    DataType, Field, RowKind,
    RowKind::{Delete, Insert},
    Schema,
};

use super::{
    harness::{Change, Cluster, On},
    rows::{K, Row, S, T, V, batch, call, calls, schema},
};
use crate::fixtures::Fixture;

/// The version of the fixture with the state of operators.
const VERSION: u32 = 1;

fn row(k: i64, v: i64, s: &str, t: i64) -> Row {
    Row {
        k: Some(k),
        g: Some("group".to_owned()),
        v: Some(v),
        d: Some(i128::from(v) * 125),
        f: Some(v as f64 / 4.0),
        s: Some(s.to_owned()),
        flag: Some(v % 2 == 0),
        t: Some(t),
    }
}

/// The rows of all cases. `more` are fed once the state was taken over.
fn rows(more: bool) -> Vec<(RowKind, Row)> {
    match more {
        false => vec![(Insert, row(1, 2, "two", 3)), (Insert, row(1, -7, "", 4)), (Insert, row(300, 2, "x", 12))],
        true => vec![(Insert, row(1, 2, "two", 21)), (Insert, row(300, 9, "nine", 14)), (Insert, row(5, 0, "o", 22))],
    }
}

/// With a row that is taken away again.
fn changes(more: bool) -> Vec<(RowKind, Row)> {
    let mut changes = rows(more);
    changes.insert(2, (Insert, row(1, 4, "four", 3)));
    changes.push((Delete, row(1, if more { 2 } else { 4 }, if more { "two" } else { "four" }, 3)));
    changes
}

/// An operator, what its inputs carry, and the options of its job.
struct Case {
    name: String,
    operator: OperatorSpec,
    output: Schema,
    inputs: usize,
    changes: bool,
    options: &'static [(&'static str, &'static str)],
}

impl Case {
    fn new(name: impl Into<String>, operator: OperatorSpec, output: Schema) -> Self {
        Self { name: name.into(), operator, output, inputs: 1, changes: false, options: &[] }
    }

    fn of_two_inputs(self) -> Self {
        Self { inputs: 2, ..self }
    }

    fn with_changes(self) -> Self {
        Self { changes: true, ..self }
    }

    fn expiring(self) -> Self {
        Self { options: &[("table.exec.state.ttl", "1 h")], ..self }
    }

    fn cluster(&self) -> Cluster {
        let node = Node {
            uid: "operator".to_owned(),
            name: "Operator".to_owned(),
            parallelism: None,
            schema: self.output.clone(),
            changelog: ChangelogMode::ALL,
            operator: self.operator.clone(),
        };
        let (schemas, keys) = (vec![schema(); self.inputs], vec![vec![K]; self.inputs]);
        let mut cluster = Cluster::with_settings(node, schemas, keys, self.options);
        cluster.set_clock(1_700_000_000_000);
        cluster
    }

    fn feed(&self, cluster: &mut Cluster, more: bool) {
        let rows = if self.changes { changes(more) } else { rows(more) };
        for port in 0..self.inputs {
            cluster.process(port, batch(&rows));
        }
        // Some rows still wait then.
        cluster.watermark(if more { 100 } else { 5 });
        cluster.flush();
    }

    /// What comes out behind the snapshot; the order of keys depends on the parallelism.
    fn rest(&self, cluster: &mut Cluster) -> Vec<Change> {
        cluster.take();
        self.feed(cluster, true);
        let mut changes = cluster.take();
        changes.sort_by(|a, b| format!("{a:?}").cmp(&format!("{b:?}")));
        changes
    }

    fn check(&self, fixture: &mut Fixture) {
        let mut cluster = self.cluster();
        self.feed(&mut cluster, false);
        let stored = cluster.stored();
        for ((table, namespace, key), value) in &stored.entries {
            let key: String = key.iter().map(|byte| format!("{byte:02x}")).collect();
            fixture.written(&format!("{}, {table} {namespace} {key}", self.name), value);
        }
        for (list, items) in &stored.lists {
            for (index, item) in items.iter().enumerate() {
                fixture.written(&format!("{}, list {list} {index}", self.name), &item.0);
            }
        }
        let expected = self.rest(&mut cluster);
        assert!(!expected.is_empty(), "{}", self.name);
        for (parallelism, on) in [(1, On::HashMap), (3, On::RocksDb)] {
            // The limit of rows is one for all subtasks.
            let parallelism = if matches!(self.operator, OperatorSpec::Limit(_)) { 1 } else { parallelism };
            let mut restored = self.cluster();
            restored.restore(&stored, parallelism, on).expect("restored");
            assert_eq!(self.rest(&mut restored), expected, "{} on {on:?}", self.name);
        }
    }
}

fn check(cases: &[Case], fixture: &str) {
    let mut fixture = Fixture::open(fixture, VERSION);
    cases.iter().for_each(|case| case.check(&mut fixture));
    fixture.finish();
}

fn changelog(changes: bool) -> ChangelogMode {
    if changes { ChangelogMode::ALL } else { ChangelogMode::APPEND }
}

fn results(calls: &[AggregateCall]) -> Vec<Field> {
    calls.iter().enumerate().map(|(index, call)| Field::new(format!("a{index}"), call.data_type.clone())).collect()
}

fn with_window(mut fields: Vec<Field>) -> Schema {
    fields.extend(["window_start", "window_end", "window_time"].map(|name| Field::new(name, DataType::Timestamp(3))));
    Schema::new(fields)
}

fn key_and(fields: Vec<Field>) -> Vec<Field> {
    std::iter::once(schema().fields[K].clone()).chain(fields).collect()
}

fn grouped(name: impl Into<String>, aggregates: &[AggregateCall], changes: bool) -> Case {
    let spec = GroupAggregateSpec {
        keys: vec![K],
        aggregates: aggregates.to_vec(),
        input: changelog(changes),
        emit_update_before: true,
        partial: None,
    };
    let output = Schema::new(key_and(results(aggregates)));
    let case = Case::new(name, OperatorSpec::GroupAggregate(spec), output);
    if changes { case.with_changes() } else { case }
}

fn windowed(name: &str, window: WindowKind, changes: bool) -> Case {
    let aggregates = few_calls();
    let spec = WindowAggregateSpec {
        keys: vec![K],
        aggregates: aggregates.clone(),
        time: T,
        window,
        zone: None,
        processing: false,
        input: changelog(changes),
        partial: None,
    };
    let output = with_window(key_and(results(&aggregates)));
    let case = Case::new(name, OperatorSpec::WindowAggregate(spec), output);
    if changes { case.with_changes() } else { case }
}

fn few_calls() -> Vec<AggregateCall> {
    use AggregateFunction::{Count, Max, Min, Sum};
    let distinct = AggregateCall { distinct: true, ..call(Count, Some(S), DataType::BigInt) };
    vec![
        call(Count, None, DataType::BigInt),
        call(Sum, Some(V), DataType::BigInt),
        call(Max, Some(S), DataType::String),
        call(Min, Some(T), DataType::Timestamp(3)),
        distinct,
    ]
}

/// A call as examples name it.
fn described(call: &AggregateCall) -> String {
    let distinct = if call.distinct { " distinct" } else { "" };
    let column = |column: Option<usize>| column.map_or("-".to_owned(), |column| schema().fields[column].name.clone());
    let filter = if call.filter.is_some() { " filtered" } else { "" };
    format!("{:?} of {} {}{distinct}{filter}", call.function, column(call.argument), column(call.second))
}

#[test]
fn accumulators_of_each_aggregate_function_are_stored_as_ever() {
    let mut cases = Vec::new();
    for changes in [false, true] {
        let input = if changes { "changes" } else { "rows" };
        let each =
            calls().into_iter().map(|call| grouped(format!("{} over {input}", described(&call)), &[call], changes));
        cases.extend(each);
        cases.push(grouped(format!("some over {input}"), &few_calls(), changes));
    }
    check(&cases, "operators/aggregates");
}

fn assigned(window: WindowKind) -> Case {
    let spec = WindowAssignSpec { time: T, window, zone: None, processing: false, keys: vec![K] };
    Case::new("rows of sessions", OperatorSpec::WindowAssign(spec), with_window(schema().fields))
}

#[test]
fn windows_are_stored_as_ever() {
    let session = WindowKind::Session { gap: 10 };
    let cases = [
        windowed("tumbling", WindowKind::Tumble { size: 10, offset: 0 }, false),
        windowed("tumbling over changes", WindowKind::Tumble { size: 10, offset: 3 }, true),
        windowed("hopping", WindowKind::Hop { size: 10, slide: 5, offset: 0 }, false),
        windowed("cumulating", WindowKind::Cumulate { size: 20, step: 10, offset: 0 }, false),
        windowed("sessions", session, false),
        windowed("sessions over changes", session, true),
        assigned(session),
    ];
    check(&cases, "operators/windows");
}

fn numbered() -> Schema {
    let number = Field::new("rn", DataType::BigInt);
    Schema::new(schema().fields.into_iter().chain([number]).collect())
}

fn ranked(name: &str, changes: bool, latest_first: bool, window_end: Option<usize>) -> Case {
    let spec = RankSpec {
        partition: window_end.into_iter().chain([K]).rev().collect(),
        order: vec![
            SortColumn { column: V, descending: true, nulls_first: false },
            SortColumn { column: S, descending: false, nulls_first: true },
        ],
        from: 1,
        to: 2,
        latest_first,
        window_end,
        zone: None,
        with_number: true,
        input: changelog(changes),
        emit_update_before: true,
    };
    let case = Case::new(name, OperatorSpec::Rank(spec), numbered());
    if changes { case.with_changes() } else { case }
}

fn deduplicated(name: &str, keep: Keep, processing: bool) -> Case {
    let spec = DeduplicateSpec { keys: vec![K], time: T, processing, keep, emit_update_before: true };
    Case::new(name, OperatorSpec::Deduplicate(spec), schema())
}

#[test]
fn ranks_are_stored_as_ever() {
    let cases = [
        ranked("first rows", false, false, None),
        ranked("first rows, the latest first", false, true, None),
        ranked("first rows of changes", true, false, None),
        ranked("first rows of windows", false, false, Some(T)),
        ranked("expiring first rows", false, false, None).expiring(),
        deduplicated("first by time", Keep::First, false),
        deduplicated("first by arrival", Keep::First, true),
        deduplicated("last by time", Keep::Last, false),
        deduplicated("last by arrival", Keep::Last, true),
        deduplicated("expiring last by time", Keep::Last, false).expiring(),
        Case::new("limit", OperatorSpec::Limit(LimitSpec { limit: 4, offset: 1 }), schema()),
    ];
    check(&cases, "operators/ranks");
}

fn both() -> Schema {
    Schema::new(schema().fields.into_iter().chain(schema().fields).collect())
}

fn joined(name: &str, changes: bool) -> Case {
    let spec = JoinSpec {
        left_keys: vec![K],
        right_keys: vec![K],
        nulls_equal: false,
        condition: None,
        left_input: changelog(changes),
        right_input: changelog(changes),
        left_schema: schema(),
        right_schema: schema(),
    };
    let case = Case::new(name, OperatorSpec::Join(spec), both()).of_two_inputs();
    if changes { case.with_changes() } else { case }
}

fn semi_joined(name: &str, condition: bool) -> Case {
    let less = || Expr::call("<=", vec![Expr::Column(V), Expr::Column(8 + V)], DataType::Boolean);
    let spec = SemiJoinSpec {
        anti: false,
        left_keys: vec![K],
        right_keys: vec![K],
        nulls_equal: false,
        condition: condition.then(less),
        left_input: ChangelogMode::ALL,
        right_input: ChangelogMode::ALL,
        left_schema: schema(),
        right_schema: schema(),
    };
    Case::new(name, OperatorSpec::SemiJoin(spec), schema()).of_two_inputs().with_changes()
}

fn joined_by_time() -> Case {
    let spec = IntervalJoinSpec {
        left_keys: vec![K],
        right_keys: vec![K],
        nulls_equal: false,
        left_time: T,
        right_time: T,
        lower: -10,
        upper: 20,
        condition: None,
        left_schema: schema(),
        right_schema: schema(),
    };
    Case::new("by time", OperatorSpec::IntervalJoin(spec), both()).of_two_inputs()
}

fn joined_in_windows() -> Case {
    let spec = WindowJoinSpec {
        kind: WindowJoinKind::Inner,
        left_keys: vec![K, T],
        right_keys: vec![K, T],
        nulls_equal: false,
        left_end: T,
        right_end: T,
        zone: None,
        condition: None,
        left_schema: schema(),
        right_schema: schema(),
    };
    Case::new("in windows", OperatorSpec::WindowJoin(spec), both()).of_two_inputs()
}

#[test]
fn joins_are_stored_as_ever() {
    let cases = [
        joined("rows", false),
        joined("changes", true),
        joined("expiring rows", false).expiring(),
        joined("expiring changes", true).expiring(),
        semi_joined("semi", false),
        semi_joined("semi with a condition", true),
        semi_joined("expiring semi", false).expiring(),
        semi_joined("expiring semi with a condition", true).expiring(),
        joined_by_time(),
        joined_in_windows(),
    ];
    check(&cases, "operators/joins");
}
