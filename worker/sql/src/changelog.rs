//! Which row kinds flow on each edge, as Flink's planner infers it.
//!
//! First each operator says which kinds it gives at most. Then, from the sinks upwards, each says whether it needs
//! −U before +U; an operator that can leave −U out does so if nothing needs it. A sink that cannot take what comes is
//! an error.

mod keys;
mod partitions;

use std::collections::BTreeMap;

use graph::{
    ChangelogMode, JobGraph, NodeId, OperatorSpec,
    operator::{JoinSpec, Keep, RankSpec, SortColumn, WindowKind},
};

use crate::{SqlError, explain, lower::scalar::columns_of};
use keys::{Keys, same, upsert_keys};
use partitions::{keep_partitions, partition_sink};

/// Sets the row kinds of all nodes. `modes` has what sources give and sinks take.
pub(crate) fn infer(graph: &mut JobGraph, modes: &BTreeMap<NodeId, ChangelogMode>) -> Result<(), SqlError> {
    without_time(graph, modes)?;
    let possible = kinds(graph, modes, &|_| true);
    let keys = upsert_keys(graph);
    let needed = needs_before(graph, modes, &possible, &keys);
    let kinds = kinds(graph, modes, &|node| needed[node]);
    for (node, &is_needed) in needed.iter().enumerate() {
        if let OperatorSpec::Source(source) = &graph.nodes[node].operator
            && is_needed
            && kinds[node].update_after
            && !kinds[node].update_before
        {
            return Err(SqlError::new(format!(
                "table '{}' gives updates without the rows they replace (-U), which this query needs; a changelog \
                 normalisation is not supported",
                source.table.name
            )));
        }
    }
    for node in 0..graph.nodes.len() {
        let what = match &graph.nodes[node].operator {
            OperatorSpec::Limit(_) => "LIMIT",
            OperatorSpec::WindowJoin(_) => "a join of windows",
            OperatorSpec::Rank(spec) if spec.window_end.is_some() => "a Top-N of windows",
            _ => continue,
        };
        if !input(graph, &kinds, node, None).is_append() {
            return Err(SqlError::new(format!("{what} of a query that updates its rows is not supported")));
        }
    }
    for (node, &is_needed) in needed.iter().enumerate() {
        apply(graph, node, &kinds, is_needed);
    }
    keep_partitions(graph);
    for (&node, &mode) in modes {
        if matches!(graph.nodes[node].operator, OperatorSpec::Sink(_)) {
            check_sink(graph, node, mode, &keys)?;
            partition_sink(graph, node);
        }
    }
    Ok(())
}

/// Where the input is updated, as that of a table of changes with event time, a deduplication is a rank like any other
/// and an interval join a join like any other.
fn without_time(graph: &mut JobGraph, modes: &BTreeMap<NodeId, ChangelogMode>) -> Result<(), SqlError> {
    for node in 0..graph.nodes.len() {
        let by_time =
            matches!(graph.nodes[node].operator, OperatorSpec::Deduplicate(_) | OperatorSpec::IntervalJoin(_));
        if !by_time || input(graph, &kinds(graph, modes, &|_| true), node, None).is_append() {
            continue;
        }
        if let OperatorSpec::IntervalJoin(spec) = &graph.nodes[node].operator {
            // Its rows come when they may, and its watermark says nothing about them.
            if feeds_window(graph, node) {
                return Err(SqlError::new(
                    "a window over the times of an interval join is not supported where an input of the join is \
                     updated: such a join does not keep the order of time",
                ));
            }
            graph.nodes[node].operator = OperatorSpec::Join(JoinSpec {
                left_keys: spec.left_keys.clone(),
                right_keys: spec.right_keys.clone(),
                nulls_equal: spec.nulls_equal,
                condition: spec.condition.clone(),
                left_input: ChangelogMode::APPEND,
                right_input: ChangelogMode::APPEND,
                left_schema: spec.left_schema.clone(),
                right_schema: spec.right_schema.clone(),
            });
        }
        let OperatorSpec::Deduplicate(spec) = &graph.nodes[node].operator else { continue };
        let descending = spec.keep == Keep::Last;
        let rank = RankSpec {
            partition: spec.keys.clone(),
            order: match spec.processing {
                true => Vec::new(),
                false => vec![SortColumn { column: spec.time, descending, nulls_first: !descending }],
            },
            latest_first: spec.processing && descending,
            window_end: None,
            zone: None,
            from: 1,
            to: 1,
            with_number: false,
            input: ChangelogMode::APPEND,
            emit_update_before: false,
        };
        graph.nodes[node].operator = OperatorSpec::Rank(rank);
    }
    Ok(())
}

