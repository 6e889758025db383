//! What is seen, as status: phase, conditions as kstatus reads them, numbers, and events for what changed.

mod restarts;

use std::time::Duration;

use chrono::{DateTime, TimeZone, Utc};
use kube::ResourceExt;

use super::{
    build::names,
    decide::{Decision, Event, text},
    dereference::{Engine, Facts, Program},
    validate,
};
use crate::{
    crd::{
        self, CheckpointStatus, Condition, DesiredState, FailureStatus, FlinkJob, FlinkJobStatus, Phase,
        TaskManagerStatus, UpgradeAction, UpgradeStep,
    },
    jobmanager::{Failure, Job},
};

/// Numbers that change with every checkpoint are written this often at most.
const CHECKPOINT_REFRESH: Duration = Duration::from_secs(60);

/// What a status is made of.
pub(super) struct View<'a> {
    pub(super) resource: &'a FlinkJob,
    pub(super) error: Option<&'a validate::Error>,
    pub(super) facts: &'a Facts,
    pub(super) old: &'a FlinkJobStatus,
}

/// Completes a decision's status with what is seen.
pub(super) fn observe(view: &View<'_>, decision: &mut Decision) {
    let status = &mut decision.status;
    status.observed_generation = view.resource.metadata.generation;
    status.task_manager = Some(TaskManagerStatus {
        replicas: view.facts.taskmanager.as_ref().map_or(0, |workload| workload.replicas),
        ready_replicas: view.facts.taskmanager.as_ref().map_or(0, |workload| workload.ready),
        selector: format!("{}={},{}={}", names::JOB, view.resource.name_any(), names::ROLE, names::TASKMANAGER),
    });
    if let Some(job) = view.facts.job() {
        observe_job(job, status);
    }
    // Until its pods are gone, what answers may be the JobManager of the start before.
    if status.upgrade.as_ref().is_none_or(|upgrade| upgrade.step != UpgradeStep::Replacing) {
        restarts::observe(view, status);
    }
    let phase = phase(view, status);
    status.phase = Some(phase);
    let problem = problem(view, phase, status);
    status.last_failure = last_failure(view, problem.as_ref(), status.last_failure.take());
    status.conditions = conditions(view, phase, problem.as_ref(), status, decision.scaling);
    announce(view, decision);
}

fn observe_job(job: &Job, status: &mut FlinkJobStatus) {
    if job.is_running() {
        status.parallelism = job.parallelism.or(status.parallelism);
    }
    if let Some(checkpoint) = &job.checkpoint {
        let last = status.checkpoint.as_ref().and_then(|last| parse(last.last_completed_time.as_deref()?));
        let now = time(checkpoint.completed);
        // A clock that went back is due, too.
        let age = last.zip(now).and_then(|(last, now)| (now - last).to_std().ok());
        let is_due = age.is_none_or(|age| age >= CHECKPOINT_REFRESH);
        if is_due {
            status.checkpoint = Some(CheckpointStatus {
                last_id: checkpoint.id,
                last_path: checkpoint.path.clone(),
                last_completed_time: now.map(text),
                last_size_bytes: checkpoint.size,
                last_duration_ms: checkpoint.duration,
            });
        }
    }
}

fn time(millis: i64) -> Option<DateTime<Utc>> {
    Utc.timestamp_millis_opt(millis).single()
}

fn parse(text: &str) -> Option<DateTime<Utc>> {
    DateTime::parse_from_rfc3339(text).ok().map(|time| time.to_utc())
}

fn phase(view: &View<'_>, status: &FlinkJobStatus) -> Phase {
    if view.resource.metadata.deletion_timestamp.is_some() {
        return Phase::Deleting;
    }
    if let Some(upgrade) = &status.upgrade {
        return if upgrade.action == UpgradeAction::Deploy { Phase::Deploying } else { Phase::Upgrading };
    }
    let Some(job) = &status.job else {
        let suspended = view.resource.spec.desired_state == DesiredState::Suspended && view.error.is_none();
        return if suspended { Phase::Suspended } else { Phase::Pending };
    };
    if job.state == DesiredState::Suspended {
        return Phase::Suspended;
    }
    let saving = status.savepoint.as_ref().is_some_and(|savepoint| savepoint.in_progress.is_some());
    match &view.facts.engine {
        Engine::Job(job) => match job.state.as_str() {
            "RUNNING" if saving => Phase::Savepointing,
            "RUNNING" => Phase::Running,
            "FINISHED" => Phase::Finished,
            "FAILED" | "CANCELED" | "SUSPENDED" => Phase::Failed,
            _ => Phase::Restarting,
        },
        Engine::Unknown | Engine::Unreachable => match view.old.phase {
            // Its JobManager may go, the result stays.
            Some(phase @ (Phase::Finished | Phase::Failed)) => phase,
            _ => Phase::Restarting,
        },
    }
}

