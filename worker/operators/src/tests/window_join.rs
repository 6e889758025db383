//! The join of windows.

use graph::{
    ChangelogMode, Expr, Node, OperatorSpec,
    operator::{WindowJoinKind, WindowJoinSpec},
};
use model::{DataType, RowKind::Insert, Schema};
use rand::{Rng, SeedableRng, rngs::SmallRng};

use super::{
    harness::{Cluster, On},
    rows::{self, G, K, Row, S, T, V, batch, schema, shown},
};

/// The time stands for the end of the window.
fn cluster(keys: &[usize], condition: Option<Expr>) -> Cluster {
    cluster_of(WindowJoinKind::Inner, false, keys, condition)
}

fn cluster_of(kind: WindowJoinKind, nulls_equal: bool, keys: &[usize], condition: Option<Expr>) -> Cluster {
    let right = if kind == WindowJoinKind::Inner { schema().fields } else { Vec::new() };
    let node = Node {
        uid: "join".to_owned(),
        name: "WindowJoin".to_owned(),
        parallelism: None,
        schema: Schema::new(schema().fields.into_iter().chain(right).collect()),
        changelog: ChangelogMode::APPEND,
        operator: OperatorSpec::WindowJoin(WindowJoinSpec {
            kind,
            left_keys: keys.to_vec(),
            right_keys: keys.to_vec(),
            nulls_equal,
            left_end: T,
            right_end: T,
            zone: None,
            condition,
            left_schema: schema(),
            right_schema: schema(),
        }),
    };
    Cluster::new(node, vec![schema(), schema()], vec![keys.to_vec(), keys.to_vec()])
}

fn row(k: impl Into<Option<i64>>, s: &str, end: i64) -> Row {
    Row { k: k.into(), s: Some(s.to_owned()), t: Some(end), ..Row::default() }
}

fn strings(cluster: &mut Cluster) -> Vec<String> {
    cluster.take().into_iter().map(|(kind, row)| format!("{} {} {}", kind.short(), row[S], row[8 + S])).collect()
}

#[test]
fn a_window_is_joined_when_it_ends_and_forgotten() {
    let mut cluster = cluster(&[K, T], None);
    cluster.process(0, batch(&[(Insert, row(1, "a", 10)), (Insert, row(1, "b", 20)), (Insert, row(None, "n", 10))]));
    cluster.process(1, batch(&[(Insert, row(1, "x", 10)), (Insert, row(1, "x", 10)), (Insert, row(None, "n", 10))]));
    cluster.watermark(8);
    assert_eq!(strings(&mut cluster), Vec::<String>::new());
    cluster.watermark(9);
    assert_eq!(strings(&mut cluster), ["+I a x", "+I a x"]);
    cluster.restart(2, On::RocksDb);
    cluster.process(1, batch(&[(Insert, row(1, "late", 10)), (Insert, row(1, "y", 20))]));
    assert_eq!(cluster.late_rows, 1);
    cluster.watermark(i64::MAX);
    assert_eq!(strings(&mut cluster), ["+I b y"]);
}

#[test]
fn many_matches_come_in_pieces() {
    let mut cluster = cluster(&[K, T], None);
    for port in [0, 1] {
        let rows: Vec<_> = (0..300).map(|index| (Insert, row(1, &format!("{index}"), 10))).collect();
        cluster.process(port, batch(&rows));
    }
    cluster.watermark(i64::MAX);
    assert_eq!(cluster.take().len(), 300 * 300);
}

#[test]
fn many_equal_rows_come_in_pieces_too() {
    for on in [On::HashMap, On::RocksDb] {
        let mut cluster = cluster(&[K, T], None);
        for port in [0, 1] {
            cluster.process(port, batch(&vec![(Insert, row(1, "same", 10)); 300]));
        }
        cluster.restart(1, on);
        cluster.watermark(i64::MAX);
        assert_eq!(strings(&mut cluster), vec!["+I same same"; 300 * 300]);
    }
}

#[test]
fn null_keys_may_be_equal() {
    for (nulls_equal, expected) in [(false, vec!["+I a x"]), (true, vec!["+I a x", "+I n m"])] {
        let mut cluster = cluster_of(WindowJoinKind::Inner, nulls_equal, &[K, T], None);
        cluster.process(0, batch(&[(Insert, row(1, "a", 10)), (Insert, row(None, "n", 10))]));
        cluster.restart(2, On::RocksDb);
        cluster.process(1, batch(&[(Insert, row(1, "x", 10)), (Insert, row(None, "m", 10))]));
        cluster.watermark(9);
        let mut found = strings(&mut cluster);
        found.sort();
        assert_eq!(found, expected);
        assert_eq!(cluster.late_rows, 0);
    }
}

