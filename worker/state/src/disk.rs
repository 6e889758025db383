//! The RocksDB database of one store.
//!
//! Key = key group u16, table u16, namespace i64 with the sign bit flipped (all big endian), key bytes; value = stored
//! form. There is no write-ahead log: what is not in a checkpoint is recomputed. [`Catalog`] lies under a key of its
//! own, behind all key groups.

#![expect(clippy::cast_sign_loss, reason = "sizes are checked when a file is written and when it is read")]

mod catalog;
mod changes;
mod compaction;
mod cursor;
mod options;

use std::{
    collections::BTreeMap,
    ops::RangeInclusive,
    path::{Path, PathBuf},
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
};

use model::{Failure, key};
use rocksdb::{CStrLike, DB, DBPinnableSlice, WriteBatch, checkpoint::Checkpoint};

pub(crate) use self::{
    catalog::Catalog,
    changes::Changes,
    cursor::{Cursor, scan},
};
use self::{
    catalog::{CATALOG_KEY, read_catalog},
    compaction::Compactions,
    options::{leave_out_expired, options},
};
use crate::retention::Expiring;

/// Length of one write batch.
pub(crate) const WRITE_BYTES_MAX: usize = 4 << 20;
pub(crate) const KEY_PREFIX_BYTES: usize = 12;
const FAMILY: &str = rocksdb::DEFAULT_COLUMN_FAMILY_NAME;

pub(crate) fn failure(error: rocksdb::Error) -> Failure {
    Failure::external(format!("rocksdb: {error}"))
}

/// The first bytes of all keys of a namespace in one key group.
pub(crate) fn prefix(group: u16, table: u16, namespace: i64) -> [u8; KEY_PREFIX_BYTES] {
    let mut prefix = [0; KEY_PREFIX_BYTES];
    prefix[..2].copy_from_slice(&group.to_be_bytes());
    prefix[2..4].copy_from_slice(&table.to_be_bytes());
    prefix[4..].copy_from_slice(&(namespace ^ i64::MIN).to_be_bytes());
    prefix
}

/// The first bytes behind all keys with [`prefix`].
pub(crate) fn prefix_end(group: u16, table: u16, namespace: i64) -> [u8; KEY_PREFIX_BYTES] {
    match namespace.checked_add(1) {
        Some(next) => prefix(group, table, next),
        None => prefix(group, table + 1, i64::MIN),
    }
}

/// The parts of a key: key group, table, namespace, key bytes.
pub(crate) fn split_key(key: &[u8]) -> Option<(u16, u16, i64, &[u8])> {
    let (prefix, rest) = key.split_first_chunk::<KEY_PREFIX_BYTES>()?;
    let [g0, g1, t0, t1, n @ ..] = *prefix;
    Some((u16::from_be_bytes([g0, g1]), u16::from_be_bytes([t0, t1]), i64::from_be_bytes(n) ^ i64::MIN, rest))
}

/// The open database, its folder, and the memory that the tables' caches use.
pub(crate) struct Disk {
    /// Closed before the folder is removed.
    db: Option<DB>,
    /// Everything of this store is below it.
    root: PathBuf,
    key_groups: RangeInclusive<u16>,
    max_parallelism: u32,
    used: AtomicUsize,
    budget: usize,
    gate: Mutex<Gate>,
    opened: Condvar,
    compactions: Compactions,
    expiring: Arc<Expiring>,
}

/// Keeps the tables off the database while a snapshot brings it to the state that it had when it was taken.
#[derive(Default)]
struct Gate {
    /// Frozen parts that are not yet in the database.
    frozen: usize,
    /// Those of them that delete keys. All others are still in memory, so that the database is not asked for them.
    deleting: usize,
    /// One of them could not be written, and is lost.
    failure: Option<Failure>,
}

/// The folder in `root` where the database is.
pub(crate) fn database_folder(root: &Path) -> PathBuf {
    root.join("db")
}

impl Disk {
    /// Opens the database below `root`, new or brought there by a restore.
    ///
    /// Of `cache_bytes` half goes to the tables' caches, the rest to RocksDB's own buffers.
    pub(crate) fn open(
        root: &Path,
        cache_bytes: usize,
        key_groups: RangeInclusive<u16>,
        max_parallelism: u32,
    ) -> Result<Self, Failure> {
        let folder = database_folder(root);
        std::fs::create_dir_all(&folder)
            .map_err(|error| Failure::external(format!("{}: {error}", folder.display())))?;
        let mut options = options(cache_bytes)?;
        let expiring = Arc::new(Expiring::default());
        leave_out_expired(&mut options, Arc::clone(&expiring));
        let db = DB::open_cf_with_opts(&options, &folder, [(FAMILY, options.clone())]).map_err(failure)?;
        let (used, budget) = (AtomicUsize::new(0), cache_bytes / 2);
        Ok(Self {
            db: Some(db),
            root: root.to_owned(),
            key_groups,
            max_parallelism,
            used,
            budget,
            gate: Mutex::default(),
            opened: Condvar::new(),
            compactions: Compactions::default(),
            expiring,
        })
    }

