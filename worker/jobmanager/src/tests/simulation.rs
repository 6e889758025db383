//! Several JobManagers, one after the other and at the same time, over one store that fails, with TaskManagers that
//! are killed, answer late, or decline; all from a seed. `SEED=n` repeats one run.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::Arc,
};

use checkpoint::{Intent, Item, JobState, Manifest, Record, Resolution, SnapshotRef, Start, pointer};
use graph::{JobGraph, PhysicalGraph};
use model::Failure;
use rand::{Rng, SeedableRng, rngs::SmallRng};
use settings::Settings;
use wire::v1::{
    CheckpointAck, CheckpointDeclined, Deploy, Heartbeat, Register, SubtaskId, SubtaskMetrics, TaskFailure, TaskState,
    ToJobManager, to_job_manager, to_task_manager::Body,
};

use super::{
    core::JOB,
    fake::{graph, message, states, status},
};
use crate::{
    JobStatus, JobSubmission, Splits,
    cluster::Cluster,
    event::{Action, Event, LinkId, Recovery},
};

const CHAOS_STEPS: u32 = 4000;
const HEALING_STEPS: u32 = 20_000;

/// Object storage: the pointer's records and all snapshots with metadata.
#[derive(Default)]
struct Store {
    records: BTreeMap<u64, Record>,
    manifests: BTreeMap<String, Arc<Manifest>>,
    /// Every record that ever stood, for the checks.
    lineage: BTreeMap<u64, Record>,
}

impl Store {
    fn latest(&self) -> Option<&Record> {
        self.records.values().next_back()
    }

    fn create(&mut self, record: &Record) {
        let standing = self.records.entry(record.number).or_insert_with(|| record.clone());
        self.lineage.entry(standing.number).or_insert_with(|| standing.clone());
    }
}

/// A TaskManager at the other end of a link.
#[derive(Default)]
struct Worker {
    deploy: Option<Deploy>,
    /// What it has said and the JobManager has not heard yet.
    said: VecDeque<ToJobManager>,
    finished: bool,
}

/// A JobManager process.
struct Manager {
    owner: String,
    cluster: Cluster,
    mine: Option<Record>,
    workers: BTreeMap<LinkId, Worker>,
    storage_work: VecDeque<Action>,
    fenced: bool,
    /// Checkpoints that were triggered when all tasks had finished.
    final_ids: BTreeSet<u64>,
    last_commit: Option<u64>,
}

struct World {
    random: SmallRng,
    now_ms: i64,
    store: Store,
    managers: Vec<Manager>,
    next_link: LinkId,
    chaos: bool,
}

impl World {
    fn one_in(&mut self, n: u32) -> bool {
        self.chaos && self.random.random_range(0..n) == 0
    }

    fn start_manager(&mut self) {
        let number = self.managers.len();
        let cluster = Cluster::new(Settings::default(), "test", number as u64);
        let owner = format!("jm{number}");
        self.managers.push(Manager {
            owner,
            cluster,
            mine: None,
            workers: BTreeMap::new(),
            storage_work: VecDeque::new(),
            fenced: false,
            final_ids: BTreeSet::new(),
            last_commit: None,
        });
        let mut settings = Settings::default();
        for (name, value) in [
            ("parallelism.default", "2"),
            ("execution.checkpointing.dir", "memory://simulation"),
            ("execution.checkpointing.interval", "1 s"),
            ("execution.checkpointing.timeout", "20 s"),
            ("execution.checkpointing.num-retained", "2"),
        ] {
            settings.set(name, value).expect("an option");
        }
        let submission =
            JobSubmission { job_id: Some(JOB.to_owned()), name: None, graph: graph(), settings, restore_from: None };
        self.step(number, Event::Submit(1, Box::new(submission)));
        self.attach(number);
        self.attach(number);
    }

