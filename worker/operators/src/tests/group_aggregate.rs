//! Aggregation without windows.

use std::collections::BTreeMap;

use graph::{
    ChangelogMode, Node, OperatorSpec,
    operator::{AggregateCall, AggregateFunction, GroupAggregateSpec, LocalAggregateSpec},
};
use model::{
    DataType, Field, RowKind,
    RowKind::{Delete, Insert, UpdateAfter, UpdateBefore},
    Schema,
};
use rand::{Rng, SeedableRng, rngs::SmallRng};

use super::{
    changelog::{Input, Seeded},
    collected::canonical_row,
    harness::{Change, Cluster, On},
    rows::{self, D, F, G, K, Row, V, aggregate, batch, call, calls, schema, shown},
};
use crate::{accumulator::Layout, limits::Limits};

fn node(keys: &[usize], aggregates: &[AggregateCall], input: ChangelogMode, emit_update_before: bool) -> Node {
    let keys_of = keys.iter().map(|&key| schema().fields[key].clone());
    let results =
        aggregates.iter().enumerate().map(|(index, call)| Field::new(format!("a{index}"), call.data_type.clone()));
    Node {
        uid: "aggregate".to_owned(),
        name: "GroupAggregate".to_owned(),
        parallelism: None,
        schema: Schema::new(keys_of.chain(results).collect()),
        changelog: ChangelogMode::ALL,
        operator: OperatorSpec::GroupAggregate(GroupAggregateSpec {
            keys: keys.to_vec(),
            aggregates: aggregates.to_vec(),
            input,
            emit_update_before,
            partial: None,
        }),
    }
}

fn cluster(keys: &[usize], aggregates: &[AggregateCall], input: ChangelogMode, emit_update_before: bool) -> Cluster {
    Cluster::new(node(keys, aggregates, input, emit_update_before), vec![schema()], vec![keys.to_vec()])
}

fn row(k: i64, v: impl Into<Option<i64>>) -> Row {
    Row { k: Some(k), v: v.into(), ..Row::default() }
}

fn change(kind: RowKind, values: &[&str]) -> Change {
    (kind, values.iter().map(|&value| value.to_owned()).collect())
}

fn count() -> AggregateCall {
    call(AggregateFunction::Count, None, DataType::BigInt)
}

fn sum() -> AggregateCall {
    call(AggregateFunction::Sum, Some(V), DataType::BigInt)
}

#[test]
fn a_batch_changes_each_key_once_in_order_of_first_occurrence() {
    let mut cluster = cluster(&[K], &[count(), sum()], ChangelogMode::APPEND, true);
    cluster.process(0, batch(&[(Insert, row(2, 5)), (Insert, row(1, None)), (Insert, row(2, 6))]));
    assert_eq!(cluster.take(), [change(Insert, &["2", "2", "11"]), change(Insert, &["1", "1", "NULL"])]);
    cluster.process(0, batch(&[(Insert, row(1, 7)), (Insert, row(1, 1))]));
    assert_eq!(cluster.take(), [change(UpdateBefore, &["1", "1", "NULL"]), change(UpdateAfter, &["1", "3", "8"])]);
}

#[test]
fn update_before_is_left_out_if_nobody_wants_it() {
    let mut cluster = cluster(&[K], &[count()], ChangelogMode::ALL, false);
    cluster.process(0, batch(&[(Insert, row(1, 1))]));
    cluster.process(0, batch(&[(Insert, row(1, 1))]));
    cluster.process(0, batch(&[(Delete, row(1, 1)), (Delete, row(1, 1))]));
    assert_eq!(
        cluster.take(),
        [change(Insert, &["1", "1"]), change(UpdateAfter, &["1", "2"]), change(Delete, &["1", "2"])]
    );
}

#[test]
fn an_unchanged_result_is_not_emitted() {
    let mut cluster = cluster(&[K], &[sum()], ChangelogMode::ALL, true);
    cluster.process(0, batch(&[(Insert, row(1, 5))]));
    cluster.take();
    cluster.process(0, batch(&[(Insert, row(1, 0)), (Insert, row(1, None))]));
    cluster.process(0, batch(&[(UpdateBefore, row(1, 5)), (UpdateAfter, row(1, 5))]));
    assert_eq!(cluster.take(), []);
}

#[test]
fn retractions_of_unknown_keys_are_ignored_row_by_row() {
    let mut cluster = cluster(&[K], &[count(), sum()], ChangelogMode::ALL, true);
    cluster.process(0, batch(&[(Delete, row(1, 5))]));
    assert_eq!(cluster.take(), []);
    cluster.process(0, batch(&[(Delete, row(1, 5)), (Insert, row(1, 7)), (UpdateBefore, row(2, 1))]));
    assert_eq!(cluster.take(), [change(Insert, &["1", "1", "7"])]);
}

