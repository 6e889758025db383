//! The options, one line each. `docs/configuration.md` is generated from this list.

use std::{sync::Arc, time::Duration};

use model::Failure;

use crate::{
    Key, Parsed, Value, accepted,
    value::{AggPhaseStrategy, ByteSize, CheckpointMode, NotNullEnforcer, RestartStrategy, StateBackend, TimeZone},
};

/// An option without its type, for listings and checks.
#[derive(Debug)]
pub struct Entry {
    /// Its name.
    pub name: &'static str,
    /// The default as it would be written.
    pub default: &'static str,
    /// What it does.
    pub doc: &'static str,
    /// Reads a value of it; the error says what was expected.
    pub(crate) parse: fn(&str) -> Result<Parsed, String>,
}

macro_rules! keys {
    ($($constant:ident: $type:ty = $name:literal, $default:literal, $doc:literal;)+) => {
        $(#[doc = $doc] pub const $constant: Key<$type> =
            Key { name: $name, default: $default, doc: $doc, parse: <$type as Value>::parse };)+

        /// All options in the order of declaration.
        pub const ALL: &[Entry] = &[$(Entry {
            name: $name, default: $default, doc: $doc,
            parse: |text| <$type as Value>::parse(text).map(|value| Arc::new(value) as Parsed),
        }),+];
    };
}

