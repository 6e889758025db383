//! The job's pointer: the one place that says which snapshot a job goes on from, and who may change that.
//!
//! # Vocabulary
//! - **Record**: an immutable object `pointer/<20-digit number>.json`. The record with the highest number is the truth.
//! - **Create**: a put that succeeds only if the object is absent. Everything rests on the store doing this atomically.
//! - **Owner**: the random id of one JobManager process. **Epoch**: rises by one with every claim.
//! - **Claim**: an owner creates record number+1 with epoch+1, taking over checkpoint and retained list.
//! - **Commit**: the owner of the highest record creates number+1 with its epoch and a new checkpoint.
//! - **Fenced**: a record of a higher epoch exists. The process stops, and touches nothing any more.
//!
//! # Steps
//! 1. A JobManager lists the records, reads the highest ([`claim`]), creates the next. If the create loses, it reads
//!    again and claims above the winner. So of any number of processes the last to claim owns the job.
//! 2. It reads the manifest of the record's checkpoint and runs the job from there.
//! 3. When all acknowledgements of a checkpoint are there, it writes the checkpoint's `_metadata`, then commits
//!    ([`commit`]), lists the records again and holds what is highest against its own ([`resolve`]).
//! 4. Only when that says [`Resolution::Ours`] is the checkpoint complete: tasks are told, sinks commit.
//! 5. Files that only dropped checkpoints referred to are deleted, then all records but the last [`RECORDS_KEPT`].
//!
//! # What may fail between steps
//! - Before the commit: the snapshot's files are garbage. The next owner sweeps what is older than its claim.
//! - The create's outcome is unknown (timeout): it is resolved by reading. Absent: create the same record again.
//!   Present and equal: it was ours. It may also land late, after its writer gave it up; the next commit then finds
//!   a record of its own owner that it did not expect ([`Resolution::Earlier`]) and goes on above it. Until then the
//!   files of that checkpoint must not be deleted, and a restart reads the pointer anew.
//! - Between the commit and telling the tasks: a new owner restores from the committed checkpoint, and its sinks commit
//!   again what the checkpoint holds; commits are idempotent.
//! - A very stale owner creates a number that garbage collection made free: the create succeeds, but step 3 finds a
//!   higher number of another owner, so it is fenced, and nobody ever reads its record.
//! - Between the commit and the deletion: the files stay, until a later owner sweeps.

use serde::{Deserialize, Serialize};

use crate::{SnapshotKind, layout};

/// The version of the stored form.
pub const VERSION: u32 = 1;

/// Records that garbage collection leaves.
pub const RECORDS_KEPT: usize = 3;

/// Restore paths that a record remembers.
const RESTORE_PATHS_KEPT: usize = 32;

/// One state of the pointer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// [`VERSION`] of the writer.
    pub version: u32,
    /// Position in the sequence, from 1.
    pub number: u64,
    /// Rises with every claim.
    pub epoch: u64,
    /// The JobManager process.
    pub owner: String,
    /// The job.
    pub job_id: String,
    /// What a restart goes on from.
    #[serde(default)]
    pub checkpoint: Option<SnapshotRef>,
    /// Older checkpoints that are kept, oldest first.
    #[serde(default)]
    pub retained: Vec<SnapshotRef>,
    /// What is to become of the job at a start.
    pub state: JobState,
    /// Number of key groups.
    pub max_parallelism: u32,
    /// Restore paths that starts of this job were given and have used: naming one again changes nothing.
    #[serde(default)]
    pub restored_from: Vec<String>,
}

impl Record {
    /// Replaces the URIs of the job's checkpoints by those in the job's present folder, which may have been moved since the
    /// record was written. Savepoints keep their URIs.
    pub fn relocate(&mut self, job_root: &str) {
        let snapshots = self.retained.iter_mut().chain(&mut self.checkpoint);
        for snapshot in snapshots.filter(|snapshot| snapshot.kind == SnapshotKind::Checkpoint) {
            snapshot.uri = layout::checkpoint_within(job_root, &snapshot.uri);
        }
    }
}

/// A snapshot as the pointer names it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SnapshotRef {
    /// Its number.
    pub id: u64,
    /// URI of its folder.
    pub uri: String,
    /// Who owns it.
    pub kind: SnapshotKind,
}

/// What is to become of the job at a start.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum JobState {
    /// It runs.
    Running,
    /// It was stopped with a savepoint.
    Suspended {
        /// The savepoint's folder.
        savepoint: String,
    },
    /// All its input was processed and committed.
    Finished,
    /// The user cancelled it.
    Canceled,
}

