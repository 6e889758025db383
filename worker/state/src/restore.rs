//! Reading the files of snapshots, of any format and any number of older subtasks, into a backend.

#![expect(clippy::cast_possible_truncation, reason = "sizes are checked when a file is written and when it is read")]
#![expect(clippy::disallowed_methods, reason = "reads files off the runtime")]

use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    ops::{Range, RangeInclusive},
    path::Path,
    sync::Arc,
};

use bytes::Bytes;
use checkpoint::{KeyedState, StateFile, StateFormat};
use futures::{StreamExt, TryStreamExt};
use model::Failure;
use rocksdb::WriteBatch;
use storage::Storage;

use crate::{
    disk::{self, Catalog, Disk, WRITE_BYTES_MAX, database_folder},
    files::{Folder, check_size, download},
    snapshot::{self, BlockInfo, Entries, EntriesBuilder, Header, TRAILER_BYTES},
};

/// Bytes read at once.
const READ_BYTES: u64 = 8 << 20;
/// Blocks of other key groups that are read along rather than leaving a gap.
const GAP_BYTES_MAX: u64 = 64 << 10;
/// Files downloaded at the same time.
pub(crate) const FILES_IN_FLIGHT_MAX: usize = 4;

/// What is to be read.
#[derive(Clone)]
pub(crate) struct Scope {
    pub(crate) key_groups: RangeInclusive<u16>,
    pub(crate) max_parallelism: u32,
    pub(crate) storage: Storage,
}

impl Scope {
    fn common(&self, first: u16, last: u16) -> RangeInclusive<u16> {
        *self.key_groups.start().max(&first)..=*self.key_groups.end().min(&last)
    }

    fn check_max_parallelism(&self, stored: u32) -> Result<(), Failure> {
        if stored == self.max_parallelism {
            return Ok(());
        }
        Err(Failure::user(format!(
            "the state has {stored} key groups (pipeline.max-parallelism), the job {}; it cannot be changed",
            self.max_parallelism
        )))
    }
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T, Failure> + Send + 'static) -> Result<T, Failure> {
    tokio::task::spawn_blocking(work).await.map_err(|error| Failure::internal(format!("state thread: {error}")))?
}

fn one_file(state: &KeyedState) -> Result<&StateFile, Failure> {
    match state.files.as_slice() {
        [file] => Ok(file),
        files => Err(Failure::data(format!("a state snapshot has {} files instead of one", files.len()))),
    }
}

/// The stored entries by table.
pub(crate) async fn into_memory(
    scope: &Scope,
    restored: Vec<KeyedState>,
) -> Result<BTreeMap<String, Vec<Entries>>, Failure> {
    let mut tables: BTreeMap<String, Vec<Entries>> = BTreeMap::new();
    for state in restored {
        let common = scope.common(state.first_key_group, state.last_key_group);
        if common.is_empty() {
            continue;
        }
        match state.format {
            StateFormat::SnapshotV1 => {
                let mut reader = SnapshotReader::open(scope, one_file(&state)?).await?;
                while let Some(blocks) = reader.next().await? {
                    for (table, entries) in blocks {
                        tables.entry(table).or_default().push(entries);
                    }
                }
            }
            StateFormat::RocksdbV1 => {
                let folder = Folder::create(&std::env::temp_dir(), "sluice-restore")?;
                download_all(scope, &state.files, folder.path()).await?;
                let scope = scope.clone();
                let blocks = blocking(move || {
                    let mut builder = EntriesBuilder::new(scope.max_parallelism);
                    let catalog = disk::scan(folder.path(), common, &mut |table, namespace, key, value| {
                        builder.add(table, namespace, key, value)
                    })?;
                    scope.check_max_parallelism(catalog.max_parallelism)?;
                    Ok(builder.finish())
                })
                .await
                .map_err(|failure| at_files(failure, &state.files))?;
                for (table, entries) in blocks {
                    tables.entry(table).or_default().push(entries);
                }
            }
        }
    }
    Ok(tables)
}

fn at_files(failure: Failure, files: &[StateFile]) -> Failure {
    match files.iter().find(|file| file.name.starts_with("MANIFEST")) {
        Some(file) => failure.at(&file.uri),
        None => failure,
    }
}

async fn download_all(scope: &Scope, files: &[StateFile], folder: &Path) -> Result<(), Failure> {
    // Collected first: a stream over the closure would not be `Send` for every lifetime.
    let downloads: Vec<_> = files.iter().map(|file| download(&scope.storage, file, folder)).collect();
    futures::stream::iter(downloads).buffer_unordered(FILES_IN_FLIGHT_MAX).try_collect().await
}