    fn attach(&mut self, manager: usize) {
        let link = self.next_link;
        self.next_link += 1;
        self.managers[manager].workers.insert(link, Worker::default());
        self.step(manager, Event::Attached(link));
        let register = Register {
            taskmanager_id: format!("tm{link}"),
            data_address: String::new(),
            slots: 1,
            build: "test".to_owned(),
        };
        self.step(manager, Event::Message(link, message(to_job_manager::Body::Register(register))));
    }

    fn step(&mut self, manager: usize, event: Event) {
        if self.managers[manager].fenced {
            return;
        }
        for action in self.managers[manager].cluster.step(self.now_ms, event) {
            match action {
                Action::Send(link, message) => self.deliver(manager, link, message.body.expect("a body")),
                Action::Close(link) => drop(self.managers[manager].workers.remove(&link)),
                Action::Fenced(_) => self.managers[manager].fenced = true,
                Action::Recover(_)
                | Action::Enumerate { .. }
                | Action::Verify(_)
                | Action::Commit { .. }
                | Action::End(..) => {
                    self.managers[manager].storage_work.push_back(action);
                }
                Action::Open(..) | Action::Discard(..) | Action::Answer(..) => {}
            }
        }
    }

    /// A message reaches a TaskManager, which answers in its own time.
    fn deliver(&mut self, manager: usize, link: LinkId, body: Body) {
        self.check(manager, &body);
        let (mute, decline, fail) = (self.one_in(15), self.one_in(15), self.one_in(20));
        let Some(worker) = self.managers[manager].workers.get_mut(&link) else { return };
        match body {
            Body::Deploy(deploy) => {
                worker.deploy = Some(deploy);
                worker.finished = false;
                let tasks = worker.tasks(link);
                for (id, _) in &tasks {
                    worker.said.push_back(status(id.clone(), TaskState::Running, None));
                }
                if fail {
                    let failure = TaskFailure {
                        class: "external".to_owned(),
                        message: "no network".to_owned(),
                        ..Default::default()
                    };
                    worker.said.push_back(status(tasks[0].0.clone(), TaskState::Failed, Some(failure)));
                }
            }
            Body::Cancel(_) | Body::Release(_) => {
                for (id, _) in worker.tasks(link) {
                    worker.said.push_back(status(id, TaskState::Canceled, None));
                }
                worker.deploy = None;
            }
            Body::TriggerCheckpoint(trigger) if !mute => {
                let checkpoint_id = trigger.checkpoint_id;
                for (id, uid) in worker.tasks(link) {
                    let body = if decline {
                        let failure = Some(Failure::external("no disk").into());
                        to_job_manager::Body::CheckpointDeclined(CheckpointDeclined {
                            id: Some(id),
                            checkpoint_id,
                            failure,
                        })
                    } else {
                        to_job_manager::Body::CheckpointAck(CheckpointAck {
                            states: states(&uid, id.subtask, checkpoint_id),
                            id: Some(id),
                            checkpoint_id,
                            ..CheckpointAck::default()
                        })
                    };
                    worker.said.push_back(message(body));
                }
            }
            Body::TriggerCheckpoint(_) | Body::CheckpointCompleted(_) | Body::Registered(_) => {}
        }
    }

