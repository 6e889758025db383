//! Which operator is which: uids derived from what operators compute, so that they do not depend on positions in a script.
//!
//! A uid is the operator's kind and a hash over its specification and those of its inputs. A column is identified by what
//! it holds (a column of a table, or an expression over such), never by its position or name. Sources and sinks are
//! identified by their tables. Operators that compute the same are distinguished by their consumers.
//!
//! The hashes are stored in savepoints. [`VERSION`] says how they are made.

use std::collections::{BTreeMap, BTreeSet};

use model::{Failure, key};
use serde::{Deserialize, Serialize};

use crate::{
    Expr, JobGraph, Node, NodeId, OperatorSpec, TableSpec,
    operator::{SinkSpec, SourceSpec},
};

mod specification;

/// The version of the way in which uids are made. Snapshots without one have uids by kind and position.
pub const VERSION: u32 = 1;

/// Options that say which data a table is of, whatever its connector: another value is another table.
const IDENTIFYING: [&str; 6] = ["path", "topic", "topic-pattern", "url", "table-name", "rows"];

/// Digits of a hash in a uid.
const DIGITS: usize = 12;

/// What a stream or a column is, as a hash.
type Id = u64;

/// The rows of a node's output.
#[derive(Clone, Debug, Default)]
struct Rows {
    /// The operator that they are of.
    base: Id,
    /// The conditions that they fulfil beyond it, whichever operators have filtered them.
    filters: BTreeSet<Id>,
    columns: Vec<Id>,
}

impl Rows {
    fn id(&self) -> Id {
        if self.filters.is_empty() {
            return self.base;
        }
        let filters = self.filters.iter().fold(Hash::of("filtered").id(self.base), |hash, filter| hash.id(*filter));
        filters.end()
    }

    fn column(&self, column: usize) -> Id {
        self.columns.get(column).copied().unwrap_or_else(|| Hash::of("no column").end())
    }

    fn columns<'a>(&'a self, columns: &'a [usize]) -> impl Iterator<Item = Id> + 'a {
        columns.iter().map(|&column| self.column(column))
    }
}

/// A hash under construction: each part is preceded by its length, so that no two lists of parts are alike.
struct Hash(Vec<u8>);

impl Hash {
    fn of(what: &str) -> Self {
        Self(Vec::new()).text(what)
    }

    fn text(mut self, text: &str) -> Self {
        self.0.extend_from_slice(&(text.len() as u64).to_be_bytes());
        self.0.extend_from_slice(text.as_bytes());
        self
    }

    fn id(mut self, id: Id) -> Self {
        self.0.extend_from_slice(&id.to_be_bytes());
        self
    }

    fn ids(self, ids: impl IntoIterator<Item = Id>) -> Self {
        let ids: Vec<Id> = ids.into_iter().collect();
        let all = self.id(ids.len() as u64);
        ids.into_iter().fold(all, Self::id)
    }

    /// A value in its stored form.
    fn value(self, value: &impl Serialize) -> Self {
        let json = serde_json::to_string(value).unwrap_or_default();
        self.text(&json)
    }

    fn end(self) -> Id {
        key::hash(&self.0)
    }
}

/// What an expression over some rows is.
fn expression(expr: &Expr, rows: &Rows) -> Id {
    let of = |expr: &Expr| expression(expr, rows);
    match expr {
        Expr::Column(column) => rows.column(*column),
        Expr::Literal { value, data_type } => Hash::of("literal").value(value).value(data_type).end(),
        Expr::Field { of: row, name } => field(of(row), name),
        Expr::Call { function, args, data_type } => {
            Hash::of("call").text(function).value(data_type).ids(args.iter().map(of)).end()
        }
        Expr::Cast { of: value, to, safe } => Hash::of("cast").id(of(value)).value(to).value(safe).end(),
        Expr::Case { branches, otherwise } => {
            let branches = branches.iter().flat_map(|(condition, result)| [of(condition), of(result)]);
            Hash::of("case").ids(branches).ids(otherwise.iter().map(|expr| of(expr))).end()
        }
    }
}

/// A field of a row; also of one that a source reads without the others.
fn field(row: Id, name: &str) -> Id {
    Hash::of("field").id(row).text(name).end()
}

/// The conditions that are joined by `AND`.
fn conjuncts<'a>(expr: &'a Expr, all: &mut Vec<&'a Expr>) {
    match expr {
        Expr::Call { function, args, .. } if function == "AND" => args.iter().for_each(|arg| conjuncts(arg, all)),
        other => all.push(other),
    }
}

fn table(what: &str, table: &TableSpec) -> Id {
    Hash::of(what).text(&table.name).text(table.connector()).end()
}

/// The data that a table is of.
fn location(table: &TableSpec) -> Id {
    let options = IDENTIFYING.iter().filter_map(|name| Some((*name, table.options.get(*name)?)));
    options.fold(Hash::of("location"), |hash, (name, value)| hash.text(name).text(normal(value))).end()
}

/// A path of a local file may have a scheme, and one of a folder may end in a slash.
fn normal(value: &str) -> &str {
    let path = value.strip_prefix("file://").unwrap_or(value);
    if path.len() > 1 { path.trim_end_matches('/') } else { path }
}

/// How the operators of a graph got their uids.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identities {
    /// [`VERSION`] of the writer.
    pub version: u32,
    /// What else operators are called, by uid.
    pub operators: BTreeMap<String, Identity>,
}

