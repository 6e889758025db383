//! The core with a clock and one job: events in, and in short the actions that it answers.

use std::sync::Arc;

use checkpoint::{JobState, Manifest, SnapshotKind, SnapshotRef};
use model::Failure;
use settings::Settings;
use wire::v1::{
    CheckpointAck, Deploy, Heartbeat, Register, SubtaskId, TaskState, to_job_manager, to_task_manager::Body,
};

use crate::{
    JobDetail, JobStatus, JobSubmission, Splits,
    cluster::Cluster,
    event::{Action, Event, LinkId, Recovery, Request},
    tests::fake::{graph, message, state, states, status},
};

pub(crate) const JOB: &str = "00000000000000000000000000000001";

/// The core, its clock, and what it said last.
pub(crate) struct Stage {
    pub(crate) cluster: Cluster,
    pub(crate) now_ms: i64,
    pub(crate) deploy: Option<Deploy>,
    next_request: u64,
    /// Whether the test answers when splits are to be listed; otherwise there are none.
    pub(crate) lists: bool,
}

pub(crate) const CHECKPOINTED: &[(&str, &str)] = &[
    ("execution.checkpointing.dir", "memory://core"),
    ("execution.checkpointing.savepoint-dir", "memory://savepoints"),
    ("execution.checkpointing.interval", "10 s"),
    ("execution.checkpointing.timeout", "60 s"),
    ("restart-strategy.type", "fixed-delay"),
    ("restart-strategy.fixed-delay.attempts", "2"),
    ("restart-strategy.fixed-delay.delay", "5 s"),
];

pub(crate) fn manifest(id: u64) -> Manifest {
    let states = ["source", "sink"].map(|uid| (uid.to_owned(), vec![state(0, id)]));
    Manifest {
        version: checkpoint::manifest::VERSION,
        job_id: JOB.to_owned(),
        job_name: "orders".to_owned(),
        checkpoint_id: id,
        epoch: 1,
        kind: SnapshotKind::Checkpoint,
        triggered_ms: 0,
        max_parallelism: 128,
        parallelism: 1,
        rescaled: None,
        identities: None,
        operators: states.into(),
    }
}

pub(crate) fn recovery(id: Option<u64>) -> Recovery {
    let snapshot = |id| {
        let reference = SnapshotRef { id, uri: format!("memory://core/chk-{id}"), kind: SnapshotKind::Checkpoint };
        (reference, Arc::new(manifest(id)))
    };
    Recovery { epoch: 1, snapshot: id.map(snapshot), ended: None, last_checkpoint_id: id.unwrap_or(0) }
}

impl Stage {
    pub(crate) fn new() -> Self {
        Self {
            cluster: Cluster::new(Settings::default(), "test", 7),
            now_ms: 1_000_000,
            deploy: None,
            next_request: 100,
            lists: false,
        }
    }

    /// Takes an event; the actions in short.
    pub(crate) fn step(&mut self, event: Event) -> Vec<String> {
        let actions = self.cluster.step(self.now_ms, event);
        let mut said = Vec::new();
        for action in actions {
            if let Action::Send(_, message) = &action
                && let Some(Body::Deploy(deploy)) = &message.body
            {
                self.deploy = Some(deploy.clone());
            }
            if let Action::Enumerate { job, number, .. } = &action
                && !self.lists
            {
                said.extend(self.step(Event::Enumerated(job.clone(), *number, Ok(Splits::new()))));
                continue;
            }
            // Comes every now and then; has a test of its own.
            if !matches!(action, Action::Verify(_)) {
                said.push(short(&action));
            }
        }
        said
    }

    /// Lets time pass, with heartbeats of link 1.
    pub(crate) fn pass(&mut self, ms: i64) -> Vec<String> {
        let mut said = Vec::new();
        let end = self.now_ms + ms;
        while self.now_ms < end {
            self.now_ms = (self.now_ms + 1000).min(end);
            said.extend(self.step(Event::Message(1, message(to_job_manager::Body::Heartbeat(Heartbeat::default())))));
        }
        said
    }

    pub(crate) fn submit(&mut self, options: &[(&str, &str)]) -> Vec<String> {
        let mut settings = Settings::default();
        for (name, value) in options {
            settings.set(name, value).expect("an option");
        }
        let submission =
            JobSubmission { job_id: Some(JOB.to_owned()), name: None, graph: graph(), settings, restore_from: None };
        self.step(Event::Submit(1, Box::new(submission)))
    }