/// A database with the restored entries.
pub(crate) struct OnDisk {
    pub(crate) disk: Arc<Disk>,
    pub(crate) catalog: Catalog,
    /// Files of the database that are in object storage already, by name.
    pub(crate) uploaded: HashMap<String, StateFile>,
}

/// Restores into a database below `parent`.
///
/// If everything comes from one older database that covers the own key groups, its files are used as they are.
pub(crate) async fn into_disk(
    scope: &Scope,
    mut restored: Vec<KeyedState>,
    parent: &Path,
    cache_bytes: usize,
) -> Result<OnDisk, Failure> {
    restored.retain(|state| !scope.common(state.first_key_group, state.last_key_group).is_empty());
    let root = Folder::create(parent, "state")?;
    let own = scope.key_groups.clone();
    let covers = |state: &KeyedState| {
        state.format == StateFormat::RocksdbV1
            && state.first_key_group <= *own.start()
            && state.last_key_group >= *own.end()
    };
    if let [state] = restored.as_slice()
        && covers(state)
    {
        return use_files(scope, state, root, cache_bytes).await;
    }
    let disk = open(scope, root, cache_bytes).await?;
    let mut catalog = Catalog::new(&scope.key_groups, scope.max_parallelism);
    for state in restored {
        match state.format {
            StateFormat::SnapshotV1 => {
                let file = one_file(&state)?;
                let mut reader = SnapshotReader::open(scope, file).await?;
                while let Some(blocks) = reader.next().await? {
                    let disk = Arc::clone(&disk);
                    catalog = blocking(move || import_blocks(&disk, catalog, blocks))
                        .await
                        .map_err(|failure| failure.at(&file.uri))?;
                }
            }
            StateFormat::RocksdbV1 => {
                let folder = Folder::create(disk.root(), "restore")?;
                download_all(scope, &state.files, folder.path()).await?;
                let (disk, of) = (Arc::clone(&disk), scope.clone());
                let common = scope.common(state.first_key_group, state.last_key_group);
                catalog = blocking(move || import_database(&disk, &of, catalog, folder.path(), common))
                    .await
                    .map_err(|failure| at_files(failure, &state.files))?;
            }
        }
    }
    Ok(OnDisk { disk, catalog, uploaded: HashMap::new() })
}

async fn open(scope: &Scope, root: Folder, cache_bytes: usize) -> Result<Arc<Disk>, Failure> {
    let (key_groups, max_parallelism) = (scope.key_groups.clone(), scope.max_parallelism);
    blocking(move || {
        let disk = Disk::open(root.path(), cache_bytes, key_groups, max_parallelism)?;
        // From here on the database removes its folder.
        root.keep();
        Ok(Arc::new(disk))
    })
    .await
}

async fn use_files(scope: &Scope, state: &KeyedState, root: Folder, cache_bytes: usize) -> Result<OnDisk, Failure> {
    let folder = database_folder(root.path());
    std::fs::create_dir_all(&folder).map_err(|error| crate::files::local(&folder, &error))?;
    download_all(scope, &state.files, &folder).await?;
    let disk = open(scope, root, cache_bytes).await.map_err(|failure| at_files(failure, &state.files))?;
    let (reader, of) = (Arc::clone(&disk), scope.clone());
    let catalog = blocking(move || {
        let catalog = reader.catalog()?.ok_or_else(|| Failure::data("the state database has no catalog"))?;
        of.check_max_parallelism(catalog.max_parallelism)?;
        let same = (catalog.first_key_group, catalog.last_key_group) == (*of.key_groups.start(), *of.key_groups.end());
        if same {
            return Ok(catalog);
        }
        reader.delete_foreign_groups()?;
        reader.count_keys(catalog)
    })
    .await
    .map_err(|failure| at_files(failure, &state.files))?;
    let tables = state.files.iter().filter(|file| file.name.ends_with(".sst"));
    let uploaded = tables.map(|file| (file.name.clone(), file.clone())).collect();
    Ok(OnDisk { disk, catalog, uploaded })
}

/// Writes entries into a database, and counts them in its catalog.
struct Import<'a> {
    disk: &'a Disk,
    catalog: Catalog,
    batch: WriteBatch,
    key: Vec<u8>,
}

impl Import<'_> {
    fn add(&mut self, table: &str, hash: u64, namespace: i64, key: &[u8], value: &[u8]) -> Result<(), Failure> {
        let table = self.catalog.table(table)?;
        *table.keys.entry(namespace).or_default() += 1;
        self.key.clear();
        self.disk.key_into(&mut self.key, hash, table.id, namespace, key);
        self.batch.put(&self.key, value);
        if self.batch.size_in_bytes() >= WRITE_BYTES_MAX {
            self.disk.write(std::mem::take(&mut self.batch))?;
        }
        Ok(())
    }

    fn finish(self) -> Result<Catalog, Failure> {
        self.disk.write(self.batch)?;
        Ok(self.catalog)
    }
}

