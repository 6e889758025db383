//! Sinks: where rows leave, in two phases where that is needed for exactly-once.

use async_trait::async_trait;
use checkpoint::Item;
use model::{Batch, Failure, Watermark};

/// Something prepared that becomes visible when committed; opaque to the runtime, kept in checkpoints.
pub type Committable = Item;

/// A running sink.
#[async_trait]
pub trait Sink: Send {
    /// The sink starts as part of a job. Called once, before the first row. What earlier attempts of the job prepared must
    /// be left alone: a savepoint may hold it.
    fn start(&mut self, _job_id: &str) {}

    /// No row with an earlier time follows, late ones aside; once the input has ended, [`Watermark::MAX`].
    fn watermark(&mut self, _watermark: Watermark) {}

    /// Takes rows. Returning late is back-pressure.
    ///
    /// # Errors
    /// Any error fails the task.
    async fn write(&mut self, batch: Batch) -> Result<(), Failure>;

    /// Makes all rows written so far durable but not yet visible, and says what is to be committed for them.
    /// A sink without two phases makes them visible here and returns nothing.
    ///
    /// # Errors
    /// As [`Sink::write`].
    async fn prepare(&mut self) -> Result<Vec<Committable>, Failure>;

    /// Makes prepared rows visible. Idempotent: it may be called again for the same committables, after a restore and
    /// by another subtask. An unknown outcome is an error.
    ///
    /// # Errors
    /// As [`Sink::write`].
    async fn commit(&mut self, committables: &[Committable]) -> Result<(), Failure>;
}