    pub(crate) fn attach(&mut self, link: LinkId, slots: u32) -> Vec<String> {
        let mut said = self.step(Event::Attached(link));
        let register = Register {
            taskmanager_id: format!("tm{link}"),
            data_address: String::new(),
            slots,
            build: "test".to_owned(),
        };
        said.extend(self.step(Event::Message(link, message(to_job_manager::Body::Register(register)))));
        said
    }

    pub(crate) fn request(&mut self, request: Request) -> Vec<String> {
        self.next_request += 1;
        self.step(Event::Request(self.next_request, JOB.to_owned(), request))
    }

    pub(crate) fn task(&self, vertex: u32) -> SubtaskId {
        let attempt = self.deploy.as_ref().expect("deployed").attempt;
        SubtaskId { job_id: JOB.to_owned(), attempt, vertex, subtask: 0 }
    }

    pub(crate) fn report(&mut self, vertex: u32, state: TaskState, failure: Option<Failure>) -> Vec<String> {
        self.step(Event::Message(1, status(self.task(vertex), state, failure.map(Into::into))))
    }

    pub(crate) fn both(&mut self, state: TaskState) -> Vec<String> {
        let mut said = self.report(0, state, None);
        said.extend(self.report(1, state, None));
        said
    }

    pub(crate) fn acknowledge(&mut self, checkpoint_id: u64) -> Vec<String> {
        let mut said = Vec::new();
        for (vertex, uid) in [(0, "source"), (1, "sink")] {
            let ack = CheckpointAck {
                id: Some(self.task(vertex)),
                checkpoint_id,
                states: states(uid, 0, checkpoint_id),
                state_bytes: 8,
                ..CheckpointAck::default()
            };
            said.extend(self.step(Event::Message(1, message(to_job_manager::Body::CheckpointAck(ack)))));
        }
        said
    }

    pub(crate) fn committed(&mut self, id: u64, result: Result<(), Failure>) -> Vec<String> {
        self.step(Event::Committed(JOB.to_owned(), id, result))
    }

    pub(crate) fn recovered(&mut self, result: Result<Recovery, Failure>) -> Vec<String> {
        self.step(Event::Recovered(JOB.to_owned(), result))
    }

    pub(crate) fn detail(&self) -> JobDetail {
        self.cluster.job(JOB, self.now_ms).expect("a job")
    }

    pub(crate) fn status(&self) -> JobStatus {
        self.detail().status
    }

    /// A job with checkpoints that runs on TaskManager 1.
    pub(crate) fn running() -> Self {
        let mut stage = Self::new();
        stage.attach(1, 1);
        stage.submit(CHECKPOINTED);
        stage.recovered(Ok(recovery(None)));
        stage.both(TaskState::Running);
        assert_eq!(stage.status(), JobStatus::Running);
        stage
    }
}

fn short(action: &Action) -> String {
    match action {
        Action::Send(link, message) => match message.body.as_ref().expect("a body") {
            Body::Registered(_) => format!("registered {link}"),
            Body::Deploy(deploy) => {
                let restore = deploy.restore.as_ref();
                let restored =
                    restore.map_or_else(|| "nothing".to_owned(), |restore| restore.checkpoint_id.to_string());
                format!("deploy {} on {link} from {restored}", deploy.parallelism)
            }
            Body::Cancel(_) => format!("cancel {link}"),
            Body::TriggerCheckpoint(trigger) => {
                let stop = if trigger.stop { " stop" } else { "" };
                format!("trigger {}{stop}", trigger.checkpoint_id)
            }
            Body::CheckpointCompleted(completed) => {
                format!("{} {}", if completed.commit { "commit" } else { "completed" }, completed.checkpoint_id)
            }
            Body::Release(_) => "release".to_owned(),
        },
        Action::Close(link) => format!("close {link}"),
        Action::Open(..) => "open".to_owned(),
        Action::Recover(_) => "recover".to_owned(),
        Action::Enumerate { number, .. } => format!("list {number}"),
        Action::Verify(_) => "verify".to_owned(),
        Action::Commit { manifest, advance, .. } => {
            format!("write {}{}", manifest.checkpoint_id, if *advance { " advance" } else { "" })
        }
        Action::End(_, state) => match state {
            JobState::Suspended { .. } => "end suspended".to_owned(),
            state => format!("end {state:?}").to_lowercase(),
        },
        Action::Discard(..) => "discard".to_owned(),
        Action::Answer(_, Ok(_)) => "answer".to_owned(),
        Action::Answer(_, Err(failure)) => format!("refuse: {failure}"),
        Action::Fenced(_) => "fenced".to_owned(),
    }
}
