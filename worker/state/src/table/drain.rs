//! Removing a namespace: all of its entries are handed over.

use model::Failure;

use super::{StateValue, Table, arena::Chunk, expiry::Timing, index::Index};

impl<V: StateValue> Table<V> {
    /// Removes a namespace and hands over its entries, at most `rows` in a call; true while there may be more.
    ///
    /// Ids of the namespace's entries are no longer valid.
    ///
    /// # Errors
    /// If the backend fails.
    pub fn drain(&mut self, namespace: i64, rows: usize, each: &mut dyn FnMut(&[u8], V)) -> Result<bool, Failure> {
        let rows = rows.max(1);
        let Some(space) = self.spaces.get_mut(&namespace) else { return Ok(false) };
        if space.absent > 0 {
            return self.drain_disk(namespace, rows, each);
        }
        if space.persisted > 0 {
            self.delete_persisted(namespace)?;
        }
        Ok(self.drain_memory(namespace, rows, each))
    }

    fn drain_memory(&mut self, namespace: i64, rows: usize, each: &mut dyn FnMut(&[u8], V)) -> bool {
        let Some(space) = self.spaces.get_mut(&namespace) else { return false };
        if !space.draining {
            space.draining = true;
            space.index = Index::default();
        }
        let mut taken = 0;
        while let Some(chunk) = self.arena.pop_chunk(&mut space.chunks) {
            let horizon = self.timing.as_ref().map_or(i64::MIN, Timing::horizon);
            let stamps = chunk.stamps.into_iter().map(Some).chain(std::iter::repeat(None));
            let mut entries = chunk.entries.into_iter().zip(stamps);
            for (entry, stamp) in entries.by_ref() {
                if let Some(cache) = &mut self.cache {
                    cache.release(entry.bytes);
                }
                if let Some(value) = entry.value.filter(|_| stamp.is_none_or(|stamp| stamp > horizon)) {
                    each(entry.key.bytes(), value);
                    taken += 1;
                }
                if taken >= rows {
                    break;
                }
            }
            let rest = entries.filter(|(entry, _)| entry.value.is_some());
            let (rest, stamps): (Vec<_>, Vec<_>) = rest.unzip();
            if !rest.is_empty() {
                let stamps = stamps.into_iter().flatten().collect();
                self.arena.push_chunk(&mut space.chunks, Chunk { namespace, entries: rest, stamps });
                return true;
            }
            if taken >= rows && !space.chunks.is_empty() {
                return true;
            }
        }
        self.spaces.remove(&namespace);
        false
    }
}
