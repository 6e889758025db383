//! Everything a pass reads: what a resource refers to, its children, and its JobManager.

#![expect(clippy::disallowed_methods, reason = "reads the world, of which the time is a part")]

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use chrono::{DateTime, Utc};
use k8s_openapi::api::{
    apps::v1::Deployment,
    core::v1::{ConfigMap, ContainerStatus, Namespace, Pod as KubePod},
};
use kube::{
    Api, Client, ResourceExt,
    runtime::reflector::{ObjectRef, Store},
};

use super::build::names;
use crate::{
    crd::{DesiredState, FlinkJob},
    jobmanager::{Endpoint, Failure, Job, Operation},
};

/// What was read, and when.
#[derive(Clone, Debug)]
pub struct Facts {
    /// When.
    pub now: DateTime<Utc>,
    /// The program, or why it cannot be had.
    pub sql: Result<String, String>,
    /// The JobManager's Deployment.
    pub jobmanager: Option<Workload>,
    /// The TaskManagers' Deployment.
    pub taskmanager: Option<Workload>,
    /// All pods of the job.
    pub pods: Vec<Pod>,
    /// What the JobManager says.
    pub engine: Engine,
    /// How the savepoint or stop under way goes.
    pub operation: Operation,
    /// Slots of registered TaskManagers.
    pub slots: i32,
    /// Slots in use by the host of their TaskManager; asked for only if TaskManagers are to go.
    pub used_slots: BTreeMap<String, i32>,
    /// Whether the namespace is being deleted.
    pub namespace_terminating: bool,
    /// What the JobManager thinks of the program that is to take the place of the running one.
    pub program: Program,
}

/// What a JobManager thinks of a program.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Program {
    /// It was not asked, or cannot tell: a start will.
    #[default]
    Unchecked,
    /// It would run it.
    Accepted,
    /// It would not, for this reason.
    Refused(Failure),
}

/// What the JobManager says.
#[derive(Clone, Debug, PartialEq)]
pub enum Engine {
    /// It was not asked, or does not answer.
    Unreachable,
    /// It does not know the job.
    Unknown,
    /// It knows the job.
    Job(Box<Job>),
}

/// A Deployment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Workload {
    /// Hash of the children it was applied with.
    pub applied: Option<String>,
    /// Pods asked for.
    pub replicas: i32,
    /// Pods that are ready.
    pub ready: i32,
    /// The image of its pods.
    pub image: Option<String>,
}

/// A pod.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pod {
    /// Its name.
    pub name: String,
    /// `jm` or `tm`.
    pub role: String,
    /// The start that made it, if it is a JobManager.
    pub epoch: Option<String>,
    /// The revision that it runs.
    pub revision: Option<String>,
    /// Its address.
    pub ip: Option<String>,
    /// What its deletion costs when there are too many; the cheapest goes first.
    pub deletion_cost: i32,
    /// Why it does not run, as a word and as a sentence.
    pub trouble: Option<(String, String)>,
}

/// Where children are looked up.
#[derive(Clone, Debug)]
pub struct Stores {
    /// Deployments of all jobs.
    pub deployments: Store<Deployment>,
    /// Pods of all jobs.
    pub pods: Store<KubePod>,
}

impl Stores {
    /// Waits until all children are listed; false if they never will be.
    pub async fn are_ready(&self) -> bool {
        self.deployments.wait_until_ready().await.is_ok() && self.pods.wait_until_ready().await.is_ok()
    }
}

impl Facts {
    /// What the engine knows of the job.
    pub fn job(&self) -> Option<&Job> {
        match &self.engine {
            Engine::Job(job) => Some(job),
            Engine::Unreachable | Engine::Unknown => None,
        }
    }

    /// Whether data flows.
    pub fn is_running(&self) -> bool {
        self.job().is_some_and(Job::is_running)
    }
}

