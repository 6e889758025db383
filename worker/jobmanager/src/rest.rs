//! REST: Flink's paths and fields, with and without the prefix `/v1`. What Flink has no place for is under `sluice`.

mod actions;
mod metrics;
mod programs;
mod views;

use std::{collections::BTreeMap, sync::Arc};

use axum::{
    Json, Router,
    extract::{DefaultBodyLimit, Path, Query, State},
    http::{StatusCode, header},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use model::{ErrorClass, Failure};
use serde_json::{Value, json};
use tokio::net::TcpListener;

use self::actions::Triggers;
pub use self::programs::ProgramCheck;
use crate::{api::JobDetail, handle::Handle};

/// A job graph may be large.
pub(crate) const BODY_BYTES_MAX: usize = 64 * 1024 * 1024;

#[derive(Clone)]
struct Rest {
    handle: Handle,
    triggers: Triggers,
    programs: Arc<dyn ProgramCheck>,
}

/// An error as a response: `{"errors": […]}`.
struct Error(StatusCode, String);

type Answer = Result<Json<Value>, Error>;

impl From<Failure> for Error {
    fn from(failure: Failure) -> Self {
        Self(status_of(failure.class), failure.message)
    }
}

fn status_of(class: ErrorClass) -> StatusCode {
    match class {
        ErrorClass::User => StatusCode::BAD_REQUEST,
        ErrorClass::External => StatusCode::SERVICE_UNAVAILABLE,
        ErrorClass::Data | ErrorClass::Fenced | ErrorClass::Internal => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

impl IntoResponse for Error {
    fn into_response(self) -> Response {
        (self.0, Json(json!({ "errors": [self.1] }))).into_response()
    }
}

/// Serves REST until the listener fails.
///
/// # Errors
/// Class `External` if connections can no longer be accepted.
pub async fn serve_rest(handle: Handle, listener: TcpListener, programs: Arc<dyn ProgramCheck>) -> Result<(), Failure> {
    let served = axum::serve(listener, router(handle, programs)).await;
    served.map_err(|error| Failure::external(format!("REST endpoint: {error}")))
}

/// The routes.
pub(crate) fn router(handle: Handle, programs: Arc<dyn ProgramCheck>) -> Router {
    let api = Router::new()
        .route("/overview", get(overview))
        .route("/config", get(config))
        .route("/jobs", get(jobs).post(actions::submit))
        .route("/jobs/overview", get(jobs_overview))
        .route("/jobs/{id}", get(job).patch(actions::cancel))
        .route("/jobs/{id}/status", get(status))
        .route("/jobs/{id}/metrics", get(job_metrics))
        .route("/jobs/{id}/plan", get(plan))
        .route("/jobs/{id}/exceptions", get(exceptions))
        .route("/jobs/{id}/checkpoints", get(checkpoints).post(actions::checkpoint))
        .route("/jobs/{id}/checkpoints/config", get(checkpoint_config))
        .route("/jobs/{id}/checkpoints/{trigger}", get(actions::checkpoint_status))
        .route("/jobs/{id}/savepoints", post(actions::savepoint))
        .route("/jobs/{id}/savepoints/{trigger}", get(actions::savepoint_status))
        .route("/jobs/{id}/stop", post(actions::stop))
        .route("/jobs/{id}/resource-requirements", get(requirements).put(actions::rescale))
        .route("/taskmanagers", get(taskmanagers))
        .route("/programs/check", post(programs::check).layer(DefaultBodyLimit::max(programs::BODY_BYTES_MAX)));
    Router::new()
        .merge(api.clone())
        .nest("/v1", api)
        .route("/metrics", get(prometheus))
        .route("/healthz", get(health))
        .fallback(async || Error(StatusCode::NOT_FOUND, "no such path".to_owned()))
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
        .with_state(Rest { handle, triggers: Triggers::default(), programs })
}

impl Rest {
    async fn job(&self, id: &str) -> Result<JobDetail, Error> {
        self.handle.job(id).await.map_err(|failure| match failure.class {
            ErrorClass::User => Error(StatusCode::NOT_FOUND, failure.message),
            _ => failure.into(),
        })
    }
}

async fn overview(State(rest): State<Rest>) -> Answer {
    let (jobs, taskmanagers) = (rest.handle.jobs().await?, rest.handle.taskmanagers().await?);
    Ok(Json(views::overview(&jobs, &taskmanagers)))
}

async fn config() -> Json<Value> {
    Json(views::config())
}

async fn jobs(State(rest): State<Rest>) -> Answer {
    let jobs = rest.handle.jobs().await?;
    let jobs: Vec<_> = jobs.iter().map(|job| json!({ "id": job.id, "status": job.status.name() })).collect();
    Ok(Json(json!({ "jobs": jobs })))
}

async fn jobs_overview(State(rest): State<Rest>) -> Answer {
    let jobs = rest.handle.jobs().await?;
    Ok(Json(json!({ "jobs": jobs.iter().map(views::summary).collect::<Vec<_>>() })))
}

async fn job(State(rest): State<Rest>, Path(id): Path<String>) -> Answer {
    Ok(Json(views::job(&rest.job(&id).await?)))
}

async fn status(State(rest): State<Rest>, Path(id): Path<String>) -> Answer {
    Ok(Json(json!({ "status": rest.job(&id).await?.status.name() })))
}

/// With `?get=a,b` their values, else the names that there are.
async fn job_metrics(
    State(rest): State<Rest>,
    Path(id): Path<String>,
    Query(query): Query<BTreeMap<String, String>>,
) -> Answer {
    let metrics = views::metrics(&rest.job(&id).await?);
    let wanted: Option<Vec<&str>> = query.get("get").map(|names| names.split(',').collect());
    let body = metrics.into_iter().filter_map(|(name, value)| match &wanted {
        None => Some(json!({ "id": name })),
        Some(wanted) => wanted.contains(&name).then(|| json!({ "id": name, "value": value.to_string() })),
    });
    Ok(Json(Value::Array(body.collect())))
}

async fn plan(State(rest): State<Rest>, Path(id): Path<String>) -> Answer {
    Ok(Json(json!({ "plan": views::plan(&rest.job(&id).await?) })))
}

async fn exceptions(State(rest): State<Rest>, Path(id): Path<String>) -> Answer {
    Ok(Json(views::exceptions(&rest.job(&id).await?)))
}

async fn checkpoints(State(rest): State<Rest>, Path(id): Path<String>) -> Answer {
    Ok(Json(views::checkpoints(&rest.job(&id).await?.checkpoints)))
}

async fn checkpoint_config(State(rest): State<Rest>, Path(id): Path<String>) -> Answer {
    Ok(Json(views::checkpoint_config(&rest.job(&id).await?.checkpoint_config)))
}

async fn requirements(State(rest): State<Rest>, Path(id): Path<String>) -> Answer {
    Ok(Json(views::requirements(&rest.job(&id).await?)))
}

async fn taskmanagers(State(rest): State<Rest>) -> Answer {
    let taskmanagers = rest.handle.taskmanagers().await?;
    Ok(Json(json!({ "taskmanagers": taskmanagers.iter().map(views::taskmanager).collect::<Vec<_>>() })))
}

async fn prometheus(State(rest): State<Rest>) -> Result<Response, Error> {
    let (jobs, taskmanagers) = (rest.handle.jobs().await?, rest.handle.taskmanagers().await?);
    let text = metrics::render(&jobs, &taskmanagers)?;
    Ok(([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], text).into_response())
}

/// Healthy as long as the service answers.
async fn health(State(rest): State<Rest>) -> Answer {
    rest.handle.taskmanagers().await?;
    Ok(Json(json!({ "status": "ok" })))
}
