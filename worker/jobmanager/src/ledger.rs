//! The ledger of one job: performs the checkpoint protocol (see [`checkpoint::pointer`]) on object storage.

#![expect(clippy::disallowed_methods, reason = "waits between attempts")]

mod garbage;
mod snapshots;

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use bytes::Bytes;
use checkpoint::{Intent, JobState, Manifest, Record, Resolution, SnapshotRef, Start, layout, metadata, pointer};
use model::{ErrorClass, Failure};
use storage::Storage;

pub(crate) use self::garbage::Garbage;
use crate::event::{LedgerSpec, Recovery};

/// How often a create is tried whose outcome is unknown, and a claim that others win.
const ATTEMPTS_MAX: u32 = 5;
const BACKOFF: Duration = Duration::from_millis(200);

/// What this process knows of a job's pointer.
#[derive(Debug)]
pub(crate) struct Ledger {
    storage: Storage,
    job_id: String,
    owner: String,
    spec: LedgerSpec,
    root: Option<String>,
    mine: Option<Record>,
    /// The record that the last start went on from.
    started_at: u64,
    /// Manifests by snapshot folder: of all that the pointer refers to.
    manifests: BTreeMap<String, Arc<Manifest>>,
    /// Whether the trace is there that the job has had a snapshot.
    has_trace: bool,
}

impl Ledger {
    pub(crate) fn new(storage: Storage, job_id: String, owner: String, spec: LedgerSpec) -> Self {
        let root = spec.checkpoint_dir.as_deref().map(|dir| layout::job_root(dir, &job_id));
        let manifests = BTreeMap::new();
        Self { storage, job_id, owner, spec, root, mine: None, started_at: 0, manifests, has_trace: false }
    }

    /// Claims the pointer, or sees that it is still ours, and reads what to go on from.
    pub(crate) async fn recover(&mut self) -> Result<Recovery, Failure> {
        if self.root.is_none() {
            let snapshot = match self.spec.restore_from.clone() {
                Some(path) => Some(self.snapshot(&path).await?),
                None => None,
            };
            let last_checkpoint_id = snapshot.as_ref().map_or(0, |(reference, _)| reference.id);
            return Ok(Recovery { snapshot, last_checkpoint_id, ..Recovery::default() });
        }
        let record = if self.mine.is_some() { self.refresh().await? } else { self.claim().await? };
        let mut recovery = Recovery { epoch: record.epoch, ..Recovery::default() };
        let known = record.retained.iter().chain(&record.checkpoint);
        recovery.last_checkpoint_id = known.map(|snapshot| snapshot.id).max().unwrap_or(0);
        self.started_at = record.number;
        if record.state != JobState::Running {
            recovery.ended = Some(record.state);
            return Ok(recovery);
        }
        if let Some(reference) = record.checkpoint {
            let manifest = self.latest_manifest(&reference).await;
            let manifest = manifest.map_err(|failure| with_earlier(failure, &record.retained))?;
            recovery.snapshot = manifest.map(|manifest| (reference, manifest));
        }
        for reference in record.retained {
            // Only needed to know what must not be deleted: without it, nothing is.
            if let Err(failure) = self.manifest(&reference.uri).await {
                tracing::warn!(job = %self.job_id, "a retained checkpoint cannot be read: {failure}");
            }
        }
        Ok(recovery)
    }

    async fn claim(&mut self) -> Result<Record, Failure> {
        if let Some(root) = &self.root {
            self.storage.check_conditional_put(root).await?;
        }
        let mut latest = self.latest().await?;
        for _ in 0..ATTEMPTS_MAX {
            let restore = self.wanted_restore(latest.as_ref()).await?;
            if latest.is_none() && restore.is_none() {
                self.check_nothing_is_lost().await?;
            }
            let max_parallelism = match &restore {
                Some((_, manifest)) => manifest.max_parallelism,
                None => self.spec.max_parallelism,
            };
            let restore = restore.map(|(reference, _)| reference);
            let intent =
                Intent { job_id: &self.job_id, owner: &self.owner, restore: restore.as_ref(), max_parallelism };
            let record = match pointer::claim(latest.as_ref(), &intent) {
                Start::Stay(record) => return Ok(record),
                Start::Run(record) => record,
            };
            match self.create(&record).await? {
                Resolution::Ours => {
                    tracing::info!(job = %self.job_id, epoch = record.epoch, number = record.number, "pointer claimed");
                    self.mine = Some(record.clone());
                    return Ok(record);
                }
                Resolution::Earlier(record) | Resolution::Fenced(record) => latest = Some(record),
                Resolution::Absent => latest = self.latest().await?,
            }
        }
        Err(Failure::external(format!("{}: other JobManagers claim the job all the time", self.pointer_place())))
    }

