//! What clients say to a JobManager and see of it.

use std::collections::BTreeMap;

use checkpoint::SnapshotKind;
use graph::JobGraph;
use model::{ErrorClass, Failure, Position};
use serde::Serialize;
use settings::Settings;

/// 32 hexadecimal characters.
pub type JobId = String;

/// A job to run.
#[derive(Clone, Debug)]
pub struct JobSubmission {
    /// Its id; a random one if none. A job goes on from its pointer only under the same id.
    pub job_id: Option<JobId>,
    /// Its name; the graph's if none.
    pub name: Option<String>,
    /// What to run.
    pub graph: JobGraph,
    /// Its options, over the JobManager's.
    pub settings: Settings,
    /// The savepoint or checkpoint to start from.
    pub restore_from: Option<String>,
}

/// Where a job is in its life; Flink's names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum JobStatus {
    /// Its pointer is read, or its tasks start for the first time.
    Initializing,
    /// It waits for slots.
    Created,
    /// All tasks run.
    Running,
    /// Tasks are cancelled after a failure that ends the job.
    Failing,
    /// Ended by a failure.
    Failed,
    /// Tasks are cancelled because the user wants it.
    Cancelling,
    /// Ended by the user.
    Canceled,
    /// All input was processed and committed.
    Finished,
    /// Between a failure (or a rescale) and the moment when all tasks run again.
    Restarting,
    /// Stopped with a savepoint.
    Suspended,
}

impl JobStatus {
    /// All of them.
    pub const ALL: [Self; 10] = [
        Self::Initializing,
        Self::Created,
        Self::Running,
        Self::Failing,
        Self::Failed,
        Self::Cancelling,
        Self::Canceled,
        Self::Finished,
        Self::Restarting,
        Self::Suspended,
    ];

    /// Whether nothing follows.
    pub fn is_terminal(self) -> bool {
        matches!(self, Self::Failed | Self::Canceled | Self::Finished | Self::Suspended)
    }

    /// As Flink writes it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Initializing => "INITIALIZING",
            Self::Created => "CREATED",
            Self::Running => "RUNNING",
            Self::Failing => "FAILING",
            Self::Failed => "FAILED",
            Self::Cancelling => "CANCELLING",
            Self::Canceled => "CANCELED",
            Self::Finished => "FINISHED",
            Self::Restarting => "RESTARTING",
            Self::Suspended => "SUSPENDED",
        }
    }
}

/// How a job ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JobResult {
    /// A terminal status.
    pub status: JobStatus,
    /// With `Failed`.
    pub failure: Option<Failure>,
    /// With `Suspended`.
    pub savepoint: Option<String>,
}

/// A few figures of a running job, for a terminal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Where the job is.
    pub status: JobStatus,
    /// Rows that sources have read in this attempt.
    pub records_in: u64,
    /// Rows that sinks have been given in this attempt.
    pub records_out: u64,
    /// The lowest watermark of all tasks, in milliseconds; none before the first.
    pub watermark_ms: Option<i64>,
    /// The last completed checkpoint.
    pub last_checkpoint: Option<u64>,
}

