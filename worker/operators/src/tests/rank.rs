//! The first rows of partitions.

use std::collections::BTreeMap;

use graph::{
    ChangelogMode, Node, OperatorSpec,
    operator::{DeduplicateSpec, Keep, RankSpec, SortColumn},
};
use model::{
    DataType, Field, RowKind,
    RowKind::{Delete, Insert, UpdateAfter, UpdateBefore},
};
use rand::Rng;

use super::{
    changelog::{Input, Relation, Seeded, assert_paired},
    harness::{Cluster, On},
    rows::{self, K, Row, S, T, V, batch, schema, shown},
};

fn node(operator: OperatorSpec, with_number: bool) -> Node {
    let mut schema = schema();
    if with_number {
        schema.fields.push(Field::new("rn", DataType::BigInt));
    }
    Node {
        uid: "rank".to_owned(),
        name: "Rank".to_owned(),
        parallelism: None,
        schema,
        changelog: ChangelogMode::ALL,
        operator,
    }
}

/// By `k`, highest `v` first, then by `s`.
fn spec(from: u64, to: u64, with_number: bool, input: ChangelogMode) -> RankSpec {
    RankSpec {
        partition: vec![K],
        order: vec![
            SortColumn { column: V, descending: true, nulls_first: false },
            SortColumn { column: S, descending: false, nulls_first: true },
        ],
        from,
        to,
        latest_first: false,
        window_end: None,
        zone: None,
        with_number,
        input,
        emit_update_before: true,
    }
}

fn ranked(spec: RankSpec, options: &[(&str, &str)]) -> Cluster {
    let with_number = spec.with_number;
    Cluster::with_settings(node(OperatorSpec::Rank(spec), with_number), vec![schema()], vec![vec![K]], options)
}

fn row(v: i64, s: &str) -> Row {
    Row { k: Some(1), v: Some(v), s: Some(s.to_owned()), ..Row::default() }
}

/// Kind, `s`, and the last column of what came out.
fn shorts(cluster: &mut Cluster) -> Vec<String> {
    let changes = cluster.take().into_iter();
    changes.map(|(kind, row)| format!("{} {} {}", kind.short(), row[S], row[row.len() - 1])).collect()
}

#[test]
fn rows_enter_and_leave() {
    let mut cluster = ranked(spec(1, 2, false, ChangelogMode::APPEND), &[]);
    cluster.process(0, batch(&[(Insert, row(3, "a")), (Insert, row(5, "b"))]));
    assert_eq!(shorts(&mut cluster), ["+I b NULL", "+I a NULL"]);
    cluster.process(0, batch(&[(Insert, row(4, "c")), (Insert, row(1, "d"))]));
    assert_eq!(shorts(&mut cluster), ["-D a NULL", "+I c NULL"]);
    // What enters and leaves within a batch is not seen.
    cluster.process(0, batch(&[(Insert, row(6, "e")), (Insert, row(7, "f")), (Insert, row(8, "g"))]));
    assert_eq!(shorts(&mut cluster), ["-D b NULL", "-D c NULL", "+I g NULL", "+I f NULL"]);
}

#[test]
fn rows_replace_each_other_by_number() {
    let mut cluster = ranked(spec(1, 3, true, ChangelogMode::APPEND), &[]);
    cluster.process(0, batch(&[(Insert, row(3, "a")), (Insert, row(5, "b"))]));
    assert_eq!(shorts(&mut cluster), ["+I b 1", "+I a 2"]);
    cluster.process(0, batch(&[(Insert, row(4, "c"))]));
    assert_eq!(shorts(&mut cluster), ["-U a 2", "+U c 2", "+I a 3"]);
    let mut quiet = spec(1, 1, false, ChangelogMode::APPEND);
    quiet.emit_update_before = false;
    let mut cluster = ranked(quiet, &[]);
    cluster.process(0, batch(&[(Insert, row(3, "a"))]));
    cluster.process(0, batch(&[(Insert, row(5, "b"))]));
    assert_eq!(shorts(&mut cluster), ["+I a NULL", "+U b NULL"]);
}

#[test]
fn the_next_row_follows_one_that_goes() {
    let mut cluster = ranked(spec(1, 1, false, ChangelogMode::ALL), &[]);
    cluster.process(0, batch(&[(Insert, row(3, "a")), (Insert, row(5, "b")), (Insert, row(4, "c"))]));
    cluster.restart(1, On::RocksDb);
    cluster.process(0, batch(&[(Delete, row(5, "b")), (Delete, row(99, "unknown"))]));
    cluster.process(0, batch(&[(UpdateBefore, row(4, "c")), (UpdateAfter, row(1, "c"))]));
    cluster.process(0, batch(&[(Delete, row(1, "c")), (Delete, row(3, "a"))]));
    let expected = ["+I b NULL", "-U b NULL", "+U c NULL", "-U c NULL", "+U a NULL", "-D a NULL"];
    assert_eq!(shorts(&mut cluster), expected);
}

