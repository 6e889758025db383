//! One job: the phases of its life, and what it does about each event.
//!
//! ```text
//! Recovering ─► Waiting ─► Listing ─► Deployed ─► Concluding ─► Done
//!     ▲            ▲          │          │ failure, cancel, rescale
//!     │            │          ▼          ▼
//!     └─ Backoff ◄─┴──────────┴─────── Closing ─► Concluding / Done
//! ```
//! Each start of tasks is an *attempt*, with a number that rises also across processes. Messages of older attempts are
//! ignored. A start always recovers first: it reads the pointer and so notices whether the job is still ours.

mod attempt;
mod checkpoints;
mod deploy;
mod detail;
mod life;
mod listing;

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
};

use checkpoint::{JobState, Manifest, SnapshotRef};
use graph::{JobGraph, PhysicalGraph};
use model::{Failure, key};
use settings::{Settings, keys};

use self::attempt::Attempt;
use crate::{
    api::{FailureDetail, JobId, JobResult, JobStatus, JobSubmission, SubtaskFigures},
    coordinator::{Coordinator, TaskKey},
    event::{Action, LedgerSpec, LinkId, RequestId},
    restart::Restarts,
    splits::Splits,
    workers::Workers,
};

/// Tasks that do not answer a cancellation for so long cost their TaskManager its connection.
pub(crate) const CANCELLATION_TIMEOUT_MS: i64 = 30_000;
/// Time between looks whether the pointer is still ours, while nothing is committed.
pub(crate) const OWNERSHIP_CHECK_MS: i64 = 10_000;
/// Failures that are remembered.
const FAILURES_MAX: usize = 20;

/// What a job may use while it handles an event.
pub(crate) struct Context<'a> {
    pub(crate) now_ms: i64,
    pub(crate) workers: &'a mut Workers,
    pub(crate) out: &'a mut Vec<Action>,
}

/// Where a job is.
#[derive(Debug)]
enum Phase {
    /// The pointer is read.
    Recovering,
    /// For slots.
    Waiting,
    /// There are slots; the splits of the sources are listed. The number tells the answer from earlier ones.
    Listing(u64),
    /// Tasks are starting or running.
    Deployed(Attempt),
    /// Tasks are being cancelled.
    Closing { attempt: Attempt, next: Next, deadline_ms: i64 },
    /// Until the restart.
    Backoff { until_ms: i64 },
    /// The end is written into the pointer.
    Concluding(JobResult),
    /// Over.
    Done(JobResult),
}

/// What follows when all tasks are gone.
#[derive(Debug)]
enum Next {
    Restart { delay_ms: i64 },
    Fail(Failure),
    Cancel,
}

/// A job.
#[derive(Debug)]
pub(crate) struct Job {
    pub(crate) id: JobId,
    pub(crate) name: String,
    graph: Arc<JobGraph>,
    graph_json: String,
    physical: PhysicalGraph,
    settings: Settings,
    ledger: LedgerSpec,
    phase: Phase,
    epoch: u64,
    parallelism: u32,
    desired_parallelism: u32,
    max_parallelism: u32,
    /// What the next attempt goes on from, once recovered.
    restore: Option<(SnapshotRef, Arc<Manifest>)>,
    /// The splits of the sources for the next attempt, once listed.
    splits: Option<Splits>,
    last_listing: u64,
    last_attempt: u64,
    /// When the pointer was last known to be ours.
    verified_ms: i64,
    coordinator: Coordinator,
    restarts: Restarts,
    restart_count: u64,
    rescale_count: u64,
    missing_slots: u32,
    cancel_wanted: bool,
    /// The clients that wait for the stop, and the savepoint once it is there.
    stop_requests: Vec<RequestId>,
    stopped_with: Option<String>,
    /// Folders of snapshots that were given up, whose tasks may still write.
    given_up: Vec<String>,
    /// What the tasks of the last attempt have done.
    figures: BTreeMap<TaskKey, SubtaskFigures>,
    last_savepoint: Option<String>,
    failures: VecDeque<FailureDetail>,
    start_ms: i64,
    end_ms: Option<i64>,
    down_since_ms: Option<i64>,
    last_downtime_ms: Option<u64>,
    status: JobStatus,
    status_since: BTreeMap<JobStatus, i64>,
    status_ms: BTreeMap<JobStatus, u64>,
}

