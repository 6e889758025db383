//! What happens to the cluster, and what is to be done about it.

use std::sync::Arc;

use checkpoint::{JobState, Manifest, SnapshotRef};
use graph::JobGraph;
use model::Failure;
use wire::v1::{ToJobManager, ToTaskManager};

use crate::{
    api::{JobId, JobSubmission},
    splits::Splits,
};

/// Numbers the connections of TaskManagers.
pub type LinkId = u64;
/// Numbers the requests of clients that wait for an answer.
pub type RequestId = u64;

/// What happened.
#[derive(Debug)]
pub enum Event {
    /// A client submits a job. Answered with its id.
    Submit(RequestId, Box<JobSubmission>),
    /// A job cannot be planned, and is shown as failed. Answered with its id.
    Reject(RequestId, Option<JobId>, Failure),
    /// A client wants something of a job.
    Request(RequestId, JobId, Request),
    /// A TaskManager's connection is there; it registers by its first message.
    Attached(LinkId),
    /// A TaskManager's connection ended.
    Detached(LinkId),
    /// A TaskManager says something.
    Message(LinkId, ToJobManager),
    /// The answer to [`Action::Recover`].
    Recovered(JobId, Result<Recovery, Failure>),
    /// The answer to [`Action::Enumerate`] of this number.
    Enumerated(JobId, u64, Result<Splits, Failure>),
    /// The answer to [`Action::Verify`].
    Verified(JobId, Result<(), Failure>),
    /// The answer to [`Action::Commit`].
    Committed(JobId, u64, Result<(), Failure>),
    /// The answer to [`Action::End`].
    Ended(JobId, Result<(), Failure>),
    /// The time of [`crate::cluster::Cluster::deadline`] has come.
    Tick,
    /// This process, or its machine, was suspended for so many milliseconds of the clock; negative if the clock was set back.
    /// Timeouts are extended by that time.
    Paused(i64),
}

/// What a client wants of a job.
#[derive(Clone, Debug)]
pub enum Request {
    /// End it. Answered when it is accepted.
    Cancel,
    /// Stop it with a savepoint. Answered with the savepoint's URI when the job has stopped.
    Stop {
        /// Whether all event time is to come first: windows fire.
        drain: bool,
        /// Where to, if not into the configured folder.
        directory: Option<String>,
    },
    /// Take a savepoint. Answered with its URI.
    Savepoint {
        /// Where to, if not into the configured folder.
        directory: Option<String>,
    },
    /// Take a checkpoint now. Answered with its URI.
    Checkpoint,
    /// Change the parallelism. Answered when it is accepted.
    Rescale(u32),
}

/// What a (re)start goes on from.
#[derive(Clone, Debug, Default)]
pub struct Recovery {
    /// The epoch of the pointer; 0 without one.
    pub epoch: u64,
    /// The snapshot, and what it consists of.
    pub snapshot: Option<(SnapshotRef, Arc<Manifest>)>,
    /// The job has ended already.
    pub ended: Option<JobState>,
    /// The highest number among the snapshots that the pointer knows.
    pub last_checkpoint_id: u64,
}

/// Where a job's snapshots and pointer are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LedgerSpec {
    /// The checkpoint directory; none means no pointer.
    pub checkpoint_dir: Option<String>,
    /// The snapshot that the user wants to start from.
    pub restore_from: Option<String>,
    /// Completed checkpoints that are kept.
    pub keep: usize,
    /// Number of key groups, if nothing is restored.
    pub max_parallelism: u32,
    /// Whether the job may start without state although its checkpoints are missing.
    pub ignore_lost: bool,
}

/// What is to be done.
#[derive(Debug)]
pub enum Action {
    /// Tell a TaskManager something.
    Send(LinkId, ToTaskManager),
    /// End a TaskManager's connection.
    Close(LinkId),
    /// Open the ledger of a job.
    Open(JobId, LedgerSpec),
    /// Claim the pointer (or see that it is still ours), and read what to go on from.
    Recover(JobId),
    /// List the splits of the job's sources.
    Enumerate {
        /// The job.
        job: JobId,
        /// Tells the answer from those to earlier requests.
        number: u64,
        /// What the job consists of.
        graph: Arc<JobGraph>,
        /// What it goes on from.
        restored: Option<Arc<Manifest>>,
    },
    /// See whether the pointer is still ours.
    Verify(JobId),
    /// Write the metadata of a complete snapshot, then, if `advance`, the pointer.
    Commit {
        /// The job.
        job: JobId,
        /// The snapshot.
        manifest: Box<Manifest>,
        /// Its folder.
        directory: String,
        /// Whether the job goes on from it.
        advance: bool,
    },
    /// Write the job's end into the pointer.
    End(JobId, JobState),
    /// Delete the files of a checkpoint that was given up before it was committed.
    Discard(JobId, String),
    /// Answer a client.
    Answer(RequestId, Result<String, Failure>),
    /// A newer owner exists: stop the process.
    Fenced(Failure),
}
