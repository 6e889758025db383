//! Puts a task together: its operators, sources and sinks from the job graph, with restored state and open channels.

#![expect(clippy::cast_possible_truncation, reason = "counts are bounded by a batch, times by 292 million years")]

use std::{collections::BTreeMap, path::PathBuf, sync::Arc, time::Duration};

use checkpoint::{Item, KeyedState, SubtaskState};
use expressions::Evaluator;
use graph::{
    ChangelogMode, JobGraph, OperatorSpec, Partitioning, PhysicalGraph, VertexId,
    operator::{SinkSpec, WindowKind},
};
use model::{Failure, Schema, key, stored};
use settings::{
    Settings, keys,
    value::{CheckpointMode, StateBackend},
};
use state::{Backend, KeyedStore, StoreOptions};
use storage::Storage;
use tokio::{
    runtime::Handle,
    sync::{Notify, mpsc},
};

use crate::{
    ChannelReceiver, ChannelSender, Clock, EdgeWriter, Gate, OpenContext, Reader, Registry, Task, TaskCommand,
    TaskEvent,
    chain::{COMMITTABLES, Chain, Link, SinkLink, Target},
    dead_letter::{DEAD_LETTERS, DeadLetters},
    metrics::TaskMetrics,
    not_null::NotNull,
    task::{Input, Timing},
};

/// What all tasks of one attempt at a job share.
pub struct JobContext {
    /// The job.
    pub job_id: String,
    /// The job's graph.
    pub graph: JobGraph,
    /// The graph cut into vertices.
    pub physical: PhysicalGraph,
    /// The job's options.
    pub settings: Arc<Settings>,
    /// Number of key groups.
    pub max_parallelism: u32,
    /// The state to restore, by operator uid, as far as tasks of this process need it; none without a snapshot.
    pub restore: Option<BTreeMap<String, Vec<SubtaskState>>>,
    /// By operator uid and subtask, what the tasks here were dealt of the splits of sources whose subtasks share a list.
    pub splits: BTreeMap<(String, u32), Vec<Item>>,
    /// Builds operators.
    pub registry: Arc<dyn Registry>,
    /// Where state files are.
    pub storage: Storage,
    /// The runtime for everything that is not a slot's own work.
    pub runtime: Handle,
    /// Processing time.
    pub clock: Arc<dyn Clock>,
    /// Local folder for this attempt.
    pub directory: PathBuf,
    /// Memory for state caches in each slot, in bytes.
    pub slot_memory_bytes: usize,
}

/// The ends that a task is connected by.
pub struct Wiring {
    /// Into the task: (position of the edge, channel).
    pub inputs: Vec<(usize, ChannelReceiver)>,
    /// What all of `inputs` notify.
    pub arrived: Arc<Notify>,
    /// Out of the task: for each edge its channels in order of the consumer's subtasks.
    pub outputs: Vec<(usize, Vec<ChannelSender>)>,
    /// Commands of the TaskManager.
    pub commands: mpsc::Receiver<TaskCommand>,
    /// Events for the TaskManager.
    pub events: mpsc::Sender<TaskEvent>,
    /// Its counters.
    pub metrics: Arc<TaskMetrics>,
}

