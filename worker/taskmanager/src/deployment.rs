//! Deployment: opens the channels of this TaskManager's subtasks and starts them in their slots.

#![expect(clippy::cast_possible_truncation, reason = "counts of channels and key groups fit 32 bits")]
#![expect(clippy::disallowed_methods, reason = "owns the tasks of a deployment")]

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use checkpoint::Item;
use dataflow::{ChannelReceiver, ChannelSender, JobContext, TaskCommand, TaskMetrics, Wiring, channel};
use graph::{JobGraph, PhysicalGraph};
use model::Failure;
use settings::Settings;
use tokio::sync::{Notify, mpsc, oneshot};
use tokio_util::sync::CancellationToken;
use wire::v1::{Deploy, SourceSplits, SubtaskId, SubtaskMetrics, TaskState, ToJobManager};

use crate::{
    TaskManager,
    exchange::{ChannelKey, Outgoing},
    execution::{self, Reporter},
    messages,
};

/// Commands that may wait for a task.
const COMMANDS_MAX: usize = 64;
/// Events of a task that may wait to be sent.
const EVENTS_MAX: usize = 64;

/// The subtasks of one attempt at a job on this TaskManager.
pub(crate) struct Attempt {
    cancel: CancellationToken,
    tasks: Vec<RunningTask>,
    running: Arc<AtomicUsize>,
}

struct RunningTask {
    id: SubtaskId,
    is_source: bool,
    commands: mpsc::Sender<TaskCommand>,
    metrics: Arc<TaskMetrics>,
}

impl Attempt {
    pub(crate) fn cancel(&self) {
        self.cancel.cancel();
    }

    pub(crate) fn has_ended(&self) -> bool {
        self.running.load(Ordering::Acquire) == 0
    }

    pub(crate) async fn command(&self, command: &TaskCommand) {
        for task in &self.tasks {
            // A task that is gone has reported why.
            let _ = task.commands.send(command.clone()).await;
        }
    }

    pub(crate) async fn command_sources(&self, command: &TaskCommand) {
        for task in self.tasks.iter().filter(|task| task.is_source) {
            // As above.
            let _ = task.commands.send(command.clone()).await;
        }
    }

    pub(crate) fn metrics(&self) -> impl Iterator<Item = SubtaskMetrics> {
        self.tasks.iter().map(|task| messages::metrics(task.id.clone(), &task.metrics))
    }
}

impl Drop for Attempt {
    /// Ends the connections of tasks that have ended by themselves: nobody else would.
    fn drop(&mut self) {
        self.cancel.cancel();
    }
}

/// Starts the subtasks that fall into this TaskManager's slots. What goes wrong is reported as the failure of a task.
pub(crate) async fn deploy(
    manager: &TaskManager,
    deploy: Deploy,
    outbound: &mpsc::Sender<ToJobManager>,
) -> Result<Attempt, Failure> {
    let cancel = CancellationToken::new();
    let running = Arc::new(AtomicUsize::new(0));
    let mut attempt = Attempt { cancel: cancel.clone(), tasks: Vec::new(), running: Arc::clone(&running) };
    let failed = SubtaskId { job_id: deploy.job_id.clone(), attempt: deploy.attempt, vertex: 0, subtask: 0 };
    if let Err(failure) = start(manager, deploy, outbound, &mut attempt).await {
        cancel.cancel();
        // The JobManager is gone: it will learn from the lost connection.
        let _ = outbound.send(messages::status(failed, TaskState::Failed, Some(failure), None)).await;
    }
    Ok(attempt)
}

