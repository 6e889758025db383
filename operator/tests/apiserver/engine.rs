//! Stands in for JobManagers: Flink's REST over what the applied Deployments ask for.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

use axum::{
    Json, Router,
    extract::{Path, State},
    http::StatusCode,
    routing::{get, post, put},
};
use k8s_openapi::api::{apps::v1::Deployment, core::v1::ConfigMap};
use kube::{Api, Client};
use serde_json::{Value, json};

/// JobManagers of all jobs of a namespace.
#[derive(Clone)]
pub struct Engine {
    client: Client,
    jobs: Arc<Mutex<BTreeMap<String, Process>>>,
}

/// A JobManager's process, and what is remembered of its predecessors.
#[derive(Clone, Default)]
pub struct Process {
    template: Option<Value>,
    pub id: String,
    pub state: String,
    pub message: Option<String>,
    pub parallelism: i64,
    savepoint: Option<String>,
    operations: BTreeMap<String, String>,
    /// Every start: job id, path, SQL.
    pub starts: Vec<(String, Option<String>, String)>,
    /// Every savepoint: whether it stopped the job.
    pub savepoints: Vec<bool>,
    /// Savepoints stay under way, and started jobs do not run.
    pub is_slow: bool,
    /// Programs that were checked.
    pub checks: usize,
}

type Answer = Result<Json<Value>, StatusCode>;

impl Engine {
    /// Serves JobManagers at `http://…/{namespace}/{name}`; returns the template of their URLs.
    pub async fn serve(client: Client) -> (Self, String) {
        let engine = Self { client, jobs: Arc::default() };
        let job = Router::new()
            .route("/overview", get(overview))
            .route("/programs/check", post(check))
            .route("/jobs/overview", get(jobs))
            .route("/jobs/{id}", get(detail))
            .route("/jobs/{id}/exceptions", get(exceptions))
            .route("/jobs/{id}/resource-requirements", put(require))
            .route("/jobs/{id}/savepoints", post(savepoint))
            .route("/jobs/{id}/stop", post(stop))
            .route("/jobs/{id}/savepoints/{request}", get(operation));
        let router = Router::new().nest("/{namespace}/{name}", job).with_state(engine.clone());
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move { axum::serve(listener, router).await });
        (engine, format!("http://{address}/{{namespace}}/{{name}}"))
    }

    pub fn process(&self, name: &str) -> Process {
        self.jobs.lock().unwrap().get(name).cloned().unwrap_or_default()
    }

    pub fn change(&self, name: &str, change: impl FnOnce(&mut Process)) {
        change(self.jobs.lock().unwrap().entry(name.to_owned()).or_default());
    }

    /// Brings the process to what the Deployment asks for. `None` if there is none.
    async fn sync(&self, namespace: &str, name: &str) -> Option<Process> {
        let deployments = Api::<Deployment>::namespaced(self.client.clone(), namespace);
        let found = deployments.get_opt(&format!("{name}-jobmanager")).await.ok().flatten()?;
        let spec = found.spec?;
        let configs = Api::<ConfigMap>::namespaced(self.client.clone(), namespace);
        let data = configs.get(&format!("{name}-config")).await.ok()?.data?;
        let mut jobs = self.jobs.lock().unwrap();
        let process = jobs.entry(name.to_owned()).or_default();
        if spec.replicas == Some(0) {
            process.template = None;
            return None;
        }
        let template = serde_json::to_value(&spec.template).unwrap();
        if process.template.as_ref() != Some(&template) {
            process.start(template, &data);
        }
        Some(process.clone())
    }

    async fn slots(&self, namespace: &str, name: &str) -> i32 {
        let deployments = Api::<Deployment>::namespaced(self.client.clone(), namespace);
        let found = deployments.get_opt(&format!("{name}-taskmanager")).await.ok().flatten();
        found.and_then(|found| found.spec?.replicas).unwrap_or(0)
    }
}

impl Process {
    fn start(&mut self, template: Value, data: &BTreeMap<String, String>) {
        let volume = &template["spec"]["volumes"][0]["configMap"]["items"];
        let options: BTreeMap<String, String> =
            serde_yaml_ng::from_str(&data[volume[0]["key"].as_str().unwrap()]).unwrap();
        let sql = data[volume[1]["key"].as_str().unwrap()].clone();
        let args = template["spec"]["containers"][0]["args"].as_array().unwrap();
        self.id = args.last().unwrap().as_str().unwrap().to_owned();
        self.parallelism = options["parallelism.default"].parse().unwrap();
        self.state = "RUNNING".to_owned();
        self.message = None;
        if let Some((message, _)) = mistake(&sql, &options) {
            self.state = "FAILED".to_owned();
            self.message = Some(message);
        }
        self.operations.clear();
        self.starts.push((self.id.clone(), options.get("execution.state-recovery.path").cloned(), sql));
        self.template = Some(template);
    }
}

