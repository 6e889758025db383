//! The handle: requests by URI.

#![expect(clippy::disallowed_methods, reason = "waits between attempts; names a probe")]

use std::{ops::Range, path::Path, sync::Arc};

use bytes::Bytes;
use futures::TryStreamExt;
use model::Failure;
use object_store::{Error, GetOptions, ObjectStore, ObjectStoreExt, PutMode};

use crate::{
    error::{failure, is_missing},
    local::{self, LocalFiles},
    location::{Location, StoreId},
    stores::{BACKOFF_INITIAL, BACKOFF_MAX, RETRIES_MAX, StorageOptions, Store, Stores},
    stream::{PART_BYTES, Reader, Writer},
};

/// A stored object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Object {
    /// Its URI, in the form it was asked for.
    pub uri: String,
    /// Length in bytes.
    pub size: u64,
    /// When it was last written, in milliseconds since the epoch.
    pub modified_ms: i64,
}

/// Access to all stores. Cheap to clone; clients are shared and made on first use.
///
/// Requests that failed outside are repeated a bounded number of times. Every failure names the URI.
#[derive(Clone)]
pub struct Storage {
    stores: Arc<Stores>,
}

impl std::fmt::Debug for Storage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Storage")
    }
}

/// A URI together with its store.
struct Target<'a> {
    uri: &'a str,
    location: Location,
    store: Store,
}

impl Target<'_> {
    fn failure(&self, error: &Error) -> Failure {
        failure(self.uri, &self.location, error)
    }

    fn object(&self, meta: &object_store::ObjectMeta) -> Object {
        Object {
            uri: self.location.uri_of(&meta.location),
            size: meta.size,
            modified_ms: meta.last_modified.timestamp_millis(),
        }
    }
}

impl Storage {
    /// A handle with these options. Nothing is contacted yet.
    pub fn new(options: StorageOptions) -> Self {
        Self { stores: Arc::new(Stores::new(options)) }
    }

