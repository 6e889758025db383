//! The asynchronous part of a snapshot.

use checkpoint::KeyedState;
use model::Failure;
use storage::Storage;

/// A snapshot whose content is fixed, but not yet written.
pub struct PendingSnapshot {}

impl PendingSnapshot {
    /// Writes the files of the snapshot below `directory`; files that later checkpoints may share go to
    /// `shared_directory`. `None` if there is no state.
    ///
    /// # Errors
    /// If a file cannot be written.
    pub async fn write(
        self,
        _storage: &Storage,
        _directory: &str,
        _shared_directory: &str,
        _checkpoint_id: u64,
    ) -> Result<Option<KeyedState>, Failure> {
        Ok(None)
    }
}
