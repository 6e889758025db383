//! Semi and anti joins.

use graph::{ChangelogMode, Expr, Node, OperatorSpec, operator::SemiJoinSpec};
use model::{
    DataType, RowKind,
    RowKind::{Delete, Insert, UpdateAfter, UpdateBefore},
};
use rand::{Rng, SeedableRng, rngs::SmallRng};

use super::{
    harness::{Cluster, On},
    rows::{self, G, K, Row, S, V, batch, schema, shown},
};

fn cluster(keys: &[usize], anti: bool, nulls_equal: bool, condition: Option<Expr>) -> Cluster {
    let node = Node {
        uid: "semi-join".to_owned(),
        name: "Join".to_owned(),
        parallelism: None,
        schema: schema(),
        changelog: ChangelogMode::ALL,
        operator: OperatorSpec::SemiJoin(SemiJoinSpec {
            anti,
            left_keys: keys.to_vec(),
            right_keys: keys.to_vec(),
            nulls_equal,
            condition,
            left_input: ChangelogMode::ALL,
            right_input: ChangelogMode::ALL,
            left_schema: schema(),
            right_schema: schema(),
        }),
    };
    Cluster::new(node, vec![schema(), schema()], vec![keys.to_vec(), keys.to_vec()])
}

/// `left.v < right.v`
fn less() -> Expr {
    Expr::call("<", vec![Expr::Column(V), Expr::Column(8 + V)], DataType::Boolean)
}

fn row(k: impl Into<Option<i64>>, s: &str) -> Row {
    Row { k: k.into(), s: Some(s.to_owned()), ..Row::default() }
}

fn strings(cluster: &mut Cluster) -> Vec<String> {
    cluster.take().into_iter().map(|(kind, row)| format!("{} {}", kind.short(), row[S])).collect()
}

#[test]
fn a_row_comes_out_once_however_many_matches_it_has() {
    let mut cluster = cluster(&[K], false, false, None);
    cluster.process(0, batch(&[(Insert, row(1, "a")), (Insert, row(1, "a")), (Insert, row(2, "b"))]));
    cluster.process(1, batch(&[(Insert, row(1, "x")), (Insert, row(1, "y"))]));
    assert_eq!(strings(&mut cluster), ["+I a", "+I a"]);
    cluster.process(0, batch(&[(Delete, row(1, "a")), (Insert, row(1, "c"))]));
    assert_eq!(strings(&mut cluster), ["-D a", "+I c"]);
    cluster.process(1, batch(&[(Delete, row(1, "x"))]));
    assert_eq!(strings(&mut cluster), Vec::<String>::new());
    cluster.process(1, batch(&[(Delete, row(1, "y"))]));
    assert_eq!(strings(&mut cluster), ["-D a", "-D c"]);
}

#[test]
fn an_anti_join_emits_null_keys_and_takes_back_what_is_matched() {
    let mut cluster = cluster(&[K], true, false, None);
    cluster.process(0, batch(&[(Insert, row(1, "a")), (Insert, row(None, "n"))]));
    let mut found = strings(&mut cluster);
    found.sort();
    assert_eq!(found, ["+I a", "+I n"]);
    cluster.process(1, batch(&[(Insert, row(1, "x")), (Insert, row(None, "n"))]));
    assert_eq!(strings(&mut cluster), ["-D a"]);
    cluster.process(0, batch(&[(Delete, row(None, "n"))]));
    assert_eq!(strings(&mut cluster), ["-D n"]);
}

#[test]
fn an_update_of_which_one_half_is_matched_is_a_delete_or_an_insert() {
    let mut cluster = cluster(&[K], false, false, Some(less()));
    let with = |v: i64| Row { v: Some(v), ..row(1, &v.to_string()) };
    cluster.process(1, batch(&[(Insert, with(5))]));
    cluster.process(0, batch(&[(Insert, with(1))]));
    cluster.process(0, batch(&[(UpdateBefore, with(1)), (UpdateAfter, with(2))]));
    cluster.process(0, batch(&[(UpdateBefore, with(2)), (UpdateAfter, with(7))]));
    cluster.process(0, batch(&[(UpdateBefore, with(7)), (UpdateAfter, with(3))]));
    assert_eq!(strings(&mut cluster), ["+I 1", "-U 1", "+U 2", "-D 2", "+I 3"]);
}

