//! State that expires: what operators still know when a key, or a row of a join, has been idle.

use graph::{
    ChangelogMode, Node, OperatorSpec,
    operator::{
        AggregateCall, AggregateFunction, DeduplicateSpec, GroupAggregateSpec, JoinSpec, Keep, RankSpec, SemiJoinSpec,
        SortColumn,
    },
};
use model::{
    DataType, Field, RowKind,
    RowKind::{Delete, Insert, UpdateAfter, UpdateBefore},
    Schema,
};
use rand::{Rng, SeedableRng, rngs::SmallRng};

use super::{
    harness::{Cluster, On},
    rows::{D, K, Row, S, T, V, batch, call, schema},
};

const IDLE_MS: i64 = 100;

fn cluster(operator: OperatorSpec, schema: Schema, inputs: usize) -> Cluster {
    let node = Node {
        uid: "operator".to_owned(),
        name: "Operator".to_owned(),
        parallelism: None,
        schema,
        changelog: ChangelogMode::ALL,
        operator,
    };
    let idle = format!("{IDLE_MS} ms");
    let (schemas, keys) = (vec![super::rows::schema(); inputs], vec![vec![K]; inputs]);
    Cluster::with_settings(node, schemas, keys, &[("table.exec.state.ttl", &idle)])
}

fn row(k: i64, s: &str) -> Row {
    Row { k: Some(k), v: Some(1), s: Some(s.to_owned()), ..Row::default() }
}

/// Kind and some columns of what came out.
fn shown(cluster: &mut Cluster, columns: &[usize]) -> Vec<String> {
    let changes = cluster.take().into_iter();
    let changes = changes.map(|(kind, row)| {
        let values: Vec<&str> = columns.iter().map(|&column| row[column].as_str()).collect();
        format!("{} {}", kind.short(), values.join(" "))
    });
    changes.collect()
}

#[test]
fn an_idle_group_starts_anew() {
    for on in [On::HashMap, On::RocksDb] {
        let aggregates = vec![call(AggregateFunction::Count, None, DataType::BigInt)];
        let spec = GroupAggregateSpec {
            keys: vec![K],
            aggregates,
            input: ChangelogMode::ALL,
            emit_update_before: true,
            partial: None,
        };
        let output = Schema::new(vec![schema().fields[K].clone(), Field::new("n", DataType::BigInt)]);
        let mut cluster = cluster(OperatorSpec::GroupAggregate(spec), output, 1);
        cluster.restart(2, on);
        cluster.process(0, batch(&[(Insert, row(1, "")), (Insert, row(2, ""))]));
        cluster.set_clock(60);
        cluster.process(0, batch(&[(Insert, row(1, ""))]));
        cluster.restart(1, on);
        cluster.set_clock(120);
        cluster.take();
        // The retraction is for a group that nobody knows any more.
        cluster.process(0, batch(&[(Insert, row(1, "")), (Delete, row(2, ""))]));
        assert_eq!(shown(&mut cluster, &[0, 1]), ["-U 1 2", "+U 1 3"]);
        cluster.set_clock(220);
        cluster.process(0, batch(&[(Insert, row(1, ""))]));
        assert_eq!(shown(&mut cluster, &[0, 1]), ["+I 1 1"]);
    }
}

#[test]
fn a_result_that_stays_is_emitted_again() {
    let aggregates = vec![call(AggregateFunction::Max, Some(V), DataType::BigInt)];
    let spec = GroupAggregateSpec {
        keys: vec![K],
        aggregates,
        input: ChangelogMode::APPEND,
        emit_update_before: false,
        partial: None,
    };
    let output = Schema::new(vec![schema().fields[K].clone(), Field::new("m", DataType::BigInt)]);
    let mut cluster = cluster(OperatorSpec::GroupAggregate(spec), output, 1);
    cluster.process(0, batch(&[(Insert, row(1, ""))]));
    cluster.process(0, batch(&[(Insert, row(1, ""))]));
    assert_eq!(shown(&mut cluster, &[0, 1]), ["+I 1 1", "+U 1 1"]);
}

