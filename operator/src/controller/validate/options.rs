//! The engine's options that follow from a spec, and which of them users may set.

use std::collections::BTreeMap;

use super::{Error, duration};
use crate::{
    controller::build::names,
    crd::{FlinkJobSpec, Quantity, RestartStrategy},
};

/// Names of all options of the engine, one a line; a test holds it against the engine's own list.
pub const KNOWN: &str = include_str!("options.txt");

/// How alike names must be for one to be a hint for the other, from 0 to 1.
const ALIKE: f64 = 0.75;

/// Ports that the pods use.
pub mod port {
    /// The JobManager's REST.
    pub const REST: i32 = 8081;
    /// The JobManager's port for TaskManagers.
    pub const RPC: i32 = 6123;
    /// The TaskManagers' port for each other.
    pub const DATA: i32 = 6121;
}

/// Options with the field that takes their place; the others are the operator's own.
const RESERVED: &[(&str, &str)] = &[
    ("parallelism.default", "parallelism"),
    ("table.exec.resource.default-parallelism", "parallelism"),
    ("pipeline.max-parallelism", "maxParallelism"),
    ("execution.checkpointing.interval", "checkpoint.interval"),
    ("execution.checkpointing.timeout", "checkpoint.timeout"),
    ("execution.checkpointing.min-pause", "checkpoint.minPause"),
    ("execution.checkpointing.dir", "checkpoint.uri"),
    ("execution.checkpointing.num-retained", "checkpoint.retain"),
    ("execution.checkpointing.savepoint-dir", "savepoint.uri"),
    ("execution.state-recovery.path", "restoreFrom.path"),
    ("execution.state-recovery.ignore-unclaimed-state", "upgrade.allowNonRestoredState"),
    ("taskmanager.numberOfTaskSlots", "taskManager.slots"),
    ("s3.access-key", "checkpoint.credentials"),
    ("s3.secret-key", "checkpoint.credentials"),
    ("jobmanager.rpc.address", ""),
    ("jobmanager.rpc.port", ""),
    ("jobmanager.bind-host", ""),
    ("rest.address", ""),
    ("rest.bind-address", ""),
    ("rest.port", ""),
    ("taskmanager.host", ""),
    ("taskmanager.bind-host", ""),
    ("taskmanager.data.port", ""),
];

/// Whether an option only matters at the next start or failure, so that a change of it restarts nothing.
pub fn is_policy(name: &str) -> bool {
    name.starts_with("restart-strategy.")
        || matches!(
            name,
            "execution.checkpointing.num-retained"
                | "execution.state-recovery.ignore-unclaimed-state"
                | "execution.checkpointing.savepoint-dir"
        )
}

fn check_name(name: &str) -> Result<(), Error> {
    if let Some((_, field)) = RESERVED.iter().find(|(reserved, _)| *reserved == name) {
        let hint = if field.is_empty() { String::new() } else { format!("; use spec.{field}") };
        return Err(Error::ReservedOption { name: name.to_owned(), hint });
    }
    if KNOWN.lines().any(|known| known == name) {
        return Ok(());
    }
    let nearest = KNOWN
        .lines()
        .map(|known| (strsim::jaro_winkler(name, known), known))
        .filter(|(likeness, _)| *likeness >= ALIKE)
        .max_by(|(left, _), (right, _)| left.total_cmp(right));
    let hint = nearest.map_or(String::new(), |(_, nearest)| format!(", did you mean {nearest}?"));
    Err(Error::UnknownOption { name: name.to_owned(), hint })
}

