//! What killed attempts left of files that they were writing: deleted when the sink starts again.
//!
//! Only files that no attempt finished, so no snapshot can hold them. Finished ones stay: a savepoint may hold them.

use model::Failure;
use storage::Storage;

/// Which subtask of which attempt cleans up.
#[derive(Clone, Debug)]
pub(super) struct Cleaner {
    /// What the names of all files of the operator begin with.
    pub(super) operator: String,
    /// What those of this attempt of the subtask begin with.
    pub(super) attempt: String,
    pub(super) subtask: u32,
    pub(super) parallelism: u32,
}

impl Cleaner {
    /// Whether a file of this name was left by an earlier attempt of this subtask, or of one that is no more. Those that
    /// the other subtasks write now are of other numbers.
    fn owns(&self, name: &str) -> bool {
        let number = name.strip_prefix(&self.operator).and_then(|rest| rest.split_once('-'));
        let number = number.and_then(|(number, _)| number.parse::<u32>().ok());
        number.is_some_and(|number| number % self.parallelism == self.subtask) && !name.starts_with(&self.attempt)
    }

    /// Deletes what was left in the folder of staged files.
    pub(super) async fn clean(self, storage: Storage, staging: String) {
        if let Err(failure) = self.delete(&storage, &staging).await {
            tracing::warn!("unfinished files of earlier attempts stay: {failure}");
        }
    }

    async fn delete(&self, storage: &Storage, staging: &str) -> Result<(), Failure> {
        for object in storage.unfinished(staging).await? {
            let finished = storage::finished_uri(&object.uri).unwrap_or_default();
            if self.owns(finished.rsplit('/').next().unwrap_or_default()) {
                storage.delete(&object.uri).await?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_subtask_deletes_what_no_other_writes() {
        let cleaner = Cleaner {
            operator: "part-sink-1-".to_owned(),
            attempt: "part-sink-1-1-aaaaaaaaaaaa".to_owned(),
            subtask: 1,
            parallelism: 3,
        };
        let cases = [
            ("part-sink-1-1-bbbbbbbbbbbb-0.json", true),
            ("part-sink-1-4-bbbbbbbbbbbb-7.json", true),
            ("part-sink-1-1-aaaaaaaaaaaa-0.json", false),
            ("part-sink-1-2-bbbbbbbbbbbb-0.json", false),
            ("part-sink-1-x", false),
            ("other", false),
        ];
        for (name, expected) in cases {
            assert_eq!(cleaner.owns(name), expected, "{name}");
        }
    }
}
