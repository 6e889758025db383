//! The asynchronous part of a snapshot.

#![expect(clippy::disallowed_methods, reason = "names files; owns the writing thread")]

use std::{
    collections::{BTreeMap, HashMap},
    ops::RangeInclusive,
    path::Path,
    sync::{Arc, Mutex, PoisonError},
    thread::JoinHandle,
};

use bytes::Bytes;
use checkpoint::{KeyedState, StateFile, StateFormat};
use futures::{StreamExt, TryStreamExt};
use model::Failure;
use storage::Storage;
use tokio::sync::{mpsc, oneshot};

use crate::{
    disk::{self, Catalog, Disk},
    files::{Folder, local, upload},
    restore::FILES_IN_FLIGHT_MAX,
    snapshot::{Blocks, Header},
    table::{FrozenEntries, PartEntries},
};

/// Pieces of a snapshot file between the thread that encodes and the upload.
const PIECES_IN_FLIGHT_MAX: usize = 16;

/// Hard links to the files of a database. Keeps the database's folder alive.
pub(crate) struct Links {
    folder: Folder,
    disk: Arc<Disk>,
}

/// The links, once the database has all that belongs to the snapshot; `None` if there is no state.
pub(crate) type PendingLinks = oneshot::Receiver<Result<Option<Links>, Failure>>;

/// Brings a database up to date for a snapshot and links to its files, on a thread of its own.
///
/// The thread starts at once, and not when the snapshot is written: until it is done the tables may have to wait for it.
pub(crate) struct Linking {
    pub(crate) disk: Arc<Disk>,
    pub(crate) catalog: Catalog,
    /// Tables that are no longer there.
    pub(crate) dropped: Vec<u16>,
    pub(crate) frozen: Vec<Box<dyn FrozenEntries>>,
    /// The thread of the snapshot before, which has to be done first.
    pub(crate) earlier: Option<JoinHandle<()>>,
}

impl Linking {
    pub(crate) fn start(self) -> Result<(JoinHandle<()>, PendingLinks), Failure> {
        let (sender, links) = oneshot::channel();
        let thread = std::thread::Builder::new().name("state-snapshot".to_owned());
        let thread = thread.spawn(move || {
            // Nobody waits for the links of a snapshot that was given up.
            let _ = sender.send(self.run());
        });
        let thread = thread.map_err(|error| Failure::external(format!("no thread for a snapshot: {error}")))?;
        Ok((thread, links))
    }

    fn run(self) -> Result<Option<Links>, Failure> {
        let Self { disk, catalog, dropped, mut frozen, earlier } = self;
        if let Some(earlier) = earlier
            && earlier.join().is_err()
        {
            disk.fail(Failure::internal("the thread of a snapshot panicked"));
        }
        // Entries that an earlier snapshot could not write count as written: without them this one must not exist.
        disk.check()?;
        frozen.iter_mut().try_for_each(|part| part.write())?;
        dropped.into_iter().try_for_each(|table| disk.delete_table(table))?;
        if catalog.keys() == 0 {
            return Ok(None);
        }
        disk.put_catalog(&catalog)?;
        let folder = Folder::reserve(disk.root(), "snapshot");
        disk.link_to(folder.path())?;
        // The frozen parts are dropped here, and the tables may go on.
        Ok(Some(Links { folder, disk }))
    }
}

/// What is to be written.
pub(crate) enum Work {
    /// There is no state.
    Nothing,
    /// Tables in memory, by name.
    Memory(Vec<(Arc<str>, Box<dyn PartEntries>)>),
    /// A database, in the backend-neutral form.
    Savepoint(PendingLinks, Catalog),
    /// The files of a database.
    Checkpoint(PendingLinks, Arc<Mutex<Uploads>>),
}

/// Which files of the database are in object storage.
///
/// Only files of the last completed checkpoint are shared: files of one that may yet fail could be deleted.
#[derive(Debug, Default)]
pub(crate) struct Uploads {
    completed: HashMap<String, StateFile>,
    pending: BTreeMap<u64, HashMap<String, StateFile>>,
}

impl Uploads {
    pub(crate) fn restored(completed: HashMap<String, StateFile>) -> Self {
        Self { completed, pending: BTreeMap::new() }
    }

