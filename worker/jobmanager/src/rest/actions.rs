//! What changes something: submit, cancel, stop, snapshots, rescale. Long ones are asynchronous, as in Flink: the answer
//! is an id to ask with.

#![expect(clippy::disallowed_methods, reason = "names requests and jobs")]

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Arc, Mutex, PoisonError},
};

use axum::{
    Json,
    body::Bytes,
    extract::{Path, Query, State},
    http::StatusCode,
};
use graph::JobGraph;
use model::Failure;
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Value, json};
use settings::Settings;

use super::{Answer, Error, Rest};
use crate::api::JobSubmission;

/// Outcomes that are remembered.
const TRIGGERS_MAX: usize = 256;

type Outcome = Option<Result<String, Failure>>;
type Accepted = Result<(StatusCode, Json<Value>), Error>;

/// Asynchronous operations by job and trigger id, the oldest forgotten first.
#[derive(Clone, Default)]
pub(super) struct Triggers {
    known: Arc<Mutex<VecDeque<(String, String, Outcome)>>>,
}

impl Triggers {
    /// Runs an operation and gives it an id.
    fn run(
        &self,
        job: &str,
        id: Option<String>,
        work: impl Future<Output = Result<String, Failure>> + Send + 'static,
    ) -> String {
        let id = id.unwrap_or_else(|| uuid::Uuid::new_v4().simple().to_string());
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.iter().any(|(other, trigger, _)| other == job && *trigger == id) {
            return id;
        }
        known.push_back((job.to_owned(), id.clone(), None));
        if known.len() > TRIGGERS_MAX {
            known.pop_front();
        }
        drop(known);
        let (triggers, key) = (self.clone(), (job.to_owned(), id.clone()));
        tokio::spawn(async move {
            let outcome = work.await;
            let mut known = triggers.known.lock().unwrap_or_else(PoisonError::into_inner);
            let entry = known.iter_mut().find(|(job, trigger, _)| (job, trigger) == (&key.0, &key.1));
            if let Some((_, _, slot)) = entry {
                *slot = Some(outcome);
            }
        });
        id
    }

    fn outcome(&self, job: &str, id: &str) -> Option<Outcome> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.iter().find(|(other, trigger, _)| other == job && trigger == id).map(|(_, _, outcome)| outcome.clone())
    }
}