/// What a starting process wants.
#[derive(Clone, Debug)]
pub struct Intent<'a> {
    /// The job.
    pub job_id: &'a str,
    /// This process.
    pub owner: &'a str,
    /// The snapshot the user named, read already.
    pub restore: Option<&'a SnapshotRef>,
    /// Number of key groups, if there is no record.
    pub max_parallelism: u32,
}

/// What a start comes to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Start {
    /// Create this record, then run the job from its checkpoint.
    Run(Record),
    /// The job has ended: leave it so.
    Stay(Record),
}

/// Decides a start. `latest` is the highest record.
///
/// A restore path that no earlier start has used wins over the pointer: naming it is a new wish of the user. One that
/// was used loses, so that a process restarted with the same arguments goes on from where the job was.
pub fn claim(latest: Option<&Record>, intent: &Intent<'_>) -> Start {
    let Some(latest) = latest else {
        return Start::Run(Record {
            version: VERSION,
            number: 1,
            epoch: 1,
            owner: intent.owner.to_owned(),
            job_id: intent.job_id.to_owned(),
            checkpoint: intent.restore.cloned(),
            retained: Vec::new(),
            state: JobState::Running,
            max_parallelism: intent.max_parallelism,
            restored_from: intent.restore.iter().map(|snapshot| snapshot.uri.clone()).collect(),
        });
    };
    let fresh = intent.restore.filter(|snapshot| !latest.restored_from.contains(&snapshot.uri));
    if latest.state != JobState::Running && fresh.is_none() {
        return Start::Stay(latest.clone());
    }
    let mut next = successor(latest);
    next.epoch += 1;
    intent.owner.clone_into(&mut next.owner);
    next.state = JobState::Running;
    if let Some(snapshot) = fresh {
        if let Some(replaced) = next.checkpoint.replace(snapshot.clone()) {
            next.retained.push(replaced);
        }
        next.restored_from.push(snapshot.uri.clone());
        let surplus = next.restored_from.len().saturating_sub(RESTORE_PATHS_KEPT);
        next.restored_from.drain(..surplus);
    }
    Start::Run(next)
}

/// The record that commits `snapshot`, and the snapshots that it no longer refers to. Of checkpoints the newest
/// `keep` (at least one) stay; savepoints belong to the user and are only forgotten.
pub fn commit(mine: &Record, snapshot: SnapshotRef, max_parallelism: u32, keep: usize) -> (Record, Vec<SnapshotRef>) {
    let mut next = successor(mine);
    next.max_parallelism = max_parallelism;
    next.retained.extend(next.checkpoint.replace(snapshot));
    let surplus = next.retained.len().saturating_sub(keep.saturating_sub(1));
    let dropped = next.retained.drain(..surplus).collect();
    (next, dropped)
}

/// The record that ends the job.
pub fn end(mine: &Record, state: JobState) -> Record {
    Record { state, ..successor(mine) }
}

fn successor(record: &Record) -> Record {
    Record { version: VERSION, number: record.number + 1, ..record.clone() }
}

/// What came of creating a record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Resolution {
    /// It stands.
    Ours,
    /// It was not written: create it again.
    Absent,
    /// A record of the same owner that it had given up stands there: go on above it.
    Earlier(Record),
    /// Another owner was there: for a claim, claim above it; for anything else, stop.
    Fenced(Record),
}

/// Decides what came of creating `attempted`, from the highest record read afterwards. To be asked after every
/// create, also after one that reported success.
pub fn resolve(attempted: &Record, latest: Option<&Record>) -> Resolution {
    match latest {
        None => Resolution::Absent,
        Some(latest) if latest == attempted => Resolution::Ours,
        Some(latest) if latest.owner != attempted.owner && latest.number >= attempted.number => {
            Resolution::Fenced(latest.clone())
        }
        // A claim by somebody else that was below the attempt: it cannot be above the attempt's base, so it is its base.
        Some(latest) if latest.number < attempted.number => Resolution::Absent,
        Some(latest) => Resolution::Earlier(latest.clone()),
    }
}

/// Record numbers that may be deleted, given all that exist.
pub fn obsolete(mut numbers: Vec<u64>) -> Vec<u64> {
    numbers.sort_unstable();
    numbers.truncate(numbers.len().saturating_sub(RECORDS_KEPT));
    numbers
}

#[cfg(test)]
mod tests;