#[test]
fn of_equal_rows_the_first_one_counts() {
    let mut all = spec(1, 2, false, ChangelogMode::APPEND);
    all.order.truncate(1);
    let mut cluster = ranked(all, &[]);
    for s in ["a", "b", "c"] {
        cluster.process(0, batch(&[(Insert, row(1, s))]));
    }
    assert_eq!(shorts(&mut cluster), ["+I a NULL", "+I b NULL"]);
}

#[test]
fn a_partition_of_many_rows_is_numbered_in_pieces() {
    let mut cluster = ranked(spec(1, 20_000, true, ChangelogMode::APPEND), &[]);
    let feed: Vec<_> = (0..9000).map(|v| (Insert, row(v, "x"))).collect();
    feed.chunks(4096).for_each(|chunk| cluster.process(0, batch(chunk)));
    cluster.take();
    cluster.process(0, batch(&[(Insert, row(9000, "first"))]));
    let changes = shorts(&mut cluster);
    assert_eq!(changes.len(), 2 * 9000 + 1);
    assert_eq!(changes[..2], ["-U x 1", "+U first 1"]);
}

/// The rows of the input that are wanted, each with its number; of rows that are equal in order the first comes first.
fn model(live: &[Row], spec: &RankSpec) -> Vec<Vec<String>> {
    let mut expected = Vec::new();
    for k in [None, Some(0), Some(1), Some(2)] {
        let mut rows: Vec<&Row> = live.iter().filter(|row| row.k == k).collect();
        if spec.latest_first {
            rows.reverse();
        }
        match spec.order.len() {
            1 => rows.sort_by_key(|row| std::cmp::Reverse(row.v)),
            _ => rows.sort_by_key(|row| (std::cmp::Reverse(row.v), row.s.clone())),
        }
        let numbered = rows.into_iter().zip(1..).filter(|(_, number)| (spec.from..=spec.to).contains(number));
        expected.extend(numbered.map(|(row, number)| {
            let mut row = shown(row);
            row.extend(spec.with_number.then(|| number.to_string()));
            row
        }));
    }
    expected
}

fn random_run(seed: u64, spec: &RankSpec, options: &[(&str, &str)]) {
    let mut seeded = Seeded::new(seed);
    let mut cluster = ranked(spec.clone(), options);
    let mut input = Input::new(spec.input, 3);
    let mut output = Relation::default();
    let many = if seed.is_multiple_of(3) { 200 } else { 12 };
    for _ in 0..25 {
        let changes = seeded.rng.random_range(1..many);
        let feed = input.next(&mut seeded.rng, changes);
        cluster.process(0, batch(&feed));
        seeded.may_restart(&mut cluster, 3);
        cluster.flush();
        let changes = cluster.take();
        assert_paired(&changes);
        assert!(changes.windows(2).all(|pair| pair[0].0 != UpdateBefore || pair[0].1 != pair[1].1), "a change");
        output.apply(changes);
        output.assert_is(model(&input.live, spec));
    }
}

#[test]
fn agrees_with_the_model() {
    let held_back = [("table.exec.mini-batch.enabled", "true"), ("table.exec.mini-batch.size", "17")];
    let mut seed = 0;
    for input in [ChangelogMode::APPEND, ChangelogMode::ALL] {
        for (from, to) in [(1, 1), (1, 3), (2, 4), (3, 3), (1, 100)] {
            for with_number in [false, true] {
                seed += 1;
                let options = if seed % 2 == 0 { &held_back[..] } else { &[] };
                random_run(seed, &spec(from, to, with_number, input), options);
                // With many ties.
                let mut ties = spec(from, to, with_number, input);
                ties.order.truncate(1);
                random_run(seed, &ties, options);
            }
        }
    }
}

fn deduplicated(keep: Keep) -> Cluster {
    let spec = DeduplicateSpec { keys: vec![K], time: T, processing: false, keep, emit_update_before: true };
    Cluster::new(node(OperatorSpec::Deduplicate(spec), false), vec![schema()], vec![vec![K]])
}

fn at(t: i64, k: i64, s: &str) -> (RowKind, Row) {
    (Insert, Row { k: Some(k), t: Some(t), s: Some(s.to_owned()), ..Row::default() })
}

fn kinds_and_strings(cluster: &mut Cluster) -> Vec<String> {
    cluster.take().into_iter().map(|(kind, row)| format!("{} {}", kind.short(), row[S])).collect()
}

#[test]
fn the_last_row_by_time_replaces_the_one_before() {
    let mut cluster = deduplicated(Keep::Last);
    cluster.process(0, batch(&[at(5, 1, "a"), at(7, 1, "b"), at(6, 1, "c")]));
    cluster.restart(2, On::RocksDb);
    // Of the same time, the one that comes last.
    cluster.process(0, batch(&[at(7, 1, "d"), at(3, 1, "e")]));
    assert_eq!(kinds_and_strings(&mut cluster), ["+I b", "-U b", "+U d"]);
}

