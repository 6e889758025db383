//! Aggregation in sessions.

use std::collections::BTreeMap;

use graph::{
    ChangelogMode, Node, OperatorSpec,
    operator::{AggregateCall, AggregateFunction, WindowAggregateSpec, WindowKind},
};
use model::{
    DataType, Field, RowKind,
    RowKind::{Delete, Insert},
    Schema,
};
use rand::{Rng, SeedableRng, rngs::SmallRng};

use super::{
    collected::canonical_row,
    harness::{Cluster, On},
    rows::{self, G, K, Row, T, aggregate, batch, call, calls, schema, shown},
};

fn cluster(keys: &[usize], aggregates: &[AggregateCall], gap: i64, input: ChangelogMode, processing: bool) -> Cluster {
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
            window: WindowKind::Session { gap },
            zone: None,
            processing,
            input,
            partial: None,
        }),
    };
    Cluster::new(node, vec![schema()], vec![keys.to_vec()])
}

fn row(k: i64, t: impl Into<Option<i64>>) -> Row {
    Row { k: Some(k), v: Some(1), t: t.into(), ..Row::default() }
}

fn rows(rows: &[(i64, i64)]) -> model::Batch {
    batch(&rows.iter().map(|&(k, t)| (Insert, row(k, t))).collect::<Vec<_>>())
}

fn count() -> AggregateCall {
    call(AggregateFunction::Count, None, DataType::BigInt)
}

fn time(milliseconds: i64) -> String {
    shown(&row(0, milliseconds))[T].clone()
}

/// The session and its values, as text.
fn session(values: &[&str], start: i64, end: i64) -> (RowKind, Vec<String>) {
    let values = values.iter().map(|&value| value.to_owned());
    (Insert, values.chain([time(start), time(end), time(end - 1)]).collect())
}

#[test]
fn a_session_ends_the_gap_after_its_last_row() {
    let mut cluster = cluster(&[K], &[count()], 10, ChangelogMode::APPEND, false);
    cluster.process(0, rows(&[(1, 0), (2, 3), (1, 7)]));
    cluster.watermark(11);
    assert_eq!(cluster.take(), []);
    cluster.watermark(12);
    assert_eq!(cluster.take(), [session(&["2", "1"], 3, 13)]);
    cluster.watermark(16);
    assert_eq!(cluster.take(), [session(&["1", "2"], 0, 17)]);
    // Late alone; a row that is not opens a session of its own.
    cluster.process(0, rows(&[(1, 6), (1, 9)]));
    assert_eq!(cluster.late_rows, 1);
    cluster.watermark(i64::MAX);
    assert_eq!(cluster.take(), [session(&["1", "1"], 9, 19)]);
}

#[test]
fn sessions_that_touch_are_one() {
    for on in [On::HashMap, On::RocksDb] {
        let mut cluster = cluster(&[K], &[count()], 10, ChangelogMode::APPEND, false);
        cluster.process(0, rows(&[(1, 0), (1, 20), (1, 41)]));
        cluster.restart(3, on);
        // Exactly the gap from both.
        cluster.process(0, rows(&[(1, 10)]));
        cluster.restart(2, on);
        cluster.watermark(29);
        assert_eq!(cluster.take(), [session(&["1", "3"], 0, 30)]);
        // Would be late, but for the session that is still open.
        cluster.watermark(45);
        cluster.process(0, rows(&[(1, 32)]));
        assert_eq!(cluster.late_rows, 0);
        cluster.watermark(i64::MAX);
        assert_eq!(cluster.take(), [session(&["1", "2"], 32, 51)]);
    }
}

#[test]
fn a_row_between_two_sessions_of_one_batch_merges_them() {
    let mut cluster = cluster(&[K], &[count()], 10, ChangelogMode::APPEND, false);
    cluster.process(0, rows(&[(1, 40)]));
    cluster.process(0, rows(&[(1, 0), (1, 15), (1, 8), (1, 70), (1, 24), (1, 33)]));
    cluster.watermark(i64::MAX);
    assert_eq!(cluster.take(), [session(&["1", "6"], 0, 50), session(&["1", "1"], 70, 80)]);
}

#[test]
fn many_sessions_come_in_pieces() {
    let mut cluster = cluster(&[K], &[count()], 5000, ChangelogMode::APPEND, false);
    let all: Vec<_> = (0..30_000).map(|k| (k, k % 7)).collect();
    all.chunks(5000).for_each(|chunk| cluster.process(0, rows(chunk)));
    cluster.watermark(5002);
    assert_eq!(cluster.take().len(), 4 * 30_000 / 7 + 2);
    cluster.watermark(i64::MAX);
    let ends: Vec<String> = cluster.take().into_iter().map(|(_, row)| row[3].clone()).collect();
    assert_eq!(ends.len(), 3 * 30_000 / 7 - 1);
}