    #[expect(clippy::expect_used, reason = "taken by the drop alone")]
    fn db(&self) -> &DB {
        self.db.as_ref().expect("the database is open until the drop")
    }

    /// The tables whose entries expire.
    pub(crate) fn expiring(&self) -> &Expiring {
        &self.expiring
    }

    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    pub(crate) fn key_groups(&self) -> RangeInclusive<u16> {
        self.key_groups.clone()
    }

    /// Counts memory in or out; returns how much should be freed to be well below the budget, 0 if it is kept.
    pub(crate) fn adjust_used(&self, delta: isize) -> usize {
        let used = self.used.fetch_add(delta as usize, Ordering::Relaxed).wrapping_add(delta as usize);
        if used > self.budget { used - self.budget / 8 * 7 } else { 0 }
    }

    /// Whether so much above the budget may be freed later, since what is frozen has to stay until it is written.
    pub(crate) fn may_defer(&self, excess: usize) -> bool {
        excess < self.budget / 8 * 3 && self.gate().frozen > 0
    }

    /// Appends the database key of a key with this hash.
    #[inline]
    pub(crate) fn key_into(&self, out: &mut Vec<u8>, hash: u64, table: u16, namespace: i64, key: &[u8]) {
        out.extend_from_slice(&prefix(key::key_group(hash, self.max_parallelism), table, namespace));
        out.extend_from_slice(key);
    }

    fn gate(&self) -> MutexGuard<'_, Gate> {
        self.gate.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A part was frozen.
    pub(crate) fn close_gate(&self) {
        self.gate().frozen += 1;
    }

    /// A frozen part deletes keys: once for each part.
    pub(crate) fn gate_deletes(&self) {
        self.gate().deleting += 1;
    }

    /// A frozen part is no longer needed.
    pub(crate) fn open_gate(&self, deletes: bool) {
        let mut gate = self.gate();
        gate.frozen -= 1;
        gate.deleting -= usize::from(deletes);
        self.opened.notify_all();
    }

    /// A frozen part is lost: the database must not be used any more.
    pub(crate) fn fail(&self, failure: Failure) {
        self.gate().failure.get_or_insert(failure);
    }

    /// Whether entries are lost, so that the database must not be used any more.
    pub(crate) fn check(&self) -> Result<(), Failure> {
        self.gate().failure.clone().map_or(Ok(()), Err)
    }

    /// Waits until frozen entries are in the database: before it is changed, or entries are taken out of memory.
    pub(crate) fn wait(&self) -> Result<(), Failure> {
        self.wait_while(|gate| gate.frozen > 0)
    }

    fn wait_while(&self, closed: impl Fn(&Gate) -> bool) -> Result<(), Failure> {
        let gate = self.opened.wait_while(self.gate(), |gate| closed(gate)).unwrap_or_else(PoisonError::into_inner);
        gate.failure.clone().map_or(Ok(()), Err)
    }

    pub(crate) fn write(&self, batch: WriteBatch) -> Result<(), Failure> {
        self.wait()?;
        self.wait_for_compaction()?;
        self.write_frozen(batch)
    }

    fn property(&self, name: impl CStrLike) -> Result<u64, Failure> {
        let value = self.db().property_value(name).map_err(failure)?;
        Ok(value.and_then(|value| value.parse().ok()).unwrap_or(0))
    }

    /// Writes what belongs to a snapshot that is being made.
    pub(crate) fn write_frozen(&self, batch: WriteBatch) -> Result<(), Failure> {
        if batch.is_empty() { Ok(()) } else { self.db().write_without_wal(batch).map_err(failure) }
    }

