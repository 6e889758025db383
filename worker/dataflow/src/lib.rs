//! How a task runs: the traits of operators, sources and sinks, the chain that calls them, gates that read channels
//! and align barriers, writers that partition rows, watermarks, and the task loop.
//!
//! It must not know SQL, Kubernetes, concrete operators or connectors, nor which process a channel ends in.

#![cfg_attr(test, allow(clippy::cast_possible_truncation, clippy::disallowed_methods, reason = "tests"))]

pub mod assembly;
pub mod chain;
pub mod channel;
pub mod clock;
pub mod dead_letter;
pub mod element;
pub mod gate;
pub mod metrics;
pub mod not_null;
pub mod operator;
pub mod reader;
pub mod registry;
pub mod sink;
pub mod source;
pub mod task;
pub mod watermark;
pub mod writer;

pub use assembly::{JobContext, Wiring, assemble};
pub use chain::Chain;
pub use channel::{ChannelReceiver, ChannelSender, channel};
pub use clock::SystemClock;
pub use element::{Barrier, BarrierKind, Element};
pub use gate::{Gate, GateEvent};
pub use metrics::TaskMetrics;
pub use operator::{Clock, Flow, OpenContext, Operator, Output, Snapshot};
pub use reader::{Reader, ReaderEvent};
pub use registry::Registry;
pub use sink::{Committable, Sink};
pub use source::{Rejected, Source, SourceEvent, SplitId};
pub use task::{CheckpointReport, Task, TaskCommand, TaskEvent};
pub use writer::EdgeWriter;