impl Job {
    /// Checks a submission.
    ///
    /// # Errors
    /// Class `User`, naming what is wrong.
    pub(crate) fn new(
        id: JobId,
        submission: JobSubmission,
        cluster: &Settings,
        now_ms: i64,
        seed: u64,
    ) -> Result<Self, Failure> {
        let mut settings = cluster.clone();
        settings.merge(&submission.settings);
        let parallelism = settings.get(&keys::PARALLELISM);
        let chosen = settings.get(&keys::MAX_PARALLELISM);
        let max_parallelism = chosen.unwrap_or_else(|| key::default_max_parallelism(parallelism));
        if !(1..=key::MAX_PARALLELISM_LIMIT).contains(&max_parallelism) {
            let limit = key::MAX_PARALLELISM_LIMIT;
            return Err(Failure::user(format!("option pipeline.max-parallelism: must be from 1 to {limit}")));
        }
        check_parallelism(parallelism, max_parallelism)?;
        let graph = submission.graph;
        check_graph(&graph)?;
        let checkpoint_dir = settings.get(&keys::CHECKPOINT_DIRECTORY);
        let interval = settings.get(&keys::CHECKPOINT_INTERVAL);
        if !interval.is_zero() && checkpoint_dir.is_none() {
            return Err(Failure::user(
                "option execution.checkpointing.interval: needs execution.checkpointing.dir to be set too",
            ));
        }
        let name = submission.name.or_else(|| settings.get(&keys::JOB_NAME)).unwrap_or_else(|| graph.name.clone());
        let mut job = Self::unchecked(id, name, graph, settings, now_ms, seed);
        job.graph_json = job.graph.to_json()?;
        job.max_parallelism = max_parallelism;
        job.ledger.max_parallelism = max_parallelism;
        if let Some(path) = submission.restore_from {
            job.ledger.restore_from = Some(checkpoint::layout::snapshot_directory(&path).to_owned());
        }
        Ok(job)
    }

    /// A job that could not be planned: it has failed.
    pub(crate) fn rejected(id: JobId, cluster: &Settings, failure: Failure, now_ms: i64) -> Self {
        let name = cluster.get(&keys::JOB_NAME).unwrap_or_else(|| id.clone());
        let mut job = Self::unchecked(id, name.clone(), JobGraph::new(name), cluster.clone(), now_ms, 0);
        job.failures.push_front(FailureDetail {
            class: failure.class,
            message: failure.message.clone(),
            position: failure.position,
            time_ms: now_ms,
            task: None,
            taskmanager: None,
        });
        job.phase = Phase::Done(JobResult { status: JobStatus::Failed, failure: Some(failure), savepoint: None });
        job
    }

    fn unchecked(id: JobId, name: String, graph: JobGraph, settings: Settings, now_ms: i64, seed: u64) -> Self {
        let parallelism = settings.get(&keys::PARALLELISM);
        let max_parallelism = key::default_max_parallelism(parallelism);
        let restore_from = settings.get(&keys::SAVEPOINT_PATH);
        let ledger = LedgerSpec {
            checkpoint_dir: settings.get(&keys::CHECKPOINT_DIRECTORY),
            restore_from: restore_from.map(|path| checkpoint::layout::snapshot_directory(&path).to_owned()),
            keep: settings.get(&keys::CHECKPOINT_RETAINED) as usize,
            max_parallelism,
            ignore_lost: settings.get(&keys::IGNORE_LOST_CHECKPOINTS),
        };
        let has_checkpoints = ledger.checkpoint_dir.is_some() && !settings.get(&keys::CHECKPOINT_INTERVAL).is_zero();
        Self {
            id,
            name,
            graph_json: String::new(),
            physical: PhysicalGraph::new(&graph, parallelism),
            graph: Arc::new(graph),
            coordinator: Coordinator::new(&settings),
            restarts: Restarts::new(&settings, has_checkpoints, seed),
            settings,
            ledger,
            phase: Phase::Recovering,
            epoch: 0,
            parallelism,
            desired_parallelism: parallelism,
            max_parallelism,
            restore: None,
            splits: None,
            last_listing: 0,
            last_attempt: 0,
            verified_ms: now_ms,
            restart_count: 0,
            rescale_count: 0,
            missing_slots: 0,
            cancel_wanted: false,
            stop_requests: Vec::new(),
            stopped_with: None,
            given_up: Vec::new(),
            figures: BTreeMap::new(),
            last_savepoint: None,
            failures: VecDeque::new(),
            start_ms: now_ms,
            end_ms: None,
            down_since_ms: None,
            last_downtime_ms: None,
            status: JobStatus::Initializing,
            status_since: [(JobStatus::Initializing, now_ms)].into(),
            status_ms: BTreeMap::new(),
        }
    }

    pub(crate) fn is_done(&self) -> bool {
        matches!(self.phase, Phase::Done(_))
    }