keys! {
    PARALLELISM: u32 = "parallelism.default", "1", "Subtasks of each operator.";
    MAX_PARALLELISM: Option<u32> = "pipeline.max-parallelism", "", "Number of key groups, fixed for the life of the job's state. Default: as Flink derives it from the parallelism, at least 128.";
    JOB_NAME: Option<String> = "pipeline.name", "", "The job's name.";
    DML_SYNC: bool = "table.dml-sync", "false", "Whether the statements behind an INSERT wait until its job has ended, so that they read what it wrote.";
    DEAD_LETTER_TABLE: Option<String> = "pipeline.dead-letter-table", "", "A table for malformed records and late rows, with any of the columns reason, operator, place, message, record (STRING). Malformed records then no longer fail the job.";
    BUFFER_TIMEOUT: Duration = "execution.buffer-timeout.interval", "10 ms", "How long rows may wait in an output buffer that is not full.";
    WATERMARK_INTERVAL: Duration = "pipeline.auto-watermark-interval", "200 ms", "How often sources emit watermarks at most.";
    SOURCE_IDLE_TIMEOUT: Duration = "table.exec.source.idle-timeout", "0 ms", "A source split without rows for this long no longer holds the watermark back; 0 turns it off.";
    LOCAL_TIME_ZONE: TimeZone = "table.local-time-zone", "default", "The session's time zone: where TIMESTAMP_LTZ meets dates and times without a zone. default: that of the machine that plans the job, from the variable TZ or /etc/localtime.";
    MINI_BATCH_ENABLED: bool = "table.exec.mini-batch.enabled", "false", "Whether updating operators collect rows before they emit.";
    MINI_BATCH_LATENCY: Duration = "table.exec.mini-batch.allow-latency", "0 ms", "How long they may collect.";
    MINI_BATCH_SIZE: u64 = "table.exec.mini-batch.size", "50000", "How many rows they may collect.";
    AGG_PHASE_STRATEGY: AggPhaseStrategy = "table.optimizer.agg-phase-strategy", "AUTO", "Whether aggregations of inputs without updates are split into a local one before the exchange and one behind it; needs mini-batches: AUTO (those without keys, and those without windows and DISTINCT), TWO_PHASE (all) or ONE_PHASE (none).";
    STATE_TTL: Duration = "table.exec.state.ttl", "0 ms", "How long state is kept that does not change, of aggregations, joins, deduplication and Top-N that are not in windows; 0: for ever.";
    NOT_NULL_ENFORCER: NotNullEnforcer = "table.exec.sink.not-null-enforcer", "ERROR", "What becomes of a row with a null where the sink's table has NOT NULL: ERROR (it fails the job) or DROP (it is left out).";
    STATE_BACKEND: StateBackend = "state.backend.type", "hashmap", "Where keyed state is kept: hashmap or rocksdb.";
    STATE_DIRECTORY: Option<String> = "state.backend.local-dir", "", "Local folder for RocksDB; the system's temporary folder if empty.";
    MANAGED_MEMORY: ByteSize = "taskmanager.memory.managed.size", "512 mb", "Memory for state caches of all slots of a TaskManager together.";
    CHECKPOINT_INTERVAL: Duration = "execution.checkpointing.interval", "0 ms", "Time between checkpoints; 0 turns periodic checkpoints off.";
    CHECKPOINT_MODE: CheckpointMode = "execution.checkpointing.mode", "EXACTLY_ONCE", "EXACTLY_ONCE, or AT_LEAST_ONCE: barriers are not aligned, so no input waits for another, and a restore may repeat rows.";
    CHECKPOINT_TIMEOUT: Duration = "execution.checkpointing.timeout", "10 min", "A checkpoint that takes longer is given up.";
    CHECKPOINT_MIN_PAUSE: Duration = "execution.checkpointing.min-pause", "0 ms", "Time between the end of a checkpoint and the start of the next.";
    CHECKPOINT_DIRECTORY: Option<String> = "execution.checkpointing.dir", "", "Where checkpoints go: file:// or s3:// URI, or a local path.";
    CHECKPOINT_RETAINED: u32 = "execution.checkpointing.num-retained", "1", "Completed checkpoints that are kept.";
    CHECKPOINT_TOLERABLE_FAILURES: u32 = "execution.checkpointing.tolerable-failed-checkpoints", "0", "Checkpoints that may fail in a row before the job is restarted.";
    SAVEPOINT_DIRECTORY: Option<String> = "execution.checkpointing.savepoint-dir", "", "Where savepoints go when none is named.";
    SAVEPOINT_PATH: Option<String> = "execution.state-recovery.path", "", "The snapshot a new job starts from.";
    ALLOW_NON_RESTORED: bool = "execution.state-recovery.ignore-unclaimed-state", "false", "Whether state that no operator claims may be dropped at a restore.";
    IGNORE_LOST_CHECKPOINTS: bool = "execution.state-recovery.ignore-lost-checkpoints", "false", "Whether a job whose checkpoints are missing may start without state.";
    RESTART_STRATEGY: RestartStrategy = "restart-strategy.type", "exponential-delay", "What happens after a failure: none, fixed-delay or exponential-delay.";
    RESTART_ATTEMPTS: u32 = "restart-strategy.fixed-delay.attempts", "1", "Restarts before the job fails.";
    RESTART_DELAY: Duration = "restart-strategy.fixed-delay.delay", "1 s", "Time before a restart.";
    RESTART_INITIAL_BACKOFF: Duration = "restart-strategy.exponential-delay.initial-backoff", "1 s", "Time before the first restart.";
    RESTART_MAX_BACKOFF: Duration = "restart-strategy.exponential-delay.max-backoff", "1 min", "The longest time before a restart.";
    RESTART_RESET: Duration = "restart-strategy.exponential-delay.reset-backoff-threshold", "1 h", "After so long without a failure the delay starts anew.";
    RESTART_MAX_ATTEMPTS: Option<u32> = "restart-strategy.exponential-delay.attempts-before-reset-backoff", "", "Restarts in a row before the job fails; unlimited if empty.";
    JOBMANAGER_ADDRESS: String = "jobmanager.rpc.address", "127.0.0.1", "Host of the JobManager, for TaskManagers and clients.";
    JOBMANAGER_PORT: u32 = "jobmanager.rpc.port", "6123", "Port of the JobManager for TaskManagers.";
    REST_ADDRESS: String = "rest.address", "127.0.0.1", "Host of the REST endpoint, for clients.";
    REST_BIND_ADDRESS: String = "rest.bind-address", "127.0.0.1", "Address that the REST endpoint listens on.";
    REST_PORT: u32 = "rest.port", "8081", "Port of the REST endpoint; 0 picks a free one.";
    BIND_HOST: String = "jobmanager.bind-host", "127.0.0.1", "Address that the JobManager listens on for TaskManagers.";
    TASKMANAGER_HOST: String = "taskmanager.host", "127.0.0.1", "The host under which other TaskManagers reach this one.";
    TASKMANAGER_BIND_HOST: String = "taskmanager.bind-host", "127.0.0.1", "Address that the TaskManager listens on for other TaskManagers.";
    TASKMANAGER_DATA_PORT: u32 = "taskmanager.data.port", "0", "Port for data between TaskManagers; 0 picks a free one.";
    TASKMANAGER_SLOTS: u32 = "taskmanager.numberOfTaskSlots", "1", "Slots of a TaskManager; each is a thread.";
    HEARTBEAT_INTERVAL: Duration = "heartbeat.interval", "1 s", "Time between heartbeats.";
    HEARTBEAT_TIMEOUT: Duration = "heartbeat.timeout", "10 s", "After so long without a heartbeat the peer counts as lost.";
    NETWORK_BUFFER: ByteSize = "taskmanager.network.memory.channel-size", "4 mb", "Bytes that may be in flight on one channel between two subtasks.";
    S3_ENDPOINT: Option<String> = "s3.endpoint", "", "URL of an S3-compatible server; AWS if empty.";
    S3_REGION: String = "s3.region", "us-east-1", "Region of the S3 server.";
    S3_ACCESS_KEY: Option<String> = "s3.access-key", "", "Access key; the environment's AWS_ACCESS_KEY_ID if empty.";
    S3_SECRET_KEY: Option<String> = "s3.secret-key", "", "Secret key; the environment's AWS_SECRET_ACCESS_KEY if empty.";
    S3_PATH_STYLE: bool = "s3.path.style.access", "false", "Whether buckets are part of the path rather than of the host name.";
}

