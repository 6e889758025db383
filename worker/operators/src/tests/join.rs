//! The regular join.

use graph::{ChangelogMode, Expr, Node, OperatorSpec, operator::JoinSpec};
use model::{
    DataType,
    RowKind::{Delete, Insert, UpdateAfter, UpdateBefore},
    Schema,
};
use rand::Rng;

use super::{
    changelog::{Input, Relation, Seeded},
    harness::{Cluster, On},
    rows::{G, K, Row, S, V, all_shown, batch, schema},
};

fn cluster(left_keys: &[usize], right_keys: &[usize], condition: Option<Expr>) -> Cluster {
    cluster_of([ChangelogMode::ALL; 2], left_keys, right_keys, condition)
}

fn cluster_of(
    inputs: [ChangelogMode; 2],
    left_keys: &[usize],
    right_keys: &[usize],
    condition: Option<Expr>,
) -> Cluster {
    cluster_with_nulls(false, inputs, left_keys, right_keys, condition)
}

fn cluster_with_nulls(
    nulls_equal: bool,
    inputs: [ChangelogMode; 2],
    left_keys: &[usize],
    right_keys: &[usize],
    condition: Option<Expr>,
) -> Cluster {
    let both = schema().fields.into_iter().chain(schema().fields).collect();
    let node = Node {
        uid: "join".to_owned(),
        name: "Join".to_owned(),
        parallelism: None,
        schema: Schema::new(both),
        changelog: ChangelogMode::ALL,
        operator: OperatorSpec::Join(JoinSpec {
            left_keys: left_keys.to_vec(),
            right_keys: right_keys.to_vec(),
            nulls_equal,
            condition,
            left_input: inputs[0],
            right_input: inputs[1],
            left_schema: schema(),
            right_schema: schema(),
        }),
    };
    Cluster::new(node, vec![schema(), schema()], vec![left_keys.to_vec(), right_keys.to_vec()])
}

/// `left.v < right.v`
fn condition() -> Expr {
    Expr::call("<", vec![Expr::Column(V), Expr::Column(8 + V)], DataType::Boolean)
}

fn row(k: impl Into<Option<i64>>, s: &str) -> Row {
    Row { k: k.into(), s: Some(s.to_owned()), ..Row::default() }
}

/// Kind and both sides' strings of what came out.
fn strings(cluster: &mut Cluster) -> Vec<String> {
    let changes = cluster.take().into_iter();
    changes.map(|(kind, row)| format!("{} {} {}", kind.short(), row[S], row[8 + S])).collect()
}

#[test]
fn the_row_that_finds_a_match_gives_the_kind() {
    let mut cluster = cluster(&[K], &[K], None);
    cluster.process(0, batch(&[(Insert, row(1, "a")), (Insert, row(1, "a")), (Insert, row(2, "b"))]));
    assert_eq!(strings(&mut cluster), Vec::<String>::new());
    cluster.process(1, batch(&[(Insert, row(1, "x")), (Insert, row(3, "y"))]));
    assert_eq!(strings(&mut cluster), ["+I a x", "+I a x"]);
    cluster.process(0, batch(&[(Delete, row(1, "a"))]));
    assert_eq!(strings(&mut cluster), ["-D a x"]);
    cluster.process(1, batch(&[(Delete, row(1, "x")), (Insert, row(2, "z"))]));
    assert_eq!(strings(&mut cluster), ["-D a x", "+I b z"]);
}

#[test]
fn null_keys_match_nothing() {
    let mut cluster = cluster(&[K, G], &[K, G], None);
    let with_g = |row: Row| Row { g: Some("g".to_owned()), ..row };
    for port in [0, 1] {
        cluster.process(port, batch(&[(Insert, row(None, "n")), (Insert, row(1, "n")), (Insert, with_g(row(1, "a")))]));
    }
    assert_eq!(strings(&mut cluster), ["+I a a"]);
}

#[test]
fn null_keys_match_each_other_where_nulls_are_equal() {
    let mut cluster = cluster_with_nulls(true, [ChangelogMode::ALL; 2], &[K], &[K], None);
    cluster.process(0, batch(&[(Insert, row(None, "n")), (Insert, row(1, "a"))]));
    cluster.process(1, batch(&[(Insert, row(None, "m")), (Insert, row(2, "b"))]));
    cluster.process(0, batch(&[(Delete, row(None, "n"))]));
    assert_eq!(strings(&mut cluster), ["+I n m", "-D n m"]);
}

#[test]
fn the_halves_of_an_update_stay_adjacent() {
    let mut cluster = cluster(&[K], &[K], None);
    cluster.process(0, batch(&[(Insert, row(1, "a")), (Insert, row(1, "b"))]));
    cluster.process(1, batch(&[(UpdateBefore, row(1, "old")), (UpdateAfter, row(1, "new"))]));
    assert_eq!(strings(&mut cluster), ["-U a old", "+U a new", "-U b old", "+U b new"]);
    // To another key: each half on its own.
    cluster.process(1, batch(&[(UpdateBefore, row(1, "new")), (UpdateAfter, row(2, "moved"))]));
    assert_eq!(strings(&mut cluster), ["-U a new", "-U b new"]);
}