fn body<T: DeserializeOwned + Default>(bytes: &Bytes) -> Result<T, Error> {
    if bytes.is_empty() {
        return Ok(T::default());
    }
    serde_json::from_slice(bytes).map_err(|error| Error(StatusCode::BAD_REQUEST, format!("request body: {error}")))
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct SubmitBody {
    graph: Value,
    #[serde(default)]
    settings: BTreeMap<String, String>,
    #[serde(default)]
    name: Option<String>,
    #[serde(default)]
    job_id: Option<String>,
    #[serde(default)]
    restore_from: Option<String>,
}

pub(super) async fn submit(State(rest): State<Rest>, bytes: Bytes) -> Accepted {
    let body: SubmitBody = body(&bytes)?;
    let graph = match body.graph {
        Value::String(json) => JobGraph::from_json(&json),
        other => JobGraph::from_json(&other.to_string()),
    };
    let submission = JobSubmission {
        job_id: body.job_id,
        name: body.name,
        graph: graph.map_err(|failure| Error(StatusCode::BAD_REQUEST, failure.message))?,
        settings: Settings::from_map(&body.settings)?,
        restore_from: body.restore_from,
    };
    let id = rest.handle.submit(submission).await?;
    Ok((StatusCode::ACCEPTED, Json(json!({ "jobid": id }))))
}

pub(super) async fn cancel(
    State(rest): State<Rest>,
    Path(id): Path<String>,
    Query(query): Query<BTreeMap<String, String>>,
) -> Accepted {
    rest.job(&id).await?;
    match query.get("mode").map_or("cancel", String::as_str) {
        "cancel" => rest.handle.cancel(&id).await?,
        other => return Err(Error(StatusCode::BAD_REQUEST, format!("mode {other}: only cancel is known"))),
    }
    Ok((StatusCode::ACCEPTED, Json(json!({}))))
}

#[derive(Default, Deserialize)]
struct SavepointBody {
    #[serde(default, rename = "target-directory")]
    directory: Option<String>,
    #[serde(default, rename = "cancel-job")]
    cancel: bool,
    #[serde(default, rename = "triggerId")]
    trigger: Option<String>,
}

fn accepted(trigger: String) -> Accepted {
    Ok((StatusCode::ACCEPTED, Json(json!({ "request-id": trigger }))))
}

pub(super) async fn savepoint(State(rest): State<Rest>, Path(id): Path<String>, bytes: Bytes) -> Accepted {
    let body: SavepointBody = body(&bytes)?;
    rest.job(&id).await?;
    let (handle, job) = (rest.handle.clone(), id.clone());
    accepted(rest.triggers.run(&id, body.trigger, async move {
        if body.cancel {
            handle.stop(&job, false, body.directory).await
        } else {
            handle.savepoint(&job, body.directory).await
        }
    }))
}

#[derive(Default, Deserialize)]
struct StopBody {
    #[serde(default, rename = "targetDirectory")]
    directory: Option<String>,
    #[serde(default)]
    drain: bool,
    #[serde(default, rename = "triggerId")]
    trigger: Option<String>,
}

pub(super) async fn stop(State(rest): State<Rest>, Path(id): Path<String>, bytes: Bytes) -> Accepted {
    let body: StopBody = body(&bytes)?;
    rest.job(&id).await?;
    let (handle, job) = (rest.handle.clone(), id.clone());
    let work = async move { handle.stop(&job, body.drain, body.directory).await };
    accepted(rest.triggers.run(&id, body.trigger, work))
}

pub(super) async fn checkpoint(State(rest): State<Rest>, Path(id): Path<String>) -> Accepted {
    rest.job(&id).await?;
    let (handle, job) = (rest.handle.clone(), id.clone());
    accepted(rest.triggers.run(&id, None, async move { handle.checkpoint(&job).await }))
}

pub(super) async fn savepoint_status(State(rest): State<Rest>, Path((job, trigger)): Path<(String, String)>) -> Answer {
    trigger_status(&rest, &job, &trigger, |location| json!({ "location": location }))
}

pub(super) async fn checkpoint_status(
    State(rest): State<Rest>,
    Path((job, trigger)): Path<(String, String)>,
) -> Answer {
    trigger_status(&rest, &job, &trigger, |location| {
        let name = location.rsplit('/').next().unwrap_or_default();
        let id = name.split('-').nth(1).and_then(|id| id.parse::<u64>().ok());
        json!({ "checkpointId": id, "location": location })
    })
}

fn trigger_status(rest: &Rest, job: &str, trigger: &str, operation: fn(&str) -> Value) -> Answer {
    let unknown = || Error(StatusCode::NOT_FOUND, format!("job {job} has no operation {trigger}"));
    let outcome = rest.triggers.outcome(job, trigger).ok_or_else(unknown)?;
    Ok(Json(match outcome {
        None => json!({ "status": { "id": "IN_PROGRESS" }, "operation": null }),
        Some(Ok(location)) => json!({ "status": { "id": "COMPLETED" }, "operation": operation(&location) }),
        Some(Err(failure)) => json!({
            "status": { "id": "COMPLETED" },
            "operation": { "failure-cause": { "class": failure.class, "stack-trace": failure.message } },
        }),
    }))
}

/// `{"<vertex>": {"parallelism": {"lowerBound": 1, "upperBound": 4}}}`, or `{"parallelism": 4}`. All vertices share the
/// slots, so the highest upper bound counts.
pub(super) async fn rescale(State(rest): State<Rest>, Path(id): Path<String>, bytes: Bytes) -> Answer {
    let body: BTreeMap<String, Value> = body(&bytes)?;
    rest.job(&id).await?;
    let wanted = |value: &Value| value.pointer("/parallelism/upperBound").unwrap_or(value).as_u64();
    let highest = body.values().map(wanted).collect::<Option<Vec<_>>>().and_then(|all| all.into_iter().max());
    let parallelism = highest.and_then(|highest| u32::try_from(highest).ok()).ok_or_else(|| {
        Error(StatusCode::BAD_REQUEST, "request body: names no parallelism.upperBound for its vertices".to_owned())
    })?;
    rest.handle.rescale(&id, parallelism).await?;
    Ok(Json(json!({})))
}