/// Everything there is to say about a job.
#[derive(Clone, Debug, Serialize)]
pub struct JobDetail {
    /// Its id.
    pub id: JobId,
    /// Its name.
    pub name: String,
    /// Where it is in its life.
    pub status: JobStatus,
    /// The epoch of its pointer; 0 without a checkpoint directory.
    pub epoch: u64,
    /// When it was submitted to this JobManager, in milliseconds since the epoch, as all times here.
    pub start_ms: i64,
    /// When it ended.
    pub end_ms: Option<i64>,
    /// Restarts after failures under this JobManager.
    pub restarts: u64,
    /// Rescales under this JobManager.
    pub rescales: u64,
    /// The parallelism of the running attempt (or the next).
    pub parallelism: u32,
    /// The parallelism that was asked for.
    pub desired_parallelism: u32,
    /// Number of key groups.
    pub max_parallelism: u32,
    /// Slots that the job waits for.
    pub missing_slots: u32,
    /// From the last failure or rescale until all tasks ran again.
    pub last_downtime_ms: Option<u64>,
    /// Since when it is down now.
    pub down_since_ms: Option<i64>,
    /// The last failure.
    pub failure: Option<FailureDetail>,
    /// Failures, newest first.
    pub failures: Vec<FailureDetail>,
    /// The savepoint it was stopped with, or the last that was taken.
    pub savepoint: Option<String>,
    /// Its vertices in topological order.
    pub vertices: Vec<VertexDetail>,
    /// Its checkpoints.
    pub checkpoints: CheckpointStats,
    /// How it takes them.
    pub checkpoint_config: CheckpointConfig,
    /// How long it was in each status, in milliseconds.
    pub status_ms: BTreeMap<&'static str, u64>,
    /// When it last came into each status.
    pub status_since_ms: BTreeMap<&'static str, i64>,
}

/// A failure of a job.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FailureDetail {
    /// Its class.
    pub class: ErrorClass,
    /// What happened.
    pub message: String,
    /// Where in the user's script the mistake is, if that is known.
    pub position: Option<Position>,
    /// When.
    pub time_ms: i64,
    /// The task that reported it, as `name (2/4)`.
    pub task: Option<String>,
    /// The TaskManager that the task ran on.
    pub taskmanager: Option<String>,
}

/// A chain of operators.
#[derive(Clone, Debug, Serialize)]
pub struct VertexDetail {
    /// 32 hexadecimal characters, stable for the head operator's uid.
    pub id: String,
    /// The chained operators' names.
    pub name: String,
    /// Number of subtasks.
    pub parallelism: u32,
    /// Its subtasks.
    pub subtasks: Vec<SubtaskDetail>,
    /// Vertices that it reads from, and how rows come from them.
    pub inputs: Vec<(usize, &'static str)>,
    /// Whether it starts with a source.
    pub is_source: bool,
    /// Whether it contains a sink.
    pub is_sink: bool,
}

/// One subtask of a vertex.
#[derive(Clone, Debug, Serialize)]
pub struct SubtaskDetail {
    /// `SCHEDULED`, `DEPLOYING`, `RUNNING`, `FINISHED`, `CANCELED`, `FAILED`.
    pub status: &'static str,
    /// Where it runs.
    pub taskmanager: String,
    /// Its figures, from the last heartbeat.
    pub metrics: SubtaskFigures,
}

/// The figures of one subtask, as [`wire::v1::SubtaskMetrics`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[allow(missing_docs, reason = "documented in the protocol")]
pub struct SubtaskFigures {
    pub records_in: u64,
    pub records_out: u64,
    pub bytes_in: u64,
    pub bytes_out: u64,
    pub watermark_ms: Option<i64>,
    pub late_rows_dropped: u64,
    pub rows_skipped: u64,
    pub busy_ms: u64,
    pub back_pressured_ms: u64,
    pub idle_ms: u64,
}

impl SubtaskFigures {
    /// Sums, and the lowest watermark.
    #[must_use]
    pub fn sum(all: impl IntoIterator<Item = Self>) -> Self {
        let mut total = Self::default();
        let mut watermark = None;
        let mut has_all = true;
        for one in all {
            total.records_in += one.records_in;
            total.records_out += one.records_out;
            total.bytes_in += one.bytes_in;
            total.bytes_out += one.bytes_out;
            total.late_rows_dropped += one.late_rows_dropped;
            total.rows_skipped += one.rows_skipped;
            total.busy_ms += one.busy_ms;
            total.back_pressured_ms += one.back_pressured_ms;
            total.idle_ms += one.idle_ms;
            has_all &= one.watermark_ms.is_some();
            watermark = watermark.into_iter().chain(one.watermark_ms).min();
        }
        total.watermark_ms = watermark.filter(|_| has_all);
        total
    }
}

impl From<&wire::v1::SubtaskMetrics> for SubtaskFigures {
    fn from(metrics: &wire::v1::SubtaskMetrics) -> Self {
        Self {
            records_in: metrics.records_in,
            records_out: metrics.records_out,
            bytes_in: metrics.bytes_in,
            bytes_out: metrics.bytes_out,
            watermark_ms: Some(metrics.watermark_ms).filter(|&watermark| watermark != i64::MIN),
            late_rows_dropped: metrics.late_rows_dropped,
            rows_skipped: metrics.rows_skipped,
            busy_ms: metrics.busy_ms,
            back_pressured_ms: metrics.back_pressured_ms,
            idle_ms: metrics.idle_ms,
        }
    }
}

/// What became of a checkpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum CheckpointStatus {
    /// Not yet decided.
    InProgress,
    /// Durable and owned.
    Completed,
    /// Given up.
    Failed,
}

