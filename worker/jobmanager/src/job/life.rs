//! How a job starts, fails, restarts, ends.

use std::collections::BTreeSet;

use checkpoint::{JobState, SnapshotRef, restore};
use model::{ErrorClass, Failure};
use settings::keys;
use wire::v1::{Cancel, Heartbeat, TaskState, TaskStatus, ToTaskManager, to_task_manager::Body};

use super::{
    CANCELLATION_TIMEOUT_MS, Context, FAILURES_MAX, Job, Next, OWNERSHIP_CHECK_MS, Phase, check_parallelism, result_of,
};
use crate::{
    api::{FailureDetail, JobResult, JobStatus},
    coordinator::TaskKey,
    event::{Action, LinkId, Recovery},
};

impl Job {
    pub(crate) fn start(&mut self, context: &mut Context<'_>) {
        context.out.push(Action::Open(self.id.clone(), self.ledger.clone()));
        self.recover(context);
    }

    /// Whether somebody else may have taken over since the last look at the pointer.
    pub(super) fn is_verification_due(&self, now_ms: i64) -> bool {
        self.ledger.checkpoint_dir.is_some() && now_ms - self.verified_ms >= OWNERSHIP_CHECK_MS
    }

    pub(crate) fn verified(&mut self, result: Result<(), Failure>, context: &mut Context<'_>) {
        match result {
            Err(failure) if failure.class == ErrorClass::Fenced && !self.is_done() => self.fail(failure, None, context),
            // The next look or commit will tell.
            Err(failure) => tracing::warn!(job = %self.id, "the pointer cannot be read: {failure}"),
            Ok(()) => {}
        }
    }

    pub(super) fn recover(&mut self, context: &mut Context<'_>) {
        self.phase = Phase::Recovering;
        context.out.push(Action::Recover(self.id.clone()));
    }

    pub(crate) fn recovered(&mut self, result: Result<Recovery, Failure>, context: &mut Context<'_>) {
        if !matches!(self.phase, Phase::Recovering) {
            return;
        }
        let recovery = match result {
            Ok(recovery) => recovery,
            Err(failure) => return self.fail(failure, None, context),
        };
        self.verified_ms = context.now_ms;
        self.epoch = recovery.epoch;
        self.coordinator.after(recovery.last_checkpoint_id);
        if let Some(ended) = recovery.ended {
            tracing::info!(job = %self.id, state = ?ended, "the job has ended before");
            return self.done(result_of(&ended), context);
        }
        if self.cancel_wanted {
            return self.conclude(JobState::Canceled, context);
        }
        if let Some((_, manifest)) = &recovery.snapshot {
            let operators = restore::Operators::from(&*self.graph);
            let chosen = self.settings.get(&keys::MAX_PARALLELISM);
            let allow = self.settings.get(&keys::ALLOW_NON_RESTORED);
            let planned = restore::plan(manifest, &operators, chosen, allow)
                .and_then(|_| check_parallelism(self.desired_parallelism, manifest.max_parallelism));
            if let Err(failure) = planned {
                return self.fail(failure, None, context);
            }
            self.max_parallelism = manifest.max_parallelism;
            self.remember_rescale(manifest);
        }
        let place = |snapshot: &Option<(SnapshotRef, _)>| snapshot.as_ref().map(|(reference, _)| reference.uri.clone());
        if place(&self.restore) != place(&recovery.snapshot) {
            self.splits = None;
        }
        self.restore = recovery.snapshot;
        self.phase = Phase::Waiting;
    }

    pub(crate) fn task_status(&mut self, key: TaskKey, status: TaskStatus, context: &mut Context<'_>) {
        let state = status.state();
        let Some(attempt) = self.attempt_mut() else { return };
        let was_up = attempt.is_up();
        if !attempt.report(key, state) {
            return;
        }
        let (is_up, is_gone, released) = (attempt.is_up(), attempt.is_gone(), attempt.released);
        if let Some(metrics) = &status.metrics {
            self.figures.insert(key, metrics.into());
        }
        if matches!(self.phase, Phase::Closing { .. }) {
            if is_gone {
                self.closed(context);
            }
            return;
        }
        match state {
            TaskState::Failed => {
                let failure = status.failure.map_or_else(|| Failure::internal("a task failed"), Failure::from);
                self.fail(failure, Some(key), context);
            }
            TaskState::Canceled if released && is_gone => self.released(context),
            TaskState::Canceled if !released => {
                self.fail(Failure::internal("a task ended without a request to"), Some(key), context);
            }
            _ if is_up && !was_up => self.up(context),
            _ => {}
        }
    }

