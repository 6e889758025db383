//! The first rows of windows, and of keys in the order of arrival.

use graph::{
    ChangelogMode, Node, OperatorSpec,
    operator::{DeduplicateSpec, Keep, RankSpec, SortColumn},
};
use model::{
    DataType, Field,
    RowKind::{self, Insert},
};
use rand::{Rng, SeedableRng, rngs::SmallRng};

use super::{
    harness::{Cluster, On},
    rows::{self, K, Row, S, T, V, batch, schema, shown},
};

fn cluster(operator: OperatorSpec, with_number: bool, key: &[usize]) -> Cluster {
    let mut output = schema();
    if with_number {
        output.fields.push(Field::new("rn", DataType::BigInt));
    }
    let node = Node {
        uid: "rank".to_owned(),
        name: "Rank".to_owned(),
        parallelism: None,
        schema: output,
        changelog: ChangelogMode::ALL,
        operator,
    };
    Cluster::new(node, vec![schema()], vec![key.to_vec()])
}

/// By `k` and the end of the window, for which the time stands: highest `v` first.
fn spec(from: u64, to: u64, with_number: bool, latest_first: bool) -> RankSpec {
    RankSpec {
        partition: vec![K, T],
        order: vec![SortColumn { column: V, descending: true, nulls_first: false }],
        from,
        to,
        latest_first,
        window_end: Some(T),
        zone: None,
        with_number,
        input: ChangelogMode::APPEND,
        emit_update_before: false,
    }
}

fn row(k: i64, v: i64, s: &str, end: i64) -> (RowKind, Row) {
    (Insert, Row { k: Some(k), v: Some(v), s: Some(s.to_owned()), t: Some(end), ..Row::default() })
}

/// Kind, `s`, and the last column.
fn shorts(cluster: &mut Cluster) -> Vec<String> {
    let changes = cluster.take().into_iter();
    changes.map(|(kind, row)| format!("{} {} {}", kind.short(), row[S], row[row.len() - 1])).collect()
}

#[test]
fn the_rows_of_a_window_come_out_when_it_ends_and_are_forgotten() {
    for on in [On::HashMap, On::RocksDb] {
        let mut cluster = cluster(OperatorSpec::Rank(spec(1, 2, true, false)), true, &[K, T]);
        cluster.process(0, batch(&[row(1, 3, "a", 10), row(1, 5, "b", 10), row(1, 9, "later", 20)]));
        cluster.restart(2, on);
        cluster.process(0, batch(&[row(1, 4, "c", 10), row(1, 4, "equal", 10)]));
        cluster.watermark(8);
        assert_eq!(shorts(&mut cluster), Vec::<String>::new());
        cluster.watermark(9);
        assert_eq!(shorts(&mut cluster), ["+I b 1", "+I c 2"]);
        cluster.restart(1, on);
        cluster.process(0, batch(&[row(1, 7, "late", 10)]));
        assert_eq!(cluster.late_rows, 1);
        cluster.watermark(i64::MAX);
        assert_eq!(shorts(&mut cluster), ["+I later 1"]);
        cluster.restart(1, on);
        assert!(!cluster.has_state());
    }
}

#[test]
fn of_equal_rows_the_last_may_be_wanted() {
    let mut cluster = cluster(OperatorSpec::Rank(spec(1, 1, false, true)), false, &[K, T]);
    cluster.process(0, batch(&[row(1, 3, "a", 10), row(1, 3, "b", 10)]));
    cluster.process(0, batch(&[row(1, 3, "c", 10), row(1, 2, "d", 10)]));
    cluster.watermark(9);
    let last: Vec<String> = cluster.take().into_iter().map(|(_, row)| row[S].clone()).collect();
    assert_eq!(last, ["c"]);
}

#[test]
fn a_long_partition_comes_in_pieces() {
    let mut cluster = cluster(OperatorSpec::Rank(spec(2, 40_000, true, false)), true, &[K, T]);
    let feed: Vec<_> = (0..30_000).map(|v| row(1, v, "x", 10)).collect();
    feed.chunks(4096).for_each(|chunk| cluster.process(0, batch(chunk)));
    cluster.watermark(9);
    let rows = cluster.take();
    assert_eq!(rows.len(), 29_999);
    assert!(rows.iter().zip(2..).all(|((_, row), number)| *row.last().unwrap() == number.to_string()));
}

