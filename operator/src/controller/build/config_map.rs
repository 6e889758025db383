//! Configuration and SQL of a job.
//!
//! Keys carry the revision, so that a new pod waits until its node sees the new text instead of starting with the old one.
//! Only the parallelism changes under a key: a JobManager that is started again then takes the new one.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::ConfigMap;

use super::{Start, metadata, names};
use crate::controller::validate::Validated;

/// The JobManager's configuration.
pub(super) fn jobmanager_key(job: &Validated, start: &Start) -> String {
    format!("jobmanager-{}-{}.yaml", job.revision, start.epoch)
}

/// The TaskManagers' configuration.
pub(super) fn taskmanager_key(job: &Validated) -> String {
    format!("taskmanager-{}.yaml", job.taskmanager_revision)
}

/// The program.
pub(super) fn sql_key(job: &Validated) -> String {
    format!("job-{}.sql", job.revision)
}

pub(super) fn build(job: &Validated, start: &Start) -> ConfigMap {
    let mut options = job.start_options();
    if let Some(path) = &start.restore_path {
        options.insert("execution.state-recovery.path".to_owned(), path.clone());
    }
    let data = BTreeMap::from([
        (jobmanager_key(job, start), yaml(&options)),
        (taskmanager_key(job), yaml(&job.config)),
        (sql_key(job), job.sql.clone()),
    ]);
    ConfigMap { metadata: metadata(job, names::config_map(&job.name), None), data: Some(data), ..ConfigMap::default() }
}

/// Values are quoted as JSON strings, which YAML reads the same way.
fn yaml(options: &BTreeMap<String, String>) -> String {
    let line = |(name, value): (&String, &String)| format!("{name}: {}\n", serde_json::Value::from(value.as_str()));
    options.iter().map(line).collect()
}
