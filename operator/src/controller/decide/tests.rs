mod failures;
mod programs;
mod world;

use world::World;

use crate::{
    crd::{self, DeletionSavepoint, DesiredState, Phase, RestoreSpec, UpgradeMode},
    jobmanager::Failure,
};

const UID: &str = "8f14e45fceea467fa0e1c0ffee000001";
const SAVEPOINT: &str = "s3://bucket/orders/savepoints/sp-1";

fn program(world: &mut World, text: &str) {
    world.change(|job| job.spec.job.sql.inline = Some(text.to_owned()));
}

fn suspended(world: &mut World, yes: bool) {
    let state = if yes { DesiredState::Suspended } else { DesiredState::Running };
    world.change(|job| job.spec.desired_state = state);
}

#[test]
fn a_new_job_starts_once_under_its_uid() {
    let mut world = World::new();
    world.settle();
    assert_eq!(world.starts, [(UID.to_owned(), None)]);
    assert_eq!(world.status().phase, Some(Phase::Running));
    assert_eq!(world.condition("Ready"), (true, "Running".to_owned()));
    assert!(!world.condition("Reconciling").0);
    assert_eq!(world.status().job.unwrap().epoch, 1);
    assert_eq!(world.status().parallelism, Some(4));
}

#[test]
fn an_upgrade_goes_on_from_the_savepoint_it_stopped_with() {
    let mut world = World::running();
    program(&mut world, "SELECT 2");
    world.settle();
    assert_eq!(world.starts[1..], [(UID.to_owned(), Some(SAVEPOINT.to_owned()))]);
    assert_eq!(world.savepoints, [true]);
    let job = world.status().job.unwrap();
    assert_eq!((job.epoch, world.status().phase), (2, Some(Phase::Running)));
    assert!(job.downtime_seconds_last_upgrade.is_some_and(|seconds| seconds > 0.0));
    assert_eq!(world.status().savepoint.unwrap().last_path.as_deref(), Some(SAVEPOINT));
}

/// Killed after writing any status, before acting upon it: the upgrade happens once all the same.
#[test]
fn an_operator_killed_at_any_step_upgrades_once() {
    for killed_at in 0..12 {
        for times in 1..3 {
            let mut world = World::running();
            program(&mut world, "SELECT 2");
            for pass in 0..killed_at + times {
                world.pass(pass >= killed_at);
            }
            world.settle();
            let case = format!("killed at pass {killed_at}, {times} times");
            assert_eq!(world.savepoints, [true], "{case}");
            assert_eq!(world.starts[1..], [(UID.to_owned(), Some(SAVEPOINT.to_owned()))], "{case}");
            assert_eq!(world.status().phase, Some(Phase::Running), "{case}");
        }
    }
}

/// The JobManager dies with the answer to the stop; its successor still knows that the job was stopped, and with what.
#[test]
fn a_lost_answer_to_the_stop_loses_no_state() {
    let mut world = World::running();
    program(&mut world, "SELECT 2");
    world.pass(false);
    world.operations.clear();
    world.settle();
    assert_eq!(world.starts[1..], [(UID.to_owned(), Some(SAVEPOINT.to_owned()))]);
}

#[test]
fn a_failing_job_is_replaced_from_its_last_checkpoint() {
    let mut world = World::running();
    world.job().state = "RESTARTING".to_owned();
    program(&mut world, "SELECT 2");
    world.settle();
    assert_eq!(world.starts.len(), 1, "a job may come back by itself");
    world.clock_millis += 20_000;
    world.settle();
    assert_eq!(world.starts[1..], [(UID.to_owned(), None)], "the same id finds its checkpoint");
    assert!(world.savepoints.is_empty());
}

#[test]
fn a_running_job_without_any_snapshot_is_not_stopped() {
    let mut world = World::new();
    world.settle();
    world.storage_is_down = true;
    program(&mut world, "SELECT 2");
    for _ in 0..20 {
        world.pass(false);
    }
    assert_eq!(world.starts.len(), 1);
    assert_eq!(world.condition("Ready"), (false, "UpgradeBlocked".to_owned()));
    world.storage_is_down = false;
    world.settle();
    assert_eq!(world.starts.len(), 2);
    assert_eq!(world.savepoints, [true]);
}

#[test]
fn a_failed_savepoint_falls_back_to_the_last_checkpoint() {
    let mut world = World::running();
    world.storage_is_down = true;
    program(&mut world, "SELECT 2");
    world.settle();
    assert_eq!(world.starts[1..], [(UID.to_owned(), None)]);
    assert!(world.events.contains(&"SavepointFailed"));
}

