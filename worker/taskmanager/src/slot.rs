//! A slot: one thread with a current-thread runtime, on which its subtasks take turns.

use std::{future::Future, pin::Pin, thread};

use model::Failure;
use tokio::{sync::mpsc, task::LocalSet};

/// Starts a task on the slot's thread.
pub(crate) type Start = Box<dyn FnOnce() -> Pin<Box<dyn Future<Output = ()>>> + Send>;

/// Tasks that may wait to be started on a slot.
const STARTS_MAX: usize = 64;

/// A slot. Dropping it ends its thread once its tasks have ended.
pub(crate) struct Slot {
    starts: mpsc::Sender<Start>,
}

impl Slot {
    /// Starts the thread.
    pub(crate) fn spawn(index: u32) -> Result<Self, Failure> {
        let (starts, mut received) = mpsc::channel::<Start>(STARTS_MAX);
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|error| Failure::external(format!("slot {index}: {error}")))?;
        let run = move || {
            let tasks = LocalSet::new();
            tasks.spawn_local(async move {
                while let Some(start) = received.recv().await {
                    tokio::task::spawn_local(start());
                }
            });
            runtime.block_on(tasks);
        };
        thread::Builder::new()
            .name(format!("slot-{index}"))
            .spawn(run)
            .map_err(|error| Failure::external(format!("slot {index}: {error}")))?;
        Ok(Self { starts })
    }

    /// Runs a task on the slot's thread.
    pub(crate) async fn start(&self, start: Start) -> Result<(), Failure> {
        self.starts.send(start).await.map_err(|_| Failure::internal("a slot's thread has ended"))
    }
}
