//! How a task runs: the traits of operators, sources and sinks, the chain that calls them, gates that read channels
//! and align barriers, outputs that partition rows, watermarks, and the task loop.
//!
//! It must not know SQL, Kubernetes, concrete operators or connectors, nor which process a channel ends in.

pub mod operator;
pub mod registry;
pub mod sink;
pub mod source;

pub use operator::{Clock, Flow, OpenContext, Operator, Output, Snapshot};
pub use registry::Registry;
pub use sink::{Committable, Sink};
pub use source::{Source, SourceEvent, SplitId};
