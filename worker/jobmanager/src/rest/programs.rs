//! The check of a program that might run here later: SQL and options in, the mistake out. Nothing is run or kept.

#![expect(clippy::disallowed_methods, reason = "owns the thread on which a program is planned, and waits for its end")]

use std::{collections::BTreeMap, sync::Arc};

use axum::{
    Json,
    body::Bytes,
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use model::{ErrorClass, Failure};
use serde::Deserialize;
use serde_json::json;

use super::{Error, Rest, status_of};

/// Text and options of one program; a ConfigMap holds a quarter of it at most.
pub(super) const BODY_BYTES_MAX: usize = 4 * 1024 * 1024;

/// Checks programs as a start does. The engine's implementation plans them.
pub trait ProgramCheck: Send + Sync {
    /// Whether a JobManager of this build would accept the program with these options. It blocks, and changes nothing.
    ///
    /// # Errors
    /// Class `User`: the first mistake, with its position in the SQL if that is known.
    fn check(&self, sql: &str, config: &BTreeMap<String, String>) -> Result<(), Failure>;
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Program {
    sql: String,
    #[serde(default)]
    config: BTreeMap<String, String>,
}

/// `{}` if the program would be accepted, else `{"errors": […], "class": …, "position": …}`.
pub(super) async fn check(State(rest): State<Rest>, bytes: Bytes) -> Response {
    let program: Program = match serde_json::from_slice(&bytes) {
        Ok(program) => program,
        // Not the program's mistake, so it is not answered as one.
        Err(error) => {
            return Error(StatusCode::UNPROCESSABLE_ENTITY, format!("request body: {error}")).into_response();
        }
    };
    let checker = Arc::clone(&rest.programs);
    let checking = tokio::task::spawn_blocking(move || checker.check(&program.sql, &program.config));
    let outcome = checking.await.unwrap_or_else(|error| Err(Failure::internal(format!("check of a program: {error}"))));
    outcome.map_or_else(refusal, |()| Json(json!({})).into_response())
}

fn refusal(failure: Failure) -> Response {
    if failure.class != ErrorClass::User {
        tracing::warn!("a program cannot be checked: {failure}");
    }
    let Failure { class, message, position, .. } = failure;
    (status_of(class), Json(json!({ "errors": [message], "class": class, "position": position }))).into_response()
}
