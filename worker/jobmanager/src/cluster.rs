//! The core of the JobManager: all jobs and TaskManagers as one synchronous state machine. It has no clock: the time
//! comes with each event. It does nothing itself: it answers each event with actions.

use std::collections::BTreeMap;

use model::Failure;
use settings::{Settings, keys};
use wire::v1::{Registered, SubtaskId, ToJobManager, to_job_manager::Body, to_task_manager};

use crate::{
    api::{JobDetail, JobId, JobResult, JobSubmission, Progress, TaskManagerDetail},
    event::{Action, Event, LinkId, RequestId},
    job::{Context, Job},
    workers::Workers,
};

/// Ended jobs that are remembered.
const ENDED_MAX: usize = 100;

/// The state machine.
#[derive(Debug)]
pub struct Cluster {
    settings: Settings,
    build: String,
    seed: u64,
    jobs: BTreeMap<JobId, Job>,
    /// In the order in which they ended.
    ended: Vec<JobId>,
    workers: Workers,
    heartbeat_interval_ms: u64,
    heartbeat_timeout_ms: i64,
}

impl Cluster {
    /// A cluster without jobs. `seed` makes random choices (the jitter of restarts, ids) repeatable; TaskManagers must be
    /// of the same `build`.
    pub fn new(settings: Settings, build: impl Into<String>, seed: u64) -> Self {
        let millis = |duration: std::time::Duration| u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
        Self {
            heartbeat_interval_ms: millis(settings.get(&keys::HEARTBEAT_INTERVAL)),
            heartbeat_timeout_ms: i64::try_from(millis(settings.get(&keys::HEARTBEAT_TIMEOUT))).unwrap_or(i64::MAX),
            settings,
            build: build.into(),
            seed,
            jobs: BTreeMap::new(),
            ended: Vec::new(),
            workers: Workers::default(),
        }
    }

    /// Takes an event at a time (milliseconds since the epoch) and says what is to be done.
    pub fn step(&mut self, now_ms: i64, event: Event) -> Vec<Action> {
        let mut out = Vec::new();
        match event {
            Event::Submit(request, submission) => self.submit(now_ms, request, *submission, &mut out),
            Event::Reject(request, job, failure) => {
                let answer = self.reject(now_ms, job, failure);
                out.push(Action::Answer(request, answer));
            }
            Event::Request(request, job, wish) => {
                let unknown = || Failure::user(format!("no job {job}"));
                match self.jobs.get_mut(&job) {
                    None => out.push(Action::Answer(request, Err(unknown()))),
                    Some(job) => {
                        job.request(request, wish, &mut context(now_ms, &mut self.workers, &mut out));
                    }
                }
            }
            Event::Attached(link) => self.workers.attach(link, now_ms),
            Event::Detached(link) => self.detach(now_ms, link, &mut out),
            Event::Message(link, message) => self.message(now_ms, link, message, &mut out),
            Event::Recovered(job, result) => {
                self.with_job(now_ms, &job, &mut out, |job, context| job.recovered(result, context));
            }
            Event::Enumerated(job, number, result) => {
                self.with_job(now_ms, &job, &mut out, |job, context| job.enumerated(number, result, context));
            }
            Event::Verified(job, result) => {
                self.with_job(now_ms, &job, &mut out, |job, context| job.verified(result, context));
            }
            Event::Committed(job, id, result) => {
                self.with_job(now_ms, &job, &mut out, |job, context| job.committed(id, result, context));
            }
            Event::Ended(job, result) => {
                self.with_job(now_ms, &job, &mut out, |job, context| job.ended(result, context));
            }
            Event::Tick => {}
            Event::Paused(paused_ms) => {
                self.workers.paused(paused_ms);
                self.jobs.values_mut().for_each(|job| job.paused(paused_ms));
            }
        }
        self.pump(now_ms, &mut out);
        out
    }

