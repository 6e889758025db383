//! Changes that replace pods, as steps: Stopping → Replacing → Verifying.
//!
//! `begin` records what is to happen; `advance` enters the recorded step. What the next start restores is decided once,
//! when Stopping is left, and is then part of `status.job`. Under the same job id a JobManager goes on from the job's
//! last checkpoint, or from a path that no earlier start of that id has used; it fences off older JobManagers either way.
//! A new id starts from the given path, or empty: only Stateless, and the rerun of a finished job, do the latter.

use std::time::Duration;

use super::{Action, BUSY, Pass, action_name, job_id, request_id, since, text};
use crate::{
    controller::{build::names, dereference::Engine},
    crd::{DesiredState, Fallback, JobStatus, RestoreSpec, UpgradeAction, UpgradeMode, UpgradeStatus, UpgradeStep},
    jobmanager::{Job, Operation},
};

/// How long a job that does not run may take to run again before it is not waited for.
const NOT_RUNNING_GRACE: Duration = Duration::from_secs(10);
/// How long a JobManager may take to answer before it is not waited for.
const UNREACHABLE_GRACE: Duration = Duration::from_secs(20);
/// Beyond the engine's own timeout.
const PATIENCE: Duration = Duration::from_secs(30);
/// Between two attempts at a savepoint.
const RETRY: Duration = Duration::from_secs(10);
/// The slowest look at a change that takes long.
const POLL_MAX: Duration = Duration::from_secs(10);

/// What the next start restores.
enum Source {
    /// The savepoint that the job was just stopped with.
    Savepoint(String),
    /// The job's last checkpoint.
    LastState,
    /// A named snapshot or nothing, under a new job id.
    NewJob(Option<String>),
}

/// Records a change if the spec asks for one.
pub(super) fn begin(pass: &mut Pass<'_>) {
    let Some((action, step)) = wanted(pass) else { return };
    let started = pass.status.job.clone().unwrap_or_default();
    let now = text(pass.facts.now);
    let was_flowing = pass.facts.is_running() && step == UpgradeStep::Stopping;
    pass.status.upgrade = Some(UpgradeStatus {
        action,
        step,
        to_generation: pass.job.generation,
        from_revision: (!started.revision.is_empty()).then(|| started.revision.clone()),
        to_revision: pass.job.revision.clone(),
        mode: pass.job.mode,
        request_id: None,
        directory: None,
        attempts: 0,
        restore_path: None,
        blocked: None,
        stopped_at: (!was_flowing).then(|| now.clone()),
        started_at: now,
    });
    let (reason, message) = match action {
        UpgradeAction::Deploy => ("Deploying", format!("revision {}", pass.job.revision)),
        UpgradeAction::Upgrade => ("Upgrading", format!("revision {} -> {}", started.revision, pass.job.revision)),
        UpgradeAction::Suspend => ("Suspending", "desiredState is Suspended".to_owned()),
        UpgradeAction::Resume => ("Resuming", "desiredState is Running".to_owned()),
        UpgradeAction::Restore => ("Restoring", "restoreFrom.nonce changed".to_owned()),
    };
    pass.tell(reason, message);
    if step == UpgradeStep::Replacing {
        start(pass, action);
    }
}

fn new_restore<'a>(pass: &'a Pass<'_>, started: &JobStatus) -> Option<&'a RestoreSpec> {
    let restore = pass.job.spec.restore_from.as_ref()?;
    // The nonce of a restoreFrom that came after the first start counts as changed only if it is not the default.
    (restore.nonce != started.restore_nonce.unwrap_or_default()).then_some(restore)
}

