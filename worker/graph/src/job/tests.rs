//! Stored graphs are read back as they were; what is none is refused, and nothing panics over it.

use model::{DataType, ErrorClass, Field};
use proptest::prelude::*;

use super::*;
use crate::{Expr, operator::CalcSpec};

fn node(uid: &str, expr: Expr) -> Node {
    Node {
        uid: uid.to_owned(),
        name: uid.to_owned(),
        parallelism: None,
        schema: Schema::new(vec![Field::new("a", DataType::BigInt)]),
        changelog: ChangelogMode::default(),
        operator: OperatorSpec::Calc(CalcSpec { filter: None, projection: vec![expr] }),
    }
}

fn graph() -> JobGraph {
    let mut graph = JobGraph::new("orders");
    let (from, to) = (graph.add(node("calc", Expr::Column(0))), graph.add(node("calc-2", Expr::Column(0))));
    graph.edges.push(Edge { from, to, port: 0, partitioning: Partitioning::Hash(vec![0]) });
    graph
}

fn refused(change: impl FnOnce(&mut JobGraph)) -> String {
    let mut graph = graph();
    change(&mut graph);
    let failure = JobGraph::from_json(&graph.to_json().unwrap()).unwrap_err();
    assert_eq!(failure.class, ErrorClass::Data);
    failure.message
}

#[test]
fn what_was_written_is_read_back() {
    let graph = graph();
    assert_eq!(JobGraph::from_json(&graph.to_json().unwrap()), Ok(graph));
}

#[test]
fn what_refers_to_nothing_is_refused() {
    assert!(refused(|graph| graph.edges[0].to = 2).contains("from node 0 to node 2 of 2"));
    assert!(refused(|graph| graph.edges[0].from = 1).contains("from node 1 to node 1"));
    assert!(refused(|graph| graph.edges[0].port = 2).contains("no input 2"));
    assert!(refused(|graph| graph.edges[0].partitioning = Partitioning::Hash(vec![1])).contains("no column 1"));
    assert!(refused(|graph| graph.nodes[1].uid = "calc".to_owned()).contains("calc occurs twice"));
    assert!(refused(|graph| graph.nodes[1].parallelism = Some(0)).contains("no subtasks"));
    assert!(refused(|graph| graph.version = VERSION + 1).contains("newer"));
}

/// A few hundred bytes could otherwise take any amount of stack.
#[test]
fn pieces_within_pieces_are_bounded() {
    let pieces: Vec<String> = (1..=100_000).map(|next| format!("[{{\"$piece\":{next}}}]")).collect();
    let json = format!("{{\"version\":1,\"name\":{{\"$piece\":0}},\"pieces\":[{}]}}", pieces.join(","));
    assert!(JobGraph::from_json(&json).unwrap_err().message.contains("nested too deep"));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn a_damaged_graph_is_an_error_and_no_panic(at in any::<proptest::sample::Index>(), to in 32u8..127, cut in any::<bool>()) {
        let mut json = graph().to_json().unwrap().into_bytes();
        let at = at.index(json.len());
        json[at] = to;
        if cut {
            json.truncate(at);
        }
        let json = String::from_utf8(json).unwrap();
        match JobGraph::from_json(&json) {
            Ok(graph) => prop_assert_eq!(JobGraph::from_json(&graph.to_json().unwrap()), Ok(graph)),
            Err(failure) => prop_assert_eq!(failure.class, ErrorClass::Data, "{}", failure),
        }
    }
}
