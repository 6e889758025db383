//! The core alone: one scripted event after the other, and what it answers.

mod requests;
mod stage;

use model::Failure;
use wire::v1::{Heartbeat, SubtaskMetrics, TaskState, to_job_manager};

use super::fake::{message, status};
use crate::{
    JobStatus,
    event::{Event, Recovery, Request},
};

use stage::{CHECKPOINTED, recovery};
pub(crate) use stage::{JOB, Stage};

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
fn a_checkpoint_is_reported_only_when_it_is_owned() {
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
