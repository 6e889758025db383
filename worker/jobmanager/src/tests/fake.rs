//! A TaskManager that runs nothing: it answers as one would, and does as the test wants.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

use checkpoint::{Item, KeyedState, Manifest, StateFile, StateFormat, SubtaskState};
use graph::{
    ChangelogMode, Edge, JobGraph, Node, OperatorSpec, Partitioning, PhysicalGraph, TableSpec,
    operator::{SinkSpec, SourceSpec},
};
use model::{Failure, Schema};
use storage::Storage;
use tokio::sync::{mpsc, watch};
use wire::v1::{
    CheckpointAck, CheckpointDeclined, Deploy, Heartbeat, OperatorState, Register, SnapshotType, SubtaskId,
    SubtaskMetrics, TaskFailure, TaskState, TaskStatus, ToJobManager, ToTaskManager, TriggerCheckpoint, to_job_manager,
    to_task_manager::Body,
};

use crate::{Handle, SplitEnumerator, Splits};

/// A source, and a sink behind an exchange: two vertices.
pub(crate) fn graph() -> JobGraph {
    let mut graph = JobGraph::new("orders");
    let schema = Schema { fields: Vec::new() };
    let table = TableSpec { name: "t".to_owned(), schema: schema.clone(), ..TableSpec::default() };
    let source = SourceSpec { table: table.clone(), columns: Vec::new(), filters: Vec::new(), watermark: None };
    let sink = SinkSpec { table, input: ChangelogMode::APPEND };
    for (uid, operator) in [("source", OperatorSpec::Source(source)), ("sink", OperatorSpec::Sink(sink))] {
        graph.add(Node {
            uid: uid.to_owned(),
            name: uid.to_owned(),
            parallelism: None,
            schema: schema.clone(),
            changelog: ChangelogMode::APPEND,
            operator,
        });
    }
    graph.edges.push(Edge { from: 0, to: 1, port: 0, partitioning: Partitioning::Rebalance });
    graph
}

/// Lists nothing.
pub(crate) struct NoSplits;

#[async_trait::async_trait]
impl SplitEnumerator for NoSplits {
    async fn enumerate(&self, _: Arc<JobGraph>, _: Option<Arc<Manifest>>) -> Result<Splits, Failure> {
        Ok(Splits::new())
    }
}

/// The state that a task acknowledges: which checkpoint it was.
pub(crate) fn state(subtask: u32, checkpoint_id: u64) -> SubtaskState {
    let item = Item(checkpoint_id.to_be_bytes().to_vec());
    SubtaskState { subtask, keyed: None, lists: [("id".to_owned(), vec![item])].into() }
}

/// [`state`] as the message of an acknowledgement has it.
pub(crate) fn states(uid: &str, subtask: u32, checkpoint_id: u64) -> Vec<OperatorState> {
    wire::states::to_message(BTreeMap::from([(uid.to_owned(), vec![state(subtask, checkpoint_id)])]))
}

/// What the TaskManager does, and what it has seen.
#[derive(Debug, Default)]
pub(crate) struct Script {
    /// Tasks report that they have finished as soon as they run.
    pub(crate) bounded: bool,
    /// Checkpoints are not acknowledged.
    pub(crate) mute: bool,
    /// Tasks write a file into the snapshot's folder, and one into the folder of shared files if it is a checkpoint.
    pub(crate) files: Option<Storage>,
    /// The next checkpoints are declined.
    pub(crate) declines: u32,
    /// The next deployments fail so.
    pub(crate) failures: Vec<TaskFailure>,
    /// Everything that was received, in order.
    pub(crate) seen: Vec<Body>,
}

/// A connected TaskManager.
pub(crate) struct FakeTaskManager {
    pub(crate) script: Arc<Mutex<Script>>,
    seen: watch::Receiver<usize>,
    kill: tokio::task::AbortHandle,
}

