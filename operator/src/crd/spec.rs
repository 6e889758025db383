//! What users ask for.

use std::collections::BTreeMap;

use kube::{CustomResource, KubeSchema};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{FlinkJobStatus, Quantity};

fn one() -> i32 {
    1
}
fn key_groups() -> i32 {
    128
}
fn sql_key() -> String {
    "job.sql".to_owned()
}
fn interval() -> String {
    "10s".to_owned()
}
fn deletion_timeout() -> String {
    "5m".to_owned()
}
fn any_list(_: &mut SchemaGenerator) -> Schema {
    json_schema!({"type": "array", "items": {"type": "object", "x-kubernetes-preserve-unknown-fields": true}})
}
fn any_object(_: &mut SchemaGenerator) -> Schema {
    json_schema!({"type": "object", "x-kubernetes-preserve-unknown-fields": true})
}

/// A streaming job: Flink SQL that runs on a JobManager and TaskManagers of its own.
#[derive(CustomResource, KubeSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[kube(
    group = "sluice.dev",
    version = "v1alpha1",
    kind = "FlinkJob",
    plural = "flinkjobs",
    shortname = "fj",
    category = "all",
    category = "streaming",
    namespaced,
    status = "FlinkJobStatus",
    derive = "PartialEq",
    doc = "A streaming job: Flink SQL that runs on a JobManager and TaskManagers of its own.",
    scale(
        spec_replicas_path = ".spec.taskManager.replicas",
        status_replicas_path = ".status.taskManager.replicas",
        label_selector_path = ".status.taskManager.selector"
    ),
    printcolumn(name = "Phase", type_ = "string", json_path = ".status.phase"),
    printcolumn(name = "Ready", type_ = "string", json_path = ".status.conditions[?(@.type==\"Ready\")].status"),
    printcolumn(name = "Running", type_ = "string", json_path = ".status.conditions[?(@.type==\"Running\")].status"),
    printcolumn(name = "TMs", type_ = "integer", json_path = ".status.taskManager.readyReplicas"),
    printcolumn(name = "Restarts", type_ = "integer", json_path = ".status.job.restarts"),
    printcolumn(name = "Last-Ckpt", type_ = "date", json_path = ".status.checkpoint.lastCompletedTime"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp"),
    printcolumn(name = "Savepoint", type_ = "string", json_path = ".status.savepoint.lastPath", priority = 1),
    printcolumn(name = "Epoch", type_ = "integer", json_path = ".status.job.epoch", priority = 1),
    printcolumn(
        name = "Message",
        type_ = "string",
        json_path = ".status.conditions[?(@.type==\"Ready\")].message",
        priority = 1
    ),
    validation = Rule::new("self.metadata.name.matches('^[a-z]([-a-z0-9]{0,43}[a-z0-9])?$')")
        .message("the name of a FlinkJob must start with a letter, use only a-z, 0-9 and '-', and have at most 45 characters")
)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("!has(self.parallelism) || self.parallelism <= self.maxParallelism")
        .message("parallelism must not be above maxParallelism"),
    validation = Rule::new("has(self.parallelism) || self.taskManager.replicas * self.taskManager.slots <= self.maxParallelism")
        .message("taskManager.replicas x taskManager.slots must not be above maxParallelism; set parallelism to use fewer slots"),
    validation = Rule::new("!has(self.parallelism) || self.parallelism <= self.taskManager.replicas * self.taskManager.slots")
        .message("parallelism needs as many slots: taskManager.replicas x taskManager.slots must not be below it"),
    validation = Rule::new("!has(self.upgrade.mode) || self.upgrade.mode != 'Savepoint' || has(self.savepoint) || has(self.checkpoint)")
        .message("upgrade.mode Savepoint needs savepoint.uri or checkpoint.uri"),
    validation = Rule::new("!has(self.upgrade.mode) || self.upgrade.mode != 'LastState' || has(self.checkpoint)")
        .message("upgrade.mode LastState needs checkpoint.uri")
)]
pub struct FlinkJobSpec {
    /// What runs.
    pub job: JobSource,
    /// The image of the engine; a digest is recommended.
    #[schemars(length(min = 1))]
    pub image: String,
    /// When the image is pulled.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub image_pull_policy: Option<PullPolicy>,
    /// Secrets for the image's registry.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub image_pull_secrets: Vec<LocalReference>,
    /// Whether the job runs, or waits with its state kept and its pods gone.
    #[serde(default)]
    pub desired_state: DesiredState,
    /// Number of key groups, the highest parallelism ever; fixed for the life of the job.
    #[serde(default = "key_groups")]
    #[schemars(range(min = 1, max = 32768))]
    #[x_kube(validation = Rule::new("self == oldSelf").message("maxParallelism is immutable: the job's state is divided by it"))]
    pub max_parallelism: i32,
    /// Subtasks of each operator; taskManager.replicas x taskManager.slots if not given.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 32768))]
    pub parallelism: Option<i32>,
    /// The workers.
    #[serde(default)]
    pub task_manager: TaskManagerSpec,
    /// The coordinator.
    #[serde(default)]
    pub job_manager: JobManagerSpec,
    /// Options of the engine by name. The ones that have a field of their own here are refused.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub config: BTreeMap<String, String>,
    /// Where and how often the job's state is saved.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub checkpoint: Option<CheckpointSpec>,
    /// Where savepoints go; below checkpoint.uri if not given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub savepoint: Option<SavepointSpec>,
    /// How a changed spec replaces the running job.
    #[serde(default)]
    pub upgrade: UpgradeSpec,
    /// A snapshot to start from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub restore_from: Option<RestoreSpec>,
    /// How the job restarts after a failure.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub restart_policy: Option<RestartPolicy>,
    /// What happens on deletion.
    #[serde(default)]
    pub deletion: DeletionSpec,
}

