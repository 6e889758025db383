//! The keyed state of one operator subtask.

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::RangeInclusive,
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
    thread::JoinHandle,
};

use checkpoint::KeyedState;
use model::Failure;
use storage::Storage;

use crate::{
    PendingSnapshot, StateValue, Table, TablePart,
    disk::{Catalog, Disk},
    pending::{Linking, Uploads, Work},
    restore::{self, Scope},
    retention::{Retention, put_stamp, split_stamp, timed_name, untimed_name},
    snapshot::Entries,
    table::{Content, Timing},
};

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
pub struct KeyedStore {
    key_groups: RangeInclusive<u16>,
    max_parallelism: u32,
    behind: Behind,
    claimed: BTreeSet<String>,
}

/// What stands behind the tables.
enum Behind {
    Memory {
        /// Restored tables that were not asked for yet.
        restored: BTreeMap<String, Vec<Entries>>,
    },
    Disk {
        disk: Arc<Disk>,
        /// All tables of the database, with the number of keys as of the last snapshot.
        catalog: Catalog,
        uploads: Arc<Mutex<Uploads>>,
        /// The thread that prepares the newest snapshot.
        linking: Option<JoinHandle<()>>,
    },
}

impl KeyedStore {
    /// Opens a store with what was restored: files of any number of older subtasks, of which only the own key groups
    /// are read.
    ///
    /// # Errors
    /// If a file is missing or damaged (class `Data`, naming it), or a store cannot be reached.
    pub async fn open(options: StoreOptions, restored: Vec<KeyedState>, storage: Storage) -> Result<Self, Failure> {
        let StoreOptions { backend, key_groups, max_parallelism } = options;
        let scope = Scope { key_groups, max_parallelism, storage };
        let behind = match backend {
            Backend::HashMap => Behind::Memory { restored: restore::into_memory(&scope, restored).await? },
            Backend::RocksDb { directory, cache_bytes } => {
                let found = restore::into_disk(&scope, restored, &directory, cache_bytes).await?;
                let uploads = Arc::new(Mutex::new(Uploads::restored(found.uploaded)));
                Behind::Disk { disk: found.disk, catalog: found.catalog, uploads, linking: None }
            }
        };
        Ok(Self { key_groups: scope.key_groups, max_parallelism, behind, claimed: BTreeSet::new() })
    }

    /// A table with its restored content. Each name is asked for once.
    ///
    /// # Errors
    /// Class `Data` if the restored entries are not of type `V`.
    pub fn table<V: StateValue>(&mut self, name: &str) -> Result<Table<V>, Failure> {
        if !self.claimed.insert(name.to_owned()) {
            return Err(Failure::internal(format!("table {name} was asked for twice")));
        }
        match &mut self.behind {
            Behind::Memory { restored } => {
                Table::in_memory(name, None, restored.remove(name).unwrap_or_default(), Vec::new())
            }
            Behind::Disk { disk, catalog, .. } => {
                let table = catalog.table(name)?;
                Ok(Table::on_disk(name, None, Arc::clone(disk), table.id, &table.keys))
            }
        }
    }

    /// A table whose entries expire, if `retention` is given. Entries that were stored without a time count as changed
    /// just now.
    ///
    /// # Errors
    /// As [`Self::table`].
    pub fn expiring_table<V: StateValue>(
        &mut self,
        name: &str,
        retention: Option<Retention>,
    ) -> Result<Table<V>, Failure> {
        let timed = timed_name(name);
        let (own, other) = if retention.is_some() { (&*timed, name) } else { (name, &*timed) };
        if !self.claimed.insert(own.to_owned()) {
            return Err(Failure::internal(format!("table {name} was asked for twice")));
        }
        let timing = retention.clone().map(Timing::new);
        match &mut self.behind {
            Behind::Memory { restored } => {
                let untimed = restored.remove(name).unwrap_or_default();
                Table::in_memory(own, timing, untimed, restored.remove(&timed).unwrap_or_default())
            }
            Behind::Disk { disk, catalog, .. } => {
                if catalog.tables.get(other).is_some_and(|table| !table.keys.is_empty()) {
                    match &timing {
                        Some(timing) => disk.rewrite_table(catalog, other, own, &stamped::<V>(timing.now()))?,
                        None => disk.rewrite_table(catalog, other, own, &|stored, out| {
                            out.extend_from_slice(split_stamp(stored)?.1);
                            Ok(())
                        })?,
                    }
                }
                let table = catalog.table(own)?;
                if let Some(retention) = retention {
                    disk.expiring().add(table.id, retention);
                }
                Ok(Table::on_disk(own, timing, Arc::clone(disk), table.id, &table.keys))
            }
        }
    }

