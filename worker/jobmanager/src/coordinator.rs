//! The checkpoint coordinator of one job: when a snapshot starts, which acknowledgements it waits for, when it is given
//! up, and the statistics. One snapshot at a time.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    time::Duration,
};

use checkpoint::{SnapshotKind, SubtaskState};
use model::Failure;
use settings::{Settings, keys};

use crate::{
    api::{CheckpointDetail, CheckpointStats, CheckpointStatus},
    event::RequestId,
};

/// Snapshots that the statistics remember.
const HISTORY_MAX: usize = 10;
/// Requests for snapshots that may wait.
const REQUESTS_MAX: usize = 16;

/// Vertex and subtask.
pub(crate) type TaskKey = (u32, u32);

/// Why a snapshot is taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// The interval has passed, or the user wants a checkpoint.
    Checkpoint,
    /// The user wants a savepoint.
    Savepoint { directory: String },
    /// The user wants the job to stop.
    Stop { directory: String, drain: bool },
    /// All input was processed: what was written is to be committed.
    Final,
    /// The job will be redeployed.
    Rescale,
}

impl Purpose {
    pub(crate) fn is_savepoint(&self) -> bool {
        matches!(self, Self::Savepoint { .. } | Self::Stop { .. })
    }

    /// Whether the job goes on from it, and so sinks commit.
    pub(crate) fn advances(&self) -> bool {
        !matches!(self, Self::Savepoint { .. })
    }

    /// Whether giving it up counts as a failed checkpoint; a savepoint's failure is only the user's.
    pub(crate) fn counts(&self) -> bool {
        matches!(self, Self::Checkpoint | Self::Final)
    }
}

/// A snapshot in progress.
#[derive(Debug)]
pub(crate) struct Pending {
    pub(crate) id: u64,
    pub(crate) attempt: u64,
    pub(crate) purpose: Purpose,
    pub(crate) directory: String,
    pub(crate) triggered_ms: i64,
    /// When it expires.
    deadline_ms: i64,
    pub(crate) operators: BTreeMap<String, Vec<SubtaskState>>,
    pub(crate) requests: Vec<RequestId>,
    /// All acknowledgements are there; the outcome is being decided in storage.
    pub(crate) committing: bool,
    expected: usize,
    missing: BTreeSet<TaskKey>,
    state_bytes: u64,
    alignment_ms: u64,
    sync_ms: u64,
}

/// A snapshot that somebody asked for.
#[derive(Debug)]
pub(crate) struct Wanted {
    pub(crate) purpose: Purpose,
    pub(crate) request: Option<RequestId>,
}

/// What the coordinator does on time.
#[derive(Clone, Debug)]
struct Timing {
    interval_ms: i64,
    timeout_ms: i64,
    min_pause_ms: i64,
}

#[derive(Debug)]
pub(crate) struct Coordinator {
    timing: Timing,
    tolerable_failures: u32,
    next_id: u64,
    next_periodic_ms: Option<i64>,
    failures_in_row: u32,
    pub(crate) pending: Option<Pending>,
    wanted: VecDeque<Wanted>,
    pub(crate) stats: CheckpointStats,
}

impl Coordinator {
    pub(crate) fn new(settings: &Settings) -> Self {
        let millis = |duration: Duration| i64::try_from(duration.as_millis()).unwrap_or(i64::MAX / 2);
        Self {
            timing: Timing {
                interval_ms: millis(settings.get(&keys::CHECKPOINT_INTERVAL)),
                timeout_ms: millis(settings.get(&keys::CHECKPOINT_TIMEOUT)),
                min_pause_ms: millis(settings.get(&keys::CHECKPOINT_MIN_PAUSE)),
            },
            tolerable_failures: settings.get(&keys::CHECKPOINT_TOLERABLE_FAILURES),
            next_id: 1,
            next_periodic_ms: None,
            failures_in_row: 0,
            pending: None,
            wanted: VecDeque::new(),
            stats: CheckpointStats::default(),
        }
    }

