//! The table as a write-back cache in front of the database.
//!
//! A snapshot does not wait for the database: dirty entries are frozen, count as written, and a thread brings them there
//! (`table/part.rs`). Until it is done every other use of the database waits; a table whose working set fits the
//! cache does not use it.

#![expect(
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    reason = "sizes are checked when a file is written and when it is read"
)]

use std::sync::Arc;

use model::{Failure, key};
use rocksdb::WriteBatch;

use super::{
    Content, EntryId, StateValue, Table, Timing,
    arena::{DIRTY, Entry, PERSISTED, REFERENCED},
    part::Frozen,
};
use crate::{
    disk::{self, Changes, Disk, KEY_PREFIX_BYTES},
    retention::{put_stamp, split_stamp},
};

/// Keys of one `multi_get`.
const FETCH_KEYS_MAX: usize = 1024;
/// What the index takes for an entry, beside the entry itself.
const INDEX_BYTES: usize = 16;
/// Up to so many keys are deleted one by one rather than by a range, which is dearer to read over later.
const POINT_DELETES_MAX: usize = 8;

/// A table's place in the database, and its share of the budget.
pub(super) struct Cache {
    disk: Arc<Disk>,
    table: u16,
    /// Bytes of entries not yet added to (or taken from) the store's common count.
    delta: isize,
    /// The cell at which the next eviction begins.
    hand: usize,
}

impl Cache {
    pub(super) fn new(disk: Arc<Disk>, table: u16) -> Self {
        Self { disk, table, delta: 0, hand: 0 }
    }

    #[inline]
    pub(super) fn account<V: StateValue>(&mut self, entry: &mut Entry<V>) {
        let key = entry.key.heap_bytes();
        let value = entry.value.as_ref().map_or(0, |value| value.size_bytes().saturating_sub(size_of::<V>()));
        let bytes = (size_of::<Entry<V>>() + INDEX_BYTES + key + value).min(u32::MAX as usize) as u32;
        self.delta += bytes as isize - entry.bytes as isize;
        entry.bytes = bytes;
    }

    #[inline]
    pub(super) fn release(&mut self, bytes: u32) {
        self.delta -= bytes as isize;
    }
}

impl Drop for Cache {
    fn drop(&mut self) {
        self.disk.adjust_used(std::mem::take(&mut self.delta));
    }
}

impl<V: StateValue> Table<V> {
    #[expect(clippy::expect_used, reason = "called with a database only")]
    fn cache(&mut self) -> &mut Cache {
        self.cache.as_mut().expect("only tables with a database come here")
    }

    /// Reads the missing entries from the database.
    #[expect(clippy::expect_used, reason = "the arena keeps both or none")]
    pub(super) fn fetch(&mut self) -> Result<(), Failure> {
        let mut missing = std::mem::take(&mut self.missing);
        let (disk, table) = (Arc::clone(&self.cache().disk), self.cache().table);
        let mut keys = Vec::new();
        let mut wanted: Vec<_> = missing
            .drain(..)
            .map(|(hash, id)| {
                let start = keys.len();
                let namespace = self.arena.namespace(id).expect("an entry in memory has a namespace");
                disk.key_into(&mut keys, hash, table, namespace, self.arena.get(id).key.bytes());
                (start..keys.len(), id)
            })
            .collect();
        self.missing = missing;
        wanted.sort_unstable_by(|(a, _), (b, _)| keys[a.clone()].cmp(&keys[b.clone()]));
        let mut found: Vec<(i64, u64)> = Vec::new();
        let timed = self.timing.is_some();
        for wanted in wanted.chunks(FETCH_KEYS_MAX) {
            let values = disk.multi_get(wanted.iter().map(|(range, _)| &keys[range.clone()]))?;
            for ((_, id), value) in wanted.iter().zip(values) {
                if let Some(stored) = value.map_err(disk::failure)? {
                    let at = |error: Failure| error.at(format_args!("table {}", self.name));
                    let (stamp, value) = if timed { split_stamp(&stored).map_err(at)? } else { (0, &stored[..]) };
                    let value = V::decode(value).map_err(at)?;
                    if timed {
                        self.arena.set_stamp(*id, stamp);
                    }
                    let (entry, flags) = self.arena.get_mut(*id);
                    entry.value = Some(value);
                    *flags |= PERSISTED;
                    let namespace = self.arena.namespace(*id).unwrap_or_default();
                    match found.last_mut().filter(|(last, _)| *last == namespace) {
                        Some((_, found)) => *found += 1,
                        None => found.push((namespace, 1)),
                    }
                }
            }
        }
        for (namespace, found) in found {
            let Some(space) = self.spaces.get_mut(&namespace) else { continue };
            match space.absent.checked_sub(found) {
                Some(absent) => space.absent = absent,
                None => return Err(self.miscounted(namespace)),
            }
        }
        Ok(())
    }

