//! The core alone: one scripted event after the other, and what it answers.

use std::sync::Arc;

use checkpoint::{Item, JobState, Manifest, SnapshotKind, SnapshotRef};
use model::{ErrorClass, Failure};
use settings::Settings;
use wire::v1::{
    CheckpointAck, CheckpointDeclined, Deploy, Heartbeat, Register, SubtaskId, SubtaskMetrics, TaskState,
    to_job_manager, to_task_manager::Body,
};

use super::fake::{graph, message, states, status};
use crate::{
    JobDetail, JobStatus, JobSubmission, Splits,
    cluster::Cluster,
    event::{Action, Event, LinkId, Recovery, Request},
};

pub(crate) const JOB: &str = "00000000000000000000000000000001";

/// The core, its clock, and what it said last.
struct Stage {
    cluster: Cluster,
    now_ms: i64,
    deploy: Option<Deploy>,
    next_request: u64,
    /// Whether the test answers when splits are to be listed; otherwise there are none.
    lists: bool,
}

const CHECKPOINTED: &[(&str, &str)] = &[
    ("execution.checkpointing.dir", "memory://core"),
    ("execution.checkpointing.savepoint-dir", "memory://savepoints"),
    ("execution.checkpointing.interval", "10 s"),
    ("execution.checkpointing.timeout", "60 s"),
    ("restart-strategy.type", "fixed-delay"),
    ("restart-strategy.fixed-delay.attempts", "2"),
    ("restart-strategy.fixed-delay.delay", "5 s"),
];

