//! The shell around the core: feeds it commands, messages, results and time, and performs its actions.

#![expect(clippy::disallowed_methods, reason = "feeds the time to the pure core")]

mod perform;

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use model::Failure;
use settings::Settings;
use storage::Storage;
use tokio::{
    sync::{Mutex, mpsc, oneshot, watch},
    task::{AbortHandle, JoinSet},
};
use wire::v1::{ToJobManager, ToTaskManager};

use crate::{
    api::{JobId, JobResult, Progress},
    cluster::Cluster,
    event::{Action, Event, LinkId, RequestId},
    handle::{COMMANDS_MAX, Command, Handle},
    ledger::Ledger,
    pause::Pauses,
    splits::SplitEnumerator,
};

/// Messages of all TaskManagers together that may wait.
const MESSAGES_MAX: usize = 4096;
/// How long a tick may be away at most; also how often figures for a terminal are renewed.
const TICK_MAX: Duration = Duration::from_millis(500);

/// What a JobManager is made of.
pub struct Options {
    /// Options for all jobs.
    pub settings: Settings,
    /// Where snapshots and pointers are.
    pub storage: Storage,
    /// Lists the splits of sources.
    pub enumerator: Arc<dyn SplitEnumerator>,
    /// Version of the build; TaskManagers must have the same.
    pub build: String,
}

/// Makes JobManagers.
#[derive(Debug)]
pub struct JobManager;

impl JobManager {
    /// A JobManager that is not running yet: run the service, speak through the handle.
    #[allow(clippy::new_ret_no_self, reason = "a component is its handle and its service")]
    pub fn new(options: Options) -> (Handle, Service) {
        let (sender, commands) = mpsc::channel(COMMANDS_MAX);
        let (messages_sender, messages) = mpsc::channel(MESSAGES_MAX);
        let owner = uuid::Uuid::new_v4();
        let seed = owner.as_u64_pair().0;
        let service = Service {
            cluster: Cluster::new(options.settings, options.build, seed),
            storage: options.storage,
            enumerator: options.enumerator,
            owner: owner.simple().to_string(),
            commands,
            messages,
            messages_sender,
            links: HashMap::new(),
            ledgers: HashMap::new(),
            work: JoinSet::new(),
            answers: HashMap::new(),
            next_request: 1,
            waiting: Vec::new(),
            progress: BTreeMap::new(),
            pauses: Pauses::new(i64::try_from(TICK_MAX.as_millis()).unwrap_or(i64::MAX)),
        };
        (Handle::new(sender), service)
    }
}

struct Link {
    outbound: mpsc::Sender<ToTaskManager>,
    reader: AbortHandle,
}

/// A JobManager to be run.
pub struct Service {
    cluster: Cluster,
    storage: Storage,
    enumerator: Arc<dyn SplitEnumerator>,
    owner: String,
    commands: mpsc::Receiver<Command>,
    messages: mpsc::Receiver<Event>,
    messages_sender: mpsc::Sender<Event>,
    links: HashMap<LinkId, Link>,
    ledgers: HashMap<JobId, Arc<Mutex<Ledger>>>,
    /// Storage work; each yields what became of it.
    work: JoinSet<Option<Event>>,
    answers: HashMap<RequestId, oneshot::Sender<Result<String, Failure>>>,
    next_request: RequestId,
    waiting: Vec<(JobId, oneshot::Sender<Result<JobResult, Failure>>)>,
    progress: BTreeMap<JobId, watch::Sender<Progress>>,
    pauses: Pauses,
}

