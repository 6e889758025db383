//! What the JobManager's and the TaskManagers' Deployments share: hardened pods with the configuration mounted.

use std::collections::BTreeMap;

use k8s_openapi::{
    api::{
        apps::v1::{Deployment, DeploymentSpec, DeploymentStrategy},
        core::v1::{
            Capabilities, ConfigMapVolumeSource, Container, ContainerPort, EmptyDirVolumeSource, EnvVar, EnvVarSource,
            KeyToPath, LocalObjectReference, ObjectFieldSelector, PodSecurityContext, PodSpec, PodTemplateSpec, Probe,
            ResourceRequirements, SeccompProfile, SecretKeySelector, SecurityContext, Volume, VolumeMount,
        },
    },
    apimachinery::pkg::{
        api::resource::Quantity,
        apis::meta::v1::{LabelSelector, ObjectMeta},
    },
};

use super::{metadata, names, none_if_empty};
use crate::{
    controller::validate::{Placement, Validated},
    crd::Resources,
};

const USER: i64 = 65532;
const GRACE_SECONDS: i64 = 10;
const DIRECTORY: &str = "/etc/sluice";

/// What tells one Deployment from the other.
pub(super) struct Role<'a> {
    pub(super) role: &'static str,
    pub(super) name: String,
    pub(super) replicas: i32,
    pub(super) args: Vec<String>,
    pub(super) ports: Vec<(&'static str, i32)>,
    pub(super) readiness: Probe,
    pub(super) liveness: Option<Probe>,
    pub(super) resources: Option<&'a Resources>,
    /// CPU and memory request, memory limit, if the user gives none.
    pub(super) resources_default: [&'static str; 3],
    pub(super) placement: &'a Placement,
    /// Keys of the ConfigMap and the files they become.
    pub(super) files: Vec<(String, &'static str)>,
    pub(super) pod_annotations: BTreeMap<String, String>,
    pub(super) revision: String,
}

pub(super) fn build(job: &Validated, role: Role<'_>) -> Deployment {
    let selector = names::selector(&job.name, role.role);
    let mut labels = role.placement.labels.clone();
    labels.extend(names::labels(&job.name, Some(role.role)));
    labels.insert(names::REVISION.to_owned(), role.revision.clone());
    let mut annotations = role.placement.annotations.clone();
    annotations.extend(role.pod_annotations.clone());
    let template_metadata =
        ObjectMeta { labels: Some(labels), annotations: none_if_empty(&annotations), ..ObjectMeta::default() };
    Deployment {
        metadata: metadata(job, role.name.clone(), Some(role.role)),
        spec: Some(DeploymentSpec {
            replicas: Some(role.replicas),
            selector: LabelSelector { match_labels: Some(selector), ..LabelSelector::default() },
            // The old pods hold slots and files that the new ones need, and the job is stopped anyway.
            strategy: Some(DeploymentStrategy { type_: Some("Recreate".to_owned()), rolling_update: None }),
            revision_history_limit: Some(0),
            template: PodTemplateSpec { metadata: Some(template_metadata), spec: Some(pod(job, role)) },
            ..DeploymentSpec::default()
        }),
        ..Deployment::default()
    }
}

fn pod(job: &Validated, role: Role<'_>) -> PodSpec {
    let items =
        role.files.iter().map(|(key, path)| KeyToPath { key: key.clone(), path: (*path).to_owned(), mode: None });
    let config = Volume {
        name: "config".to_owned(),
        config_map: Some(ConfigMapVolumeSource {
            name: names::config_map(&job.name),
            items: Some(items.collect()),
            ..ConfigMapVolumeSource::default()
        }),
        ..Volume::default()
    };
    let scratch =
        Volume { name: "tmp".to_owned(), empty_dir: Some(EmptyDirVolumeSource::default()), ..Volume::default() };
    let placement = role.placement;
    let secrets = job.spec.image_pull_secrets.iter().map(|secret| LocalObjectReference { name: secret.name.clone() });
    PodSpec {
        automount_service_account_token: Some(false),
        enable_service_links: Some(false),
        security_context: Some(PodSecurityContext {
            run_as_non_root: Some(true),
            run_as_user: Some(USER),
            run_as_group: Some(USER),
            fs_group: Some(USER),
            seccomp_profile: Some(SeccompProfile { type_: "RuntimeDefault".to_owned(), localhost_profile: None }),
            ..PodSecurityContext::default()
        }),
        termination_grace_period_seconds: Some(GRACE_SECONDS),
        image_pull_secrets: (!job.spec.image_pull_secrets.is_empty()).then(|| secrets.collect()),
        node_selector: none_if_empty(&placement.node_selector),
        tolerations: (!placement.tolerations.is_empty()).then(|| placement.tolerations.clone()),
        affinity: placement.affinity.clone(),
        topology_spread_constraints: (!placement.spread.is_empty()).then(|| placement.spread.clone()),
        priority_class_name: placement.priority_class.clone(),
        volumes: Some(vec![config, scratch]),
        containers: vec![container(job, role)],
        ..PodSpec::default()
    }
}

fn container(job: &Validated, role: Role<'_>) -> Container {
    let port = |(name, number): &(&str, i32)| ContainerPort {
        name: Some((*name).to_owned()),
        container_port: *number,
        protocol: Some("TCP".to_owned()),
        ..ContainerPort::default()
    };
    let mount = |name: &str, path: &str, read_only: Option<bool>| VolumeMount {
        name: name.to_owned(),
        mount_path: path.to_owned(),
        read_only,
        ..VolumeMount::default()
    };
    Container {
        name: "sluice".to_owned(),
        image: Some(job.spec.image.clone()),
        image_pull_policy: job.spec.image_pull_policy.map(|policy| format!("{policy:?}")),
        command: Some(vec!["sluice".to_owned()]),
        args: Some(role.args),
        env: Some(environment(job)),
        ports: Some(role.ports.iter().map(port).collect()),
        readiness_probe: Some(role.readiness),
        liveness_probe: role.liveness,
        resources: Some(resources(role.resources, role.resources_default)),
        volume_mounts: Some(vec![mount("config", DIRECTORY, Some(true)), mount("tmp", "/tmp", None)]),
        security_context: Some(SecurityContext {
            allow_privilege_escalation: Some(false),
            read_only_root_filesystem: Some(true),
            capabilities: Some(Capabilities { drop: Some(vec!["ALL".to_owned()]), add: None }),
            ..SecurityContext::default()
        }),
        ..Container::default()
    }
}

fn environment(job: &Validated) -> Vec<EnvVar> {
    let from_field = |path: &str| EnvVarSource {
        field_ref: Some(ObjectFieldSelector { field_path: path.to_owned(), ..ObjectFieldSelector::default() }),
        ..EnvVarSource::default()
    };
    let mut environment = vec![
        EnvVar { name: "POD_IP".to_owned(), value: None, value_from: Some(from_field("status.podIP")) },
        EnvVar { name: "POD_NAME".to_owned(), value: None, value_from: Some(from_field("metadata.name")) },
    ];
    let credentials = job.spec.checkpoint.as_ref().and_then(|checkpoint| checkpoint.credentials.as_ref());
    if let Some(credentials) = credentials {
        environment.extend(names::CREDENTIALS.map(|key| {
            let selector = SecretKeySelector {
                name: credentials.secret_ref.name.clone(),
                key: key.to_owned(),
                ..SecretKeySelector::default()
            };
            let source = EnvVarSource { secret_key_ref: Some(selector), ..EnvVarSource::default() };
            EnvVar { name: key.to_owned(), value: None, value_from: Some(source) }
        }));
    }
    environment
}

fn resources(given: Option<&Resources>, [cpu, memory, limit]: [&str; 3]) -> ResourceRequirements {
    let quantity = |text: &str| Quantity(text.to_owned());
    let Some(given) = given else {
        return ResourceRequirements {
            requests: Some([("cpu".to_owned(), quantity(cpu)), ("memory".to_owned(), quantity(memory))].into()),
            limits: Some([("memory".to_owned(), quantity(limit))].into()),
            claims: None,
        };
    };
    let convert = |amounts: &BTreeMap<String, crate::crd::Quantity>| {
        let converted: BTreeMap<_, _> =
            amounts.iter().map(|(name, amount)| (name.clone(), quantity(&amount.0))).collect();
        (!converted.is_empty()).then_some(converted)
    };
    ResourceRequirements { requests: convert(&given.requests), limits: convert(&given.limits), claims: None }
}