    fn target<'a>(&self, uri: &'a str) -> Result<Target<'a>, Failure> {
        let location = Location::parse(uri)?;
        let store = self.stores.get(&location.store).map_err(|failure| failure.at(uri))?;
        Ok(Target { uri, location, store })
    }

    /// A URI that means the same in every process: a relative path is completed by this one's working directory.
    ///
    /// # Errors
    /// If it is no URI.
    pub fn absolute(&self, uri: &str) -> Result<String, Failure> {
        let location = Location::parse(uri)?;
        Ok(location.uri_of(&location.path))
    }

    /// Stores an object, replacing an older one. Readers see the old or the new content, never a part.
    ///
    /// # Errors
    /// If the store refuses or cannot be reached.
    pub async fn put(&self, uri: &str, content: Bytes) -> Result<(), Failure> {
        if content.len() > 2 * PART_BYTES {
            let mut writer = self.writer(uri).await?;
            writer.write(content).await?;
            return writer.finish().await.map(drop);
        }
        let target = self.target(uri)?;
        target
            .store
            .client
            .put(&target.location.path, content.into())
            .await
            .map(drop)
            .map_err(|error| target.failure(&error))
    }

    /// Stores an object unless there is one; says whether this call created it.
    ///
    /// If an answer is lost, the object is read back: equal content counts as created by this call, so callers that
    /// compete for a name must store something that tells them apart.
    ///
    /// # Errors
    /// If the store cannot be reached, in which case the outcome is unknown.
    pub async fn put_if_absent(&self, uri: &str, content: Bytes) -> Result<bool, Failure> {
        let target = self.target(uri)?;
        let path = &target.location.path;
        let mut answer_lost = false;
        let mut backoff = BACKOFF_INITIAL;
        for attempt in 0.. {
            let options = PutMode::Create.into();
            let error = match target.store.once.put_opts(path, content.clone().into(), options).await {
                Ok(_) => return Ok(true),
                Err(error) => error,
            };
            let exists = matches!(error, Error::AlreadyExists { .. } | Error::Precondition { .. });
            if !exists && !matches!(error, Error::Generic { .. } | Error::JoinError { .. }) {
                return Err(target.failure(&error));
            }
            // "Already exists" may also mean that someone else is just trying, and fails; so look.
            answer_lost |= !exists;
            match self.get_optional(uri).await {
                Ok(Some(stored)) => return Ok(answer_lost && stored == content),
                Ok(None) => {}
                Err(unreadable) if attempt >= RETRIES_MAX => return Err(unreadable),
                Err(_) => {}
            }
            if attempt >= RETRIES_MAX {
                return Err(target.failure(&error));
            }
            tokio::time::sleep(backoff).await;
            backoff = (backoff * 2).min(BACKOFF_MAX);
        }
        unreachable!("the loop ends by its last attempt")
    }

    /// Makes sure that [`Self::put_if_absent`] means what it says in this store: some servers ignore the condition and
    /// replace the object, and then two JobManagers could both commit. Leaves nothing below `directory`.
    ///
    /// # Errors
    /// Class `User` if the store ignores the condition; otherwise as [`Self::put`].
    pub async fn check_conditional_put(&self, directory: &str) -> Result<(), Failure> {
        let uri = crate::join(directory, &format!("conditional-put-check-{}", uuid::Uuid::new_v4()));
        // Whether the first one wrote it or a retry found what a lost answer had written does not matter.
        self.put_if_absent(&uri, Bytes::from_static(b"first")).await?;
        let replaced = self.put_if_absent(&uri, Bytes::from_static(b"second")).await;
        self.delete(&uri).await?;
        if !replaced? {
            return Ok(());
        }
        Err(Failure::user(format!(
            "{directory}: the store does not support conditional puts (If-None-Match), which commits need"
        )))
    }

    /// The content of an object.
    ///
    /// # Errors
    /// Class `Data` if there is none; otherwise as [`Self::put`].
    pub async fn get(&self, uri: &str) -> Result<Bytes, Failure> {
        self.get_optional(uri).await?.ok_or_else(|| Failure::data(format!("{uri}: not found")))
    }

    /// The content of an object, if there is one.
    ///
    /// # Errors
    /// As [`Self::put`].
    pub async fn get_optional(&self, uri: &str) -> Result<Option<Bytes>, Failure> {
        let target = self.target(uri)?;
        let result = match target.store.client.get(&target.location.path).await {
            Ok(result) => result.bytes().await,
            Err(error) => Err(error),
        };
        match result {
            Ok(content) => Ok(Some(content)),
            Err(error) if is_missing(&error) => Ok(None),
            Err(error) => Err(target.failure(&error)),
        }
    }

    /// A part of an object's content; shorter if the object ends before.
    ///
    /// # Errors
    /// Class `Data` if there is no such object or it ends before the range starts; otherwise as [`Self::put`].
    pub async fn get_range(&self, uri: &str, range: Range<u64>) -> Result<Bytes, Failure> {
        if range.is_empty() {
            return Ok(Bytes::new());
        }
        let target = self.target(uri)?;
        target
            .store
            .client
            .get_range(&target.location.path, range.clone())
            .await
            .map_err(|error| target.failure(&error).at(format_args!("bytes {}..{}", range.start, range.end)))
    }

    /// The content of an object as a stream.
    ///
    /// # Errors
    /// As [`Self::get`].
    pub async fn reader(&self, uri: &str) -> Result<Reader, Failure> {
        self.stream(uri, GetOptions::default()).await
    }

    /// The first `length` bytes of an object as a stream; fewer if the object is shorter.
    ///
    /// # Errors
    /// As [`Self::get`].
    pub async fn reader_of(&self, uri: &str, length: u64) -> Result<Reader, Failure> {
        // No store has a range without bytes.
        self.stream(uri, GetOptions { range: Some((0..length.max(1)).into()), ..GetOptions::default() }).await
    }

    async fn stream(&self, uri: &str, options: GetOptions) -> Result<Reader, Failure> {
        let target = self.target(uri)?;
        let result = target.store.client.get_opts(&target.location.path, options).await;
        let result = result.map_err(|error| target.failure(&error))?;
        let size = result.range.end - result.range.start;
        Ok(Reader::new(uri, target.location, size, result.into_stream()))
    }

    /// Starts writing an object piece by piece. It appears, whole, at [`Writer::finish`].
    ///
    /// # Errors
    /// As [`Self::put`].
    pub async fn writer(&self, uri: &str) -> Result<Writer, Failure> {
        let target = self.target(uri)?;
        Ok(Writer::new(uri, target.location, target.store.client))
    }

    /// Makes a new object of a local file without copying it; says whether that was possible.
    ///
    /// It is for an object on this machine's own disk. The file must not change any more; it may be deleted.
    ///
    /// # Errors
    /// If the URI is not one.
    pub async fn link(&self, file: &Path, uri: &str) -> Result<bool, Failure> {
        let target = self.target(uri)?;
        if target.location.store != StoreId::Local {
            return Ok(false);
        }
        let path = local::file_of(&target.location.path);
        if let Some(folder) = path.parent()
            && tokio::fs::create_dir_all(folder).await.is_err()
        {
            return Ok(false);
        }
        Ok(tokio::fs::hard_link(file, path).await.is_ok())
    }

    /// All objects below a path, sorted by URI. A path that does not exist has none.
    ///
    /// # Errors
    /// As [`Self::put`].
    pub async fn list(&self, uri_prefix: &str) -> Result<Vec<Object>, Failure> {
        let target = self.target(uri_prefix)?;
        let path = Some(&target.location.path).filter(|path| !path.as_ref().is_empty());
        let mut objects: Vec<_> = target
            .store
            .client
            .list(path)
            .map_ok(|meta| target.object(&meta))
            .try_collect()
            .await
            .map_err(|error| target.failure(&error))?;
        objects.sort_by(|a: &Object, b| a.uri.cmp(&b.uri));
        Ok(objects)
    }

    /// The files that hold what is being written below a path, in local folders: a process that was killed leaves them.
    /// Nothing else shows them; [`crate::finished_uri`] tells what they were to become.
    ///
    /// # Errors
    /// As [`Self::put`].
    pub async fn unfinished(&self, uri_prefix: &str) -> Result<Vec<Object>, Failure> {
        let target = self.target(uri_prefix)?;
        if target.location.store != StoreId::Local {
            return Ok(Vec::new());
        }
        let found = LocalFiles::unfinished(&target.location.path).await.map_err(|error| target.failure(&error))?;
        Ok(found.iter().map(|meta| target.object(meta)).collect())
    }

    /// Length and age of an object, if there is one.
    ///
    /// # Errors
    /// As [`Self::put`].
    pub async fn head(&self, uri: &str) -> Result<Option<Object>, Failure> {
        let target = self.target(uri)?;
        match target.store.client.head(&target.location.path).await {
            Ok(meta) => Ok(Some(target.object(&meta))),
            Err(error) if is_missing(&error) => Ok(None),
            Err(error) => Err(target.failure(&error)),
        }
    }

    /// Whether there is such an object.
    ///
    /// # Errors
    /// As [`Self::put`].
    pub async fn exists(&self, uri: &str) -> Result<bool, Failure> {
        Ok(self.head(uri).await?.is_some())
    }

    /// Deletes an object. One that does not exist counts as deleted.
    ///
    /// # Errors
    /// As [`Self::put`].
    pub async fn delete(&self, uri: &str) -> Result<(), Failure> {
        let target = self.target(uri)?;
        match target.store.client.delete(&target.location.path).await {
            Err(error) if !is_missing(&error) => Err(target.failure(&error)),
            _ => Ok(()),
        }
    }

    /// Copies an object, within a store by the store itself.
    ///
    /// # Errors
    /// As [`Self::get`].
    pub async fn copy(&self, from: &str, to: &str) -> Result<(), Failure> {
        let (source, target) = (self.target(from)?, self.target(to)?);
        if source.location.store == target.location.store {
            let result = source.store.client.copy(&source.location.path, &target.location.path).await;
            return result.map_err(|error| source.failure(&error));
        }
        let mut reader = self.reader(from).await?;
        let mut writer = self.writer(to).await?;
        while let Some(piece) = reader.next().await? {
            writer.write(piece).await?;
        }
        writer.finish().await.map(drop)
    }
}

#[cfg(test)]
mod s3_tests;
#[cfg(test)]
mod tests;