    fn miscounted(&self, namespace: i64) -> Failure {
        Failure::internal(format!("table {}: the keys of namespace {namespace} were miscounted", self.name))
    }

    /// Writes the dirty ones among these entries to the database. Deleted ones leave memory.
    #[expect(clippy::expect_used, reason = "the arena keeps both or none")]
    fn write_back(&mut self, ids: &[EntryId]) -> Result<(), Failure> {
        let (disk, table) = (Arc::clone(&self.cache().disk), self.cache().table);
        let mut ids = ids.iter().copied();
        let timed = self.timing.is_some();
        let mut changes = Changes::default();
        loop {
            let mut written = Vec::new();
            for id in ids.by_ref() {
                if self.arena.flags(id).is_none_or(|flags| flags & DIRTY == 0) {
                    continue;
                }
                let Entry { key, value, .. } = self.arena.get(id);
                let namespace = self.arena.namespace(id).expect("an entry in memory has a namespace");
                let hash = key::hash(key.bytes());
                let stamp = timed.then(|| self.arena.stamp(id));
                changes.add(
                    |out| disk.key_into(out, hash, table, namespace, key.bytes()),
                    value.as_ref().map(|value| {
                        move |out: &mut Vec<u8>| {
                            stamp.into_iter().for_each(|stamp| put_stamp(stamp, out));
                            value.encode(out);
                        }
                    }),
                );
                written.push((namespace, id));
                if changes.is_full() {
                    break;
                }
            }
            if written.is_empty() {
                return Ok(());
            }
            disk.write(changes.take())?;
            written.into_iter().for_each(|(namespace, id)| self.mark_written(namespace, id));
        }
    }

    fn mark_written(&mut self, namespace: i64, id: EntryId) {
        let is = self.arena.get(id).value.is_some();
        let flags = self.arena.flags_mut(id);
        let was = *flags & PERSISTED != 0;
        *flags &= !(DIRTY | PERSISTED);
        *flags |= if is { PERSISTED } else { 0 };
        if let Some(space) = self.spaces.get_mut(&namespace) {
            space.persisted = space.persisted + u64::from(is) - u64::from(was);
        }
        if !is {
            self.remove(id);
        }
    }

    /// Takes clean entries out of memory, leaving them to the database.
    fn leave_to_disk(&mut self, ids: &[EntryId]) {
        for &id in ids {
            let (Some(flags), Some(namespace)) = (self.arena.flags(id), self.arena.namespace(id)) else { continue };
            self.remove(id);
            if let Some(space) = self.spaces.get_mut(&namespace) {
                space.absent += u64::from(flags & PERSISTED != 0);
            }
        }
    }

    /// Brings the store's memory below its budget, by a clock over this table's entries.
    pub(super) fn evict(&mut self) -> Result<(), Failure> {
        let Some(cache) = &mut self.cache else { return Ok(()) };
        let excess = cache.disk.adjust_used(std::mem::take(&mut cache.delta));
        if excess == 0 || cache.disk.may_defer(excess) {
            return Ok(());
        }
        cache.disk.wait()?;
        let (mut freed, mut victims) = (0, Vec::new());
        let cells = self.arena.cells();
        // Twice around at most: the first time may only find entries in use, and marks them.
        for _ in 0..2 * cells {
            if freed >= excess {
                break;
            }
            cache.hand = if cache.hand + 1 < cells { cache.hand + 1 } else { 0 };
            let hand = cache.hand;
            let mut unused = Vec::new();
            for (id, flags) in self.arena.cell_flags(hand) {
                if *flags & REFERENCED == 0 {
                    unused.push(id);
                }
                // What is evicted is marked too, so that the second round does not count it again.
                *flags ^= REFERENCED;
            }
            for id in unused {
                if freed < excess {
                    freed += self.arena.get(id).bytes as usize;
                    victims.push(id);
                }
            }
        }
        victims.sort_unstable_by_key(|id| id.0);
        victims.dedup();
        self.write_back(&victims)?;
        self.leave_to_disk(&victims);
        self.drop_empty_spaces();
        let cache = self.cache();
        cache.disk.adjust_used(std::mem::take(&mut cache.delta));
        Ok(())
    }

    fn drop_empty_spaces(&mut self) {
        self.spaces.retain(|_, space| !space.is_empty());
    }

