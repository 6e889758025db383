//! The handle through which everybody speaks to a running JobManager.

#![expect(clippy::disallowed_methods, reason = "owns the task of the service")]

use std::sync::{Arc, atomic::AtomicU64, atomic::Ordering};

use model::Failure;
use tokio::sync::{mpsc, oneshot, watch};
use wire::v1::{ToJobManager, ToTaskManager};

use crate::{
    api::{JobDetail, JobId, JobResult, JobSubmission, Progress, TaskManagerDetail},
    event::{LinkId, Request},
};

/// Commands that may wait for the service.
pub(crate) const COMMANDS_MAX: usize = 256;

/// A command to the service.
pub(crate) enum Command {
    Submit(Box<JobSubmission>, oneshot::Sender<Result<String, Failure>>),
    Reject(Option<JobId>, Failure, oneshot::Sender<Result<String, Failure>>),
    Request(JobId, Request, oneshot::Sender<Result<String, Failure>>),
    Attach(LinkId, mpsc::Receiver<ToJobManager>, mpsc::Sender<ToTaskManager>),
    Job(JobId, oneshot::Sender<Option<JobDetail>>),
    Jobs(oneshot::Sender<Vec<JobDetail>>),
    TaskManagers(oneshot::Sender<Vec<TaskManagerDetail>>),
    Await(JobId, oneshot::Sender<Result<JobResult, Failure>>),
    Progress(JobId, oneshot::Sender<Option<watch::Receiver<Progress>>>),
    Shutdown,
}

/// Speaks to a running [`crate::Service`]. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Handle {
    commands: mpsc::Sender<Command>,
    next_link: Arc<AtomicU64>,
}

/// A [`Handle`] that does not keep the service running.
#[derive(Clone, Debug)]
pub struct WeakHandle {
    commands: mpsc::WeakSender<Command>,
    next_link: Arc<AtomicU64>,
}

impl WeakHandle {
    /// A handle to the service; none if it has ended.
    pub fn upgrade(&self) -> Option<Handle> {
        let commands = self.commands.upgrade().filter(|commands| !commands.is_closed())?;
        Some(Handle { commands, next_link: Arc::clone(&self.next_link) })
    }
}

impl Handle {
    pub(crate) fn new(commands: mpsc::Sender<Command>) -> Self {
        Self { commands, next_link: Arc::new(AtomicU64::new(1)) }
    }

    async fn ask<T>(&self, command: impl FnOnce(oneshot::Sender<T>) -> Command) -> Result<T, Failure> {
        let gone = || Failure::external("the JobManager has stopped");
        let (sender, receiver) = oneshot::channel();
        self.commands.send(command(sender)).await.map_err(|_| gone())?;
        receiver.await.map_err(|_| gone())
    }

    /// Starts a job; returns as soon as it is accepted.
    ///
    /// # Errors
    /// Class `User` if the submission is wrong or the job is running already.
    pub async fn submit(&self, submission: JobSubmission) -> Result<JobId, Failure> {
        self.ask(|answer| Command::Submit(Box::new(submission), answer)).await?
    }

    /// Shows a job that could not even be planned, as failed.
    ///
    /// # Errors
    /// Class `User` if the id is malformed or in use.
    pub async fn reject(&self, job_id: Option<JobId>, failure: Failure) -> Result<JobId, Failure> {
        self.ask(|answer| Command::Reject(job_id, failure, answer)).await?
    }

    /// Connects a TaskManager: what it says, and where to answer. The end of `inbound` is its loss; if the JobManager
    /// has stopped, both ends are closed.
    pub fn attach(&self, inbound: mpsc::Receiver<ToJobManager>, outbound: mpsc::Sender<ToTaskManager>) {
        let link = self.next_link.fetch_add(1, Ordering::Relaxed);
        let commands = self.commands.clone();
        tokio::spawn(async move {
            // Dropping the ends says that nobody is there.
            let _ = commands.send(Command::Attach(link, inbound, outbound)).await;
        });
    }

