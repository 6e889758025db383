//! The join of rows whose times are near each other.

use graph::{ChangelogMode, Expr, Node, OperatorSpec, operator::IntervalJoinSpec};
use model::{DataType, RowKind, RowKind::Insert, Schema};
use rand::{Rng, SeedableRng, rngs::SmallRng};

use super::{
    harness::{Cluster, On},
    rows::{self, G, K, Row, S, T, batch, schema, shown},
};

fn cluster(lower: i64, upper: i64) -> Cluster {
    cluster_with_nulls(false, lower, upper)
}

/// `right.t` is `lower` to `upper` later than `left.t`.
fn cluster_with_nulls(nulls_equal: bool, lower: i64, upper: i64) -> Cluster {
    let (left, right) = (Expr::Column(T), Expr::Column(8 + T));
    let shift = |by: i64| {
        let by = Expr::Literal { value: graph::Value::Integer(by), data_type: DataType::IntervalDayTime };
        Expr::call("+", vec![left.clone(), by], DataType::Timestamp(3))
    };
    let near = Expr::call("BETWEEN", vec![right, shift(lower), shift(upper)], DataType::Boolean);
    let node = Node {
        uid: "interval-join".to_owned(),
        name: "IntervalJoin".to_owned(),
        parallelism: None,
        schema: Schema::new(schema().fields.into_iter().chain(schema().fields).collect()),
        changelog: ChangelogMode::APPEND,
        operator: OperatorSpec::IntervalJoin(IntervalJoinSpec {
            left_keys: vec![K, G],
            right_keys: vec![K, G],
            nulls_equal,
            left_time: T,
            right_time: T,
            lower,
            upper,
            condition: Some(near),
            left_schema: schema(),
            right_schema: schema(),
        }),
    };
    Cluster::new(node, vec![schema(), schema()], vec![vec![K, G], vec![K, G]])
}

fn at(t: i64, s: &str) -> (RowKind, Row) {
    let row = Row { k: Some(1), g: Some("g".to_owned()), t: Some(t), s: Some(s.to_owned()), ..Row::default() };
    (Insert, row)
}

fn strings(cluster: &mut Cluster) -> Vec<String> {
    let mut found: Vec<String> =
        cluster.take().into_iter().map(|(_, row)| format!("{} {}", row[S], row[8 + S])).collect();
    found.sort();
    found
}

#[test]
fn bounds_are_inclusive() {
    let mut cluster = cluster(-10, 20);
    cluster.process(0, batch(&[at(1000, "l")]));
    cluster.process(1, batch(&[at(989, "a"), at(990, "b"), at(1020, "c"), at(1021, "d")]));
    assert_eq!(strings(&mut cluster), ["l b", "l c"]);
}

#[test]
fn the_watermark_is_held_back_by_the_older_row_of_a_pair() {
    for (lower, upper, delay) in [(-10, 20, 20), (-30, -5, 30), (5, 9, 9), (0, 0, 0)] {
        let cluster = cluster(lower, upper);
        assert_eq!(cluster.forwarded(1000), 1000 - delay);
        assert_eq!(cluster.forwarded(i64::MAX), i64::MAX);
        assert_eq!(cluster.forwarded(i64::MIN), i64::MIN);
    }
}

#[test]
fn rows_are_forgotten_when_nothing_can_match_them() {
    for on in [On::HashMap, On::RocksDb] {
        let mut cluster = cluster(0, 5000);
        cluster.process(0, batch(&[at(100, "old"), at(9000, "new")]));
        cluster.process(1, batch(&[at(200, "r")]));
        assert_eq!(strings(&mut cluster), ["old r"]);
        cluster.watermark(8000);
        cluster.restart(2, on);
        // Late, its partner gone; late, its partner there; with a null time; in time.
        let no_time = (Insert, Row { t: None, ..at(0, "null").1 });
        cluster.process(1, batch(&[at(300, "late"), no_time, at(9000, "x")]));
        assert_eq!(strings(&mut cluster), ["new x"]);
        cluster.process(0, batch(&[at(7000, "behind")]));
        assert_eq!(strings(&mut cluster), ["behind x"]);
        cluster.watermark(i64::MAX);
        cluster.process(1, batch(&[at(9001, "y")]));
        assert_eq!(strings(&mut cluster), Vec::<String>::new());
    }
}

#[test]
fn null_keys_may_be_equal() {
    let null_key = |t: i64, s: &str| (Insert, Row { k: None, ..at(t, s).1 });
    for (nulls_equal, expected) in [(false, vec!["a x"]), (true, vec!["a x", "n m"])] {
        let mut cluster = cluster_with_nulls(nulls_equal, 0, 100);
        cluster.process(0, batch(&[at(100, "a"), null_key(100, "n")]));
        cluster.restart(2, On::RocksDb);
        // The null time is of no use, whatever the keys.
        let no_time = (Insert, Row { t: None, ..null_key(0, "none").1 });
        cluster.process(1, batch(&[at(150, "x"), null_key(150, "m"), no_time]));
        assert_eq!(strings(&mut cluster), expected);
    }
}

#[test]
fn many_matches_come_in_pieces() {
    let mut cluster = cluster(-1000, 1000);
    let rows: Vec<_> = (0..300).map(|t| at(t, "x")).collect();
    for port in [0, 1] {
        rows.chunks(100).for_each(|rows| cluster.process(port, batch(rows)));
    }
    assert_eq!(cluster.take().len(), 300 * 300);
}

fn random_run(seed: u64, lower: i64, upper: i64) {
    let mut rng = SmallRng::seed_from_u64(seed);
    let mut cluster = cluster(lower, upper);
    let mut live: [Vec<Row>; 2] = [Vec::new(), Vec::new()];
    let mut now = 0;
    let mut output: Vec<Vec<String>> = Vec::new();
    for _ in 0..40 {
        let port = rng.random_range(0..2);
        let feed: Vec<(RowKind, Row)> = (0..rng.random_range(1..15))
            .map(|_| (Insert, Row { t: Some(now + rng.random_range(1..3000)), ..rows::random(&mut rng, 2) }))
            .collect();
        live[port].extend(feed.iter().map(|(_, row)| row.clone()));
        cluster.process(port, batch(&feed));
        if rng.random_bool(0.3) {
            now += rng.random_range(0..3000);
            cluster.watermark(now);
        }
        if rng.random_bool(0.15) {
            let on = if rng.random_bool(0.5) { On::HashMap } else { On::RocksDb };
            cluster.restart(rng.random_range(1..4), on);
        }
        output.extend(cluster.take().into_iter().map(|(_, row)| row));
    }
    let mut expected: Vec<Vec<String>> = Vec::new();
    for l in &live[0] {
        for r in &live[1] {
            let is_match = l.k.is_some() && l.k == r.k && l.g.is_some() && l.g == r.g;
            let near = l.t.zip(r.t).is_some_and(|(l, r)| (lower..=upper).contains(&(r - l)));
            if is_match && near {
                expected.push(shown(l).into_iter().chain(shown(r)).collect());
            }
        }
    }
    expected.sort();
    output.sort();
    assert_eq!(output, expected, "seed {seed}");
}

#[test]
fn agrees_with_the_model() {
    for (seed, (lower, upper)) in [(-500, 500), (0, 0), (0, 9000), (-4000, -1000), (2000, 6000)].into_iter().enumerate()
    {
        random_run(seed as u64, lower, upper);
    }
}
