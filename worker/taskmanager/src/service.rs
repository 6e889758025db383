//! The TaskManager's loop: follows the JobManager's messages and reports.

#![expect(clippy::disallowed_methods, reason = "beats and deadlines")]

use std::{collections::HashMap, path::PathBuf, sync::Arc, time::Duration};

use dataflow::{Clock, Registry, TaskCommand};
use model::Failure;
use storage::Storage;
use tokio::{
    runtime::Handle,
    sync::mpsc::{Receiver, Sender},
};
use wire::v1::{Heartbeat, Register, ToJobManager, ToTaskManager, to_job_manager, to_task_manager::Body};

use crate::{
    deployment::{self, Attempt},
    exchange::ExchangeServer,
    messages::{self, message},
    slot::Slot,
};

/// What a TaskManager is made of.
pub struct Options {
    /// Its id, unique in the cluster.
    pub id: String,
    /// Number of slots.
    pub slots: u32,
    /// `host:port` where others reach its [`ExchangeServer`]; empty if there are no others.
    pub data_address: String,
    /// Builds operators.
    pub registry: Arc<dyn Registry>,
    /// Where state files are.
    pub storage: Storage,
    /// The runtime for everything that is not a slot's own work.
    pub runtime: Handle,
    /// Processing time.
    pub clock: Arc<dyn Clock>,
    /// Local folder for working state; each attempt has one below it.
    pub directory: PathBuf,
    /// Memory for state caches, all slots together, in bytes.
    pub managed_memory_bytes: usize,
    /// Bytes in flight on one channel.
    pub channel_bytes: usize,
    /// Version of the build.
    pub build: String,
}

/// The wait before another attempt to reach the JobManager; it doubles up to the second.
const RECONNECT_MIN: Duration = Duration::from_millis(100);
const RECONNECT_MAX: Duration = Duration::from_secs(2);

/// The result of an attempt to connect to the JobManager.
pub enum Contact {
    /// A connection: messages from the JobManager, and the way to answer.
    Link(Receiver<ToTaskManager>, Sender<ToJobManager>),
    /// No connection yet, and the reason.
    NotYet(String),
    /// The JobManager has ended for good.
    Gone,
}

/// A TaskManager.
pub struct TaskManager {
    pub(crate) options: Options,
    pub(crate) slots: Vec<Slot>,
    pub(crate) exchange: ExchangeServer,
    attempts: HashMap<(String, u64), Attempt>,
}

impl TaskManager {
    /// Starts the slots' threads. `exchange` is served by the caller if there are other TaskManagers.
    ///
    /// # Errors
    /// If a thread cannot be started.
    pub fn new(options: Options, exchange: ExchangeServer) -> Result<Self, Failure> {
        let slots = (0..options.slots).map(Slot::spawn).collect::<Result<_, _>>()?;
        Ok(Self { options, slots, exchange, attempts: HashMap::new() })
    }

    /// Serves the JobManager until that has ended for good. When a connection ends, because the JobManager was lost or has
    /// declared this TaskManager lost, it connects and registers again, with all slots free.
    ///
    /// # Errors
    /// If the JobManager's messages cannot be understood.
    pub async fn serve<F>(&mut self, mut connect: impl FnMut() -> F) -> Result<(), Failure>
    where
        F: Future<Output = Contact>,
    {
        let mut wait = RECONNECT_MIN;
        loop {
            match connect().await {
                Contact::Gone => return Ok(()),
                Contact::NotYet(why) => tracing::info!("no JobManager yet: {why}"),
                Contact::Link(inbound, outbound) => {
                    wait = RECONNECT_MIN;
                    self.run(inbound, outbound).await?;
                    tracing::warn!("the connection to the JobManager has ended");
                }
            }
            tokio::time::sleep(wait).await;
            wait = (wait * 2).min(RECONNECT_MAX);
        }
    }