    /// What must hold of everything a JobManager says.
    fn check(&mut self, manager: usize, body: &Body) {
        let manager = &mut self.managers[manager];
        let owner = &manager.owner;
        let is_committed = |id: u64| {
            let by_this = |record: &&Record| record.owner == *owner;
            self.store
                .lineage
                .values()
                .filter(by_this)
                .any(|record| record.checkpoint.as_ref().is_some_and(|checkpoint| checkpoint.id == id))
        };
        match body {
            Body::CheckpointCompleted(completed) => {
                assert!(
                    is_committed(completed.checkpoint_id),
                    "{owner} announced a commit that is not in the pointer: {completed:?}"
                );
                manager.last_commit = Some(completed.checkpoint_id);
            }
            Body::TriggerCheckpoint(trigger) => {
                let mut deployed = manager.workers.values().filter(|worker| worker.deploy.is_some());
                if deployed.all(|worker| worker.finished) {
                    manager.final_ids.insert(trigger.checkpoint_id);
                }
            }
            Body::Release(_) => {
                let last = manager.last_commit.as_ref().expect("a commit precedes the release");
                assert!(manager.final_ids.contains(last), "{last} was triggered before all tasks had finished");
            }
            Body::Deploy(deploy) => {
                let mine = manager.mine.as_ref().and_then(|mine| mine.checkpoint.as_ref());
                let wanted = mine.map(|checkpoint| checkpoint.id);
                let restored = deploy.restore.as_ref().map(|restore| restore.checkpoint_id);
                assert_eq!(restored, wanted, "{owner} restores something else");
                let listed_for = wanted.unwrap_or(0).to_be_bytes();
                let mut listed = deploy.splits.iter().flat_map(|share| &share.splits);
                assert!(
                    !deploy.splits.is_empty() && listed.all(|split| split[..] == listed_for),
                    "{owner}: another list"
                );
            }
            _ => {}
        }
    }

    /// The first waiting piece of a JobManager's storage work is done; it may fail, before or after it took effect.
    fn work(&mut self, manager: usize) {
        let Some(action) = self.managers[manager].storage_work.pop_front() else { return };
        let job = JOB.to_owned();
        let event = match action {
            Action::Recover(_) => Event::Recovered(job, self.recover(manager)),
            Action::Enumerate { number, restored, .. } => {
                Event::Enumerated(job, number, self.enumerate(manager, restored.as_deref()))
            }
            Action::Verify(_) => Event::Verified(job, self.recover(manager).map(drop)),
            Action::Commit { manifest, directory, advance, .. } => {
                let id = manifest.checkpoint_id;
                let kind = manifest.kind;
                self.store.manifests.insert(directory.clone(), Arc::new(*manifest));
                let reference = SnapshotRef { id, uri: directory, kind };
                assert!(advance, "only checkpoints are taken here");
                let next = |mine: &Record| pointer::commit(mine, reference.clone(), 128, 2).0;
                Event::Committed(job, id, self.advance(manager, next))
            }
            Action::End(_, state) => Event::Ended(job, self.advance(manager, |mine| pointer::end(mine, state.clone()))),
            other => unreachable!("{other:?} is no storage work"),
        };
        self.step(manager, event);
    }

    /// A list for what the JobManager goes on from: the number of the snapshot.
    fn enumerate(&mut self, manager: usize, restored: Option<&Manifest>) -> Result<Splits, Failure> {
        let mine = self.managers[manager].mine.as_ref().and_then(|mine| mine.checkpoint.as_ref());
        assert_eq!(restored.map(|manifest| manifest.checkpoint_id), mine.map(|checkpoint| checkpoint.id));
        if self.one_in(10) {
            return Err(Failure::external("the store is away"));
        }
        let listed_for = restored.map_or(0, |manifest| manifest.checkpoint_id);
        let item = Item(listed_for.to_be_bytes().to_vec());
        Ok([("source".to_owned(), vec![item; 3])].into())
    }

    fn recover(&mut self, manager: usize) -> Result<Recovery, Failure> {
        if self.one_in(10) {
            return Err(Failure::external("the store is away"));
        }
        let owner = self.managers[manager].owner.clone();
        let record = if self.managers[manager].mine.is_some() {
            let latest = self.store.latest().expect("was claimed").clone();
            if latest.owner != owner {
                return Err(Failure::fenced("a newer owner"));
            }
            latest
        } else {
            let intent = Intent { job_id: JOB, owner: &owner, restore: None, max_parallelism: 128 };
            match pointer::claim(self.store.latest(), &intent) {
                Start::Stay(record) => return Ok(Recovery { ended: Some(record.state), ..Recovery::default() }),
                Start::Run(record) => {
                    self.store.create(&record);
                    record
                }
            }
        };
        self.managers[manager].mine = Some(record.clone());
        let known = record.retained.iter().chain(&record.checkpoint).map(|checkpoint| checkpoint.id);
        let snapshot = record.checkpoint.as_ref().map(|reference| {
            let manifest = self.store.manifests.get(&reference.uri).expect("a committed checkpoint can be restored");
            (reference.clone(), Arc::clone(manifest))
        });
        Ok(Recovery { epoch: record.epoch, snapshot, ended: None, last_checkpoint_id: known.max().unwrap_or(0) })
    }