/// Other names of options, and the value under which they say nothing. In a script both names count, and the other one
/// goes over ours.
pub const ALIASES: &[(&str, &str, &str)] = &[("table.exec.resource.default-parallelism", "parallelism.default", "-1")];

/// Checks one option's name and value.
///
/// # Errors
/// Class `User`, naming the option, and the nearest one that exists if the name is unknown.
pub fn check(name: &str, value: &str) -> Result<(), Failure> {
    parse(name, value).map(drop)
}

/// Reads one option's value, and gives it with the name under which it counts; none if nothing reads it.
pub(crate) fn parse(name: &str, value: &str) -> Result<Option<(&'static str, Parsed)>, Failure> {
    let alias = ALIASES.iter().find(|(alias, ..)| *alias == name);
    if alias.is_some_and(|(_, _, unset)| *unset == value.trim()) {
        return Ok(None);
    }
    let known = alias.map_or(name, |(_, known, _)| known);
    let Some(entry) = ALL.iter().find(|entry| entry.name == known) else {
        if let Some(option) = accepted::find(name) {
            return option.check(value).map(|()| None);
        }
        if let Some(why) = accepted::refused(name) {
            return Err(Failure::user(format!("option {name} is not supported: {why}")));
        }
        let hint = nearest(name, ALL.iter().map(|entry| entry.name))
            .map_or(String::new(), |near| format!(", did you mean {near}?"));
        return Err(Failure::user(format!("unknown option {name}{hint}")));
    };
    let parsed = (entry.parse)(value).map_err(|error| Failure::user(format!("option {name}: {error}")))?;
    Ok(Some((entry.name, parsed)))
}

/// What is shown in place of a secret.
pub const MASK: &str = "******";

/// Parts of the names of options whose values are secrets, as in Flink.
const SECRET_PARTS: [&str; 10] = [
    "password",
    "secret",
    "token",
    "apikey",
    "api-key",
    "auth-params",
    "basic-auth",
    "service-key",
    "account.key",
    "jaas.config",
];

/// Whether the value of an option must not be shown, judged by its name.
pub fn is_secret(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    SECRET_PARTS.iter().any(|part| name.contains(part))
}

/// How alike names must be for one to be a hint for the other, from 0 to 1.
const ALIKE: f64 = 0.75;