#[test]
fn the_first_row_by_time_is_emitted_once_and_for_all() {
    for on in [On::HashMap, On::RocksDb] {
        let mut cluster = deduplicated(Keep::First);
        cluster.process(0, batch(&[at(1500, 1, "a"), at(5, 2, "x"), at(5, 2, "y"), at(1700, 3, "m")]));
        cluster.restart(3, on);
        cluster.process(0, batch(&[at(900, 1, "b"), at(1600, 3, "n"), at(1650, 3, "o")]));
        assert_eq!(kinds_and_strings(&mut cluster), Vec::<String>::new());
        cluster.watermark(1000);
        let mut first = kinds_and_strings(&mut cluster);
        first.sort();
        assert_eq!(first, ["+I b", "+I x"]);
        cluster.restart(1, on);
        // Late, known, and neither.
        cluster.process(0, batch(&[at(999, 4, "late"), at(1000, 1, "c"), at(1000, 5, "d"), at(1001, 4, "e")]));
        assert_eq!(cluster.late_rows, 1);
        cluster.watermark(1620);
        assert_eq!(kinds_and_strings(&mut cluster), ["+I d", "+I e", "+I n"]);
        cluster.watermark(i64::MAX);
        assert_eq!(kinds_and_strings(&mut cluster), Vec::<String>::new());
    }
}

/// The first row of each key by time, out of rows that come in any order.
fn random_first_rows(seed: u64) {
    let mut seeded = Seeded::new(seed);
    let mut cluster = deduplicated(Keep::First);
    let (mut watermark, mut late) = (i64::MIN, 0);
    let mut waiting: BTreeMap<Option<i64>, Vec<Row>> = BTreeMap::new();
    let mut emitted: BTreeMap<Option<i64>, Row> = BTreeMap::new();
    for _ in 0..60 {
        for _ in 0..seeded.rng.random_range(0..3) {
            let rows = (0..seeded.rng.random_range(1..20)).map(|_| {
                let t = watermark.max(0) + seeded.rng.random_range(-300..4000);
                Row { t: Some(t), ..rows::random(&mut seeded.rng, 40) }
            });
            let rows: Vec<Row> = rows.collect();
            cluster.process(0, batch(&rows.iter().map(|row| (Insert, row.clone())).collect::<Vec<_>>()));
            for row in rows {
                match row.t < Some(watermark) {
                    true => late += 1,
                    false => waiting.entry(row.k).or_default().push(row),
                }
            }
        }
        seeded.may_restart(&mut cluster, 3);
        watermark = watermark.max(0) + seeded.rng.random_range(0..1500);
        cluster.watermark(watermark);
        let mut expected = Vec::new();
        for (key, rows) in &mut waiting {
            rows.sort_by_key(|row| row.t);
            if let Some(first) = rows.first().filter(|row| row.t <= Some(watermark) && !emitted.contains_key(key)) {
                emitted.insert(*key, first.clone());
                expected.push((Insert, shown(first)));
            }
        }
        expected.sort_by(|a, b| a.1.cmp(&b.1));
        let mut found = cluster.take();
        found.sort_by(|a, b| a.1.cmp(&b.1));
        assert_eq!(found, expected);
        assert_eq!(cluster.late_rows, late);
    }
}

#[test]
fn first_rows_agree_with_the_model() {
    (0..6).for_each(random_first_rows);
}

/// The last row of each key by time, or the first that came.
fn random_rows_of_keys(seed: u64, keep: Keep, processing: bool) {
    let mut seeded = Seeded::new(seed);
    let spec = DeduplicateSpec { keys: vec![K], time: T, processing, keep, emit_update_before: true };
    let mut cluster = Cluster::new(node(OperatorSpec::Deduplicate(spec), false), vec![schema()], vec![vec![K]]);
    let mut input = Input::new(ChangelogMode::APPEND, 9);
    let mut output = Relation::default();
    for _ in 0..30 {
        let changes = seeded.rng.random_range(1..10);
        cluster.process(0, batch(&input.next(&mut seeded.rng, changes)));
        seeded.may_restart(&mut cluster, 3);
        output.apply(cluster.take());
        let mut kept: BTreeMap<Option<i64>, &Row> = BTreeMap::new();
        for row in &input.live {
            let known = kept.entry(row.k).or_insert(row);
            if keep == Keep::Last && (processing || row.t >= known.t) {
                *known = row;
            }
        }
        output.assert_is(kept.into_values().map(shown).collect());
    }
}

#[test]
fn rows_of_keys_agree_with_the_model() {
    for seed in 0..3 {
        random_rows_of_keys(seed, Keep::Last, false);
        random_rows_of_keys(seed, Keep::Last, true);
        random_rows_of_keys(seed, Keep::First, true);
    }
}
