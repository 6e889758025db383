//! Aggregation in windows.

use std::collections::BTreeMap;

use graph::{
    ChangelogMode, Node, OperatorSpec,
    operator::{AggregateCall, AggregateFunction, LocalAggregateSpec, WindowAggregateSpec, WindowKind},
};
use model::{
    DataType, Field, RowKind,
    RowKind::{Delete, Insert},
    Schema,
};
use rand::{Rng, SeedableRng, rngs::SmallRng};

use super::{
    collected::canonical_row,
    harness::{Change, Cluster, On},
    rows::{self, G, K, Row, T, V, aggregate, batch, call, calls, schema, shown},
};

fn cluster(keys: &[usize], aggregates: &[AggregateCall], window: WindowKind, input: ChangelogMode) -> Cluster {
    let keys_of = keys.iter().map(|&key| schema().fields[key].clone());
    let results =
        aggregates.iter().enumerate().map(|(index, call)| Field::new(format!("a{index}"), call.data_type.clone()));
    let bounds = ["window_start", "window_end", "window_time"].map(|name| Field::new(name, DataType::Timestamp(3)));
    let node = Node {
        uid: "aggregate".to_owned(),
        name: "WindowAggregate".to_owned(),
        parallelism: None,
        schema: Schema::new(keys_of.chain(results).chain(bounds).collect()),
        changelog: ChangelogMode::APPEND,
        operator: OperatorSpec::WindowAggregate(WindowAggregateSpec {
            keys: keys.to_vec(),
            aggregates: aggregates.to_vec(),
            time: T,
            window,
            zone: None,
            processing: false,
            input,
            partial: None,
        }),
    };
    Cluster::new(node, vec![schema()], vec![keys.to_vec()])
}

fn row(k: i64, t: impl Into<Option<i64>>) -> Row {
    Row { k: Some(k), v: Some(1), t: t.into(), ..Row::default() }
}

fn count() -> AggregateCall {
    call(AggregateFunction::Count, None, DataType::BigInt)
}

fn time(milliseconds: i64) -> String {
    shown(&row(0, milliseconds))[T].clone()
}

/// The window and its values, as text.
fn window(values: &[&str], start: i64, end: i64) -> (RowKind, Vec<String>) {
    let values = values.iter().map(|&value| value.to_owned());
    (Insert, values.chain([time(start), time(end), time(end - 1)]).collect())
}

const TUMBLE: WindowKind = WindowKind::Tumble { size: 10, offset: 0 };
const HOP: WindowKind = WindowKind::Hop { size: 10, slide: 5, offset: 0 };

#[test]
fn a_window_fires_with_its_last_millisecond_and_rows_are_late_from_then_on() {
    let mut cluster = cluster(&[K], &[count()], TUMBLE, ChangelogMode::APPEND);
    cluster.process(0, batch(&[(Insert, row(1, 0)), (Insert, row(1, 9)), (Insert, row(1, 10)), (Insert, row(1, -1))]));
    cluster.watermark(8);
    assert_eq!(cluster.take(), [window(&["1", "1"], -10, 0)]);
    cluster.process(0, batch(&[(Insert, row(1, 3))]));
    cluster.watermark(9);
    assert_eq!(cluster.take(), [window(&["1", "3"], 0, 10)]);
    assert_eq!(cluster.late_rows, 0);
    cluster.process(0, batch(&[(Insert, row(1, 9)), (Insert, row(1, None)), (Insert, row(1, 11))]));
    assert_eq!(cluster.late_rows, 2);
    cluster.watermark(9);
    cluster.watermark(i64::MAX);
    assert_eq!(cluster.take(), [window(&["1", "2"], 10, 20)]);
}

