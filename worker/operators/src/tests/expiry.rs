//! State that expires: what operators still know when a key, or a row of a join, has been idle.

use graph::{
    ChangelogMode, Node, OperatorSpec,
    operator::{
        AggregateFunction, DeduplicateSpec, GroupAggregateSpec, JoinSpec, Keep, RankSpec, SemiJoinSpec, SortColumn,
    },
};
use model::{
    DataType, Field, RowKind,
    RowKind::{Delete, Insert},
    Schema,
};
use rand::{Rng, SeedableRng, rngs::SmallRng};

use super::{
    harness::{Cluster, On},
    rows::{K, Row, S, T, V, batch, call, schema},
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
        left_input: ChangelogMode::APPEND,
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
    // The match is forgotten, too.
    cluster.set_clock(219);
    cluster.process(0, batch(&[(Insert, row(1, "c"))]));
    cluster.set_clock(220);
    cluster.process(0, batch(&[(Insert, row(1, "d"))]));
    assert_eq!(shown(&mut cluster, &[S]), ["+I c"]);
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
fn nothing_is_left_of_rows_that_have_expired_or_gone() {
    for (input, expires) in [(ChangelogMode::APPEND, true), (ChangelogMode::ALL, true), (ChangelogMode::ALL, false)] {
        let mut cluster = join(input);
        // Equal rows, so that some pieces stay empty, and others.
        let rows: Vec<Row> = (0..400).map(|number| row(1, &format!("row {}", number % 150))).collect();
        let feed = |kind: RowKind| batch(&rows.iter().map(|row| (kind, row.clone())).collect::<Vec<_>>());
        cluster.process(0, feed(Insert));
        cluster.restart(1, On::HashMap);
        assert!(cluster.has_state);
        if expires {
            cluster.set_clock(IDLE_MS);
            cluster.process(1, batch(&[(Insert, row(1, "x"))]));
            cluster.set_clock(2 * IDLE_MS);
        } else {
            cluster.process(0, feed(Delete));
        }
        cluster.restart(1, On::RocksDb);
        assert!(!cluster.has_state, "{input} {expires}");
    }
}