/// Builds and restores the task of one subtask of a vertex.
///
/// # Errors
/// If an operator cannot be built or state cannot be restored; names the operator.
pub async fn assemble(job: &JobContext, vertex: VertexId, subtask: u32, wiring: Wiring) -> Result<Task, Failure> {
    let nodes = &job.physical.vertices[vertex].nodes;
    let mut assembly = Assembly { job, vertex, subtask, places: BTreeMap::new(), links: Vec::new(), sinks: Vec::new() };
    let mut source = None;
    for &node in nodes {
        let at = &job.graph.nodes[node];
        assembly
            .add(node, &mut source)
            .await
            .map_err(|failure| failure.at(format_args!("{} (subtask {subtask})", at.name)))?;
    }
    let mut writers = Vec::new();
    let mut writer_of = BTreeMap::new();
    for (edge, channels) in wiring.outputs {
        writer_of.insert(edge, writers.len());
        let partitioning = match &job.graph.edges[edge].partitioning {
            // Between different parallelisms there is no subtask i to subtask i.
            Partitioning::Forward if channels.len() > 1 => Partitioning::Rebalance,
            other => other.clone(),
        };
        writers.push(EdgeWriter::new(partitioning, subtask as usize, job.max_parallelism, channels));
    }
    let targets = |node: usize| -> Vec<Target> {
        let edges = job.graph.edges.iter().enumerate().filter(|(_, edge)| edge.from == node);
        edges
            .filter_map(|(index, edge)| match writer_of.get(&index) {
                Some(&writer) => Some(Target::Edge(writer)),
                None => assembly.places.get(&edge.to).copied(),
            })
            .collect()
    };
    let head = nodes[0];
    let entry = match assembly.places.get(&head) {
        Some(place) => vec![*place],
        None => targets(head),
    };
    for link in &mut assembly.links {
        let node = nodes.iter().copied().find(|&node| job.graph.nodes[node].uid == link.uid);
        link.targets = node.map(&targets).unwrap_or_default();
    }
    let input = match source {
        Some(reader) => Input::Source(job.graph.nodes[head].uid.clone(), reader),
        None => {
            let port = |edge: usize| job.graph.edges[edge].port;
            let channels = wiring.inputs.into_iter().map(|(edge, channel)| (port(edge), channel)).collect();
            let gate = Gate::new(channels, wiring.arrived);
            let is_exact = job.settings.get(&keys::CHECKPOINT_MODE) == CheckpointMode::ExactlyOnce;
            Input::Gate(if is_exact { gate } else { gate.at_least_once() })
        }
    };
    let dead_letters = assembly.dead_letters().await?;
    let mut chain = Chain::new(entry, assembly.links, writers, assembly.sinks, wiring.metrics);
    if let Some(dead_letters) = dead_letters {
        chain.keep_dead_letters(dead_letters);
    }
    Ok(Task {
        subtask,
        input,
        chain,
        commands: wiring.commands,
        events: wiring.events,
        storage: job.storage.clone(),
        runtime: job.runtime.clone(),
        timing: timing(&job.settings),
        clock: Arc::clone(&job.clock),
    })
}

fn timing(settings: &Settings) -> Timing {
    let latency = settings.get(&keys::MINI_BATCH_LATENCY);
    let enabled = settings.get(&keys::MINI_BATCH_ENABLED) && latency > Duration::ZERO;
    Timing { buffer_timeout: settings.get(&keys::BUFFER_TIMEOUT), mini_batch_latency: enabled.then_some(latency) }
}

struct Assembly<'a> {
    job: &'a JobContext,
    vertex: VertexId,
    subtask: u32,
    /// Where each node that is not a source stands in the chain.
    places: BTreeMap<usize, Target>,
    links: Vec<Link>,
    sinks: Vec<SinkLink>,
}