/// Whether a window of event time follows. What lies between keeps the times of the rows.
fn feeds_window(graph: &JobGraph, node: NodeId) -> bool {
    graph.outputs(node).any(|edge| match &graph.nodes[edge.to].operator {
        OperatorSpec::WindowAssign(spec) => !spec.processing,
        OperatorSpec::WindowAggregate(spec) => !spec.processing,
        OperatorSpec::GroupAggregate(_) => false,
        _ => feeds_window(graph, edge.to),
    })
}

fn union(left: ChangelogMode, right: ChangelogMode) -> ChangelogMode {
    ChangelogMode {
        update_before: left.update_before || right.update_before,
        update_after: left.update_after || right.update_after,
        delete: left.delete || right.delete,
    }
}

/// What a node's input carries on a port.
fn input(graph: &JobGraph, kinds: &[ChangelogMode], node: NodeId, port: Option<usize>) -> ChangelogMode {
    graph
        .inputs(node)
        .filter(|edge| port.is_none_or(|port| edge.port == port))
        .fold(ChangelogMode::APPEND, |mode, edge| union(mode, kinds[edge.from]))
}

/// The kinds that each node gives, if those that can leave −U out give it where `with_before` says.
fn kinds(
    graph: &JobGraph,
    modes: &BTreeMap<NodeId, ChangelogMode>,
    with_before: &dyn Fn(NodeId) -> bool,
) -> Vec<ChangelogMode> {
    let mut kinds: Vec<ChangelogMode> = Vec::with_capacity(graph.nodes.len());
    for (id, node) in graph.nodes.iter().enumerate() {
        let taken = input(graph, &kinds, id, None);
        kinds.push(match &node.operator {
            OperatorSpec::Source(_) => modes.get(&id).copied().unwrap_or_default(),
            OperatorSpec::WindowAggregate(_)
            | OperatorSpec::WindowJoin(_)
            | OperatorSpec::IntervalJoin(_)
            | OperatorSpec::Limit(_) => ChangelogMode::APPEND,
            // A group without aggregates never changes.
            OperatorSpec::GroupAggregate(spec) if spec.aggregates.is_empty() && taken.is_append() => taken,
            OperatorSpec::LocalAggregate(_) => ChangelogMode::APPEND,
            OperatorSpec::GroupAggregate(_) => {
                ChangelogMode { update_before: with_before(id), update_after: true, delete: !taken.is_append() }
            }
            OperatorSpec::Rank(spec) if spec.window_end.is_some() => ChangelogMode::APPEND,
            OperatorSpec::Rank(spec) => ChangelogMode {
                update_before: spec.replaces() && with_before(id),
                update_after: spec.replaces(),
                delete: !spec.replaces() || !taken.is_append(),
            },
            OperatorSpec::Deduplicate(spec) => match spec.keep {
                Keep::First => ChangelogMode::APPEND,
                Keep::Last => ChangelogMode { update_before: with_before(id), update_after: true, delete: false },
            },
            // The halves of an update have different elements.
            OperatorSpec::Unnest(_) => ChangelogMode { delete: !taken.is_append(), ..ChangelogMode::APPEND },
            OperatorSpec::SemiJoin(spec) => {
                let left = input(graph, &kinds, id, Some(0));
                let takes_back = spec.anti || !input(graph, &kinds, id, Some(1)).is_append();
                ChangelogMode { delete: left.delete || left.update_after || takes_back, ..left }
            }
            OperatorSpec::Calc(_) | OperatorSpec::WindowAssign(_) | OperatorSpec::Join(_) | OperatorSpec::Sink(_) => {
                taken
            }
        });
    }
    kinds
}

