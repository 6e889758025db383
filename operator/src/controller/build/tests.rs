use std::path::Path;

use super::*;
use crate::controller::fixture::{orders, valid};

fn start() -> Start {
    let path = Some("s3://bucket/orders/savepoints/sp-1".to_owned());
    Start { job_id: "0123456789abcdef0123456789abcdef".to_owned(), epoch: 3, restore_path: path, replicas: 2 }
}

/// All children of the fixture, as they go to the API server.
#[test]
fn children_are_as_recorded() {
    let children = build(&valid(&orders()), &start());
    let texts = [
        serde_yaml_ng::to_string(&children.config_map),
        serde_yaml_ng::to_string(&children.service),
        serde_yaml_ng::to_string(&children.jobmanager),
        serde_yaml_ng::to_string(&children.taskmanager),
    ];
    let text = texts.map(Result::unwrap).join("---\n");
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/orders.children.yaml");
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(&file, &text).unwrap();
    }
    let recorded = std::fs::read_to_string(&file).unwrap_or_default();
    assert!(recorded == text, "the children changed; run the tests with UPDATE=1 and look at the difference");
}

#[test]
fn workers_outlive_a_change_of_the_program() {
    let before = build(&valid(&orders()), &start());
    let mut job = orders();
    job.spec.job.sql.inline = Some("SELECT 1".to_owned());
    let after = build(&valid(&job), &Start { epoch: 4, restore_path: None, ..start() });
    let template = |deployment: &Deployment| deployment.spec.as_ref().unwrap().template.clone();
    assert_eq!(template(&before.taskmanager), template(&after.taskmanager));
    assert_ne!(template(&before.jobmanager), template(&after.jobmanager));
    assert_ne!(before.hash, after.hash);
}

#[test]
fn rescaling_replaces_no_pod() {
    let before = build(&valid(&orders()), &start());
    let mut job = orders();
    job.spec.task_manager.replicas = 4;
    let after = build(&valid(&job), &Start { replicas: 4, ..start() });
    let template = |deployment: &Deployment| deployment.spec.as_ref().unwrap().template.clone();
    assert_eq!(template(&before.taskmanager), template(&after.taskmanager));
    assert_eq!(template(&before.jobmanager), template(&after.jobmanager));
}

#[test]
fn a_suspended_job_has_no_pods() {
    let children = build(&valid(&orders()), &Start { replicas: 0, ..start() });
    let replicas = |deployment: &Deployment| deployment.spec.as_ref().unwrap().replicas;
    assert_eq!((replicas(&children.jobmanager), replicas(&children.taskmanager)), (Some(0), Some(0)));
}

/// Text of a user must not become another option.
#[test]
fn option_values_are_quoted() {
    let mut job = orders();
    job.spec.config.insert("table.local-time-zone".to_owned(), "UTC\nrest.port: 1".to_owned());
    let data = build(&valid(&job), &start()).config_map.data.unwrap();
    let yaml = data.iter().find(|(name, _)| name.starts_with("jobmanager-")).unwrap().1;
    let options: BTreeMap<String, String> = serde_yaml_ng::from_str(yaml).unwrap();
    assert_eq!(options["table.local-time-zone"], "UTC\nrest.port: 1");
    assert_eq!(options["rest.port"], "8081");
}
