//! What a completed checkpoint or savepoint consists of: the content of its `_metadata` file.
//!
//! A manifest is immutable and versioned; it names every file it needs with length and CRC.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// The version of the stored form.
pub const VERSION: u32 = 1;

/// Why a snapshot was taken, and so who owns it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SnapshotKind {
    /// Periodic; owned by the job, deleted when newer ones replace it.
    Checkpoint,
    /// Asked for by the user, who owns it; self-contained and independent of the state backend.
    Savepoint,
}

/// A completed snapshot of a job.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// [`VERSION`] of the writer.
    pub version: u32,
    /// The job.
    pub job_id: String,
    /// The job's name, for people.
    pub job_name: String,
    /// Number of the snapshot, rising within a job; checkpoints and savepoints share the sequence.
    pub checkpoint_id: u64,
    /// The JobManager epoch that took it.
    pub epoch: u64,
    /// Checkpoint or savepoint.
    pub kind: SnapshotKind,
    /// When it was triggered, in milliseconds since the epoch.
    pub triggered_ms: i64,
    /// Number of key groups: fixed for as long as the state lives.
    pub max_parallelism: u32,
    /// The job's parallelism at the time.
    pub parallelism: u32,
    /// The parallelism that was asked for while it ran, if any was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rescaled: Option<Rescaled>,
    /// The version in which uids were made of what operators compute (`graph::identity`); none if operators were
    /// numbered by position.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub identities: Option<u32>,
    /// The state of each operator subtask that has any, by operator uid.
    pub operators: BTreeMap<String, Vec<SubtaskState>>,
}

/// A wish for another parallelism than the configured one. It holds for as long as the configuration stays the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rescaled {
    /// What was configured when it was asked for.
    pub configured: u32,
    /// What was asked for.
    pub wanted: u32,
}

/// The state of one subtask of one operator.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SubtaskState {
    /// Which subtask wrote it.
    pub subtask: u32,
    /// Keyed state, if the operator has any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keyed: Option<KeyedState>,
    /// Operator state by name: lists of items that are redistributed (or given to all) at a restore.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub lists: BTreeMap<String, Vec<Item>>,
}

/// One item of operator state, base16 in JSON.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Item(pub Vec<u8>);

/// Keyed state of a range of key groups.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyedState {
    /// First key group.
    pub first_key_group: u16,
    /// Last key group, inclusive.
    pub last_key_group: u16,
    /// How the files are to be read.
    pub format: StateFormat,
    /// The files.
    pub files: Vec<StateFile>,
}

/// How keyed state is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum StateFormat {
    /// The backend-neutral form, version 1: blocks of entries, found by key group.
    SnapshotV1,
    /// The files of a RocksDB database, shared between checkpoints.
    RocksdbV1,
}

/// A file in object storage.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct StateFile {
    /// What the file is called within its state (for RocksDB its file name).
    pub name: String,
    /// Full URI.
    pub uri: String,
    /// Length in bytes.
    pub size: u64,
    /// CRC-32 of the content.
    pub crc32: u32,
}

impl Serialize for Item {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&hex::encode(&self.0))
    }
}

impl<'de> Deserialize<'de> for Item {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        hex::decode(text).map(Item).map_err(|error| serde::de::Error::custom(format!("operator state: {error}")))
    }
}