    /// Reads the pointer and sees that it is still ours.
    pub(crate) async fn refresh(&mut self) -> Result<Record, Failure> {
        match self.latest().await? {
            Some(latest) if latest.owner == self.owner => {
                self.mine = Some(latest.clone());
                Ok(latest)
            }
            Some(latest) => Err(self.fenced(&latest)),
            None => Err(Failure::data(format!("{}: its records are gone", self.pointer_place()))),
        }
    }

    /// Writes the metadata of a complete snapshot, then, if `advance`, the pointer.
    pub(crate) async fn commit(
        &mut self,
        manifest: Manifest,
        directory: &str,
        advance: bool,
    ) -> Result<Garbage, Failure> {
        let uri = layout::metadata_file(directory);
        let content = Bytes::from(metadata::encode(directory, &manifest)?);
        if !self.storage.put_if_absent(&uri, content).await? {
            return Err(Failure::external(format!("{uri}: is there already")));
        }
        if !advance {
            return Ok(Garbage::default());
        }
        self.leave_trace().await?;
        let reference = SnapshotRef { id: manifest.checkpoint_id, uri: directory.to_owned(), kind: manifest.kind };
        let max_parallelism = manifest.max_parallelism;
        self.manifests.insert(directory.to_owned(), Arc::new(manifest));
        let keep = self.spec.keep;
        let mut all_dropped = Vec::new();
        self.advance(|mine| {
            let (next, dropped) = pointer::commit(mine, reference.clone(), max_parallelism, keep);
            all_dropped.extend(dropped);
            next
        })
        .await?;
        Ok(self.garbage(&all_dropped))
    }

    /// Writes the job's end into the pointer.
    pub(crate) async fn end(&mut self, state: &JobState) -> Result<(), Failure> {
        if self.root.is_none() {
            return Ok(());
        }
        self.advance(|mine| pointer::end(mine, state.clone())).await
    }

    async fn advance(&mut self, mut next: impl FnMut(&Record) -> Record) -> Result<(), Failure> {
        for _ in 0..ATTEMPTS_MAX {
            let Some(mine) = &self.mine else {
                return Err(Failure::internal(format!("{}: was not claimed", self.pointer_place())));
            };
            let record = next(mine);
            match self.create(&record).await? {
                Resolution::Ours => {
                    self.mine = Some(record);
                    return Ok(());
                }
                Resolution::Earlier(record) => self.mine = Some(record),
                Resolution::Fenced(record) => return Err(self.fenced(&record)),
                Resolution::Absent => {}
            }
        }
        Err(Failure::external(format!("{}: could not be advanced", self.pointer_place())))
    }

    fn fenced(&self, record: &Record) -> Failure {
        Failure::fenced(format!(
            "job {}: JobManager {} owns it since epoch {}, this one ({}) stops",
            self.job_id, record.owner, record.epoch, self.owner
        ))
    }

    fn pointer_place(&self) -> String {
        layout::pointer_directory(self.root.as_deref().unwrap_or_default())
    }

