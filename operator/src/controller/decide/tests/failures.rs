//! What fails, and how it is told and counted.

use super::{SAVEPOINT, UID, program, world::World};
use crate::{
    crd::{Fallback, Phase},
    jobmanager::{Failure, Job},
};

#[test]
fn failures_are_told_and_rescales_are_not_taken_for_them() {
    let mut world = World::running();
    world.job().state = "RESTARTING".to_owned();
    world.settle();
    assert_eq!(world.status().phase, Some(Phase::Restarting));
    assert!(!world.events.contains(&"Restarted"));
    world.job().state = "RUNNING".to_owned();
    world.job().restarts = Some(1);
    world.job().last_downtime_millis = Some(2340);
    world.job().failure =
        Some(Failure { class: "External".to_owned(), message: "TaskManager a is lost".to_owned(), position: None });
    world.settle();
    assert!(world.events.contains(&"Restarted"));
    let status = world.status();
    let job = status.job.unwrap();
    assert_eq!((job.restarts, job.downtime_seconds["taskFailure"], job.down), (Some(1), 2.3, None));
    assert_eq!(status.last_failure.unwrap().message, "TaskManager a is lost");
    world.job().rescales = 1;
    world.job().last_downtime_millis = Some(400);
    world.settle();
    let job = world.status().job.unwrap();
    assert_eq!((job.restarts, job.downtime_seconds["scale"]), (Some(1), 0.4));
}

#[test]
fn restarts_add_up_over_the_jobmanagers_of_a_job() {
    let mut world = World::running();
    world.job().restarts = Some(2);
    world.settle();
    let slow = |world: &mut World| {
        world.is_reachable = false;
        world.settle();
        assert!(!world.condition("Running").0);
        world.clock_millis += 3000;
        world.is_reachable = true;
    };
    slow(&mut world);
    world.settle();
    assert!(world.events.contains(&"JobManagerLost"));
    let job = world.status().job.unwrap();
    assert_eq!((job.restarts, job.downtime_seconds.get("jobManagerFailure")), (Some(2), None), "it was only slow");
    slow(&mut world);
    world.job().start_time += 60_000;
    world.job().restarts = Some(1);
    world.settle();
    let job = world.status().job.unwrap();
    assert_eq!(job.restarts, Some(4), "two, one of the successor, and the loss itself");
    assert!(job.downtime_seconds["jobManagerFailure"] > 3.0);
    program(&mut world, "SELECT 2");
    world.settle();
    assert_eq!(world.status().job.unwrap().restarts, Some(4), "an upgrade is no failure");
}

#[test]
fn with_fallback_wait_a_failing_job_is_left_alone() {
    let mut world = World::running();
    world.change(|job| job.spec.upgrade.fallback = Fallback::Wait);
    world.job().state = "RESTARTING".to_owned();
    program(&mut world, "SELECT 2");
    world.pass(false);
    world.clock_millis += 100_000;
    world.settle();
    assert_eq!(world.starts.len(), 1);
    assert_eq!(world.condition("Reconciling"), (true, "UpgradeBlocked".to_owned()));
    program(&mut world, &crate::controller::fixture::orders().spec.job.sql.inline.unwrap());
    world.settle();
    assert_eq!(world.status().upgrade, None, "taken back");
}

#[test]
fn a_mistake_in_an_upgrade_is_corrected_even_with_fallback_wait() {
    let mut world = World::running();
    world.change(|job| job.spec.upgrade.fallback = Fallback::Wait);
    program(&mut world, "SELECT 2");
    while world.starts.len() < 2 {
        world.pass(false);
    }
    let failure = Failure {
        class: "User".to_owned(),
        message: "line 1, column 8: no column 2".to_owned(),
        position: Some((1, 8)),
    };
    *world.job() = Job { state: "FAILED".to_owned(), failure: Some(failure), ..Job::default() };
    world.settle();
    assert_eq!(world.condition("SpecValid"), (false, "InvalidProgram".to_owned()));
    let failure = world.status().last_failure.unwrap();
    assert_eq!((failure.line, failure.column), (Some(1), Some(8)));
    program(&mut world, "SELECT 3");
    world.settle();
    assert_eq!(world.starts[2], (UID.to_owned(), Some(SAVEPOINT.to_owned())), "with what the first try was to restore");
}

/// Such as one whose image cannot be pulled: a corrected spec must not wait for what cannot come.
#[test]
fn a_start_that_never_came_up_is_replaced_even_with_fallback_wait() {
    let mut world = World::running();
    world.change(|job| job.spec.upgrade.fallback = Fallback::Wait);
    program(&mut world, "SELECT 2");
    while world.starts.len() < 2 {
        world.pass(false);
    }
    world.is_reachable = false;
    world.settle();
    program(&mut world, "SELECT 3");
    world.pass(false);
    world.clock_millis += 60_000;
    world.pass(false);
    world.is_reachable = true;
    world.settle();
    assert_eq!(
        world.starts[2],
        (UID.to_owned(), Some(SAVEPOINT.to_owned())),
        "with what the lost start was to restore"
    );
    assert_eq!(world.savepoints, [true]);
}