    fn advance(&mut self, manager: usize, next: impl Fn(&Record) -> Record) -> Result<(), Failure> {
        loop {
            let mine = self.managers[manager].mine.clone().expect("claimed");
            let record = next(&mine);
            let (lost, silent) = (self.one_in(12), self.one_in(12));
            if !lost {
                self.store.create(&record);
            }
            // Written or not, nobody knows: the next read will tell.
            if lost || silent {
                return Err(Failure::external("unknown whether it was written"));
            }
            match pointer::resolve(&record, self.store.latest()) {
                Resolution::Ours => {
                    self.managers[manager].mine = Some(record);
                    let old = pointer::obsolete(self.store.records.keys().copied().collect());
                    old.iter().for_each(|number| drop(self.store.records.remove(number)));
                    return Ok(());
                }
                Resolution::Earlier(record) => self.managers[manager].mine = Some(record),
                Resolution::Fenced(_) => return Err(Failure::fenced("a newer owner")),
                Resolution::Absent => {}
            }
        }
    }

    fn pass(&mut self) {
        let passed = self.random.random_range(1..400);
        self.now_ms += passed;
        for manager in 0..self.managers.len() {
            let silent = self.one_in(3000);
            for (&link, worker) in &mut self.managers[manager].workers {
                // A queue that is not read is bounded by not adding heartbeats to it.
                if worker.said.len() < 20 && !silent {
                    let subtasks = worker
                        .tasks(link)
                        .into_iter()
                        .map(|(id, _)| SubtaskMetrics { id: Some(id), ..SubtaskMetrics::default() });
                    let beat = Heartbeat { subtasks: subtasks.collect(), resident_bytes: 0 };
                    worker.said.push_back(message(to_job_manager::Body::Heartbeat(beat)));
                }
            }
            self.step(manager, Event::Tick);
        }
    }

    fn hear(&mut self, manager: usize) {
        let count = self.managers[manager].workers.len();
        if count == 0 {
            return;
        }
        let at = self.random.random_range(0..count);
        let Some((&link, worker)) = self.managers[manager].workers.iter_mut().nth(at) else { return };
        if let Some(message) = worker.said.pop_front() {
            self.step(manager, Event::Message(link, message));
        }
    }

    fn kill_worker(&mut self, manager: usize) {
        let Some((&link, _)) = self.managers[manager].workers.iter().next() else { return };
        self.managers[manager].workers.remove(&link);
        self.step(manager, Event::Detached(link));
    }

    /// A TaskManager's tasks come to the end of their input.
    fn finish(&mut self, manager: usize) {
        for (&link, worker) in &mut self.managers[manager].workers {
            if !worker.finished && worker.deploy.is_some() {
                worker.finished = true;
                for (id, _) in worker.tasks(link) {
                    worker.said.push_back(status(id, TaskState::Finished, None));
                }
            }
        }
    }

    fn random_step(&mut self) {
        let manager = self.random.random_range(0..self.managers.len());
        if self.managers[manager].fenced {
            return;
        }
        match self.random.random_range(0..100) {
            0..10 => self.pass(),
            10..20 => self.work(manager),
            20 if self.one_in(8) => self.kill_worker(manager),
            21 if self.one_in(40) && self.managers.len() < 5 => self.start_manager(),
            _ => self.hear(manager),
        }
        if self.managers[manager].workers.len() < 2 && (!self.chaos || self.one_in(20)) {
            self.attach(manager);
        }
    }
}

