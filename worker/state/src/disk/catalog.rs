//! What a database holds, stored in itself under a key behind all key groups.

use std::{collections::BTreeMap, ops::RangeInclusive};

use model::Failure;
use rocksdb::DB;
use serde::{Deserialize, Serialize};

use super::failure;

/// There are at most 32768 key groups.
pub(super) const CATALOG_KEY: &[u8] = b"\xff\xffcatalog";
const CATALOG_VERSION: u32 = 1;

/// What the database holds, stored in it at each checkpoint.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Catalog {
    version: u32,
    /// `model::row::ENCODING_VERSION` of the keys.
    row_encoding: u8,
    pub(crate) max_parallelism: u32,
    pub(crate) first_key_group: u16,
    pub(crate) last_key_group: u16,
    /// By name.
    pub(crate) tables: BTreeMap<String, CatalogTable>,
}

/// A table in the database.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct CatalogTable {
    pub(crate) id: u16,
    /// Number of keys by namespace.
    pub(crate) keys: BTreeMap<i64, u64>,
}

impl Catalog {
    pub(crate) fn new(key_groups: &RangeInclusive<u16>, max_parallelism: u32) -> Self {
        Self {
            version: CATALOG_VERSION,
            row_encoding: model::row::ENCODING_VERSION,
            max_parallelism,
            first_key_group: *key_groups.start(),
            last_key_group: *key_groups.end(),
            tables: BTreeMap::new(),
        }
    }

    /// The table with this name, new or not.
    pub(crate) fn table(&mut self, name: &str) -> Result<&mut CatalogTable, Failure> {
        let id = match self.tables.get(name) {
            Some(table) => table.id,
            None => {
                let used = |id: &u16| self.tables.values().any(|table| table.id == *id);
                (0..u16::MAX - 1).find(|id| !used(id)).ok_or_else(|| Failure::internal("too many tables"))?
            }
        };
        let new = || CatalogTable { id, keys: BTreeMap::new() };
        Ok(self.tables.entry(name.to_owned()).or_insert_with(new))
    }

    /// Number of keys in all tables.
    pub(crate) fn keys(&self) -> u64 {
        self.tables.values().flat_map(|table| table.keys.values()).sum()
    }
}

/// The catalog of a database, if it has one.
pub(super) fn read_catalog(db: &DB) -> Result<Option<Catalog>, Failure> {
    let Some(bytes) = db.get_pinned(CATALOG_KEY).map_err(failure)? else { return Ok(None) };
    let catalog: Catalog = serde_json::from_slice(&bytes)
        .map_err(|error| Failure::data(format!("the catalog of the state database is damaged: {error}")))?;
    if (catalog.version, catalog.row_encoding) != (CATALOG_VERSION, model::row::ENCODING_VERSION) {
        return Err(Failure::data(format!("version {} of the state database is not known", catalog.version)));
    }
    Ok(Some(catalog))
}
