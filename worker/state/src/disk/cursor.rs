//! Reading a database in the order of its keys.

use std::{collections::BTreeMap, ops::RangeInclusive, path::Path};

use model::Failure;
use rocksdb::{DB, DBRawIterator};

use super::{
    catalog::{CATALOG_KEY, Catalog, read_catalog},
    failure,
    options::read_options,
    prefix, split_key,
};

/// A place among the keys.
pub(crate) struct Cursor<'a>(DBRawIterator<'a>);

impl<'a> Cursor<'a> {
    pub(super) fn new(db: &'a DB) -> Self {
        Self(db.raw_iterator())
    }

    pub(crate) fn seek(&mut self, key: impl AsRef<[u8]>) {
        self.0.seek(key);
    }

    pub(crate) fn next(&mut self) {
        self.0.next();
    }

    pub(crate) fn item(&self) -> Option<(&[u8], &[u8])> {
        self.0.item()
    }

    pub(crate) fn key(&self) -> Option<&[u8]> {
        self.0.key()
    }

    pub(crate) fn status(&self) -> Result<(), rocksdb::Error> {
        self.0.status()
    }
}

/// Reads all entries of some key groups from the files of a database, in order of key group and table.
///
/// `each` is called with the table's name, namespace, key and value.
pub(crate) fn scan(
    folder: &Path,
    key_groups: RangeInclusive<u16>,
    each: &mut dyn FnMut(&str, i64, &[u8], &[u8]) -> Result<(), Failure>,
) -> Result<Catalog, Failure> {
    let db = DB::open_for_read_only(&read_options(), folder, false).map_err(failure)?;
    let catalog = read_catalog(&db)?.ok_or_else(|| Failure::data("the state database has no catalog"))?;
    let names: BTreeMap<_, _> = catalog.tables.iter().map(|(name, table)| (table.id, name.as_str())).collect();
    let mut cursor = Cursor::new(&db);
    cursor.seek(prefix(*key_groups.start(), 0, i64::MIN));
    while let Some((key, value)) = cursor.item().filter(|(key, _)| *key < CATALOG_KEY) {
        let (group, table, namespace, key) =
            split_key(key).ok_or_else(|| Failure::data("the state database has a key of no table"))?;
        if group > *key_groups.end() {
            break;
        }
        let name = names.get(&table).ok_or_else(|| Failure::data("the state database has a table without name"))?;
        each(name, namespace, key, value)?;
        cursor.next();
    }
    cursor.status().map_err(failure)?;
    Ok(catalog)
}
