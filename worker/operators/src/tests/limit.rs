//! `LIMIT`.

use graph::{ChangelogMode, Node, OperatorSpec, operator::LimitSpec};
use model::RowKind::Insert;

use super::{
    harness::{Cluster, On},
    rows::{K, Row, batch, schema},
};

#[test]
fn the_first_rows_pass_across_batches_and_restores() {
    let node = Node {
        uid: "limit".to_owned(),
        name: "Limit".to_owned(),
        parallelism: Some(1),
        schema: schema(),
        changelog: ChangelogMode::APPEND,
        operator: OperatorSpec::Limit(LimitSpec { limit: 5, offset: 2 }),
    };
    let mut cluster = Cluster::new(node, vec![schema()], vec![vec![]]);
    let rows = |from: i64| (from..from + 3).map(|k| (Insert, Row { k: Some(k), ..Row::default() })).collect::<Vec<_>>();
    for from in [0, 3, 6, 9] {
        cluster.process(0, batch(&rows(from)));
        cluster.restart(1, On::HashMap);
    }
    let passed: Vec<String> = cluster.take().into_iter().map(|(_, row)| row[K].clone()).collect();
    assert_eq!(passed, ["2", "3", "4", "5", "6"]);
}