    /// The values of keys, which are in order.
    pub(crate) fn multi_get<'a>(
        &self,
        keys: impl IntoIterator<Item = &'a [u8]>,
    ) -> Result<Vec<Result<Option<DBPinnableSlice<'_>>, rocksdb::Error>>, Failure> {
        self.wait_while(|gate| gate.deleting > 0)?;
        let family = self.db().cf_handle(FAMILY);
        let family = family.ok_or_else(|| Failure::internal("a database has its default column family"))?;
        Ok(self.db().batched_multi_get_cf(family, keys, true))
    }

    pub(crate) fn cursor(&self) -> Result<Cursor<'_>, Failure> {
        self.wait()?;
        Ok(Cursor::new(self.db()))
    }

    /// What the database holds, if it says so.
    pub(crate) fn catalog(&self) -> Result<Option<Catalog>, Failure> {
        read_catalog(self.db())
    }

    pub(crate) fn put_catalog(&self, catalog: &Catalog) -> Result<(), Failure> {
        let mut batch = WriteBatch::default();
        batch.put(CATALOG_KEY, serde_json::to_vec(catalog).map_err(|error| Failure::internal(error.to_string()))?);
        self.write_frozen(batch)
    }

    /// Deletes a table.
    pub(crate) fn delete_table(&self, table: u16) -> Result<(), Failure> {
        let mut batch = WriteBatch::default();
        for group in self.key_groups() {
            batch.delete_range(prefix(group, table, i64::MIN), prefix(group, table + 1, i64::MIN));
        }
        self.write_frozen(batch)
    }

    /// Deletes all key groups but the own ones.
    pub(crate) fn delete_foreign_groups(&self) -> Result<(), Failure> {
        let mut batch = WriteBatch::default();
        batch.delete_range(prefix(0, 0, i64::MIN), prefix(*self.key_groups.start(), 0, i64::MIN));
        batch.delete_range(&prefix(self.key_groups.end() + 1, 0, i64::MIN)[..], CATALOG_KEY);
        self.write(batch)
    }

    /// Moves the entries of one table into another; `rewrite` appends the new form of a stored value.
    pub(crate) fn rewrite_table(
        &self,
        catalog: &mut Catalog,
        from: &str,
        to: &str,
        rewrite: &dyn Fn(&[u8], &mut Vec<u8>) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        let Some(old) = catalog.tables.get(from).cloned() else { return Ok(()) };
        let new = catalog.table(to)?;
        new.keys.clone_from(&old.keys);
        let new = new.id;
        let mut cursor = self.cursor()?;
        let mut batch = WriteBatch::default();
        let mut stored = Vec::new();
        for group in self.key_groups() {
            let end = prefix(group, old.id + 1, i64::MIN);
            cursor.seek(prefix(group, old.id, i64::MIN));
            while let Some((key, value)) = cursor.item().filter(|(key, _)| *key < &end[..]) {
                let mut key = key.to_vec();
                key[2..4].copy_from_slice(&new.to_be_bytes());
                stored.clear();
                rewrite(value, &mut stored).map_err(|failure| failure.at(format_args!("table {from}")))?;
                batch.put(&key, &stored);
                if batch.size_in_bytes() >= WRITE_BYTES_MAX {
                    self.write(std::mem::take(&mut batch))?;
                }
                cursor.next();
            }
            cursor.status().map_err(failure)?;
        }
        self.write(batch)?;
        catalog.tables.remove(from);
        self.delete_table(old.id)
    }

    /// Compacts the whole database.
    pub(crate) fn compact(&self) -> Result<(), Failure> {
        self.wait()?;
        self.db().flush().map_err(failure)?;
        self.db().compact_range(None::<&[u8]>, None::<&[u8]>);
        Ok(())
    }

    /// The catalog with the keys of the own key groups counted anew.
    pub(crate) fn count_keys(&self, mut catalog: Catalog) -> Result<Catalog, Failure> {
        let mut counts: BTreeMap<(u16, i64), u64> = BTreeMap::new();
        let mut cursor = self.cursor()?;
        cursor.seek(prefix(*self.key_groups.start(), 0, i64::MIN));
        while let Some((group, table, namespace, _)) = cursor.key().and_then(split_key) {
            if group > *self.key_groups.end() {
                break;
            }
            *counts.entry((table, namespace)).or_default() += 1;
            cursor.next();
        }
        cursor.status().map_err(failure)?;
        for table in catalog.tables.values_mut() {
            let own = counts.range((table.id, i64::MIN)..=(table.id, i64::MAX));
            table.keys = own.map(|(&(_, namespace), &count)| (namespace, count)).collect();
        }
        Ok(catalog)
    }

    /// Hard links to the files of the database as it is now, in a new folder.
    pub(crate) fn link_to(&self, folder: &Path) -> Result<(), Failure> {
        Checkpoint::new(self.db()).and_then(|checkpoint| checkpoint.create_checkpoint(folder)).map_err(failure)
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        if let Some(db) = self.db.take() {
            db.cancel_all_background_work(true);
        }
        if let Err(error) = std::fs::remove_dir_all(&self.root) {
            tracing::warn!(folder = %self.root.display(), %error, "state folder could not be removed");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_sort_by_group_table_and_namespace() {
        let ordered = [(0, 0, i64::MIN), (0, 0, -1), (0, 0, 0), (0, 0, i64::MAX), (0, 1, -5), (1, 0, -7)];
        for pair in ordered.windows(2) {
            let (a, b) = (pair[0], pair[1]);
            assert!(prefix_end(a.0, a.1, a.2) <= prefix(b.0, b.1, b.2), "{a:?} {b:?}");
            assert_eq!(split_key(&prefix(a.0, a.1, a.2)), Some((a.0, a.1, a.2, &[][..])));
        }
        assert!(prefix(u16::MAX / 2, u16::MAX, i64::MAX)[..] < *CATALOG_KEY);
    }
}
