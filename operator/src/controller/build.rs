//! The children of a job: a ConfigMap, a Service and two Deployments. Pure; a file for each kind.

mod config_map;
mod deployment;
mod jobmanager;
pub mod names;
mod service;
mod taskmanager;

use std::collections::BTreeMap;

use k8s_openapi::{
    api::{
        apps::v1::Deployment,
        core::v1::{ConfigMap, Service},
    },
    apimachinery::pkg::apis::meta::v1::ObjectMeta,
};

use crate::{controller::validate::Validated, hash};

/// What a start decides.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Start {
    /// The job's id on the JobManager.
    pub job_id: String,
    /// Which start of the job it is.
    pub epoch: i64,
    /// The snapshot to start from, unless the job id has newer checkpoints.
    pub restore_path: Option<String>,
    /// Pods of TaskManagers; 0 stands for a suspended job, which has no JobManager either.
    pub replicas: i32,
}

/// All children.
#[derive(Clone, Debug, PartialEq)]
pub struct Children {
    /// Configuration and SQL.
    pub config_map: ConfigMap,
    /// The JobManager's address.
    pub service: Service,
    /// The JobManager.
    pub jobmanager: Deployment,
    /// The TaskManagers.
    pub taskmanager: Deployment,
    /// Hash of them all, also on both Deployments.
    pub hash: String,
}

/// Builds the children.
pub fn build(job: &Validated, start: &Start) -> Children {
    let mut children = Children {
        config_map: config_map::build(job, start),
        service: service::build(job),
        jobmanager: jobmanager::build(job, start),
        taskmanager: taskmanager::build(job, start),
        hash: String::new(),
    };
    let texts = [
        serde_json::to_string(&children.config_map),
        serde_json::to_string(&children.service),
        serde_json::to_string(&children.jobmanager),
        serde_json::to_string(&children.taskmanager),
    ];
    children.hash = hash::short(texts.iter().flatten());
    for deployment in [&mut children.jobmanager, &mut children.taskmanager] {
        let annotations = deployment.metadata.annotations.get_or_insert_default();
        annotations.insert(names::APPLIED.to_owned(), children.hash.clone());
    }
    children
}

fn metadata(job: &Validated, name: String, role: Option<&str>) -> ObjectMeta {
    let mut labels = names::labels(&job.name, role);
    labels.insert(names::REVISION.to_owned(), job.revision.clone());
    ObjectMeta {
        name: Some(name),
        namespace: Some(job.namespace.clone()),
        labels: Some(labels),
        owner_references: Some(vec![job.owner.clone()]),
        ..ObjectMeta::default()
    }
}

fn none_if_empty(map: &BTreeMap<String, String>) -> Option<BTreeMap<String, String>> {
    (!map.is_empty()).then(|| map.clone())
}

#[cfg(test)]
mod tests;
