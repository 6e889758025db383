//! What travels through a channel.

use std::sync::Arc;

use model::{Batch, Watermark};

/// What a batch counts for beside its values: batches without columns are held back too.
const BATCH_OVERHEAD_BYTES: usize = 256;

/// One item of a channel, in order.
#[derive(Clone, Debug)]
pub enum Element {
    /// Rows.
    Batch(Batch),
    /// Event time has passed this point.
    Watermark(Watermark),
    /// The sender has no rows for now and must not hold watermarks back (true), or has again (false).
    Idle(bool),
    /// A checkpoint barrier.
    Barrier(Arc<Barrier>),
    /// No more rows. Barriers may still follow.
    End,
}

impl Element {
    /// Bytes it takes of a channel's capacity; only rows count, and never as nothing.
    pub fn size_bytes(&self) -> usize {
        match self {
            Self::Batch(batch) => batch.size_bytes() + BATCH_OVERHEAD_BYTES,
            _ => 0,
        }
    }
}

/// What is written for a barrier.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BarrierKind {
    /// State in the backend's own form.
    Checkpoint,
    /// State in the backend-neutral form.
    Savepoint,
    /// Nothing: only sinks prepare.
    CommitOnly,
}

/// A checkpoint barrier: rows before it belong to the checkpoint, rows behind it do not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Barrier {
    /// The checkpoint.
    pub checkpoint_id: u64,
    /// What is written.
    pub kind: BarrierKind,
    /// URI of the directory for state files.
    pub directory: String,
    /// URI of the directory for files that later checkpoints may share.
    pub shared_directory: String,
    /// Whether the job stops behind it.
    pub stop: bool,
    /// With `stop`: whether sources emit the final watermark before it.
    pub drain: bool,
    /// The last completed checkpoint, or 0: files of older ones may be gone, so they must not be shared, even where the
    /// notice of its completion is still under way.
    pub last_completed: u64,
}
