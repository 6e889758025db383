//! The keyed state of one operator subtask.

use std::{ops::RangeInclusive, path::PathBuf};

use checkpoint::KeyedState;
use model::Failure;
use storage::Storage;

use crate::{PendingSnapshot, StateValue, Table, TablePart};

/// Where entries that are not being worked on are kept.
#[derive(Clone, Debug)]
pub enum Backend {
    /// In memory, all of them.
    HashMap,
    /// In a RocksDB database, with a cache in front of it.
    RocksDb {
        /// Folder on a local disk, in which the store makes one of its own.
        directory: PathBuf,
        /// Memory for the cache and for RocksDB's own buffers.
        cache_bytes: usize,
    },
}

/// What a store is opened with.
#[derive(Clone, Debug)]
pub struct StoreOptions {
    /// The backend.
    pub backend: Backend,
    /// The key groups that the subtask owns.
    pub key_groups: RangeInclusive<u16>,
    /// Number of key groups of the job.
    pub max_parallelism: u32,
}

/// The keyed state of one operator subtask: the tables by name.
pub struct KeyedStore {}

impl KeyedStore {
    /// Opens a store with what was restored: files of any number of older subtasks, of which only the own key groups
    /// are read.
    ///
    /// # Errors
    /// If a file is missing or damaged (class `Data`, naming it), or a store cannot be reached.
    pub async fn open(_options: StoreOptions, _restored: Vec<KeyedState>, _storage: Storage) -> Result<Self, Failure> {
        Ok(Self {})
    }

    /// A table with its restored content. Each name is asked for once.
    ///
    /// # Errors
    /// Class `Data` if the restored entries are not of type `V`.
    pub fn table<V: StateValue>(&mut self, _name: &str) -> Result<Table<V>, Failure> {
        Err(Failure::internal("not there yet"))
    }

    /// Names of restored tables that nobody asked for.
    pub fn unclaimed(&self) -> Vec<String> {
        Vec::new()
    }

    /// The synchronous part of a snapshot, given the parts of all tables.
    ///
    /// # Errors
    /// If the backend fails.
    pub fn snapshot(&mut self, _parts: Vec<TablePart>, _savepoint: bool) -> Result<PendingSnapshot, Failure> {
        Err(Failure::internal("not there yet"))
    }

    /// A checkpoint is complete: later ones may share the files it uploaded.
    pub fn checkpoint_completed(&mut self, _checkpoint_id: u64) {}
}
