//! Restarts, and how long data did not flow. A JobManager counts its own from 0; here they add up over its successors.

use chrono::{DateTime, Utc};

use super::{View, text, time};
use crate::{
    controller::dereference::Engine,
    crd::{CountedStatus, DesiredState, DownCause, DownStatus, FailureStatus, FlinkJobStatus, JobStatus, Phase},
    jobmanager::Job,
};

/// The reason under which a restart is in `lastFailure`.
pub(super) const RESTARTING: &str = "Restarting";

/// Takes note of what the JobManager says, or that it says nothing.
pub(super) fn observe(view: &View<'_>, status: &mut FlinkJobStatus) {
    let is_upgrading = status.upgrade.is_some();
    let Some(started) = status.job.as_mut().filter(|started| started.state == DesiredState::Running) else { return };
    let now = view.facts.now;
    match &view.facts.engine {
        Engine::Job(job) => {
            if let Some(message) = count(job, started, now) {
                let reason = RESTARTING.to_owned();
                let time = text(now);
                status.last_failure = Some(FailureStatus { reason, message, time, ..FailureStatus::default() });
            }
            if job.is_running() {
                flows(job, started, now);
            }
        }
        Engine::Unknown | Engine::Unreachable if view.old.phase == Some(Phase::Running) => {
            started.down.get_or_insert_with(|| DownStatus { cause: DownCause::Unreachable, since: text(now) });
        }
        Engine::Unknown | Engine::Unreachable => {}
    }
    if is_upgrading {
        // This time is the upgrade's.
        started.down = None;
    }
}

/// Adds up. Says why, if the job was restarted since the last look.
fn count(job: &Job, started: &mut JobStatus, now: DateTime<Utc>) -> Option<String> {
    let start_time = time(job.start_time).filter(|_| job.start_time > 0).map(text);
    let is_same = started.start_time == start_time;
    let is_successor = !is_same && started.start_time.is_some();
    let before = started.counted.filter(|_| is_same).unwrap_or_default();
    let counted = CountedStatus { restarts: job.restarts.unwrap_or(0), rescales: job.rescales };
    let restarts = (counted.restarts - before.restarts).max(0) + i64::from(is_successor);
    *started.restarts.get_or_insert_default() += restarts;
    started.counted = Some(counted);
    started.start_time = start_time;
    let cause = if is_successor {
        Some(DownCause::JobManagerFailure)
    } else if restarts > 0 {
        Some(DownCause::TaskFailure)
    } else {
        (counted.rescales > before.rescales).then_some(DownCause::Scale)
    };
    match (cause, started.down.as_mut()) {
        (Some(cause), Some(down)) if down.cause == DownCause::Unreachable => down.cause = cause,
        (Some(cause), None) => started.down = Some(DownStatus { cause, since: text(now) }),
        // It was only slow to answer.
        (None, Some(down)) if down.cause == DownCause::Unreachable => started.down = None,
        _ => {}
    }
    let message = match &job.failure {
        Some(failure) => failure.message.clone(),
        None if is_successor => "the jobmanager was replaced".to_owned(),
        None => "a task failed".to_owned(),
    };
    (restarts > 0).then_some(message)
}

/// Data flows again: writes down how long it did not.
fn flows(job: &Job, started: &mut JobStatus, now: DateTime<Utc>) {
    let Some(down) = started.down.take() else { return };
    let seen = || super::parse(&down.since).map_or(0, |since| (now - since).num_milliseconds().max(0));
    let millis = match down.cause {
        // The JobManager knows better than one who looks now and then.
        DownCause::TaskFailure | DownCause::Scale => job.last_downtime_millis.unwrap_or_else(seen),
        DownCause::JobManagerFailure | DownCause::Unreachable => seen(),
    };
    #[expect(clippy::cast_precision_loss, reason = "a time span of people")]
    let seconds = (millis as f64 / 100.0).round() / 10.0;
    started.downtime_seconds.insert(down.cause.action().to_owned(), seconds);
}