    /// Creates a record and reads what came of it, until that is known.
    async fn create(&self, record: &Record) -> Result<Resolution, Failure> {
        let root = self.root.as_deref().unwrap_or_default();
        let uri = layout::pointer_record(root, record.number);
        let content = serde_json::to_vec_pretty(record)
            .map(Bytes::from)
            .map_err(|error| Failure::internal(format!("{uri}: {error}")))?;
        let mut last = None;
        for attempt in 0..ATTEMPTS_MAX {
            if attempt > 0 {
                tokio::time::sleep(BACKOFF * attempt).await;
            }
            let put = self.storage.put_if_absent(&uri, content.clone()).await;
            match self.latest().await {
                Ok(latest) => match pointer::resolve(record, latest.as_ref()) {
                    Resolution::Absent => last = put.err(),
                    known => return Ok(known),
                },
                Err(failure) => last = Some(failure),
            }
            if let Some(failure) = last.take_if(|failure| failure.class != ErrorClass::External) {
                return Err(failure);
            }
        }
        let cause = last.map_or_else(|| "the store does not show it".to_owned(), |failure| failure.message);
        Err(Failure::external(format!("{uri}: unknown whether it was written: {cause}")))
    }

    async fn records(&self) -> Result<Vec<u64>, Failure> {
        let objects = self.storage.list(&self.pointer_place()).await?;
        Ok(objects.iter().filter_map(|object| layout::record_number(&object.uri)).collect())
    }

    async fn latest(&self) -> Result<Option<Record>, Failure> {
        let root = self.root.as_deref().unwrap_or_default();
        // A record may be collected between the list and the read, but then there are higher ones.
        for _ in 0..ATTEMPTS_MAX {
            let Some(number) = self.records().await?.into_iter().max() else { return Ok(None) };
            let uri = layout::pointer_record(root, number);
            if let Some(content) = self.storage.get_optional(&uri).await? {
                return read_record(root, &uri, &content).map(Some);
            }
        }
        Err(Failure::external(format!("{}: changes faster than it can be read", self.pointer_place())))
    }
}

fn read_record(root: &str, uri: &str, content: &[u8]) -> Result<Record, Failure> {
    let mut record: Record =
        serde_json::from_slice(content).map_err(|error| Failure::data(format!("{uri}: pointer record: {error}")))?;
    if record.version > pointer::VERSION {
        return Err(Failure::data(format!(
            "{uri}: version {} is newer than this build's {}",
            record.version,
            pointer::VERSION
        )));
    }
    record.relocate(root);
    Ok(record)
}

/// Going on from an earlier checkpoint repeats what sinks have committed since, so only the user can choose it.
fn with_earlier(failure: Failure, retained: &[SnapshotRef]) -> Failure {
    let Some(last) = retained.last().filter(|_| failure.class == ErrorClass::Data) else { return failure };
    Failure { message: format!("{}; the checkpoint before it is {}", failure.message, last.uri), ..failure }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const RECORD: &str = concat!(
        r#"{"version":1,"number":3,"epoch":2,"owner":"o","job_id":"j","checkpoint":{"id":7,"uri":"s3://b/chk-7-2","#,
        r#""kind":"checkpoint"},"retained":[],"state":{"suspended":{"savepoint":"s3://b/sp"}},"max_parallelism":128}"#
    );

    proptest! {
        #[test]
        fn a_damaged_pointer_record_is_an_error_and_no_panic(
            at in any::<proptest::sample::Index>(), to in any::<u8>(), cut in any::<bool>(),
        ) {
            let mut bytes = RECORD.as_bytes().to_vec();
            let at = at.index(bytes.len());
            bytes[at] = to;
            if cut {
                bytes.truncate(at);
            }
            if let Err(failure) = read_record("s3://b", "s3://b/pointer/3.json", &bytes) {
                prop_assert_eq!(failure.class, ErrorClass::Data);
                prop_assert!(failure.message.starts_with("s3://b/pointer/3.json: "), "{}", failure);
            }
        }
    }

    #[test]
    fn a_record_is_read() {
        let record = read_record("s3://moved", "u", RECORD.as_bytes()).unwrap();
        assert_eq!((record.number, record.epoch), (3, 2));
        let checkpoint = record.checkpoint.map(|checkpoint| checkpoint.uri);
        assert_eq!(checkpoint.as_deref(), Some("s3://moved/chk-7-2"), "it is where the folder of the job is");
        let newer = RECORD.replacen("\"version\":1", "\"version\":9", 1);
        assert!(read_record("s3://moved", "u", newer.as_bytes()).unwrap_err().message.contains("version 9 is newer"));
    }
}