/// What a user has to look at.
#[derive(Default)]
struct Problem {
    reason: String,
    message: String,
    /// Line and column in the job's SQL.
    position: Option<(i64, i64)>,
    pod: Option<String>,
    /// Whether it does not pass by itself.
    stalls: bool,
    /// Whether the spec is at fault.
    spec: bool,
}

impl Problem {
    /// A mistake that the engine found in the program or its options.
    fn of_program(failure: Failure) -> Self {
        let Failure { message, position, .. } = failure;
        let reason = "InvalidProgram".to_owned();
        Self { reason, message, position, stalls: true, spec: true, ..Self::default() }
    }
}

fn problem(view: &View<'_>, phase: Phase, status: &FlinkJobStatus) -> Option<Problem> {
    if let Some(error) = view.error {
        let message = error.to_string();
        return Some(Problem {
            reason: "InvalidSpec".to_owned(),
            message,
            stalls: true,
            spec: true,
            ..Problem::default()
        });
    }
    let upgrade = status.upgrade.as_ref();
    if let Program::Refused(failure) = &view.facts.program
        && upgrade.is_none()
    {
        return Some(Problem::of_program(failure.clone()));
    }
    if let Some(blocked) = upgrade.and_then(|upgrade| upgrade.blocked.clone()) {
        let reason = "UpgradeBlocked".to_owned();
        return Some(Problem { reason, message: blocked, ..Problem::default() });
    }
    if let Some(job) = view.facts.job().filter(|_| upgrade.is_none()) {
        let failure = job.failure.clone().unwrap_or_default();
        if job.state == "FAILED" && failure.is_user() {
            return Some(Problem::of_program(failure));
        }
        if job.state == "FAILED" {
            let Failure { message, position, .. } = failure;
            let reason = "JobFailed".to_owned();
            return Some(Problem { reason, message, position, stalls: true, ..Problem::default() });
        }
        let is_deleted = view.resource.metadata.deletion_timestamp.is_some();
        if matches!(job.state.as_str(), "CANCELED" | "SUSPENDED") && !is_deleted {
            let how = if job.state == "CANCELED" { "canceled" } else { "stopped with a savepoint" };
            let message =
                format!("the job was {how}, not by the operator; a new sluice.dev/restart annotation starts it");
            return Some(Problem { reason: "JobStopped".to_owned(), message, stalls: true, ..Problem::default() });
        }
        if !failure.message.is_empty() && !job.is_running() && !job.is_terminal() {
            let reason = restarts::RESTARTING.to_owned();
            let Failure { message, position, .. } = failure;
            return Some(Problem { reason, message, position, ..Problem::default() });
        }
    }
    if matches!(phase, Phase::Suspended | Phase::Finished | Phase::Failed) {
        return None;
    }
    let pod = view.facts.pods.iter().find(|pod| pod.trouble.is_some())?;
    let (reason, message) = pod.trouble.clone()?;
    let stalls = reason != "Unschedulable";
    Some(Problem { reason, message, pod: Some(pod.name.clone()), stalls, ..Problem::default() })
}

fn last_failure(view: &View<'_>, problem: Option<&Problem>, last: Option<FailureStatus>) -> Option<FailureStatus> {
    let Some(problem) = problem else { return last };
    let is_same = |last: &FailureStatus| last.reason == problem.reason && last.message == problem.message;
    if last.as_ref().is_some_and(is_same) {
        return last;
    }
    Some(FailureStatus {
        reason: problem.reason.clone(),
        message: problem.message.clone(),
        line: problem.position.map(|(line, _)| line),
        column: problem.position.map(|(_, column)| column),
        pod: problem.pod.clone(),
        time: text(view.facts.now),
    })
}