    /// Fixes what the database lacks, for a snapshot. From here on it counts as written.
    pub(super) fn freeze(&mut self) -> Content {
        let (disk, table) = (Arc::clone(&self.cache().disk), self.cache().table);
        let mut frozen = Frozen::new(disk, table);
        let mut dirty = Vec::new();
        for cell in 0..self.arena.cells() {
            dirty.clear();
            dirty.extend(self.arena.cell_flags(cell).filter(|(_, flags)| **flags & DIRTY != 0).map(|(id, _)| id));
            if dirty.is_empty() {
                continue;
            }
            if let Some(chunk) = self.arena.share_cell(cell) {
                frozen.add(chunk, &dirty);
            }
            for &id in &dirty {
                if let Some(namespace) = self.arena.namespace(id) {
                    self.mark_written(namespace, id);
                }
            }
        }
        self.drop_empty_spaces();
        let persisted = self.spaces.iter().map(|(&namespace, space)| (namespace, space.persisted)).collect();
        Content::Disk { persisted, frozen: Box::new(frozen) }
    }

    /// Deletes what the database has of a namespace whose entries are all in memory.
    pub(super) fn delete_persisted(&mut self, namespace: i64) -> Result<(), Failure> {
        let (disk, table) = (Arc::clone(&self.cache().disk), self.cache().table);
        let Some(space) = self.spaces.get_mut(&namespace) else { return Ok(()) };
        let by_key = space.persisted <= (disk.key_groups().len() * POINT_DELETES_MAX / 2) as u64;
        let mut batch = WriteBatch::default();
        let mut key = Vec::new();
        for id in self.arena.ids(&space.chunks) {
            let flags = self.arena.flags_mut(id);
            if *flags & PERSISTED != 0 {
                *flags = *flags & !PERSISTED | DIRTY;
                if by_key {
                    let stored = self.arena.get(id).key.bytes();
                    key.clear();
                    disk.key_into(&mut key, key::hash(stored), table, namespace, stored);
                    batch.delete(&key);
                }
            }
        }
        if !by_key {
            for group in disk.key_groups() {
                batch.delete_range(disk::prefix(group, table, namespace), disk::prefix_end(group, table, namespace));
            }
        }
        space.persisted = 0;
        disk.write(batch)
    }

    /// Drains a namespace that is at least partly only in the database.
    pub(super) fn drain_disk(
        &mut self,
        namespace: i64,
        rows: usize,
        each: &mut dyn FnMut(&[u8], V),
    ) -> Result<bool, Failure> {
        let (disk, table) = (Arc::clone(&self.cache().disk), self.cache().table);
        let Some(space) = self.spaces.get_mut(&namespace) else { return Ok(false) };
        let cached = self.arena.ids(&space.chunks);
        if !cached.is_empty() {
            space.drain_group = 0;
            self.write_back(&cached)?;
            self.leave_to_disk(&cached);
        }
        let Some(space) = self.spaces.get_mut(&namespace) else { return Ok(false) };
        let mut batch = WriteBatch::default();
        let mut cursor = disk.cursor()?;
        let horizon = self.timing.as_ref().map(Timing::horizon);
        let (mut taken, mut more) = (0usize, false);
        for group in disk.key_groups().filter(|&group| group >= space.drain_group) {
            let prefix = disk::prefix(group, table, namespace);
            let mut keys = Vec::new();
            let before = taken;
            cursor.seek(prefix);
            while let Some((key, value)) = cursor.item().filter(|(key, _)| key.starts_with(&prefix)) {
                more = taken >= rows;
                if more {
                    break;
                }
                match horizon.map(|horizon| split_stamp(value).map(|split| (split, horizon))).transpose()? {
                    None => each(&key[KEY_PREFIX_BYTES..], V::decode(value)?),
                    Some(((stamp, value), horizon)) if stamp > horizon => {
                        each(&key[KEY_PREFIX_BYTES..], V::decode(value)?);
                    }
                    Some(_) => {}
                }
                taken += 1;
                if taken - before <= POINT_DELETES_MAX {
                    keys.push(key.to_vec());
                }
                cursor.next();
            }
            cursor.status().map_err(disk::failure)?;
            match (keys.len() < taken - before, cursor.key().filter(|_| more)) {
                (false, _) => keys.iter().for_each(|key| batch.delete(key)),
                (true, None) => batch.delete_range(&prefix[..], &disk::prefix_end(group, table, namespace)[..]),
                (true, Some(next)) => batch.delete_range(&prefix[..], next),
            }
            if more {
                space.drain_group = group;
                break;
            }
        }
        disk.write(batch)?;
        // Compactions take expired entries away without telling.
        let left = space.persisted.checked_sub(taken as u64).filter(|left| more || *left == 0 || horizon.is_some());
        let Some(left) = left else { return Err(self.miscounted(namespace)) };
        (space.persisted, space.absent) = (left, left);
        if !more {
            self.spaces.remove(&namespace);
        }
        Ok(more)
    }
}
