//! Savepoints, stops, cancels, rescales, restores, and who owns a job.

use std::sync::Arc;

use checkpoint::{Item, Manifest, SnapshotKind, SnapshotRef};
use model::{ErrorClass, Failure};
use wire::v1::{CheckpointDeclined, Heartbeat, Register, TaskState, to_job_manager};

use super::stage::{CHECKPOINTED, JOB, Stage, manifest, recovery};
use crate::{
    JobStatus,
    event::{Action, Event, Recovery, Request},
    tests::fake::message,
};

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
fn a_failed_stop_is_reported_and_the_job_goes_on() {
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
fn an_unknown_outcome_is_never_reported_as_success() {
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