pub(crate) fn manifest(id: u64) -> Manifest {
    let states = ["source", "sink"].map(|uid| {
        let states: std::collections::BTreeMap<String, checkpoint::SubtaskState> =
            serde_json::from_str(&states(uid, 0, id)).expect("states");
        (uid.to_owned(), states.into_values().collect())
    });
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

fn recovery(id: Option<u64>) -> Recovery {
    let snapshot = |id| {
        let reference = SnapshotRef { id, uri: format!("memory://core/chk-{id}"), kind: SnapshotKind::Checkpoint };
        (reference, Arc::new(manifest(id)))
    };
    Recovery { epoch: 1, snapshot: id.map(snapshot), ended: None, last_checkpoint_id: id.unwrap_or(0) }
}

impl Stage {
    fn new() -> Self {
        Self {
            cluster: Cluster::new(Settings::default(), "test", 7),
            now_ms: 1_000_000,
            deploy: None,
            next_request: 100,
            lists: false,
        }
    }

    /// Takes an event; the actions in short.
    fn step(&mut self, event: Event) -> Vec<String> {
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
    fn pass(&mut self, ms: i64) -> Vec<String> {
        let mut said = Vec::new();
        let end = self.now_ms + ms;
        while self.now_ms < end {
            self.now_ms = (self.now_ms + 1000).min(end);
            said.extend(self.step(Event::Message(1, message(to_job_manager::Body::Heartbeat(Heartbeat::default())))));
        }
        said
    }

    fn submit(&mut self, options: &[(&str, &str)]) -> Vec<String> {
        let mut settings = Settings::default();
        for (name, value) in options {
            settings.set(name, value).expect("an option");
        }
        let submission =
            JobSubmission { job_id: Some(JOB.to_owned()), name: None, graph: graph(), settings, restore_from: None };
        self.step(Event::Submit(1, Box::new(submission)))
    }

    fn attach(&mut self, link: LinkId, slots: u32) -> Vec<String> {
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

    fn request(&mut self, request: Request) -> Vec<String> {
        self.next_request += 1;
        self.step(Event::Request(self.next_request, JOB.to_owned(), request))
    }

    fn task(&self, vertex: u32) -> SubtaskId {
        let attempt = self.deploy.as_ref().expect("deployed").attempt;
        SubtaskId { job_id: JOB.to_owned(), attempt, vertex, subtask: 0 }
    }

    fn report(&mut self, vertex: u32, state: TaskState, failure: Option<Failure>) -> Vec<String> {
        self.step(Event::Message(1, status(self.task(vertex), state, failure.map(Into::into))))
    }

    fn both(&mut self, state: TaskState) -> Vec<String> {
        let mut said = self.report(0, state, None);
        said.extend(self.report(1, state, None));
        said
    }

    fn acknowledge(&mut self, checkpoint_id: u64) -> Vec<String> {
        let mut said = Vec::new();
        for (vertex, uid) in [(0, "source"), (1, "sink")] {
            let ack = CheckpointAck {
                id: Some(self.task(vertex)),
                checkpoint_id,
                states_json: states(uid, 0, checkpoint_id),
                state_bytes: 8,
                ..CheckpointAck::default()
            };
            said.extend(self.step(Event::Message(1, message(to_job_manager::Body::CheckpointAck(ack)))));
        }
        said
    }

    fn committed(&mut self, id: u64, result: Result<(), Failure>) -> Vec<String> {
        self.step(Event::Committed(JOB.to_owned(), id, result))
    }

    fn recovered(&mut self, result: Result<Recovery, Failure>) -> Vec<String> {
        self.step(Event::Recovered(JOB.to_owned(), result))
    }

    fn detail(&self) -> JobDetail {
        self.cluster.job(JOB, self.now_ms).expect("a job")
    }

    fn status(&self) -> JobStatus {
        self.detail().status
    }

    /// A job with checkpoints that runs on TaskManager 1.
    fn running() -> Self {
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
                let manifest: Option<Manifest> = serde_json::from_str(&deploy.restore_json).ok();
                let restored =
                    manifest.map_or_else(|| "nothing".to_owned(), |manifest| manifest.checkpoint_id.to_string());
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

#[test]
fn from_submission_to_running() {
    let mut stage = Stage::new();
    assert_eq!(stage.submit(CHECKPOINTED), ["open", "recover", "answer"]);
    assert_eq!(stage.status(), JobStatus::Initializing);
    assert_eq!(stage.recovered(Ok(recovery(Some(4)))), [""; 0]);
    assert_eq!((stage.status(), stage.detail().missing_slots), (JobStatus::Created, 1));
    assert_eq!(stage.attach(1, 1), ["registered 1", "deploy 1 on 1 from 4"]);
    assert_eq!(stage.status(), JobStatus::Initializing);
    stage.report(0, TaskState::Running, None);
    assert_eq!(stage.status(), JobStatus::Initializing);
    stage.report(1, TaskState::Running, None);
    assert_eq!(stage.status(), JobStatus::Running);
    // Numbers go on above what was restored.
    assert_eq!(stage.pass(10_000), ["trigger 5"]);
}

#[test]
fn a_checkpoint_is_told_only_when_it_is_owned() {
    let mut stage = Stage::running();
    assert_eq!(stage.pass(10_000), ["trigger 1"]);
    assert_eq!(stage.acknowledge(1), ["write 1 advance"]);
    assert_eq!(stage.acknowledge(1), [""; 0], "acknowledged twice");
    assert_eq!(stage.committed(1, Ok(())), ["commit 1"]);
    assert_eq!(stage.detail().checkpoints.latest_completed.expect("completed").id, 1);
    // One at a time: the next waits while one is in progress.
    assert_eq!(stage.pass(10_000), ["trigger 2"]);
    assert_eq!(stage.pass(30_000), [""; 0]);
}

#[test]
fn a_checkpoint_that_takes_too_long_is_a_failure_of_the_job_if_none_is_tolerated() {
    let mut stage = Stage::running();
    stage.pass(10_000);
    assert_eq!(stage.pass(60_000), ["discard", "cancel 1"]);
    assert_eq!(stage.status(), JobStatus::Restarting);
    assert!(stage.detail().failure.expect("a failure").message.starts_with("checkpoint 1: it took longer"));
}

#[test]
fn a_late_acknowledgement_changes_nothing() {
    let mut stage = Stage::new();
    stage.attach(1, 1);
    let mut options = CHECKPOINTED.to_vec();
    options.push(("execution.checkpointing.tolerable-failed-checkpoints", "1"));
    stage.submit(&options);
    stage.recovered(Ok(recovery(None)));
    stage.both(TaskState::Running);
    stage.pass(10_000);
    assert_eq!(stage.pass(60_000), ["discard", "trigger 2"], "tolerated, and the next was due");
    assert_eq!(stage.acknowledge(1), [""; 0]);
    assert_eq!(stage.acknowledge(2), ["write 2 advance"]);
    let said = stage.committed(2, Ok(()));
    assert_eq!(said, ["discard", "commit 2"], "what was still written for the first goes once the second is there");
}

#[test]
fn a_failed_task_restarts_all_from_the_last_checkpoint() {
    let mut stage = Stage::running();
    let said = stage.report(1, TaskState::Failed, Some(Failure::external("broken pipe")));
    assert_eq!(said, ["cancel 1"]);
    assert_eq!(stage.status(), JobStatus::Restarting);
    assert_eq!(stage.report(0, TaskState::Canceled, None), [""; 0]);
    assert_eq!(stage.pass(4_000), [""; 0], "backs off");
    assert_eq!(stage.pass(1_000), ["recover"]);
    assert_eq!(stage.recovered(Ok(recovery(Some(3)))), ["deploy 1 on 1 from 3"]);
    assert_eq!(stage.status(), JobStatus::Restarting);
    stage.both(TaskState::Running);
    let detail = stage.detail();
    assert_eq!((detail.status, detail.restarts, detail.last_downtime_ms), (JobStatus::Running, 1, Some(5_000)));
    let failure = detail.failure.expect("a failure");
    assert_eq!((failure.task.as_deref(), failure.taskmanager.as_deref()), (Some("sink (1/1)"), Some("tm1")));
}

#[test]
fn restarts_end_with_the_strategy() {
    let mut stage = Stage::running();
    for _ in 0..2 {
        stage.report(0, TaskState::Failed, Some(Failure::external("again")));
        stage.report(1, TaskState::Canceled, None);
        stage.pass(5_000);
        stage.recovered(Ok(recovery(None)));
        stage.both(TaskState::Running);
    }
    stage.report(0, TaskState::Failed, Some(Failure::external("again")));
    assert_eq!(stage.status(), JobStatus::Failing);
    assert_eq!(stage.report(1, TaskState::Canceled, None), [""; 0], "the pointer stays as it is");
    assert_eq!(stage.status(), JobStatus::Failed);
    assert_eq!(stage.cluster.result(JOB).expect("ended").failure.expect("why").message, "again");
}

#[test]
fn a_lost_taskmanager_is_a_failure_and_its_tasks_are_gone() {
    let mut stage = Stage::running();
    assert_eq!(stage.step(Event::Detached(1)), [""; 0], "nobody is left to cancel");
    assert_eq!(stage.status(), JobStatus::Restarting);
    stage.now_ms += 5_000;
    assert_eq!(stage.step(Event::Tick), ["recover"]);
    assert_eq!(stage.recovered(Ok(recovery(Some(2)))), [""; 0]);
    assert_eq!(stage.attach(1, 1), ["registered 1", "deploy 1 on 1 from 2"]);
}

#[test]
fn a_silent_taskmanager_is_lost() {
    let mut stage = Stage::running();
    assert_eq!(stage.cluster.deadline(), Some(stage.now_ms + 10_000));
    stage.now_ms += 10_000;
    assert_eq!(stage.step(Event::Tick), ["close 1"]);
    assert_eq!(stage.status(), JobStatus::Restarting);
}

#[test]
fn tasks_that_were_never_started_do_not_hold_up_a_restart() {
    let mut stage = Stage::new();
    stage.attach(1, 1);
    stage.submit(CHECKPOINTED);
    stage.recovered(Ok(recovery(None)));
    // The deployment failed as a whole: only one task speaks.
    assert_eq!(stage.report(0, TaskState::Failed, Some(Failure::external("no port"))), ["cancel 1"]);
    stage.pass(2_000);
    assert_eq!(stage.pass(5_000), ["recover"]);
}

#[test]
fn a_task_that_does_not_end_costs_the_taskmanager_its_connection() {
    let mut stage = Stage::running();
    stage.report(0, TaskState::Failed, Some(Failure::external("x")));
    let listed = SubtaskMetrics { id: Some(stage.task(1)), ..SubtaskMetrics::default() };
    let heartbeat = Heartbeat { subtasks: vec![listed], resident_bytes: 0 };
    let mut said = Vec::new();
    for _ in 0..30 {
        stage.now_ms += 1_000;
        said.extend(stage.step(Event::Message(1, message(to_job_manager::Body::Heartbeat(heartbeat.clone())))));
    }
    assert_eq!(said, ["close 1"]);
    stage.now_ms += 5_000;
    assert_eq!(stage.step(Event::Tick), ["recover"]);
}

#[test]
fn messages_of_an_older_attempt_are_ignored() {
    let mut stage = Stage::running();
    let old = stage.task(0);
    stage.report(0, TaskState::Failed, Some(Failure::external("x")));
    stage.report(1, TaskState::Canceled, None);
    stage.pass(5_000);
    stage.recovered(Ok(recovery(None)));
    stage.both(TaskState::Running);
    assert!(stage.task(0).attempt > old.attempt);
    let failure = Failure::external("late").into();
    assert_eq!(stage.step(Event::Message(1, status(old, TaskState::Failed, Some(failure)))), [""; 0]);
    assert_eq!(stage.status(), JobStatus::Running);
}

#[test]
fn the_end_of_input_is_committed_before_tasks_are_released() {
    let mut stage = Stage::running();
    assert_eq!(stage.report(0, TaskState::Finished, None), [""; 0]);
    assert_eq!(stage.report(1, TaskState::Finished, None), ["trigger 1"]);
    assert_eq!(stage.acknowledge(1), ["write 1 advance"]);
    assert_eq!(stage.committed(1, Ok(())), ["commit 1", "release"]);
    assert_eq!(stage.report(0, TaskState::Canceled, None), [""; 0]);
    assert_eq!(stage.status(), JobStatus::Running);
    assert_eq!(stage.report(1, TaskState::Canceled, None), ["end finished"]);
    assert_eq!(stage.step(Event::Ended(JOB.to_owned(), Ok(()))), [""; 0]);
    assert_eq!(stage.status(), JobStatus::Finished);
}

#[test]
fn a_periodic_checkpoint_does_not_stand_for_the_final_one() {
    let mut stage = Stage::running();
    stage.pass(10_000);
    assert_eq!(stage.both(TaskState::Finished), [""; 0], "checkpoint 1 is in progress");
    stage.acknowledge(1);
    assert_eq!(stage.committed(1, Ok(())), ["commit 1", "trigger 2"]);
}

#[test]
fn a_commit_that_fails_in_a_sink_after_the_release_restarts_from_the_final_checkpoint() {
    let mut stage = Stage::running();
    stage.both(TaskState::Finished);
    stage.acknowledge(1);
    stage.committed(1, Ok(()));
    assert_eq!(stage.report(1, TaskState::Failed, Some(Failure::external("sink is down"))), ["cancel 1"]);
    stage.report(0, TaskState::Canceled, None);
    assert_eq!(stage.pass(5_000), ["recover"]);
    assert_eq!(stage.recovered(Ok(recovery(Some(1)))), ["deploy 1 on 1 from 1"]);
}

#[test]
fn without_a_directory_the_end_is_committed_without_state() {
    let mut stage = Stage::new();
    stage.attach(1, 1);
    stage.submit(&[]);
    assert_eq!(stage.recovered(Ok(Recovery::default())), ["deploy 1 on 1 from nothing"]);
    stage.both(TaskState::Running);
    assert_eq!(stage.both(TaskState::Finished), ["trigger 1"]);
    assert_eq!(stage.acknowledge(1), ["commit 1", "release"]);
    stage.both(TaskState::Canceled);
    assert_eq!(stage.status(), JobStatus::Finished);
    assert_eq!(stage.detail().checkpoints.latest_completed, None, "nothing to restore from");
}

#[test]
fn what_still_waits_when_a_job_ends_is_answered() {
    let mut stage = Stage::running();
    stage.pass(10_000);
    assert_eq!(stage.request(Request::Savepoint { directory: None }), [""; 0], "checkpoint 1 is in progress");
    stage.both(TaskState::Finished);
    stage.acknowledge(1);
    assert_eq!(stage.committed(1, Ok(())), ["commit 1", "trigger 2"]);
    stage.acknowledge(2);
    assert_eq!(stage.committed(2, Ok(())), ["commit 2", "release", "refuse: the job is ending"]);
}

#[test]
fn a_savepoint_does_not_commit_and_a_stop_does() {
    let mut stage = Stage::running();
    assert_eq!(stage.request(Request::Savepoint { directory: None }), ["trigger 1"]);
    let stop = Request::Stop { drain: false, directory: None };
    assert_eq!(stage.request(stop), [""; 0], "waits for the savepoint");
    assert_eq!(stage.acknowledge(1), ["write 1"]);
    assert_eq!(stage.committed(1, Ok(())), ["completed 1", "answer", "trigger 2 stop"]);
    assert_eq!(stage.acknowledge(2), ["write 2 advance"]);
    assert_eq!(stage.committed(2, Ok(())), ["commit 2", "release"]);
    assert_eq!(stage.both(TaskState::Canceled), ["end suspended"]);
    assert_eq!(stage.step(Event::Ended(JOB.to_owned(), Ok(()))), ["answer"]);
    assert_eq!(stage.status(), JobStatus::Suspended);
}

#[test]
fn a_failed_stop_is_told_and_the_job_goes_on() {
    let mut stage = Stage::running();
    stage.request(Request::Stop { drain: false, directory: None });
    let declined = CheckpointDeclined {
        id: Some(stage.task(0)),
        checkpoint_id: 1,
        failure: Some(Failure::external("disk full").into()),
    };
    let said = stage.step(Event::Message(1, message(to_job_manager::Body::CheckpointDeclined(declined))));
    assert_eq!(said, ["refuse: savepoint 1: disk full", "discard", "cancel 1"]);
    assert_eq!(stage.status(), JobStatus::Restarting);
}

#[test]
fn an_unknown_outcome_is_never_told_as_success() {
    let mut stage = Stage::running();
    stage.pass(10_000);
    stage.acknowledge(1);
    let said = stage.committed(1, Err(Failure::external("unknown whether it was written")));
    assert_eq!(said, ["cancel 1"], "neither committed nor discarded");
}

#[test]
fn a_newer_owner_ends_everything() {
    let mut stage = Stage::running();
    stage.pass(10_000);
    stage.acknowledge(1);
    assert_eq!(stage.committed(1, Err(Failure::fenced("epoch 2"))), ["fenced", "cancel 1"]);
    assert_eq!(stage.status(), JobStatus::Failing);
    assert_eq!(stage.detail().failure.expect("a failure").class, ErrorClass::Fenced);
    assert_eq!(stage.cluster.abandon().len(), 1);
}

#[test]
fn a_job_without_checkpoints_looks_whether_it_is_still_the_owner() {
    let mut stage = Stage::new();
    stage.attach(1, 1);
    let mut options = CHECKPOINTED.to_vec();
    options[2].1 = "0 ms";
    stage.submit(&options);
    stage.recovered(Ok(recovery(None)));
    stage.both(TaskState::Running);
    stage.now_ms += 10_000 - 1;
    let heartbeat = || Event::Message(1, message(to_job_manager::Body::Heartbeat(Heartbeat::default())));
    assert!(stage.cluster.step(stage.now_ms, heartbeat()).is_empty());
    assert_eq!(stage.cluster.deadline(), Some(stage.now_ms + 1));
    stage.now_ms += 1;
    let actions = stage.cluster.step(stage.now_ms, Event::Tick);
    assert!(matches!(actions.as_slice(), [Action::Verify(_)]), "{actions:?}");
    let verified = |result| Event::Verified(JOB.to_owned(), result);
    assert_eq!(stage.step(verified(Err(Failure::external("away")))), [""; 0]);
    assert_eq!(stage.status(), JobStatus::Running);
    assert_eq!(stage.step(verified(Err(Failure::fenced("epoch 2")))), ["fenced", "cancel 1"]);
}

#[test]
fn a_job_that_waited_long_for_slots_reads_the_pointer_again() {
    let mut stage = Stage::new();
    stage.submit(CHECKPOINTED);
    stage.recovered(Ok(recovery(Some(4))));
    stage.now_ms += 60_000;
    assert_eq!(stage.attach(1, 1), ["registered 1", "recover"]);
    assert_eq!(stage.recovered(Ok(recovery(Some(6)))), ["deploy 1 on 1 from 6"]);
}

#[test]
fn a_cancel_ends_the_job_from_wherever_it_is() {
    let ends = |stage: &mut Stage| {
        assert_eq!(stage.step(Event::Ended(JOB.to_owned(), Ok(()))), [""; 0]);
        assert_eq!(stage.status(), JobStatus::Canceled);
    };
    // While it runs.
    let mut stage = Stage::running();
    assert_eq!(stage.request(Request::Cancel), ["cancel 1", "answer"]);
    assert_eq!(stage.status(), JobStatus::Cancelling);
    assert_eq!(stage.both(TaskState::Canceled), ["end canceled"]);
    ends(&mut stage);
    // While it waits for slots.
    let mut stage = Stage::new();
    stage.submit(CHECKPOINTED);
    stage.recovered(Ok(recovery(None)));
    assert_eq!(stage.request(Request::Cancel), ["end canceled", "answer"]);
    ends(&mut stage);
    // While the pointer is read: the claim is waited for.
    let mut stage = Stage::new();
    stage.submit(CHECKPOINTED);
    assert_eq!(stage.request(Request::Cancel), ["answer"]);
    assert_eq!(stage.recovered(Ok(recovery(None))), ["end canceled"]);
    ends(&mut stage);
    // While it backs off.
    let mut stage = Stage::running();
    stage.report(0, TaskState::Failed, Some(Failure::external("x")));
    stage.report(1, TaskState::Canceled, None);
    assert_eq!(stage.request(Request::Cancel), ["end canceled", "answer"]);
    ends(&mut stage);
    assert_eq!(stage.request(Request::Cancel), [format!("refuse: job {JOB} is CANCELED")]);
}

#[test]
fn a_rescale_takes_a_checkpoint_first_and_needs_slots() {
    let mut stage = Stage::running();
    assert_eq!(stage.request(Request::Rescale(2)), ["answer"]);
    assert_eq!(stage.attach(2, 1), ["registered 2", "trigger 1"]);
    assert_eq!(stage.acknowledge(1), ["write 1 advance"]);
    assert_eq!(stage.committed(1, Ok(())), ["commit 1", "cancel 1"]);
    assert_eq!(stage.both(TaskState::Canceled), ["recover"]);
    let said = stage.recovered(Ok(recovery(Some(1))));
    assert_eq!(said, ["deploy 2 on 1 from 1", "deploy 2 on 2 from 1"]);
}

#[test]
fn a_rescale_is_remembered_as_long_as_the_configuration_stays() {
    for (configured, first) in
        [(1, ["deploy 2 on 1 from 4", "deploy 2 on 2 from 4"].as_slice()), (3, &["deploy 1 on 1 from 4"])]
    {
        let mut stage = Stage::new();
        stage.attach(1, 1);
        stage.attach(2, 1);
        stage.submit(CHECKPOINTED);
        let mut recovered = recovery(None);
        let reference = SnapshotRef { id: 4, uri: "memory://core/chk-4".to_owned(), kind: SnapshotKind::Checkpoint };
        let rescaled = Some(checkpoint::manifest::Rescaled { configured, wanted: 2 });
        recovered.snapshot = Some((reference, Arc::new(Manifest { rescaled, ..manifest(4) })));
        assert_eq!(stage.recovered(Ok(recovered)), first, "configured: 1, when it was rescaled {configured}");
    }
}

#[test]
fn a_start_that_cannot_restore_fails_with_the_reason() {
    let cases = [
        (Failure::user("no savepoint there"), JobStatus::Failed),
        (Failure::fenced("epoch 9"), JobStatus::Failed),
        (Failure::external("store is away"), JobStatus::Restarting),
    ];
    for (failure, expected) in cases {
        let mut stage = Stage::new();
        stage.submit(CHECKPOINTED);
        stage.recovered(Err(failure));
        let status = stage.status();
        assert!(status == expected || (expected == JobStatus::Restarting && !status.is_terminal()), "{status:?}");
    }
    // State that nobody claims, and a number of key groups that does not fit.
    for (option, expected) in [(None, "claims the state of gone"), (Some("256"), "128 key groups")] {
        let mut stage = Stage::new();
        let mut options = CHECKPOINTED.to_vec();
        options.extend(option.map(|value| ("pipeline.max-parallelism", value)));
        stage.submit(&options);
        let mut found = manifest(1);
        let states = found.operators["sink"].clone();
        found.operators.insert("gone".to_owned(), states);
        let reference = SnapshotRef { id: 1, uri: "memory://s".to_owned(), kind: SnapshotKind::Savepoint };
        stage.recovered(Ok(Recovery { snapshot: Some((reference, Arc::new(found))), ..Recovery::default() }));
        let failure = stage.detail().failure.expect("refused");
        assert_eq!((stage.status(), failure.class), (JobStatus::Failed, ErrorClass::User));
        assert!(failure.message.contains(expected), "{}", failure.message);
    }
}

#[test]
fn a_taskmanager_of_another_build_is_refused() {
    let mut stage = Stage::new();
    stage.step(Event::Attached(1));
    let register =
        Register { taskmanager_id: "tm".to_owned(), slots: 4, build: "other".to_owned(), ..Default::default() };
    let said = stage.step(Event::Message(1, message(to_job_manager::Body::Register(register))));
    assert_eq!(said, ["close 1"]);
    assert_eq!(stage.cluster.taskmanagers(), []);
}

#[test]
fn splits_are_listed_once_there_are_slots_and_dealt_out() {
    let mut stage = Stage::new();
    stage.lists = true;
    stage.submit(CHECKPOINTED);
    assert_eq!(stage.recovered(Ok(recovery(None))), Vec::<String>::new());
    let said = stage.attach(1, 1);
    assert_eq!(said, ["registered 1", "list 1000000"]);
    assert_eq!((stage.status(), stage.pass(3000)), (JobStatus::Created, Vec::new()));
    let items = [7, 8, 9].map(|number| Item(vec![number]));
    let listed = |number| Event::Enumerated(JOB.to_owned(), number, Ok([("source".to_owned(), items.to_vec())].into()));
    assert_eq!(stage.step(listed(999_999)), Vec::<String>::new(), "the answer to another request");
    // So long that the pointer is read again; what was listed still holds.
    stage.pass(60_000);
    assert_eq!(stage.step(listed(1_000_000)), ["recover"]);
    assert_eq!(stage.recovered(Ok(recovery(None))), ["deploy 1 on 1 from nothing"]);
    let splits = stage.deploy.as_ref().expect("deployed").splits.clone();
    let shares: Vec<_> = splits.iter().map(|share| (share.operator_uid.as_str(), share.subtask)).collect();
    assert_eq!(shares, [("source", 0)]);
    assert!(splits[0].splits.iter().map(|split| split[0]).eq([7, 8, 9]));
    // A restart lists anew.
    stage.both(TaskState::Running);
    stage.report(0, TaskState::Failed, Some(Failure::external("no network")));
    stage.report(1, TaskState::Canceled, None);
    stage.pass(6000);
    assert_eq!(stage.recovered(Ok(recovery(Some(1)))), ["list 1069000"]);
}

#[test]
fn a_list_that_cannot_be_made_fails_the_job_and_a_cancel_does_not_wait_for_it() {
    for is_cancelled in [false, true] {
        let mut stage = Stage::new();
        stage.lists = true;
        stage.attach(1, 1);
        stage.submit(CHECKPOINTED);
        assert_eq!(stage.recovered(Ok(recovery(None))), ["list 1000000"]);
        if is_cancelled {
            assert_eq!(stage.request(Request::Cancel), ["end canceled", "answer"]);
        }
        let failure = Failure::user("orders: there is no such file");
        let said = stage.step(Event::Enumerated(JOB.to_owned(), 1_000_000, Err(failure)));
        assert_eq!(said, Vec::<String>::new());
        let expected = if is_cancelled { JobStatus::Cancelling } else { JobStatus::Failed };
        assert_eq!(stage.status(), expected);
    }
}
