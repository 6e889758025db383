//! From a resource and what it refers to, to what the later steps build on. Pure.
//!
//! What the schema and its CEL rules refuse never gets here; this is what needs parsing, other fields or the job's past.

pub mod options;

use std::{collections::BTreeMap, time::Duration};

use k8s_openapi::{
    api::core::v1::{Affinity, Toleration, TopologySpreadConstraint},
    apimachinery::pkg::apis::meta::v1::OwnerReference,
};
use kube::{Resource, ResourceExt};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;

use crate::{
    crd::{self, DesiredState, FlinkJob, FlinkJobSpec, Quantity, Resources, Scheduling, TaskManagerSpec, UpgradeMode},
    hash,
};

/// What is wrong with a spec.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The object lacks what the API server always sets.
    #[error("the resource has no {0}")]
    Metadata(&'static str),
    /// The SQL is in a ConfigMap that cannot be used.
    #[error("spec.job.sql.configMapRef: {0}")]
    Sql(String),
    /// An option that is not the user's to set.
    #[error("spec.config: {name} is set by the operator{hint}")]
    ReservedOption {
        /// Its name.
        name: String,
        /// The field to use.
        hint: String,
    },
    /// A duration that is none.
    #[error("spec.{field}: '{value}' is not a duration such as 500ms, 10s, 5m or 1h")]
    Duration {
        /// Where.
        field: &'static str,
        /// What was written.
        value: String,
    },
    /// An amount that is none.
    #[error("spec.{field}: '{value}' is not an amount such as 500m, 2 or 1Gi")]
    Quantity {
        /// Where.
        field: String,
        /// What was written.
        value: String,
    },
    /// Part of a pod's spec that Kubernetes would not read.
    #[error("spec.{field}: {message}")]
    Scheduling {
        /// Where.
        field: String,
        /// Why.
        message: String,
    },
    /// A job with state whose new spec would drop it without saying so.
    #[error(
        "the job has state but the spec names no place for snapshots any more; \
         give checkpoint.uri or savepoint.uri, or set upgrade.mode: Stateless to drop the state"
    )]
    StateWouldBeLost,
}

/// Where pods may run, as Kubernetes' own types.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Placement {
    /// As in a pod's spec.
    pub node_selector: BTreeMap<String, String>,
    /// As in a pod's spec.
    pub tolerations: Vec<Toleration>,
    /// As in a pod's spec.
    pub affinity: Option<Affinity>,
    /// As in a pod's spec.
    pub spread: Vec<TopologySpreadConstraint>,
    /// As in a pod's spec.
    pub priority_class: Option<String>,
    /// The pods' own labels.
    pub labels: BTreeMap<String, String>,
    /// The pods' own annotations.
    pub annotations: BTreeMap<String, String>,
}

/// A job that can be built.
#[derive(Clone, Debug, PartialEq)]
pub struct Validated {
    /// Its name.
    pub name: String,
    /// Its namespace.
    pub namespace: String,
    /// Its uid.
    pub uid: String,
    /// Its generation.
    pub generation: i64,
    /// For the children.
    pub owner: OwnerReference,
    /// As written.
    pub spec: FlinkJobSpec,
    /// The program.
    pub sql: String,
    /// Options of the engine, all but those that a start decides.
    pub config: BTreeMap<String, String>,
    /// Subtasks of each operator.
    pub parallelism: i32,
    /// Where the JobManager may run.
    pub jobmanager: Placement,
    /// Where TaskManagers may run.
    pub taskmanager: Placement,
    /// What an upgrade starts from.
    pub mode: UpgradeMode,
    /// Where savepoints go.
    pub savepoint_directory: Option<String>,
    /// After so long a savepoint is given up.
    pub savepoint_timeout: Duration,
    /// After so long a deleted resource goes.
    pub deletion_timeout: Duration,
    /// Hash of all that needs a new JobManager when it changes.
    pub revision: String,
    /// Hash of all that needs new TaskManagers when it changes.
    pub taskmanager_revision: String,
    /// The value of the savepoint annotation.
    pub savepoint_trigger: Option<String>,
}