fn wanted(pass: &Pass<'_>) -> Option<(UpgradeAction, UpgradeStep)> {
    let Some(started) = &pass.status.job else {
        return pass.job.is_wanted().then_some((UpgradeAction::Deploy, UpgradeStep::Replacing));
    };
    match (started.state, pass.job.is_wanted()) {
        (DesiredState::Suspended, false) => None,
        (DesiredState::Suspended, true) => Some((UpgradeAction::Resume, UpgradeStep::Replacing)),
        (DesiredState::Running, false) => Some((UpgradeAction::Suspend, UpgradeStep::Stopping)),
        (DesiredState::Running, true) if new_restore(pass, started).is_some() => {
            Some((UpgradeAction::Restore, UpgradeStep::Stopping))
        }
        (DesiredState::Running, true) => {
            (started.revision != pass.job.revision).then_some((UpgradeAction::Upgrade, UpgradeStep::Stopping))
        }
    }
}

/// Enters the recorded step, and the next ones as far as the facts allow.
pub(super) fn advance(pass: &mut Pass<'_>) {
    let began = pass.status.upgrade.as_ref().map(|upgrade| upgrade.started_at.clone()).unwrap_or_default();
    let elapsed = since(pass.facts, &began);
    pass.look_again((elapsed / 20).clamp(BUSY, POLL_MAX));
    loop {
        let Some(upgrade) = pass.status.upgrade.clone() else { return };
        let goes_on = match upgrade.step {
            UpgradeStep::Stopping => stop(pass, upgrade, elapsed),
            UpgradeStep::Replacing => replace(pass, &upgrade),
            UpgradeStep::Verifying => verify(pass, &upgrade),
        };
        if !goes_on {
            return;
        }
    }
}

// Stopping

fn stop(pass: &mut Pass<'_>, mut upgrade: UpgradeStatus, elapsed: Duration) -> bool {
    if let Some(source) = source(pass, &mut upgrade, elapsed) {
        pass.status.upgrade = Some(upgrade);
        leave_stopping(pass, source);
        return true;
    }
    // A change that cannot go on may be taken back.
    let is_taken_back = upgrade.blocked.is_some() && upgrade.request_id.is_none() && wanted(pass).is_none();
    pass.status.upgrade = (!is_taken_back).then_some(upgrade);
    false
}

/// What the next start restores, once that is known. Asks for the savepoint on the way.
fn source(pass: &mut Pass<'_>, upgrade: &mut UpgradeStatus, elapsed: Duration) -> Option<Source> {
    if upgrade.action == UpgradeAction::Restore {
        let restore = pass.job.spec.restore_from.as_ref();
        return Some(restore.map_or(Source::LastState, |restore| Source::NewJob(Some(restore.path.clone()))));
    }
    let is_asked = upgrade.request_id.is_some();
    if let Some(source) = pass.facts.job().and_then(ended) {
        return Some(source);
    }
    if !is_asked {
        upgrade.mode = mode(pass);
    }
    match upgrade.mode {
        UpgradeMode::Stateless => Some(Source::NewJob(None)),
        UpgradeMode::LastState => Some(Source::LastState),
        UpgradeMode::Savepoint => with_savepoint(pass, upgrade, elapsed),
    }
}

/// What a job restores that has ended without failing. Under its own id it would stay ended.
fn ended(job: &Job) -> Option<Source> {
    match job.state.as_str() {
        // Also when the answer to our request was lost.
        "SUSPENDED" => job.savepoint.clone().map(Source::Savepoint),
        "FINISHED" => Some(Source::NewJob(None)),
        "CANCELED" => Some(Source::NewJob(job.checkpoint.as_ref().and_then(|checkpoint| checkpoint.path.clone()))),
        _ => None,
    }
}

/// The last checkpoint is found by the new job only where the old one put it.
fn mode(pass: &Pass<'_>) -> UpgradeMode {
    match pass.job.mode {
        UpgradeMode::LastState if !keeps_checkpoints(pass) => UpgradeMode::Savepoint,
        mode => mode,
    }
}

fn keeps_checkpoints(pass: &Pass<'_>) -> bool {
    let now = pass.job.spec.checkpoint.as_ref().map(|checkpoint| &checkpoint.uri);
    let before = pass.status.job.as_ref().and_then(|job| job.checkpoint_uri.as_ref());
    before.is_none() || before == now
}