struct Running {
    id: String,
    deploy: Option<Deploy>,
    outbound: mpsc::Sender<ToJobManager>,
    script: Arc<Mutex<Script>>,
}

pub(crate) fn message(body: to_job_manager::Body) -> ToJobManager {
    ToJobManager { body: Some(body) }
}

pub(crate) fn status(id: SubtaskId, state: TaskState, failure: Option<TaskFailure>) -> ToJobManager {
    message(to_job_manager::Body::TaskStatus(TaskStatus { id: Some(id), state: state.into(), failure, metrics: None }))
}

impl FakeTaskManager {
    pub(crate) async fn connect(handle: &Handle, id: &str, slots: u32, script: Script) -> Self {
        let (outbound, inbound_of_manager) = mpsc::channel(1024);
        let (outbound_of_manager, mut inbound) = mpsc::channel::<ToTaskManager>(1024);
        handle.attach(inbound_of_manager, outbound_of_manager);
        let script = Arc::new(Mutex::new(script));
        let (seen_sender, seen) = watch::channel(0);
        let mut running = Running { id: id.to_owned(), deploy: None, outbound, script: Arc::clone(&script) };
        let register = Register {
            taskmanager_id: id.to_owned(),
            data_address: format!("{id}:1"),
            slots,
            build: "test".to_owned(),
        };
        let task = tokio::spawn(async move {
            running.send(message(to_job_manager::Body::Register(register))).await;
            let mut beat = tokio::time::interval(std::time::Duration::from_millis(20));
            loop {
                tokio::select! {
                    received = inbound.recv() => {
                        let Some(body) = received.and_then(|message| message.body) else { return };
                        running.follow(&body).await;
                        running.script.lock().expect("lock").seen.push(body);
                        seen_sender.send_modify(|count| *count += 1);
                    }
                    _ = beat.tick() => running.heartbeat().await,
                }
            }
        });
        Self { script, seen, kill: task.abort_handle() }
    }

    /// Breaks the connection.
    pub(crate) fn kill(&self) {
        self.kill.abort();
    }

    /// Waits until something was received that `find` is looking for, and returns it.
    pub(crate) async fn wait_for<T>(&mut self, find: impl Fn(&Body) -> Option<T>) -> T {
        let wait = async {
            loop {
                let found = self.script.lock().expect("lock").seen.iter().find_map(&find);
                if let Some(found) = found {
                    return found;
                }
                self.seen.changed().await.expect("connected");
            }
        };
        tokio::time::timeout(std::time::Duration::from_secs(20), wait).await.expect("in time")
    }

    pub(crate) fn seen<T>(&self, find: impl Fn(&Body) -> Option<T>) -> Vec<T> {
        self.script.lock().expect("lock").seen.iter().filter_map(find).collect()
    }
}

impl Running {
    async fn send(&self, message: ToJobManager) {
        // The JobManager may have ended.
        let _ = self.outbound.send(message).await;
    }

    fn tasks(&self) -> Vec<(SubtaskId, String)> {
        let Some(deploy) = &self.deploy else { return Vec::new() };
        let graph = JobGraph::from_json(&deploy.graph_json).expect("a graph");
        let physical = PhysicalGraph::new(&graph, deploy.parallelism);
        let mut tasks = Vec::new();
        for (vertex, at) in physical.vertices.iter().enumerate() {
            for subtask in 0..at.parallelism {
                if deploy.slots[subtask as usize].taskmanager_id == self.id {
                    let id = SubtaskId {
                        job_id: deploy.job_id.clone(),
                        attempt: deploy.attempt,
                        vertex: vertex as u32,
                        subtask,
                    };
                    tasks.push((id, graph.nodes[at.nodes[0]].uid.clone()));
                }
            }
        }
        tasks
    }

    async fn all(&self, state: TaskState) {
        for (id, _) in self.tasks() {
            self.send(status(id, state, None)).await;
        }
    }

