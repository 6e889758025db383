//! Savepoints on request: the annotation's value is compared with the last one that was acted upon.

use std::time::Duration;

use super::{Action, BUSY, Pass, request_id, since, text};
use crate::{crd::SavepointRequest, jobmanager::Operation};

/// Beyond the engine's own timeout.
const PATIENCE: Duration = Duration::from_secs(30);

/// Whether one is under way.
pub(super) fn is_under_way(pass: &Pass<'_>) -> bool {
    pass.status.savepoint.as_ref().is_some_and(|savepoint| savepoint.in_progress.is_some())
}

/// Looks after the one under way.
pub(super) fn follow(pass: &mut Pass<'_>) {
    let Some(request) = pass.status.savepoint.as_ref().and_then(|savepoint| savepoint.in_progress.clone()) else {
        return;
    };
    match pass.facts.operation.clone() {
        Operation::Completed(path) => {
            finish(pass, &request, None);
            pass.record_savepoint(&path);
            pass.tell("SavepointCompleted", path);
        }
        Operation::Failed(message) => finish(pass, &request, Some(message)),
        Operation::Unknown | Operation::InProgress if expired(pass, &request) => {
            finish(pass, &request, Some("the savepoint did not complete in time".to_owned()));
        }
        Operation::Unknown if pass.facts.is_running() => ask(pass, &request),
        Operation::Unknown if pass.facts.job().is_some_and(crate::jobmanager::Job::is_terminal) => {
            finish(pass, &request, Some("the job stopped before the savepoint completed".to_owned()));
        }
        Operation::Unknown | Operation::InProgress => pass.look_again(BUSY),
    }
}

fn expired(pass: &Pass<'_>, request: &SavepointRequest) -> bool {
    since(pass.facts, &request.started_at) > pass.job.savepoint_timeout + PATIENCE
}

/// Begins one if a new value is there and the job runs.
pub(super) fn begin(pass: &mut Pass<'_>) {
    let Some(trigger) = pass.job.savepoint_trigger.clone() else { return };
    let handled = pass.status.savepoint.as_ref().and_then(|savepoint| savepoint.last_handled_trigger.as_ref());
    if handled == Some(&trigger) || is_under_way(pass) || !pass.facts.is_running() {
        return;
    }
    let epoch = pass.status.job.as_ref().map_or(0, |job| job.epoch).to_string();
    let started_at = text(pass.facts.now);
    let request_id = request_id(pass.job, &["savepoint", &epoch, &trigger, &started_at]);
    let request = SavepointRequest { trigger, request_id, started_at };
    if pass.job.savepoint_directory.is_none() {
        let message = "there is no place for savepoints: give savepoint.uri or checkpoint.uri";
        finish(pass, &request, Some(message.to_owned()));
        return;
    }
    pass.savepoint_status().in_progress = Some(request.clone());
    pass.tell("SavepointTriggered", format!("annotation {}", request.trigger));
    ask(pass, &request);
}

fn ask(pass: &mut Pass<'_>, request: &SavepointRequest) {
    let (Some(started), Some(directory)) = (&pass.status.job, &pass.job.savepoint_directory) else { return };
    let action = Action::Savepoint {
        job: started.id.clone(),
        directory: directory.clone(),
        request: request.request_id.clone(),
        stop: false,
    };
    pass.actions.push(action);
    pass.look_again(BUSY);
}

fn finish(pass: &mut Pass<'_>, request: &SavepointRequest, error: Option<String>) {
    if let Some(error) = &error {
        pass.warn("SavepointFailed", error.clone());
    }
    let savepoint = pass.savepoint_status();
    savepoint.last_handled_trigger = Some(request.trigger.clone());
    savepoint.last_error = error;
    savepoint.in_progress = None;
}