impl Assembly<'_> {
    async fn add(&mut self, node: usize, source: &mut Option<Reader>) -> Result<(), Failure> {
        let job = self.job;
        let at = &job.graph.nodes[node];
        let mut context = self.context(node).await?;
        match &at.operator {
            OperatorSpec::Source(spec) => {
                let watermark = spec
                    .watermark
                    .as_ref()
                    .map(|expression| Evaluator::compile(expression, &at.schema))
                    .transpose()
                    .map_err(|failure| failure.at("watermark"))?;
                let idle = job.settings.get(&keys::SOURCE_IDLE_TIMEOUT);
                let mut built = job.registry.source(spec, &mut context)?;
                if job.graph.dead_letters.is_some() {
                    built.keep_rejected();
                }
                *source = Some(Reader::new(
                    built,
                    watermark,
                    job.settings.get(&keys::WATERMARK_INTERVAL),
                    (idle > Duration::ZERO).then_some(idle),
                ));
            }
            OperatorSpec::Sink(spec) => {
                let mut sink = job.registry.sink(spec, &mut context)?;
                recommit(sink.as_mut(), &context, COMMITTABLES).await?;
                sink.start(&job.job_id);
                self.places.insert(node, Target::Sink(self.sinks.len()));
                let not_null = NotNull::new(&spec.table, &job.settings);
                let link = SinkLink { uid: at.uid.clone(), sink, not_null, pending: Vec::new(), list: COMMITTABLES };
                self.sinks.push(link);
            }
            _ => {
                let operator = job.registry.operator(at, &self.inputs(node), &mut context)?;
                if let Some(table) = context.keyed.tables().find(|table| stored::of_table(table).is_none()) {
                    return Err(unregistered("table", table));
                }
                let unclaimed = context.keyed.unclaimed();
                if !unclaimed.is_empty() && !job.settings.get(&keys::ALLOW_NON_RESTORED) {
                    return Err(Failure::user(format!(
                        "the snapshot holds state that this operator does not claim: {}; change the operator's uid, or \
                         set {} to drop it",
                        unclaimed.join(", "),
                        keys::ALLOW_NON_RESTORED.name
                    )));
                }
                self.places.insert(node, Target::Operator(self.links.len()));
                self.links.push(Link { uid: at.uid.clone(), operator, store: context.keyed, targets: Vec::new() });
            }
        }
        Ok(())
    }

    /// Where the task's records go that no result has, if there is a table for them and the task can have any. What a
    /// snapshot holds of them is with the head of the chain that wrote them.
    async fn dead_letters(&self) -> Result<Option<DeadLetters>, Failure> {
        let job = self.job;
        let nodes = &job.physical.vertices[self.vertex].nodes;
        let Some(table) = &job.graph.dead_letters else { return Ok(None) };
        let rejects = |node: &&usize| {
            let operator = &job.graph.nodes[**node].operator;
            !matches!(operator, OperatorSpec::Calc(_) | OperatorSpec::Sink(_))
        };
        if nodes.iter().find(rejects).is_none() {
            return Ok(None);
        }
        let at_table = |failure: Failure| failure.at("dead letters");
        let spec = SinkSpec { table: table.as_ref().clone(), input: ChangelogMode::APPEND };
        // In the job that wrote the snapshot, any of them may have been the head of a chain.
        let lists = nodes.iter().filter_map(|&node| self.restored(node).0.remove(DEAD_LETTERS)).flatten().collect();
        let restored = BTreeMap::from([(DEAD_LETTERS.to_owned(), lists)]);
        let uid = format!("{}-{DEAD_LETTERS}", job.graph.nodes[nodes[0]].uid);
        let mut context = self.open(uid, restored, Backend::HashMap, Vec::new()).await?;
        let mut sink = job.registry.sink(&spec, &mut context).map_err(at_table)?;
        recommit(sink.as_mut(), &context, DEAD_LETTERS).await.map_err(at_table)?;
        sink.start(&job.job_id);
        let uid = job.graph.nodes[nodes[0]].uid.clone();
        let not_null = NotNull::new(table, &job.settings);
        DeadLetters::new(table, SinkLink { uid, sink, not_null, pending: Vec::new(), list: DEAD_LETTERS }).map(Some)
    }

    /// The schemas of a node's input ports.
    fn inputs(&self, node: usize) -> Vec<Schema> {
        let graph = &self.job.graph;
        let ports = graph.inputs(node).map(|edge| edge.port + 1).max().unwrap_or(0);
        (0..ports)
            .map(|port| {
                let from = graph.inputs(node).find(|edge| edge.port == port).map(|edge| edge.from);
                from.map(|from| graph.nodes[from].schema.clone()).unwrap_or_default()
            })
            .collect()
    }

    async fn context(&self, node: usize) -> Result<OpenContext, Failure> {
        let uid = &self.job.graph.nodes[node].uid;
        let (restored, keyed_states) = self.restored(node);
        let mut context = self.open(uid.clone(), restored, self.backend(node, uid), keyed_states).await?;
        context.splits = self.job.splits.get(&(uid.clone(), self.subtask)).cloned();
        let identity = self.job.graph.identities.as_ref().and_then(|identities| identities.operators.get(uid));
        context.is_uid_derived = identity.is_some_and(|identity| identity.derived == *uid);
        Ok(context)
    }

    /// What the snapshot holds of a node.
    fn restored(&self, node: usize) -> (BTreeMap<String, Vec<Item>>, Vec<KeyedState>) {
        let uid = &self.job.graph.nodes[node].uid;
        let mut lists: BTreeMap<String, Vec<Item>> = BTreeMap::new();
        let mut keyed_states: Vec<KeyedState> = Vec::new();
        for state in self.job.restore.iter().flat_map(|operators| operators.get(uid)).flatten() {
            for (name, items) in &state.lists {
                lists.entry(name.clone()).or_default().extend(items.iter().cloned());
            }
            keyed_states.extend(state.keyed.clone());
        }
        (lists, keyed_states)
    }

    async fn open(
        &self,
        uid: String,
        restored: BTreeMap<String, Vec<Item>>,
        backend: Backend,
        keyed_states: Vec<KeyedState>,
    ) -> Result<OpenContext, Failure> {
        let job = self.job;
        let parallelism = job.physical.vertices[self.vertex].parallelism;
        let options = StoreOptions {
            backend,
            key_groups: key::range_of(self.subtask, parallelism, job.max_parallelism),
            max_parallelism: job.max_parallelism,
        };
        let storage = job.storage.clone();
        let open = async move { KeyedStore::open(options, keyed_states, storage).await };
        let keyed = job
            .runtime
            .spawn(open)
            .await
            .map_err(|error| Failure::internal(format!("restore was interrupted: {error}")))??;
        Ok(OpenContext {
            uid,
            is_uid_derived: false,
            subtask: self.subtask,
            parallelism,
            max_parallelism: job.max_parallelism,
            settings: Arc::clone(&job.settings),
            clock: Arc::clone(&job.clock),
            restored,
            is_restored: job.restore.is_some(),
            splits: None,
            keyed,
        })
    }

    fn backend(&self, node: usize, uid: &str) -> Backend {
        let job = self.job;
        if !is_keyed(&job.graph.nodes[node].operator) {
            return Backend::HashMap;
        }
        match job.settings.get(&keys::STATE_BACKEND) {
            StateBackend::HashMap => Backend::HashMap,
            StateBackend::RocksDb => {
                let sharing = job.graph.nodes.iter().filter(|node| is_keyed(&node.operator)).count().max(1);
                Backend::RocksDb {
                    directory: job.directory.join(format!("{uid}-{}", self.subtask)),
                    cache_bytes: job.slot_memory_bytes / sharing,
                }
            }
        }
    }
}