#[test]
fn left_rows_with_many_partners_come_once() {
    for (kind, expected) in [(WindowJoinKind::Semi, 5000), (WindowJoinKind::Anti, 1)] {
        for condition in [None, Some(Expr::call("<>", vec![Expr::Column(S), Expr::Column(8 + S)], DataType::Boolean))] {
            let mut cluster = cluster_of(kind, false, &[K, T], condition);
            let left: Vec<_> = (0..5000).map(|index| (Insert, row(1, &format!("{index}"), 10))).collect();
            cluster.process(0, batch(&left));
            cluster.process(0, batch(&[(Insert, row(2, "alone", 10))]));
            cluster.process(1, batch(&vec![(Insert, row(1, "other", 10)); 50]));
            cluster.restart(2, On::RocksDb);
            cluster.watermark(9);
            assert_eq!(cluster.take().len(), expected, "{kind:?}");
            cluster.restart(1, On::HashMap);
            assert!(!cluster.has_state());
        }
    }
}

/// The rows of a join of these rows, as output shows them.
fn expected(kind: WindowJoinKind, left: &[Row], right: &[Row], conditional: bool) -> Vec<Vec<String>> {
    let mut expected = Vec::new();
    for l in left {
        let matches = right.iter().filter(|r| {
            let fulfils = !conditional || l.v.zip(r.v).is_some_and(|(l, r)| l < r);
            let valid = l.k.is_some() && l.g.is_some();
            valid && (l.k, &l.g, l.t) == (r.k, &r.g, r.t) && fulfils
        });
        let matches: Vec<&Row> = matches.collect();
        match kind {
            WindowJoinKind::Inner => {
                expected.extend(matches.iter().map(|r| shown(l).into_iter().chain(shown(r)).collect::<Vec<_>>()));
            }
            WindowJoinKind::Semi if !matches.is_empty() => expected.push(shown(l)),
            WindowJoinKind::Anti if matches.is_empty() => expected.push(shown(l)),
            WindowJoinKind::Semi | WindowJoinKind::Anti => {}
        }
    }
    expected.sort();
    expected
}

#[test]
fn agrees_with_the_model() {
    for seed in 0..24 {
        let mut rng = SmallRng::seed_from_u64(seed);
        let kind = [WindowJoinKind::Inner, WindowJoinKind::Semi, WindowJoinKind::Anti][seed as usize % 3];
        let conditional = seed % 2 == 0;
        let less = Expr::call("<", vec![Expr::Column(V), Expr::Column(8 + V)], DataType::Boolean);
        let mut cluster = cluster_of(kind, false, &[K, G, T], conditional.then_some(less));
        let mut open: [Vec<Row>; 2] = [Vec::new(), Vec::new()];
        let (mut watermark, mut late) = (i64::MIN, 0);
        for step in 0..30 {
            let port = rng.random_range(0..2);
            let mut feed = Vec::new();
            for _ in 0..rng.random_range(1..20) {
                let end = (step + rng.random_range(-4..4)) * 10;
                let row = Row { t: Some(end), ..rows::random(&mut rng, 2) };
                feed.push((Insert, row.clone()));
                let is_kept = row.k.is_some() && row.g.is_some() || (kind == WindowJoinKind::Anti && port == 0);
                if is_kept {
                    if end - 1 > watermark { open[port].push(row) } else { late += 1 }
                }
            }
            cluster.process(port, batch(&feed));
            assert_eq!(cluster.late_rows, late);
            if rng.random_bool(0.2) {
                let on = if rng.random_bool(0.5) { On::HashMap } else { On::RocksDb };
                cluster.restart(rng.random_range(1..4), on);
            }
            watermark = if step == 29 { i64::MAX } else { watermark.max(step * 10 + rng.random_range(-40..10)) };
            cluster.watermark(watermark);
            let [left, right] = &mut open;
            let due = |row: &mut Row| row.t.is_some_and(|end| end - 1 <= watermark);
            let (left, right): (Vec<Row>, Vec<Row>) =
                (left.extract_if(.., due).collect(), right.extract_if(.., due).collect());
            let mut joined: Vec<_> = cluster.take().into_iter().map(|(_, row)| row).collect();
            joined.sort();
            assert_eq!(joined, expected(kind, &left, &right, conditional), "seed {seed}");
        }
    }
}