#[test]
fn a_row_may_be_late_for_some_of_its_windows() {
    let mut cluster = cluster(&[K], &[count()], HOP, ChangelogMode::APPEND);
    cluster.process(0, batch(&[(Insert, row(1, 2)), (Insert, row(1, 6))]));
    cluster.watermark(5);
    assert_eq!(cluster.take(), [window(&["1", "1"], -5, 5)]);
    // Late for [-5, 5), in time for [0, 10).
    cluster.process(0, batch(&[(Insert, row(1, 3)), (Insert, row(1, -1))]));
    assert_eq!(cluster.late_rows, 1);
    cluster.watermark(100);
    assert_eq!(cluster.take(), [window(&["1", "3"], 0, 10), window(&["1", "1"], 5, 15)]);
}

#[test]
fn the_watermark_survives_a_restore() {
    let mut cluster = cluster(&[K], &[count()], TUMBLE, ChangelogMode::APPEND);
    cluster.watermark(19);
    cluster.restart(3, On::HashMap);
    cluster.process(0, batch(&[(Insert, row(1, 12)), (Insert, row(2, 20))]));
    assert_eq!(cluster.late_rows, 1);
    cluster.watermark(29);
    assert_eq!(cluster.take(), [window(&["2", "1"], 20, 30)]);
}

#[test]
fn windows_come_in_order_and_in_pieces() {
    let mut cluster = cluster(&[K], &[count()], HOP, ChangelogMode::APPEND);
    let rows: Vec<_> = (0..30_000).map(|k| (Insert, row(k, (k * 7) % 20))).collect();
    rows.chunks(5000).for_each(|chunk| cluster.process(0, batch(chunk)));
    cluster.watermark(i64::MAX);
    let ends: Vec<String> = cluster.take().into_iter().map(|(_, row)| row[3].clone()).collect();
    assert_eq!(ends.len(), 60_000);
    assert!(ends.is_sorted());
}

#[test]
fn sums_over_other_time_units() {
    let mut schema = schema();
    schema.fields[T].data_type = DataType::TimestampLtz(6);
    let aggregates = [call(AggregateFunction::Sum, Some(V), DataType::BigInt)];
    let mut fields = vec![Field::new("sum", DataType::BigInt)];
    for (name, data_type) in [
        ("window_start", DataType::Timestamp(3)),
        ("window_end", DataType::Timestamp(3)),
        ("window_time", DataType::TimestampLtz(6)),
    ] {
        fields.push(Field::new(name, data_type));
    }
    let spec = WindowAggregateSpec {
        keys: vec![],
        aggregates: aggregates.to_vec(),
        time: T,
        window: TUMBLE,
        zone: None,
        processing: false,
        input: ChangelogMode::APPEND,
        partial: None,
    };
    let node = Node {
        uid: "aggregate".to_owned(),
        name: "WindowAggregate".to_owned(),
        parallelism: None,
        schema: Schema::new(fields),
        changelog: ChangelogMode::APPEND,
        operator: OperatorSpec::WindowAggregate(spec),
    };
    let mut cluster = Cluster::new(node, vec![schema.clone()], vec![vec![]]);
    let rows = batch(&[(Insert, row(1, 0)), (Insert, row(1, 1))]);
    let mut columns = rows.columns().columns().to_vec();
    // One microsecond before the epoch belongs to the window before it.
    let times = arrow::array::TimestampMicrosecondArray::from(vec![-1, 9_999]);
    columns[T] = std::sync::Arc::new(times.with_timezone("UTC"));
    let columns = arrow::array::RecordBatch::try_new(schema.to_arrow(), columns).expect("fits");
    cluster.process(0, model::Batch::append(columns));
    cluster.watermark(i64::MAX);
    let sums: Vec<_> = cluster.take().into_iter().map(|(_, row)| (row[0].clone(), row[2].clone())).collect();
    assert_eq!(sums, [("1".to_owned(), time(0)), ("1".to_owned(), time(10))]);
}