#[test]
fn the_rows_of_a_hot_key_come_out_in_pieces() {
    for on in [On::HashMap, On::RocksDb] {
        for anti in [false, true] {
            let mut cluster = cluster(&[K], anti, false, None);
            let rows: Vec<Row> = (0..20_000).map(|number| row(1, &format!("{}", number / 2))).collect();
            for part in rows.chunks(4096) {
                cluster.process(0, batch(&part.iter().map(|row| (Insert, row.clone())).collect::<Vec<_>>()));
            }
            cluster.restart(1, on);
            assert_eq!(cluster.take().len(), if anti { rows.len() } else { 0 });
            let mut texts: Vec<String> = rows.iter().map(|row| row.s.clone().expect("a text")).collect();
            texts.sort();
            for (kind, comes) in [(Insert, !anti), (Delete, anti)] {
                cluster.process(1, batch(&[(kind, row(1, "x"))]));
                let sign = if comes { "+I" } else { "-D" };
                let mut found = strings(&mut cluster);
                found.sort();
                assert!(found.iter().map(String::as_str).eq(texts.iter().map(|text| format!("{sign} {text}"))));
            }
        }
    }
}

#[test]
fn a_snapshot_with_another_condition_is_refused() {
    let greater = Expr::call(">", vec![Expr::Column(V), Expr::Column(8 + V)], DataType::Boolean);
    for other in [Some(greater), None] {
        let mut first = cluster(&[K], false, false, Some(less()));
        first.process(0, batch(&[(Insert, row(1, "a"))]));
        let node = cluster(&[K], false, false, other).node().clone();
        first.replace_node(node);
        let refused = first.try_restart(1, On::HashMap).expect_err("another query");
        assert!(refused.message.contains("the snapshot holds state of another query"), "{refused}");
    }
}

fn random_run(seed: u64) {
    let mut rng = SmallRng::seed_from_u64(seed);
    let every = |number: u64| seed.is_multiple_of(number);
    let (anti, with_condition, nulls_equal) = (every(2), every(3), every(5));
    let keys = if every(7) { vec![] } else { vec![K, G] };
    let mut cluster = cluster(&keys, anti, nulls_equal, with_condition.then(less));
    let mut live: [Vec<Row>; 2] = [Vec::new(), Vec::new()];
    let mut output: Vec<Vec<String>> = Vec::new();
    for _ in 0..40 {
        let port = rng.random_range(0..2);
        let live_here = &mut live[port];
        let mut feed: Vec<(RowKind, Row)> = Vec::new();
        for _ in 0..rng.random_range(1..if seed == 1 { 200 } else { 10 }) {
            let new = rows::random(&mut rng, 3);
            match if live_here.is_empty() { 0 } else { rng.random_range(0..6) } {
                0 | 1 => {
                    feed.push((Insert, new.clone()));
                    live_here.push(new);
                }
                2 | 3 => feed.push((Delete, live_here.swap_remove(rng.random_range(0..live_here.len())))),
                4 => {
                    // The same row again.
                    let again = live_here[rng.random_range(0..live_here.len())].clone();
                    feed.push((Insert, again.clone()));
                    live_here.push(again);
                }
                _ => {
                    let position = rng.random_range(0..live_here.len());
                    let old = std::mem::replace(&mut live_here[position], new.clone());
                    feed.push((UpdateBefore, old));
                    feed.push((UpdateAfter, new));
                }
            }
        }
        cluster.process(port, batch(&feed));
        if rng.random_bool(0.2) {
            let on = if rng.random_bool(0.5) { On::HashMap } else { On::RocksDb };
            cluster.restart(rng.random_range(1..4), on);
        }
        for (kind, row) in cluster.take() {
            if kind.is_retraction() {
                let position = output.iter().position(|known| *known == row).expect("retracts what is there");
                output.swap_remove(position);
            } else {
                output.push(row);
            }
        }
        output.sort();
        let equal = |left: &Row, right: &Row| {
            let is_null = left.k.is_none() || left.g.is_none();
            keys.is_empty() || (left.k == right.k && left.g == right.g && (nulls_equal || !is_null))
        };
        let fulfils = |left: &Row, right: &Row| left.v.zip(right.v).is_some_and(|(left, right)| left < right);
        let is_match = |left: &Row, right: &Row| equal(left, right) && (!with_condition || fulfils(left, right));
        let matched = |left: &&Row| live[1].iter().any(|right| is_match(left, right)) != anti;
        let mut expected: Vec<Vec<String>> = live[0].iter().filter(matched).map(shown).collect();
        expected.sort();
        assert_eq!(output, expected, "seed {seed}");
    }
}

#[test]
fn agrees_with_the_model() {
    for seed in 0..16 {
        random_run(seed);
    }
}
