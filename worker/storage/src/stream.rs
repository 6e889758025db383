//! Reading and writing objects piece by piece, with bounded memory.

use std::sync::Arc;

use bytes::Bytes;
use futures::{StreamExt, stream::BoxStream};
use model::Failure;
use object_store::{ObjectStore, buffered::BufWriter};
use tokio::io::AsyncWriteExt;

use crate::{error::failure, location::Location};

/// Length of the parts of a large upload.
pub(crate) const PART_BYTES: usize = 8 << 20;
/// Parts of one upload that may be on their way.
const PARTS_IN_FLIGHT_MAX: usize = 4;

/// The rest of an object's content.
pub struct Reader {
    uri: String,
    location: Location,
    size: u64,
    pieces: BoxStream<'static, object_store::Result<Bytes>>,
}

impl Reader {
    pub(crate) fn new(
        uri: &str,
        location: Location,
        size: u64,
        pieces: BoxStream<'static, object_store::Result<Bytes>>,
    ) -> Self {
        Self { uri: uri.to_owned(), location, size, pieces }
    }

    /// Length of the whole object.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// The next piece, of any length; `None` at the end.
    ///
    /// # Errors
    /// If the store fails.
    pub async fn next(&mut self) -> Result<Option<Bytes>, Failure> {
        match self.pieces.next().await.transpose() {
            Ok(piece) => Ok(piece),
            Err(error) => Err(failure(&self.uri, &self.location, &error)),
        }
    }
}

/// An object being written. Dropped before [`Self::finish`], nothing of it becomes visible.
pub struct Writer {
    uri: String,
    location: Location,
    inner: BufWriter,
    written: u64,
    open: bool,
}

impl Writer {
    pub(crate) fn new(uri: &str, location: Location, store: Arc<dyn ObjectStore>) -> Self {
        let inner = BufWriter::with_capacity(store, location.path.clone(), PART_BYTES)
            .with_max_concurrency(PARTS_IN_FLIGHT_MAX);
        Self { uri: uri.to_owned(), location, inner, written: 0, open: true }
    }

    /// Appends a piece, waiting while too many parts are on their way.
    ///
    /// # Errors
    /// If the store fails; the object cannot be finished then.
    pub async fn write(&mut self, mut piece: Bytes) -> Result<(), Failure> {
        self.check_open()?;
        self.written += piece.len() as u64;
        while !piece.is_empty() {
            let part = piece.split_to(piece.len().min(PART_BYTES));
            if let Err(error) = self.inner.put(part).await {
                self.open = false;
                return Err(failure(&self.uri, &self.location, &error));
            }
        }
        Ok(())
    }

    /// Makes the object visible; returns its length.
    ///
    /// # Errors
    /// If the store fails.
    pub async fn finish(mut self) -> Result<u64, Failure> {
        self.check_open()?;
        self.inner.shutdown().await.map_err(|error| self.io_failure(error))?;
        Ok(self.written)
    }

    /// Gives the object up and frees what was uploaded.
    ///
    /// # Errors
    /// If the store fails.
    pub async fn abort(mut self) -> Result<(), Failure> {
        if !self.open {
            return Ok(());
        }
        self.inner.abort().await.map_err(|error| failure(&self.uri, &self.location, &error))
    }

    fn check_open(&self) -> Result<(), Failure> {
        if self.open { Ok(()) } else { Err(Failure::internal(format!("{}: written after a failure", self.uri))) }
    }

    fn io_failure(&self, error: std::io::Error) -> Failure {
        match error.downcast::<object_store::Error>() {
            Ok(error) => failure(&self.uri, &self.location, &error),
            Err(error) => Failure::external(format!("{}: {error}", self.uri)),
        }
    }
}