fn conditions(
    view: &View<'_>,
    phase: Phase,
    problem: Option<&Problem>,
    status: &FlinkJobStatus,
    scaling: bool,
) -> Vec<Condition> {
    let paused = view.resource.annotations().get(crd::PAUSE).is_some_and(|value| value == "true");
    let word = format!("{phase:?}");
    let detail = problem.map_or_else(String::new, |problem| problem.message.clone());
    let reason = |otherwise: &str| problem.map_or_else(|| otherwise.to_owned(), |problem| problem.reason.clone());
    let stalled = problem.is_some_and(|problem| problem.stalls);
    let spec_valid = !problem.is_some_and(|problem| problem.spec);
    let reached = match phase {
        Phase::Running | Phase::Savepointing => !scaling && spec_valid,
        Phase::Suspended | Phase::Finished => spec_valid,
        _ => false,
    };
    let ready_reason = match phase {
        Phase::Finished => "Completed".to_owned(),
        _ if scaling && problem.is_none() => "Scaling".to_owned(),
        _ => reason(&word),
    };
    let changing = !reached && !stalled && !paused;
    let reconciling_reason = if paused { "Paused".to_owned() } else { ready_reason.clone() };
    let running = matches!(phase, Phase::Running | Phase::Savepointing) || view.facts.is_running();
    let running_reason = match (&view.facts.engine, running) {
        (_, true) => "Running".to_owned(),
        (Engine::Job(job), false) => camel(&job.state),
        (Engine::Unknown | Engine::Unreachable, false) => word.clone(),
    };
    let spec_reason = if spec_valid { "Valid".to_owned() } else { reason("") };
    let spec_message = if spec_valid { String::new() } else { detail.clone() };
    let list = [
        ("Ready", reached, ready_reason, detail.clone()),
        ("Running", running, running_reason, String::new()),
        ("Reconciling", changing, reconciling_reason, detail.clone()),
        ("Stalled", stalled, reason("Healthy"), if stalled { detail } else { String::new() }),
        ("SpecValid", spec_valid, spec_reason, spec_message),
    ];
    let generation = status.observed_generation.unwrap_or_default();
    list.into_iter()
        .map(|(kind, is, reason, message)| {
            let value = if is { "True" } else { "False" };
            let old = view.old.conditions.iter().find(|old| old.kind == kind && old.status == value);
            Condition {
                kind: kind.to_owned(),
                status: value.to_owned(),
                reason,
                message,
                last_transition_time: old.map_or_else(|| text(view.facts.now), |old| old.last_transition_time.clone()),
                observed_generation: generation,
            }
        })
        .collect()
}

/// Flink's `RESTARTING` as a condition's `Restarting`.
fn camel(state: &str) -> String {
    let mut letters = state.chars();
    letters.next().into_iter().chain(letters.flat_map(char::to_lowercase)).collect()
}

fn announce(view: &View<'_>, decision: &mut Decision) {
    let old = view.old;
    let status = &decision.status;
    let restarts = |status: &FlinkJobStatus| status.job.as_ref().and_then(|job| job.restarts).unwrap_or(0);
    let mut news = Vec::new();
    let failure = status.last_failure.as_ref().filter(|failure| failure.reason != restarts::RESTARTING);
    if old.last_failure != status.last_failure
        && let Some(failure) = failure
    {
        let reason = match failure.reason.as_str() {
            "InvalidSpec" => "InvalidSpec",
            "InvalidProgram" => "InvalidProgram",
            "JobFailed" => "JobFailed",
            "UpgradeBlocked" => "UpgradeBlocked",
            "JobStopped" => "JobStopped",
            _ => "PodFailing",
        };
        news.push(Event { warning: true, reason, message: format!("{}: {}", failure.reason, failure.message) });
    }
    if old.phase != status.phase {
        match status.phase {
            Some(Phase::Running) if old.phase != Some(Phase::Savepointing) => {
                news.push(Event { warning: false, reason: "Running", message: "the job runs".to_owned() });
            }
            Some(Phase::Finished) => {
                news.push(Event { warning: false, reason: "Finished", message: "all input is processed".to_owned() });
            }
            _ => {}
        }
    }
    let is_lost = status.phase == Some(Phase::Restarting) && !matches!(view.facts.engine, Engine::Job(_));
    if is_lost && old.phase != status.phase {
        let message = "the jobmanager does not answer".to_owned();
        news.push(Event { warning: true, reason: "JobManagerLost", message });
    }
    // A rescale restarts tasks, too, but is no failure and not counted.
    if restarts(status) > restarts(old) {
        let why = status.last_failure.as_ref().map_or("a failure", |failure| &failure.message);
        let message = format!("the job restarted, {} times by now: {why}", restarts(status));
        news.push(Event { warning: true, reason: "Restarted", message });
    }
    let is_told = |event: &Event| decision.events.iter().any(|told| told.reason == event.reason);
    let news: Vec<_> = news.into_iter().filter(|event| !is_told(event)).collect();
    decision.events.extend(news);
}
