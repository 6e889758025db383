//! Where everything of a job lies in object storage.
//!
//! ```text
//! <checkpoint dir>/<job id>/pointer/<20-digit number>.json    the pointer's records
//! <checkpoint dir>/<job id>/chk-<id>-<epoch>/_metadata        a checkpoint; its exclusive files lie beside
//! <checkpoint dir>/<job id>/shared/                           files that several checkpoints may refer to
//! <checkpoint dir>/_jobs/<job id>                             the trace: the job has had a snapshot
//! <savepoint dir>/savepoint-<short job id>-<random>/_metadata a savepoint
//! ```
//!
//! Paths within `_metadata` are relative to its folder, so a savepoint may be moved, and so may the folder of a job, with
//! its checkpoints and what they share.
//!
//! The trace says nothing about the job's state. It is outside of the job's folder so that it survives the loss of that folder,
//! and a start notices the loss. If the whole checkpoint directory is lost, the trace is lost with it.
//!
//! The epoch in a checkpoint's name keeps a JobManager that does not know yet that it was replaced from writing into
//! the files of its successor, which counts on from the same id.

/// The file that makes a directory a snapshot.
pub const METADATA: &str = "_metadata";

/// The version of a trace's stored form. Only its presence is read.
pub const TRACE_VERSION: u32 = 1;

/// The longest prefix of a job id that a savepoint's name carries.
const SHORT_ID: usize = 6;

/// The folder of a job.
pub fn job_root(checkpoint_dir: &str, job_id: &str) -> String {
    format!("{}/{job_id}", checkpoint_dir.trim_end_matches('/'))
}

/// The folder of the pointer's records.
pub fn pointer_directory(job_root: &str) -> String {
    format!("{job_root}/pointer")
}

/// A record of the pointer.
pub fn pointer_record(job_root: &str, number: u64) -> String {
    format!("{job_root}/pointer/{number:020}.json")
}

/// The number of a record from its URI; none if it is no record.
pub fn record_number(uri: &str) -> Option<u64> {
    let name = uri.rsplit('/').next()?.strip_suffix(".json")?;
    (name.len() == 20).then(|| name.parse().ok())?
}

/// The folder of a checkpoint.
pub fn checkpoint_directory(job_root: &str, checkpoint_id: u64, epoch: u64) -> String {
    format!("{job_root}/chk-{checkpoint_id}-{epoch}")
}

/// The folder of a checkpoint that was in the job's folder when it was named so, and is there now.
pub fn checkpoint_within(job_root: &str, uri: &str) -> String {
    let name = uri.trim_end_matches('/').rsplit('/').next().unwrap_or(uri);
    format!("{job_root}/{name}")
}

/// The trace of a job that has had a snapshot.
pub fn trace(checkpoint_dir: &str, job_id: &str) -> String {
    format!("{}/_jobs/{job_id}", checkpoint_dir.trim_end_matches('/'))
}

/// What the trace of a job says.
pub fn trace_content(job_id: &str) -> String {
    format!("{{\"version\":{TRACE_VERSION},\"job_id\":\"{job_id}\"}}\n")
}

/// The folder of files that several checkpoints may refer to.
pub fn shared_directory(job_root: &str) -> String {
    format!("{job_root}/shared")
}

/// The folder of a savepoint; `random` makes it unique.
pub fn savepoint_directory(savepoint_dir: &str, job_id: &str, random: &str) -> String {
    let short = job_id.get(..SHORT_ID).unwrap_or(job_id);
    format!("{}/savepoint-{short}-{random}", savepoint_dir.trim_end_matches('/'))
}

/// The metadata file of a snapshot that the user may name by its folder or by the file itself.
pub fn metadata_file(snapshot: &str) -> String {
    let directory = snapshot_directory(snapshot);
    format!("{directory}/{METADATA}")
}

/// The folder of a snapshot that the user may name by its folder or by its metadata file.
pub fn snapshot_directory(snapshot: &str) -> &str {
    let trimmed = snapshot.trim_end_matches('/');
    trimmed.strip_suffix(METADATA).and_then(|rest| rest.strip_suffix('/')).unwrap_or(trimmed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn record_numbers_are_read_back_and_sort_as_text() {
        let root = job_root("s3://bucket/checkpoints/", "ab12");
        let uris = [9, 10, u64::MAX].map(|number| pointer_record(&root, number));
        assert_eq!(uris.each_ref().map(|uri| record_number(uri)), [Some(9), Some(10), Some(u64::MAX)]);
        assert!(uris.is_sorted());
        for foreign in ["s3://bucket/pointer/1.json", "s3://bucket/pointer/00000000000000000001.json.tmp", ""] {
            assert_eq!(record_number(foreign), None, "{foreign}");
        }
    }

    #[test]
    fn checkpoints_are_where_the_folder_of_the_job_is() {
        let root = job_root("file:///new/", "ab12");
        for old in ["s3://bucket/old/ab12/chk-3-1", "old/ab12/chk-3-1/", "file:///new/ab12/chk-3-1"] {
            assert_eq!(checkpoint_within(&root, old), checkpoint_directory(&root, 3, 1), "{old}");
        }
        assert!(!trace("file:///new/", "ab12").starts_with(&root), "it survives the loss of the job's folder");
    }

    #[test]
    fn a_snapshot_may_be_named_by_folder_or_file() {
        for name in ["/data/sp", "/data/sp/", "/data/sp/_metadata"] {
            assert_eq!(metadata_file(name), "/data/sp/_metadata");
            assert_eq!(snapshot_directory(name), "/data/sp");
        }
    }
}
