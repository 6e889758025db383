//! The TaskManager's loop: follows the JobManager's messages and reports.

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

    /// Registers, then follows the JobManager until `inbound` ends; all tasks are cancelled then. May be called again
    /// with a new connection.
    ///
    /// # Errors
    /// If the JobManager's messages cannot be understood.
    pub async fn run(
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
        let mut heartbeat = tokio::time::interval(Duration::from_secs(1));
        loop {
            tokio::select! {
                received = inbound.recv() => match received.and_then(|message| message.body) {
                    None => break,
                    Some(Body::Registered(registered)) => {
                        let interval = Duration::from_millis(registered.heartbeat_interval_ms.max(10));
                        heartbeat = tokio::time::interval(interval);
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
        for (_, attempt) in self.attempts.drain() {
            attempt.cancel();
        }
        Ok(())
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

/// The process' resident set, in bytes; 0 where it cannot be read.
fn resident_bytes() -> u64 {
    let Ok(text) = std::fs::read_to_string("/proc/self/statm") else { return 0 };
    let pages: u64 = text.split_whitespace().nth(1).and_then(|pages| pages.parse().ok()).unwrap_or(0);
    pages * 4096
}
