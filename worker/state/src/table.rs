//! The keyed-state table that operators use.
//!
//! Entries live decoded in an arena; each namespace has an index into it. With the `hashmap` backend that is all.
//! With `rocksdb` the arena is a write-back cache (`table/cached.rs`), and a namespace counts what the database has
//! (`persisted`) and what of that is not in memory (`absent`): as long as nothing is absent the database is not read.

mod arena;
mod cached;
mod drain;
mod expiry;
mod index;
mod part;

use std::{collections::BTreeMap, sync::Arc};

use model::{Failure, key, row::Rows};

pub use self::part::TablePart;
use self::{
    arena::{Arena, Chunks, DIRTY, PERSISTED, REFERENCED},
    cached::Cache,
    index::Index,
    part::MemoryPart,
};
pub(crate) use self::{
    expiry::Timing,
    part::{Content, FrozenEntries, PartEntries},
};
use crate::{disk::Disk, retention::split_stamp, snapshot::Entries};

/// Rows whose slots and entries are fetched from memory ahead of their use.
const LOOKAHEAD_ROWS: usize = 256;

/// A value kept for each key.
pub trait StateValue: Clone + Send + Sync + 'static {
    /// Appends the value's stored form. Equal values have equal bytes; the form is versioned by the table's name.
    fn encode(&self, out: &mut Vec<u8>);

    /// Reads the stored form.
    ///
    /// # Errors
    /// Class `Data` if the bytes are not such a value.
    fn decode(bytes: &[u8]) -> Result<Self, Failure>;

    /// Drops the times that the value itself has: they are of an earlier run, and nothing has expired in between.
    fn forget_times(&mut self) {}

    /// Memory the value takes, itself included, in bytes.
    fn size_bytes(&self) -> usize;
}

/// The position of an entry in memory. Valid until the next [`Table::end_batch`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EntryId(pub u32);

/// What the table knows of one namespace.
#[derive(Debug, Default)]
struct Space {
    index: Index,
    chunks: Chunks,
    /// Keys the database has.
    persisted: u64,
    /// Those of them that are not in memory.
    absent: u64,
    /// Entries were looked up since the last end of a batch.
    unsettled: bool,
    /// [`Table::drain`] has begun, and the index is gone.
    draining: bool,
    /// The key group at which draining from the database goes on.
    drain_group: u16,
}

impl Space {
    fn is_empty(&self) -> bool {
        self.chunks.is_empty() && self.persisted == 0
    }
}

/// A keyed table, owned by the operator. Keys are encoded rows, and their key group is the model's.
pub struct Table<V> {
    name: Arc<str>,
    arena: Arena<V>,
    spaces: BTreeMap<i64, Space>,
    /// Entries looked up since the last end of a batch.
    touched: Vec<EntryId>,
    unsettled: Vec<i64>,
    hashes: Vec<u64>,
    /// Entries that a lookup is likely to find.
    likely: Vec<Option<u32>>,
    /// Entries made by a lookup that the database may have.
    missing: Vec<(u64, EntryId)>,
    cache: Option<Cache>,
    /// If entries expire.
    timing: Option<Timing>,
}

impl<V: StateValue> Table<V> {
    fn new(name: &str, cache: Option<Cache>, timing: Option<Timing>) -> Self {
        Self {
            name: name.into(),
            arena: Arena::new(timing.is_some()),
            spaces: BTreeMap::new(),
            touched: Vec::new(),
            unsettled: Vec::new(),
            hashes: Vec::new(),
            likely: Vec::new(),
            missing: Vec::new(),
            cache,
            timing,
        }
    }

    /// A table in memory with the restored entries; those of `timed` begin with a time.
    pub(crate) fn in_memory(
        name: &str,
        timing: Option<Timing>,
        restored: Vec<Entries>,
        timed: Vec<Entries>,
    ) -> Result<Self, Failure> {
        let mut table = Self::new(name, None, timing);
        // What was kept without a time counts as changed just now.
        let now = table.timing.as_ref().map_or(i64::MIN, |timing| timing.now);
        let restored = restored.into_iter().map(|entries| (entries, false));
        for (entries, is_timed) in restored.chain(timed.into_iter().map(|entries| (entries, true))) {
            let at = |failure: Failure| failure.at(format_args!("table {name}"));
            for stored in entries.iter() {
                let stored = stored.map_err(at)?;
                let (stamp, bytes) =
                    if is_timed { split_stamp(stored.value).map_err(at)? } else { (now, stored.value) };
                let mut value = V::decode(bytes).map_err(at)?;
                if table.timing.is_some() && !is_timed {
                    value.forget_times();
                }
                let space = table.spaces.entry(stored.namespace).or_default();
                let id = table.arena.allocate(&mut space.chunks, stored.namespace, stored.key);
                space.index.insert(stored.hash, id.0);
                table.arena.get_mut(id).0.value = Some(value);
                table.arena.set_stamp(id, stamp);
            }
        }
        Ok(table)
    }

