//! How a job takes snapshots, and what their completion or failure means for it.

use checkpoint::{Manifest, SnapshotKind, layout, manifest};
use model::{ErrorClass, Failure};
use settings::keys;
use wire::v1::{CheckpointAck, CheckpointCompleted, Release, SnapshotType, TriggerCheckpoint, to_task_manager::Body};

use super::{Context, Job, Next, Phase, check_parallelism, life::send};
use crate::{
    api::{JobResult, JobStatus},
    coordinator::{Pending, Purpose, TaskKey, Wanted},
    event::{Action, Request, RequestId},
};

/// Folders of failed snapshots that are remembered; what is beyond is left to the sweep of the next JobManager.
const GIVEN_UP_MAX: usize = 64;

impl Job {
    /// Takes a client's wish. The answer comes now or later.
    pub(crate) fn request(&mut self, id: RequestId, request: Request, context: &mut Context<'_>) {
        let outcome = match request {
            Request::Cancel if self.is_done() => Err(self.is_not_running()),
            Request::Cancel => {
                self.cancel(context);
                Ok(Some(String::new()))
            }
            Request::Rescale(parallelism) => self.rescale(parallelism).map(|()| Some(String::new())),
            Request::Checkpoint => self.want(id, Purpose::Checkpoint).map(|()| None),
            Request::Savepoint { directory } => self
                .savepoint_directory(directory, id)
                .and_then(|directory| self.want(id, Purpose::Savepoint { directory }))
                .map(|()| None),
            Request::Stop { drain, directory } => self
                .savepoint_directory(directory, id)
                .and_then(|directory| self.want(id, Purpose::Stop { directory, drain }))
                .map(|()| None),
        };
        if let Some(answer) = outcome.transpose() {
            context.out.push(Action::Answer(id, answer));
        }
    }

    fn is_not_running(&self) -> Failure {
        Failure::user(format!("job {} is {}", self.id, self.status.name()))
    }

    fn want(&mut self, request: RequestId, purpose: Purpose) -> Result<(), Failure> {
        let Phase::Deployed(attempt) = &self.phase else { return Err(self.is_not_running()) };
        if attempt.released || attempt.is_finished() {
            return Err(Failure::user(format!("job {} has processed all its input and is ending", self.id)));
        }
        if !purpose.is_savepoint() && self.ledger.checkpoint_dir.is_none() {
            return Err(Failure::user("option execution.checkpointing.dir is not set"));
        }
        self.coordinator.want(Wanted { purpose, request: Some(request) })
    }

    fn savepoint_directory(&self, directory: Option<String>, request: RequestId) -> Result<String, Failure> {
        let base = directory.or_else(|| self.settings.get(&keys::SAVEPOINT_DIRECTORY)).ok_or_else(|| {
            Failure::user("no folder for the savepoint: name one, or set execution.checkpointing.savepoint-dir")
        })?;
        // Unique without a random source: attempts are numbered by time, requests within the process.
        let seed = format!("{}-{}-{request}", self.id, self.last_attempt);
        Ok(layout::savepoint_directory(&base, &self.id, &format!("{:012x}", model::key::hash(seed.as_bytes()) >> 16)))
    }

    /// Asks for another parallelism; it is taken on when there are slots for it.
    fn rescale(&mut self, parallelism: u32) -> Result<(), Failure> {
        if self.is_done() || self.cancel_wanted {
            return Err(self.is_not_running());
        }
        check_parallelism(parallelism, self.max_parallelism)?;
        if self.ledger.checkpoint_dir.is_none() && self.last_attempt > 0 {
            return Err(Failure::user("a rescale needs execution.checkpointing.dir to be set, or it would lose state"));
        }
        self.desired_parallelism = parallelism;
        Ok(())
    }

    /// Starts what is due, gives up what takes too long.
    pub(super) fn pump_snapshots(&mut self, context: &mut Context<'_>) {
        if self.coordinator.has_expired(context.now_ms) {
            let timeout = self.coordinator.timeout_ms();
            self.give_up(&Failure::external(format!("it took longer than {timeout} ms")), context);
        }
        let Phase::Deployed(attempt) = &self.phase else { return };
        if attempt.released || !attempt.is_up() || self.coordinator.pending.is_some() {
            return;
        }
        let wanted = if attempt.is_finished() {
            Some(Wanted { purpose: Purpose::Final, request: None })
        } else if self.can_rescale(context) {
            Some(Wanted { purpose: Purpose::Rescale, request: None })
        } else {
            self.coordinator.due(context.now_ms)
        };
        if let Some(wanted) = wanted {
            self.trigger(wanted, context);
        }
    }

    fn can_rescale(&self, context: &Context<'_>) -> bool {
        self.desired_parallelism != self.parallelism
            && graph::PhysicalGraph::new(&self.graph, self.desired_parallelism).slots()
                <= context.workers.available_to(&self.id)
    }

