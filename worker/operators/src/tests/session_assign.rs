//! The `SESSION` table function.

use std::collections::BTreeMap;

use graph::{
    ChangelogMode, Node, OperatorSpec,
    operator::{WindowAssignSpec, WindowKind},
};
use model::{
    DataType, Field, RowKind,
    RowKind::{Delete, Insert, UpdateAfter, UpdateBefore},
    Schema,
};
use rand::{Rng, SeedableRng, rngs::SmallRng};

use super::{
    harness::{Change, Cluster, On},
    rows::{self, G, K, Row, T, batch, schema, shown},
};

fn cluster(keys: &[usize], gap: i64, processing: bool) -> Cluster {
    let bounds = ["window_start", "window_end", "window_time"].map(|name| Field::new(name, DataType::Timestamp(3)));
    let spec =
        WindowAssignSpec { time: T, window: WindowKind::Session { gap }, zone: None, processing, keys: keys.to_vec() };
    let node = Node {
        uid: "assign".to_owned(),
        name: "WindowTableFunction".to_owned(),
        parallelism: None,
        schema: Schema::new(schema().fields.into_iter().chain(bounds).collect()),
        changelog: ChangelogMode::APPEND,
        operator: OperatorSpec::WindowAssign(spec),
    };
    Cluster::new(node, vec![schema()], vec![keys.to_vec()])
}

fn row(k: i64, v: i64, t: impl Into<Option<i64>>) -> Row {
    Row { k: Some(k), v: Some(v), t: t.into(), ..Row::default() }
}

fn time(milliseconds: i64) -> String {
    shown(&row(0, 0, milliseconds))[T].clone()
}

/// The row in a session from `start` to `end`.
fn in_session(kind: RowKind, row: &Row, start: i64, end: i64) -> Change {
    (kind, shown(row).into_iter().chain([time(start), time(end), time(end - 1)]).collect())
}

#[test]
fn rows_come_out_in_order_of_arrival_when_their_session_has_ended() {
    let mut cluster = cluster(&[K], 10, false);
    let (a, b, c, other) = (row(1, 1, 5), row(1, 2, 0), row(1, 3, 12), row(2, 4, 1));
    cluster.process(0, batch(&[(Insert, a.clone()), (Insert, other.clone()), (Insert, b.clone())]));
    cluster.process(0, batch(&[(Insert, c.clone())]));
    cluster.watermark(9);
    assert_eq!(cluster.take(), []);
    cluster.watermark(10);
    assert_eq!(cluster.take(), [in_session(Insert, &other, 1, 11)]);
    cluster.watermark(21);
    assert_eq!(cluster.take(), [&a, &b, &c].map(|row| in_session(Insert, row, 0, 22)));
    // One row is late, one without a time; the third opens a session of its own.
    let last = row(1, 7, 13);
    cluster.process(0, batch(&[(Insert, row(1, 5, 11)), (Insert, row(1, 6, None)), (Insert, last.clone())]));
    assert_eq!(cluster.late_rows, 2);
    cluster.watermark(i64::MAX);
    assert_eq!(cluster.take(), [in_session(Insert, &last, 13, 23)]);
}

#[test]
fn merged_sessions_keep_the_order_of_arrival() {
    for on in [On::HashMap, On::RocksDb] {
        let mut cluster = cluster(&[K], 10, false);
        let rows = [row(1, 1, 20), row(1, 2, 0), row(1, 3, 21), row(1, 4, 1), row(1, 5, 10)];
        for (index, row) in rows.iter().enumerate() {
            cluster.process(0, batch(&[(Insert, row.clone())]));
            if index % 2 == 1 {
                cluster.restart(1 + index as u32, on);
            }
        }
        cluster.watermark(i64::MAX);
        assert_eq!(cluster.take(), rows.each_ref().map(|row| in_session(Insert, row, 0, 31)));
        assert!(cluster.has_state());
        cluster.restart(2, on);
        assert!(!cluster.has_state(), "what has come out is forgotten");
    }
}

#[test]
fn without_keys_all_rows_share_sessions() {
    let mut cluster = cluster(&[], 10, false);
    let rows = [row(1, 1, 0), row(2, 2, 9), row(3, 3, 30)];
    cluster.process(0, batch(&rows.each_ref().map(|row| (Insert, row.clone()))));
    cluster.watermark(i64::MAX);
    let expected = [
        in_session(Insert, &rows[0], 0, 19),
        in_session(Insert, &rows[1], 0, 19),
        in_session(Insert, &rows[2], 30, 40),
    ];
    assert_eq!(cluster.take(), expected);
}

