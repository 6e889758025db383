//! A process that did not run for a while: nobody is judged by time in which it could not hear.

use wire::v1::TaskState;

use super::core::Stage;
use crate::{JobStatus, event::Event};

/// Longer than any timeout of the job.
const PAUSE_MS: i64 = 3_600_000;

/// The process is stopped, and goes on.
fn pause(stage: &mut Stage) -> Vec<String> {
    stage.now_ms += PAUSE_MS;
    stage.step(Event::Paused(PAUSE_MS))
}

#[test]
fn a_taskmanager_is_not_lost_by_a_pause_of_the_jobmanager() {
    let mut stage = Stage::running();
    assert_eq!(pause(&mut stage), [""; 0]);
    assert_eq!((stage.status(), stage.detail().restarts), (JobStatus::Running, 0));
    // Checkpoints go on at their interval.
    assert_eq!(stage.pass(10_000), ["trigger 1"]);
    // One that is silent while the JobManager runs is lost as ever.
    stage.now_ms += 9_000;
    assert_eq!(stage.step(Event::Tick), [""; 0]);
    stage.now_ms += 1_000;
    assert_eq!(stage.step(Event::Tick)[0], "close 1");
    assert_eq!(stage.status(), JobStatus::Restarting);
}

#[test]
fn a_checkpoint_does_not_expire_in_a_pause() {
    let mut stage = Stage::running();
    assert_eq!(stage.pass(10_000), ["trigger 1"]);
    assert_eq!(pause(&mut stage), [""; 0]);
    assert_eq!(stage.pass(30_000), [""; 0], "half of its time");
    assert_eq!(stage.acknowledge(1), ["write 1 advance"]);
    assert_eq!(stage.committed(1, Ok(())), ["commit 1", "trigger 2"], "and the next was due");
}

#[test]
fn tasks_have_their_time_to_end_beside_a_pause() {
    let mut stage = Stage::running();
    let failure = model::Failure::external("broken pipe");
    assert_eq!(stage.report(1, TaskState::Failed, Some(failure)), ["cancel 1"]);
    assert_eq!(pause(&mut stage), [""; 0]);
    assert_eq!(stage.pass(20_000), [""; 0], "a task may take its time");
    assert_eq!(stage.report(0, TaskState::Canceled, None), [""; 0]);
    assert_eq!(stage.pass(5_000), ["recover"], "after the delay of the restart");
}

#[test]
fn a_clock_that_was_set_back_stops_nothing() {
    let mut stage = Stage::running();
    stage.now_ms -= PAUSE_MS;
    assert_eq!(stage.step(Event::Paused(-PAUSE_MS)), [""; 0]);
    assert_eq!(stage.pass(10_000), ["trigger 1"]);
    assert_eq!(stage.acknowledge(1), ["write 1 advance"]);
}