fn with_savepoint(pass: &mut Pass<'_>, upgrade: &mut UpgradeStatus, elapsed: Duration) -> Option<Source> {
    let operation = if upgrade.request_id.is_some() { pass.facts.operation.clone() } else { Operation::Unknown };
    match operation {
        Operation::Completed(path) => Some(Source::Savepoint(path)),
        Operation::Failed(message) => savepoint_failed(pass, upgrade, &message),
        Operation::InProgress if elapsed > pass.job.savepoint_timeout + PATIENCE => {
            savepoint_failed(pass, upgrade, "the savepoint did not complete in time")
        }
        Operation::InProgress => None,
        Operation::Unknown => ask_or_fall_back(pass, upgrade, elapsed),
    }
}

fn ask_or_fall_back(pass: &mut Pass<'_>, upgrade: &mut UpgradeStatus, elapsed: Duration) -> Option<Source> {
    let engine = pass.facts.job().cloned();
    match engine {
        Some(engine) if engine.is_running() => {
            ask(pass, upgrade);
            None
        }
        Some(engine) if engine.is_terminal() => fall_back(pass, upgrade, &format!("the job is {}", engine.state)),
        Some(engine) if elapsed > NOT_RUNNING_GRACE => {
            fall_back(pass, upgrade, &format!("the job is {}", engine.state))
        }
        None if elapsed > UNREACHABLE_GRACE || is_in_trouble(pass) => {
            fall_back(pass, upgrade, "the jobmanager does not answer")
        }
        Some(_) | None => None,
    }
}

fn is_in_trouble(pass: &Pass<'_>) -> bool {
    let mut jobmanagers = pass.facts.pods.iter().filter(|pod| pod.role == names::JOBMANAGER);
    pass.facts.jobmanager.is_none() || jobmanagers.any(|pod| pod.trouble.is_some())
}

fn ask(pass: &mut Pass<'_>, upgrade: &mut UpgradeStatus) {
    let Some(started) = &pass.status.job else { return };
    let Some(directory) = upgrade.directory.clone().or_else(|| pass.job.savepoint_directory.clone()) else {
        upgrade.blocked = Some("there is no place for a savepoint: give savepoint.uri or checkpoint.uri".to_owned());
        return;
    };
    let number = format!("{}-{}", started.epoch, upgrade.attempts);
    let ours = request_id(pass.job, &["stop", &upgrade.started_at, &number]);
    let request = upgrade.request_id.get_or_insert(ours).clone();
    upgrade.directory = Some(directory.clone());
    upgrade.blocked = None;
    pass.actions.push(Action::Savepoint { job: started.id.clone(), directory, request, stop: true });
}

/// A running job that has no checkpoint would lose its state, so it is left running.
fn savepoint_failed(pass: &mut Pass<'_>, upgrade: &mut UpgradeStatus, message: &str) -> Option<Source> {
    let engine = pass.facts.job();
    let has_checkpoint = engine.is_some_and(|engine| engine.checkpoint.is_some()) || pass.status.checkpoint.is_some();
    let may_fall_back = has_checkpoint || !pass.facts.is_running();
    if pass.status.savepoint.as_ref().and_then(|savepoint| savepoint.last_error.as_deref()) != Some(message) {
        pass.warn("SavepointFailed", message);
        pass.savepoint_status().last_error = Some(message.to_owned());
    }
    if may_fall_back && pass.job.spec.upgrade.fallback == Fallback::LastState && keeps_checkpoints(pass) {
        return Some(Source::LastState);
    }
    upgrade.attempts += 1;
    upgrade.request_id = None;
    upgrade.started_at = text(pass.facts.now);
    upgrade.blocked =
        Some(format!("no savepoint: {message}; it is tried again, or set upgrade.mode: Stateless to drop the state"));
    pass.requeue = RETRY;
    None
}

