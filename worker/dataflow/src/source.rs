//! Sources: where rows enter. They may do I/O; the task loop awaits them and makes the watermarks.

use std::sync::Arc;

use async_trait::async_trait;
use model::{Batch, Failure};

use crate::Snapshot;

/// A part of a source that is read in order: a file range, a partition, a generator's share.
pub type SplitId = Arc<str>;

/// What a source gives when it is polled.
#[derive(Debug)]
pub enum SourceEvent {
    /// Rows of one split, of the columns in [`graph::operator::SourceSpec::columns`].
    Batch {
        /// The split they were read from.
        split: SplitId,
        /// The rows.
        batch: Batch,
    },
    /// The split ended: it no longer counts for the watermark.
    SplitFinished(SplitId),
    /// All input was read; nothing follows.
    End,
}

/// A record that could not be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rejected {
    /// Where it is, e.g. file and line.
    pub place: String,
    /// What is wrong with it.
    pub message: String,
    /// All of it.
    pub record: Vec<u8>,
}

/// A running source: one subtask's share of a table.
#[async_trait]
pub trait Source: Send {
    /// Waits for the next event. Dropping the future loses nothing: the task loop cancels it when a barrier is due.
    ///
    /// # Errors
    /// Any error fails the task.
    async fn poll(&mut self) -> Result<SourceEvent, Failure>;

    /// The splits that this subtask reads now or will read, so that their watermarks are waited for.
    /// Called after the build and after each [`SourceEvent::SplitFinished`].
    fn splits(&self) -> Vec<SplitId>;

    /// Puts the position behind all rows returned so far into the snapshot.
    ///
    /// # Errors
    /// As [`Source::poll`].
    fn snapshot(&mut self, snapshot: &mut Snapshot) -> Result<(), Failure>;

    /// Records that could not be read, so far: skipped, kept, or with null in place of a field.
    fn skipped_rows(&self) -> u64;

    /// Malformed records are kept from now on, for [`Source::take_rejected`], and no longer fail the task. A source
    /// that knows no malformed records has nothing to keep.
    fn keep_rejected(&mut self) {}

    /// Takes the malformed records that lie before the position that a snapshot would hold now.
    fn take_rejected(&mut self) -> Vec<Rejected> {
        Vec::new()
    }
}