/// The ends of the windows that a time belongs to.
fn ends(window: WindowKind, time: i64) -> Vec<i64> {
    let (size, slide, offset) = match window {
        WindowKind::Tumble { size, offset } => (size, size, offset),
        WindowKind::Hop { size, slide, offset } => (size, slide, offset),
        WindowKind::Cumulate { size, step, offset } => {
            let start = (time - offset).div_euclid(size) * size + offset;
            return (1..=size / step).map(|steps| start + steps * step).filter(|end| *end > time).collect();
        }
        WindowKind::Session { .. } => unreachable!(),
    };
    (time - size..=time)
        .filter(|start| (start - offset) % slide == 0 && start + size > time)
        .map(|start| start + size)
        .collect()
}

fn random_run(seed: u64, kind: WindowKind, retracts: bool) {
    let mut rng = SmallRng::seed_from_u64(seed);
    let (keys, aggregates) = (vec![K, G], calls());
    let input = if retracts { ChangelogMode::ALL } else { ChangelogMode::APPEND };
    let mut cluster = cluster(&keys, &aggregates, kind, input);
    let mut open: BTreeMap<(i64, Vec<String>), Vec<Row>> = BTreeMap::new();
    let mut live: Vec<Row> = Vec::new();
    let (mut watermark, mut late) = (i64::MIN, 0);
    for step in 0..30 {
        let mut feed = Vec::new();
        for _ in 0..rng.random_range(1..30) {
            if retracts && !live.is_empty() && rng.random_bool(0.3) {
                feed.push((Delete, live.swap_remove(rng.random_range(0..live.len()))));
            } else {
                let t = rng.random_range(-60..60) + step * 10;
                let row = Row { t: rng.random_bool(0.95).then_some(t), ..rows::random(&mut rng, 3) };
                feed.push((Insert, row.clone()));
                live.push(row);
            }
        }
        for (kind_of_row, row) in &feed {
            let Some(t) = row.t else {
                late += 1;
                continue;
            };
            let key: Vec<String> = keys.iter().map(|&key| shown(row)[key].clone()).collect();
            let in_time: Vec<i64> = ends(kind, t).into_iter().filter(|end| end - 1 > watermark).collect();
            // What is between windows is not late.
            late += u64::from(in_time.is_empty() && !ends(kind, t).is_empty());
            for end in in_time {
                let rows = open.entry((end, key.clone())).or_default();
                match kind_of_row {
                    Insert => rows.push(row.clone()),
                    _ => {
                        // A row that was late for this window when it came has nothing to take away from it.
                        let position = rows.iter().position(|known| known == row);
                        position.map(|position| rows.remove(position));
                    }
                }
            }
        }
        // A retraction and what it retracts are late for the same windows only if no watermark comes between.
        cluster.process(0, batch(&feed));
        if rng.random_bool(0.15) {
            let on = if rng.random_bool(0.5) { On::HashMap } else { On::RocksDb };
            cluster.restart(rng.random_range(1..4), on);
        }
        if rng.random_bool(0.5) || step == 29 {
            watermark = if step == 29 { i64::MAX } else { watermark.max(step * 10 + rng.random_range(-30..30)) };
            cluster.watermark(watermark);
            live.clear();
            let later = if watermark == i64::MAX { BTreeMap::new() } else { open.split_off(&(watermark + 2, vec![])) };
            let mut expected: Vec<Vec<String>> = std::mem::replace(&mut open, later)
                .into_iter()
                .filter(|(_, rows)| !rows.is_empty())
                .map(|((end, key), rows)| {
                    let results = aggregates.iter().map(|call| aggregate(call, &rows));
                    let start = match kind {
                        WindowKind::Tumble { size, .. } | WindowKind::Hop { size, .. } => end - size,
                        WindowKind::Cumulate { size, offset, .. } => {
                            (end - 1 - offset).div_euclid(size) * size + offset
                        }
                        WindowKind::Session { .. } => unreachable!(),
                    };
                    key.into_iter().chain(results).chain([time(start), time(end), time(end - 1)]).collect()
                })
                .collect();
            let mut fired: Vec<Vec<String>> = cluster
                .take()
                .into_iter()
                .map(|(kind, row)| {
                    assert_eq!(kind, Insert);
                    canonical_row(&aggregates, keys.len(), row)
                })
                .collect();
            expected.sort();
            fired.sort();
            assert_eq!(fired, expected, "watermark {watermark}");
        }
        assert_eq!(cluster.late_rows, late);
        assert_eq!(cluster.take(), []);
    }
}