/// Checks a resource with the SQL that it has or refers to.
///
/// # Errors
/// The first mistake, in words for the user.
pub fn validate(job: &FlinkJob, sql: Result<String, String>) -> Result<Validated, Error> {
    let spec = &job.spec;
    let sql = sql.map_err(Error::Sql)?;
    let savepoint_directory = savepoint_directory(spec);
    let mode = upgrade_mode(job)?;
    check_resources("taskManager.resources", spec.task_manager.resources.as_ref())?;
    check_resources("jobManager.resources", spec.job_manager.resources.as_ref())?;
    let config = options::options(spec, &job.name_any(), savepoint_directory.as_deref())?;
    let taskmanager = placement("taskManager.scheduling", spec.task_manager.scheduling.as_ref())?;
    let jobmanager = placement("jobManager.scheduling", spec.job_manager.scheduling.as_ref())?;
    let timeout = spec.checkpoint.as_ref().and_then(|checkpoint| checkpoint.timeout.as_deref()).unwrap_or("10m");
    let (revision, taskmanager_revision) = revisions(job, &sql, &config);
    Ok(Validated {
        name: job.name_any(),
        namespace: job.namespace().ok_or(Error::Metadata("namespace"))?,
        uid: job.uid().ok_or(Error::Metadata("uid"))?,
        generation: job.metadata.generation.ok_or(Error::Metadata("generation"))?,
        owner: job.controller_owner_ref(&()).ok_or(Error::Metadata("uid"))?,
        parallelism: spec.parallelism.unwrap_or(spec.task_manager.replicas * spec.task_manager.slots),
        savepoint_timeout: duration("checkpoint.timeout", timeout)?,
        deletion_timeout: duration("deletion.timeout", &spec.deletion.timeout)?,
        savepoint_trigger: job.annotations().get(crd::SAVEPOINT).cloned(),
        spec: spec.clone(),
        sql,
        config,
        jobmanager,
        taskmanager,
        mode,
        savepoint_directory,
        revision,
        taskmanager_revision,
    })
}

fn savepoint_directory(spec: &FlinkJobSpec) -> Option<String> {
    let below_checkpoints = || Some(format!("{}/savepoints", spec.checkpoint.as_ref()?.uri.trim_end_matches('/')));
    spec.savepoint.as_ref().map(|savepoint| savepoint.uri.clone()).or_else(below_checkpoints)
}

/// A mode that was not chosen must not drop state that there is.
fn upgrade_mode(job: &FlinkJob) -> Result<UpgradeMode, Error> {
    if let Some(mode) = job.spec.upgrade.mode {
        return Ok(mode);
    }
    if savepoint_directory(&job.spec).is_some() {
        return Ok(UpgradeMode::Savepoint);
    }
    let past = job.status.as_ref().and_then(|status| status.job.as_ref());
    let has_state = past.is_some_and(|job| job.checkpoint_uri.is_some() || job.restore_path.is_some());
    if has_state { Err(Error::StateWouldBeLost) } else { Ok(UpgradeMode::Stateless) }
}

/// Reads a duration such as `500ms`, `10s`, `5m`, `1h`.
///
/// # Errors
/// Names the field.
pub fn duration(field: &'static str, text: &str) -> Result<Duration, Error> {
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let factor = match unit {
        "ms" => Some(1),
        "s" => Some(1000),
        "m" => Some(60_000),
        "h" => Some(3_600_000),
        _ => None,
    };
    let millis = factor.and_then(|factor: u64| number.parse::<u64>().ok()?.checked_mul(factor));
    let wrong = || Error::Duration { field, value: text.to_owned() };
    millis.map(Duration::from_millis).ok_or_else(wrong)
}