impl Service {
    /// Runs until it is shut down or all handles are gone.
    ///
    /// # Errors
    /// Class `Fenced` if a newer JobManager owns a job; all tasks have been cancelled then.
    pub async fn run(mut self) -> Result<(), Failure> {
        let mut ticks = tokio::time::interval(TICK_MAX);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            let deadline = self.until_deadline();
            let event = tokio::select! {
                biased;
                Some(done) = self.work.join_next(), if !self.work.is_empty() => match done {
                    Ok(Some(event)) => event,
                    Ok(None) => continue,
                    Err(error) if error.is_cancelled() => continue,
                    Err(error) => return Err(Failure::internal(format!("storage work panicked: {error}"))),
                },
                Some(event) = self.messages.recv() => event,
                command = self.commands.recv() => match command {
                    None | Some(Command::Shutdown) => {
                        self.abandon();
                        return Ok(());
                    }
                    Some(command) => match self.command(command) {
                        Some(event) => event,
                        None => continue,
                    },
                },
                _ = ticks.tick() => {
                    self.publish();
                    Event::Tick
                }
                () = tokio::time::sleep(deadline) => Event::Tick,
            };
            self.step(event)?;
        }
    }

    fn until_deadline(&self) -> Duration {
        let left = self.cluster.deadline().map_or(i64::MAX, |deadline| deadline.saturating_sub(now_ms()));
        Duration::from_millis(left.max(1).unsigned_abs()).min(TICK_MAX)
    }

    fn step(&mut self, event: Event) -> Result<(), Failure> {
        let now_ms = now_ms();
        let mut actions = Vec::new();
        if let Some(paused_ms) = self.pauses.look(now_ms) {
            tracing::warn!(paused_ms, "this process did not run, or the clock was set");
            actions = self.cluster.step(now_ms, Event::Paused(paused_ms));
        }
        actions.extend(self.cluster.step(now_ms, event));
        let mut fenced = None;
        for action in actions {
            self.perform(action, &mut fenced);
        }
        self.answer_waiting();
        if let Some(failure) = fenced {
            tracing::error!("fenced: {failure}");
            self.abandon();
            return Err(failure);
        }
        Ok(())
    }

    /// Cancels all tasks.
    fn abandon(&mut self) {
        for action in self.cluster.abandon() {
            if let Action::Send(link, message) = action
                && let Some(link) = self.links.get(&link)
            {
                // Full or gone: the end of the connection says the same.
                let _ = link.outbound.try_send(message);
            }
        }
    }

    fn command(&mut self, command: Command) -> Option<Event> {
        match command {
            Command::Submit(submission, answer) => Some(Event::Submit(self.expect(answer), submission)),
            Command::Reject(job, failure, answer) => Some(Event::Reject(self.expect(answer), job, failure)),
            Command::Request(job, request, answer) => Some(Event::Request(self.expect(answer), job, request)),
            Command::Attach(link, inbound, outbound) => {
                self.attach(link, inbound, outbound);
                Some(Event::Attached(link))
            }
            Command::Job(id, answer) => {
                // A client that no longer waits needs no answer; here and below.
                let _ = answer.send(self.cluster.job(&id, now_ms()));
                None
            }
            Command::Jobs(answer) => {
                let now = now_ms();
                let _ = answer.send(self.cluster.job_ids().filter_map(|id| self.cluster.job(id, now)).collect());
                None
            }
            Command::TaskManagers(answer) => {
                let _ = answer.send(self.cluster.taskmanagers());
                None
            }
            Command::Await(id, answer) => {
                self.waiting.push((id, answer));
                self.answer_waiting();
                None
            }
            Command::Progress(id, answer) => {
                let receiver = self
                    .cluster
                    .progress(&id)
                    .map(|progress| self.progress.entry(id).or_insert_with(|| watch::channel(progress).0).subscribe());
                let _ = answer.send(receiver);
                None
            }
            Command::Shutdown => None,
        }
    }

    fn expect(&mut self, answer: oneshot::Sender<Result<String, Failure>>) -> RequestId {
        let request = self.next_request;
        self.next_request += 1;
        self.answers.insert(request, answer);
        request
    }

    fn attach(
        &mut self,
        link: LinkId,
        mut inbound: mpsc::Receiver<ToJobManager>,
        outbound: mpsc::Sender<ToTaskManager>,
    ) {
        let messages = self.messages_sender.clone();
        let reader = self.work.spawn(async move {
            while let Some(message) = inbound.recv().await {
                if messages.send(Event::Message(link, message)).await.is_err() {
                    return None;
                }
            }
            // Behind its last message.
            let _ = messages.send(Event::Detached(link)).await;
            None
        });
        self.links.insert(link, Link { outbound, reader });
    }

    fn close(&mut self, link: LinkId) {
        if let Some(link) = self.links.remove(&link) {
            link.reader.abort();
        }
    }

    fn answer_waiting(&mut self) {
        let cluster = &self.cluster;
        let waiting = std::mem::take(&mut self.waiting);
        for (id, answer) in waiting {
            if cluster.progress(&id).is_none() {
                let _ = answer.send(Err(Failure::user(format!("no job {id}"))));
            } else if let Some(result) = cluster.result(&id) {
                let _ = answer.send(Ok(result));
            } else if !answer.is_closed() {
                self.waiting.push((id, answer));
            }
        }
    }

    fn publish(&mut self) {
        let cluster = &self.cluster;
        self.ledgers.retain(|id, _| cluster.progress(id).is_some());
        self.progress.retain(|id, sender| {
            let progress = cluster.progress(id);
            if let Some(progress) = &progress {
                sender.send_if_modified(|last| {
                    let changed = last != progress;
                    last.clone_from(progress);
                    changed
                });
            }
            progress.is_some() && sender.receiver_count() > 0
        });
    }
}

fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}