#[test]
fn tumbling_windows_agree_with_the_model() {
    for seed in 0..4 {
        random_run(seed, WindowKind::Tumble { size: 20, offset: 3 }, seed % 2 == 1);
    }
}

#[test]
fn cumulating_windows_agree_with_the_model() {
    for seed in 40..46 {
        random_run(seed, WindowKind::Cumulate { size: 30, step: 10, offset: 7 }, seed % 2 == 1);
    }
}

#[test]
fn with_processing_time_rows_belong_to_the_time_at_which_they_come() {
    for (kind, fired) in [
        (TUMBLE, vec![window(&["1", "2"], 0, 10), window(&["2", "1"], 0, 10)]),
        (HOP, vec![window(&["1", "1"], -5, 5), window(&["1", "2"], 0, 10), window(&["2", "1"], 0, 10)]),
    ] {
        let mut cluster = cluster(&[K], &[count()], kind, ChangelogMode::APPEND);
        let mut node = cluster.node().clone();
        if let OperatorSpec::WindowAggregate(spec) = &mut node.operator {
            spec.processing = true;
        }
        cluster.replace_node(node);
        cluster.restart(1, On::HashMap);
        cluster.set_clock(4);
        // What the rows say about their time does not count, nor do watermarks.
        cluster.process(0, batch(&[(Insert, row(1, 99))]));
        cluster.watermark(500);
        assert_eq!(cluster.take(), []);
        cluster.restart(3, On::RocksDb);
        cluster.processing_time(9);
        cluster.process(0, batch(&[(Insert, row(1, None)), (Insert, row(2, 3))]));
        cluster.restart(1, On::HashMap);
        cluster.processing_time(10);
        let mut changes = cluster.take();
        changes.sort_by_key(|(_, row)| (row[3].clone(), row[0].clone()));
        assert_eq!(changes, fired, "{kind:?}");
        // The clock is set back.
        cluster.set_clock(3);
        cluster.process(0, batch(&[(Insert, row(3, 3))]));
        cluster.processing_time(40);
        let last = cluster.take().pop();
        assert_eq!(last, Some(window(&["3", "1"], 10, 20)));
        assert_eq!(cluster.late_rows, 0);
    }
}

#[test]
fn hopping_windows_agree_with_the_model() {
    for seed in 20..26 {
        random_run(seed, WindowKind::Hop { size: 30, slide: 10, offset: -4 }, seed % 2 == 1);
    }
}

#[test]
fn windows_that_are_no_multiple_of_their_slide_agree_with_the_model() {
    let kinds = [(25, 10, -4), (5, 4, 0), (10, 25, 3), (7, 7, 1), (31, 13, 0)];
    for ((size, slide, offset), seed) in kinds.into_iter().zip((60..).step_by(2)) {
        for seed in seed..seed + 2 {
            random_run(seed, WindowKind::Hop { size, slide, offset }, seed % 2 == 1);
        }
    }
}

#[test]
fn a_day_of_windows_of_milliseconds_needs_memory_for_those_that_are_open_only() {
    let (size, step) = (86_400_000, 1);
    let mut cluster = cluster(&[K], &[count()], WindowKind::Cumulate { size, step, offset: 0 }, ChangelogMode::APPEND);
    cluster.process(0, batch(&[(Insert, row(1, size - 3))]));
    cluster.watermark(i64::MAX);
    let expected = [size - 2, size - 1, size].map(|end| window(&["1", "1"], 0, end));
    assert_eq!(cluster.take(), expected);
}