#[test]
fn many_matches_come_in_pieces() {
    // Lists shorter and longer than a batch.
    for (stored, probes) in [(3000, 30), (9000, 10)] {
        let mut cluster = cluster(&[K], &[K], None);
        let left: Vec<_> = (0..stored).map(|_| (Insert, row(1, "l"))).collect();
        let right: Vec<_> = (0..probes).map(|_| (Insert, row(1, "r"))).collect();
        left.chunks(4096).for_each(|chunk| cluster.process(0, batch(chunk)));
        cluster.process(1, batch(&right));
        assert_eq!(cluster.take().len(), stored * probes);
    }
}

#[test]
fn pairs_with_many_matches_are_not_split() {
    let mut cluster = cluster(&[K], &[K], None);
    for port in [0, 1] {
        let rows: Vec<_> = (0..5001).map(|index| (Insert, row(1 + index % 2, "l"))).collect();
        if port == 0 {
            cluster.process(0, batch(&rows));
        } else {
            let updates = [(Insert, row(2, "x")), (UpdateBefore, row(1, "r")), (UpdateAfter, row(1, "s"))];
            cluster.process(1, batch(&updates));
        }
    }
    let changes = strings(&mut cluster);
    assert_eq!(changes.len(), 2500 + 2 * 2501);
    assert!(changes[2500..].chunks(2).all(|pair| pair == ["-U l r", "+U l s"]));
}

fn random_run(seed: u64, inputs: [ChangelogMode; 2]) {
    let mut seeded = Seeded::new(seed);
    let (nulls_equal, with_condition) = (seeded.rng.random::<bool>(), seeded.rng.random::<bool>());
    let (keys, many): (&[usize], usize) = match seeded.rng.random_range(0..5) {
        0 => (&[], 5),
        1 => (&[K, G], 100),
        _ => (&[K, G], 15),
    };
    let mut cluster = cluster_with_nulls(nulls_equal, inputs, keys, keys, with_condition.then(condition));
    let mut inputs = inputs.map(|mode| Input::new(mode, 3));
    let mut output = Relation::default();
    for _ in 0..30 {
        let port = seeded.rng.random_range(0..2);
        let changes = seeded.rng.random_range(1..many);
        let feed = inputs[port].next(&mut seeded.rng, changes);
        cluster.process(port, batch(&feed));
        seeded.may_restart(&mut cluster, if keys.is_empty() { 1 } else { 3 });
        output.apply(cluster.take());
        let equal = |left: &Row, right: &Row| {
            let is_null = left.k.is_none() || left.g.is_none();
            keys.is_empty() || (left.k == right.k && left.g == right.g && (nulls_equal || !is_null))
        };
        let fulfils = |left: &Row, right: &Row| left.v.zip(right.v).is_some_and(|(left, right)| left < right);
        let [lefts, rights] = [0, 1].map(|port: usize| all_shown(&inputs[port].live));
        let mut expected = Vec::new();
        for (left, left_shown) in inputs[0].live.iter().zip(&lefts) {
            let is_match = |right: &Row| equal(left, right) && (!with_condition || fulfils(left, right));
            let matches = inputs[1].live.iter().zip(&rights).filter(|(right, _)| is_match(right));
            expected.extend(matches.map(|(_, right_shown)| [&left_shown[..], right_shown].concat()));
        }
        output.assert_is(expected);
    }
}

#[test]
fn agrees_with_the_model() {
    for seed in 0..4 {
        random_run(seed, [ChangelogMode::ALL; 2]);
        random_run(seed, [ChangelogMode::APPEND, ChangelogMode::ALL]);
        random_run(seed, [ChangelogMode::APPEND; 2]);
    }
}

#[test]
fn a_key_of_many_rows_is_kept_in_pieces() {
    for on in [On::HashMap, On::RocksDb] {
        let mut cluster = cluster_of([ChangelogMode::APPEND, ChangelogMode::ALL], &[K], &[K], None);
        let numbered = |numbers: std::ops::Range<usize>| numbers.map(|number| (Insert, row(1, &number.to_string())));
        for start in (0..1500).step_by(100) {
            cluster.process(0, batch(&numbered(start..start + 100).collect::<Vec<_>>()));
        }
        cluster.restart(2, on);
        cluster.process(0, batch(&numbered(1500..1600).collect::<Vec<_>>()));
        cluster.process(1, batch(&[(Insert, row(1, "x"))]));
        // In order of arrival.
        assert_eq!(strings(&mut cluster), (0..1600).map(|number| format!("+I {number} x")).collect::<Vec<_>>());
        // Of what comes and goes nothing is left.
        let many: Vec<_> = (0..300).map(|number| row(2, &format!("r{number}"))).collect();
        let mut feed: Vec<_> = many.iter().map(|row| (Insert, row.clone())).collect();
        feed.extend(many.iter().rev().map(|row| (Delete, row.clone())));
        feed.push((Delete, row(1, "x")));
        for rows in feed.chunks(17) {
            cluster.process(1, batch(rows));
            cluster.take();
        }
        cluster.restart(1, on);
        cluster.process(0, batch(&[(Insert, row(1, "y")), (Insert, row(2, "y"))]));
        assert_eq!(strings(&mut cluster), Vec::<String>::new());
    }
}