    pub(crate) fn complete(&mut self, checkpoint_id: u64) {
        if let Some(files) = self.pending.remove(&checkpoint_id) {
            self.completed = files;
        }
        self.pending.retain(|&id, _| id > checkpoint_id);
    }
}

/// A snapshot whose content is fixed, but not yet written.
pub struct PendingSnapshot {
    pub(crate) work: Work,
    pub(crate) key_groups: RangeInclusive<u16>,
    pub(crate) max_parallelism: u32,
}

impl PendingSnapshot {
    /// Writes the files of the snapshot below `directory`; files that later checkpoints may share go to
    /// `shared_directory`. `None` if there is no state.
    ///
    /// # Errors
    /// If a file cannot be written. What was written by then is deleted as far as possible.
    pub async fn write(
        self,
        storage: &Storage,
        directory: &str,
        shared_directory: &str,
        checkpoint_id: u64,
    ) -> Result<Option<KeyedState>, Failure> {
        let (first_key_group, last_key_group) = (*self.key_groups.start(), *self.key_groups.end());
        let header =
            |tables| Header { key_groups: self.key_groups.clone(), max_parallelism: self.max_parallelism, tables };
        let (format, files) = match self.work {
            Work::Nothing => return Ok(None),
            Work::Memory(tables) => {
                let header = header(tables.iter().map(|(name, _)| name.to_string()).collect());
                let write = move |blocks: &mut Blocks<'_>| {
                    let mut tables = tables.into_iter().zip(0u16..);
                    tables.try_for_each(|((_, entries), table)| entries.write(table, blocks))
                };
                (StateFormat::SnapshotV1, vec![write_snapshot(storage, directory, header, write).await?])
            }
            Work::Savepoint(links, catalog) => {
                let Some(links) = linked(links).await? else { return Ok(None) };
                let header = header(catalog.tables.keys().cloned().collect());
                let write = move |blocks: &mut Blocks<'_>| copy_database(&links, &catalog, blocks);
                (StateFormat::SnapshotV1, vec![write_snapshot(storage, directory, header, write).await?])
            }
            Work::Checkpoint(links, uploads) => {
                let Some(links) = linked(links).await? else {
                    // Nothing of an earlier checkpoint is part of this one, so its files may be deleted.
                    remember(&uploads, checkpoint_id, HashMap::new());
                    return Ok(None);
                };
                let files =
                    upload_database(storage, links.folder.path(), directory, shared_directory, &uploads).await?;
                let shared = files.iter().filter(|file| is_shared(&file.name));
                let shared = shared.map(|file| (file.name.clone(), file.clone())).collect();
                remember(&uploads, checkpoint_id, shared);
                (StateFormat::RocksdbV1, files)
            }
        };
        Ok(Some(KeyedState { first_key_group, last_key_group, format, files }))
    }
}

fn remember(uploads: &Mutex<Uploads>, checkpoint_id: u64, shared: HashMap<String, StateFile>) {
    uploads.lock().unwrap_or_else(PoisonError::into_inner).pending.insert(checkpoint_id, shared);
}

async fn linked(links: PendingLinks) -> Result<Option<Links>, Failure> {
    links.await.map_err(|_| Failure::internal("the thread of a snapshot panicked"))?
}

/// Table files never change; all others belong to one checkpoint.
fn is_shared(name: &str) -> bool {
    name.ends_with(".sst")
}

fn copy_database(links: &Links, catalog: &Catalog, blocks: &mut Blocks<'_>) -> Result<(), Failure> {
    // By number in the snapshot and by id in the database.
    let tables: HashMap<&str, (u16, u16)> =
        catalog.tables.iter().zip(0u16..).map(|((name, table), number)| (name.as_str(), (number, table.id))).collect();
    let expiring = links.disk.expiring();
    let copied = disk::scan(links.folder.path(), 0..=u16::MAX - 1, &mut |table, namespace, key, value| {
        let place = tables.get(table).copied();
        let (table, id) = place.ok_or_else(|| Failure::internal("the state database has an unknown table"))?;
        if expiring.is_expired(id, value) {
            return Ok(());
        }
        let append = |out: &mut Vec<u8>| out.extend_from_slice(value);
        blocks.add(table, model::key::hash(key), namespace, key, append)
    });
    copied.map(drop)
}