#[test]
fn the_least_of_values_that_have_expired_is_null() {
    for on in [On::HashMap, On::RocksDb] {
        let aggregates = vec![
            call(AggregateFunction::Min, Some(V), DataType::BigInt),
            call(AggregateFunction::Max, Some(V), DataType::BigInt),
            call(AggregateFunction::Max, Some(D), DataType::Decimal(10, 2)),
        ];
        let spec = GroupAggregateSpec {
            keys: vec![K],
            aggregates,
            input: ChangelogMode::ALL,
            emit_update_before: false,
            partial: None,
        };
        let results = [("a", DataType::BigInt), ("b", DataType::BigInt), ("c", DataType::Decimal(10, 2))];
        let results = results.map(|(name, data_type)| Field::new(name, data_type));
        let output = Schema::new(std::iter::once(schema().fields[K].clone()).chain(results).collect());
        let mut cluster = cluster(OperatorSpec::GroupAggregate(spec), output, 1);
        let value = |v: i64| Row { k: Some(1), v: Some(v), d: Some(v.into()), ..Row::default() };
        let nothing = Row { k: Some(1), ..Row::default() };
        cluster.restart(1, on);
        cluster.process(0, batch(&(1..=20).map(|v| (Insert, value(v))).collect::<Vec<_>>()));
        cluster.set_clock(60);
        cluster.process(0, batch(&[(Insert, nothing.clone())]));
        cluster.set_clock(120);
        cluster.process(0, batch(&[(Insert, nothing)]));
        cluster.take();
        // Those that were known at the ends are taken back, the others have expired.
        let ends = [1, 2, 19, 20];
        cluster.process(0, batch(&ends.map(|v| (Delete, value(v)))));
        assert_eq!(shown(&mut cluster, &[0, 1, 2, 3]), ["+U 1 NULL NULL NULL"]);
        cluster.process(0, batch(&[(Insert, value(7))]));
        assert_eq!(shown(&mut cluster, &[0, 1, 2, 3]), ["+U 1 7 7 0.07"]);
    }
}

#[test]
fn a_large_set_of_which_most_has_expired_goes_on() {
    for on in [On::HashMap, On::RocksDb] {
        let count = call(AggregateFunction::Count, Some(V), DataType::BigInt);
        let spec = GroupAggregateSpec {
            keys: vec![K],
            aggregates: vec![AggregateCall { distinct: true, ..count }],
            input: ChangelogMode::ALL,
            emit_update_before: false,
            partial: None,
        };
        let output = Schema::new(vec![schema().fields[K].clone(), Field::new("n", DataType::BigInt)]);
        let mut cluster = cluster(OperatorSpec::GroupAggregate(spec), output, 1);
        let value = |v: i64| Row { k: Some(1), v: Some(v), ..Row::default() };
        let feed = |kind, values: std::ops::Range<i64>| batch(&values.map(|v| (kind, value(v))).collect::<Vec<_>>());
        cluster.restart(1, on);
        cluster.process(0, feed(Insert, 0..200));
        // Every now and then all but one piece have expired.
        for round in 1..6 {
            for (at, values) in [(60, 0..1), (120, 0..1), (180, 0..30)] {
                cluster.set_clock(round * 200 + at);
                cluster.process(0, feed(Insert, values));
            }
            cluster.restart(1, on);
            cluster.set_clock(round * 200 + 200);
            // Each of them is known, and known to have gone.
            cluster.take();
            cluster.process(0, feed(Insert, 0..30));
            assert_eq!(cluster.take().len(), 1);
            let counts = |cluster: &mut Cluster| shown(cluster, &[1]).first().map(|text| text[3..].parse::<i64>());
            cluster.process(0, feed(Insert, 1000..1001));
            let before = counts(&mut cluster).expect("a change").expect("a count");
            cluster.process(0, feed(Delete, 1000..1001));
            let after = counts(&mut cluster).expect("a change").expect("a count");
            assert_eq!(after, before - 1);
        }
    }
}

#[test]
fn an_idle_partition_is_ranked_anew() {
    let spec = RankSpec {
        partition: vec![K],
        order: vec![SortColumn { column: S, descending: false, nulls_first: true }],
        from: 1,
        to: 1,
        latest_first: false,
        window_end: None,
        zone: None,
        with_number: false,
        input: ChangelogMode::APPEND,
        emit_update_before: true,
    };
    let mut cluster = cluster(OperatorSpec::Rank(spec), schema(), 1);
    cluster.process(0, batch(&[(Insert, row(1, "b")), (Insert, row(2, "b"))]));
    cluster.restart(1, On::RocksDb);
    cluster.set_clock(50);
    cluster.process(0, batch(&[(Insert, row(1, "a")), (Insert, row(2, "c"))]));
    cluster.take();
    cluster.set_clock(120);
    cluster.process(0, batch(&[(Insert, row(1, "c")), (Insert, row(2, "c"))]));
    assert_eq!(shown(&mut cluster, &[K, S]), ["+I 2 c"]);
}