async fn start(
    manager: &TaskManager,
    deploy: Deploy,
    outbound: &mpsc::Sender<ToJobManager>,
    attempt: &mut Attempt,
) -> Result<(), Failure> {
    let job = Arc::new(job_context(manager, &deploy)?);
    let mut plan = Plan::new(manager, &job, &deploy);
    plan.open_channels()?;
    let (outgoing, wirings) = (plan.outgoing, plan.wirings);
    let connections = outgoing.into_values().map(|outgoing| {
        let failed = messages_of_failure(&deploy, outbound);
        outgoing.connect(attempt.cancel.clone(), failed)
    });
    for connection in connections {
        manager.options.runtime.spawn(connection);
    }
    for (index, ((vertex, subtask), open)) in wirings.into_iter().enumerate() {
        let id = SubtaskId { job_id: deploy.job_id.clone(), attempt: deploy.attempt, vertex: vertex as u32, subtask };
        let (commands, received) = mpsc::channel(COMMANDS_MAX);
        let (events, reported) = mpsc::channel(EVENTS_MAX);
        let (ended, end) = oneshot::channel();
        let metrics = Arc::new(TaskMetrics::default());
        let wiring = Wiring {
            inputs: open.inputs,
            arrived: open.arrived,
            outputs: open.outputs.into_iter().collect(),
            commands: received,
            events,
            metrics: Arc::clone(&metrics),
        };
        let is_source = job.physical.vertices[vertex].is_source(&job.graph);
        let reporter = Reporter { id: id.clone(), metrics: Arc::clone(&metrics), outbound: outbound.clone() };
        attempt.tasks.push(RunningTask { id: id.clone(), is_source, commands, metrics });
        attempt.running.fetch_add(1, Ordering::AcqRel);
        let running = Arc::clone(&attempt.running);
        manager.options.runtime.spawn(async move {
            reporter.report(reported, end).await;
            running.fetch_sub(1, Ordering::AcqRel);
        });
        let (job, cancel) = (Arc::clone(&job), attempt.cancel.clone());
        let slot = &manager.slots[open.slot.unwrap_or(index) % manager.slots.len()];
        slot.start(Box::new(move || Box::pin(execution::execute(job, id, wiring, cancel, ended)))).await?;
    }
    Ok(())
}

/// Reports a broken connection as the failure of the subtask that it belongs to.
fn messages_of_failure(
    deploy: &Deploy,
    outbound: &mpsc::Sender<ToJobManager>,
) -> impl FnOnce(&ChannelKey, Failure) + Send + 'static {
    let (job_id, attempt, outbound) = (deploy.job_id.clone(), deploy.attempt, outbound.clone());
    move |key, failure| {
        let id = SubtaskId { job_id, attempt, vertex: key.from_vertex, subtask: key.from_subtask };
        tokio::spawn(async move {
            // The JobManager is gone: it will learn from the lost connection.
            let _ = outbound.send(messages::status(id, TaskState::Failed, Some(failure), None)).await;
        });
    }
}

fn job_context(manager: &TaskManager, deploy: &Deploy) -> Result<JobContext, Failure> {
    let graph = JobGraph::from_json(&deploy.graph_json)?;
    let settings = Settings::from_map(&deploy.settings.clone().into_iter().collect())?;
    let restore = deploy.restore.clone().map(|restore| wire::states::from_message(restore.operators)).transpose()?;
    let options = &manager.options;
    Ok(JobContext {
        job_id: deploy.job_id.clone(),
        physical: PhysicalGraph::new(&graph, deploy.parallelism),
        graph,
        settings: Arc::new(settings),
        max_parallelism: deploy.max_parallelism,
        restore,
        splits: deploy.splits.iter().map(share).collect(),
        registry: Arc::clone(&options.registry),
        storage: options.storage.clone(),
        runtime: options.runtime.clone(),
        clock: Arc::clone(&options.clock),
        directory: options.directory.join(format!("{}-{}", deploy.job_id, deploy.attempt)),
        slot_memory_bytes: options.managed_memory_bytes / manager.slots.len().max(1),
    })
}

fn share(share: &SourceSplits) -> ((String, u32), Vec<Item>) {
    let splits = share.splits.iter().map(|split| Item(split.to_vec())).collect();
    ((share.operator_uid.clone(), share.subtask), splits)
}