/// Reads all facts of a job. Requests that the JobManager refused count as failed operations.
///
/// # Errors
/// If the API server does not answer. A JobManager that does not answer is a fact, not an error.
pub async fn dereference(
    client: &Client,
    stores: &Stores,
    endpoint: &Endpoint,
    resource: &FlinkJob,
    refused: &HashMap<String, String>,
) -> Result<Facts, kube::Error> {
    let namespace = resource.namespace().unwrap_or_default();
    let name = resource.name_any();
    let workload = |name: String| {
        let found = stores.deployments.get(&ObjectRef::new(&name).within(&namespace));
        found.filter(|found| is_owned(found.as_ref(), resource)).map(|found| Workload::of(&found))
    };
    let is_child =
        |pod: &KubePod| pod.namespace().as_deref() == Some(&namespace) && pod.labels().get(names::JOB) == Some(&name);
    let mut facts = Facts {
        now: Utc::now(),
        sql: sql(client, &namespace, resource).await?,
        jobmanager: workload(names::jobmanager(&name)),
        taskmanager: workload(names::taskmanager(&name)),
        pods: Pod::all(&stores.pods.state_filter(is_child)),
        engine: Engine::Unreachable,
        operation: Operation::Unknown,
        slots: 0,
        used_slots: BTreeMap::new(),
        namespace_terminating: false,
        program: Program::Unchecked,
    };
    if resource.metadata.deletion_timestamp.is_some() {
        facts.namespace_terminating = is_terminating(client, &namespace).await;
    }
    facts.ask(endpoint, resource, refused).await;
    // A JobManager that is just coming up may take a while to answer.
    facts.now = Utc::now();
    Ok(facts)
}

impl Facts {
    async fn ask(&mut self, endpoint: &Endpoint, resource: &FlinkJob, refused: &HashMap<String, String>) {
        let Some(status) = &resource.status else { return };
        let Some(job) = status.job.as_ref().filter(|job| job.state == DesiredState::Running) else { return };
        self.engine = match endpoint.job(&job.id).await {
            Ok(Some(job)) => Engine::Job(Box::new(job)),
            Ok(None) => Engine::Unknown,
            Err(_) => Engine::Unreachable,
        };
        if self.job().is_none() {
            return;
        }
        let stop = status.upgrade.as_ref().and_then(|upgrade| upgrade.request_id.as_ref());
        let last = status.deletion.as_ref().map(|deletion| &deletion.request_id);
        let savepoint = status.savepoint.as_ref().and_then(|savepoint| savepoint.in_progress.as_ref());
        let savepoint = savepoint.map(|request| &request.request_id);
        if let Some(request) = last.or(stop).or(savepoint) {
            let answer = endpoint.operation(&job.id, request).await.unwrap_or(Operation::Unknown);
            self.operation = match (answer, refused.get(request)) {
                (Operation::Unknown, Some(message)) => Operation::Failed(message.clone()),
                (answer, _) => answer,
            };
        }
        let spec = &resource.spec;
        let wanted = spec.parallelism.unwrap_or(spec.task_manager.replicas * spec.task_manager.slots);
        if self.job().is_some_and(|job| job.requirements.values().any(|declared| *declared != wanted)) {
            self.slots = endpoint.slots().await.unwrap_or(0);
        }
        if self.taskmanager.as_ref().is_some_and(|present| present.replicas > spec.task_manager.replicas) {
            self.used_slots = endpoint.used_slots().await.unwrap_or_default();
        }
    }
}

fn is_owned(child: &Deployment, owner: &FlinkJob) -> bool {
    child.owner_references().iter().any(|reference| Some(&reference.uid) == owner.metadata.uid.as_ref())
}

async fn sql(client: &Client, namespace: &str, job: &FlinkJob) -> Result<Result<String, String>, kube::Error> {
    let source = &job.spec.job.sql;
    let Some(reference) = &source.config_map_ref else {
        return Ok(source.inline.clone().ok_or_else(|| "no SQL is given".to_owned()));
    };
    let found = Api::<ConfigMap>::namespaced(client.clone(), namespace).get_opt(&reference.name).await?;
    let Some(found) = found else { return Ok(Err(format!("there is no ConfigMap {}", reference.name))) };
    let text = found.data.and_then(|mut data| data.remove(&reference.key));
    Ok(text.ok_or_else(|| format!("ConfigMap {} has no key {}", reference.name, reference.key)))
}

