//! Programs that the running JobManager refuses before the job is stopped for them.

use super::{SAVEPOINT, UID, program, suspended, world::World};
use crate::{
    crd::{self, Phase, RestoreSpec},
    jobmanager::Operation,
};

fn assert_left_alone(world: &World) {
    assert_eq!((world.starts.len(), world.savepoints.len()), (1, 0));
    assert_eq!(world.status().upgrade, None);
    assert_eq!(world.status().phase, Some(Phase::Running));
    assert_eq!(world.condition("SpecValid"), (false, "InvalidProgram".to_owned()));
    assert_eq!(world.condition("Ready"), (false, "InvalidProgram".to_owned()));
    assert!(world.condition("Running").0 && world.condition("Stalled").0);
    assert!(!world.condition("Reconciling").0);
}

#[test]
fn a_refused_program_leaves_the_job_running_and_its_correction_upgrades_it() {
    let mut world = World::running();
    program(&mut world, "SELECT x");
    world.settle();
    assert_left_alone(&world);
    let failure = world.status().last_failure.unwrap();
    assert_eq!((failure.line, failure.column), (Some(1), Some(8)));
    assert_eq!((&*failure.reason, &*failure.message), ("InvalidProgram", "line 1, column 8: no column x"));
    assert!(world.events.contains(&"InvalidProgram") && !world.events.contains(&"Upgrading"));
    program(&mut world, "SELECT 2");
    world.settle();
    assert_eq!(world.starts[1..], [(UID.to_owned(), Some(SAVEPOINT.to_owned()))]);
    assert!(world.condition("SpecValid").0 && world.condition("Ready").0);
}

#[test]
fn a_refused_option_leaves_the_job_running_and_may_be_taken_back() {
    let mut world = World::running();
    world.change(|job| drop(job.spec.config.insert("no.such".to_owned(), "1".to_owned())));
    world.settle();
    assert_left_alone(&world);
    world.change(|job| drop(job.spec.config.remove("no.such")));
    world.settle();
    assert!(world.condition("SpecValid").0 && world.condition("Ready").0);
    assert_eq!(world.starts.len(), 1, "what runs is what is wanted again");
}

/// Else the JobManager would be replaced by way of its Deployment.
#[test]
fn a_refused_program_is_not_applied_with_a_new_parallelism() {
    let mut world = World::running();
    let applied = world.children.clone();
    world.change(|job| {
        job.spec.job.sql.inline = Some("SELECT x".to_owned());
        job.spec.task_manager.replicas = 3;
    });
    world.settle();
    assert_left_alone(&world);
    assert_eq!(world.children, applied);
}

#[test]
fn a_savepoint_is_taken_of_a_job_whose_new_program_is_refused() {
    let mut world = World::running();
    program(&mut world, "SELECT x");
    world.annotate(crd::SAVEPOINT, "a");
    world.settle();
    assert_eq!(world.savepoints, [false]);
    assert_eq!(world.status().savepoint.unwrap().last_handled_trigger.as_deref(), Some("a"));
    assert_eq!(world.starts.len(), 1);
    assert_eq!(world.condition("SpecValid"), (false, "InvalidProgram".to_owned()));
}

#[test]
fn a_job_whose_new_program_is_refused_may_be_suspended() {
    let mut world = World::running();
    program(&mut world, "SELECT x");
    world.settle();
    suspended(&mut world, true);
    world.settle();
    assert_eq!(world.status().phase, Some(Phase::Suspended));
    assert!(world.condition("SpecValid").0, "nobody knows before it starts");
}

/// Another image is another engine, an older JobManager does not know how, and one that is gone cannot answer.
#[test]
fn a_program_that_cannot_be_checked_is_decided_on_by_its_start() {
    let change: [fn(&mut World); 3] = [
        |world| world.change(|job| job.spec.image = "registry.example/sluice:2.0".to_owned()),
        |world| world.checks_programs = false,
        |world| {
            world.is_reachable = false;
            world.clock_millis += 60_000;
        },
    ];
    for change in change {
        let mut world = World::running();
        change(&mut world);
        program(&mut world, "SELECT x");
        world.pass(false);
        assert!(world.status().upgrade.is_some());
        assert!(world.condition("SpecValid").0);
    }
}

#[test]
fn what_does_not_change_the_program_is_not_checked() {
    let mut world = World::running();
    program(&mut world, "SELECT x");
    world.checks_programs = false;
    world.settle();
    assert_eq!(world.starts.len(), 2);
    world.checks_programs = true;
    world.change(|job| job.spec.task_manager.replicas = 3);
    world.settle();
    assert!(world.condition("Ready").0);
    world.change(|job| {
        job.spec.restore_from = Some(RestoreSpec { path: "s3://bucket/other/chk-9".to_owned(), nonce: 1 });
    });
    world.settle();
    assert_eq!(world.starts.len(), 3);
    assert!(world.condition("Ready").0);
}

#[test]
fn a_new_program_waits_for_the_savepoint_under_way() {
    let mut world = World::running();
    world.annotate(crd::SAVEPOINT, "a");
    world.pass(false);
    let request = world.status().savepoint.unwrap().in_progress.unwrap().request_id;
    world.operations.insert(request.clone(), Operation::InProgress);
    program(&mut world, "SELECT 2");
    for _ in 0..3 {
        world.pass(false);
    }
    assert_eq!(world.starts.len(), 1, "the pods were replaced under it");
    world.operations.insert(request, Operation::Completed("s3://bucket/sp-a".to_owned()));
    world.settle();
    assert_eq!((world.starts.len(), world.savepoints.as_slice()), (2, [false, true].as_slice()));
}
