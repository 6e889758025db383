//! The operator against a real API server, with JobManagers that only answer. Needs SLUICE_TEST_APISERVER_KUBECONFIG.

#![allow(
    clippy::disallowed_methods,
    clippy::panic,
    clippy::print_stderr,
    clippy::unwrap_used,
    reason = "a test panics, prints and waits as it likes"
)]

mod engine;

use std::{sync::Arc, time::Duration};

use engine::Engine;
use k8s_openapi::{
    api::{apps::v1::Deployment, coordination::v1::Lease, core::v1::Namespace, events::v1::Event},
    apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition,
};
use kube::{
    Api, Client, CustomResourceExt, ResourceExt,
    api::{DeleteParams, ListParams, Patch, PatchParams, PostParams},
    config::{KubeConfigOptions, Kubeconfig},
    runtime::{conditions, wait::await_condition},
};
use operator::{
    controller::{self, Options},
    crd::{self, FlinkJob, Phase, UpgradeStep},
    election::Candidate,
    server::Metrics,
};
use serde_json::{Value, json};
use tokio::{task::JoinHandle, time::timeout};

const PATIENCE: Duration = Duration::from_secs(30);

/// One namespace with an operator of its own.
struct Cluster {
    client: Client,
    namespace: String,
    jobs: Api<FlinkJob>,
    engine: Engine,
    options: Options,
    operator: JoinHandle<()>,
}

/// Of the API server that the environment names; none without one.
async fn client() -> Option<Client> {
    let Some(path) = std::env::var_os("SLUICE_TEST_APISERVER_KUBECONFIG") else {
        eprintln!("skipped: SLUICE_TEST_APISERVER_KUBECONFIG is not set");
        return None;
    };
    drop(rustls::crypto::ring::default_provider().install_default());
    let kubeconfig = Kubeconfig::read_from(path).unwrap();
    let mut config = kube::Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await.unwrap();
    config.proxy_url = None;
    let client = Client::try_from(config).unwrap();
    let definitions = Api::<CustomResourceDefinition>::all(client.clone());
    let name = FlinkJob::crd_name();
    let apply = PatchParams::apply("test").force();
    definitions.patch(name, &apply, &Patch::Apply(FlinkJob::crd())).await.unwrap();
    let established = await_condition(definitions, name, conditions::is_crd_established());
    timeout(PATIENCE, established).await.unwrap().unwrap();
    Some(client)
}

fn operator(client: &Client, options: &Options) -> JoinHandle<()> {
    let (client, options) = (client.clone(), options.clone());
    tokio::spawn(async move { controller::run(client, &options, Arc::new(Metrics::default())).await.unwrap() })
}

impl Cluster {
    async fn new(purpose: &str) -> Option<Self> {
        let client = client().await?;
        let namespaces = Api::<Namespace>::all(client.clone());
        let wanted = json!({"metadata": {"generateName": format!("operator-{purpose}-")}});
        let created =
            namespaces.create(&PostParams::default(), &serde_json::from_value(wanted).unwrap()).await.unwrap();
        let namespace = created.name_any();
        let (engine, jobmanager_url) = Engine::serve(client.clone()).await;
        let options = Options { namespace: Some(namespace.clone()), jobmanager_url };
        let operator = operator(&client, &options);
        let jobs = Api::namespaced(client.clone(), &namespace);
        Some(Self { client, namespace, jobs, engine, options, operator })
    }

    async fn create(&self, spec: Value) -> Result<FlinkJob, kube::Error> {
        let job = json!({"apiVersion": "sluice.dev/v1alpha1", "kind": "FlinkJob", "metadata": {"name": "orders"}, "spec": spec});
        self.jobs.create(&PostParams::default(), &serde_json::from_value(job).unwrap()).await
    }

    async fn patch(&self, patch: Value) -> Result<FlinkJob, kube::Error> {
        self.jobs.patch("orders", &PatchParams::default(), &Patch::Merge(patch)).await
    }

    async fn wait(&self, what: &str, is: impl Fn(&FlinkJob) -> bool) -> FlinkJob {
        let condition = |job: Option<&FlinkJob>| job.is_some_and(|job| job.status.is_some() && is(job));
        match timeout(PATIENCE, await_condition(self.jobs.clone(), "orders", condition)).await {
            Ok(found) => found.unwrap().unwrap(),
            Err(_) => panic!("never {what}: {:#?}", self.jobs.get("orders").await.map(|job| job.status)),
        }
    }

    /// Waits until the job as last written is what it is to be.
    async fn ready(&self) -> FlinkJob {
        let generation = self.jobs.get("orders").await.unwrap().metadata.generation;
        self.wait("ready", |job| {
            job.status.as_ref().unwrap().observed_generation == generation && condition(job, "Ready").0
        })
        .await
    }