/// What else an operator may be called in a snapshot.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// The uid it has if the user gives it none.
    pub derived: String,
    /// Whether it has state of its own.
    pub keeps_state: bool,
    /// The uid that builds gave it which numbered operators by their position.
    pub former: Former,
}

/// A uid by position.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Former {
    /// What was numbered: operators of a kind, sources or sinks of a table.
    pub kind: String,
    /// The kind, and the number among them; the first source or sink of a table has none.
    pub uid: String,
}

/// Gives each node a uid that has none: those with one were given it by the user. `former` has the uid by position of
/// each node.
///
/// # Errors
/// Class `User` if the user has given one uid to two operators.
pub fn identify(graph: &mut JobGraph, former: Vec<Former>) -> Result<(), Failure> {
    let derived = derived(graph);
    let mut identities = Identities { version: VERSION, ..Identities::default() };
    let mut known = BTreeSet::new();
    for ((node, derived), former) in graph.nodes.iter_mut().zip(derived).zip(former) {
        if node.uid.is_empty() {
            node.uid.clone_from(&derived);
        }
        if !known.insert(node.uid.clone()) {
            return Err(Failure::user(format!("two operators of the job have the id '{}'", node.uid)));
        }
        let keeps_state = node.operator.keeps_state();
        identities.operators.insert(node.uid.clone(), Identity { derived, keeps_state, former });
    }
    graph.identities = Some(identities);
    Ok(())
}

/// The uid of each node that follows from what it computes.
fn derived(graph: &JobGraph) -> Vec<String> {
    let ids = upstream(graph);
    let name = |(node, &id): (&Node, &Id)| match &node.operator {
        OperatorSpec::Source(SourceSpec { table, .. }) | OperatorSpec::Sink(SinkSpec { table, .. }) => {
            named(&format!("{}-{}", node.operator.kind(), table.name), id)
        }
        _ => named(node.operator.kind(), id),
    };
    let names = graph.nodes.iter().zip(&ids).map(name).collect();
    told_apart(graph, &ids, names)
}

fn named(kind: &str, id: Id) -> String {
    format!("{kind}-{}", &format!("{id:016x}")[..DIGITS])
}

/// What each node is by its inputs and what it does.
fn upstream(graph: &JobGraph) -> Vec<Id> {
    let shared = shared_names(graph);
    let mut ids = Vec::with_capacity(graph.nodes.len());
    let mut outputs: Vec<Rows> = Vec::with_capacity(graph.nodes.len());
    for node in 0..graph.nodes.len() {
        let mut inputs: Vec<(usize, Rows)> =
            graph.inputs(node).map(|edge| (edge.port, outputs[edge.from].clone())).collect();
        inputs.sort_by_key(|(port, rows)| (*port, rows.id()));
        let (id, rows) = specification::of(&graph.nodes[node], &inputs, &shared);
        ids.push(id);
        outputs.push(rows);
    }
    ids
}

/// The names of tables that the job reads with several sets of options.
fn shared_names(graph: &JobGraph) -> BTreeSet<&str> {
    let names = graph.nodes.iter().filter_map(|node| match &node.operator {
        OperatorSpec::Source(spec) => Some(spec.table.name.as_str()),
        _ => None,
    });
    let mut seen = BTreeSet::new();
    names.filter(|name| !seen.insert(*name)).collect()
}

/// What is made of each node's rows.
fn downstream(graph: &JobGraph, ids: &[Id]) -> Vec<Id> {
    let mut down: Vec<Id> = vec![0; graph.nodes.len()];
    for node in (0..graph.nodes.len()).rev() {
        let consumer = |edge: &crate::Edge| Hash::of("to").id(edge.port as u64).id(ids[edge.to]).id(down[edge.to]);
        let mut consumers: Vec<Id> = graph.outputs(node).map(|edge| consumer(edge).end()).collect();
        consumers.sort_unstable();
        down[node] = Hash::of("down").ids(consumers).end();
    }
    down
}

/// Names that differ. Operators that compute the same have the same meaning only if what follows them is the same too.
fn told_apart(graph: &JobGraph, ids: &[Id], mut names: Vec<String>) -> Vec<String> {
    let twins = |names: &[String]| {
        let mut by_name: BTreeMap<&str, Vec<NodeId>> = BTreeMap::new();
        names.iter().enumerate().for_each(|(node, name)| by_name.entry(name).or_default().push(node));
        by_name.into_values().filter(|nodes| nodes.len() > 1).collect::<Vec<_>>()
    };
    let down = downstream(graph, ids);
    let details = |node: NodeId| match &graph.nodes[node].operator {
        OperatorSpec::Source(spec) => Hash::of("source").value(&spec.table.options).end(),
        OperatorSpec::Sink(spec) => {
            let inputs = graph.inputs(node).map(|edge| ids[edge.from]);
            Hash::of("sink").id(location(&spec.table)).ids(inputs).end()
        }
        _ => down[node],
    };
    for tells_apart in [&details as &dyn Fn(NodeId) -> Id, &|node| down[node]] {
        for nodes in twins(&names) {
            let hashes: Vec<Id> = nodes.iter().map(|&node| tells_apart(node)).collect();
            if hashes.iter().any(|hash| *hash != hashes[0]) {
                nodes.iter().zip(hashes).for_each(|(&node, hash)| names[node] = named(&names[node], hash));
            }
        }
    }
    for nodes in twins(&names) {
        for (number, node) in nodes.into_iter().enumerate().skip(1) {
            names[node] = format!("{}-{}", names[node], number + 1);
        }
    }
    names
}

#[cfg(test)]
mod tests;