/// For each node, whether something behind it needs −U.
fn needs_before(
    graph: &JobGraph,
    modes: &BTreeMap<NodeId, ChangelogMode>,
    kinds: &[ChangelogMode],
    keys: &[Keys],
) -> Vec<bool> {
    let mut needed = vec![false; graph.nodes.len()];
    for id in (0..graph.nodes.len()).rev() {
        if !kinds[id].update_after {
            continue;
        }
        needed[id] = graph.outputs(id).any(|edge| match &graph.nodes[edge.to].operator {
            OperatorSpec::Source(_) => false,
            OperatorSpec::Calc(calc) => {
                // A filter that is not about the key can let one of two versions of a row through.
                let by_key = calc.filter.as_ref().is_none_or(|filter| {
                    let read = columns_of(filter);
                    keys[id].iter().any(|key| read.iter().all(|column| key.contains(column)))
                });
                !by_key || needed[edge.to]
            }
            OperatorSpec::WindowAssign(spec) => needed[edge.to] || matches!(spec.window, WindowKind::Session { .. }),
            OperatorSpec::WindowAggregate(_) | OperatorSpec::GroupAggregate(_) | OperatorSpec::Join(_) => true,
            OperatorSpec::Rank(_)
            | OperatorSpec::Deduplicate(_)
            | OperatorSpec::SemiJoin(_)
            | OperatorSpec::WindowJoin(_)
            | OperatorSpec::IntervalJoin(_)
            | OperatorSpec::Unnest(_)
            | OperatorSpec::LocalAggregate(_)
            | OperatorSpec::Limit(_) => true,
            OperatorSpec::Sink(_) => modes.get(&edge.to).is_some_and(|mode| mode.update_before),
        });
    }
    needed
}

fn apply(graph: &mut JobGraph, node: NodeId, kinds: &[ChangelogMode], needed: bool) {
    let taken = input(graph, kinds, node, None);
    let (left, right) = (input(graph, kinds, node, Some(0)), input(graph, kinds, node, Some(1)));
    let own = &mut graph.nodes[node];
    own.changelog = kinds[node];
    match &mut own.operator {
        OperatorSpec::WindowAggregate(spec) => spec.input = taken,
        OperatorSpec::GroupAggregate(spec) => {
            spec.input = taken;
            spec.emit_update_before = needed && kinds[node].update_after;
        }
        OperatorSpec::Rank(spec) => {
            spec.input = taken;
            spec.emit_update_before = kinds[node].update_before;
        }
        OperatorSpec::Deduplicate(spec) => spec.emit_update_before = kinds[node].update_before,
        OperatorSpec::Join(spec) => {
            spec.left_input = left;
            spec.right_input = right;
        }
        OperatorSpec::SemiJoin(spec) => {
            spec.left_input = left;
            spec.right_input = right;
        }
        OperatorSpec::Sink(spec) => spec.input = taken,
        _ => {}
    }
}

/// Whether a sink that takes `mode` takes its input.
fn check_sink(graph: &JobGraph, node: NodeId, mode: ChangelogMode, keys: &[Keys]) -> Result<(), SqlError> {
    let OperatorSpec::Sink(sink) = &graph.nodes[node].operator else { return Ok(()) };
    let refused = if sink.input.update_after && !mode.update_after {
        Some("update")
    } else if sink.input.delete && !mode.delete {
        Some("delete")
    } else {
        None
    };
    if let Some(changes) = refused {
        let producer = producer(graph, node, changes == "update");
        return Err(SqlError::new(format!(
            "table sink '{}' doesn't support consuming {changes} changes which is produced by node {}",
            sink.table.name,
            explain::describe(graph, producer)
        )));
    }
    let key = &sink.table.primary_key;
    let replaces = !sink.input.is_append() && !mode.update_before && !key.is_empty();
    if replaces && !keys[node].iter().any(|upsert| same(upsert, key)) {
        let names = |columns: &[usize]| {
            let names = columns.iter().map(|&column| graph.nodes[node].schema.fields[column].name.as_str());
            format!("[{}]", names.collect::<Vec<_>>().join(", "))
        };
        let upsert = keys[node].first().map_or_else(|| "none".to_owned(), |key| names(key));
        return Err(SqlError::new(format!(
            "the query for table sink '{}' updates rows by the key {upsert}, which differs from the table's primary \
             key {}",
            sink.table.name,
            names(key)
        )));
    }
    Ok(())
}

/// The operator nearest to a sink from which its updates or deletes come.
fn producer(graph: &JobGraph, node: NodeId, updates: bool) -> NodeId {
    let gives = |id: NodeId| {
        let mode = graph.nodes[id].changelog;
        if updates { mode.update_after } else { mode.delete }
    };
    let mut at = node;
    loop {
        match graph.inputs(at).map(|edge| edge.from).find(|&from| gives(from)) {
            Some(from) => at = from,
            None => return at,
        }
        if matches!(
            graph.nodes[at].operator,
            OperatorSpec::GroupAggregate(_)
                | OperatorSpec::Rank(_)
                | OperatorSpec::Deduplicate(_)
                | OperatorSpec::Source(_)
        ) {
            return at;
        }
    }
}