    fn trigger(&mut self, wanted: Wanted, context: &mut Context<'_>) {
        let Phase::Deployed(attempt) = &self.phase else { return };
        let root = self.ledger.checkpoint_dir.as_deref().map(|dir| layout::job_root(dir, &self.id));
        let epoch = self.epoch;
        let last_completed = self.coordinator.stats.latest_completed.as_ref().map_or(0, |completed| completed.id);
        let pending = self.coordinator.begin(context.now_ms, attempt.number, wanted, attempt.keys(), |id, purpose| {
            match (purpose, &root) {
                (Purpose::Savepoint { directory } | Purpose::Stop { directory, .. }, _) => directory.clone(),
                (_, Some(root)) => layout::checkpoint_directory(root, id, epoch),
                (_, None) => String::new(),
            }
        });
        let snapshot_type = match &pending.purpose {
            purpose if purpose.is_savepoint() => SnapshotType::Savepoint,
            _ if root.is_none() => SnapshotType::None,
            _ => SnapshotType::Checkpoint,
        };
        let trigger = TriggerCheckpoint {
            job_id: self.id.clone(),
            attempt: pending.attempt,
            checkpoint_id: pending.id,
            r#type: snapshot_type.into(),
            directory: pending.directory.clone(),
            shared_directory: root.as_deref().map(layout::shared_directory).unwrap_or_default(),
            stop: matches!(pending.purpose, Purpose::Stop { .. }),
            drain: matches!(pending.purpose, Purpose::Stop { drain: true, .. }),
            last_completed,
        };
        for link in attempt.links() {
            context.out.push(send(link, Body::TriggerCheckpoint(trigger.clone())));
        }
    }

    pub(crate) fn acknowledged(&mut self, task: TaskKey, ack: &CheckpointAck, context: &mut Context<'_>) {
        if !matches!(self.phase, Phase::Deployed(_)) {
            return;
        }
        match self.coordinator.acknowledge(task, ack) {
            Ok(false) => {}
            Ok(true) => self.all_acknowledged(context),
            Err(failure) => self.give_up(&failure, context),
        }
    }

    fn all_acknowledged(&mut self, context: &mut Context<'_>) {
        let Some(pending) = &mut self.coordinator.pending else { return };
        if pending.directory.is_empty() {
            return self.completed(context);
        }
        let is_savepoint = pending.purpose.is_savepoint();
        let configured = self.settings.get(&keys::PARALLELISM);
        let manifest = Manifest {
            version: manifest::VERSION,
            job_id: self.id.clone(),
            job_name: self.name.clone(),
            checkpoint_id: pending.id,
            epoch: self.epoch,
            kind: if is_savepoint { SnapshotKind::Savepoint } else { SnapshotKind::Checkpoint },
            triggered_ms: pending.triggered_ms,
            max_parallelism: self.max_parallelism,
            parallelism: self.parallelism,
            rescaled: (self.desired_parallelism != configured)
                .then_some(manifest::Rescaled { configured, wanted: self.desired_parallelism }),
            identities: self.graph.identities.as_ref().map(|identities| identities.version),
            operators: std::mem::take(&mut pending.operators),
        };
        context.out.push(Action::Commit {
            job: self.id.clone(),
            manifest: Box::new(manifest),
            directory: pending.directory.clone(),
            advance: pending.purpose.advances() && self.ledger.checkpoint_dir.is_some(),
        });
    }

    pub(crate) fn declined(&mut self, checkpoint_id: u64, failure: Failure, context: &mut Context<'_>) {
        let is_waiting = |pending: &Pending| pending.id == checkpoint_id && !pending.committing;
        if self.coordinator.pending.as_ref().is_some_and(is_waiting) {
            self.give_up(&failure, context);
        }
    }

    pub(crate) fn committed(&mut self, id: u64, result: Result<(), Failure>, context: &mut Context<'_>) {
        if self.coordinator.pending.as_ref().is_none_or(|pending| pending.id != id) {
            return;
        }
        match result {
            Ok(()) => {
                self.verified_ms = context.now_ms;
                self.completed(context);
            }
            Err(failure) if failure.class == ErrorClass::Fenced => self.fail(failure, None, context),
            Err(failure) => self.give_up(&failure, context),
        }
    }

    /// The snapshot in progress is durable and, unless it is a mere savepoint, owned.
    fn completed(&mut self, context: &mut Context<'_>) {
        let Some(pending) = self.coordinator.complete(context.now_ms) else { return };
        let is_savepoint = pending.purpose.is_savepoint();
        tracing::info!(job = %self.id, id = pending.id, is_savepoint, path = pending.directory, "snapshot completed");
        if is_savepoint {
            self.last_savepoint = Some(pending.directory.clone());
        }
        // Tasks may have gone on writing for those after they were given up; by now they are done with it.
        for directory in self.given_up.drain(..) {
            context.out.push(Action::Discard(self.id.clone(), directory));
        }
        let is_current = |number| number == pending.attempt;
        let Phase::Deployed(attempt) = &mut self.phase else { return self.answer_late(pending, context) };
        if !is_current(attempt.number) {
            return self.answer_late(pending, context);
        }
        let completed = CheckpointCompleted {
            job_id: self.id.clone(),
            attempt: attempt.number,
            checkpoint_id: pending.id,
            commit: pending.purpose.advances(),
        };
        let is_end = matches!(pending.purpose, Purpose::Final | Purpose::Stop { .. });
        for link in attempt.links() {
            context.out.push(send(link, Body::CheckpointCompleted(completed.clone())));
            if is_end {
                let release = Release { job_id: self.id.clone(), attempt: attempt.number };
                context.out.push(send(link, Body::Release(release)));
            }
        }
        attempt.released |= is_end;
        if is_end {
            for request in self.coordinator.stop() {
                context.out.push(Action::Answer(request, Err(Failure::user("the job is ending"))));
            }
        }
        match pending.purpose {
            Purpose::Stop { .. } => {
                self.stopped_with = Some(pending.directory);
                self.stop_requests.extend(pending.requests);
            }
            Purpose::Rescale => self.redeploy(context),
            Purpose::Final | Purpose::Checkpoint | Purpose::Savepoint { .. } => {
                for request in pending.requests {
                    context.out.push(Action::Answer(request, Ok(pending.directory.clone())));
                }
            }
        }
    }