fn fall_back(pass: &mut Pass<'_>, upgrade: &mut UpgradeStatus, why: &str) -> Option<Source> {
    let never_had_state = pass.status.checkpoint.is_none()
        && pass.facts.job().is_some_and(|engine| engine.checkpoint.is_none() && engine.state == "FAILED");
    // A start whose JobManager was never seen, or could not plan the program, has made nothing newer than what it was to
    // restore.
    let never_started = match pass.facts.job() {
        Some(engine) => engine.state == "FAILED" && engine.parallelism.is_none(),
        None => pass.status.job.as_ref().is_some_and(|started| started.start_time.is_none()),
    };
    let is_allowed = pass.job.spec.upgrade.fallback == Fallback::LastState && keeps_checkpoints(pass);
    if is_allowed || never_had_state || never_started {
        return Some(Source::LastState);
    }
    let what = if keeps_checkpoints(pass) {
        "set upgrade.fallback: LastState to start from the last checkpoint"
    } else {
        "set checkpoint.uri back, or upgrade.mode: Stateless to drop the state"
    };
    let blocked = format!("no savepoint can be taken: {why}; {what}");
    if upgrade.blocked.is_none() {
        pass.warn("UpgradeBlocked", blocked.clone());
    }
    upgrade.blocked = Some(blocked);
    upgrade.request_id = None;
    None
}

fn leave_stopping(pass: &mut Pass<'_>, source: Source) {
    let uid = pass.job.uid.clone();
    let now = text(pass.facts.now);
    let latest = pass.facts.job().and_then(|engine| engine.checkpoint.as_ref()?.path.clone());
    let (Some(upgrade), Some(started)) = (pass.status.upgrade.as_mut(), pass.status.job.as_mut()) else { return };
    upgrade.step = UpgradeStep::Replacing;
    upgrade.blocked = None;
    upgrade.stopped_at.get_or_insert(now);
    let action = upgrade.action;
    match source {
        Source::Savepoint(path) => {
            upgrade.restore_path = Some(path.clone());
            started.restore_path = Some(path.clone());
            pass.record_savepoint(&path);
            pass.tell("SavepointCompleted", path);
        }
        // The JobManager looks for the newest one itself; this is for the reader.
        Source::LastState => upgrade.restore_path = latest.or_else(|| started.restore_path.clone()),
        Source::NewJob(path) => {
            started.id = job_id(&uid, started.epoch + 1);
            upgrade.restore_path.clone_from(&path);
            started.restore_path = path;
        }
    }
    start(pass, action);
}

/// Writes down the next start. A suspended job's comes later.
fn start(pass: &mut Pass<'_>, action: UpgradeAction) {
    let restore = pass.job.spec.restore_from.clone();
    let first = pass.status.job.is_none();
    let started = pass.status.job.get_or_insert_default();
    let is_new = restore.as_ref().is_some_and(|restore| restore.nonce != started.restore_nonce.unwrap_or_default());
    if action == UpgradeAction::Suspend {
        return;
    }
    started.epoch += 1;
    if first {
        started.id = job_id(&pass.job.uid, 1);
    }
    if let Some(restore) = restore.filter(|_| first || is_new) {
        started.restore_nonce = Some(restore.nonce);
        started.restore_path = Some(restore.path);
        started.id = job_id(&pass.job.uid, started.epoch);
    }
    started.state = DesiredState::Running;
    started.start_time = None;
}

// Replacing