/// What has no form that later builds are to read is not stored.
pub(crate) fn unregistered(what: &str, name: &str) -> Failure {
    Failure::internal(format!("the {what} {name} is not in the register of stored forms"))
}

fn is_keyed(operator: &OperatorSpec) -> bool {
    match operator {
        OperatorSpec::Source(_) | OperatorSpec::Calc(_) | OperatorSpec::Sink(_) => false,
        OperatorSpec::WindowAssign(spec) => matches!(spec.window, WindowKind::Session { .. }),
        OperatorSpec::WindowAggregate(_) | OperatorSpec::GroupAggregate(_) | OperatorSpec::Join(_) => true,
        OperatorSpec::Rank(_) | OperatorSpec::Deduplicate(_) => true,
        OperatorSpec::SemiJoin(_) | OperatorSpec::WindowJoin(_) | OperatorSpec::IntervalJoin(_) => true,
        OperatorSpec::Unnest(_) | OperatorSpec::Limit(_) | OperatorSpec::LocalAggregate(_) => false,
    }
}

/// What a completed checkpoint holds of uncommitted rows is committed before anything else; each item by one subtask.
async fn recommit(sink: &mut dyn crate::Sink, context: &OpenContext, list: &str) -> Result<(), Failure> {
    let items = context.restored(list).iter().enumerate();
    let mine: Vec<_> = items
        .filter(|(index, _)| *index as u32 % context.parallelism == context.subtask)
        .map(|(_, item)| item.clone())
        .collect();
    if mine.is_empty() {
        return Ok(());
    }
    sink.commit(&mine).await.map_err(|failure| failure.at("commit of the restored checkpoint"))
}