    async fn replicas(&self, name: &str) -> i32 {
        let api = Api::<Deployment>::namespaced(self.client.clone(), &self.namespace);
        api.get(name).await.unwrap().spec.unwrap().replicas.unwrap()
    }

    /// Reasons and messages.
    async fn events(&self) -> Vec<(String, String)> {
        let api = Api::<Event>::namespaced(self.client.clone(), &self.namespace);
        let list = api.list(&ListParams::default()).await.unwrap();
        list.items.into_iter().filter_map(|event| event.reason.zip(event.note)).collect()
    }

    fn restart_operator(&mut self) {
        self.operator.abort();
        self.operator = operator(&self.client, &self.options);
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        self.operator.abort();
    }
}

fn condition<'a>(job: &'a FlinkJob, kind: &str) -> (bool, &'a str) {
    let conditions = &job.status.as_ref().unwrap().conditions;
    let found = conditions.iter().find(|condition| condition.kind == kind).unwrap();
    (found.status == "True", &found.message)
}

fn phase(job: &FlinkJob) -> Option<Phase> {
    job.status.as_ref().unwrap().phase
}

fn spec() -> Value {
    json!({
        "image": "sluice:test",
        "job": {"sql": {"inline": "SELECT 1"}},
        "taskManager": {"replicas": 2},
        "checkpoint": {"uri": "s3://b/orders"},
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn the_schema_refuses_with_words_that_help() {
    let Some(cluster) = Cluster::new("schema").await else { return };
    let changes = [
        (json!({"job": {"sql": {"inline": "a", "configMapRef": {"name": "a"}}}}), "exactly one of job.sql.inline"),
        (json!({"job": {"sql": {}}}), "exactly one of job.sql.inline"),
        (json!({"taskManager": {"replicas": 0}}), "spec.taskManager.replicas"),
        (json!({"parallelism": 3}), "parallelism needs as many slots"),
        (json!({"maxParallelism": 1}), "must not be above maxParallelism"),
        (json!({"checkpoint": {"uri": "ftp://b"}}), "spec.checkpoint.uri"),
        (json!({"checkpoint": {"uri": "s3://b", "interval": "soon"}}), "spec.checkpoint.interval"),
    ];
    for (change, words) in changes {
        let mut spec = spec();
        spec.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        let error = cluster.create(spec).await.unwrap_err().to_string();
        assert!(error.contains(words), "{change}: {error}");
    }
    let mut without = spec();
    without.as_object_mut().unwrap().remove("checkpoint");
    without["upgrade"] = json!({"mode": "Savepoint"});
    let error = cluster.create(without).await.unwrap_err().to_string();
    assert!(error.contains("needs savepoint.uri or checkpoint.uri"), "{error}");

    cluster.create(spec()).await.unwrap();
    let error = cluster.patch(json!({"spec": {"maxParallelism": 64}})).await.unwrap_err().to_string();
    assert!(error.contains("maxParallelism is immutable"), "{error}");
    cluster.ready().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_lives() {
    let Some(cluster) = Cluster::new("life").await else { return };
    let mut annotated = spec();
    annotated["deletion"] = json!({"savepoint": "BestEffort", "timeout": "20s"});
    let created = cluster.create(annotated).await.unwrap();
    let uid: String = created.uid().unwrap().replace('-', "");
    let job = cluster.ready().await;
    assert_eq!(phase(&job), Some(Phase::Running));
    assert_eq!(cluster.engine.process("orders").starts, [(uid.clone(), None, "SELECT 1".to_owned())]);
    assert_eq!(job.status.unwrap().parallelism, Some(2));

    // A savepoint for each new value of the annotation, and none for an old one.
    for (value, savepoints) in [("a", 1), ("a", 1), ("b", 2)] {
        cluster.patch(json!({"metadata": {"annotations": {crd::SAVEPOINT: value}}})).await.unwrap();
        cluster
            .wait("saved", |job| {
                let saved = job.status.as_ref().unwrap().savepoint.as_ref().unwrap();
                saved.last_handled_trigger.as_deref() == Some(value) && saved.in_progress.is_none()
            })
            .await;
        assert_eq!(cluster.engine.process("orders").savepoints.len(), savepoints);
    }

    // By the scale subresource, as kubectl and autoscalers do.
    for replicas in [4, 1] {
        let patch = Patch::Merge(json!({"spec": {"replicas": replicas}}));
        cluster.jobs.patch_scale("orders", &PatchParams::default(), &patch).await.unwrap();
        cluster
            .wait("rescaled", |job| {
                let status = job.status.as_ref().unwrap();
                status.parallelism == Some(replicas)
                    && status.task_manager.as_ref().unwrap().replicas == replicas
                    && condition(job, "Ready").0
            })
            .await;
        assert_eq!(cluster.replicas("orders-taskmanager").await, replicas);
    }
    assert_eq!(cluster.engine.process("orders").starts.len(), 1, "nothing was replaced");

    cluster.patch(json!({"spec": {"desiredState": "Suspended"}})).await.unwrap();
    let job = cluster.ready().await;
    assert_eq!(phase(&job), Some(Phase::Suspended));
    assert_eq!(cluster.replicas("orders-jobmanager").await, 0);
    assert_eq!(cluster.replicas("orders-taskmanager").await, 0);
    cluster.patch(json!({"spec": {"desiredState": "Running"}})).await.unwrap();
    cluster.ready().await;
    let resumed = cluster.engine.process("orders").starts[1].clone();
    assert_eq!(resumed, (uid.clone(), Some("s3://b/orders/savepoints/sp-3".to_owned()), "SELECT 1".to_owned()));

    cluster.patch(json!({"spec": {"job": {"sql": {"inline": "SELECT 2"}}}})).await.unwrap();
    let job = cluster.ready().await;
    let upgraded = cluster.engine.process("orders").starts[2].clone();
    assert_eq!(upgraded, (uid.clone(), Some("s3://b/orders/savepoints/sp-4".to_owned()), "SELECT 2".to_owned()));
    assert!(job.status.unwrap().job.unwrap().downtime_seconds_last_upgrade.is_some());

    let deleted = cluster.jobs.delete("orders", &DeleteParams::default()).await;
    assert!(deleted.unwrap().is_left(), "the finalizer holds it");
    let gone = await_condition(cluster.jobs.clone(), "orders", |job: Option<&FlinkJob>| job.is_none());
    timeout(PATIENCE, gone).await.unwrap().unwrap();
    assert_eq!(cluster.engine.process("orders").savepoints, [false, false, true, true, true]);
    let events = cluster.events().await;
    for reason in ["Deploying", "Running", "SavepointCompleted", "Scaling", "Suspended", "Upgrading", "Started"] {
        assert!(events.iter().any(|(event, _)| event == reason), "{reason} is not in {events:?}");
    }
    for number in 1..=5 {
        let told = ("SavepointCompleted".to_owned(), format!("s3://b/orders/savepoints/sp-{number}"));
        assert!(events.contains(&told), "{told:?} is not in {events:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mistake_in_the_program_is_in_the_status() {
    let Some(cluster) = Cluster::new("mistake").await else { return };
    let mut wrong = spec();
    wrong["job"]["sql"]["inline"] = json!("SELECT no_such_column");
    cluster.create(wrong).await.unwrap();
    let job = cluster.wait("stalled", |job| condition(job, "Stalled").0).await;
    assert_eq!(condition(&job, "SpecValid"), (false, "line 1, column 8: no column no_such_column"));
    cluster.patch(json!({"spec": {"job": {"sql": {"inline": "SELECT 1"}}}})).await.unwrap();
    let job = cluster.ready().await;
    assert!(condition(&job, "SpecValid").0);
    cluster.patch(json!({"spec": {"config": {"no.such": "option"}}})).await.unwrap();
    let job = cluster.wait("invalid", |job| !condition(job, "SpecValid").0).await;
    assert!(condition(&job, "Running").0);
    assert_eq!(condition(&job, "SpecValid").1, "unknown option no.such");
    assert_eq!(cluster.engine.process("orders").starts.len(), 2);
    assert_eq!(cluster.engine.process("orders").checks, 1);
    // Looked at again, but not asked again.
    cluster.patch(json!({"metadata": {"annotations": {crd::SAVEPOINT: "a"}}})).await.unwrap();
    cluster
        .wait("saved", |job| {
            let saved = job.status.as_ref().unwrap().savepoint.as_ref().unwrap();
            saved.last_handled_trigger.as_deref() == Some("a") && saved.in_progress.is_none()
        })
        .await;
    assert_eq!(cluster.engine.process("orders").checks, 1);
    cluster.patch(json!({"spec": {"config": {"no.such": null}}})).await.unwrap();
    cluster.ready().await;
    assert_eq!(cluster.engine.process("orders").starts.len(), 2, "it runs as it is to");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_edit_with_a_mistake_leaves_the_job_running_and_its_correction_upgrades_it() {
    let Some(cluster) = Cluster::new("edit").await else { return };
    cluster.create(spec()).await.unwrap();
    cluster.ready().await;
    cluster.patch(json!({"spec": {"job": {"sql": {"inline": "SELECT 2, no_such_column"}}}})).await.unwrap();
    let job = cluster.wait("invalid", |job| !condition(job, "SpecValid").0).await;
    assert_eq!(condition(&job, "SpecValid").1, "line 1, column 11: no column no_such_column");
    assert!(condition(&job, "Running").0 && condition(&job, "Stalled").0 && !condition(&job, "Ready").0);
    assert_eq!(phase(&job), Some(Phase::Running));
    let failure = job.status.unwrap().last_failure.unwrap();
    assert_eq!((failure.line, failure.column), (Some(1), Some(11)));
    let process = cluster.engine.process("orders");
    assert_eq!((process.starts.len(), process.savepoints.len(), process.checks), (1, 0, 1));

    cluster.patch(json!({"spec": {"job": {"sql": {"inline": "SELECT 2"}}}})).await.unwrap();
    let job = cluster.ready().await;
    assert!(condition(&job, "SpecValid").0);
    let process = cluster.engine.process("orders");
    assert_eq!((process.starts.len(), process.savepoints, process.checks), (2, vec![true], 2));
    assert_eq!(process.starts[1].2, "SELECT 2");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_job_with_a_wrong_option_stalls_with_the_engines_words() {
    let Some(cluster) = Cluster::new("option").await else { return };
    let mut wrong = spec();
    wrong["config"] = json!({"no.such": "option"});
    cluster.create(wrong).await.unwrap();
    let job = cluster.wait("stalled", |job| condition(job, "Stalled").0).await;
    assert_eq!(condition(&job, "SpecValid"), (false, "unknown option no.such"));
    assert!(!condition(&job, "Running").0 && !condition(&job, "Ready").0);
    cluster.patch(json!({"spec": {"config": {"no.such": null}}})).await.unwrap();
    let job = cluster.ready().await;
    assert!(condition(&job, "SpecValid").0);
    let process = cluster.engine.process("orders");
    assert_eq!((process.starts.len(), process.checks), (2, 0), "a start decides where nothing runs");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_restarted_at_any_step_upgrades_once() {
    let Some(mut cluster) = Cluster::new("restart").await else { return };
    cluster.create(spec()).await.unwrap();
    cluster.ready().await;
    for (number, step) in
        [UpgradeStep::Stopping, UpgradeStep::Replacing, UpgradeStep::Verifying].into_iter().enumerate()
    {
        cluster.engine.change("orders", |process| process.is_slow = step != UpgradeStep::Replacing);
        let text = format!("SELECT {}", number + 2);
        cluster.patch(json!({"spec": {"job": {"sql": {"inline": text}}}})).await.unwrap();
        if step == UpgradeStep::Verifying {
            // The stop may go on, the start may not.
            cluster.wait("stopping", |job| job.status.as_ref().unwrap().upgrade.is_some()).await;
            cluster.engine.change("orders", |process| process.is_slow = false);
            cluster
                .wait("past the stop", |job| {
                    job.status
                        .as_ref()
                        .unwrap()
                        .upgrade
                        .as_ref()
                        .is_none_or(|upgrade| upgrade.step != UpgradeStep::Stopping)
                })
                .await;
            cluster.engine.change("orders", |process| process.is_slow = true);
        } else {
            cluster
                .wait("at the step", |job| {
                    job.status
                        .as_ref()
                        .unwrap()
                        .upgrade
                        .as_ref()
                        .is_some_and(|upgrade| upgrade.step == step || step == UpgradeStep::Replacing)
                })
                .await;
        }
        cluster.restart_operator();
        cluster.engine.change("orders", |process| process.is_slow = false);
        cluster.ready().await;
        let process = cluster.engine.process("orders");
        assert_eq!((process.starts.len(), process.savepoints.len()), (number + 2, number + 1), "at {step:?}");
        let (_, path, sql) = process.starts.last().unwrap();
        assert_eq!(sql, &text);
        assert_eq!(path.as_deref(), Some(format!("s3://b/orders/savepoints/sp-{}", number + 1).as_str()));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_of_two_operators_leads() {
    let Some(cluster) = Cluster::new("lease").await else { return };
    let candidate = |name: &str| Candidate::new(cluster.client.clone(), &cluster.namespace, "lease", name);
    let (mut first, mut second) = (candidate("first"), candidate("second"));
    timeout(PATIENCE, first.acquire()).await.unwrap();
    let leases = Api::<Lease>::namespaced(cluster.client.clone(), &cluster.namespace);
    let holder = || async { leases.get("lease").await.unwrap().spec.unwrap().holder_identity };
    assert_eq!(holder().await.as_deref(), Some("first"));
    let waits = timeout(Duration::from_secs(3), second.acquire()).await;
    assert!(waits.is_err(), "the second must wait");
    first.release().await;
    timeout(PATIENCE, second.acquire()).await.unwrap();
    assert_eq!(holder().await.as_deref(), Some("second"));
}
