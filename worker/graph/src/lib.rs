//! The job graph: operator specifications, edges, partitioning, chaining. This is what is stored with a job, sent to
//! TaskManagers and matched against state, so it is our own versioned form, never a library's.
//!
//! It must not know SQL text, nor how operators run.

#![cfg_attr(test, allow(clippy::disallowed_methods, reason = "tests"))]

pub mod aggregate;
pub mod catalog;
pub mod changelog;
pub mod dead_letter;
pub mod expr;
#[cfg(test)]
#[path = "../../../tests/fixtures/stored.rs"]
mod fixtures;
#[cfg(test)]
mod frozen;
pub mod identity;
pub mod job;
pub mod operator;
pub mod physical;
mod pieces;

pub use catalog::{Catalog, MetadataColumn, SinkCapabilities, SourceCapabilities, TableSpec};
pub use changelog::ChangelogMode;
pub use expr::{Expr, Value};
pub use identity::{Former, Identities, Identity};
pub use job::{Edge, JobGraph, Node, NodeId, Partitioning};
pub use operator::OperatorSpec;
pub use physical::{PhysicalGraph, Vertex, VertexId};