#[test]
fn agrees_with_the_model() {
    for seed in 0..10 {
        let mut rng = SmallRng::seed_from_u64(seed);
        let from = rng.random_range(1..3);
        let wanted = spec(from, rng.random_range(from..5), rng.random(), false);
        let mut cluster = cluster(OperatorSpec::Rank(wanted.clone()), wanted.with_number, &[K, T]);
        let mut open: Vec<Row> = Vec::new();
        let (mut watermark, mut late) = (i64::MIN, 0);
        for step in 0..30 {
            let feed: Vec<_> = (0..rng.random_range(1..30))
                .map(|_| {
                    let end = (step + rng.random_range(-3..4)) * 10;
                    (Insert, Row { t: Some(end), ..rows::random(&mut rng, 2) })
                })
                .collect();
            for (_, row) in &feed {
                if row.t.is_some_and(|end| end - 1 > watermark) { open.push(row.clone()) } else { late += 1 }
            }
            cluster.process(0, batch(&feed));
            assert_eq!(cluster.late_rows, late);
            if rng.random_bool(0.2) {
                let on = if rng.random_bool(0.5) { On::HashMap } else { On::RocksDb };
                cluster.restart(rng.random_range(1..4), on);
            }
            watermark = if step == 29 { i64::MAX } else { watermark.max(step * 10 + rng.random_range(-40..10)) };
            cluster.watermark(watermark);
            let mut due: Vec<Row> = open.extract_if(.., |row| row.t.is_some_and(|end| end - 1 <= watermark)).collect();
            // Stable, so that equal rows stay in order of arrival.
            due.sort_by_key(|row| (row.t, row.k, std::cmp::Reverse(row.v)));
            let mut expected = Vec::new();
            for part in due.chunk_by(|a, b| (a.t, a.k) == (b.t, b.k)) {
                for (row, number) in part.iter().zip(1..).filter(|(_, number)| (from..=wanted.to).contains(number)) {
                    let mut row = shown(row);
                    row.extend(wanted.with_number.then(|| number.to_string()));
                    expected.push(row);
                }
            }
            let mut found: Vec<_> = cluster.take().into_iter().map(|(_, row)| row).collect();
            expected.sort();
            found.sort();
            assert_eq!(found, expected, "seed {seed}");
        }
    }
}

fn deduplicated(keep: Keep) -> Cluster {
    let spec = DeduplicateSpec { keys: vec![K], time: T, processing: true, keep, emit_update_before: true };
    cluster(OperatorSpec::Deduplicate(spec), false, &[K])
}

#[test]
fn the_first_arrival_is_emitted_at_once() {
    for on in [On::HashMap, On::RocksDb] {
        let mut cluster = deduplicated(Keep::First);
        cluster.process(0, batch(&[row(1, 0, "a", 9), row(2, 0, "b", 9), row(1, 0, "c", 5)]));
        assert_eq!(shorts(&mut cluster), ["+I a 1970-01-01T00:00:00.009", "+I b 1970-01-01T00:00:00.009"]);
        cluster.restart(3, on);
        cluster.process(0, batch(&[row(2, 0, "d", 1), row(3, 0, "e", 1)]));
        assert_eq!(shorts(&mut cluster), ["+I e 1970-01-01T00:00:00.001"]);
    }
}

#[test]
fn the_last_arrival_replaces_the_one_before() {
    for on in [On::HashMap, On::RocksDb] {
        let mut cluster = deduplicated(Keep::Last);
        cluster.process(0, batch(&[row(1, 0, "a", 9), row(1, 0, "b", 5)]));
        cluster.restart(2, on);
        cluster.process(0, batch(&[row(1, 0, "c", 7)]));
        let kinds: Vec<_> =
            cluster.take().into_iter().map(|(kind, row)| format!("{} {}", kind.short(), row[S])).collect();
        assert_eq!(kinds, ["+I b", "-U b", "+U c"]);
    }
}

#[test]
fn some_of_the_latest_arrivals_are_kept() {
    let latest = RankSpec { partition: vec![K], order: Vec::new(), window_end: None, ..spec(1, 2, true, true) };
    let mut cluster = cluster(OperatorSpec::Rank(latest), true, &[K]);
    cluster.process(0, batch(&[row(1, 0, "a", 0), row(1, 0, "b", 0), row(1, 0, "c", 0)]));
    assert_eq!(shorts(&mut cluster), ["+I c 1", "+I b 2"]);
    cluster.process(0, batch(&[row(1, 0, "d", 0)]));
    assert_eq!(shorts(&mut cluster), ["+U d 1", "+U c 2"]);
}