#[test]
fn the_last_retraction_deletes_a_key_but_not_the_global_result() {
    let mut keyed = cluster(&[K], &[sum()], ChangelogMode::ALL, true);
    keyed.process(0, batch(&[(Insert, row(1, 5))]));
    keyed.process(0, batch(&[(Delete, row(1, 5))]));
    keyed.process(0, batch(&[(Insert, row(1, 6))]));
    assert_eq!(keyed.take(), [change(Insert, &["1", "5"]), change(Delete, &["1", "5"]), change(Insert, &["1", "6"])]);

    let mut global = cluster(&[], &[count(), sum()], ChangelogMode::ALL, true);
    global.process(0, batch(&[(Delete, row(1, 5))]));
    assert_eq!(global.take(), []);
    global.process(0, batch(&[(Insert, row(1, 5))]));
    global.process(0, batch(&[(Delete, row(1, 5))]));
    global.restart(1, On::HashMap);
    global.process(0, batch(&[(Insert, row(1, 5))]));
    assert_eq!(
        global.take(),
        [
            change(Insert, &["1", "5"]),
            change(UpdateBefore, &["1", "5"]),
            change(UpdateAfter, &["0", "NULL"]),
            change(UpdateBefore, &["0", "NULL"]),
            change(UpdateAfter, &["1", "5"]),
        ]
    );
}

#[test]
fn numbers_follow_flink() {
    let aggregates = [
        sum(),
        call(AggregateFunction::Avg, Some(V), DataType::BigInt),
        call(AggregateFunction::Sum, Some(D), DataType::Decimal(38, 2)),
        call(AggregateFunction::Avg, Some(D), DataType::Decimal(38, 6)),
        call(AggregateFunction::Max, Some(F), DataType::Double),
    ];
    let mut cluster = cluster(&[], &aggregates, ChangelogMode::APPEND, false);
    let rows = [(i64::MAX, 200, f64::NAN), (1, -100, 1.0), (-1, 0, f64::INFINITY)];
    let rows: Vec<_> =
        rows.into_iter().map(|(v, d, f)| (Insert, Row { d: Some(d), f: Some(f), ..row(0, v) })).collect();
    cluster.process(0, batch(&rows[..2]));
    // A sum of integers wraps, an average truncates; decimals round half up.
    assert_eq!(
        cluster.take(),
        [change(Insert, &["-9223372036854775808", "-4611686018427387904", "1.00", "0.500000", "NaN"])]
    );
    cluster.process(0, batch(&rows[2..]));
    assert_eq!(
        cluster.take(),
        [change(UpdateAfter, &["9223372036854775807", "3074457345618258602", "1.00", "0.333333", "NaN"])]
    );
}

#[test]
fn a_decimal_sum_that_needs_more_than_38_digits_is_null() {
    let wide = DataType::Decimal(38, 0);
    let input = Schema::new(vec![Field::new("d", wide.clone())]);
    let sum = AggregateCall { argument_type: wide.clone(), ..call(AggregateFunction::Sum, Some(0), wide.clone()) };
    let mut node = node(&[], &[sum], ChangelogMode::APPEND, false);
    node.schema = Schema::new(vec![Field::new("sum", wide.clone())]);
    let mut cluster = Cluster::new(node, vec![input.clone()], vec![vec![]]);
    for _ in 0..3 {
        let digits = arrow::array::Decimal128Array::from(vec![10i128.pow(38) - 1]);
        let column = digits.with_precision_and_scale(38, 0).expect("fits");
        let columns = arrow::array::RecordBatch::try_new(input.to_arrow(), vec![std::sync::Arc::new(column)]);
        cluster.process(0, model::Batch::append(columns.expect("fits")));
    }
    assert_eq!(cluster.take(), [change(Insert, &[&"9".repeat(38)]), change(UpdateAfter, &["NULL"])]);
}

#[test]
fn a_mini_batch_is_folded_when_it_is_full_or_flushed() {
    let options = [("table.exec.mini-batch.enabled", "true"), ("table.exec.mini-batch.size", "3")];
    let node = node(&[K], &[count()], ChangelogMode::APPEND, true);
    let mut cluster = Cluster::with_settings(node, vec![schema()], vec![vec![K]], &options);
    cluster.process(0, batch(&[(Insert, row(1, 1))]));
    cluster.process(0, batch(&[(Insert, row(1, 1))]));
    assert_eq!(cluster.take(), []);
    cluster.process(0, batch(&[(Insert, row(1, 1))]));
    assert_eq!(cluster.take(), [change(Insert, &["1", "3"])]);
    cluster.process(0, batch(&[(Insert, row(2, 1))]));
    cluster.flush();
    assert_eq!(cluster.take(), [change(Insert, &["2", "1"])]);
}

