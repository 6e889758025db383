//! Filter and projection.

use graph::{ChangelogMode, Expr, Node, OperatorSpec, Value, operator::CalcSpec};
use model::{DataType, Field, RowKind, Schema};

use super::{
    harness::Cluster,
    rows::{Row, S, V, batch, schema},
};

fn cluster(filter: Option<Expr>) -> Cluster {
    let node = Node {
        uid: "calc".to_owned(),
        name: "Calc".to_owned(),
        parallelism: None,
        schema: Schema::new(vec![
            Field::new("s", DataType::String),
            Field::new("next", DataType::BigInt),
            Field::new("one", DataType::Int),
        ]),
        changelog: ChangelogMode::ALL,
        operator: OperatorSpec::Calc(CalcSpec { filter, projection: vec![Expr::Column(S), plus_one(), one()] }),
    };
    Cluster::new(node, vec![schema()], vec![vec![]])
}

fn literal(value: i64, data_type: DataType) -> Expr {
    Expr::Literal { value: Value::Integer(value), data_type }
}

fn one() -> Expr {
    literal(1, DataType::Int)
}

fn plus_one() -> Expr {
    Expr::call("+", vec![Expr::Column(V), literal(1, DataType::BigInt)], DataType::BigInt)
}

fn row(v: Option<i64>, s: &str) -> Row {
    Row { v, s: Some(s.to_owned()), ..Row::default() }
}

fn change(kind: RowKind, s: &str, next: &str) -> (RowKind, Vec<String>) {
    (kind, vec![s.to_owned(), next.to_owned(), "1".to_owned()])
}

#[test]
fn filters_then_projects_and_keeps_the_kind_of_a_lone_half() {
    use RowKind::{Delete, Insert, UpdateAfter, UpdateBefore};
    let is_positive = Expr::call(">", vec![Expr::Column(V), literal(0, DataType::BigInt)], DataType::Boolean);
    let mut cluster = cluster(Some(is_positive));
    cluster.process(
        0,
        batch(&[
            (Insert, row(Some(1), "a")),
            (Insert, row(Some(-1), "dropped")),
            (Insert, row(None, "null is not true")),
            (UpdateBefore, row(Some(1), "b")),
            (UpdateAfter, row(Some(0), "b")),
            (UpdateBefore, row(Some(0), "c")),
            (UpdateAfter, row(Some(3), "c")),
            (Delete, row(Some(4), "d")),
        ]),
    );
    assert_eq!(
        cluster.take(),
        [
            change(Insert, "a", "2"),
            change(UpdateBefore, "b", "2"),
            change(UpdateAfter, "c", "4"),
            change(Delete, "d", "5"),
        ]
    );
}

#[test]
fn without_a_filter_every_row_passes() {
    let mut cluster = cluster(None);
    cluster.process(0, batch(&[(RowKind::Insert, row(None, "a")), (RowKind::Insert, row(Some(1), "b"))]));
    assert_eq!(cluster.take(), [change(RowKind::Insert, "a", "NULL"), change(RowKind::Insert, "b", "2")]);
}