/// The candidate that is most like a mistyped name; none if nothing is like it.
pub fn nearest<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    candidates
        .into_iter()
        .map(|candidate| (strsim::jaro_winkler(name, candidate), candidate))
        .filter(|(likeness, _)| *likeness >= ALIKE)
        .max_by(|(left, _), (right, _)| left.total_cmp(right))
        .map(|(_, candidate)| candidate)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Settings;

    /// `UPDATE=1 cargo test -p settings` writes the page anew.
    #[test]
    fn the_page_lists_every_option() {
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/configuration.md");
        let mut page = String::from(include_str!("configuration_head.md"));
        for entry in ALL {
            let default = if entry.default.is_empty() { String::new() } else { format!("`{}`", entry.default) };
            page.push_str(&format!("| `{}` | {default} | {} |\n", entry.name, entry.doc));
        }
        page.push_str(include_str!("configuration_accepted.md"));
        for (alias, known, _) in ALIASES {
            page.push_str(&format!("| `{alias}` | any | Another name of `{known}`. |\n"));
        }
        for option in accepted::ALL {
            let values = option.values.iter().map(|value| format!("`{value}`")).collect::<Vec<_>>().join(", ");
            let values = if values.is_empty() { "any".to_owned() } else { values };
            page.push_str(&format!("| `{}` | {values} | {} |\n", option.name, option.doc));
        }
        if std::env::var_os("UPDATE").is_some() {
            std::fs::write(&path, &page).expect("written");
        }
        let written = std::fs::read_to_string(&path).expect("docs/configuration.md");
        assert!(written == page, "docs/configuration.md is not up to date: run with UPDATE=1");
    }

    #[test]
    fn every_default_parses() {
        for entry in ALL {
            assert_eq!((entry.parse)(entry.default).err(), None, "{}", entry.name);
        }
    }

    #[test]
    fn a_wrong_value_is_refused_when_it_is_given_and_changes_nothing() {
        let mut settings =
            Settings::from_map(&[("parallelism.default".to_owned(), "3".to_owned())].into()).expect("valid");
        let before = settings.clone();
        for name in ["parallelism.default", "table.exec.resource.default-parallelism"] {
            let failure = settings.set(name, "many").expect_err("no number");
            let expected = format!("option {name}: 'many' is not a number from 0 to 4294967295");
            assert_eq!((failure.class, failure.message), (model::ErrorClass::User, expected));
            assert_eq!((&settings, settings.get(&PARALLELISM)), (&before, 3));
        }
        let mut merged =
            Settings::from_map(&[("parallelism.default".to_owned(), " 7 ".to_owned())].into()).expect("valid");
        merged.merge(&before);
        assert_eq!((merged.get(&PARALLELISM), merged.get(&TASKMANAGER_SLOTS)), (3, 1));
    }

    #[test]
    fn yaml_may_be_nested_or_dotted() {
        let settings = Settings::from_yaml("parallelism.default: 4\nstate:\n  backend.type: rocksdb\n").expect("valid");
        assert_eq!(settings.get(&PARALLELISM), 4);
        assert_eq!(settings.get(&STATE_BACKEND), StateBackend::RocksDb);
    }

    #[test]
    fn options_of_flink_are_accepted_unless_they_would_change_results() {
        for (name, value) in [
            ("sql-client.execution.result-mode", "tableau"),
            ("execution.runtime-mode", "streaming"),
            ("table.dml-sync", "true"),
            ("table.exec.sink.upsert-materialize", "none"),
            ("table.optimizer.distinct-agg.split.enabled", "true"),
            ("pipeline.object-reuse", "true"),
        ] {
            check(name, value).unwrap_or_else(|failure| panic!("{failure}"));
        }
        for (name, value, part) in [
            ("execution.runtime-mode", "batch", "'batch' is not supported, only STREAMING: Batch mode"),
            ("table.exec.sink.upsert-materialize", "FORCE", "'FORCE' is not supported, only AUTO or NONE"),
            ("table.exec.sink.type-length-enforcer", "TRIM_PAD", "Texts are written as they are"),
            ("table.exec.emit.early-fire.enabled", "true", "is not supported: windows emit once"),
            ("table.exec.resource.default-parallelism", "many", "option table.exec.resource.default-parallelism"),
        ] {
            let failure = check(name, value).expect_err(name);
            assert!(failure.message.contains(part), "{failure}");
        }
        let of_tables = |value: &str| {
            let name = "table.exec.resource.default-parallelism".to_owned();
            let given = [("parallelism.default".to_owned(), "2".to_owned()), (name, value.to_owned())];
            Settings::from_map(&given.into()).expect("valid").get(&PARALLELISM)
        };
        assert_eq!([of_tables("3"), of_tables("-1")], [3, 2]);
    }

    #[test]
    fn what_is_accepted_is_sorted_and_no_option() {
        let names: Vec<_> = accepted::ALL.iter().map(|option| option.name).collect();
        assert!(names.is_sorted(), "{names:?}");
        assert!(names.iter().all(|name| ALL.iter().all(|entry| entry.name != *name)));
    }

    #[test]
    fn mistakes_are_named() {
        let unknown = check("parallelism.defualt", "4").expect_err("unknown");
        assert!(unknown.message.contains("did you mean parallelism.default"), "{unknown}");
        let strange = check("no.such.thing.at-all", "4").expect_err("unknown");
        assert_eq!(strange.message, "unknown option no.such.thing.at-all");
        let wrong = check("execution.checkpointing.interval", "soon").expect_err("no duration");
        assert!(wrong.message.contains("'soon' is not a duration"), "{wrong}");
    }
}