fn replace(pass: &mut Pass<'_>, upgrade: &UpgradeStatus) -> bool {
    let is_suspension = upgrade.action == UpgradeAction::Suspend;
    let uri = pass.job.spec.checkpoint.as_ref().map(|checkpoint| checkpoint.uri.clone());
    let Some(started) = pass.status.job.as_mut() else { return false };
    if !is_suspension {
        // A spec that changed once more is what gets built.
        started.revision.clone_from(&pass.job.revision);
        started.checkpoint_uri = uri;
    }
    let started = started.clone();
    if let Some(upgrade) = pass.status.upgrade.as_mut() {
        upgrade.to_revision.clone_from(&pass.job.revision);
        upgrade.to_generation = pass.job.generation;
    }
    let replicas = if is_suspension { 0 } else { pass.job.replicas() };
    if !pass.keep_applied(&started, replicas) || old_pods(pass, &started, is_suspension) {
        return false;
    }
    if is_suspension {
        suspended(pass, upgrade);
        return false;
    }
    if let Some(upgrade) = pass.status.upgrade.as_mut() {
        upgrade.step = UpgradeStep::Verifying;
    }
    true
}

/// Whether pods of an earlier start are still there: until they are gone, what answers may be the old JobManager.
fn old_pods(pass: &Pass<'_>, started: &JobStatus, all: bool) -> bool {
    let epoch = started.epoch.to_string();
    pass.facts.pods.iter().any(|pod| {
        let is_old = pod.epoch.as_ref() != Some(&epoch) || pod.revision.as_ref() != Some(&started.revision);
        all || (pod.role == names::JOBMANAGER && is_old)
    })
}

fn suspended(pass: &mut Pass<'_>, upgrade: &UpgradeStatus) {
    let path = upgrade.restore_path.clone();
    if let Some(started) = pass.status.job.as_mut() {
        started.state = DesiredState::Suspended;
        started.start_time = None;
    }
    pass.status.upgrade = None;
    pass.tell("Suspended", path.map_or_else(|| "nothing to restore".to_owned(), |path| format!("restores {path}")));
}

// Verifying

fn verify(pass: &mut Pass<'_>, upgrade: &UpgradeStatus) -> bool {
    let started = pass.status.job.clone().unwrap_or_default();
    if started.revision != pass.job.revision || !pass.job.is_wanted() {
        // A newer spec, or none: the start under way counts as one that is not waited for.
        pass.status.upgrade = None;
        begin(pass);
        return pass.status.upgrade.is_some();
    }
    let replicas = pass.job.replicas();
    pass.keep_applied(&started, replicas);
    match &pass.facts.engine {
        Engine::Job(job) if job.is_running() || job.state == "FINISHED" => {
            complete(pass, upgrade);
            true
        }
        // The old JobManager stopped the job with a savepoint before it went, and could not say so.
        Engine::Job(job)
            if job.state == "SUSPENDED" && job.savepoint.is_some() && job.savepoint != started.restore_path =>
        {
            leave_stopping(pass, Source::Savepoint(job.savepoint.clone().unwrap_or_default()));
            true
        }
        Engine::Job(job) if job.is_terminal() => {
            pass.status.upgrade = None;
            let job = job.clone();
            failed(pass, &job);
            true
        }
        Engine::Job(_) | Engine::Unknown | Engine::Unreachable => false,
    }
}

fn complete(pass: &mut Pass<'_>, upgrade: &UpgradeStatus) {
    let stopped_at = upgrade.stopped_at.as_deref().unwrap_or(&upgrade.started_at);
    let seconds = (since(pass.facts, stopped_at).as_secs_f64() * 10.0).round() / 10.0;
    if let Some(job) = pass.status.job.as_mut() {
        job.downtime_seconds.insert(action_name(upgrade.action).to_owned(), seconds);
        if upgrade.action == UpgradeAction::Upgrade {
            job.downtime_seconds_last_upgrade = Some(seconds);
        }
    }
    pass.status.upgrade = None;
    pass.tell("Started", format!("{} complete after {seconds} s without data flow", action_name(upgrade.action)));
}

fn failed(pass: &mut Pass<'_>, job: &Job) {
    let message = job.failure.as_ref().map_or_else(|| job.state.clone(), |failure| failure.message.clone());
    pass.warn("StartFailed", message);
}
