//! The job graph: nodes and the edges between them.

use std::collections::HashSet;

use model::{Failure, Schema};
use serde::{Deserialize, Serialize};

use crate::{ChangelogMode, OperatorSpec, pieces};

/// The version of the stored form. Raised when an old reader would misunderstand; readers accept all up to their own.
pub const VERSION: u32 = 1;

/// What reading and writing deep expressions may take of the stack.
const STACK_BYTES: usize = 32 << 20;

/// Inputs of an operator: one, or the two sides of a join.
const PORTS_MAX: usize = 2;

/// The position of a node in [`JobGraph::nodes`].
pub type NodeId = usize;

/// A job.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct JobGraph {
    /// [`VERSION`] of the writer.
    pub version: u32,
    /// The job's name.
    pub name: String,
    /// Operators in topological order: edges go from lower to higher positions.
    pub nodes: Vec<Node>,
    /// The edges.
    pub edges: Vec<Edge>,
    /// The table of records that cannot be read or come too late; see [`crate::dead_letter`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dead_letters: Option<Box<crate::TableSpec>>,
    /// How operators got their uids; none if they are numbered by position, as builds did that knew no other way.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub identities: Option<crate::Identities>,
}

/// An operator in the graph.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Node {
    /// Stable identity of the operator's state; unique in the job.
    pub uid: String,
    /// What users see, e.g. `GroupAggregate[4]`.
    pub name: String,
    /// A fixed parallelism; none means the job's.
    #[serde(default)]
    pub parallelism: Option<u32>,
    /// The output columns (a sink's: its input).
    pub schema: Schema,
    /// The row kinds of the output.
    pub changelog: ChangelogMode,
    /// What it does.
    pub operator: OperatorSpec,
}

/// A stream from one operator to another.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Edge {
    /// The producer.
    pub from: NodeId,
    /// The consumer.
    pub to: NodeId,
    /// The consumer's input: 0, or 1 for the right side of a join.
    #[serde(default)]
    pub port: usize,
    /// How rows are spread over the consumer's subtasks.
    pub partitioning: Partitioning,
}

/// How rows are spread over the consumer's subtasks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Partitioning {
    /// Subtask i to subtask i; chained where parallelism is equal.
    Forward,
    /// By key group of these columns.
    Hash(Vec<usize>),
    /// Batches in turn.
    Rebalance,
    /// Every row to every subtask.
    Broadcast,
    /// Every row to subtask 0.
    Global,
}

impl JobGraph {
    /// An empty graph.
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            version: VERSION,
            name: name.into(),
            nodes: Vec::new(),
            edges: Vec::new(),
            dead_letters: None,
            identities: None,
        }
    }

    /// Adds a node and returns its position.
    pub fn add(&mut self, node: Node) -> NodeId {
        self.nodes.push(node);
        self.nodes.len() - 1
    }

    /// Edges into a node, by port.
    pub fn inputs(&self, node: NodeId) -> impl Iterator<Item = &Edge> {
        self.edges.iter().filter(move |edge| edge.to == node)
    }

    /// Edges out of a node.
    pub fn outputs(&self, node: NodeId) -> impl Iterator<Item = &Edge> {
        self.edges.iter().filter(move |edge| edge.from == node)
    }

    /// The stored form.
    ///
    /// # Errors
    /// Class `Internal` if it cannot be written as JSON.
    pub fn to_json(&self) -> Result<String, Failure> {
        let internal = |error: serde_json::Error| Failure::internal(format!("job graph: {error}"));
        stacker::grow(STACK_BYTES, || {
            let json = serde_json::to_string(self).map_err(internal)?;
            if !pieces::is_deep(&json) {
                return Ok(json);
            }
            let whole = serde_json::to_value(self).map_err(internal)?;
            serde_json::to_string(&pieces::cut(whole)).map_err(internal)
        })
    }

    /// Reads the stored form.
    ///
    /// # Errors
    /// Class `Data` if it is malformed, of a newer version, or an edge refers to a node or column that does not exist.
    pub fn from_json(json: &str) -> Result<Self, Failure> {
        let data = |error: serde_json::Error| Failure::data(format!("job graph: {error}"));
        let graph: Self = stacker::grow(STACK_BYTES, || {
            if !pieces::has_pieces(json) {
                return serde_json::from_str(json).map_err(data);
            }
            let whole = pieces::joined(serde_json::from_str(json).map_err(data)?)?;
            serde_json::from_value(whole).map_err(data)
        })?;
        if graph.version > VERSION {
            return Err(Failure::data(format!(
                "job graph: version {} is newer than this build's {VERSION}",
                graph.version
            )));
        }
        graph.check().map_err(|what| Failure::data(format!("job graph: {what}")))?;
        Ok(graph)
    }

    /// Whether edges lead from nodes to later ones that exist, and partition by columns that exist, so that nobody has to
    /// ask again. Columns within an operator's specification are checked when it is built.
    fn check(&self) -> Result<(), String> {
        let mut uids = HashSet::new();
        for node in &self.nodes {
            if !uids.insert(node.uid.as_str()) {
                return Err(format!("the uid {} occurs twice", node.uid));
            }
            if node.parallelism == Some(0) {
                return Err(format!("{} has no subtasks", node.uid));
            }
        }
        for edge in &self.edges {
            let Edge { from, to, port, partitioning } = edge;
            if from >= to || *to >= self.nodes.len() {
                return Err(format!("an edge goes from node {from} to node {to} of {}", self.nodes.len()));
            }
            if *port >= PORTS_MAX {
                return Err(format!("{} has no input {port}", self.nodes[*to].uid));
            }
            let columns = self.nodes[*from].schema.len();
            if let Partitioning::Hash(keys) = partitioning
                && let Some(key) = keys.iter().find(|key| **key >= columns)
            {
                return Err(format!("{} has no column {key} to partition by", self.nodes[*from].uid));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