    /// Compacts a database now, which removes what has expired; otherwise that is done from time to time.
    ///
    /// # Errors
    /// If the backend fails.
    pub fn compact(&self) -> Result<(), Failure> {
        match &self.behind {
            Behind::Memory { .. } => Ok(()),
            Behind::Disk { disk, .. } => disk.compact(),
        }
    }

    /// Names of the tables that were asked for, without what says that their entries expire.
    pub fn tables(&self) -> impl Iterator<Item = &str> {
        self.claimed.iter().map(|name| untimed_name(name))
    }

    /// Names of restored tables that nobody asked for. The next snapshot is without them.
    pub fn unclaimed(&self) -> Vec<String> {
        match &self.behind {
            Behind::Memory { restored } => restored.keys().cloned().collect(),
            Behind::Disk { catalog, .. } => {
                let tables = catalog.tables.iter().filter(|(_, table)| !table.keys.is_empty());
                tables.map(|(name, _)| name).filter(|name| !self.claimed.contains(*name)).cloned().collect()
            }
        }
    }

    /// The synchronous part of a snapshot, given the parts of all tables.
    ///
    /// # Errors
    /// Class `Internal` if the part of a table is missing; otherwise if the backend fails.
    pub fn snapshot(&mut self, parts: Vec<TablePart>, savepoint: bool) -> Result<PendingSnapshot, Failure> {
        let named: BTreeSet<_> = parts.iter().map(|part| part.name.to_string()).collect();
        if named != self.claimed || named.len() != parts.len() {
            return Err(Failure::internal(format!(
                "a snapshot has the tables {named:?}, the operator has {:?}",
                self.claimed
            )));
        }
        let unclaimed = self.unclaimed();
        let work = match &mut self.behind {
            Behind::Memory { restored } => {
                restored.clear();
                memory_work(parts)
            }
            Behind::Disk { disk, catalog, uploads, linking } => {
                let dropped = unclaimed.iter().filter_map(|name| catalog.tables.remove(name)).map(|table| table.id);
                let dropped = dropped.collect();
                let tables = std::mem::take(&mut catalog.tables);
                *catalog = Catalog::new(&self.key_groups, self.max_parallelism);
                catalog.tables = tables;
                let mut frozen = Vec::new();
                for TablePart { name, content } in parts {
                    if let Content::Disk { persisted, frozen: part } = content {
                        catalog.table(&name)?.keys = persisted;
                        frozen.push(part);
                    }
                }
                let (disk, catalog) = (Arc::clone(disk), catalog.clone());
                let links = Linking { disk, catalog: catalog.clone(), dropped, frozen, earlier: linking.take() };
                let (thread, links) = links.start()?;
                *linking = Some(thread);
                if savepoint { Work::Savepoint(links, catalog) } else { Work::Checkpoint(links, Arc::clone(uploads)) }
            }
        };
        Ok(PendingSnapshot { work, key_groups: self.key_groups.clone(), max_parallelism: self.max_parallelism })
    }

    /// A checkpoint is complete: later ones may share the files it uploaded.
    pub fn checkpoint_completed(&mut self, checkpoint_id: u64) {
        if let Behind::Disk { uploads, .. } = &self.behind {
            uploads.lock().unwrap_or_else(PoisonError::into_inner).complete(checkpoint_id);
        }
    }
}

/// Puts a time before a stored value, which had none.
fn stamped<V: StateValue>(now: i64) -> impl Fn(&[u8], &mut Vec<u8>) -> Result<(), Failure> {
    move |stored, out| {
        put_stamp(now, out);
        let mut value = V::decode(stored)?;
        value.forget_times();
        value.encode(out);
        Ok(())
    }
}

fn memory_work(parts: Vec<TablePart>) -> Work {
    let mut tables = Vec::new();
    for TablePart { name, content } in parts {
        if let Content::Memory(entries) = content
            && !entries.is_empty()
        {
            tables.push((name, entries));
        }
    }
    if tables.is_empty() { Work::Nothing } else { Work::Memory(tables) }
}