impl Worker {
    fn tasks(&self, link: LinkId) -> Vec<(SubtaskId, String)> {
        let Some(deploy) = &self.deploy else { return Vec::new() };
        let graph = JobGraph::from_json(&deploy.graph_json).expect("a graph");
        let physical = PhysicalGraph::new(&graph, deploy.parallelism);
        let mut tasks = Vec::new();
        for (vertex, at) in (0..).zip(&physical.vertices) {
            for (subtask, slot) in (0..at.parallelism).zip(&deploy.slots) {
                if slot.taskmanager_id == format!("tm{link}") {
                    let (job_id, attempt) = (deploy.job_id.clone(), deploy.attempt);
                    tasks.push((SubtaskId { job_id, attempt, vertex, subtask }, graph.nodes[at.nodes[0]].uid.clone()));
                }
            }
        }
        tasks
    }
}

fn simulate(seed: u64) -> (usize, u64) {
    let mut world = World {
        random: SmallRng::seed_from_u64(seed),
        now_ms: 1_000_000,
        store: Store::default(),
        managers: Vec::new(),
        next_link: 1,
        chaos: true,
    };
    world.start_manager();
    for _ in 0..CHAOS_STEPS {
        world.random_step();
    }
    // Everything heals, and the input ends: the owner gets on, the others notice that they are not.
    world.chaos = false;
    if world.managers.iter().all(|manager| manager.fenced) {
        world.start_manager();
    }
    let status_of = |manager: &Manager| manager.cluster.job(JOB, 0).map(|job| job.status);
    for _ in 0..HEALING_STEPS {
        world.random_step();
        for manager in 0..world.managers.len() {
            let up = status_of(&world.managers[manager]) == Some(JobStatus::Running);
            if up {
                world.finish(manager);
            }
        }
        let is_over = |manager: &Manager| manager.fenced || status_of(manager).is_some_and(JobStatus::is_terminal);
        if world.managers.iter().all(is_over) {
            break;
        }
    }
    let ends: Vec<_> = world.managers.iter().map(|manager| (manager.fenced, status_of(manager))).collect();
    let latest = world.store.latest().expect("claimed").clone();
    assert_eq!(latest.state, JobState::Finished, "no progress: {ends:?}");
    // One line: a claim takes over what stood, a commit keeps the owner.
    for (earlier, later) in world.store.lineage.values().zip(world.store.lineage.values().skip(1)) {
        assert_eq!(later.number, earlier.number + 1);
        if later.epoch == earlier.epoch {
            assert_eq!(later.owner, earlier.owner, "two owners in one epoch");
        } else {
            assert_eq!((later.epoch, &later.checkpoint), (earlier.epoch + 1, &earlier.checkpoint));
        }
    }
    (world.managers.len(), latest.number)
}

#[test]
fn jobs_survive_whatever_fails() {
    let seeds = match std::env::var("SEED").ok().and_then(|seed| seed.parse().ok()) {
        Some(seed) => seed..seed + 1,
        None => 0..150,
    };
    let (mut managers, mut records) = (0, 0);
    for seed in seeds.clone() {
        let outcome = std::panic::catch_unwind(|| simulate(seed));
        let outcome = outcome.unwrap_or_else(|panic| {
            std::panic::panic_any(format!("SEED={seed}: {:?}", panic.downcast_ref::<String>()))
        });
        managers += outcome.0;
        records += outcome.1;
    }
    // The runs must be worth something.
    if seeds.end - seeds.start > 1 {
        assert!(managers > 200, "{managers} JobManagers in all");
        assert!(records > 1200, "{records} records in all");
    }
}

#[test]
fn a_seed_gives_the_same_run_twice() {
    assert_eq!(simulate(42), simulate(42));
}
