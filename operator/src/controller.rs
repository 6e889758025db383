//! The loop around the pure steps: dereference → validate → decide (which builds) → write status → perform.

pub mod apply;
pub mod build;
pub mod decide;
pub mod dereference;
#[cfg(test)]
mod fixture;
mod status;
pub mod validate;

use std::{collections::HashMap, sync::Arc, time::Duration};

use futures::{Stream, StreamExt, TryStreamExt, stream};
use k8s_openapi::api::{apps::v1::Deployment, core::v1::Pod};
use kube::{
    Api, Client, Resource, ResourceExt,
    api::{Patch, PatchParams, PostParams},
    runtime::{
        Config, Predicate, WatchStreamExt, applier,
        controller::{self, Action as Requeue, ReconcileRequest, trigger_self, trigger_with},
        events::{Event as KubeEvent, EventType, Recorder, Reporter},
        predicates, reflector,
        reflector::ObjectRef,
        watcher,
    },
};
use serde_json::json;
use tokio::sync::Mutex;

use crate::{
    crd::{self, FlinkJob},
    jobmanager,
    server::Metrics,
};
use build::names;
use decide::{Action, Decision, Event, program};
use dereference::{Facts, Program, Stores};
use validate::Validated;

/// Jobs that are reconciled at the same time.
const CONCURRENCY: u16 = 16;
/// After an error, and after somebody else's write.
const RETRY: Duration = Duration::from_secs(3);
const RETRY_CONFLICT: Duration = Duration::from_millis(100);
/// Refusals that are remembered until their job looked at them.
const REFUSALS_MAX: usize = 1024;

