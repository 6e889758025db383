//! Chaining: which operators run as one task, and between which tasks data is exchanged.

use crate::{Edge, JobGraph, NodeId, OperatorSpec, Partitioning};

/// The position of a vertex in [`PhysicalGraph::vertices`].
pub type VertexId = usize;

/// The job graph cut into vertices at a given parallelism. Derived, never stored: every process derives the same.
#[derive(Clone, Debug)]
pub struct PhysicalGraph {
    /// In topological order.
    pub vertices: Vec<Vertex>,
    /// The vertex of each node.
    pub vertex_of: Vec<VertexId>,
}

/// A chain of operators that runs as one task in each of its subtasks.
#[derive(Clone, Debug)]
pub struct Vertex {
    /// The chained nodes in topological order; the first is the head.
    pub nodes: Vec<NodeId>,
    /// Number of subtasks.
    pub parallelism: u32,
    /// Positions in [`JobGraph::edges`] of the exchanges into the head.
    pub inputs: Vec<usize>,
    /// Positions in [`JobGraph::edges`] of the exchanges out of any chained node.
    pub outputs: Vec<usize>,
}

impl Vertex {
    /// Whether the head is a source.
    pub fn is_source(&self, graph: &JobGraph) -> bool {
        matches!(graph.nodes[self.nodes[0]].operator, OperatorSpec::Source(_))
    }

    /// The names of the chained operators, as Flink's UI shows them: `a -> b`.
    pub fn name(&self, graph: &JobGraph) -> String {
        self.nodes.iter().map(|&node| graph.nodes[node].name.as_str()).collect::<Vec<_>>().join(" -> ")
    }
}

impl PhysicalGraph {
    /// Cuts `graph` at the job's `parallelism`.
    pub fn new(graph: &JobGraph, parallelism: u32) -> Self {
        let parallelism_of = |node: NodeId| graph.nodes[node].parallelism.unwrap_or(parallelism);
        let chained = |edge: &Edge| {
            edge.partitioning == Partitioning::Forward
                && parallelism_of(edge.from) == parallelism_of(edge.to)
                && graph.inputs(edge.to).count() == 1
        };
        let mut vertices: Vec<Vertex> = Vec::new();
        let mut vertex_of = Vec::with_capacity(graph.nodes.len());
        for node in 0..graph.nodes.len() {
            match graph.inputs(node).find(|edge| chained(edge)) {
                Some(edge) => {
                    let vertex: VertexId = vertex_of[edge.from];
                    vertices[vertex].nodes.push(node);
                    vertex_of.push(vertex);
                }
                None => {
                    vertex_of.push(vertices.len());
                    vertices.push(Vertex {
                        nodes: vec![node],
                        parallelism: parallelism_of(node),
                        inputs: Vec::new(),
                        outputs: Vec::new(),
                    });
                }
            }
        }
        for (index, edge) in graph.edges.iter().enumerate().filter(|(_, edge)| !chained(edge)) {
            vertices[vertex_of[edge.from]].outputs.push(index);
            vertices[vertex_of[edge.to]].inputs.push(index);
        }
        Self { vertices, vertex_of }
    }

    /// The subtasks of the consumer that a producer's subtask sends to over an edge.
    pub fn consumers(&self, edge: &Edge, from_subtask: u32) -> std::ops::Range<u32> {
        let from = self.vertices[self.vertex_of[edge.from]].parallelism;
        let to = self.vertices[self.vertex_of[edge.to]].parallelism;
        match edge.partitioning {
            Partitioning::Forward if from == to => from_subtask..from_subtask + 1,
            Partitioning::Global => 0..1,
            _ => 0..to,
        }
    }

    /// Slots the job needs: subtask i of every vertex shares slot i.
    pub fn slots(&self) -> u32 {
        self.vertices.iter().map(|vertex| vertex.parallelism).max().unwrap_or(0)
    }
}