    /// A table in the database, which has so many keys in each namespace.
    pub(crate) fn on_disk(
        name: &str,
        timing: Option<Timing>,
        disk: Arc<Disk>,
        id: u16,
        persisted: &BTreeMap<i64, u64>,
    ) -> Self {
        let mut table = Self::new(name, Some(Cache::new(disk, id)), timing);
        for (&namespace, &count) in persisted {
            table.spaces.insert(namespace, Space { persisted: count, absent: count, ..Space::default() });
        }
        table
    }

    /// Brings the entries of rows into memory, creating empty ones, and appends an id for each row to `entries`.
    ///
    /// Rows are keys; `selection` says which (`None`: all). A namespace separates, for example, windows.
    ///
    /// # Errors
    /// If the backend fails.
    pub fn hydrate(
        &mut self,
        namespace: i64,
        keys: &Rows,
        selection: Option<&[u32]>,
        entries: &mut Vec<EntryId>,
    ) -> Result<(), Failure> {
        let start = entries.len();
        if let Some(timing) = self.timing.as_mut().filter(|_| self.touched.is_empty()) {
            timing.advance();
        }
        match selection {
            None => self.look_up(namespace, keys, 0..keys.len(), entries),
            Some(rows) => self.look_up(namespace, keys, rows.iter().map(|&row| row as usize), entries),
        }
        self.looked_up(&entries[start..])
    }

    /// As [`Self::hydrate`], for entries of several namespaces: of each its namespace and the row with its key.
    ///
    /// # Errors
    /// If the backend fails.
    pub fn hydrate_places(
        &mut self,
        keys: &Rows,
        places: &[(i64, u32)],
        entries: &mut Vec<EntryId>,
    ) -> Result<(), Failure> {
        let start = entries.len();
        if let Some(timing) = self.timing.as_mut().filter(|_| self.touched.is_empty()) {
            timing.advance();
        }
        for &(namespace, row) in places {
            self.look_up(namespace, keys, std::iter::once(row as usize), entries);
        }
        self.looked_up(&entries[start..])
    }

    fn looked_up(&mut self, entries: &[EntryId]) -> Result<(), Failure> {
        self.touched.extend_from_slice(entries);
        if !self.missing.is_empty() {
            self.fetch()?;
        }
        if let Some(horizon) = self.horizon() {
            self.forget_expired(entries, horizon);
        }
        Ok(())
    }

    fn look_up(
        &mut self,
        namespace: i64,
        keys: &Rows,
        rows: impl ExactSizeIterator<Item = usize> + Clone,
        entries: &mut Vec<EntryId>,
    ) {
        if rows.len() == 0 {
            return;
        }
        let space = self.spaces.entry(namespace).or_default();
        if !space.unsettled {
            space.unsettled = true;
            self.unsettled.push(namespace);
        }
        if space.draining {
            space.draining = false;
            for (id, entry) in self.arena.entries(&space.chunks) {
                space.index.insert(key::hash(entry.key.bytes()), id.0);
            }
        }
        entries.reserve(rows.len());
        let (mut ahead, mut rows) = (rows.clone(), rows);
        while rows.len() > 0 {
            // Independent reads first, so that the processor waits for many of them at once.
            self.hashes.clear();
            self.hashes.extend(ahead.by_ref().take(LOOKAHEAD_ROWS).map(|row| keys.hash(row)));
            let slots = self.hashes.iter().fold(0, |slots, &hash| slots ^ space.index.warm(hash));
            std::hint::black_box(slots);
            self.likely.clear();
            self.likely.extend(self.hashes.iter().map(|&hash| space.index.find(hash, |_| true)));
            let likely = self.likely.iter().filter_map(|entry| self.arena.find(EntryId((*entry)?)));
            std::hint::black_box(likely.fold(0, |bytes, entry| bytes ^ entry.bytes));
            for ((&hash, &likely), row) in self.hashes.iter().zip(&self.likely).zip(rows.by_ref()) {
                let key = keys.row(row);
                let arena = &mut self.arena;
                let matches = |entry: u32| arena.get(EntryId(entry)).key.is(key);
                let found = likely.filter(|&entry| matches(entry)).or_else(|| space.index.find(hash, matches));
                let id = found.map(EntryId).unwrap_or_else(|| {
                    let id = arena.allocate(&mut space.chunks, namespace, key);
                    space.index.insert(hash, id.0);
                    if space.absent > 0 {
                        self.missing.push((hash, id));
                    }
                    id
                });
                entries.push(id);
            }
        }
    }

