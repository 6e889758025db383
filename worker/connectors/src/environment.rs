//! What connectors are given of the process they run in.

use std::{
    io::Write,
    sync::{Arc, Mutex},
};

use model::Batch;
use storage::Storage;
use tokio::{runtime::Handle, sync::mpsc};

/// Where the `collect` sink sends its batches. A full channel is back-pressure.
pub type Collector = mpsc::Sender<Batch>;

/// Where the `print` sink writes.
pub type PrintOutput = Arc<Mutex<dyn Write + Send>>;

/// The outside, as far as connectors may touch it.
#[derive(Clone)]
pub struct Environment {
    /// Object storage and files.
    pub storage: Storage,
    /// The shared runtime, for I/O that must not run on a slot's thread.
    pub runtime: Handle,
    /// Where `collect` sends; none in a process without a client.
    pub collector: Option<Collector>,
    /// Where `print` writes.
    pub output: PrintOutput,
    /// Where `print` writes with `standard-error`.
    pub errors: PrintOutput,
}

impl Environment {
    /// An environment that prints to standard output and collects nothing.
    pub fn new(storage: Storage, runtime: Handle) -> Self {
        let (output, errors) = (Arc::new(Mutex::new(std::io::stdout())), Arc::new(Mutex::new(std::io::stderr())));
        Self { storage, runtime, collector: None, output, errors }
    }

    /// The same environment with somewhere for `collect` to send.
    #[must_use]
    pub fn with_collector(mut self, collector: Collector) -> Self {
        self.collector = Some(collector);
        self
    }
}