    /// All tasks run.
    fn up(&mut self, context: &mut Context<'_>) {
        self.coordinator.start(context.now_ms);
        if let Some(since) = self.down_since_ms.take() {
            self.last_downtime_ms = Some(context.now_ms.saturating_sub(since).unsigned_abs());
        }
    }

    pub(crate) fn heartbeat(&mut self, link: LinkId, heartbeat: &Heartbeat, context: &mut Context<'_>) {
        let id = self.id.clone();
        let is_closing = matches!(self.phase, Phase::Closing { .. });
        let Some(attempt) = self.attempt_mut() else { return };
        let (mut listed, mut figures) = (BTreeSet::new(), Vec::new());
        for metrics in &heartbeat.subtasks {
            let Some(task) = metrics.id.as_ref().filter(|task| task.job_id == id && task.attempt == attempt.number)
            else {
                continue;
            };
            listed.insert((task.vertex, task.subtask));
            figures.push(((task.vertex, task.subtask), metrics.into()));
        }
        if is_closing {
            attempt.heartbeat_while_closing(link, &listed);
            if attempt.is_gone() {
                self.closed(context);
            }
        }
        self.figures.extend(figures);
    }

    /// A TaskManager is gone.
    pub(crate) fn lost(&mut self, link: LinkId, name: &str, context: &mut Context<'_>) {
        if !self.uses(link) {
            return;
        }
        let Some(attempt) = self.attempt_mut() else { return };
        attempt.lose(link);
        let is_gone = attempt.is_gone();
        if matches!(self.phase, Phase::Closing { .. }) {
            if is_gone {
                self.closed(context);
            }
            return;
        }
        self.fail(Failure::external(format!("TaskManager {name} is lost")), None, context);
    }

    /// Something failed: the job restarts or fails.
    pub(super) fn fail(&mut self, failure: Failure, task: Option<TaskKey>, context: &mut Context<'_>) {
        if failure.class == ErrorClass::Fenced {
            context.out.push(Action::Fenced(failure.clone()));
        }
        let detail = self.describe(&failure, task, context);
        tracing::warn!(job = %self.id, class = %failure.class, task = detail.task, "job failed: {failure}");
        self.failures.push_front(detail);
        self.failures.truncate(FAILURES_MAX);
        self.down_since_ms.get_or_insert(context.now_ms);
        let next = match self.restarts.delay_ms(&failure, context.now_ms) {
            _ if self.cancel_wanted => Next::Cancel,
            Some(delay_ms) => {
                self.restart_count += 1;
                Next::Restart { delay_ms }
            }
            None => Next::Fail(failure),
        };
        self.close(next, context);
    }

    fn describe(&self, failure: &Failure, task: Option<TaskKey>, context: &Context<'_>) -> FailureDetail {
        let vertex = task.and_then(|(vertex, _)| self.physical.vertices.get(vertex as usize));
        let name = vertex.zip(task).map(|(vertex, (_, subtask))| {
            format!("{} ({}/{})", vertex.name(&self.graph), subtask + 1, vertex.parallelism)
        });
        let link = task.and_then(|key| Some(self.attempt()?.tasks.get(&key)?.link));
        FailureDetail {
            class: failure.class,
            message: failure.message.clone(),
            position: failure.position,
            time_ms: context.now_ms,
            task: name,
            taskmanager: link.map(|link| context.workers.name(link)),
        }
    }

    /// Ends the attempt, if there is one; `next` follows when all tasks are gone.
    pub(super) fn close(&mut self, next: Next, context: &mut Context<'_>) {
        self.abandon_snapshots(&next, context);
        match std::mem::replace(&mut self.phase, Phase::Recovering) {
            Phase::Deployed(attempt) => {
                let cancel = Cancel { job_id: self.id.clone(), attempt: attempt.number };
                for link in attempt.links().filter(|&link| context.workers.is_attached(link)) {
                    context.out.push(send(link, Body::Cancel(cancel.clone())));
                }
                let is_gone = attempt.is_gone();
                self.phase = Phase::Closing { attempt, next, deadline_ms: context.now_ms + CANCELLATION_TIMEOUT_MS };
                if is_gone {
                    self.closed(context);
                }
            }
            Phase::Closing { attempt, deadline_ms, .. } => {
                self.phase = Phase::Closing { attempt, next, deadline_ms };
            }
            Phase::Recovering | Phase::Waiting | Phase::Listing(_) | Phase::Backoff { .. } => {
                self.go_on(next, context);
            }
            ended @ (Phase::Concluding(_) | Phase::Done(_)) => self.phase = ended,
        }
    }

    /// All tasks of a closing attempt are gone.
    fn closed(&mut self, context: &mut Context<'_>) {
        context.workers.release(&self.id);
        match std::mem::replace(&mut self.phase, Phase::Recovering) {
            Phase::Closing { next, .. } => self.go_on(next, context),
            other => self.phase = other,
        }
    }

