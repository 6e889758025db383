//! The last passes over a job graph: what is read, which row kinds flow, what operators are called.

use std::collections::{BTreeMap, HashMap};

use graph::{ChangelogMode, Expr, Former, JobGraph, NodeId, OperatorSpec, Partitioning, operator::CalcSpec};

use super::{
    Lowering,
    scalar::{columns_of, is_volatile, substitute},
    sink,
    source::ContextTable,
    zone,
};
use crate::{SqlError, changelog, two_phase};

impl Lowering<'_> {
    /// The finished graph, as the job's settings want it.
    pub(crate) fn finish(mut self, settings: &BTreeMap<String, String>) -> Result<JobGraph, SqlError> {
        self.prune_sources()?;
        if let Some(zone) = &self.zone {
            zone::apply(&mut self.graph, zone)?;
        }
        let mut graph = simplified(self.graph);
        let (mut modes, mut parallelism) = (BTreeMap::new(), BTreeMap::new());
        for (id, node) in graph.nodes.iter().enumerate() {
            let mode = match &node.operator {
                OperatorSpec::Source(source) if source.table.connector() == "values" => ChangelogMode::APPEND,
                OperatorSpec::Source(source) => self.catalog.source(&source.table)?.changelog,
                OperatorSpec::Sink(sink) if sink.table.connector() == "collect" => ChangelogMode::ALL,
                OperatorSpec::Sink(sink) => {
                    let place = |failure: model::Failure| SqlError::from(failure.context_table(&sink.table.name));
                    let wanted = self.catalog.sink(&sink.table).map_err(place)?;
                    parallelism.extend(wanted.parallelism.map(|parallelism| (id, parallelism)));
                    wanted.changelog
                }
                _ => continue,
            };
            modes.insert(id, mode);
        }
        leave_collections(&mut graph);
        name(&mut graph)?;
        changelog::infer(&mut graph, &modes)?;
        inherit_parallelism(&mut graph);
        sink::set_parallelism(&mut graph, &parallelism)?;
        Ok(two_phase::split(graph, settings))
    }
}

/// What is unnested is left out of the rows if nothing behind reads it.
fn leave_collections(graph: &mut JobGraph) {
    for id in 0..graph.nodes.len() {
        let OperatorSpec::Unnest(spec) = &graph.nodes[id].operator else { continue };
        let column = spec.column;
        let keep = is_read(graph, id, column);
        if let OperatorSpec::Unnest(spec) = &mut graph.nodes[id].operator {
            spec.keep = keep;
        }
    }
}

/// Whether what follows may read a column of a node's output.
fn is_read(graph: &JobGraph, node: NodeId, column: usize) -> bool {
    graph.outputs(node).any(|edge| match &graph.nodes[edge.to].operator {
        OperatorSpec::Calc(calc) => {
            calc.filter.iter().chain(&calc.projection).any(|expr| columns_of(expr).contains(&column))
        }
        OperatorSpec::Unnest(spec) => spec.column == column || is_read(graph, edge.to, column),
        _ => true,
    })
}

/// The graph with each computation once, Calcs that follow each other made one, and without those that change nothing.
fn simplified(graph: JobGraph) -> JobGraph {
    let mut graph = shared(graph);
    merge_calcs(&mut graph);
    without_identities(graph)
}

/// Operators that do the same to the same inputs are one.
fn shared(graph: JobGraph) -> JobGraph {
    let mut replaced: Vec<Option<NodeId>> = vec![None; graph.nodes.len()];
    let mut inputs: Vec<Vec<(NodeId, usize, Partitioning)>> = Vec::with_capacity(graph.nodes.len());
    for (id, node) in graph.nodes.iter().enumerate() {
        let mine: Vec<_> = graph
            .inputs(id)
            .map(|edge| (resolve(&replaced, edge.from), edge.port, edge.partitioning.clone()))
            .collect();
        let sharable = match &node.operator {
            OperatorSpec::Calc(calc) => !calc.filter.iter().chain(&calc.projection).any(is_volatile),
            OperatorSpec::Source(_) | OperatorSpec::Sink(_) => false,
            _ => true,
        };
        if sharable {
            let same = |&other: &NodeId| {
                replaced[other].is_none()
                    && graph.nodes[other].operator == node.operator
                    && graph.nodes[other].uid == node.uid
                    && graph.nodes[other].parallelism == node.parallelism
                    && inputs[other] == mine
            };
            replaced[id] = (0..id).find(same);
        }
        inputs.push(mine);
    }
    without(graph, &replaced, false)
}

/// A Calc whose only consumer is a Calc becomes part of it.
fn merge_calcs(graph: &mut JobGraph) {
    for id in 0..graph.nodes.len() {
        let Some(below) = graph.inputs(id).next().map(|edge| edge.from) else { continue };
        let single = graph.inputs(id).count() == 1 && graph.outputs(below).count() == 1;
        let (OperatorSpec::Calc(first), OperatorSpec::Calc(second)) =
            (&graph.nodes[below].operator, &graph.nodes[id].operator)
        else {
            continue;
        };
        // What a filter keeps from being computed must stay behind the filter; what is volatile is computed once.
        if !single || second.filter.is_some() || first.projection.iter().any(is_volatile) {
            continue;
        }
        let over = |index: usize| first.projection.get(index).cloned().unwrap_or(Expr::Column(index));
        let projection = second.projection.iter().map(|expr| substitute(expr, &over)).collect();
        let merged = CalcSpec { filter: first.filter.clone(), projection };
        let schema = graph.nodes[id].schema.clone();
        let width = schema.len();
        graph.nodes[below].operator = OperatorSpec::Calc(merged);
        graph.nodes[below].schema = schema;
        // The second is left to pass on what it gets.
        let projection = (0..width).map(Expr::Column).collect();
        graph.nodes[id].operator = OperatorSpec::Calc(CalcSpec { filter: None, projection });
    }
}

