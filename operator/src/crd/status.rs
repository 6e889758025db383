//! What the operator found and what it is doing. `upgrade` is its log, written ahead of every action.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{DesiredState, UpgradeMode};

/// What the operator found and what it is doing.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct FlinkJobStatus {
    /// The generation that the rest speaks of.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// In one word.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub phase: Option<Phase>,
    /// Ready, Running, Reconciling, Stalled, SpecValid.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<Condition>,
    /// The job on the JobManager.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub job: Option<JobStatus>,
    /// Subtasks of each operator, as they run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parallelism: Option<i32>,
    /// The workers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub task_manager: Option<TaskManagerStatus>,
    /// The last completed checkpoint; at most a minute old.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub checkpoint: Option<CheckpointStatus>,
    /// Savepoints asked for by annotation, and the last one taken for any reason.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub savepoint: Option<SavepointStatus>,
    /// What is being changed, while it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub upgrade: Option<UpgradeStatus>,
    /// The last savepoint, while the resource is being deleted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deletion: Option<DeletionStatus>,
    /// The last thing that went wrong.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_failure: Option<FailureStatus>,
}

/// The state of a FlinkJob in one word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Phase {
    /// Nothing was started.
    Pending,
    /// Started for the first time, not yet running.
    Deploying,
    /// Running.
    Running,
    /// Running, with a savepoint under way.
    Savepointing,
    /// Stopped with its state kept.
    Suspended,
    /// Being replaced, suspended, resumed or restored.
    Upgrading,
    /// The engine restarts it after a failure.
    Restarting,
    /// Failed for good.
    Failed,
    /// All its input is processed.
    Finished,
    /// Being deleted.
    Deleting,
}

/// A condition as Kubernetes has them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Condition {
    /// Which.
    #[serde(rename = "type")]
    pub kind: String,
    /// True, False or Unknown.
    pub status: String,
    /// Why, as a word.
    pub reason: String,
    /// Why, as a sentence.
    pub message: String,
    /// When the status changed.
    pub last_transition_time: String,
    /// The generation that it speaks of.
    #[serde(default)]
    pub observed_generation: i64,
}

/// The job on the JobManager.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct JobStatus {
    /// Its id there. It changes when the job starts anew or from restoreFrom, as the old id's checkpoints then no longer count.
    pub id: String,
    /// Rises at every start that the operator makes.
    pub epoch: i64,
    /// What the operator last brought the job to.
    pub state: DesiredState,
    /// Hash of the fields that need a restart when they change, as started.
    pub revision: String,
    /// The snapshot that the job started from, unless it has newer checkpoints.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub restore_path: Option<String>,
    /// Where its checkpoints are.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub checkpoint_uri: Option<String>,
    /// The last nonce of restoreFrom that was handled.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub restore_nonce: Option<i64>,
    /// When it started.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub start_time: Option<String>,
    /// How often it was restarted after a failure, of a task, a TaskManager or the JobManager.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub restarts: Option<i64>,
    /// What the JobManager had counted at the last look; it begins anew with its process.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub counted: Option<CountedStatus>,
    /// Why and since when data does not flow, unless that is for an upgrade.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub down: Option<DownStatus>,
    /// How long data did not flow at the last upgrade.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub downtime_seconds_last_upgrade: Option<f64>,
    /// How long data did not flow at the last of each kind: deploy, upgrade, resume, restore, scale,
    /// taskFailure, jobManagerFailure.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub downtime_seconds: BTreeMap<String, f64>,
}

/// What a JobManager has counted since it runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct CountedStatus {
    /// Restarts after failures.
    pub restarts: i64,
    /// Restarts at another parallelism.
    pub rescales: i64,
}

/// Data does not flow.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DownStatus {
    /// Why.
    pub cause: DownCause,
    /// Since when.
    pub since: String,
}

/// Why data does not flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum DownCause {
    /// The JobManager does not answer; data may flow all the same.
    Unreachable,
    /// The JobManager was lost, and another one takes over.
    JobManagerFailure,
    /// A task failed, or its TaskManager was lost.
    TaskFailure,
    /// The parallelism changes.
    Scale,
}

impl DownCause {
    /// Its name among `downtimeSeconds`.
    pub fn action(self) -> &'static str {
        match self {
            Self::Unreachable | Self::JobManagerFailure => "jobManagerFailure",
            Self::TaskFailure => "taskFailure",
            Self::Scale => "scale",
        }
    }
}

/// The workers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct TaskManagerStatus {
    /// Pods asked for.
    pub replicas: i32,
    /// Pods that are ready.
    pub ready_replicas: i32,
    /// Selects them.
    pub selector: String,
}

/// The last completed checkpoint.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct CheckpointStatus {
    /// Its number.
    pub last_id: i64,
    /// Where it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_path: Option<String>,
    /// When it completed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_completed_time: Option<String>,
    /// Its size.
    pub last_size_bytes: i64,
    /// How long it took.
    pub last_duration_ms: i64,
}

/// Savepoints.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct SavepointStatus {
    /// The annotation's value that was acted upon last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_handled_trigger: Option<String>,
    /// Where the last one is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_path: Option<String>,
    /// When it completed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_time: Option<String>,
    /// Why the last one failed, if it did.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_error: Option<String>,
    /// The one under way.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub in_progress: Option<SavepointRequest>,
}

/// A savepoint under way.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct SavepointRequest {
    /// The annotation's value.
    pub trigger: String,
    /// Its id on the JobManager.
    pub request_id: String,
    /// When it was asked for.
    pub started_at: String,
}

/// What is being changed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct UpgradeStatus {
    /// Why.
    pub action: UpgradeAction,
    /// The step that is entered, again and again until its effect is seen.
    pub step: UpgradeStep,
    /// The generation that is being rolled out.
    pub to_generation: i64,
    /// The revision that ran before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from_revision: Option<String>,
    /// The revision that will run.
    pub to_revision: String,
    /// What the new job starts from.
    pub mode: UpgradeMode,
    /// The id of the stop on the JobManager.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_id: Option<String>,
    /// Where the savepoint goes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub directory: Option<String>,
    /// How many savepoints failed.
    #[serde(default)]
    pub attempts: i64,
    /// What it starts from, decided once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub restore_path: Option<String>,
    /// Why it does not go on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub blocked: Option<String>,
    /// When it began.
    pub started_at: String,
    /// When data stopped to flow.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stopped_at: Option<String>,
}

/// Why something is being changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum UpgradeAction {
    /// The first start.
    Deploy,
    /// The spec changed, or a restart was asked for.
    Upgrade,
    /// The job is to stop and keep its state.
    Suspend,
    /// The job is to go on.
    Resume,
    /// The job is to start from a named snapshot.
    Restore,
}

/// Steps of a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum UpgradeStep {
    /// The old job is being stopped.
    Stopping,
    /// Where to start from is recorded; pods are being replaced, or removed.
    Replacing,
    /// The new job is waited for.
    Verifying,
}

/// The savepoint on deletion.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct DeletionStatus {
    /// Its id on the JobManager.
    pub request_id: String,
}

/// Something that went wrong.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct FailureStatus {
    /// Why, as a word.
    pub reason: String,
    /// Why, as a sentence.
    pub message: String,
    /// The line of the mistake in the job's SQL, if it is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line: Option<i64>,
    /// The column of the mistake in the job's SQL, if it is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub column: Option<i64>,
    /// The pod, if it was one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pod: Option<String>,
    /// When it was seen first.
    pub time: String,
}
