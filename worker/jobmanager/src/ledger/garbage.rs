//! Which files of a job nothing refers to any more, and their deletion.

use checkpoint::{SnapshotRef, layout, pointer, retention};
use futures::StreamExt;
use model::Failure;
use storage::{Object, Storage};

use super::Ledger;

/// Deletions at a time.
const DELETIONS: usize = 8;

/// Files that nothing refers to any more.
#[derive(Debug, Default)]
pub(crate) struct Garbage {
    files: Vec<String>,
}

impl Ledger {
    fn kept(&self) -> Vec<SnapshotRef> {
        self.mine.iter().flat_map(|mine| mine.retained.iter().chain(&mine.checkpoint)).cloned().collect()
    }

    pub(super) fn garbage(&mut self, dropped: &[SnapshotRef]) -> Garbage {
        let Some(root) = &self.root else { return Garbage::default() };
        let kept = self.kept();
        let files = retention::deletable(root, dropped, &kept, &self.manifests);
        self.manifests.retain(|uri, _| kept.iter().any(|snapshot| snapshot.uri == *uri));
        Garbage { files }
    }

    /// Old records of the pointer.
    pub(crate) async fn obsolete_records(&self) -> Garbage {
        let Some(root) = &self.root else { return Garbage::default() };
        match self.records().await {
            Ok(numbers) => {
                let files = pointer::obsolete(numbers).into_iter().map(|number| layout::pointer_record(root, number));
                Garbage { files: files.collect() }
            }
            Err(failure) => {
                tracing::warn!(job = %self.job_id, "old pointer records stay: {failure}");
                Garbage::default()
            }
        }
    }

    /// What earlier owners left behind without reference.
    pub(crate) async fn leftovers(&self) -> Result<Garbage, Failure> {
        let Some(root) = &self.root else { return Ok(Garbage::default()) };
        let Some(claimed) = self.storage.head(&layout::pointer_record(root, self.started_at)).await? else {
            return Ok(Garbage::default());
        };
        let objects = self.files_below(root).await?;
        let objects: Vec<_> = objects
            .into_iter()
            .map(|object| retention::Object { uri: object.uri, modified_ms: object.modified_ms })
            .collect();
        let files = retention::sweepable(root, &objects, &self.kept(), &self.manifests, claimed.modified_ms);
        Ok(Garbage { files })
    }

    /// All files below a folder, those too that a killed process did not finish.
    async fn files_below(&self, folder: &str) -> Result<Vec<Object>, Failure> {
        let mut files = self.storage.list(folder).await?;
        files.extend(self.storage.unfinished(folder).await?);
        Ok(files)
    }

    /// The files of a checkpoint that was never committed.
    pub(crate) async fn of_checkpoint(&self, directory: &str) -> Result<Garbage, Failure> {
        if self.kept().iter().any(|snapshot| snapshot.uri == directory) {
            return Ok(Garbage::default());
        }
        let objects = self.files_below(directory).await?;
        Ok(Garbage { files: objects.into_iter().map(|object| object.uri).collect() })
    }
}

impl Garbage {
    /// Deletes: metadata first, so that nothing half-deleted looks like a snapshot. What cannot be deleted is left to a
    /// later sweep.
    pub(crate) async fn delete(self, storage: &Storage) {
        let (metadata, others): (Vec<_>, Vec<_>) =
            self.files.into_iter().partition(|uri| uri.ends_with(layout::METADATA));
        for files in [metadata, others] {
            let deletions = files.into_iter().map(|uri| {
                let storage = storage.clone();
                async move { storage.delete(&uri).await }
            });
            let results = futures::stream::iter(deletions).buffer_unordered(DELETIONS);
            let failures: Vec<Failure> = results.filter_map(|result| async { result.err() }).collect().await;
            if let Some(failure) = failures.first() {
                tracing::warn!(left = failures.len(), "files could not be deleted: {failure}");
                return;
            }
        }
    }
}
