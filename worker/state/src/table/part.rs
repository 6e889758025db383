//! What a table hands over at a snapshot.

use std::{collections::BTreeMap, mem, sync::Arc};

use model::{Failure, key};

use super::{EntryId, StateValue, arena::Chunk};
use crate::{
    disk::{Changes, Disk},
    retention::put_stamp,
    snapshot::Blocks,
};

/// The synchronous part of a table's snapshot.
pub struct TablePart {
    pub(crate) name: Arc<str>,
    pub(crate) content: Content,
}

/// Where the entries are found when the snapshot is written.
pub(crate) enum Content {
    /// In memory.
    Memory(Box<dyn PartEntries>),
    /// In the database, once what is frozen is written: so many keys in each namespace.
    Disk { persisted: BTreeMap<i64, u64>, frozen: Box<dyn FrozenEntries> },
}

/// Entries in memory, without their type.
pub(crate) trait PartEntries: Send {
    /// Whether there are none.
    fn is_empty(&self) -> bool;

    /// Writes them into the blocks of table `table`.
    fn write(self: Box<Self>, table: u16, blocks: &mut Blocks<'_>) -> Result<(), Failure>;
}

/// Chunks shared with the table.
pub(super) struct MemoryPart<V> {
    pub(super) chunks: Vec<Arc<Chunk<V>>>,
    /// If entries expire: what was last changed then or before has.
    pub(super) horizon: Option<i64>,
}

impl<V: StateValue> PartEntries for MemoryPart<V> {
    fn is_empty(&self) -> bool {
        self.chunks.is_empty()
    }

    fn write(self: Box<Self>, table: u16, blocks: &mut Blocks<'_>) -> Result<(), Failure> {
        // Each chunk is let go as soon as it is written, so that the table need not copy it.
        let horizon = self.horizon;
        for chunk in self.chunks {
            for (slot, entry) in chunk.entries.iter().enumerate() {
                let Some(value) = &entry.value else { continue };
                let stamp = chunk.stamps.get(slot).copied();
                if stamp.zip(horizon).is_some_and(|(stamp, horizon)| stamp <= horizon) {
                    continue;
                }
                let key = entry.key.bytes();
                blocks.add(table, key::hash(key), chunk.namespace, key, |out| {
                    stamp.into_iter().for_each(|stamp| put_stamp(stamp, out));
                    value.encode(out);
                })?;
            }
        }
        Ok(())
    }
}

/// Entries that the database lacks, without their type.
///
/// The table counts them as written. So they are written even if the snapshot is given up, and a failure to do so
/// fails every later use of the database.
pub(crate) trait FrozenEntries: Send {
    /// Writes them.
    fn write(&mut self) -> Result<(), Failure>;
}

/// Chunks shared with the table, and which of their entries are dirty.
pub(super) struct Frozen<V: StateValue> {
    disk: Arc<Disk>,
    table: u16,
    chunks: Vec<(Arc<Chunk<V>>, u128)>,
    /// Whether an entry is a deleted one.
    deletes: bool,
}

impl<V: StateValue> Frozen<V> {
    pub(super) fn new(disk: Arc<Disk>, table: u16) -> Self {
        disk.close_gate();
        Self { disk, table, chunks: Vec::new(), deletes: false }
    }

    /// Adds dirty entries of one chunk.
    pub(super) fn add(&mut self, chunk: Arc<Chunk<V>>, dirty: &[EntryId]) {
        let slot = |id: &EntryId| id.0 % u128::BITS;
        let slots = dirty.iter().fold(0, |slots, id| slots | 1u128 << slot(id));
        if !self.deletes && dirty.iter().any(|id| chunk.entries[slot(id) as usize].value.is_none()) {
            self.deletes = true;
            self.disk.gate_deletes();
        }
        self.chunks.push((chunk, slots));
    }

    fn write_chunks(&mut self) -> Result<(), Failure> {
        let mut changes = Changes::default();
        for (chunk, slots) in mem::take(&mut self.chunks) {
            for (slot, entry) in chunk.entries.iter().enumerate().filter(|(slot, _)| slots >> slot & 1 == 1) {
                let stored = entry.key.bytes();
                let hash = key::hash(stored);
                let stamp = chunk.stamps.get(slot).copied();
                changes.add(
                    |out| self.disk.key_into(out, hash, self.table, chunk.namespace, stored),
                    entry.value.as_ref().map(|value| {
                        move |out: &mut Vec<u8>| {
                            stamp.into_iter().for_each(|stamp| put_stamp(stamp, out));
                            value.encode(out);
                        }
                    }),
                );
            }
            if changes.is_full() {
                self.disk.write_frozen(changes.take())?;
            }
        }
        self.disk.write_frozen(changes.take())
    }
}

impl<V: StateValue> FrozenEntries for Frozen<V> {
    fn write(&mut self) -> Result<(), Failure> {
        let written = self.write_chunks();
        if let Err(failure) = &written {
            self.disk.fail(failure.clone());
        }
        written
    }
}

impl<V: StateValue> Drop for Frozen<V> {
    fn drop(&mut self) {
        // Done already, unless the snapshot was given up before it began.
        let _ = self.write();
        self.disk.open_gate(self.deletes);
    }
}