#[test]
fn with_processing_time_a_session_is_told_by_the_clock() {
    let mut cluster = cluster(&[K], &[count()], 10, ChangelogMode::APPEND, true);
    cluster.set_clock(100);
    cluster.process(0, rows(&[(1, 0), (2, 3)]));
    cluster.processing_time(105);
    cluster.process(0, rows(&[(1, 0)]));
    cluster.watermark(i64::MAX - 1);
    cluster.restart(3, On::RocksDb);
    cluster.processing_time(109);
    assert_eq!(cluster.take(), []);
    cluster.processing_time(110);
    assert_eq!(cluster.take(), [session(&["2", "1"], 100, 110)]);
    cluster.processing_time(1000);
    assert_eq!(cluster.take(), [session(&["1", "2"], 100, 115)]);
}

/// A session as the model keeps it.
struct Open {
    start: i64,
    end: i64,
    rows: Vec<Row>,
}

/// Feeds random rows and compares each watermark's output with sessions kept row by row.
fn random_run(seed: u64, gap: i64, retracts: bool) {
    let mut rng = SmallRng::seed_from_u64(seed);
    let (input, keys) = (if retracts { ChangelogMode::ALL } else { ChangelogMode::APPEND }, [K, G]);
    let aggregates = calls();
    let mut cluster = cluster(&keys, &aggregates, gap, input, false);
    let mut open: BTreeMap<Vec<String>, Vec<Open>> = BTreeMap::new();
    let mut live: Vec<Row> = Vec::new();
    let (mut watermark, mut late) = (i64::MIN, 0);
    for step in 0..30 {
        let mut feed = Vec::new();
        for _ in 0..rng.random_range(1..30) {
            let deletes = retracts && !live.is_empty() && rng.random_bool(0.3);
            let (kind, row) = if deletes {
                (Delete, live.swap_remove(rng.random_range(0..live.len())))
            } else {
                let t = rng.random_range(-60..60) + step * 20;
                (Insert, Row { t: rng.random_bool(0.95).then_some(t), ..rows::random(&mut rng, 2) })
            };
            feed.push((kind, row.clone()));
            let Some(t) = row.t else {
                late += 1;
                continue;
            };
            let key: Vec<String> = keys.iter().map(|&key| shown(&row)[key].clone()).collect();
            let sessions = open.entry(key).or_default();
            let mut merged = Open { start: t, end: t + gap, rows: Vec::new() };
            let mut others = Vec::new();
            for session in sessions.drain(..) {
                if session.start <= t + gap && session.end >= t {
                    merged.start = merged.start.min(session.start);
                    merged.end = merged.end.max(session.end);
                    merged.rows.extend(session.rows);
                } else {
                    others.push(session);
                }
            }
            *sessions = others;
            if merged.end - 1 <= watermark {
                late += 1;
                continue;
            }
            if kind == Insert {
                merged.rows.push(row.clone());
                live.push(row);
            } else {
                let position = merged.rows.iter().position(|known| *known == row);
                merged.rows.remove(position.expect("what is retracted was there"));
            }
            sessions.push(merged);
        }
        cluster.process(0, batch(&feed));
        if rng.random_bool(0.2) {
            let on = if rng.random_bool(0.5) { On::HashMap } else { On::RocksDb };
            cluster.restart(rng.random_range(1..4), on);
        }
        if rng.random_bool(0.5) || step == 29 {
            watermark = if step == 29 { i64::MAX } else { watermark.max(step * 20 + rng.random_range(-40..40)) };
            cluster.watermark(watermark);
            live.clear();
            let mut expected: Vec<Vec<String>> = Vec::new();
            for (key, sessions) in &mut open {
                for session in sessions.extract_if(.., |session| session.end - 1 <= watermark) {
                    if session.rows.is_empty() {
                        continue;
                    }
                    let results = aggregates.iter().map(|call| aggregate(call, &session.rows));
                    let bounds = [time(session.start), time(session.end), time(session.end - 1)];
                    expected.push(key.iter().cloned().chain(results).chain(bounds).collect());
                }
            }
            let canonical = |row| canonical_row(&aggregates, keys.len(), row);
            let mut fired: Vec<Vec<String>> = cluster.take().into_iter().map(|(_, row)| canonical(row)).collect();
            expected.sort();
            fired.sort();
            assert_eq!(fired, expected, "watermark {watermark}, seed {seed}");
        }
        assert_eq!(cluster.late_rows, late);
        assert_eq!(cluster.take(), []);
    }
}

#[test]
fn sessions_agree_with_the_model() {
    for seed in 0..12 {
        random_run(seed, [5, 20, 1000][seed as usize % 3], seed % 2 == 1);
    }
}
