//! The second phase of the sink: prepared files are moved to their places, once, and it is remembered that they were.
//!
//! The files that a subtask prepares for one checkpoint are moved together: copied, then marked as committed by an object
//! beside the staged ones, then deleted where they were staged. The mark stays, since a savepoint that holds the files may be
//! restored at any time, and by then they may have been moved on from their places. So a file that is nowhere was either
//! committed, which the mark tells, or is lost, which is an error.

use bytes::Bytes;
use checkpoint::Item;
use futures::{StreamExt, TryStreamExt, stream};
use model::Failure;
use serde::{Deserialize, Serialize};
use storage::Storage;

use super::partition_commit::PendingPartition;

/// Files that are moved at a time.
const MOVES_IN_FLIGHT: usize = 8;

/// A finished file under its staging name, to be moved to its final name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct StagedFile {
    pub(super) staged: String,
    #[serde(rename = "final")]
    pub(super) target: String,
}

/// The version of [`Prepared`] that is written.
const VERSION: u32 = 1;

/// What a subtask prepared for a checkpoint: what the checkpoint holds of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Prepared {
    /// [`VERSION`] of the writer; 0 if that did not tell.
    #[serde(default)]
    version: u32,
    pub(super) files: Vec<StagedFile>,
    /// The object that tells that the files were moved; none in snapshots of engines that left no marks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) mark: Option<String>,
    /// Partitions that wait to be told of, or are to be now.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) partitions: Vec<PendingPartition>,
}

impl Prepared {
    /// Files without a mark.
    pub(super) fn of(files: Vec<StagedFile>) -> Self {
        Self { version: VERSION, files, mark: None, partitions: Vec::new() }
    }

    pub(super) fn to_item(&self) -> Result<Item, Failure> {
        serde_json::to_vec(self).map(Item).map_err(|error| Failure::internal(format!("prepared files: {error}")))
    }

    pub(super) fn from_item(item: &Item) -> Result<Self, Failure> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Form {
            Prepared(Prepared),
            /// What engines without marks wrote.
            File(StagedFile),
        }
        match serde_json::from_slice(&item.0) {
            Ok(Form::Prepared(prepared)) if prepared.version > VERSION => Err(Failure::data(format!(
                "prepared files in the snapshot: version {} is newer than this build's {VERSION}",
                prepared.version
            ))),
            Ok(Form::Prepared(prepared)) => Ok(prepared),
            Ok(Form::File(file)) => Ok(Self::of(vec![file])),
            Err(error) => Err(Failure::data(format!("prepared files in the snapshot: {error}"))),
        }
    }
}

/// Moves prepared files to their places. Done twice, even at the same time, it does nothing more; `is_first` says that
/// nobody can have begun it before.
pub(super) async fn commit(storage: &Storage, prepared: &Prepared, is_first: bool) -> Result<(), Failure> {
    if is_first || !is_marked(storage, prepared).await? {
        let mark = prepared.mark.as_deref();
        let moved = each(storage, prepared, |storage, file| {
            let mark = mark.map(str::to_owned);
            async move { place(&storage, &file, is_first, mark).await }
        });
        let moved = moved.await;
        // Someone else may just have committed the same.
        if moved.is_err() && !is_marked(storage, prepared).await? {
            return moved;
        }
        if let Some(mark) = &prepared.mark {
            storage.put(mark, Bytes::from(prepared.to_item()?.0)).await?;
        }
    }
    each(storage, prepared, |storage, file| async move { storage.delete(&file.staged).await }).await
}

async fn is_marked(storage: &Storage, prepared: &Prepared) -> Result<bool, Failure> {
    match &prepared.mark {
        Some(mark) => storage.exists(mark).await,
        None => Ok(false),
    }
}

async fn each<F>(storage: &Storage, prepared: &Prepared, work: impl Fn(Storage, StagedFile) -> F) -> Result<(), Failure>
where
    F: Future<Output = Result<(), Failure>>,
{
    let work = stream::iter(prepared.files.clone()).map(|file| work(storage.clone(), file));
    work.buffer_unordered(MOVES_IN_FLIGHT).try_collect().await
}

/// Copies a staged file to its place. If it is nowhere, `mark` is what would tell that it was committed.
async fn place(storage: &Storage, file: &StagedFile, is_first: bool, mark: Option<String>) -> Result<(), Failure> {
    let StagedFile { staged, target } = file;
    // Names are not used twice, so it is what was staged.
    if !is_first && storage.exists(target).await? {
        return Ok(());
    }
    let Err(failure) = storage.copy(staged, target).await else {
        if !is_first {
            // Older engines copied a local file under this name first, and may have been killed before they renamed it.
            storage.delete(&format!("{target}#0")).await?;
        }
        return Ok(());
    };
    if storage.exists(staged).await? {
        return Err(failure);
    }
    if storage.exists(target).await? {
        return Ok(());
    }
    let Some(mark) = mark else {
        tracing::warn!("{target}: is gone, and so is {staged}: taken for committed and moved away");
        return Ok(());
    };
    Err(Failure::data(format!(
        "{staged}: the prepared file is gone, and {target} was never made from it: its rows are lost \
         (there is no {mark}, which would tell that they were committed)"
    )))
}

#[cfg(test)]
mod frozen;