/// One checkpoint or savepoint.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct CheckpointDetail {
    /// Its number.
    pub id: u64,
    /// What became of it.
    pub status: CheckpointStatus,
    /// Who owns it.
    pub kind: SnapshotKind,
    /// When it was triggered.
    pub triggered_ms: i64,
    /// From the trigger to the end (or until now).
    pub duration_ms: u64,
    /// Bytes that were written for it.
    pub state_bytes: u64,
    /// The longest alignment of any subtask.
    pub alignment_ms: u64,
    /// The longest time that a subtask's slot stood still.
    pub sync_ms: u64,
    /// Acknowledgements so far, and how many it needs.
    pub acknowledged: (usize, usize),
    /// Its folder.
    pub path: String,
    /// Why it was given up.
    pub failure: Option<String>,
}

/// A job's checkpoints under this JobManager.
#[derive(Clone, Debug, Default, Serialize)]
pub struct CheckpointStats {
    /// Completed ones.
    pub completed: u64,
    /// Given up.
    pub failed: u64,
    /// Restores, the first start from a snapshot included.
    pub restored: u64,
    /// The one in progress.
    pub in_progress: Option<CheckpointDetail>,
    /// The last completed checkpoint.
    pub latest_completed: Option<CheckpointDetail>,
    /// The last completed savepoint.
    pub latest_savepoint: Option<CheckpointDetail>,
    /// The last that was given up.
    pub latest_failed: Option<CheckpointDetail>,
    /// The last restore.
    pub latest_restored: Option<RestoreDetail>,
    /// The last that ended, newest first.
    pub history: Vec<CheckpointDetail>,
}

/// How a job takes checkpoints.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct CheckpointConfig {
    /// Time between them; 0 if only on request.
    pub interval_ms: u64,
    /// When one is given up.
    pub timeout_ms: u64,
    /// Time from the end of one to the start of the next.
    pub min_pause_ms: u64,
    /// How many may fail in a row.
    pub tolerable_failures: u32,
    /// How many are kept.
    pub retained: u32,
    /// Where they go.
    pub directory: Option<String>,
    /// Where keyed state is kept.
    pub state_backend: &'static str,
}

/// A restore.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RestoreDetail {
    /// The snapshot's number.
    pub id: u64,
    /// When.
    pub time_ms: i64,
    /// Who owns the snapshot.
    pub kind: SnapshotKind,
    /// Its folder.
    pub path: String,
}

/// A TaskManager.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct TaskManagerDetail {
    /// Its id.
    pub id: String,
    /// Where others reach it.
    pub data_address: String,
    /// Its slots.
    pub slots: u32,
    /// Those without a job.
    pub free_slots: u32,
    /// When it was last heard of.
    pub last_heartbeat_ms: i64,
    /// Its resident set.
    pub resident_bytes: u64,
}