/// Writes a snapshot file: encoded on a thread of its own, uploaded here.
async fn write_snapshot(
    storage: &Storage,
    directory: &str,
    header: Header,
    write: impl FnOnce(&mut Blocks<'_>) -> Result<(), Failure> + Send + 'static,
) -> Result<StateFile, Failure> {
    let name = format!("state-{}-{}-{}", header.key_groups.start(), header.key_groups.end(), uuid::Uuid::new_v4());
    let uri = storage::join(directory, &name);
    let (sender, mut pieces) = mpsc::channel::<Bytes>(PIECES_IN_FLIGHT_MAX);
    let encoding = tokio::task::spawn_blocking(move || {
        let mut send = |piece: Bytes| {
            // The receiver is only gone if the upload failed, which is then what is reported.
            sender.blocking_send(piece).map_err(|_| Failure::external("the snapshot was given up"))
        };
        let mut blocks = Blocks::new(header, &mut send)?;
        write(&mut blocks)?;
        blocks.finish()
    });
    let mut writer = storage.writer(&uri).await?;
    let mut crc = crc32fast::Hasher::new();
    while let Some(piece) = pieces.recv().await {
        crc.update(&piece);
        if let Err(failure) = writer.write(piece).await {
            let _ = writer.abort().await;
            return Err(failure);
        }
    }
    let encoded = encoding.await.map_err(|error| Failure::internal(format!("state thread: {error}")));
    if let Err(failure) = encoded.and_then(|encoded| encoded) {
        let _ = writer.abort().await;
        return Err(failure.at(&uri));
    }
    let size = writer.finish().await?;
    Ok(StateFile { name: "state".to_owned(), uri, size, crc32: crc.finalize() })
}

/// Uploads the files of a database, but those that a completed checkpoint has uploaded.
async fn upload_database(
    storage: &Storage,
    folder: &Path,
    directory: &str,
    shared_directory: &str,
    uploads: &Mutex<Uploads>,
) -> Result<Vec<StateFile>, Failure> {
    let (mut files, mut new) = (Vec::new(), Vec::new());
    for name in file_names(folder)? {
        let path = folder.join(&name);
        let size = std::fs::metadata(&path).map_err(|error| local(&path, &error))?.len();
        let known = uploads.lock().unwrap_or_else(PoisonError::into_inner).completed.get(&name).cloned();
        // A file restored from elsewhere belongs to someone else, who may delete it.
        let below = format!("{}/", shared_directory.trim_end_matches('/'));
        match known.filter(|file| is_shared(&name) && file.size == size && file.uri.starts_with(&below)) {
            Some(file) => files.push(file),
            None => {
                let directory = if is_shared(&name) { shared_directory } else { directory };
                let uri = storage::join(directory, &format!("{}-{name}", uuid::Uuid::new_v4()));
                new.push((path, name, uri));
            }
        }
    }
    // Collected first: a stream over the closure would not be `Send` for every lifetime.
    let uploading: Vec<_> = new.iter().map(|(path, name, uri)| upload(storage, path, name, uri.clone())).collect();
    let uploaded: Result<Vec<_>, _> =
        futures::stream::iter(uploading).buffer_unordered(FILES_IN_FLIGHT_MAX).try_collect().await;
    match uploaded {
        Ok(uploaded) => {
            files.extend(uploaded);
            files.sort_by(|a, b| a.name.cmp(&b.name));
            Ok(files)
        }
        Err(failure) => {
            for (_, _, uri) in new {
                if let Err(error) = storage.delete(&uri).await {
                    tracing::warn!(uri, %error, "a file of a failed checkpoint stays behind");
                }
            }
            Err(failure)
        }
    }
}

/// The files of a database that make it up; logs are not among them.
fn file_names(folder: &Path) -> Result<Vec<String>, Failure> {
    let failed = |error: std::io::Error| local(folder, &error);
    let mut names = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(failed)? {
        let name = entry.map_err(failed)?.file_name().to_string_lossy().into_owned();
        if !name.starts_with("LOG") && name != "LOCK" && name != "IDENTITY" {
            names.push(name);
        }
    }
    names.sort();
    Ok(names)
}