#[test]
fn a_key_that_was_idle_is_new_again() {
    let spec =
        DeduplicateSpec { keys: vec![K], time: T, processing: false, keep: Keep::First, emit_update_before: false };
    let mut cluster = cluster(OperatorSpec::Deduplicate(spec), schema(), 1);
    let at = |t: i64, s: &str| (Insert, Row { t: Some(t), ..row(1, s) });
    cluster.process(0, batch(&[at(10, "a")]));
    cluster.watermark(20);
    cluster.process(0, batch(&[at(30, "b")]));
    cluster.watermark(40);
    cluster.restart(1, On::RocksDb);
    cluster.set_clock(100);
    cluster.process(0, batch(&[at(50, "c")]));
    cluster.watermark(60);
    assert_eq!(shown(&mut cluster, &[S]), ["+I a", "+I c"]);
}

#[test]
fn a_row_that_waits_is_the_first_one_however_long_it_waits() {
    for on in [On::HashMap, On::RocksDb] {
        let spec =
            DeduplicateSpec { keys: vec![K], time: T, processing: false, keep: Keep::First, emit_update_before: false };
        let mut cluster = cluster(OperatorSpec::Deduplicate(spec), schema(), 1);
        let at = |k: i64, t: i64, s: &str| (Insert, Row { t: Some(t), ..row(k, s) });
        cluster.process(0, batch(&[at(1, 10, "a"), at(2, 10, "a"), at(3, 1500, "a")]));
        cluster.set_clock(IDLE_MS);
        cluster.restart(1, on);
        // Within the same second, later, and earlier.
        cluster.process(0, batch(&[at(1, 20, "b"), at(2, 1500, "b"), at(3, 10, "b")]));
        cluster.watermark(3000);
        let mut found = shown(&mut cluster, &[K, S]);
        found.sort();
        assert_eq!(found, ["+I 1 a", "+I 2 a", "+I 3 b"]);
    }
}

fn join(input: ChangelogMode) -> Cluster {
    let both = Schema::new(schema().fields.into_iter().chain(schema().fields).collect());
    let spec = JoinSpec {
        left_keys: vec![K],
        right_keys: vec![K],
        nulls_equal: false,
        condition: None,
        left_input: input,
        right_input: input,
        left_schema: schema(),
        right_schema: schema(),
    };
    cluster(OperatorSpec::Join(spec), both, 2)
}

fn semi_join(condition: Option<graph::Expr>) -> Cluster {
    let spec = SemiJoinSpec {
        anti: false,
        left_keys: vec![K],
        right_keys: vec![K],
        nulls_equal: false,
        condition,
        left_input: ChangelogMode::ALL,
        right_input: ChangelogMode::ALL,
        left_schema: schema(),
        right_schema: schema(),
    };
    cluster(OperatorSpec::SemiJoin(spec), schema(), 2)
}

#[test]
fn each_left_row_of_a_semi_join_expires_by_itself() {
    let mut cluster = semi_join(None);
    cluster.process(0, batch(&[(Insert, row(1, "a"))]));
    cluster.set_clock(50);
    cluster.process(0, batch(&[(Insert, row(1, "b"))]));
    cluster.restart(1, On::RocksDb);
    cluster.set_clock(120);
    cluster.process(1, batch(&[(Insert, row(1, "x"))]));
    assert_eq!(shown(&mut cluster, &[S]), ["+I b"]);
    // The match is forgotten, too, but not before a left row that has come out because of it.
    cluster.set_clock(219);
    cluster.process(0, batch(&[(Insert, row(1, "c"))]));
    cluster.restart(1, On::HashMap);
    cluster.set_clock(318);
    cluster.process(1, batch(&[(Insert, row(1, "y"))]));
    cluster.set_clock(418);
    cluster.process(0, batch(&[(Insert, row(1, "d"))]));
    assert_eq!(shown(&mut cluster, &[S]), ["+I c"]);
}

