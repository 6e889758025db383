//! Moving files between a local disk and object storage, and folders that remove themselves.

#![expect(clippy::disallowed_methods, reason = "names a folder of its own")]

use std::path::{Path, PathBuf};

use bytes::BytesMut;
use checkpoint::StateFile;
use model::Failure;
use storage::Storage;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

const PIECE_BYTES: usize = 1 << 20;

/// A local folder that is removed with this value.
#[derive(Debug)]
pub(crate) struct Folder(PathBuf);

impl Folder {
    /// Makes a folder of a new name in `parent`.
    pub(crate) fn create(parent: &Path, name: &str) -> Result<Self, Failure> {
        let path = Self::reserve(parent, name);
        std::fs::create_dir_all(&path.0).map_err(|error| local(&path.0, &error))?;
        Ok(path)
    }

    /// A new name in `parent`, where someone else makes the folder.
    pub(crate) fn reserve(parent: &Path, name: &str) -> Self {
        Self(parent.join(format!("{name}-{}", uuid::Uuid::new_v4())))
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    /// The folder stays; the caller removes it.
    pub(crate) fn keep(mut self) -> PathBuf {
        std::mem::take(&mut self.0)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if !self.0.as_os_str().is_empty()
            && let Err(error) = std::fs::remove_dir_all(&self.0)
            && error.kind() != std::io::ErrorKind::NotFound
        {
            tracing::warn!(folder = %self.0.display(), %error, "folder could not be removed");
        }
    }
}

/// A failure of the local disk.
pub(crate) fn local(path: &Path, error: &std::io::Error) -> Failure {
    Failure::external(format!("{}: {error}", path.display()))
}

/// Uploads a local file, which does not change any more.
pub(crate) async fn upload(storage: &Storage, path: &Path, name: &str, uri: String) -> Result<StateFile, Failure> {
    let failed = |error: std::io::Error| local(path, &error);
    let mut file = tokio::fs::File::open(path).await.map_err(failed)?;
    let mut writer = if storage.link(path, &uri).await? { None } else { Some(storage.writer(&uri).await?) };
    let mut crc = crc32fast::Hasher::new();
    let mut size = 0;
    loop {
        let mut piece = BytesMut::with_capacity(PIECE_BYTES);
        match file.read_buf(&mut piece).await {
            Ok(0) => break,
            Ok(read) => {
                crc.update(&piece);
                size += read as u64;
                if let Some(writer) = &mut writer {
                    writer.write(piece.freeze()).await?;
                }
            }
            Err(error) => {
                if let Some(writer) = writer {
                    writer.abort().await?;
                }
                return Err(failed(error));
            }
        }
    }
    if let Some(writer) = writer {
        size = writer.finish().await?;
    }
    Ok(StateFile { name: name.to_owned(), uri, size, crc32: crc.finalize() })
}

/// Downloads a file into `folder` under its own name, checking length and CRC.
pub(crate) async fn download(storage: &Storage, file: &StateFile, folder: &Path) -> Result<(), Failure> {
    let name = Path::new(&file.name);
    if name.file_name() != Some(name.as_os_str()) {
        return Err(Failure::data(format!("{}: '{}' is no name of a state file", file.uri, file.name)));
    }
    let path = folder.join(name);
    let failed = |error: std::io::Error| local(&path, &error);
    let mut reader = storage.reader(&file.uri).await?;
    check_size(file, reader.size())?;
    let mut target = tokio::fs::File::create(&path).await.map_err(failed)?;
    let mut crc = crc32fast::Hasher::new();
    let mut size = 0;
    while let Some(piece) = reader.next().await? {
        crc.update(&piece);
        size += piece.len() as u64;
        target.write_all(&piece).await.map_err(failed)?;
    }
    target.flush().await.map_err(failed)?;
    check_size(file, size)?;
    if crc.finalize() != file.crc32 {
        return Err(Failure::data(format!("{}: the file is damaged: its checksum differs", file.uri)));
    }
    Ok(())
}

/// Holds the length of a file against the snapshot.
pub(crate) fn check_size(file: &StateFile, size: u64) -> Result<(), Failure> {
    if size == file.size {
        return Ok(());
    }
    Err(Failure::data(format!("{}: the file has {size} bytes, the snapshot lists {}", file.uri, file.size)))
}
