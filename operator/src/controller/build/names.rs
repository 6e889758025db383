//! Names and labels of children, where what is written and what is looked for must agree.

use std::collections::BTreeMap;

/// Label: the FlinkJob's name.
pub const JOB: &str = "sluice.dev/job";
/// Label: `jm` or `tm`.
pub const ROLE: &str = "sluice.dev/role";
/// Label: the revision of the spec.
pub const REVISION: &str = "sluice.dev/revision";
/// Annotation of pods: the start that made them.
pub const EPOCH: &str = "sluice.dev/epoch";
/// Annotation of Deployments: hash of all children as applied.
pub const APPLIED: &str = "sluice.dev/applied";
/// Annotation of pods, Kubernetes' own: the one that costs least goes first when a Deployment has too many.
pub const DELETION_COST: &str = "controller.kubernetes.io/pod-deletion-cost";
/// Role of the JobManager.
pub const JOBMANAGER: &str = "jm";
/// Role of TaskManagers.
pub const TASKMANAGER: &str = "tm";
/// Keys of the Secret with the object store's keys, and the variables that get them.
pub const CREDENTIALS: [&str; 2] = ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"];

/// The JobManager's Deployment and Service.
pub fn jobmanager(job: &str) -> String {
    format!("{job}-jobmanager")
}

/// The TaskManagers' Deployment.
pub fn taskmanager(job: &str) -> String {
    format!("{job}-taskmanager")
}

/// The ConfigMap.
pub fn config_map(job: &str) -> String {
    format!("{job}-config")
}

/// What the pods of a role are selected by.
pub fn selector(job: &str, role: &str) -> BTreeMap<String, String> {
    [(JOB.to_owned(), job.to_owned()), (ROLE.to_owned(), role.to_owned())].into()
}

/// The labels of a child.
pub fn labels(job: &str, role: Option<&str>) -> BTreeMap<String, String> {
    let mut labels: BTreeMap<_, _> = [
        ("app.kubernetes.io/name", "sluice"),
        ("app.kubernetes.io/instance", job),
        ("app.kubernetes.io/managed-by", "sluice-operator"),
        (JOB, job),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .into();
    if let Some(role) = role {
        labels.insert(ROLE.to_owned(), role.to_owned());
    }
    labels
}