#[test]
fn a_retraction_that_came_too_late_does_not_undo_what_follows() {
    let differ = graph::Expr::call("<>", vec![graph::Expr::Column(S), graph::Expr::Column(8 + S)], DataType::Boolean);
    for condition in [None, Some(differ)] {
        let mut cluster = semi_join(condition);
        cluster.process(1, batch(&[(Insert, row(1, "x"))]));
        cluster.set_clock(IDLE_MS);
        cluster.process(0, batch(&[(Insert, row(1, "a"))]));
        assert_eq!(shown(&mut cluster, &[S]), Vec::<String>::new());
        cluster.process(1, batch(&[(UpdateBefore, row(1, "x")), (UpdateAfter, row(1, "y"))]));
        assert_eq!(shown(&mut cluster, &[S]), ["+I a"]);
        cluster.process(0, batch(&[(Insert, row(1, "b"))]));
        assert_eq!(shown(&mut cluster, &[S]), ["+I b"]);
    }
}

#[test]
fn equal_left_rows_share_what_became_of_the_first() {
    let differ = graph::Expr::call("<>", vec![graph::Expr::Column(S), graph::Expr::Column(8 + S)], DataType::Boolean);
    let mut cluster = semi_join(Some(differ));
    cluster.process(1, batch(&[(Insert, row(1, "x"))]));
    cluster.set_clock(IDLE_MS - 1);
    cluster.process(0, batch(&[(Insert, row(1, "a"))]));
    cluster.set_clock(IDLE_MS);
    cluster.process(0, batch(&[(Insert, row(1, "a"))]));
    cluster.process(0, batch(&[(Delete, row(1, "a")), (Delete, row(1, "a"))]));
    assert_eq!(shown(&mut cluster, &[S]), ["+I a", "+I a", "-D a", "-D a"]);
}

#[test]
fn times_of_an_earlier_run_do_not_count() {
    let differ = graph::Expr::call("<>", vec![graph::Expr::Column(S), graph::Expr::Column(8 + S)], DataType::Boolean);
    for on in [On::HashMap, On::RocksDb] {
        for condition in [None, Some(differ.clone())] {
            let mut cluster = semi_join(condition);
            cluster.process(0, batch(&[(Insert, row(1, "a")), (Insert, row(2, "b"))]));
            cluster.set_option("table.exec.state.ttl", "0 ms");
            cluster.restart(1, on);
            cluster.set_clock(10 * IDLE_MS);
            cluster.process(0, batch(&[(Insert, row(2, "c"))]));
            cluster.set_option("table.exec.state.ttl", &format!("{IDLE_MS} ms"));
            cluster.restart(1, on);
            // All that was kept counts as changed at the restart.
            cluster.set_clock(11 * IDLE_MS - 1);
            cluster.process(1, batch(&[(Insert, row(1, "x"))]));
            assert_eq!(shown(&mut cluster, &[S]), ["+I a"]);
            cluster.set_clock(11 * IDLE_MS);
            cluster.process(1, batch(&[(Insert, row(2, "x"))]));
            assert_eq!(shown(&mut cluster, &[S]), Vec::<String>::new());
        }
    }
}

#[test]
fn so_do_those_with_a_condition() {
    let differ = graph::Expr::call("<>", vec![graph::Expr::Column(S), graph::Expr::Column(8 + S)], DataType::Boolean);
    let mut cluster = semi_join(Some(differ));
    cluster.process(0, batch(&[(Insert, row(1, "a")), (Insert, row(2, "a"))]));
    cluster.set_clock(60);
    cluster.process(0, batch(&[(Insert, row(2, "b"))]));
    cluster.set_clock(120);
    cluster.restart(2, On::RocksDb);
    cluster.process(1, batch(&[(Insert, row(1, "x")), (Insert, row(2, "x"))]));
    assert_eq!(shown(&mut cluster, &[K, S]), ["+I 2 b"]);
}