#[test]
fn checkpoints_elsewhere_are_not_found_by_the_new_job() {
    let mut world = World::running();
    world.change(|job| {
        job.spec.upgrade.mode = Some(UpgradeMode::LastState);
        job.spec.checkpoint.as_mut().unwrap().uri = "s3://bucket/other".to_owned();
    });
    world.settle();
    assert_eq!(world.savepoints, [true], "so a savepoint carries the state over");
    assert!(world.starts[1].1.is_some());
}

#[test]
fn stateless_starts_anew_under_another_id() {
    let mut world = World::running();
    world.change(|job| job.spec.upgrade.mode = Some(UpgradeMode::Stateless));
    program(&mut world, "SELECT 2");
    world.settle();
    let (id, path) = world.starts[1].clone();
    assert_eq!((world.savepoints.len(), path), (0, None));
    assert!(id != UID && id.len() == 32);
}

#[test]
fn suspending_keeps_the_state_and_resuming_uses_it() {
    let mut world = World::running();
    suspended(&mut world, true);
    world.settle();
    assert!(world.engine.is_none());
    assert_eq!(world.status().phase, Some(Phase::Suspended));
    assert_eq!(world.condition("Ready"), (true, "Suspended".to_owned()));
    assert!(!world.condition("Running").0);
    assert_eq!(world.status().job.unwrap().restore_path.as_deref(), Some(SAVEPOINT));
    program(&mut world, "SELECT 2");
    world.settle();
    assert!(world.engine.is_none(), "a new spec does not wake it");
    suspended(&mut world, false);
    world.settle();
    assert_eq!(world.starts[1..], [(UID.to_owned(), Some(SAVEPOINT.to_owned()))]);
    assert_eq!(world.status().phase, Some(Phase::Running));
}

#[test]
fn a_job_created_suspended_waits() {
    let mut world = World::new();
    suspended(&mut world, true);
    world.settle();
    assert!(world.children.is_none());
    assert_eq!(world.status().phase, Some(Phase::Suspended));
    suspended(&mut world, false);
    world.settle();
    assert_eq!(world.starts.len(), 1);
}

#[test]
fn each_value_of_the_annotation_takes_one_savepoint() {
    let mut world = World::new();
    world.annotate(crd::SAVEPOINT, "at creation");
    world.settle();
    assert!(world.savepoints.is_empty(), "a value that was there at creation is only recorded");
    world.annotate(crd::SAVEPOINT, "a");
    world.settle();
    world.settle();
    assert_eq!(world.savepoints, [false]);
    let savepoint = world.status().savepoint.unwrap();
    assert_eq!(savepoint.last_handled_trigger.as_deref(), Some("a"));
    assert_eq!(savepoint.last_path.as_deref(), Some(SAVEPOINT));
    world.annotate(crd::SAVEPOINT, "b");
    world.pass(true);
    world.settle();
    assert_eq!(world.savepoints, [false, false], "killed before asking, it is asked once");
    assert_eq!(world.starts.len(), 1);
}

#[test]
fn restore_from_counts_at_the_first_start_and_with_a_new_nonce() {
    let mut world = World::new();
    let restore = |nonce| Some(RestoreSpec { path: "s3://old/sp".to_owned(), nonce });
    world.change(|job| job.spec.restore_from = restore(0));
    world.settle();
    assert_eq!(world.starts, [(UID.to_owned(), Some("s3://old/sp".to_owned()))]);
    world.change(|job| job.spec.restore_from.as_mut().unwrap().path = "s3://other/sp".to_owned());
    world.settle();
    assert_eq!(world.starts.len(), 1);
    world.change(|job| job.spec.restore_from.as_mut().unwrap().nonce = 1);
    world.settle();
    let (id, path) = world.starts[1].clone();
    assert_eq!(path.as_deref(), Some("s3://other/sp"));
    assert_ne!(id, UID, "checkpoints of the old id must not count");
    assert!(world.savepoints.is_empty());
}

#[test]
fn pods_come_before_slots_are_asked_for_and_go_after_they_are_given_back() {
    let mut world = World::running();
    let replicas = |world: &World| world.facts().taskmanager.unwrap().replicas;
    world.change(|job| job.spec.task_manager.replicas = 4);
    world.pass(false);
    assert_eq!((replicas(&world), world.job().parallelism), (4, Some(4)));
    assert_eq!(world.condition("Ready"), (false, "Scaling".to_owned()));
    world.settle();
    assert_eq!(world.job().parallelism, Some(8));
    assert!(world.condition("Ready").0);
    world.change(|job| job.spec.task_manager.replicas = 1);
    world.pass(false);
    assert_eq!((replicas(&world), world.job().parallelism), (4, Some(2)));
    world.settle();
    assert_eq!(replicas(&world), 1);
    assert_eq!(world.status().parallelism, Some(2));
    assert_eq!((world.starts.len(), world.savepoints.len()), (1, 0));
}

