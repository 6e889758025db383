//! Two-phase aggregation: before the exchange, a local aggregate for each subtask.
//!
//! As in Flink it needs mini-batches. Only inputs without updates are aggregated in two phases: a retraction could meet
//! the row that it takes back only in the second. What the aggregation keeps is the same either way.

use std::collections::BTreeMap;

use graph::{
    ChangelogMode, Edge, JobGraph, Node, NodeId, OperatorSpec, Partitioning,
    operator::{AggregateCall, GroupAggregateSpec, LocalAggregateSpec, WindowAggregateSpec, WindowKind},
};
use model::{DataType, Field, Schema};

const MINI_BATCH: &str = "table.exec.mini-batch.enabled";
/// Late rows that are wanted have to come to the aggregation as they are.
const DEAD_LETTERS: &str = "pipeline.dead-letter-table";
const STRATEGY: &str = "table.optimizer.agg-phase-strategy";

/// What two kinds of aggregations have in common.
struct Aggregation<'a> {
    keys: &'a [usize],
    aggregates: &'a [AggregateCall],
    window: Option<(usize, WindowKind)>,
    zone: Option<&'a String>,
    input: ChangelogMode,
}

impl<'a> Aggregation<'a> {
    /// The aggregation of an operator, if it is one that can have a local one before it.
    fn of(operator: &'a OperatorSpec) -> Option<Self> {
        match operator {
            OperatorSpec::GroupAggregate(spec) => {
                let GroupAggregateSpec { keys, aggregates, input, .. } = spec;
                Some(Self { keys, aggregates, window: None, zone: None, input: *input })
            }
            OperatorSpec::WindowAggregate(spec) => {
                let WindowAggregateSpec { keys, aggregates, time, window, zone, input, .. } = spec;
                let by_slices = !spec.processing && !matches!(window, WindowKind::Session { .. });
                let (window, zone) = (Some((*time, *window)), zone.as_ref());
                by_slices.then_some(Self { keys, aggregates, window, zone, input: *input })
            }
            _ => None,
        }
    }

    /// Whether two phases are better without being asked for: always where all rows would meet in one subtask.
    /// Otherwise sets of distinct values are too dear to send, and windows gain nothing, as was measured.
    fn pays(&self) -> bool {
        self.keys.is_empty() || (self.window.is_none() && self.aggregates.iter().all(|call| !call.distinct))
    }

    fn local(&self, uid: &str, name: &str, input: &Schema) -> Node {
        let mut fields: Vec<Field> = self.keys.iter().map(|&key| input.fields[key].clone()).collect();
        fields.extend(self.window.map(|_| Field::new("$slice_end", DataType::BigInt)));
        fields.push(Field::new("$accumulators", DataType::Bytes));
        Node {
            uid: format!("local-{uid}"),
            name: format!("Local{name}"),
            parallelism: None,
            schema: Schema::new(fields),
            changelog: ChangelogMode::APPEND,
            operator: OperatorSpec::LocalAggregate(LocalAggregateSpec {
                keys: self.keys.to_vec(),
                aggregates: self.aggregates.to_vec(),
                window: self.window,
                zone: self.zone.cloned(),
            }),
        }
    }
}

/// Splits the aggregations of a job graph, if the settings say so.
pub(crate) fn split(graph: JobGraph, settings: &BTreeMap<String, String>) -> JobGraph {
    let is = |key: &str, value: &str| settings.get(key).is_some_and(|set| set.trim().eq_ignore_ascii_case(value));
    if !is(MINI_BATCH, "true") || is(STRATEGY, "ONE_PHASE") {
        return graph;
    }
    let all = is(STRATEGY, "TWO_PHASE");
    let windows = settings.get(DEAD_LETTERS).is_none_or(|table| table.is_empty());
    let splits: Vec<Option<usize>> = (0..graph.nodes.len()).map(|node| splits_at(&graph, node, all, windows)).collect();
    if splits.iter().all(Option::is_none) { graph } else { rebuilt(graph, &splits) }
}

/// The edge into an aggregation before which a local one is put.
fn splits_at(graph: &JobGraph, node: NodeId, all: bool, windows: bool) -> Option<usize> {
    let aggregation = Aggregation::of(&graph.nodes[node].operator)?;
    let aggregation = Some(aggregation).filter(|aggregation| windows || aggregation.window.is_none())?;
    let mut edges = (0..graph.edges.len()).filter(|&edge| graph.edges[edge].to == node);
    let (edge, other) = (edges.next()?, edges.next());
    let is_exchange = matches!(graph.edges[edge].partitioning, Partitioning::Hash(_) | Partitioning::Global);
    let can_be = other.is_none() && is_exchange && aggregation.input.is_append() && !aggregation.aggregates.is_empty();
    (can_be && (all || aggregation.pays())).then_some(edge)
}

/// The graph with local aggregates, each just before its aggregation.
fn rebuilt(graph: JobGraph, splits: &[Option<usize>]) -> JobGraph {
    let JobGraph { nodes, edges, .. } = graph.clone();
    let mut split = JobGraph { nodes: Vec::new(), edges: Vec::new(), ..graph };
    let mut position: Vec<NodeId> = Vec::with_capacity(nodes.len());
    let mut locals: BTreeMap<usize, NodeId> = BTreeMap::new();
    let schemas: Vec<Schema> = nodes.iter().map(|node| node.schema.clone()).collect();
    let parallelisms: Vec<Option<u32>> = nodes.iter().map(|node| node.parallelism).collect();
    for (mut node, edge) in nodes.into_iter().zip(splits) {
        if let Some(edge) = *edge
            && let Some(aggregation) = Aggregation::of(&node.operator)
        {
            let from = edges[edge].from;
            let mut local = aggregation.local(&node.uid, &node.name, &schemas[from]);
            local.parallelism = parallelisms[from];
            locals.insert(edge, split.add(local));
            let partial = Some(schemas[from].clone());
            match &mut node.operator {
                OperatorSpec::GroupAggregate(spec) => spec.partial = partial,
                OperatorSpec::WindowAggregate(spec) => spec.partial = partial,
                _ => {}
            }
        }
        position.push(split.add(node));
    }
    for (index, edge) in edges.into_iter().enumerate() {
        let (from, to) = (position[edge.from], position[edge.to]);
        match locals.get(&index) {
            None => split.edges.push(Edge { from, to, ..edge }),
            Some(&local) => {
                split.edges.push(Edge { from, to: local, port: 0, partitioning: Partitioning::Forward });
                let partitioning = match edge.partitioning {
                    // The keys are the first columns of what the local aggregate gives.
                    Partitioning::Hash(keys) => Partitioning::Hash((0..keys.len()).collect()),
                    other => other,
                };
                split.edges.push(Edge { from: local, to, partitioning, ..edge });
            }
        }
    }
    split
}