#[test]
fn a_large_output_comes_in_pieces_and_keeps_pairs_together() {
    let options = [("table.exec.mini-batch.enabled", "true"), ("table.exec.mini-batch.size", "30000")];
    let node = node(&[K], &[count()], ChangelogMode::APPEND, true);
    let mut cluster = Cluster::with_settings(node, vec![schema()], vec![vec![K]], &options);
    let rows: Vec<_> = (0..20_001).map(|k| (Insert, row(k, 1))).collect();
    cluster.process(0, batch(&rows[..1]));
    cluster.flush();
    cluster.process(0, batch(&rows));
    cluster.flush();
    cluster.process(0, batch(&rows));
    cluster.flush();
    let changes = cluster.take();
    assert_eq!(changes.len(), 1 + 20_002 + 40_002);
    for pair in changes[20_003..].chunks(2) {
        assert_eq!((pair[0].0, pair[1].0), (UpdateBefore, UpdateAfter));
        assert_eq!(pair[0].1[0], pair[1].1[0]);
    }
}

#[test]
fn a_snapshot_of_another_query_is_refused() {
    let result = std::panic::catch_unwind(|| {
        let mut cluster = cluster(&[K], &[count()], ChangelogMode::APPEND, true);
        cluster.process(0, batch(&[(Insert, row(1, 1))]));
        cluster.replace_node(node(&[K], &[sum()], ChangelogMode::APPEND, true));
        cluster.restart(1, On::HashMap);
    });
    let message = result.expect_err("refused");
    let message = message.downcast_ref::<String>().cloned().unwrap_or_default();
    assert!(message.contains("state of another query"), "{message}");
}

#[test]
fn state_of_intervals_is_named_as_ever() {
    for (data_type, name) in [
        (DataType::IntervalDayTime, "INTERVAL DAY TO SECOND(3)"),
        (DataType::IntervalYearMonth, "INTERVAL YEAR TO MONTH"),
    ] {
        let schema = Schema::new(vec![Field::new("i", data_type.clone())]);
        let calls = [call(AggregateFunction::Min, Some(0), data_type)];
        let layout = Layout::new(&calls, &schema, false, false, Limits::small()).expect("a layout");
        assert_eq!(layout.former_signature(&calls, &schema), format!("MIN({name} 0)"));
    }
}

/// What a consumer knows, and the rows that are in the input.
struct Model {
    input: BTreeMap<Vec<String>, Vec<Row>>,
    output: BTreeMap<Vec<String>, Vec<String>>,
    keys: Vec<usize>,
    aggregates: Vec<AggregateCall>,
}

impl Model {
    fn key(&self, row: &Row) -> Vec<String> {
        let shown = shown(row);
        self.keys.iter().map(|&key| shown[key].clone()).collect()
    }

    fn feed(&mut self, kind: RowKind, row: &Row) {
        let key = self.key(row);
        let rows = self.input.entry(key).or_default();
        if !kind.is_retraction() {
            rows.push(row.clone());
        } else if let Some(position) = rows.iter().position(|known| known == row) {
            rows.remove(position);
        }
    }

    /// Checks that the changes make sense one after the other and lead to the right results.
    fn check(&mut self, changes: &[Change], emit_update_before: bool) {
        let mut before: Option<&Vec<String>> = None;
        for (kind, row) in changes {
            let key = row[..self.keys.len()].to_vec();
            let known = self.output.get(&key);
            match kind {
                Insert => assert_eq!(known, None, "+I of a key that is there: {row:?}"),
                UpdateBefore | Delete => assert_eq!(known, Some(row), "retracted as it was"),
                UpdateAfter => assert_ne!(known.expect("+U of a known key"), row, "a change"),
            }
            let is_paired = before.is_some_and(|before| before[..self.keys.len()] == key);
            assert_eq!(*kind == UpdateAfter && emit_update_before, is_paired, "−U and +U are adjacent");
            before = (*kind == UpdateBefore).then_some(row);
            match kind {
                Delete => drop(self.output.remove(&key)),
                UpdateBefore => {}
                Insert | UpdateAfter => drop(self.output.insert(key, row.clone())),
            }
        }
        assert_eq!(before, None);
        // The result over everything stays once it is there, even if nothing is left.
        let expected: BTreeMap<_, _> = self
            .input
            .iter()
            .filter(|(key, rows)| !rows.is_empty() || self.keys.is_empty() && self.output.contains_key(*key))
            .map(|(key, rows)| {
                let results = self.aggregates.iter().map(|call| aggregate(call, rows));
                (key.clone(), key.iter().cloned().chain(results).collect::<Vec<_>>())
            })
            .collect();
        let canonical = |row: &Vec<String>| canonical_row(&self.aggregates, self.keys.len(), row.clone());
        let output: BTreeMap<_, _> = self.output.iter().map(|(key, row)| (key.clone(), canonical(row))).collect();
        assert_eq!(output, expected);
    }
}