/// What this engine finds wrong with a program, and where.
fn mistake(sql: &str, options: &BTreeMap<String, String>) -> Option<(String, Value)> {
    if let Some(name) = options.keys().find(|name| name.starts_with("no.")) {
        return Some((format!("unknown option {name}"), Value::Null));
    }
    let at = sql.find("no_such_column")? + 1;
    let message = format!("line 1, column {at}: no column no_such_column");
    Some((message, json!({"line": 1, "column": at})))
}

type Job = Path<(String, String)>;
type JobId = Path<(String, String, String)>;

async fn process(engine: &Engine, namespace: &str, name: &str) -> Result<Process, StatusCode> {
    engine.sync(namespace, name).await.ok_or(StatusCode::SERVICE_UNAVAILABLE)
}

async fn overview(State(engine): State<Engine>, Path((namespace, name)): Job) -> Json<Value> {
    Json(json!({"slots-total": engine.slots(&namespace, &name).await}))
}

async fn check(
    State(engine): State<Engine>,
    Path((_, name)): Job,
    Json(body): Json<Value>,
) -> (StatusCode, Json<Value>) {
    engine.change(&name, |process| process.checks += 1);
    let options = serde_json::from_value(body["config"].clone()).unwrap();
    match mistake(body["sql"].as_str().unwrap(), &options) {
        None => (StatusCode::OK, Json(json!({}))),
        Some((message, position)) => {
            let body = json!({"errors": [message], "class": "user", "position": position});
            (StatusCode::BAD_REQUEST, Json(body))
        }
    }
}

async fn jobs(State(engine): State<Engine>, Path((namespace, name)): Job) -> Answer {
    let process = process(&engine, &namespace, &name).await?;
    Ok(Json(json!({"jobs": [{"jid": process.id, "state": process.state}]})))
}

/// As our engine answers; a program that cannot be planned has no detail.
async fn detail(State(engine): State<Engine>, Path((namespace, name, id)): JobId) -> Answer {
    let process = process(&engine, &namespace, &name).await?;
    if process.id != id || process.message.is_some() {
        return Err(StatusCode::NOT_FOUND);
    }
    let is_held = process.is_slow && process.starts.len() > 1 && process.operations.is_empty();
    let state = if is_held { "CREATED" } else { &process.state };
    Ok(Json(json!({
        "state": state,
        "start-time": 1_000_000,
        "vertices": [{"id": "v", "parallelism": process.parallelism}],
        "sluice": {
            "desired-parallelism": process.parallelism,
            "restarts": 0,
            "savepoint": process.savepoint,
            "last-checkpoint": {"id": 1, "path": "s3://b/chk-1", "completed-timestamp": 2_000_000},
        },
    })))
}

async fn exceptions(State(engine): State<Engine>, Path((namespace, name, _)): JobId) -> Answer {
    let process = process(&engine, &namespace, &name).await?;
    let entry = json!({"failureLabels": {"class": "User"}});
    Ok(Json(json!({"root-exception": process.message, "exceptionHistory": {"entries": [entry]}})))
}

async fn require(State(engine): State<Engine>, Path((_, name, _)): JobId, Json(body): Json<Value>) -> Json<Value> {
    let parallelism = body["v"]["parallelism"]["upperBound"].as_i64().unwrap();
    engine.change(&name, |process| process.parallelism = parallelism);
    Json(json!({}))
}

async fn savepoint(State(engine): State<Engine>, Path((namespace, name, _)): JobId, Json(body): Json<Value>) -> Answer {
    begin(&engine, &namespace, &name, &body, body["target-directory"].as_str(), false).await
}

async fn stop(State(engine): State<Engine>, Path((namespace, name, _)): JobId, Json(body): Json<Value>) -> Answer {
    begin(&engine, &namespace, &name, &body, body["targetDirectory"].as_str(), true).await
}

async fn begin(
    engine: &Engine,
    namespace: &str,
    name: &str,
    body: &Value,
    directory: Option<&str>,
    stop: bool,
) -> Answer {
    process(engine, namespace, name).await?;
    let request = body["triggerId"].as_str().ok_or(StatusCode::BAD_REQUEST)?.to_owned();
    engine.change(name, |process| {
        if process.operations.contains_key(&request) {
            return;
        }
        process.savepoints.push(stop);
        let path = format!("{}/sp-{}", directory.unwrap_or_default(), process.savepoints.len());
        if stop {
            process.savepoint = Some(path.clone());
            process.state = "SUSPENDED".to_owned();
        }
        process.operations.insert(request.clone(), path);
    });
    Ok(Json(json!({"request-id": request})))
}

async fn operation(
    State(engine): State<Engine>,
    Path((namespace, name, _, request)): Path<(String, String, String, String)>,
) -> Answer {
    let process = process(&engine, &namespace, &name).await?;
    let path = process.operations.get(&request).ok_or(StatusCode::NOT_FOUND)?;
    if process.is_slow {
        return Ok(Json(json!({"status": {"id": "IN_PROGRESS"}})));
    }
    Ok(Json(json!({"status": {"id": "COMPLETED"}, "operation": {"location": path}})))
}