    /// The value of an entry.
    #[inline]
    pub fn get(&self, entry: EntryId) -> Option<&V> {
        self.arena.get(entry).value.as_ref()
    }

    /// The value of an entry, to be changed. `None` means there is none, or deletes it.
    #[inline]
    pub fn get_mut(&mut self, entry: EntryId) -> &mut Option<V> {
        if let Some(timing) = &self.timing {
            self.arena.set_stamp(entry, timing.now);
        }
        self.edit(entry)
    }

    /// As [`Self::get_mut`], but without counting as a change as far as expiry goes.
    #[inline]
    pub fn edit(&mut self, entry: EntryId) -> &mut Option<V> {
        let (entry, flags) = self.arena.get_mut(entry);
        *flags |= DIRTY;
        &mut entry.value
    }

    /// Takes a value out to work on it, without counting as a change. Until the end of the batch
    /// [`Self::put_back`] has to follow.
    #[inline]
    pub fn take(&mut self, entry: EntryId) -> Option<V> {
        match self.arena.is_shared(entry) {
            // It stays, so that not all entries with it have to be copied.
            true => self.get(entry).cloned(),
            false => self.arena.get_mut(entry).0.value.take(),
        }
    }

    /// Puts back what was taken out, and says whether it has changed.
    #[inline]
    pub fn put_back(&mut self, entry: EntryId, value: Option<V>, has_changed: bool) {
        if has_changed {
            *self.get_mut(entry) = value;
        } else if !self.arena.is_shared(entry) {
            self.arena.get_mut(entry).0.value = value;
        }
    }

    /// The key of an entry.
    #[inline]
    pub fn key(&self, entry: EntryId) -> &[u8] {
        self.arena.get(entry).key.bytes()
    }

    /// Ends the work on a batch: ids are no longer valid, and the backend may write back and evict.
    ///
    /// # Errors
    /// If the backend fails.
    pub fn end_batch(&mut self) -> Result<(), Failure> {
        let touched = self.touched.len();
        self.settle();
        self.sweep(touched);
        self.evict()
    }

    /// Forgets entries without a value, and accounts for the changed ones.
    fn settle(&mut self) {
        let touched = std::mem::take(&mut self.touched);
        for &id in &touched {
            let Some(entry) = self.arena.find(id) else { continue };
            if entry.value.is_some() && self.cache.is_none() {
                continue;
            }
            let Some(flags) = self.arena.flags(id) else { continue };
            if entry.value.is_none() && flags & PERSISTED == 0 {
                self.remove(id);
            } else if let Some(cache) = &mut self.cache {
                if flags & DIRTY != 0 || entry.bytes == 0 {
                    cache.account(self.arena.get_mut(id).0);
                }
                *self.arena.flags_mut(id) |= REFERENCED;
            }
        }
        self.touched = touched;
        self.touched.clear();
        for namespace in self.unsettled.drain(..) {
            if let Some(space) = self.spaces.get_mut(&namespace) {
                space.unsettled = false;
                if space.is_empty() {
                    self.spaces.remove(&namespace);
                }
            }
        }
    }

    /// Takes an entry out of memory. The namespace stays, even if nothing is left of it.
    #[expect(clippy::expect_used, reason = "the arena keeps both or none")]
    fn remove(&mut self, id: EntryId) {
        let entry = self.arena.get(id);
        let (hash, bytes) = (key::hash(entry.key.bytes()), entry.bytes);
        let space = self.arena.namespace(id).and_then(|namespace| self.spaces.get_mut(&namespace));
        let space = space.expect("an entry in memory has a namespace");
        space.index.remove(hash, id.0);
        self.arena.vacate(&mut space.chunks, id);
        if let Some(cache) = &mut self.cache {
            cache.release(bytes);
        }
    }

    /// The namespaces that have entries, ascending.
    pub fn namespaces(&self) -> Vec<i64> {
        let has_entries = |space: &Space| {
            space.absent > 0 || self.arena.entries(&space.chunks).any(|(_, entry)| entry.value.is_some())
        };
        self.spaces.iter().filter(|(_, space)| has_entries(space)).map(|(&namespace, _)| namespace).collect()
    }

    /// The synchronous part of a snapshot of this table. Ends the batch, like [`Self::end_batch`].
    ///
    /// # Errors
    /// If the backend fails.
    pub fn snapshot(&mut self) -> Result<TablePart, Failure> {
        self.settle();
        self.timing.iter_mut().for_each(Timing::advance);
        let content = match self.cache {
            None => Content::Memory(Box::new(MemoryPart { chunks: self.arena.share(), horizon: self.horizon() })),
            Some(_) => self.freeze(),
        };
        Ok(TablePart { name: Arc::clone(&self.name), content })
    }
}
