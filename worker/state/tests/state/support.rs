//! Values, keys, stores and snapshots for the tests.

use std::{ops::RangeInclusive, path::Path, sync::Arc};

use arrow::array::{ArrayRef, StringArray};
use checkpoint::KeyedState;
use model::{
    Failure, key,
    row::{self, Rows},
};
use state::{Backend, KeyedStore, StateValue, StoreOptions, Table};
use storage::{Storage, StorageOptions};

pub const MAX_PARALLELISM: u32 = 16;

/// A value of any length.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Text(pub String);

impl StateValue for Text {
    fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.0.as_bytes());
    }

    fn decode(bytes: &[u8]) -> Result<Self, Failure> {
        let text = String::from_utf8(bytes.to_vec()).map_err(|error| Failure::data(error.to_string()))?;
        Ok(Self(text))
    }

    fn size_bytes(&self) -> usize {
        size_of::<Self>() + self.0.len()
    }
}

/// Which backend to open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    HashMap,
    /// With a cache of so many bytes.
    RocksDb(usize),
}

pub const BOTH: [Kind; 2] = [Kind::HashMap, Kind::RocksDb(1 << 20)];

/// Where state files go, S3 included if the environment names a server (see `s3_folder`).
pub fn storage() -> Storage {
    let variable = |name: &str| std::env::var(name).ok();
    Storage::new(StorageOptions {
        s3_endpoint: variable("S3_ENDPOINT"),
        s3_region: variable("S3_REGION").unwrap_or_default(),
        s3_access_key: variable("S3_ACCESS_KEY"),
        s3_secret_key: variable("S3_SECRET_KEY"),
        s3_path_style: true,
    })
}

/// A folder on the S3 server that the environment names, if it names one.
pub fn s3_folder() -> Option<String> {
    let bucket = std::env::var("S3_ENDPOINT").and_then(|_| std::env::var("S3_BUCKET"));
    if bucket.is_err() {
        eprintln!("without S3: no server, see tests/testbed/README.md");
    }
    bucket.ok().map(|bucket| format!("s3://{bucket}/state-{}", uuid::Uuid::new_v4()))
}

/// A place in object storage of its own.
pub fn place() -> String {
    format!("memory://{}/job", uuid::Uuid::new_v4())
}

pub fn keys<'a>(names: impl IntoIterator<Item = &'a str>) -> Rows {
    let column: ArrayRef = Arc::new(StringArray::from_iter_values(names));
    let rows = column.len();
    row::encode(&[column], rows).expect("strings have an encoding")
}

pub fn group(key: &[u8]) -> u16 {
    key::key_group(key::hash(key), MAX_PARALLELISM)
}

pub async fn open(
    kind: Kind,
    folder: &Path,
    key_groups: RangeInclusive<u16>,
    restored: Vec<KeyedState>,
) -> Result<KeyedStore, Failure> {
    let backend = match kind {
        Kind::HashMap => Backend::HashMap,
        Kind::RocksDb(cache_bytes) => Backend::RocksDb { directory: folder.to_owned(), cache_bytes },
    };
    let options = StoreOptions { backend, key_groups, max_parallelism: MAX_PARALLELISM };
    KeyedStore::open(options, restored, storage()).await
}

/// Sets one key of a table.
pub fn set(table: &mut Table<Text>, namespace: i64, name: &str, value: &str) {
    let mut entries = Vec::new();
    table.hydrate(namespace, &keys([name]), None, &mut entries).expect("hydrated");
    *table.get_mut(entries[0]) = Some(Text(value.to_owned()));
    table.end_batch().expect("ended");
}

/// Removes one key of a table.
pub fn remove(table: &mut Table<Text>, namespace: i64, name: &str) {
    let mut entries = Vec::new();
    table.hydrate(namespace, &keys([name]), None, &mut entries).expect("hydrated");
    *table.get_mut(entries[0]) = None;
    table.end_batch().expect("ended");
}

/// Reads one key of a table.
pub fn get(table: &mut Table<Text>, namespace: i64, name: &str) -> Option<String> {
    let mut entries = Vec::new();
    table.hydrate(namespace, &keys([name]), None, &mut entries).expect("hydrated");
    let value = table.get(entries[0]).map(|value| value.0.clone());
    table.end_batch().expect("ended");
    value
}

/// A checkpoint or savepoint of a store with these tables.
pub async fn snapshot(
    store: &mut KeyedStore,
    tables: &mut [&mut Table<Text>],
    place: &str,
    id: u64,
    savepoint: bool,
) -> Result<Option<KeyedState>, Failure> {
    let parts = tables.iter_mut().map(|table| table.snapshot()).collect::<Result<_, _>>()?;
    let pending = store.snapshot(parts, savepoint)?;
    pending.write(&storage(), &format!("{place}/chk-{id}"), &format!("{place}/shared"), id).await
}
