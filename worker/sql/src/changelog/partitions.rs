//! How rows are spread over subtasks: updates of one key stay in one place, and rows that are in place stay there.

use graph::{Expr, JobGraph, NodeId, OperatorSpec, Partitioning};

use super::keys::same;

/// Updates of one key must reach one subtask of the sink.
pub(super) fn partition_sink(graph: &mut JobGraph, node: NodeId) {
    let OperatorSpec::Sink(sink) = &graph.nodes[node].operator else { return };
    let key = sink.table.primary_key.clone();
    if sink.input.is_append() || key.is_empty() {
        return;
    }
    let Some(edge) = graph.edges.iter().position(|edge| edge.to == node) else { return };
    let from = graph.edges[edge].from;
    let single = graph.nodes[from].parallelism == Some(1);
    let placed = partitions_of(graph, from).iter().any(|columns| same(columns, &key));
    if !single && !placed {
        graph.edges[edge].partitioning = Partitioning::Hash(key);
    }
}

/// Rows that are already where their next operator wants them stay there.
pub(super) fn keep_partitions(graph: &mut JobGraph) {
    for index in 0..graph.edges.len() {
        let edge = &graph.edges[index];
        let Partitioning::Hash(keys) = &edge.partitioning else { continue };
        let (from, to) = (edge.from, edge.to);
        // Only operators with one input follow directly.
        let follows = graph.inputs(to).count() == 1 && graph.nodes[from].parallelism == graph.nodes[to].parallelism;
        if follows && partitions_of(graph, from).contains(keys) {
            graph.edges[index].partitioning = Partitioning::Forward;
        }
    }
}

/// The lists of output columns by which a node's rows are spread over its subtasks.
fn partitions_of(graph: &JobGraph, node: NodeId) -> Vec<Vec<usize>> {
    let joined = |left: &[usize], right: &[usize], width: usize| {
        vec![left.to_vec(), right.iter().map(|column| column + width).collect()]
    };
    let all = match &graph.nodes[node].operator {
        OperatorSpec::GroupAggregate(spec) => vec![(0..spec.keys.len()).collect()],
        OperatorSpec::Rank(spec) => vec![spec.partition.clone()],
        OperatorSpec::Deduplicate(spec) => vec![spec.keys.clone()],
        OperatorSpec::Join(spec) => joined(&spec.left_keys, &spec.right_keys, spec.left_schema.len()),
        OperatorSpec::IntervalJoin(spec) => joined(&spec.left_keys, &spec.right_keys, spec.left_schema.len()),
        OperatorSpec::Calc(calc) => {
            let mut inputs = graph.inputs(node);
            let (Some(only), None) = (inputs.next(), inputs.next()) else { return Vec::new() };
            if only.partitioning != Partitioning::Forward {
                return Vec::new();
            }
            let plain = |column: usize| calc.projection.iter().position(|expr| *expr == Expr::Column(column));
            let below = partitions_of(graph, only.from).into_iter();
            below.filter_map(|columns| columns.into_iter().map(plain).collect()).collect()
        }
        _ => Vec::new(),
    };
    all.into_iter().filter(|columns: &Vec<usize>| !columns.is_empty()).collect()
}
