//! SQL text to job graphs: Flink's dialect and statements, planning on DataFusion's planner and optimiser rules, and
//! lowering with changelog inference. It sees connectors only through [`graph::Catalog`].
//!
//! It must not know how anything runs.

mod aggregates;
mod catalog;
mod changelog;
mod context;
mod correlated;
mod desugar;
mod dialect;
mod error;
mod escape;
mod explain;
mod functions;
mod group_window;
mod interval;
mod json_call;
mod like;
mod literal;
mod lower;
mod metadata;
mod nodes;
mod plan;
mod row_number;
mod scope;
mod session;
mod statement;
mod time_attribute;
mod two_phase;
mod types;
mod typing;
mod unnest;
mod visit;
mod window_function;

pub use error::SqlError;
pub use explain::explain;
pub use session::{JobKind, Outcome, PlannedJob, Session};