/// The open ends of one subtask.
#[derive(Default)]
struct Open {
    slot: Option<usize>,
    inputs: Vec<(usize, ChannelReceiver)>,
    arrived: Arc<Notify>,
    outputs: std::collections::BTreeMap<usize, Vec<ChannelSender>>,
}

struct Plan<'a> {
    manager: &'a TaskManager,
    job: &'a JobContext,
    deploy: &'a Deploy,
    wirings: HashMap<(usize, u32), Open>,
    outgoing: HashMap<String, Outgoing>,
}

impl<'a> Plan<'a> {
    fn new(manager: &'a TaskManager, job: &'a JobContext, deploy: &'a Deploy) -> Self {
        let mut plan = Self { manager, job, deploy, wirings: HashMap::new(), outgoing: HashMap::new() };
        let mut slots = HashMap::new();
        for (vertex, at) in job.physical.vertices.iter().enumerate() {
            for subtask in 0..at.parallelism {
                if !plan.is_local(subtask) {
                    continue;
                }
                // The n-th slot of the job on this TaskManager is its n-th slot.
                let next = slots.len();
                let slot = *slots.entry(subtask).or_insert(next);
                plan.wirings.insert((vertex, subtask), Open { slot: Some(slot), ..Open::default() });
            }
        }
        plan
    }

    fn is_local(&self, subtask: u32) -> bool {
        let slot = self.deploy.slots.get(subtask as usize);
        slot.is_some_and(|slot| slot.taskmanager_id == self.manager.options.id)
    }

    fn open_channels(&mut self) -> Result<(), Failure> {
        let job = self.job;
        for (edge, spec) in job.graph.edges.iter().enumerate() {
            let from_vertex = job.physical.vertex_of[spec.from];
            let to_vertex = job.physical.vertex_of[spec.to];
            if !job.physical.vertices[from_vertex].outputs.contains(&edge) {
                continue;
            }
            for from in 0..job.physical.vertices[from_vertex].parallelism {
                for to in job.physical.consumers(spec, from) {
                    let key = ChannelKey {
                        job_id: self.deploy.job_id.clone(),
                        attempt: self.deploy.attempt,
                        edge: edge as u32,
                        from_vertex: from_vertex as u32,
                        from_subtask: from,
                        to_subtask: to,
                    };
                    self.open_channel(key, to_vertex)?;
                }
            }
        }
        Ok(())
    }

    fn open_channel(&mut self, key: ChannelKey, to_vertex: usize) -> Result<(), Failure> {
        let capacity = self.manager.options.channel_bytes;
        let edge = key.edge as usize;
        let producer = (key.from_vertex as usize, key.from_subtask);
        let consumer = (to_vertex, key.to_subtask);
        let (from_here, to_here) = (self.is_local(key.from_subtask), self.is_local(key.to_subtask));
        let sender = match (from_here, to_here) {
            (false, false) => None,
            (_, true) => {
                let open = self.wirings.entry(consumer).or_default();
                let arrived = Arc::clone(&open.arrived);
                if from_here {
                    let (sender, receiver) = channel(capacity, arrived, None);
                    open.inputs.push((edge, receiver));
                    Some(sender)
                } else {
                    let schema = self.job.graph.nodes[self.job.graph.edges[edge].from].schema.to_arrow();
                    open.inputs.push((edge, self.manager.exchange.expect(key, schema, capacity, arrived)));
                    None
                }
            }
            (true, false) => {
                let peer = &self.deploy.slots[key.to_subtask as usize].data_address;
                if peer.is_empty() {
                    return Err(Failure::internal("a TaskManager without an address is to receive rows"));
                }
                let outgoing =
                    self.outgoing.entry(peer.clone()).or_insert_with(|| Outgoing::new(peer.clone(), capacity));
                Some(outgoing.add(key))
            }
        };
        if let Some(sender) = sender {
            self.wirings.entry(producer).or_default().outputs.entry(edge).or_default().push(sender);
        }
        Ok(())
    }
}