    /// Numbers go on above `id`.
    pub(crate) fn after(&mut self, id: u64) {
        self.next_id = self.next_id.max(id + 1);
    }

    /// All tasks of an attempt run: periodic checkpoints start.
    pub(crate) fn start(&mut self, now_ms: i64) {
        self.failures_in_row = 0;
        self.next_periodic_ms = (self.timing.interval_ms > 0).then(|| now_ms + self.timing.interval_ms);
    }

    /// The attempt has ended: gives up what waits. A snapshot whose outcome is being decided stays.
    pub(crate) fn stop(&mut self) -> Vec<RequestId> {
        self.next_periodic_ms = None;
        self.wanted.drain(..).filter_map(|wanted| wanted.request).collect()
    }

    /// Puts a request in the queue.
    ///
    /// # Errors
    /// If too many are waiting.
    pub(crate) fn want(&mut self, wanted: Wanted) -> Result<(), Failure> {
        if self.wanted.len() >= REQUESTS_MAX {
            return Err(Failure::external(format!("{REQUESTS_MAX} snapshots are waiting already")));
        }
        self.wanted.push_back(wanted);
        Ok(())
    }

    /// What is to be taken next, if nothing is in progress.
    pub(crate) fn due(&mut self, now_ms: i64) -> Option<Wanted> {
        if self.pending.is_some() {
            return None;
        }
        if let Some(wanted) = self.wanted.pop_front() {
            return Some(wanted);
        }
        self.next_periodic_ms.filter(|&at| at <= now_ms)?;
        Some(Wanted { purpose: Purpose::Checkpoint, request: None })
    }

    /// Starts a snapshot. `directory` is made from its number.
    pub(crate) fn begin(
        &mut self,
        now_ms: i64,
        attempt: u64,
        wanted: Wanted,
        tasks: BTreeSet<TaskKey>,
        directory: impl FnOnce(u64, &Purpose) -> String,
    ) -> &Pending {
        let id = self.next_id;
        self.next_id += 1;
        if self.timing.interval_ms > 0 {
            self.next_periodic_ms = Some(now_ms + self.timing.interval_ms);
        }
        let pending = Pending {
            id,
            attempt,
            directory: directory(id, &wanted.purpose),
            purpose: wanted.purpose,
            triggered_ms: now_ms,
            deadline_ms: now_ms.saturating_add(self.timing.timeout_ms),
            operators: BTreeMap::new(),
            requests: wanted.request.into_iter().collect(),
            committing: false,
            expected: tasks.len(),
            missing: tasks,
            state_bytes: 0,
            alignment_ms: 0,
            sync_ms: 0,
        };
        self.pending.insert(pending)
    }

    /// Takes an acknowledgement; whether it was the last one. Late and double ones are ignored.
    ///
    /// # Errors
    /// If its states cannot be read.
    pub(crate) fn acknowledge(&mut self, task: TaskKey, ack: wire::v1::CheckpointAck) -> Result<bool, Failure> {
        let Some(pending) = self.pending.as_mut().filter(|pending| pending.id == ack.checkpoint_id) else {
            return Ok(false);
        };
        if pending.committing || !pending.missing.remove(&task) {
            return Ok(false);
        }
        let states = wire::states::from_message(ack.states).map_err(|failure| failure.at("acknowledged states"))?;
        for (uid, states) in states {
            pending.operators.entry(uid).or_default().extend(states);
        }
        pending.state_bytes += ack.state_bytes;
        pending.alignment_ms = pending.alignment_ms.max(ack.alignment_ms);
        pending.sync_ms = pending.sync_ms.max(ack.sync_ms);
        if !pending.missing.is_empty() {
            return Ok(false);
        }
        for states in pending.operators.values_mut() {
            states.sort_by_key(|state| state.subtask);
        }
        pending.committing = true;
        Ok(true)
    }