    /// A snapshot was completed after its attempt had ended.
    fn answer_late(&self, pending: Pending, context: &mut Context<'_>) {
        for request in pending.requests {
            let answer = match pending.purpose {
                Purpose::Stop { .. } => Err(Failure::external(format!(
                    "the job failed while it stopped, and is restarted; the savepoint is {}",
                    pending.directory
                ))),
                _ => Ok(pending.directory.clone()),
            };
            context.out.push(Action::Answer(request, answer));
        }
    }

    fn redeploy(&mut self, context: &mut Context<'_>) {
        tracing::info!(job = %self.id, from = self.parallelism, to = self.desired_parallelism, "rescaling");
        self.rescale_count += 1;
        self.down_since_ms.get_or_insert(context.now_ms);
        self.close(Next::Restart { delay_ms: 0 }, context);
    }

    /// Gives up the snapshot in progress; the job goes on unless that was one failure too many.
    fn give_up(&mut self, failure: &Failure, context: &mut Context<'_>) {
        let Some((pending, too_many)) = self.coordinator.give_up(context.now_ms, failure) else { return };
        let what = if pending.purpose.is_savepoint() { "savepoint" } else { "checkpoint" };
        let failure = failure.clone().at(format!("{what} {}", pending.id));
        tracing::warn!(job = %self.id, class = %failure.class, "snapshot failed: {failure}");
        for &request in &pending.requests {
            context.out.push(Action::Answer(request, Err(failure.clone())));
        }
        // Once the commit was begun its outcome may be unknown, and the files must stay.
        if !pending.committing && !pending.directory.is_empty() {
            context.out.push(Action::Discard(self.id.clone(), pending.directory.clone()));
            self.discard_later(pending.directory.clone());
        }
        let is_current = matches!(&self.phase, Phase::Deployed(attempt) if attempt.number == pending.attempt);
        match pending.purpose {
            _ if !is_current => {}
            // Sources have stopped, so the tasks cannot go on; without a directory, neither can they end.
            Purpose::Stop { .. } => self.fail(failure, None, context),
            Purpose::Final if pending.directory.is_empty() => self.fail(failure, None, context),
            // It goes on from the last one.
            Purpose::Rescale => self.redeploy(context),
            _ if too_many => self.fail(failure, None, context),
            _ => {}
        }
    }

    /// Remembers the folder of a snapshot that was given up, for when its tasks no longer write.
    fn discard_later(&mut self, directory: String) {
        if !directory.is_empty() && self.given_up.len() < GIVEN_UP_MAX {
            self.given_up.push(directory);
        }
    }

    /// The attempt ends: snapshots that wait for its tasks are given up.
    pub(super) fn abandon_snapshots(&mut self, next: &Next, context: &mut Context<'_>) {
        let reason = match next {
            Next::Restart { .. } => "the job restarts",
            Next::Fail(_) => "the job failed",
            Next::Cancel => "the job is cancelled",
        };
        let failure = Failure::external(reason);
        for request in self.coordinator.stop() {
            context.out.push(Action::Answer(request, Err(failure.clone())));
        }
        if self.coordinator.pending.as_ref().is_some_and(|pending| !pending.committing)
            && let Some((pending, _)) = self.coordinator.give_up(context.now_ms, &failure)
        {
            for request in pending.requests {
                context.out.push(Action::Answer(request, Err(failure.clone())));
            }
            self.discard_later(pending.directory);
        }
        if let Some(savepoint) = self.stopped_with.take() {
            for request in self.stop_requests.drain(..) {
                let message = format!("{reason} while it stopped; the savepoint is {savepoint}");
                context.out.push(Action::Answer(request, Err(Failure::external(message))));
            }
        }
    }

    pub(super) fn answer_stop(&mut self, result: &JobResult, context: &mut Context<'_>) {
        for request in self.stop_requests.drain(..) {
            let answer = match (&result.savepoint, result.status) {
                (Some(savepoint), JobStatus::Suspended) => Ok(savepoint.clone()),
                _ => Err(Failure::external(format!("the job is {}", result.status.name()))),
            };
            context.out.push(Action::Answer(request, answer));
        }
    }
}