    async fn heartbeat(&self) {
        let subtasks = self.tasks().into_iter().map(|(id, _)| SubtaskMetrics {
            id: Some(id),
            records_in: 10,
            records_out: 7,
            watermark_ms: 5,
            ..SubtaskMetrics::default()
        });
        let beat = Heartbeat { subtasks: subtasks.collect(), resident_bytes: 1 };
        self.send(message(to_job_manager::Body::Heartbeat(beat))).await;
    }

    /// Writes the files of a task's keyed state.
    async fn write(&self, storage: &Storage, trigger: &TriggerCheckpoint, uid: &str, subtask: u32) -> KeyedState {
        let deploy = self.deploy.as_ref().expect("it has tasks");
        let key_groups = model::key::range_of(subtask, deploy.parallelism, deploy.max_parallelism);
        let is_checkpoint = trigger.r#type() == SnapshotType::Checkpoint;
        let shared = is_checkpoint.then(|| trigger.shared_directory.clone());
        let mut files = Vec::new();
        for folder in std::iter::once(trigger.directory.clone()).chain(shared) {
            let uri = format!("{folder}/{uid}-{subtask}-{}", trigger.checkpoint_id);
            storage.put(&uri, "x".into()).await.expect("written");
            files.push(StateFile { name: "f".to_owned(), uri, size: 1, crc32: 0 });
        }
        let (first_key_group, last_key_group) = (*key_groups.start(), *key_groups.end());
        KeyedState { first_key_group, last_key_group, format: StateFormat::SnapshotV1, files }
    }

    async fn follow(&mut self, body: &Body) {
        match body {
            Body::Deploy(deploy) => {
                self.deploy = Some(deploy.clone());
                let (failure, bounded) = {
                    let mut script = self.script.lock().expect("lock");
                    (script.failures.pop(), script.bounded)
                };
                self.all(TaskState::Running).await;
                if let Some(failure) = failure {
                    let (id, _) = self.tasks().remove(0);
                    self.send(status(id, TaskState::Failed, Some(failure))).await;
                } else if bounded {
                    self.all(TaskState::Finished).await;
                }
            }
            Body::Cancel(_) | Body::Release(_) => {
                self.all(TaskState::Canceled).await;
                self.deploy = None;
            }
            Body::TriggerCheckpoint(trigger) => {
                let (mute, declines, files) = {
                    let mut script = self.script.lock().expect("lock");
                    let declines = script.declines > 0;
                    script.declines = script.declines.saturating_sub(1);
                    (script.mute, declines, script.files.clone())
                };
                for (id, uid) in self.tasks() {
                    let keyed = match &files {
                        Some(storage) => Some(self.write(storage, trigger, &uid, id.subtask).await),
                        None => None,
                    };
                    let body = if declines {
                        let failure = TaskFailure {
                            class: "external".to_owned(),
                            message: "no disk".to_owned(),
                            ..Default::default()
                        };
                        to_job_manager::Body::CheckpointDeclined(CheckpointDeclined {
                            id: Some(id),
                            checkpoint_id: trigger.checkpoint_id,
                            failure: Some(failure),
                        })
                    } else {
                        to_job_manager::Body::CheckpointAck(CheckpointAck {
                            states: acknowledged(
                                &uid,
                                SubtaskState { keyed, ..state(id.subtask, trigger.checkpoint_id) },
                            ),
                            id: Some(id),
                            checkpoint_id: trigger.checkpoint_id,
                            state_bytes: 8,
                            ..CheckpointAck::default()
                        })
                    };
                    if !mute {
                        self.send(message(body)).await;
                    }
                }
            }
            Body::Registered(_) | Body::CheckpointCompleted(_) => {}
        }
    }
}

fn acknowledged(uid: &str, state: SubtaskState) -> Vec<OperatorState> {
    wire::states::to_message(BTreeMap::from([(uid.to_owned(), vec![state])]))
}