fn random_run(seed: u64, keys: &[usize], input: ChangelogMode, emit_update_before: bool, options: &[(&str, &str)]) {
    let mut seeded = Seeded::new(seed);
    let aggregates = calls();
    let node = node(keys, &aggregates, input, emit_update_before);
    let mut cluster = Cluster::with_settings(node, vec![schema()], vec![keys.to_vec()], options);
    let mut model = Model { input: BTreeMap::new(), output: BTreeMap::new(), keys: keys.to_vec(), aggregates };
    let mut input = Input::new(input, 3);
    for _ in 0..40 {
        let changes = seeded.rng.random_range(1..20);
        let mut feed = input.next(&mut seeded.rng, changes);
        if !input.mode.is_append() && !keys.is_empty() && seeded.rng.random_bool(0.3) {
            // A key that nobody knows.
            feed.push((Delete, Row { k: Some(77), ..Row::default() }));
        }
        feed.iter().for_each(|(kind, row)| model.feed(*kind, row));
        cluster.process(0, batch(&feed));
        seeded.may_restart(&mut cluster, if keys.is_empty() { 1 } else { 3 });
        cluster.flush();
        model.check(&cluster.take(), emit_update_before);
    }
}

/// Rows are folded by two local aggregates, and what they give is merged.
fn random_run_in_two_phases(seed: u64, keys: &[usize], options: &[(&str, &str)]) {
    let mut rng = SmallRng::seed_from_u64(seed);
    let aggregates = calls();
    let emit_update_before = seed.is_multiple_of(2);
    let mut global = node(keys, &aggregates, ChangelogMode::APPEND, emit_update_before);
    if let OperatorSpec::GroupAggregate(spec) = &mut global.operator {
        spec.partial = Some(schema());
    }
    let mut partial: Vec<Field> = keys.iter().map(|&key| schema().fields[key].clone()).collect();
    partial.push(Field::new("accumulators", DataType::Bytes));
    let partial = Schema::new(partial);
    let local = Node {
        schema: partial.clone(),
        operator: OperatorSpec::LocalAggregate(LocalAggregateSpec {
            keys: keys.to_vec(),
            aggregates: aggregates.clone(),
            window: None,
            zone: None,
        }),
        ..global.clone()
    };
    let mut locals =
        [(); 2].map(|()| Cluster::with_settings(local.clone(), vec![schema()], vec![keys.to_vec()], options));
    let exchanged = (0..keys.len()).collect();
    let mut global = Cluster::with_settings(global, vec![partial], vec![exchanged], options);
    let mut model = Model { input: BTreeMap::new(), output: BTreeMap::new(), keys: keys.to_vec(), aggregates };
    for _ in 0..40 {
        for local in &mut locals {
            let feed: Vec<_> = (0..rng.random_range(0..30)).map(|_| (Insert, rows::random(&mut rng, 3))).collect();
            feed.iter().for_each(|(kind, row)| model.feed(*kind, row));
            feed.chunks(7).for_each(|part| local.process(0, batch(part)));
            if rng.random_bool(0.15) {
                local.restart(1, On::HashMap);
                assert!(!local.has_state());
            }
            local.flush();
            std::mem::take(&mut local.emitted).into_iter().for_each(|batch| global.process(0, batch));
        }
        if rng.random_bool(0.15) {
            let on = if rng.random_bool(0.5) { On::HashMap } else { On::RocksDb };
            global.restart(if keys.is_empty() { 1 } else { rng.random_range(1..4) }, on);
        }
        global.flush();
        model.check(&global.take(), emit_update_before);
    }
}

#[test]
fn two_phases_agree_with_the_model() {
    let held_back = [("table.exec.mini-batch.enabled", "true"), ("table.exec.mini-batch.size", "17")];
    for seed in 0..6 {
        let keys: &[usize] = if seed % 3 == 2 { &[] } else { &[K, G] };
        random_run_in_two_phases(seed, keys, if seed < 4 { &held_back } else { &[] });
    }
}

#[test]
fn agrees_with_the_model() {
    let held_back = [("table.exec.mini-batch.enabled", "true"), ("table.exec.mini-batch.size", "17")];
    for seed in 0..18 {
        let keys: &[usize] = if seed % 3 == 2 { &[] } else { &[K, G] };
        let input = if seed % 4 == 3 { ChangelogMode::APPEND } else { ChangelogMode::ALL };
        random_run(seed, keys, input, seed % 2 == 0, if seed % 5 == 4 { &held_back } else { &[] });
    }
}