    /// Registers, then follows the JobManager until `inbound` ends; all tasks are cancelled then. May be called again
    /// with a new connection.
    ///
    /// # Errors
    /// If the JobManager's messages cannot be understood.
    pub async fn run(
        &mut self,
        inbound: Receiver<ToTaskManager>,
        outbound: Sender<ToJobManager>,
    ) -> Result<(), Failure> {
        let result = self.follow_all(inbound, outbound).await;
        for (_, attempt) in self.attempts.drain() {
            attempt.cancel();
        }
        result
    }

    async fn follow_all(
        &mut self,
        mut inbound: Receiver<ToTaskManager>,
        outbound: Sender<ToJobManager>,
    ) -> Result<(), Failure> {
        let register = Register {
            taskmanager_id: self.options.id.clone(),
            data_address: self.options.data_address.clone(),
            slots: self.options.slots,
            build: self.options.build.clone(),
        };
        if outbound.send(message(to_job_manager::Body::Register(register))).await.is_err() {
            return Ok(());
        }
        let mut heartbeat = beats(Duration::from_secs(1));
        loop {
            tokio::select! {
                received = inbound.recv() => match received.and_then(|message| message.body) {
                    None => return Ok(()),
                    Some(Body::Registered(registered)) => {
                        let interval = Duration::from_millis(registered.heartbeat_interval_ms.max(10));
                        heartbeat = beats(interval);
                    }
                    Some(body) => self.follow(body, &outbound).await?,
                },
                _ = heartbeat.tick() => {
                    let beat = message(to_job_manager::Body::Heartbeat(self.heartbeat()));
                    // A full queue means that the JobManager is behind; the next beat has newer figures.
                    let _ = outbound.try_send(beat);
                }
            }
        }
    }

    async fn follow(&mut self, body: Body, outbound: &Sender<ToJobManager>) -> Result<(), Failure> {
        match body {
            Body::Registered(_) => {}
            Body::Deploy(deploy) => {
                let key = (deploy.job_id.clone(), deploy.attempt);
                tracing::info!(job = %key.0, attempt = key.1, "deploying");
                let attempt = deployment::deploy(self, deploy, outbound).await?;
                self.attempts.insert(key, attempt);
            }
            Body::Cancel(cancel) => {
                if let Some(attempt) = self.attempts.get(&(cancel.job_id, cancel.attempt)) {
                    attempt.cancel();
                }
            }
            Body::TriggerCheckpoint(trigger) => {
                let key = (trigger.job_id.clone(), trigger.attempt);
                if let Some(attempt) = self.attempts.get(&key) {
                    let barrier = Arc::new(messages::barrier(trigger)?);
                    attempt.command_sources(&TaskCommand::Trigger(barrier)).await;
                }
            }
            Body::CheckpointCompleted(completed) => {
                if let Some(attempt) = self.attempts.get(&(completed.job_id, completed.attempt)) {
                    let (checkpoint_id, commit) = (completed.checkpoint_id, completed.commit);
                    attempt.command(&TaskCommand::Completed { checkpoint_id, commit }).await;
                }
            }
            Body::Release(release) => {
                if let Some(attempt) = self.attempts.get(&(release.job_id, release.attempt)) {
                    attempt.command(&TaskCommand::Release).await;
                }
            }
        }
        self.attempts.retain(|_, attempt| !attempt.has_ended());
        Ok(())
    }

    fn heartbeat(&self) -> Heartbeat {
        let subtasks = self.attempts.values().flat_map(Attempt::metrics).collect();
        Heartbeat { subtasks, resident_bytes: resident_bytes() }
    }
}

/// A heartbeat's times. Those that a paused process has missed are not made up for.
fn beats(interval: Duration) -> tokio::time::Interval {
    let mut beats = tokio::time::interval(interval);
    beats.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    beats
}

/// The process' resident set, in bytes; 0 where it cannot be read.
fn resident_bytes() -> u64 {
    std::fs::read_to_string("/proc/self/status").ok().and_then(|status| resident_of(&status)).unwrap_or(0)
}

/// The resident set in a process' status, which has it in units that do not depend on the size of a page.
fn resident_of(status: &str) -> Option<u64> {
    let value = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kibibytes: u64 = value.trim().strip_suffix("kB")?.trim_end().parse().ok()?;
    Some(kibibytes * 1024)
}

#[cfg(test)]
mod tests;