/// What runs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct JobSource {
    /// Flink SQL.
    pub sql: SqlSource,
}

/// Flink SQL, here or in a ConfigMap.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("has(self.inline) != has(self.configMapRef)")
    .message("exactly one of job.sql.inline and job.sql.configMapRef must be given"))]
pub struct SqlSource {
    /// The text itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 262144))]
    pub inline: Option<String>,
    /// A ConfigMap that has it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub config_map_ref: Option<ConfigMapReference>,
}

/// A key of a ConfigMap in the job's namespace.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ConfigMapReference {
    /// Name of the ConfigMap.
    #[schemars(length(min = 1))]
    pub name: String,
    /// The key.
    #[serde(default = "sql_key")]
    pub key: String,
}

/// An object in the job's namespace.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct LocalReference {
    /// Its name.
    #[schemars(length(min = 1))]
    pub name: String,
}

/// When an image is pulled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum PullPolicy {
    /// At every start.
    Always,
    /// If the node has it not.
    IfNotPresent,
    /// Never.
    Never,
}

/// Whether the job is to run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum DesiredState {
    /// It runs.
    #[default]
    Running,
    /// Its state is kept, its pods are gone.
    Suspended,
}

/// The workers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TaskManagerSpec {
    /// Number of pods, what `kubectl scale` sets.
    #[serde(default = "one")]
    #[schemars(range(min = 1, max = 10000))]
    pub replicas: i32,
    /// Slots of each; one slot is one thread and runs one subtask of every operator.
    #[serde(default = "one")]
    #[schemars(range(min = 1, max = 256))]
    pub slots: i32,
    /// CPU and memory of each.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resources: Option<Resources>,
    /// Where the pods may run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scheduling: Option<Scheduling>,
}

impl Default for TaskManagerSpec {
    fn default() -> Self {
        Self { replicas: 1, slots: 1, resources: None, scheduling: None }
    }
}

/// The coordinator.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct JobManagerSpec {
    /// Its CPU and memory.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resources: Option<Resources>,
    /// Where its pod may run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scheduling: Option<Scheduling>,
}

/// CPU and memory of a container.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Resources {
    /// What it is sure to get.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub requests: BTreeMap<String, Quantity>,
    /// What it may not exceed.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub limits: BTreeMap<String, Quantity>,
}

/// Where pods may run, as in a pod's own spec.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Scheduling {
    /// Labels that a node must have.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub node_selector: BTreeMap<String, String>,
    /// Taints that are put up with.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "any_list")]
    pub tolerations: Vec<Value>,
    /// Affinity to nodes and pods.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "any_object")]
    pub affinity: Option<Value>,
    /// Spreading over zones and nodes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "any_list")]
    pub topology_spread_constraints: Vec<Value>,
    /// Priority class of the pods.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub priority_class_name: Option<String>,
    /// Labels that the pods get besides ours.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub pod_labels: BTreeMap<String, String>,
    /// Annotations that the pods get.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub pod_annotations: BTreeMap<String, String>,
}

