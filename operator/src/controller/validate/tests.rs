use std::path::Path;

use super::*;
use crate::controller::fixture::{orders, sql, valid};

fn mistake(change: impl FnOnce(&mut FlinkJob)) -> Error {
    let mut job = orders();
    change(&mut job);
    validate(&job, sql(&job)).unwrap_err()
}

fn option(name: &str) -> impl FnOnce(&mut FlinkJob) {
    let name = name.to_owned();
    move |job| drop(job.spec.config.insert(name, "1".to_owned()))
}

#[test]
fn mistakes_name_the_place_and_what_to_do() {
    let reserved = mistake(option("parallelism.default")).to_string();
    assert_eq!(reserved, "spec.config: parallelism.default is set by the operator; use spec.parallelism");
    let toleration = mistake(|job| {
        job.spec.task_manager.scheduling.as_mut().unwrap().tolerations = vec![serde_json::json!({"key": 1})];
    });
    assert!(matches!(toleration, Error::Scheduling { field, .. } if field == "taskManager.scheduling.tolerations"));
    let amount = mistake(|job| {
        let limits = &mut job.spec.task_manager.resources.as_mut().unwrap().limits;
        limits.insert("memory".to_owned(), Quantity("2GB".to_owned()));
    });
    assert!(matches!(amount, Error::Quantity { field, .. } if field == "taskManager.resources.limits.memory"));
}

#[test]
fn state_is_not_dropped_by_leaving_a_field_out() {
    let mut job = orders();
    let started = crate::crd::JobStatus { checkpoint_uri: Some("s3://b".to_owned()), ..Default::default() };
    job.status = Some(crate::crd::FlinkJobStatus { job: Some(started), ..Default::default() });
    job.spec.checkpoint = None;
    assert_eq!(validate(&job, sql(&job)), Err(Error::StateWouldBeLost));
    job.spec.upgrade.mode = Some(UpgradeMode::Stateless);
    assert!(validate(&job, sql(&job)).is_ok());
}

#[test]
fn only_what_needs_a_restart_changes_the_revision() {
    let before = valid(&orders());
    let after = |change: &dyn Fn(&mut FlinkJob)| {
        let mut job = orders();
        change(&mut job);
        let job = valid(&job);
        (job.revision != before.revision, job.taskmanager_revision != before.taskmanager_revision)
    };
    assert_eq!(after(&|job| job.spec.task_manager.replicas = 5), (false, false));
    assert_eq!(after(&|job| job.spec.parallelism = Some(1)), (false, false));
    assert_eq!(after(&|job| job.spec.checkpoint.as_mut().unwrap().retain = Some(9)), (false, false));
    assert_eq!(after(&|job| job.spec.restart_policy = None), (false, false));
    assert_eq!(after(&|job| job.spec.upgrade.mode = Some(UpgradeMode::LastState)), (false, false));
    assert_eq!(after(&|job| job.spec.deletion.timeout = "1s".to_owned()), (false, false));
    assert_eq!(after(&|job| job.spec.job.sql.inline = Some("SELECT 1".to_owned())), (true, false));
    assert_eq!(after(&|job| job.spec.image = "other".to_owned()), (true, true));
    assert_eq!(after(&|job| job.spec.task_manager.slots = 1), (true, true));
    assert_eq!(after(&|job| drop(job.annotations_mut().insert(crd::RESTART.to_owned(), "1".to_owned()))), (true, true));
}

/// An operator that computes another revision of an unchanged spec would restart every job when it is upgraded.
#[test]
fn a_revision_never_changes() {
    let job = valid(&orders());
    assert_eq!((job.revision.as_str(), job.taskmanager_revision.as_str()), ("b66e435d91", "e453a98d91"));
}

/// The image of a job may be newer than the operator: its engine decides which options exist.
#[test]
fn options_of_another_engine_are_passed_on() {
    let mut job = orders();
    option("state.backend.of-the-next-release")(&mut job);
    assert_eq!(valid(&job).config["state.backend.of-the-next-release"], "1");
}

#[test]
fn durations() {
    assert_eq!(duration("x", "500ms"), Ok(Duration::from_millis(500)));
    assert_eq!(duration("x", "2h"), Ok(Duration::from_secs(7200)));
    for wrong in ["", "5", "s", "-1s", "1d", "99999999999999999999s", "18446744073709551615h"] {
        assert!(duration("x", wrong).is_err(), "{wrong}");
    }
}

#[test]
fn the_examples_are_valid() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy/examples");
    let mut count = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "yaml") {
            continue;
        }
        let text = std::fs::read_to_string(path).unwrap();
        let mut job: FlinkJob = serde_yaml_ng::from_str(&text).unwrap();
        let written: serde_json::Value = serde_yaml_ng::from_str(&text).unwrap();
        let read = serde_json::to_value(&job.spec).unwrap();
        assert!(contains(&read, &written["spec"]), "{} has fields that do not exist", job.name_any());
        job.metadata.namespace = Some("default".to_owned());
        job.metadata.uid = Some("u".to_owned());
        job.metadata.generation = Some(1);
        valid(&job);
        count += 1;
    }
    assert!(count >= 3);
}

/// Whether all keys that were written were read.
fn contains(read: &serde_json::Value, written: &serde_json::Value) -> bool {
    let Some(fields) = written.as_object() else { return true };
    fields.iter().all(|(name, value)| read.get(name).is_some_and(|read| contains(read, value)))
}