#[test]
fn taskmanagers_that_go_are_the_idle_ones() {
    let mut world = World::running();
    world.change(|job| job.spec.task_manager.replicas = 3);
    world.settle();
    world.used_slots = [("a".to_owned(), 0), ("b".to_owned(), 2), ("c".to_owned(), 0)].into();
    world.change(|job| job.spec.task_manager.replicas = 1);
    world.settle();
    assert_eq!(world.deletion_costs, [("orders-taskmanager-b".to_owned(), 2)].into());
}

#[test]
fn a_mistake_in_the_program_is_told_and_a_new_one_recovers() {
    let mut world = World::new();
    world.pass(false);
    world.job().state = "FAILED".to_owned();
    let message = "line 1, column 8: no column x".to_owned();
    world.job().failure = Some(Failure { class: "User".to_owned(), message: message.clone(), position: None });
    world.settle();
    assert_eq!(world.condition("SpecValid"), (false, "InvalidProgram".to_owned()));
    assert!(world.condition("Stalled").0);
    assert_eq!(world.status().last_failure.unwrap().message, message);
    assert_eq!(world.starts.len(), 1, "it is not started again and again");
    program(&mut world, "SELECT 2");
    world.settle();
    assert!(world.condition("SpecValid").0);
    assert_eq!(world.status().phase, Some(Phase::Running));
}

#[test]
fn an_invalid_spec_leaves_the_running_job_alone() {
    let mut world = World::running();
    world.change(|job| drop(job.spec.config.insert("parallelism.default".to_owned(), "1".to_owned())));
    world.settle();
    assert_eq!(world.condition("SpecValid"), (false, "InvalidSpec".to_owned()));
    assert!(world.condition("Running").0);
    assert_eq!(world.starts.len(), 1);
}

#[test]
fn a_finished_job_is_ready_and_a_new_spec_runs_it_again() {
    let mut world = World::running();
    world.job().state = "FINISHED".to_owned();
    world.settle();
    assert_eq!(world.status().phase, Some(Phase::Finished));
    assert_eq!(world.condition("Ready"), (true, "Completed".to_owned()));
    program(&mut world, "SELECT 2");
    world.settle();
    assert_eq!(world.starts.len(), 2);
    assert_eq!(world.starts[1].1, None);
}

#[test]
fn a_paused_job_is_left_alone() {
    let mut world = World::running();
    world.annotate(crd::PAUSE, "true");
    program(&mut world, "SELECT 2");
    world.settle();
    assert_eq!(world.starts.len(), 1);
    assert_eq!(world.condition("Reconciling"), (false, "Paused".to_owned()));
    world.annotate(crd::PAUSE, "false");
    world.settle();
    assert_eq!(world.starts.len(), 2);
}

fn with_savepoint_on_deletion() -> World {
    let mut world = World::running();
    world.change(|job| job.spec.deletion.savepoint = DeletionSavepoint::BestEffort);
    world.settle();
    assert_eq!(world.resource.metadata.finalizers.as_deref(), Some([crd::FINALIZER.to_owned()].as_slice()));
    world
}

#[test]
fn deletion_takes_a_last_savepoint() {
    let mut world = with_savepoint_on_deletion();
    world.delete();
    world.settle();
    assert_eq!(world.savepoints, [true]);
    assert_eq!(world.resource.metadata.finalizers, Some(vec![]));
    assert!(world.events.contains(&"SavepointCompleted"));
    assert!(!world.events.contains(&"JobStopped"), "the operator did it");
}

#[test]
fn deletion_does_not_wait_for_ever() {
    let mut world = with_savepoint_on_deletion();
    world.storage_is_down = true;
    world.delete();
    world.settle();
    assert_eq!(world.resource.metadata.finalizers, Some(vec![]));
    assert!(world.events.contains(&"SavepointFailed"));

    let mut world = with_savepoint_on_deletion();
    world.is_reachable = false;
    world.delete();
    world.settle();
    assert_eq!(world.resource.metadata.finalizers, Some(vec![]));
}

#[test]
fn a_restart_goes_through_a_savepoint() {
    let mut world = World::running();
    world.annotate(crd::RESTART, "1");
    world.settle();
    assert_eq!(world.starts[1..], [(UID.to_owned(), Some(SAVEPOINT.to_owned()))]);
}
