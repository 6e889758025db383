//! Deletion: a last savepoint if it can be had before the deadline. Children go by their owner reference.

use kube::ResourceExt;

use super::{Action, BUSY, Decision, Event, request_id};
use crate::{
    controller::{dereference::Facts, validate::Validated},
    crd::{self, DeletionStatus, FlinkJob},
    jobmanager::Operation,
};

pub(super) fn decide(resource: &FlinkJob, job: Option<&Validated>, facts: &Facts) -> Decision {
    let status = resource.status.clone().unwrap_or_default();
    let mut decision = Decision::wait(status, BUSY);
    if !resource.finalizers().iter().any(|name| name == crd::FINALIZER) {
        return decision;
    }
    let mut end = |warning: bool, reason: &'static str, message: String| {
        decision.events.push(Event { warning, reason, message });
        decision.actions.push(Action::Finalizer(false));
    };
    let (Some(job), Some(started)) = (job, resource.status.as_ref().and_then(|status| status.job.as_ref())) else {
        end(true, "SavepointSkipped", "the job was never started, or its spec is not valid".to_owned());
        return decision;
    };
    let Some(directory) = job.savepoint_directory.clone() else {
        end(true, "SavepointSkipped", "there is no place for savepoints".to_owned());
        return decision;
    };
    let request = request_id(job, &["deletion", &started.epoch.to_string()]);
    let deleted = resource.metadata.deletion_timestamp.as_ref().map_or(0, |time| time.0.as_millisecond());
    let waited_millis = u128::try_from(facts.now.timestamp_millis() - deleted).unwrap_or(0);
    // Before ours is recorded, the operation that was looked at is another one.
    let operation = if decision.status.deletion.is_some() { &facts.operation } else { &Operation::Unknown };
    match operation {
        Operation::Completed(path) => end(false, "SavepointCompleted", path.clone()),
        Operation::Failed(message) => end(true, "SavepointFailed", message.clone()),
        _ if facts.namespace_terminating => {
            end(true, "SavepointSkipped", "the namespace is being deleted".to_owned());
        }
        _ if waited_millis > job.deletion_timeout.as_millis() => {
            end(true, "SavepointFailed", "no savepoint before deletion.timeout".to_owned());
        }
        Operation::InProgress => {}
        Operation::Unknown if facts.is_running() => {
            let request =
                decision.status.deletion.get_or_insert(DeletionStatus { request_id: request }).request_id.clone();
            let job = started.id.clone();
            decision.actions.push(Action::Savepoint { job, directory, request, stop: true });
        }
        Operation::Unknown => {
            let is_finished = facts.job().is_some_and(|engine| engine.state == "FINISHED");
            end(!is_finished, "SavepointSkipped", "the job is not running".to_owned());
        }
    }
    decision
}
