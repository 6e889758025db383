//! What a table hands over at a snapshot.

use std::{collections::BTreeMap, sync::Arc};

use model::{Failure, key};

use super::{StateValue, arena::Chunk};
use crate::snapshot::Blocks;

/// The synchronous part of a table's snapshot.
pub struct TablePart {
    pub(crate) name: Arc<str>,
    pub(crate) content: Content,
}

/// Where the entries are found when the snapshot is written.
pub(crate) enum Content {
    /// In memory.
    Memory(Box<dyn PartEntries>),
    /// In the database: so many keys in each namespace.
    Disk(BTreeMap<i64, u64>),
}

/// Entries in memory, without their type.
pub(crate) trait PartEntries: Send {
    /// Whether there are none.
    fn is_empty(&self) -> bool;

    /// Writes them into the blocks of table `table`.
    fn write(self: Box<Self>, table: u16, blocks: &mut Blocks<'_>) -> Result<(), Failure>;
}

/// Chunks shared with the table.
pub(super) struct MemoryPart<V>(pub(super) Vec<Arc<Chunk<V>>>);

impl<V: StateValue> PartEntries for MemoryPart<V> {
    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn write(self: Box<Self>, table: u16, blocks: &mut Blocks<'_>) -> Result<(), Failure> {
        // Each chunk is let go as soon as it is written, so that the table need not copy it.
        for chunk in self.0 {
            for entry in &chunk.entries {
                if let Some(value) = &entry.value {
                    let key = entry.key.bytes();
                    blocks.add(table, key::hash(key), chunk.namespace, key, |out| value.encode(out))?;
                }
            }
        }
        Ok(())
    }
}