/// Why a pass ended early.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The API server refused or did not answer.
    #[error("kubernetes: {0}")]
    Kubernetes(#[from] Box<kube::Error>),
    /// The JobManager did not answer.
    #[error(transparent)]
    JobManager(#[from] jobmanager::Error),
}

impl From<kube::Error> for Error {
    fn from(error: kube::Error) -> Self {
        Self::Kubernetes(Box::new(error))
    }
}

impl Error {
    /// Somebody wrote the resource since it was read.
    fn is_conflict(&self) -> bool {
        matches!(self, Self::Kubernetes(error) if matches!(error.as_ref(), kube::Error::Api(status) if status.code == 409))
    }
}

/// How the operator runs.
#[derive(Clone, Debug)]
pub struct Options {
    /// The only namespace that is watched; all if not given.
    pub namespace: Option<String>,
    /// URL of a JobManager, with `{namespace}` and `{name}` to be filled in.
    pub jobmanager_url: String,
}

struct Context {
    client: Client,
    stores: Stores,
    jobmanagers: jobmanager::Client,
    metrics: Arc<Metrics>,
    /// Requests that a JobManager refused, by id, with its words. A restart forgets them and asks again.
    refused: Mutex<HashMap<String, String>>,
    /// What JobManagers said about programs, by the job's uid. A restart forgets it and asks again.
    verdicts: Mutex<HashMap<String, (String, Program)>>,
}

/// Reconciles until the process ends.
///
/// # Errors
/// If the HTTP client cannot be made.
pub async fn run(client: Client, options: &Options, metrics: Arc<Metrics>) -> Result<(), reqwest::Error> {
    let (jobs, job_writer) = reflector::store();
    let (deployments, deployment_writer) = reflector::store();
    let (pods, pod_writer) = reflector::store();
    let children = watcher::Config::default().labels(names::JOB);

    let job_stream = watcher(api::<FlinkJob>(&client, options), watcher::Config::default())
        .default_backoff()
        .reflect(job_writer)
        .applied_objects()
        .predicate_filter(
            predicates::generation.combine(predicates::annotations),
            kube::runtime::PredicateConfig::default(),
        );
    let deployment_stream = watcher(api::<Deployment>(&client, options), children.clone())
        .default_backoff()
        .modify(|deployment| deployment.managed_fields_mut().clear())
        .reflect(deployment_writer)
        .touched_objects();
    let pod_stream = watcher(api::<Pod>(&client, options), children)
        .default_backoff()
        .modify(slim)
        .reflect(pod_writer)
        .touched_objects();
    let queue = stream::select_all([
        trigger_self(job_stream, ()).boxed(),
        trigger_job(deployment_stream).boxed(),
        trigger_job(pod_stream).boxed(),
    ]);
    metrics.watch(jobs.clone());

    let context = Arc::new(Context {
        jobmanagers: jobmanager::Client::new(&options.jobmanager_url)?,
        stores: Stores { deployments, pods },
        client,
        metrics,
        refused: Mutex::default(),
        verdicts: Mutex::default(),
    });
    let reconciler = |job, context| Box::pin(reconcile(job, context));
    applier(reconciler, on_error, context, jobs, queue, Config::default().concurrency(CONCURRENCY))
        .for_each(|result| {
            match result {
                // Such as a definition that is not installed, or a right that is missing.
                Err(controller::Error::QueueError(error)) => tracing::warn!(%error, "watch"),
                Err(error) => tracing::debug!(%error, "pass"),
                Ok(_) => {}
            }
            std::future::ready(())
        })
        .await;
    Ok(())
}

fn api<K>(client: &Client, options: &Options) -> Api<K>
where
    K: Resource<DynamicType = (), Scope = k8s_openapi::NamespaceResourceScope>,
{
    match &options.namespace {
        Some(namespace) => Api::namespaced(client.clone(), namespace),
        None => Api::all(client.clone()),
    }
}

/// Of a pod only its state is of interest.
fn slim(pod: &mut Pod) {
    pod.managed_fields_mut().clear();
    pod.spec = None;
}

/// Children name their job in a label.
fn trigger_job<K, S>(stream: S) -> impl Stream<Item = Result<ReconcileRequest<FlinkJob>, watcher::Error>>
where
    K: Resource,
    S: Stream<Item = Result<K, watcher::Error>>,
{
    trigger_with(stream.into_stream(), |child: K| {
        let job = child.labels().get(names::JOB).map(|name| ObjectRef::<FlinkJob>::new(name));
        job.map(|job| job.within(&child.namespace().unwrap_or_default()))
    })
}

fn on_error(job: Arc<FlinkJob>, error: &Error, context: Arc<Context>) -> Requeue {
    if error.is_conflict() {
        return Requeue::requeue(RETRY_CONFLICT);
    }
    context.metrics.errors.inc();
    tracing::warn!(%error, name = job.name_any(), namespace = job.namespace(), "reconcile");
    Requeue::requeue(RETRY)
}

async fn reconcile(job: Arc<FlinkJob>, context: Arc<Context>) -> Result<Requeue, Error> {
    context.metrics.reconciles.inc();
    let namespace = job.namespace().unwrap_or_default();
    let name = job.name_any();
    let api = Api::<FlinkJob>::namespaced(context.client.clone(), &namespace);
    let mut resource = Arc::unwrap_or_clone(job);
    if is_changing(&resource) {
        // The cache may not have our own last write yet.
        match api.get_opt(&name).await? {
            Some(fresh) => resource = fresh,
            None => return Ok(Requeue::await_change()),
        }
    }
    // Right after a start, children that are not listed yet would look like ones that are gone.
    if !context.stores.are_ready().await {
        return Ok(Requeue::requeue(RETRY));
    }
    let endpoint = context.jobmanagers.of(&namespace, &name);
    let refused = context.refused.lock().await.clone();
    let mut facts = dereference::dereference(&context.client, &context.stores, &endpoint, &resource, &refused).await?;
    let validated = validate::validate(&resource, facts.sql.clone());
    if let Ok(valid) = &validated {
        facts.program = checked(&context, &endpoint, &resource, valid, &facts).await;
    }
    let Decision { status, actions, events, requeue, scaling: _ } =
        decide::decide(&resource, validated.as_ref(), &facts);
    if resource.status.as_ref() != Some(&status) {
        resource.status = Some(status);
        let parameters = PostParams { field_manager: Some(apply::MANAGER.to_owned()), ..PostParams::default() };
        resource = api.replace_status(&name, &parameters, &resource).await?;
    }
    for event in &events {
        tell(&context, &resource, event).await;
    }
    for action in actions {
        perform(&context, &api, &mut resource, &endpoint, action).await?;
    }
    Ok(Requeue::requeue(requeue))
}

/// What the JobManager thinks of the program that is to replace its own. It is asked once for each program.
async fn checked(
    context: &Context,
    endpoint: &jobmanager::Endpoint,
    resource: &FlinkJob,
    job: &Validated,
    facts: &Facts,
) -> Program {
    if !program::is_due(resource, job, facts) {
        context.verdicts.lock().await.remove(&job.uid);
        return Program::Unchecked;
    }
    let key = program::key(resource, job);
    if let Some((_, known)) = context.verdicts.lock().await.get(&job.uid).filter(|(asked, _)| *asked == key) {
        return known.clone();
    }
    let verdict = match endpoint.check(&job.sql, &job.start_options()).await {
        Ok(Ok(())) => Program::Accepted,
        Ok(Err(failure)) => Program::Refused(failure),
        // It may be older than the check, or go away: the next one decides at its start.
        Err(error) => {
            tracing::debug!(%error, name = job.name, namespace = job.namespace, "check of the program");
            return Program::Unchecked;
        }
    };
    let mut verdicts = context.verdicts.lock().await;
    if verdicts.len() >= REFUSALS_MAX {
        verdicts.clear();
    }
    verdicts.insert(job.uid.clone(), (key, verdict.clone()));
    drop(verdicts);
    verdict
}

fn is_changing(job: &FlinkJob) -> bool {
    let Some(status) = &job.status else { return false };
    let saving = status.savepoint.as_ref().is_some_and(|savepoint| savepoint.in_progress.is_some());
    status.upgrade.is_some() || status.deletion.is_some() || saving
}

async fn tell(context: &Context, job: &FlinkJob, event: &Event) {
    let Event { warning, reason, message } = event;
    tracing::info!(name = job.name_any(), namespace = job.namespace(), reason, message);
    let type_ = if *warning { EventType::Warning } else { EventType::Normal };
    let note = message.chars().take(1000).collect();
    let event = KubeEvent {
        type_,
        reason: (*reason).to_owned(),
        note: Some(note),
        action: (*reason).to_owned(),
        secondary: None,
    };
    // A recorder takes events of one reason for repetitions and keeps only the first message, so each has one of its own.
    let reporter = Reporter { controller: apply::MANAGER.to_owned(), instance: None };
    let recorder = Recorder::new(context.client.clone(), reporter);
    // Events are told once and never block.
    if let Err(error) = recorder.publish(&event, &job.object_ref(&())).await {
        tracing::debug!(%error, "event");
    }
}

async fn perform(
    context: &Context,
    api: &Api<FlinkJob>,
    resource: &mut FlinkJob,
    endpoint: &jobmanager::Endpoint,
    action: Action,
) -> Result<(), Error> {
    match action {
        Action::Apply(children) => Ok(apply::apply(&context.client, &children).await?),
        Action::DeletionCost { pod, cost } => deletion_cost(context, resource, &pod, cost).await,
        Action::Finalizer(present) => finalizer(api, resource, present).await,
        Action::Require { job, vertices, parallelism } => Ok(endpoint.require(&job, &vertices, parallelism).await?),
        Action::Savepoint { job, directory, request, stop } => {
            match endpoint.savepoint(&job, &directory, &request, stop).await {
                Ok(answered) if answered == request => Ok(()),
                Ok(answered) => rename_request(api, resource, &request, answered).await,
                Err(jobmanager::Error::Refused { message, .. }) => {
                    let mut refused = context.refused.lock().await;
                    if refused.len() >= REFUSALS_MAX {
                        refused.clear();
                    }
                    refused.insert(request, message);
                    Ok(())
                }
                Err(error) => Err(error.into()),
            }
        }
    }
}

/// A pod that is gone by now needs none.
async fn deletion_cost(context: &Context, resource: &FlinkJob, pod: &str, cost: i32) -> Result<(), Error> {
    let namespace = resource.namespace().unwrap_or_default();
    let patch = json!({"metadata": {"annotations": {names::DELETION_COST: cost.to_string()}}});
    let pods = Api::<Pod>::namespaced(context.client.clone(), &namespace);
    match pods.patch(pod, &PatchParams::default(), &Patch::Merge(patch)).await {
        Ok(_) => Ok(()),
        Err(kube::Error::Api(status)) if status.code == 404 => Ok(()),
        Err(error) => Err(error.into()),
    }
}

async fn finalizer(api: &Api<FlinkJob>, resource: &mut FlinkJob, present: bool) -> Result<(), Error> {
    let mut finalizers = resource.finalizers().to_vec();
    finalizers.retain(|name| name != crd::FINALIZER);
    if present {
        finalizers.push(crd::FINALIZER.to_owned());
    }
    let metadata = json!({"finalizers": finalizers, "resourceVersion": resource.resource_version()});
    let patch = Patch::Merge(json!({"metadata": metadata}));
    *resource = api.patch(&resource.name_any(), &PatchParams::default(), &patch).await?;
    Ok(())
}

/// A JobManager that gives ids of its own has the last word on them.
async fn rename_request(api: &Api<FlinkJob>, job: &mut FlinkJob, ours: &str, theirs: String) -> Result<(), Error> {
    let Some(status) = job.status.as_mut() else { return Ok(()) };
    let saving = status.savepoint.as_mut().and_then(|savepoint| savepoint.in_progress.as_mut());
    let places = [
        status.upgrade.as_mut().and_then(|upgrade| upgrade.request_id.as_mut()),
        saving.map(|request| &mut request.request_id),
        status.deletion.as_mut().map(|deletion| &mut deletion.request_id),
    ];
    for place in places.into_iter().flatten().filter(|place| *place == ours) {
        place.clone_from(&theirs);
    }
    *job = api.replace_status(&job.name_any(), &PostParams::default(), job).await?;
    Ok(())
}