/// The graph without Calcs that change nothing.
fn without_identities(graph: JobGraph) -> JobGraph {
    let replaced: Vec<Option<NodeId>> = (0..graph.nodes.len()).map(|node| identity_of(&graph, node)).collect();
    without(graph, &replaced, true)
}

/// What a node is replaced by in the end.
fn resolve(replaced: &[Option<NodeId>], mut node: NodeId) -> NodeId {
    while let Some(other) = replaced[node] {
        node = other;
    }
    node
}

/// The graph without the nodes that are replaced by others.
fn without(graph: JobGraph, replaced: &[Option<NodeId>], adopt: bool) -> JobGraph {
    let mut position = vec![0; graph.nodes.len()];
    let mut kept = JobGraph { nodes: Vec::new(), edges: Vec::new(), ..graph.clone() };
    for (id, node) in graph.nodes.iter().enumerate() {
        if replaced[id].is_none() {
            position[id] = kept.add(node.clone());
        }
    }
    for (id, node) in graph.nodes.iter().enumerate() {
        if adopt && replaced[id].is_some() {
            let producer = resolve(replaced, id);
            adopt_names(&graph, &mut kept, producer, position[producer], &node.schema);
        }
    }
    for edge in &graph.edges {
        if replaced[edge.to].is_none() {
            let mut edge = edge.clone();
            edge.from = position[resolve(replaced, edge.from)];
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

/// Names as in Flink's plans, and uids.
fn name(graph: &mut JobGraph) -> Result<(), SqlError> {
    let mut counts: HashMap<String, usize> = HashMap::new();
    let mut former = Vec::with_capacity(graph.nodes.len());
    for (position, node) in graph.nodes.iter_mut().enumerate() {
        let (title, table) = match &node.operator {
            OperatorSpec::Source(source) => ("Source", Some(&source.table.name)),
            OperatorSpec::Sink(sink) => ("Sink", Some(&sink.table.name)),
            other => (title(other), None),
        };
        let kind = match table {
            Some(table) => format!("{}-{table}", node.operator.kind()),
            None => node.operator.kind().to_owned(),
        };
        let number = position + 1;
        node.name = match table {
            Some(table) => format!("{title}: {table}[{number}]"),
            None => format!("{title}[{number}]"),
        };
        let count = counts.entry(kind.clone()).or_default();
        *count += 1;
        let uid = if table.is_some() && *count == 1 { kind.clone() } else { format!("{kind}-{count}") };
        former.push(Former { kind, uid });
    }
    Ok(graph::identity::identify(graph, former)?)
}

/// What Flink's plans call an operator.
fn title(operator: &OperatorSpec) -> &'static str {
    match operator {
        OperatorSpec::Source(_) => "Source",
        OperatorSpec::Sink(_) => "Sink",
        OperatorSpec::Calc(_) => "Calc",
        OperatorSpec::WindowAssign(_) => "WindowTableFunction",
        OperatorSpec::WindowAggregate(_) => "WindowAggregate",
        OperatorSpec::LocalAggregate(_) => "LocalGroupAggregate",
        OperatorSpec::GroupAggregate(_) => "GroupAggregate",
        OperatorSpec::Join(_) | OperatorSpec::SemiJoin(_) => "Join",
        OperatorSpec::IntervalJoin(_) => "IntervalJoin",
        OperatorSpec::Rank(spec) if spec.window_end.is_some() => "WindowRank",
        OperatorSpec::Rank(_) => "Rank",
        OperatorSpec::Deduplicate(_) => "Deduplicate",
        OperatorSpec::WindowJoin(_) => "WindowJoin",
        OperatorSpec::Unnest(_) => "Correlate",
        OperatorSpec::Limit(_) => "Limit",
    }
}

/// What follows a single subtask directly stays single. Where inputs differ, inserts are spread in turn; updates, which
/// must stay in order, are brought together.
fn inherit_parallelism(graph: &mut JobGraph) {
    for node in 0..graph.nodes.len() {
        if graph.nodes[node].parallelism.is_some() {
            continue;
        }
        let forward: Vec<usize> = (0..graph.edges.len())
            .filter(|&edge| graph.edges[edge].to == node && graph.edges[edge].partitioning == Partitioning::Forward)
            .collect();
        let of = |edge: usize| graph.nodes[graph.edges[edge].from].parallelism;
        let Some(first) = forward.first().map(|&edge| of(edge)) else { continue };
        let alike = forward.iter().all(|&edge| of(edge) == first);
        let only = forward.len() == graph.inputs(node).count();
        if alike && only {
            graph.nodes[node].parallelism = first;
            continue;
        }
        let differing: Vec<usize> = forward.into_iter().filter(|&edge| of(edge).is_some()).collect();
        let append = differing.iter().all(|&edge| graph.nodes[graph.edges[edge].from].changelog.is_append());
        if append {
            differing.into_iter().for_each(|edge| graph.edges[edge].partitioning = Partitioning::Rebalance);
        } else {
            graph.nodes[node].parallelism = Some(1);
            graph
                .edges
                .iter_mut()
                .filter(|edge| edge.to == node)
                .for_each(|edge| edge.partitioning = Partitioning::Global);
        }
    }
}