    fn go_on(&mut self, next: Next, context: &mut Context<'_>) {
        match next {
            Next::Restart { delay_ms } if delay_ms > 0 => {
                self.phase = Phase::Backoff { until_ms: context.now_ms + delay_ms };
            }
            Next::Restart { .. } => self.recover(context),
            Next::Cancel => self.conclude(JobState::Canceled, context),
            // The pointer stays: whoever starts the job again goes on from its last checkpoint.
            Next::Fail(failure) => {
                let result = JobResult { status: JobStatus::Failed, failure: Some(failure), savepoint: None };
                self.done(result, context);
            }
        }
    }

    /// All tasks of a released attempt are gone: everything is committed.
    fn released(&mut self, context: &mut Context<'_>) {
        context.workers.release(&self.id);
        let state = match self.stopped_with.clone() {
            Some(savepoint) => JobState::Suspended { savepoint },
            None => JobState::Finished,
        };
        self.conclude(state, context);
    }

    fn conclude(&mut self, state: JobState, context: &mut Context<'_>) {
        let result = result_of(&state);
        if self.ledger.checkpoint_dir.is_none() {
            return self.done(result, context);
        }
        self.phase = Phase::Concluding(result);
        context.out.push(Action::End(self.id.clone(), state));
    }

    pub(crate) fn ended(&mut self, outcome: Result<(), Failure>, context: &mut Context<'_>) {
        let Phase::Concluding(result) = &self.phase else { return };
        let result = result.clone();
        match outcome {
            Ok(()) => self.done(result, context),
            // Everything is committed, but a start would not know that the job has ended. It would find that out.
            Err(failure) if self.cancel_wanted => {
                let failure = failure.at("the job is cancelled, but its pointer could not be written");
                self.done(JobResult { status: JobStatus::Failed, failure: Some(failure), savepoint: None }, context);
            }
            Err(failure) => {
                self.phase = Phase::Recovering;
                self.fail(failure, None, context);
            }
        }
    }

    fn done(&mut self, result: JobResult, context: &mut Context<'_>) {
        context.workers.release(&self.id);
        self.answer_stop(&result, context);
        self.phase = Phase::Done(result);
    }

    pub(crate) fn cancel(&mut self, context: &mut Context<'_>) {
        self.cancel_wanted = true;
        // A recovery in progress is waited for: its claim must not come after the end.
        if !matches!(self.phase, Phase::Recovering) {
            self.close(Next::Cancel, context);
        }
    }

    /// What the time brings, and what has become possible.
    pub(crate) fn pump(&mut self, context: &mut Context<'_>) {
        match &self.phase {
            Phase::Backoff { until_ms } if *until_ms <= context.now_ms => self.recover(context),
            Phase::Waiting => self.try_deploy(context),
            Phase::Deployed(_) => {
                if self.is_verification_due(context.now_ms) {
                    self.verified_ms = context.now_ms;
                    context.out.push(Action::Verify(self.id.clone()));
                }
                self.pump_snapshots(context);
            }
            Phase::Closing { attempt, deadline_ms, .. } if *deadline_ms <= context.now_ms => {
                for link in attempt.lingering() {
                    tracing::error!(job = %self.id, taskmanager = context.workers.name(link), "tasks do not end");
                    context.out.push(Action::Close(link));
                }
            }
            _ => {}
        }
        self.note_status(context.now_ms);
    }

    /// Extends the job's timeouts by the time in which this process did not run. The next check of the pointer is not put off:
    /// another JobManager may have claimed it meanwhile.
    pub(crate) fn paused(&mut self, paused_ms: i64) {
        match &mut self.phase {
            Phase::Closing { deadline_ms, .. } => *deadline_ms += paused_ms,
            Phase::Backoff { until_ms } => *until_ms += paused_ms,
            _ => {}
        }
        self.coordinator.paused(paused_ms);
        self.restarts.paused(paused_ms);
        // A clock that was set back must not put it off.
        self.verified_ms += paused_ms.min(0);
    }

    pub(crate) fn deadline(&self) -> Option<i64> {
        match &self.phase {
            Phase::Backoff { until_ms } => Some(*until_ms),
            Phase::Deployed(_) => {
                let verification = self.ledger.checkpoint_dir.as_ref().map(|_| self.verified_ms + OWNERSHIP_CHECK_MS);
                self.coordinator.deadline().into_iter().chain(verification).min()
            }
            Phase::Closing { deadline_ms, .. } => Some(*deadline_ms),
            _ => None,
        }
    }
}

pub(super) fn send(link: LinkId, body: Body) -> Action {
    Action::Send(link, ToTaskManager { body: Some(body) })
}
