//! A local file that is written in parts.

use std::{fs::File, io, os::unix::fs::FileExt, path::PathBuf, sync::Arc};

use futures::FutureExt;
use object_store::{MultipartUpload, PutPayload, PutResult, Result, UploadPart};
use tempfile::TempPath;

use super::{begin, blocking, failed, finish, stored};

/// A file under its hidden name. Dropped, it is deleted.
#[derive(Debug)]
pub(super) struct Upload {
    target: PathBuf,
    file: Arc<File>,
    /// None once it has ended.
    hidden: Option<TempPath>,
    /// Where the next part begins.
    offset: u64,
}

impl Upload {
    pub(super) fn begin(target: PathBuf) -> Result<Self> {
        let (file, hidden) = begin(&target).map_err(|error| failed(&target, error))?.into_parts();
        Ok(Self { target, file: Arc::new(file), hidden: Some(hidden), offset: 0 })
    }

    fn take_hidden(&mut self) -> Result<TempPath> {
        let ended = || failed(&self.target, io::Error::other("has ended already"));
        self.hidden.take().ok_or_else(ended)
    }
}

#[async_trait::async_trait]
impl MultipartUpload for Upload {
    fn put_part(&mut self, data: PutPayload) -> UploadPart {
        let (file, target, mut offset) = (Arc::clone(&self.file), self.target.clone(), self.offset);
        self.offset += data.content_length() as u64;
        let write = move || -> Result<()> {
            for piece in &data {
                file.write_all_at(piece, offset).map_err(|error| failed(&target, error))?;
                offset += piece.len() as u64;
            }
            Ok(())
        };
        blocking(write).boxed()
    }

    async fn complete(&mut self) -> Result<PutResult> {
        let (hidden, target) = (self.take_hidden()?, self.target.clone());
        blocking(move || finish(hidden, &target, false).map_err(|error| failed(&target, error))).await?;
        Ok(stored())
    }

    async fn abort(&mut self) -> Result<()> {
        let (hidden, target) = (self.take_hidden()?, self.target.clone());
        blocking(move || hidden.close().map_err(|error| failed(&target, error))).await
    }
}