/// The options of a job, all but those that a start decides.
pub(super) fn options(
    spec: &FlinkJobSpec,
    name: &str,
    savepoint_directory: Option<&str>,
) -> Result<BTreeMap<String, String>, Error> {
    let mut options = Options::default();
    options.put("pipeline.name", name);
    options.put("pipeline.max-parallelism", spec.max_parallelism);
    options.put("taskmanager.numberOfTaskSlots", spec.task_manager.slots);
    options.put("jobmanager.rpc.address", names::jobmanager(name));
    options.put("jobmanager.rpc.port", port::RPC);
    options.put("jobmanager.bind-host", "0.0.0.0");
    options.put("rest.address", names::jobmanager(name));
    options.put("rest.bind-address", "0.0.0.0");
    options.put("rest.port", port::REST);
    options.put("taskmanager.bind-host", "0.0.0.0");
    options.put("taskmanager.data.port", port::DATA);
    options.put("execution.state-recovery.ignore-unclaimed-state", spec.upgrade.allow_non_restored_state);
    if let Some(bytes) = managed_memory_bytes(spec) {
        options.put("taskmanager.memory.managed.size", bytes);
    }
    options.put_some("execution.checkpointing.savepoint-dir", savepoint_directory);
    options.checkpoint(spec)?;
    options.restart(spec)?;
    for (name, value) in &spec.config {
        check_name(name)?;
        options.put(name, value);
    }
    Ok(options.0)
}

/// Two fifths of the memory limit go to state caches, as in Flink.
fn managed_memory_bytes(spec: &FlinkJobSpec) -> Option<u64> {
    let limits = &spec.task_manager.resources.as_ref()?.limits;
    let bytes = limits.get("memory").and_then(Quantity::value)? * 0.4;
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a pod's memory fits")]
    Some(bytes as u64)
}

#[derive(Default)]
struct Options(BTreeMap<String, String>);

impl Options {
    fn put(&mut self, name: &str, value: impl ToString) {
        self.0.insert(name.to_owned(), value.to_string());
    }

    fn put_some(&mut self, name: &str, value: Option<impl ToString>) {
        if let Some(value) = value {
            self.put(name, value);
        }
    }

    fn put_duration(&mut self, name: &str, field: &'static str, text: Option<&String>) -> Result<(), Error> {
        if let Some(text) = text {
            self.put(name, format!("{} ms", duration(field, text)?.as_millis()));
        }
        Ok(())
    }

    fn checkpoint(&mut self, spec: &FlinkJobSpec) -> Result<(), Error> {
        let Some(checkpoint) = &spec.checkpoint else { return Ok(()) };
        self.put("execution.checkpointing.dir", &checkpoint.uri);
        self.put_duration("execution.checkpointing.interval", "checkpoint.interval", Some(&checkpoint.interval))?;
        self.put_duration("execution.checkpointing.timeout", "checkpoint.timeout", checkpoint.timeout.as_ref())?;
        self.put_duration("execution.checkpointing.min-pause", "checkpoint.minPause", checkpoint.min_pause.as_ref())?;
        self.put_some("execution.checkpointing.num-retained", checkpoint.retain);
        self.put_some("s3.endpoint", checkpoint.endpoint.as_ref());
        self.put_some("s3.region", checkpoint.region.as_ref());
        self.put_some("s3.path.style.access", checkpoint.path_style);
        Ok(())
    }

    fn restart(&mut self, spec: &FlinkJobSpec) -> Result<(), Error> {
        let Some(policy) = &spec.restart_policy else { return Ok(()) };
        let attempts = policy.max_attempts.filter(|attempts| *attempts > 0);
        match policy.strategy {
            RestartStrategy::Never => self.put("restart-strategy.type", "none"),
            RestartStrategy::FixedDelay => {
                self.put("restart-strategy.type", "fixed-delay");
                self.put("restart-strategy.fixed-delay.attempts", attempts.unwrap_or(i32::MAX));
                let field = "restartPolicy.initial";
                self.put_duration("restart-strategy.fixed-delay.delay", field, policy.initial.as_ref())?;
            }
            RestartStrategy::ExponentialDelay => {
                let name = |part: &str| format!("restart-strategy.exponential-delay.{part}");
                self.put("restart-strategy.type", "exponential-delay");
                self.put_some(&name("attempts-before-reset-backoff"), attempts);
                self.put_duration(&name("initial-backoff"), "restartPolicy.initial", policy.initial.as_ref())?;
                self.put_duration(&name("max-backoff"), "restartPolicy.max", policy.max.as_ref())?;
                let field = "restartPolicy.resetAfter";
                self.put_duration(&name("reset-backoff-threshold"), field, policy.reset_after.as_ref())?;
            }
        }
        Ok(())
    }
}
