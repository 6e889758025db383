//! The JobManager: one pod, which a new start replaces.

use k8s_openapi::{
    api::{
        apps::v1::Deployment,
        core::v1::{HTTPGetAction, Probe},
    },
    apimachinery::pkg::util::intstr::IntOrString,
};

use super::{Start, config_map, deployment, names};
use crate::controller::validate::{Validated, options::port};

pub(super) fn build(job: &Validated, start: &Start) -> Deployment {
    let args = ["jobmanager", "--config", "/etc/sluice/config.yaml", "--job", "/etc/sluice/job.sql", "--job-id"];
    let mut args = args.map(str::to_owned).to_vec();
    args.push(start.job_id.clone());
    let health = |period: i32, failures: i32| Probe {
        http_get: Some(HTTPGetAction {
            path: Some("/healthz".to_owned()),
            port: IntOrString::String("rest".to_owned()),
            ..HTTPGetAction::default()
        }),
        period_seconds: Some(period),
        failure_threshold: Some(failures),
        timeout_seconds: Some(3),
        ..Probe::default()
    };
    let role = deployment::Role {
        role: names::JOBMANAGER,
        name: names::jobmanager(&job.name),
        replicas: start.replicas.min(1),
        args,
        ports: vec![("rest", port::REST), ("rpc", port::RPC)],
        readiness: health(1, 3),
        liveness: Some(health(10, 6)),
        resources: job.spec.job_manager.resources.as_ref(),
        resources_default: ["100m", "128Mi", "512Mi"],
        placement: &job.jobmanager,
        files: vec![(config_map::jobmanager_key(job, start), "config.yaml"), (config_map::sql_key(job), "job.sql")],
        pod_annotations: [(names::EPOCH.to_owned(), start.epoch.to_string())].into(),
        revision: job.revision.clone(),
    };
    deployment::build(job, role)
}