    /// A handle that does not keep the service running.
    pub fn downgrade(&self) -> WeakHandle {
        WeakHandle { commands: self.commands.downgrade(), next_link: Arc::clone(&self.next_link) }
    }

    async fn request(&self, id: &str, request: Request) -> Result<String, Failure> {
        let id = id.to_owned();
        self.ask(|answer| Command::Request(id, request, answer)).await?
    }

    /// Cancels a job; returns as soon as that has begun.
    ///
    /// # Errors
    /// Class `User` if there is no such job or it has ended.
    pub async fn cancel(&self, id: &str) -> Result<(), Failure> {
        self.request(id, Request::Cancel).await.map(drop)
    }

    /// Stops a job with a savepoint and returns its URI when the job has stopped.
    ///
    /// # Errors
    /// If the job does not run, or fails while it stops.
    pub async fn stop(&self, id: &str, drain: bool, directory: Option<String>) -> Result<String, Failure> {
        self.request(id, Request::Stop { drain, directory }).await
    }

    /// Takes a savepoint and returns its URI.
    ///
    /// # Errors
    /// If the job does not run, or the savepoint fails.
    pub async fn savepoint(&self, id: &str, directory: Option<String>) -> Result<String, Failure> {
        self.request(id, Request::Savepoint { directory }).await
    }

    /// Takes a checkpoint now and returns its URI.
    ///
    /// # Errors
    /// If the job does not run or has no checkpoint directory, or the checkpoint fails.
    pub async fn checkpoint(&self, id: &str) -> Result<String, Failure> {
        self.request(id, Request::Checkpoint).await
    }

    /// Asks for another parallelism. The job is redeployed when there are slots for it.
    ///
    /// # Errors
    /// Class `User` if the parallelism does not fit the job's key groups, or the job has no checkpoint directory.
    pub async fn rescale(&self, id: &str, parallelism: u32) -> Result<(), Failure> {
        self.request(id, Request::Rescale(parallelism)).await.map(drop)
    }

    /// Everything about a job.
    ///
    /// # Errors
    /// Class `User` if there is no such job.
    pub async fn job(&self, id: &str) -> Result<JobDetail, Failure> {
        let detail = self.ask(|answer| Command::Job(id.to_owned(), answer)).await?;
        detail.ok_or_else(|| Failure::user(format!("no job {id}")))
    }

    /// Everything about all jobs.
    ///
    /// # Errors
    /// If the JobManager has stopped.
    pub async fn jobs(&self) -> Result<Vec<JobDetail>, Failure> {
        self.ask(Command::Jobs).await
    }

    /// The TaskManagers.
    ///
    /// # Errors
    /// If the JobManager has stopped.
    pub async fn taskmanagers(&self) -> Result<Vec<TaskManagerDetail>, Failure> {
        self.ask(Command::TaskManagers).await
    }

    /// Waits until a job has ended.
    ///
    /// # Errors
    /// Class `User` if there is no such job; otherwise if the JobManager stops before.
    pub async fn await_termination(&self, id: &str) -> Result<JobResult, Failure> {
        self.ask(|answer| Command::Await(id.to_owned(), answer)).await?
    }

    /// Follows a job's figures.
    ///
    /// # Errors
    /// Class `User` if there is no such job.
    pub async fn progress(&self, id: &str) -> Result<watch::Receiver<Progress>, Failure> {
        let receiver = self.ask(|answer| Command::Progress(id.to_owned(), answer)).await?;
        receiver.ok_or_else(|| Failure::user(format!("no job {id}")))
    }

    /// Ends the service; running jobs' tasks are cancelled, their pointers stay as they are.
    pub async fn shutdown(&self) {
        // Gone already is as good.
        let _ = self.commands.send(Command::Shutdown).await;
    }
}