/// Where and how often the job's state is saved.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CheckpointSpec {
    /// An s3:// or file:// URI; every job needs one of its own.
    #[schemars(regex(pattern = r"^(s3|file)://.+$"), length(max = 1024))]
    pub uri: String,
    /// Time between checkpoints; 0s turns periodic ones off.
    #[serde(default = "interval")]
    #[schemars(regex(pattern = r"^[0-9]+(ms|s|m|h)$"))]
    pub interval: String,
    /// A checkpoint that takes longer is given up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = r"^[0-9]+(ms|s|m|h)$"))]
    pub timeout: Option<String>,
    /// Time between the end of one and the start of the next.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = r"^[0-9]+(ms|s|m|h)$"))]
    pub min_pause: Option<String>,
    /// Completed checkpoints that are kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1000))]
    pub retain: Option<i32>,
    /// The keys of the object store.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credentials: Option<Credentials>,
    /// URL of an S3-compatible server; AWS if not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = r"^https?://.+$"))]
    pub endpoint: Option<String>,
    /// Region of the server.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    /// Whether buckets are part of the path rather than of the host name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path_style: Option<bool>,
}

/// The keys of the object store.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Credentials {
    /// A Secret with the keys AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY.
    pub secret_ref: LocalReference,
}

/// Where savepoints go.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SavepointSpec {
    /// An s3:// or file:// URI.
    #[schemars(regex(pattern = r"^(s3|file)://.+$"), length(max = 1024))]
    pub uri: String,
}

/// How a changed spec replaces the running job.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct UpgradeSpec {
    /// What the new job starts from. Savepoint if there is a place for one, else Stateless.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mode: Option<UpgradeMode>,
    /// What to do if mode is Savepoint and none can be taken.
    #[serde(default)]
    pub fallback: Fallback,
    /// Whether state that no operator of the new job claims may be dropped.
    #[serde(default)]
    pub allow_non_restored_state: bool,
}

/// What the new job starts from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum UpgradeMode {
    /// The old job is stopped with a savepoint.
    Savepoint,
    /// The last completed checkpoint.
    LastState,
    /// Nothing: the state is lost.
    Stateless,
}

/// What to do if no savepoint can be taken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Fallback {
    /// Start from the last completed checkpoint.
    #[default]
    LastState,
    /// Wait until a savepoint can be taken.
    Wait,
}

/// A snapshot to start from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct RestoreSpec {
    /// Path of a savepoint or a retained checkpoint. Used at the first start, and whenever the nonce changes.
    #[schemars(length(min = 1, max = 1024))]
    pub path: String,
    /// Any new value drops the running job's state and starts from the path.
    #[serde(default)]
    pub nonce: i64,
}

/// How the job restarts after a failure.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RestartPolicy {
    /// The strategy.
    #[serde(default, rename = "type")]
    pub strategy: RestartStrategy,
    /// Time before the first restart.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = r"^[0-9]+(ms|s|m|h)$"))]
    pub initial: Option<String>,
    /// The longest time before a restart.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = r"^[0-9]+(ms|s|m|h)$"))]
    pub max: Option<String>,
    /// After so long without a failure the delay starts anew.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = r"^[0-9]+(ms|s|m|h)$"))]
    pub reset_after: Option<String>,
    /// Restarts in a row before the job fails; 0 means without end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0))]
    pub max_attempts: Option<i32>,
}

/// When a failed job is started again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum RestartStrategy {
    /// After a delay that doubles.
    #[default]
    ExponentialDelay,
    /// After the initial delay, each time.
    FixedDelay,
    /// Never.
    Never,
}

/// What happens on deletion.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct DeletionSpec {
    /// Whether a last savepoint is taken.
    #[serde(default)]
    pub savepoint: DeletionSavepoint,
    /// After so long the resource goes, savepoint or not.
    #[serde(default = "deletion_timeout")]
    #[schemars(regex(pattern = r"^[0-9]+(ms|s|m|h)$"))]
    pub timeout: String,
}

impl Default for DeletionSpec {
    fn default() -> Self {
        Self { savepoint: DeletionSavepoint::Never, timeout: deletion_timeout() }
    }
}

/// Whether a last savepoint is taken on deletion.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum DeletionSavepoint {
    /// No.
    #[default]
    Never,
    /// If it can be had before the timeout.
    BestEffort,
}