#[test]
fn rows_keep_their_kinds() {
    let mut cluster = cluster(&[K], 10, false);
    let changes =
        [(Insert, row(1, 1, 0)), (UpdateBefore, row(1, 1, 0)), (UpdateAfter, row(1, 2, 5)), (Delete, row(1, 2, 5))];
    cluster.process(0, batch(&changes));
    cluster.restart(2, On::RocksDb);
    cluster.watermark(i64::MAX);
    assert_eq!(cluster.take(), changes.each_ref().map(|(kind, row)| in_session(*kind, row, 0, 15)));
}

#[test]
fn with_processing_time_a_session_is_told_by_the_clock() {
    let mut cluster = cluster(&[K], 10, true);
    let (a, b) = (row(1, 1, None), row(1, 2, None));
    cluster.set_clock(100);
    cluster.process(0, batch(&[(Insert, a.clone())]));
    cluster.processing_time(105);
    cluster.process(0, batch(&[(Insert, b.clone())]));
    cluster.restart(2, On::HashMap);
    cluster.processing_time(114);
    assert_eq!(cluster.take(), []);
    cluster.processing_time(115);
    assert_eq!(cluster.take(), [in_session(Insert, &a, 100, 115), in_session(Insert, &b, 100, 115)]);
}

#[test]
fn a_long_session_comes_in_pieces() {
    let mut cluster = cluster(&[], 1000, false);
    let all: Vec<_> = (0..30_000).map(|v| (Insert, row(v % 3, v, v))).collect();
    all.chunks(4096).for_each(|chunk| cluster.process(0, batch(chunk)));
    cluster.watermark(i64::MAX);
    let values: Vec<String> = cluster.take().into_iter().map(|(_, row)| row[rows::V].clone()).collect();
    assert_eq!(values, (0..30_000).map(|v| v.to_string()).collect::<Vec<_>>());
}

#[test]
fn another_query_is_refused() {
    let mut cluster = cluster(&[K], 10, false);
    cluster.process(0, batch(&[(Insert, row(1, 1, 0))]));
    let mut node = cluster.node().clone();
    if let OperatorSpec::WindowAssign(spec) = &mut node.operator {
        spec.window = WindowKind::Session { gap: 11 };
    }
    cluster.replace_node(node);
    let failure = cluster.try_restart(1, On::HashMap).expect_err("another gap");
    assert!(failure.message.contains("state of another query"), "{failure:?}");
}

/// A session as the model keeps it.
struct Open {
    start: i64,
    end: i64,
    rows: Vec<(usize, Row)>,
}

/// Feeds random rows and compares what each watermark brings with sessions kept in lists.
fn random_run(seed: u64, gap: i64) {
    let mut rng = SmallRng::seed_from_u64(seed);
    let keys = [K, G];
    let mut cluster = cluster(&keys, gap, false);
    let mut open: BTreeMap<Vec<String>, Vec<Open>> = BTreeMap::new();
    let (mut watermark, mut late, mut number) = (i64::MIN, 0, 0);
    for step in 0..30 {
        let mut feed = Vec::new();
        for _ in 0..rng.random_range(1..30) {
            let t = rng.random_range(-60..60) + step * 20;
            let row = Row { t: Some(t), ..rows::random(&mut rng, 2) };
            feed.push((Insert, row.clone()));
            let key: Vec<String> = keys.iter().map(|&key| shown(&row)[key].clone()).collect();
            let sessions = open.entry(key).or_default();
            let mut merged = Open { start: t, end: t + gap, rows: vec![(number, row)] };
            number += 1;
            let touching = |session: &mut Open| session.start <= t + gap && session.end >= t;
            let absorbed: Vec<Open> = sessions.extract_if(.., touching).collect();
            if absorbed.is_empty() && t + gap - 1 <= watermark {
                late += 1;
                continue;
            }
            for session in absorbed {
                merged.start = merged.start.min(session.start);
                merged.end = merged.end.max(session.end);
                merged.rows.extend(session.rows);
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
            let mut expected: BTreeMap<Vec<String>, Vec<Change>> = BTreeMap::new();
            for (key, sessions) in &mut open {
                let mut ended: Vec<Open> = sessions.extract_if(.., |open| open.end - 1 <= watermark).collect();
                ended.sort_by_key(|session| session.end);
                for mut session in ended {
                    session.rows.sort_by_key(|(number, _)| *number);
                    let rows = session.rows.iter().map(|(_, row)| in_session(Insert, row, session.start, session.end));
                    expected.entry(key.clone()).or_default().extend(rows);
                }
            }
            let mut found: BTreeMap<Vec<String>, Vec<Change>> = BTreeMap::new();
            for change in cluster.take() {
                let key = keys.iter().map(|&key| change.1[key].clone()).collect();
                found.entry(key).or_default().push(change);
            }
            assert_eq!(found, expected, "watermark {watermark}, seed {seed}");
        }
        assert_eq!(cluster.late_rows, late, "seed {seed}");
    }
}

#[test]
fn sessions_agree_with_the_model() {
    for seed in 0..12 {
        random_run(seed, [5, 20, 1000][seed as usize % 3]);
    }
}
