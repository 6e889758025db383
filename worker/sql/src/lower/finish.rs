//! The last passes over a job graph: what is read, which row kinds flow, what operators are called.

use std::collections::{BTreeMap, HashMap};

use graph::{ChangelogMode, Expr, JobGraph, NodeId, OperatorSpec, Partitioning};

use super::Lowering;
use crate::{SqlError, changelog};

impl Lowering<'_> {
    /// The finished graph.
    pub(crate) fn finish(mut self) -> Result<JobGraph, SqlError> {
        self.prune_sources()?;
        let mut graph = without_identities(self.graph);
        let mut modes = BTreeMap::new();
        for (id, node) in graph.nodes.iter().enumerate() {
            let mode = match &node.operator {
                OperatorSpec::Source(source) if source.table.connector() == "values" => ChangelogMode::APPEND,
                OperatorSpec::Source(source) => self.catalog.source(&source.table)?.changelog,
                OperatorSpec::Sink(sink) if sink.table.connector() == "collect" => ChangelogMode::ALL,
                OperatorSpec::Sink(sink) => {
                    let place = |failure: model::Failure| {
                        SqlError::from(model::Failure::new(
                            failure.class,
                            format!("table '{}': {}", sink.table.name, failure.message),
                        ))
                    };
                    self.catalog.sink(&sink.table).map_err(place)?.changelog
                }
                _ => continue,
            };
            modes.insert(id, mode);
        }
        name(&mut graph);
        changelog::infer(&mut graph, &modes)?;
        inherit_parallelism(&mut graph);
        Ok(graph)
    }
}

/// The graph without Calcs that change nothing.
fn without_identities(graph: JobGraph) -> JobGraph {
    let replaced: Vec<Option<NodeId>> = (0..graph.nodes.len()).map(|node| identity_of(&graph, node)).collect();
    let resolve = |mut node: NodeId| {
        while let Some(input) = replaced[node] {
            node = input;
        }
        node
    };
    let mut position = vec![0; graph.nodes.len()];
    let mut kept = JobGraph { nodes: Vec::new(), edges: Vec::new(), ..graph.clone() };
    for (id, node) in graph.nodes.iter().enumerate() {
        if replaced[id].is_none() {
            position[id] = kept.add(node.clone());
        }
    }
    for (id, node) in graph.nodes.iter().enumerate() {
        if replaced[id].is_some() {
            adopt_names(&graph, &mut kept, resolve(id), position[resolve(id)], &node.schema);
        }
    }
    for edge in &graph.edges {
        if replaced[edge.to].is_none() {
            let mut edge = edge.clone();
            edge.from = position[resolve(edge.from)];
            edge.to = position[edge.to];
            kept.edges.push(edge);
        }
    }
    kept
}

/// What is left of a Calc that changed nothing are the names it gave to columns, if nobody else reads them.
fn adopt_names(graph: &JobGraph, kept: &mut JobGraph, producer: NodeId, position: NodeId, schema: &model::Schema) {
    let renames = matches!(
        graph.nodes[producer].operator,
        OperatorSpec::Calc(_) | OperatorSpec::GroupAggregate(_) | OperatorSpec::WindowAggregate(_)
    );
    if renames && graph.outputs(producer).count() == 1 {
        for (field, named) in kept.nodes[position].schema.fields.iter_mut().zip(&schema.fields) {
            field.name.clone_from(&named.name);
        }
    }
}

/// The input of a Calc that passes it on as it is.
fn identity_of(graph: &JobGraph, node: NodeId) -> Option<NodeId> {
    let OperatorSpec::Calc(calc) = &graph.nodes[node].operator else { return None };
    let mut inputs = graph.inputs(node);
    let (first, second) = (inputs.next()?, inputs.next());
    let input = &graph.nodes[first.from];
    let identity = calc.filter.is_none()
        && second.is_none()
        && first.partitioning == Partitioning::Forward
        && calc.projection.len() == input.schema.len()
        && calc.projection.iter().enumerate().all(|(index, expr)| *expr == Expr::Column(index));
    identity.then_some(first.from)
}

/// Names as in Flink's plans, and uids from the operator's kind and its number among them.
fn name(graph: &mut JobGraph) {
    let mut counts: HashMap<String, usize> = HashMap::new();
    for (position, node) in graph.nodes.iter_mut().enumerate() {
        let number = position + 1;
        let (kind, name) = match &node.operator {
            OperatorSpec::Source(source) => {
                (format!("source-{}", source.table.name), format!("Source: {}[{number}]", source.table.name))
            }
            OperatorSpec::Sink(sink) => {
                (format!("sink-{}", sink.table.name), format!("Sink: {}[{number}]", sink.table.name))
            }
            OperatorSpec::Calc(_) => ("calc".to_owned(), format!("Calc[{number}]")),
            OperatorSpec::WindowAssign(_) => {
                ("window-table-function".to_owned(), format!("WindowTableFunction[{number}]"))
            }
            OperatorSpec::WindowAggregate(_) => ("window-aggregate".to_owned(), format!("WindowAggregate[{number}]")),
            OperatorSpec::GroupAggregate(_) => ("group-aggregate".to_owned(), format!("GroupAggregate[{number}]")),
            OperatorSpec::Join(_) => ("join".to_owned(), format!("Join[{number}]")),
        };
        let count = counts.entry(kind.clone()).or_default();
        *count += 1;
        let named_by_table = matches!(node.operator, OperatorSpec::Source(_) | OperatorSpec::Sink(_));
        node.uid = if named_by_table && *count == 1 { kind } else { format!("{kind}-{count}") };
        node.name = name;
    }
}

/// What follows a single subtask directly stays single.
fn inherit_parallelism(graph: &mut JobGraph) {
    for node in 0..graph.nodes.len() {
        if graph.nodes[node].parallelism.is_some() {
            continue;
        }
        let inherited: Vec<Option<u32>> = graph
            .inputs(node)
            .map(
                |edge| {
                    if edge.partitioning == Partitioning::Forward { graph.nodes[edge.from].parallelism } else { None }
                },
            )
            .collect();
        let first = inherited.first().copied().flatten();
        if first.is_some() && inherited.iter().all(|other| *other == first) {
            graph.nodes[node].parallelism = first;
        }
    }
}
