//! Reads the snapshots that a job restores from, and detects missing ones.

use std::sync::Arc;

use bytes::Bytes;
use checkpoint::{Manifest, Record, SnapshotKind, SnapshotRef, layout, metadata};
use model::Failure;

use super::Ledger;

/// How the user says that a job may start without its state.
const ALLOWED_BY: &str = "to start without state, set execution.state-recovery.ignore-lost-checkpoints to true";

type Snapshot = (SnapshotRef, Arc<Manifest>);

impl Ledger {
    /// The snapshot that the user named, if no start has used it yet.
    pub(super) async fn wanted_restore(&self, latest: Option<&Record>) -> Result<Option<Snapshot>, Failure> {
        let Some(path) = &self.spec.restore_from else { return Ok(None) };
        let folder = self.folder(path)?;
        let is_used = |latest: &Record| latest.restored_from.iter().any(|used| used == path || *used == folder);
        if latest.is_some_and(is_used) {
            return Ok(None);
        }
        self.snapshot(path).await.map(Some)
    }

    /// A folder that the user named, as the pointer names it: below the job's folder if it is in there, otherwise whole,
    /// because TaskManagers have working directories of their own.
    fn folder(&self, path: &str) -> Result<String, Failure> {
        let whole = self.storage.absolute(path)?;
        let Some(root) = &self.root else { return Ok(whole) };
        let inside = format!("{}/", self.storage.absolute(root)?);
        Ok(whole.strip_prefix(&inside).map(|rest| format!("{root}/{rest}")).unwrap_or(whole))
    }

    /// Reads a snapshot that the user named.
    pub(super) async fn snapshot(&self, path: &str) -> Result<Snapshot, Failure> {
        let folder = self.folder(path)?;
        let uri = layout::metadata_file(&folder);
        let content = self.storage.get_optional(&uri).await?;
        let content = content.ok_or_else(|| Failure::user(format!("{path}: is no savepoint or checkpoint")))?;
        let manifest = metadata::decode(&uri, &content)?;
        self.check_files_beside(&folder, &manifest).await?;
        // What another job or the user owns must never be deleted by this one.
        let is_own = self.root.as_ref().is_some_and(|root| layout::checkpoint_within(root, &folder) == folder);
        let kind = if is_own { manifest.kind } else { SnapshotKind::Savepoint };
        let reference = SnapshotRef { id: manifest.checkpoint_id, uri: folder, kind };
        Ok((reference, Arc::new(manifest)))
    }

    /// A checkpoint shares files with others: its own folder is not all of it.
    async fn check_files_beside(&self, folder: &str, manifest: &Manifest) -> Result<(), Failure> {
        let inside = format!("{folder}/");
        let Some(file) = manifest.files().find(|file| !file.uri.starts_with(&inside)) else { return Ok(()) };
        if self.storage.exists(&file.uri).await? {
            return Ok(());
        }
        Err(Failure::user(format!(
            "{folder}: {} is missing. A checkpoint shares files with others, which are not in its folder: copy the folder \
             of the whole job, or take a savepoint",
            file.uri
        )))
    }

    /// The manifest of the checkpoint that the pointer names; none if it is gone and the user allows that.
    pub(super) async fn latest_manifest(&mut self, latest: &SnapshotRef) -> Result<Option<Arc<Manifest>>, Failure> {
        match self.find_manifest(&latest.uri).await? {
            None if self.spec.ignore_lost => {
                tracing::warn!(job = %self.job_id, checkpoint = latest.uri, "it is missing: the job starts without state, as allowed");
                Ok(None)
            }
            None => Err(missing(&latest.uri, &format!("the job would resume from it; {ALLOWED_BY}"))),
            found => Ok(found),
        }
    }

    /// The manifest of a snapshot that the pointer names.
    pub(super) async fn manifest(&mut self, directory: &str) -> Result<Arc<Manifest>, Failure> {
        let found = self.find_manifest(directory).await?;
        found.ok_or_else(|| missing(directory, "the pointer names it"))
    }

    async fn find_manifest(&mut self, directory: &str) -> Result<Option<Arc<Manifest>>, Failure> {
        if let Some(manifest) = self.manifests.get(directory) {
            return Ok(Some(Arc::clone(manifest)));
        }
        let uri = layout::metadata_file(directory);
        let Some(content) = self.storage.get_optional(&uri).await? else { return Ok(None) };
        let manifest = Arc::new(metadata::decode(&uri, &content)?);
        self.manifests.insert(directory.to_owned(), Arc::clone(&manifest));
        Ok(Some(manifest))
    }

    /// Before a job begins without a pointer: refuses if it has had one, unless the user allows that.
    pub(super) async fn check_nothing_is_lost(&self) -> Result<(), Failure> {
        let (Some(root), Some(trace)) = (&self.root, self.trace()) else { return Ok(()) };
        let sign = if self.storage.exists(&trace).await? {
            Some(trace)
        } else {
            let objects = self.storage.list(root).await?;
            objects.into_iter().map(|object| object.uri).find(|uri| uri.ends_with(layout::METADATA))
        };
        let Some(sign) = sign else { return Ok(()) };
        let place = self.pointer_place();
        if self.spec.ignore_lost {
            tracing::warn!(job = %self.job_id, sign, "{place} is missing: the job starts without state, as allowed");
            return Ok(());
        }
        Err(Failure::user(format!(
            "job {} has had checkpoints ({sign} says so), but {place} is gone. To go on, put the job's folder back, or name a \
             snapshot (execution.state-recovery.path); {ALLOWED_BY}",
            self.job_id
        )))
    }

    /// Records outside of the job's folder that the job has had a snapshot, so that a start notices if the folder is lost.
    pub(super) async fn leave_trace(&mut self) -> Result<(), Failure> {
        let Some(trace) = self.trace().filter(|_| !self.has_trace) else { return Ok(()) };
        let content = Bytes::from(layout::trace_content(&self.job_id));
        // One that is there already says the same.
        self.storage.put_if_absent(&trace, content).await?;
        self.has_trace = true;
        Ok(())
    }

    fn trace(&self) -> Option<String> {
        self.spec.checkpoint_dir.as_deref().map(|dir| layout::trace(dir, &self.job_id))
    }
}

fn missing(directory: &str, why: &str) -> Failure {
    Failure::data(format!("{}: is missing; {why}", layout::metadata_file(directory)))
}