    /// The snapshot in progress is durable.
    pub(crate) fn complete(&mut self, now_ms: i64) -> Option<Pending> {
        let pending = self.pending.take()?;
        if pending.directory.is_empty() {
            // Only sinks committed: there is nothing to restore from.
            return Some(pending);
        }
        let detail = detail(&pending, CheckpointStatus::Completed, now_ms, None);
        self.stats.completed += 1;
        if pending.purpose.is_savepoint() {
            self.stats.latest_savepoint = Some(detail.clone());
        } else {
            self.stats.latest_completed = Some(detail.clone());
        }
        if pending.purpose.counts() {
            self.failures_in_row = 0;
        }
        self.remember(detail);
        self.pause(now_ms);
        Some(pending)
    }

    /// The snapshot in progress is given up; it, and whether that is one failure too many.
    pub(crate) fn give_up(&mut self, now_ms: i64, failure: &Failure) -> Option<(Pending, bool)> {
        let pending = self.pending.take()?;
        let detail = detail(&pending, CheckpointStatus::Failed, now_ms, Some(failure.message.clone()));
        self.stats.failed += 1;
        self.stats.latest_failed = Some(detail.clone());
        self.remember(detail);
        self.pause(now_ms);
        if pending.purpose.counts() {
            self.failures_in_row += 1;
        }
        let too_many = pending.purpose.counts() && self.failures_in_row > self.tolerable_failures;
        Some((pending, too_many))
    }

    /// Extends timeouts by the time in which this process did not run and could receive no acknowledgement.
    pub(crate) fn paused(&mut self, paused_ms: i64) {
        self.next_periodic_ms = self.next_periodic_ms.map(|at| at + paused_ms);
        if let Some(pending) = &mut self.pending {
            pending.deadline_ms = pending.deadline_ms.saturating_add(paused_ms);
        }
    }

    /// Whether the snapshot in progress has taken too long.
    pub(crate) fn has_expired(&self, now_ms: i64) -> bool {
        self.deadline_of_pending().is_some_and(|deadline| deadline <= now_ms)
    }

    pub(crate) fn timeout_ms(&self) -> i64 {
        self.timing.timeout_ms
    }

    /// When something is to be done next.
    pub(crate) fn deadline(&self) -> Option<i64> {
        if self.pending.is_some() { self.deadline_of_pending() } else { self.next_periodic_ms }
    }

    pub(crate) fn stats(&self, now_ms: i64) -> CheckpointStats {
        let in_progress =
            self.pending.as_ref().map(|pending| detail(pending, CheckpointStatus::InProgress, now_ms, None));
        CheckpointStats { in_progress, ..self.stats.clone() }
    }

    fn deadline_of_pending(&self) -> Option<i64> {
        let pending = self.pending.as_ref().filter(|pending| !pending.committing)?;
        Some(pending.deadline_ms)
    }

    fn pause(&mut self, now_ms: i64) {
        let earliest = now_ms + self.timing.min_pause_ms;
        self.next_periodic_ms = self.next_periodic_ms.map(|at| at.max(earliest));
    }

    fn remember(&mut self, detail: CheckpointDetail) {
        self.stats.history.insert(0, detail);
        self.stats.history.truncate(HISTORY_MAX);
    }
}

fn detail(pending: &Pending, status: CheckpointStatus, now_ms: i64, failure: Option<String>) -> CheckpointDetail {
    CheckpointDetail {
        id: pending.id,
        status,
        kind: if pending.purpose.is_savepoint() { SnapshotKind::Savepoint } else { SnapshotKind::Checkpoint },
        triggered_ms: pending.triggered_ms,
        duration_ms: now_ms.saturating_sub(pending.triggered_ms).unsigned_abs(),
        state_bytes: pending.state_bytes,
        alignment_ms: pending.alignment_ms,
        sync_ms: pending.sync_ms,
        acknowledged: (pending.expected - pending.missing.len(), pending.expected),
        path: pending.directory.clone(),
        failure,
    }
}