    fn with_job(&mut self, now_ms: i64, id: &str, out: &mut Vec<Action>, act: impl FnOnce(&mut Job, &mut Context<'_>)) {
        if let Some(job) = self.jobs.get_mut(id) {
            act(job, &mut context(now_ms, &mut self.workers, out));
        }
    }

    fn pump(&mut self, now_ms: i64, out: &mut Vec<Action>) {
        for link in self.workers.silent_since(now_ms - self.heartbeat_timeout_ms) {
            tracing::warn!(taskmanager = self.workers.name(link), "no heartbeat");
            out.push(Action::Close(link));
            self.detach(now_ms, link, out);
        }
        for job in self.jobs.values_mut() {
            job.pump(&mut context(now_ms, &mut self.workers, out));
        }
        let ended: Vec<_> = self.jobs.values().filter(|job| job.is_done() && !self.ended.contains(&job.id)).collect();
        let ended: Vec<JobId> = ended.into_iter().map(|job| job.id.clone()).collect();
        self.ended.extend(ended);
        if self.ended.len() > ENDED_MAX {
            for id in self.ended.drain(..self.ended.len() - ENDED_MAX) {
                self.jobs.remove(&id);
            }
        }
        // What closing a link has done to jobs.
        let closed: Vec<LinkId> = out
            .iter()
            .filter_map(|action| match action {
                Action::Close(link) if self.workers.is_attached(*link) => Some(*link),
                _ => None,
            })
            .collect();
        for link in closed {
            self.detach(now_ms, link, out);
        }
    }

    fn submit(&mut self, now_ms: i64, request: RequestId, submission: JobSubmission, out: &mut Vec<Action>) {
        let answer = self.accept(now_ms, submission, out);
        out.push(Action::Answer(request, answer));
    }

    fn new_id(&mut self, now_ms: i64, wanted: Option<JobId>) -> Result<JobId, Failure> {
        self.seed = model::key::hash(&self.seed.to_le_bytes());
        let random = format!("{:016x}{:016x}", self.seed, model::key::hash(&now_ms.to_le_bytes()));
        let id = wanted.unwrap_or(random);
        if id.len() != 32 || !id.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte)) {
            return Err(Failure::user(format!("job id {id}: must be 32 hexadecimal characters")));
        }
        if self.jobs.get(&id).is_some_and(|job| !job.is_done()) {
            return Err(Failure::user(format!("job {id} is there already")));
        }
        self.ended.retain(|ended| *ended != id);
        Ok(id)
    }

    fn reject(&mut self, now_ms: i64, id: Option<JobId>, failure: Failure) -> Result<String, Failure> {
        let id = self.new_id(now_ms, id)?;
        self.jobs.insert(id.clone(), Job::rejected(id.clone(), &self.settings, failure, now_ms));
        Ok(id)
    }

    fn accept(&mut self, now_ms: i64, submission: JobSubmission, out: &mut Vec<Action>) -> Result<String, Failure> {
        let id = self.new_id(now_ms, submission.job_id.clone())?;
        let mut job = Job::new(id.clone(), submission, &self.settings, now_ms, self.seed)?;
        tracing::info!(job = %id, name = %job.name, "job submitted");
        job.start(&mut context(now_ms, &mut self.workers, out));
        self.jobs.insert(id.clone(), job);
        Ok(id)
    }

    fn detach(&mut self, now_ms: i64, link: LinkId, out: &mut Vec<Action>) {
        let name = self.workers.name(link);
        if !self.workers.remove(link) {
            return;
        }
        tracing::info!(taskmanager = name, "TaskManager detached");
        for job in self.jobs.values_mut() {
            job.lost(link, &name, &mut context(now_ms, &mut self.workers, out));
        }
    }

    fn message(&mut self, now_ms: i64, link: LinkId, message: ToJobManager, out: &mut Vec<Action>) {
        if !self.workers.is_attached(link) {
            return;
        }
        self.workers.heard(link, now_ms);
        match message.body {
            Some(Body::Register(register)) => self.register(now_ms, link, &register, out),
            Some(Body::Heartbeat(heartbeat)) => {
                self.workers.set_resident(link, heartbeat.resident_bytes);
                for job in self.jobs.values_mut().filter(|job| job.uses(link)) {
                    job.heartbeat(link, &heartbeat, &mut context(now_ms, &mut self.workers, out));
                }
            }
            Some(Body::TaskStatus(status)) => self.with_task(now_ms, status.id.clone(), out, |job, task, context| {
                job.task_status(task, status, context);
            }),
            Some(Body::CheckpointAck(ack)) => self.with_task(now_ms, ack.id.clone(), out, |job, task, context| {
                job.acknowledged(task, ack, context);
            }),
            Some(Body::CheckpointDeclined(declined)) => {
                self.with_task(now_ms, declined.id.clone(), out, |job, _, context| {
                    let failure = declined.failure.map_or_else(|| Failure::internal("declined"), Failure::from);
                    job.declined(declined.checkpoint_id, failure, context);
                });
            }
            None => tracing::warn!(link, "a TaskManager sent a message of an unknown kind"),
        }
    }

    /// Finds the job of a task, if it speaks of the job's present attempt.
    fn with_task(
        &mut self,
        now_ms: i64,
        task: Option<SubtaskId>,
        out: &mut Vec<Action>,
        act: impl FnOnce(&mut Job, (u32, u32), &mut Context<'_>),
    ) {
        let Some(task) = task else { return };
        let job = self.jobs.get_mut(&task.job_id).filter(|job| job.is_at(task.attempt));
        if let Some(job) = job {
            act(job, (task.vertex, task.subtask), &mut context(now_ms, &mut self.workers, out));
        }
    }

    fn register(&mut self, now_ms: i64, link: LinkId, register: &wire::v1::Register, out: &mut Vec<Action>) {
        let id = &register.taskmanager_id;
        if register.build != self.build {
            tracing::error!(
                taskmanager = id,
                theirs = register.build,
                ours = self.build,
                "TaskManager of another build"
            );
            out.push(Action::Close(link));
            return;
        }
        tracing::info!(taskmanager = id, slots = register.slots, "TaskManager registered");
        if let Some(earlier) = self.workers.register(link, register) {
            out.push(Action::Close(earlier));
            self.detach(now_ms, earlier, out);
        }
        let registered = Registered { heartbeat_interval_ms: self.heartbeat_interval_ms };
        out.push(Action::Send(
            link,
            wire::v1::ToTaskManager { body: Some(to_task_manager::Body::Registered(registered)) },
        ));
    }

    /// Cancels the tasks of all jobs without touching any pointer: a newer owner exists.
    pub fn abandon(&self) -> Vec<Action> {
        self.jobs.values().flat_map(Job::abandon).collect()
    }

    /// When [`Event::Tick`] is due.
    pub fn deadline(&self) -> Option<i64> {
        let heartbeats = self.workers.oldest_lease_ms().map(|lease| lease + self.heartbeat_timeout_ms);
        self.jobs.values().filter_map(Job::deadline).chain(heartbeats).min()
    }

    /// The ids of all jobs that are known, in order.
    pub fn job_ids(&self) -> impl Iterator<Item = &JobId> {
        self.jobs.keys()
    }

    /// Everything about a job.
    pub fn job(&self, id: &str, now_ms: i64) -> Option<JobDetail> {
        self.jobs.get(id).map(|job| job.detail(now_ms, |link| self.workers.name(link)))
    }

    /// How a job ended, if it has.
    pub fn result(&self, id: &str) -> Option<JobResult> {
        self.jobs.get(id).and_then(|job| job.result().cloned())
    }

    /// A job's few figures.
    pub fn progress(&self, id: &str) -> Option<Progress> {
        self.jobs.get(id).map(Job::progress)
    }

    /// All TaskManagers that are registered.
    pub fn taskmanagers(&self) -> Vec<TaskManagerDetail> {
        self.workers.details()
    }
}

fn context<'a>(now_ms: i64, workers: &'a mut Workers, out: &'a mut Vec<Action>) -> Context<'a> {
    Context { now_ms, workers, out }
}
