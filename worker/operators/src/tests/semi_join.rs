//! Semi and anti joins.

use graph::{ChangelogMode, Expr, Node, OperatorSpec, operator::SemiJoinSpec};
use model::{
    DataType,
    RowKind::{Delete, Insert, UpdateAfter, UpdateBefore},
};
use rand::Rng;

use super::{
    changelog::{Input, Relation, Seeded, assert_paired},
    harness::{Cluster, On},
    rows::{G, K, Row, S, V, batch, schema, shown},
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
fn an_anti_join_leaves_rows_with_null_keys_where_they_stand() {
    for condition in [None, Some(less())] {
        let mut cluster = cluster(&[K], true, false, condition);
        let rows = [row(1, "a"), row(None, "b"), row(2, "c")];
        cluster.process(0, batch(&rows.clone().map(|row| (Insert, row))));
        assert_eq!(strings(&mut cluster), ["+I a", "+I b", "+I c"]);
        // The key comes and goes.
        cluster.process(0, batch(&[(UpdateBefore, row(1, "a")), (UpdateAfter, row(None, "d"))]));
        cluster.process(0, batch(&[(UpdateBefore, row(None, "d")), (UpdateAfter, row(3, "e"))]));
        assert_eq!(strings(&mut cluster), ["-U a", "+U d", "-U d", "+U e"]);
    }
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
    let mut seeded = Seeded::new(seed);
    let every = |number: u64| seed.is_multiple_of(number);
    let (anti, with_condition, nulls_equal) = (every(2), every(3), every(5));
    let keys = if every(7) { vec![] } else { vec![K, G] };
    let mut cluster = cluster(&keys, anti, nulls_equal, with_condition.then(less));
    let mut inputs = [ChangelogMode::ALL; 2].map(|mode| Input::new(mode, 3));
    let mut output = Relation::default();
    for _ in 0..40 {
        let port = seeded.rng.random_range(0..2);
        let changes = seeded.rng.random_range(1..if every(4) { 150 } else { 10 });
        let feed = inputs[port].next(&mut seeded.rng, changes);
        cluster.process(port, batch(&feed));
        seeded.may_restart(&mut cluster, if keys.is_empty() { 1 } else { 3 });
        let changes = cluster.take();
        assert_paired(&changes);
        output.apply(changes);
        let equal = |left: &Row, right: &Row| {
            let is_null = left.k.is_none() || left.g.is_none();
            keys.is_empty() || (left.k == right.k && left.g == right.g && (nulls_equal || !is_null))
        };
        let fulfils = |left: &Row, right: &Row| left.v.zip(right.v).is_some_and(|(left, right)| left < right);
        let is_match = |left: &Row, right: &Row| equal(left, right) && (!with_condition || fulfils(left, right));
        let matched = |left: &&Row| inputs[1].live.iter().any(|right| is_match(left, right)) != anti;
        output.assert_is(inputs[0].live.iter().filter(matched).map(shown).collect());
    }
}

#[test]
fn agrees_with_the_model() {
    for seed in 0..16 {
        random_run(seed);
    }
}