/// Without the right to read namespaces the answer is no, and deletion keeps to its deadline.
async fn is_terminating(client: &Client, namespace: &str) -> bool {
    let found = Api::<Namespace>::all(client.clone()).get_opt(namespace).await;
    found.ok().flatten().is_some_and(|found| found.metadata.deletion_timestamp.is_some())
}

impl Workload {
    fn of(deployment: &Deployment) -> Self {
        Self {
            applied: deployment.annotations().get(names::APPLIED).cloned(),
            replicas: deployment.spec.as_ref().and_then(|spec| spec.replicas).unwrap_or(1),
            ready: deployment.status.as_ref().and_then(|status| status.ready_replicas).unwrap_or(0),
            image: image(deployment),
        }
    }
}

fn image(deployment: &Deployment) -> Option<String> {
    deployment.spec.as_ref()?.template.spec.as_ref()?.containers.first()?.image.clone()
}

impl Pod {
    /// The JobManager's first: its trouble says most.
    fn all(pods: &[Arc<KubePod>]) -> Vec<Self> {
        let mut pods: Vec<_> = pods.iter().map(|pod| Self::of(pod)).collect();
        pods.sort_by(|a, b| (&a.role, &a.name).cmp(&(&b.role, &b.name)));
        pods
    }

    fn of(pod: &KubePod) -> Self {
        Self {
            name: pod.name_any(),
            role: pod.labels().get(names::ROLE).cloned().unwrap_or_default(),
            epoch: pod.annotations().get(names::EPOCH).cloned(),
            revision: pod.labels().get(names::REVISION).cloned(),
            ip: pod.status.as_ref().and_then(|status| status.pod_ip.clone()),
            deletion_cost: pod.annotations().get(names::DELETION_COST).and_then(|cost| cost.parse().ok()).unwrap_or(0),
            trouble: trouble(pod),
        }
    }
}

fn trouble(pod: &KubePod) -> Option<(String, String)> {
    let status = pod.status.as_ref()?;
    let containers = status.init_container_statuses.iter().chain(&status.container_statuses).flatten();
    let unschedulable = || {
        let mut conditions = status.conditions.iter().flatten();
        let condition = conditions.find(|condition| condition.reason.as_deref() == Some("Unschedulable"))?;
        (condition.status == "False")
            .then(|| ("Unschedulable".to_owned(), condition.message.clone().unwrap_or_default()))
    };
    containers.filter_map(container_trouble).next().or_else(unschedulable)
}

fn container_trouble(status: &ContainerStatus) -> Option<(String, String)> {
    let waiting = status.state.as_ref()?.waiting.as_ref()?;
    let reason = match waiting.reason.as_deref()? {
        "ErrImagePull" | "ImagePullBackOff" | "InvalidImageName" | "ErrImageNeverPull" => "ImagePullBackOff",
        "CrashLoopBackOff" => "CrashLoopBackOff",
        "CreateContainerConfigError" | "CreateContainerError" | "RunContainerError" => "CreateContainerError",
        _ => return None,
    };
    let ended = status.last_state.as_ref().and_then(|state| state.terminated.as_ref());
    if ended.and_then(|ended| ended.reason.as_deref()) == Some("OOMKilled") {
        return Some(("OOMKilled".to_owned(), format!("container {} needs more memory than its limit", status.name)));
    }
    // The kubelet's own message counts seconds and would change at every look.
    let message = match reason {
        "ImagePullBackOff" => format!("image {} cannot be pulled", status.image),
        "CrashLoopBackOff" => format!(
            "container {} exits again and again, last with code {}",
            status.name,
            ended.map_or(0, |ended| ended.exit_code)
        ),
        _ => waiting.message.clone().unwrap_or_default(),
    };
    Some((reason.to_owned(), message))
}