/// Rows are folded by two local aggregates, and what they give is merged: the same comes out as in one phase.
fn random_run_in_two_phases(seed: u64, kind: WindowKind, options: &[(&str, &str)]) {
    let mut rng = SmallRng::seed_from_u64(seed);
    let (keys, aggregates) = (vec![K, G], calls());
    let mut reference = cluster(&keys, &aggregates, kind, ChangelogMode::APPEND);
    let mut global = reference.node().clone();
    if let OperatorSpec::WindowAggregate(spec) = &mut global.operator {
        spec.partial = Some(schema());
    }
    let mut partial: Vec<Field> = keys.iter().map(|&key| schema().fields[key].clone()).collect();
    partial.push(Field::new("slice_end", DataType::BigInt));
    partial.push(Field::new("accumulators", DataType::Bytes));
    let partial = Schema::new(partial);
    let spec = LocalAggregateSpec { keys: keys.clone(), aggregates, window: Some((T, kind)), zone: None };
    let local = Node { schema: partial.clone(), operator: OperatorSpec::LocalAggregate(spec), ..global.clone() };
    let mut locals =
        [(); 2].map(|()| Cluster::with_settings(local.clone(), vec![schema()], vec![keys.clone()], options));
    let mut global = Cluster::with_settings(global, vec![partial], vec![vec![0, 1]], options);
    for step in 0..40 {
        for local in &mut locals {
            let feed: Vec<_> = (0..rng.random_range(1..25))
                .map(|_| {
                    let t = rng.random_bool(0.95).then(|| step * 10 + rng.random_range(-40..40));
                    (Insert, Row { t, ..rows::random(&mut rng, 2) })
                })
                .collect();
            reference.process(0, batch(&feed));
            feed.chunks(5).for_each(|part| local.process(0, batch(part)));
        }
        let restarts = rng.random_bool(0.2);
        let watermark = match rng.random_bool(0.4) || step == 39 {
            true if step == 39 => Some(i64::MAX),
            true => Some(step * 10 + rng.random_range(-30..30)),
            false => None,
        };
        for local in &mut locals {
            match watermark {
                Some(watermark) => local.watermark(watermark),
                None => local.flush(),
            }
            std::mem::take(&mut local.emitted).into_iter().for_each(|batch| global.process(0, batch));
        }
        if restarts {
            let on = if rng.random_bool(0.5) { On::HashMap } else { On::RocksDb };
            global.restart(rng.random_range(1..4), on);
        }
        if let Some(watermark) = watermark {
            reference.watermark(watermark);
            global.watermark(watermark);
        }
        let canonical = |changes: Vec<Change>| -> Vec<Change> {
            changes.into_iter().map(|(kind, row)| (kind, canonical_row(&calls(), keys.len(), row))).collect()
        };
        let (mut expected, mut found) = (canonical(reference.take()), canonical(global.take()));
        expected.sort_by(|a, b| a.1.cmp(&b.1));
        found.sort_by(|a, b| a.1.cmp(&b.1));
        assert_eq!(found, expected, "seed {seed}, step {step}, {kind:?}");
        let late = locals.iter().map(|local| local.late_rows).sum::<u64>() + global.late_rows;
        assert_eq!(late, reference.late_rows, "seed {seed}, step {step}, {kind:?}");
    }
    assert!(reference.late_rows > 0);
}

#[test]
fn two_phases_agree_with_one() {
    let held_back = [("table.exec.mini-batch.enabled", "true"), ("table.exec.mini-batch.size", "17")];
    let cumulate = WindowKind::Cumulate { size: 30, step: 10, offset: 7 };
    let hop = WindowKind::Hop { size: 30, slide: 10, offset: -4 };
    let partly = WindowKind::Hop { size: 25, slide: 10, offset: 1 };
    for (kind, seed) in [WindowKind::Tumble { size: 20, offset: 3 }, hop, cumulate, partly].into_iter().zip(0..) {
        random_run_in_two_phases(seed, kind, &held_back);
        random_run_in_two_phases(seed + 10, kind, &[]);
    }
}