fn import_blocks(disk: &Disk, catalog: Catalog, blocks: Vec<(String, Entries)>) -> Result<Catalog, Failure> {
    let mut import = Import { disk, catalog, batch: WriteBatch::default(), key: Vec::new() };
    for (table, entries) in blocks {
        for stored in entries.iter() {
            let stored = stored?;
            import.add(&table, stored.hash, stored.namespace, stored.key, stored.value)?;
        }
    }
    import.finish()
}

fn import_database(
    disk: &Disk,
    scope: &Scope,
    catalog: Catalog,
    folder: &Path,
    key_groups: RangeInclusive<u16>,
) -> Result<Catalog, Failure> {
    let mut import = Import { disk, catalog, batch: WriteBatch::default(), key: Vec::new() };
    let stored = disk::scan(folder, key_groups, &mut |table, namespace, key, value| {
        import.add(table, model::key::hash(key), namespace, key, value)
    })?;
    scope.check_max_parallelism(stored.max_parallelism)?;
    import.finish()
}

/// Reads the blocks of some key groups of one snapshot file.
struct SnapshotReader<'a> {
    storage: &'a Storage,
    file: &'a StateFile,
    header: Header,
    /// Neighbouring blocks, to be read at once.
    reads: VecDeque<(Range<u64>, Vec<BlockInfo>)>,
}

impl<'a> SnapshotReader<'a> {
    async fn open(scope: &'a Scope, file: &'a StateFile) -> Result<Self, Failure> {
        let at = |failure: Failure| failure.at(&file.uri);
        let storage = &scope.storage;
        let found = storage.head(&file.uri).await?;
        let found = found.ok_or_else(|| Failure::data(format!("{}: not found", file.uri)))?;
        check_size(file, found.size)?;
        let cut = || Failure::data(format!("{}: the lengths in the state file are damaged", file.uri));
        let trailer_start = file.size.checked_sub(TRAILER_BYTES as u64).ok_or_else(cut)?;
        let trailer = storage.get_range(&file.uri, trailer_start..file.size).await?;
        let (header_length, footer_length) = snapshot::decode_trailer(&trailer).map_err(at)?;
        let footer_start = trailer_start.checked_sub(footer_length.into()).ok_or_else(cut)?;
        if u64::from(header_length) > footer_start {
            return Err(cut());
        }
        let footer = storage.get_range(&file.uri, footer_start..trailer_start).await?;
        let encoded = storage.get_range(&file.uri, 0..header_length.into()).await?;
        let header = Header::decode(&encoded).map_err(at)?;
        let blocks = snapshot::decode_footer(&encoded, &footer, &trailer, file.size, file.crc32).map_err(at)?;
        scope.check_max_parallelism(header.max_parallelism).map_err(at)?;
        if blocks.iter().any(|block| usize::from(block.table) >= header.tables.len()) {
            return Err(cut());
        }
        let wanted = blocks.into_iter().filter(|block| scope.key_groups.contains(&block.group));
        Ok(Self { storage, file, header, reads: coalesce(wanted) })
    }

    async fn next(&mut self) -> Result<Option<Vec<(String, Entries)>>, Failure> {
        let Some((range, blocks)) = self.reads.pop_front() else { return Ok(None) };
        let bytes = self.storage.get_range(&self.file.uri, range.clone()).await?;
        let entries = blocks.iter().map(|block| {
            let start = (block.offset - range.start) as usize;
            let end = start + block.length as usize;
            let content = if end <= bytes.len() { bytes.slice(start..end) } else { Bytes::new() };
            let entries = Entries::of_block(block, self.header.max_parallelism, &content)?;
            Ok((self.header.tables[usize::from(block.table)].clone(), entries))
        });
        entries.collect::<Result<_, Failure>>().map(Some).map_err(|failure| failure.at(&self.file.uri))
    }
}

fn coalesce(blocks: impl Iterator<Item = BlockInfo>) -> VecDeque<(Range<u64>, Vec<BlockInfo>)> {
    let mut reads: VecDeque<(Range<u64>, Vec<BlockInfo>)> = VecDeque::new();
    for block in blocks {
        let end = block.offset + u64::from(block.length);
        match reads.back_mut() {
            Some((range, blocks)) if block.offset - range.end <= GAP_BYTES_MAX && end - range.start <= READ_BYTES => {
                range.end = end;
                blocks.push(block);
            }
            _ => reads.push_back((block.offset..end, vec![block])),
        }
    }
    reads
}
