//! The TaskManagers. Their pods depend on their own revision only, so a change of the SQL alone leaves them alive.

use std::collections::BTreeMap;

use k8s_openapi::{
    api::{
        apps::v1::Deployment,
        core::v1::{Probe, TCPSocketAction},
    },
    apimachinery::pkg::util::intstr::IntOrString,
};

use super::{Start, config_map, deployment, names};
use crate::controller::validate::{Validated, options::port};

pub(super) fn build(job: &Validated, start: &Start) -> Deployment {
    let args = ["taskmanager", "--config", "/etc/sluice/config.yaml", "--set", "taskmanager.host=$(POD_IP)"];
    let port = TCPSocketAction { port: IntOrString::String("data".to_owned()), host: None };
    let role = deployment::Role {
        role: names::TASKMANAGER,
        name: names::taskmanager(&job.name),
        replicas: start.replicas,
        args: args.map(str::to_owned).to_vec(),
        ports: vec![("data", port::DATA)],
        readiness: Probe { tcp_socket: Some(port), period_seconds: Some(2), ..Probe::default() },
        liveness: None,
        resources: job.spec.task_manager.resources.as_ref(),
        resources_default: ["250m", "512Mi", "1Gi"],
        placement: &job.taskmanager,
        files: vec![(config_map::taskmanager_key(job), "config.yaml")],
        pod_annotations: BTreeMap::new(),
        revision: job.taskmanager_revision.clone(),
    };
    deployment::build(job, role)
}