    pub(crate) fn result(&self) -> Option<&JobResult> {
        match &self.phase {
            Phase::Done(result) => Some(result),
            _ => None,
        }
    }

    fn attempt(&self) -> Option<&Attempt> {
        match &self.phase {
            Phase::Deployed(attempt) | Phase::Closing { attempt, .. } => Some(attempt),
            _ => None,
        }
    }

    fn attempt_mut(&mut self) -> Option<&mut Attempt> {
        match &mut self.phase {
            Phase::Deployed(attempt) | Phase::Closing { attempt, .. } => Some(attempt),
            _ => None,
        }
    }

    /// Whether the job has tasks on this connection.
    pub(crate) fn uses(&self, link: LinkId) -> bool {
        self.attempt().is_some_and(|attempt| attempt.links().any(|other| other == link))
    }

    /// Whether this is the attempt that has tasks now.
    pub(crate) fn is_at(&self, attempt: u64) -> bool {
        self.attempt().is_some_and(|current| current.number == attempt)
    }

    /// Cancels the tasks and nothing else.
    pub(crate) fn abandon(&self) -> Vec<Action> {
        let Some(attempt) = self.attempt() else { return Vec::new() };
        let cancel = wire::v1::Cancel { job_id: self.id.clone(), attempt: attempt.number };
        let body = wire::v1::to_task_manager::Body::Cancel(cancel);
        attempt.links().map(|link| life::send(link, body.clone())).collect()
    }

    /// Takes note of the status that the phase has led to, and of the time spent in each.
    fn note_status(&mut self, now_ms: i64) {
        let status = self.derive_status();
        if status == self.status {
            return;
        }
        let since = self.status_since.get(&self.status).copied().unwrap_or(now_ms);
        *self.status_ms.entry(self.status).or_insert(0) += now_ms.saturating_sub(since).unsigned_abs();
        tracing::info!(job = %self.id, from = self.status.name(), to = status.name(), "job status");
        self.status = status;
        self.status_since.insert(status, now_ms);
        if status.is_terminal() {
            self.end_ms = Some(now_ms);
        }
    }

    fn derive_status(&self) -> JobStatus {
        let starting = |first| if self.last_attempt == 0 { first } else { JobStatus::Restarting };
        match &self.phase {
            _ if self.cancel_wanted && !self.is_done() => JobStatus::Cancelling,
            Phase::Recovering => starting(JobStatus::Initializing),
            Phase::Waiting | Phase::Listing(_) => starting(JobStatus::Created),
            Phase::Deployed(attempt) if attempt.is_up() || attempt.released => JobStatus::Running,
            Phase::Deployed(attempt) if attempt.is_first => JobStatus::Initializing,
            Phase::Deployed(_) | Phase::Backoff { .. } => JobStatus::Restarting,
            Phase::Closing { next, .. } => match next {
                Next::Restart { .. } => JobStatus::Restarting,
                Next::Fail(_) => JobStatus::Failing,
                Next::Cancel => JobStatus::Cancelling,
            },
            Phase::Concluding(result) if result.status == JobStatus::Canceled => JobStatus::Cancelling,
            Phase::Concluding(_) => JobStatus::Running,
            Phase::Done(result) => result.status,
        }
    }
}

fn check_parallelism(parallelism: u32, max_parallelism: u32) -> Result<(), Failure> {
    if parallelism == 0 || parallelism > max_parallelism {
        return Err(Failure::user(format!(
            "parallelism {parallelism}: must be from 1 to the number of key groups (pipeline.max-parallelism), {max_parallelism}"
        )));
    }
    Ok(())
}

/// Everything that is kept for each subtask is bounded so.
fn check_graph(graph: &JobGraph) -> Result<(), Failure> {
    if graph.nodes.is_empty() {
        return Err(Failure::user("the job has no operators"));
    }
    let limit = key::MAX_PARALLELISM_LIMIT;
    let excess = graph.nodes.iter().find(|node| node.parallelism.is_some_and(|of| !(1..=limit).contains(&of)));
    excess.map_or(Ok(()), |node| {
        let parallelism = node.parallelism.unwrap_or_default();
        Err(Failure::user(format!("operator {}: parallelism {parallelism}: must be from 1 to {limit}", node.uid)))
    })
}

/// The result of a job with this state in its pointer.
fn result_of(state: &JobState) -> JobResult {
    let (status, savepoint) = match state {
        JobState::Running | JobState::Finished => (JobStatus::Finished, None),
        JobState::Suspended { savepoint } => (JobStatus::Suspended, Some(savepoint.clone())),
        JobState::Canceled => (JobStatus::Canceled, None),
    };
    JobResult { status, failure: None, savepoint }
}