/// Many rows under few keys, so that they are in many pieces; each expires by itself.
fn random_join(seed: u64, input: ChangelogMode) {
    let mut rng = SmallRng::seed_from_u64(seed);
    let mut cluster = join(input);
    let mut kept: [Vec<(i64, String, i64)>; 2] = Default::default();
    let (mut now, mut number) = (0, 0);
    for step in 0..120 {
        now += rng.random_range(0..15);
        cluster.set_clock(now);
        if rng.random_bool(0.1) {
            let on = if rng.random_bool(0.5) { On::HashMap } else { On::RocksDb };
            cluster.restart(rng.random_range(1..4), on);
            cluster.take();
        }
        let port = rng.random_range(0..2);
        let mut feed: Vec<(RowKind, Row)> = Vec::new();
        let mut expected = Vec::new();
        let mut expect = |kind: RowKind, k: i64, s: &str, others: &[(i64, String, i64)]| {
            for (_, other, _) in others.iter().filter(|(other, _, at)| *other == k && at + IDLE_MS > now) {
                let (left, right) = if port == 0 { (s, other.as_str()) } else { (other.as_str(), s) };
                expected.push(format!("{} {left} {right}", kind.short()));
            }
        };
        for _ in 0..rng.random_range(1..20) {
            let (own, other) = if port == 0 {
                kept.split_at_mut(1)
            } else {
                let (a, b) = kept.split_at_mut(1);
                (b, a)
            };
            if !input.is_append() && !own[0].is_empty() && rng.random_bool(0.4) {
                let (k, s, _) = own[0].swap_remove(rng.random_range(0..own[0].len()));
                expect(Delete, k, &s, &other[0]);
                feed.push((Delete, row(k, &s)));
            } else {
                number += 1;
                let (k, s) = (rng.random_range(0..2), format!("row {number}"));
                expect(Insert, k, &s, &other[0]);
                feed.push((Insert, row(k, &s)));
                own[0].push((k, s, now));
            }
        }
        cluster.process(port, batch(&feed));
        let mut found = shown(&mut cluster, &[S, 8 + S]);
        found.sort();
        expected.sort();
        assert_eq!(found, expected, "seed {seed}, step {step}");
    }
}

#[test]
fn each_row_of_a_join_expires_by_itself() {
    for seed in 0..6 {
        random_join(seed, if seed % 2 == 0 { ChangelogMode::APPEND } else { ChangelogMode::ALL });
    }
}

#[test]
fn what_is_left_of_an_expired_key_does_not_come_back() {
    for input in [ChangelogMode::APPEND, ChangelogMode::ALL] {
        let mut cluster = join(input);
        cluster.restart(1, On::RocksDb);
        let rows =
            |prefix: &str| (0..100).map(|number| (Insert, row(1, &format!("{prefix} {number}")))).collect::<Vec<_>>();
        cluster.process(0, batch(&rows("old")));
        cluster.set_clock(IDLE_MS);
        cluster.process(0, batch(&rows("new")[..1]));
        // A checkpoint still has the old pieces, and they are younger than what expires from now on.
        cluster.set_option("table.exec.state.ttl", "1 h");
        cluster.restart(1, On::RocksDb);
        cluster.process(0, batch(&rows("new")[1..]));
        cluster.process(1, batch(&[(Insert, row(1, "x"))]));
        let mut expected: Vec<_> = (0..100).map(|number| format!("+I new {number} x")).collect();
        let mut found = shown(&mut cluster, &[S, 8 + S]);
        expected.sort();
        found.sort();
        assert_eq!(found, expected, "{input}");
    }
}

#[test]
fn nothing_is_left_of_rows_that_have_expired_or_gone() {
    for (input, expires) in [(ChangelogMode::APPEND, true), (ChangelogMode::ALL, true), (ChangelogMode::ALL, false)] {
        let mut cluster = join(input);
        // Equal rows, so that some pieces stay empty, and others.
        let rows: Vec<Row> = (0..400).map(|number| row(1, &format!("row {}", number % 150))).collect();
        let feed = |kind: RowKind| batch(&rows.iter().map(|row| (kind, row.clone())).collect::<Vec<_>>());
        cluster.process(0, feed(Insert));
        cluster.restart(1, On::HashMap);
        assert!(cluster.has_state());
        if expires {
            cluster.set_clock(IDLE_MS);
            cluster.process(1, batch(&[(Insert, row(1, "x"))]));
            cluster.set_clock(2 * IDLE_MS);
        } else {
            cluster.process(0, feed(Delete));
        }
        cluster.restart(1, On::RocksDb);
        assert!(!cluster.has_state(), "{input} {expires}");
    }
}