fn check_resources(field: &str, resources: Option<&Resources>) -> Result<(), Error> {
    let Some(Resources { requests, limits }) = resources else { return Ok(()) };
    for (kind, amounts) in [("requests", requests), ("limits", limits)] {
        if let Some((name, Quantity(value))) = amounts.iter().find(|(_, amount)| amount.value().is_none()) {
            return Err(Error::Quantity { field: format!("{field}.{kind}.{name}"), value: value.clone() });
        }
    }
    Ok(())
}

fn parsed<T: DeserializeOwned>(field: String, value: &Value) -> Result<T, Error> {
    T::deserialize(value).map_err(|error| Error::Scheduling { field, message: error.to_string() })
}

fn placement(field: &str, scheduling: Option<&Scheduling>) -> Result<Placement, Error> {
    let Some(scheduling) = scheduling else { return Ok(Placement::default()) };
    let tolerations = scheduling.tolerations.iter();
    let spread = scheduling.topology_spread_constraints.iter();
    let affinity = scheduling.affinity.as_ref();
    Ok(Placement {
        node_selector: scheduling.node_selector.clone(),
        tolerations: tolerations
            .map(|value| parsed(format!("{field}.tolerations"), value))
            .collect::<Result<_, _>>()?,
        affinity: affinity.map(|value| parsed(format!("{field}.affinity"), value)).transpose()?,
        spread: spread
            .map(|value| parsed(format!("{field}.topologySpreadConstraints"), value))
            .collect::<Result<_, _>>()?,
        priority_class: scheduling.priority_class_name.clone(),
        labels: scheduling.pod_labels.clone(),
        annotations: scheduling.pod_annotations.clone(),
    })
}

/// The JobManager's and the TaskManagers' revision: hashes of what needs new pods when it changes.
///
/// Every field of the spec is named here, so that a new one does not compile before it has been decided on. The hashed
/// text is part of what a release promises (`a_revision_never_changes` holds it): another text restarts every job.
fn revisions(job: &FlinkJob, sql: &str, config: &BTreeMap<String, String>) -> (String, String) {
    let FlinkJobSpec {
        image,
        image_pull_secrets,
        task_manager: TaskManagerSpec { resources, scheduling, replicas: _, slots: _ },
        job_manager,
        checkpoint,
        // Options follow from these, see `options::options`; `sql` is the program.
        config: _,
        job: _,
        restart_policy: _,
        savepoint: _,
        // Immutable.
        max_parallelism: _,
        // Changed in place.
        parallelism: _,
        // Read when an upgrade, a start or the deletion is due.
        desired_state: _,
        upgrade: _,
        restore_from: _,
        deletion: _,
        // Read when a pod is created.
        image_pull_policy: _,
    } = &job.spec;
    let restart_relevant: BTreeMap<_, _> = config.iter().filter(|(name, _)| !options::is_policy(name)).collect();
    let credentials = checkpoint.as_ref().and_then(|checkpoint| checkpoint.credentials.clone());
    let shared = [
        image.clone(),
        json(&restart_relevant),
        json(&credentials),
        json(image_pull_secrets),
        job.annotations().get(crd::RESTART).cloned().unwrap_or_default(),
    ];
    let workers = [json(resources), json(scheduling)];
    let coordinator = [json(job_manager), sql.to_owned()];
    let taskmanager = hash::short(shared.iter().chain(&workers));
    (hash::short(shared.iter().chain(&workers).chain(&coordinator)), taskmanager)
}

fn json(value: &impl Serialize) -> String {
    serde_json::to_string(value).unwrap_or_default()
}

impl Validated {
    /// Whether the job is to run.
    pub fn is_wanted(&self) -> bool {
        self.spec.desired_state == DesiredState::Running
    }

    /// Options of a start, all but what it restores.
    pub fn start_options(&self) -> BTreeMap<String, String> {
        let mut options = self.config.clone();
        options.insert("parallelism.default".to_owned(), self.parallelism.to_string());
        options
    }

    /// Pods of TaskManagers.
    pub fn replicas(&self) -> i32 {
        self.spec.task_manager.replicas
    }
}

#[cfg(test)]
mod tests;
