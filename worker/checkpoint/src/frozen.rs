//! The stored forms of manifests and pointers are as they were, byte by byte.

use crate::{
    Item, JobState, KeyedState, Manifest, Record, SnapshotKind, SnapshotRef, StateFile, StateFormat, SubtaskState,
    layout,
    manifest::{Rescaled, VERSION},
    metadata,
};

#[path = "../../../tests/fixtures/stored.rs"]
mod fixtures;
use fixtures::Fixture;

fn keyed(format: StateFormat, names: &[&str]) -> KeyedState {
    let file = |name: &&str| StateFile {
        name: (*name).to_owned(),
        uri: format!("s3://bucket/savepoints/savepoint-00ff/{name}"),
        size: 4096,
        crc32: 0xdead_beef,
    };
    KeyedState { first_key_group: 64, last_key_group: 127, format, files: names.iter().map(file).collect() }
}

fn manifest(kind: SnapshotKind) -> Manifest {
    let splits = vec![Item(vec![0, 255, 10]), Item(Vec::new())];
    let source = SubtaskState { subtask: 0, keyed: None, lists: [("file-splits".to_owned(), splits)].into() };
    let (format, names) = match kind {
        SnapshotKind::Savepoint => (StateFormat::SnapshotV1, vec!["group-aggregate-1-1.state"]),
        SnapshotKind::Checkpoint => (StateFormat::RocksdbV1, vec!["MANIFEST-000005", "000012.sst"]),
    };
    let aggregate = SubtaskState { subtask: 1, keyed: Some(keyed(format, &names)), lists: [].into() };
    let is_savepoint = kind == SnapshotKind::Savepoint;
    Manifest {
        version: VERSION,
        job_id: "00ff".to_owned(),
        job_name: "orders \"daily\"".to_owned(),
        checkpoint_id: 7,
        epoch: 2,
        kind,
        triggered_ms: 1_700_000_000_000,
        max_parallelism: 128,
        parallelism: 2,
        rescaled: is_savepoint.then_some(Rescaled { configured: 1, wanted: 2 }),
        identities: None,
        operators: [("source-orders".to_owned(), vec![source]), ("group-aggregate-1".to_owned(), vec![aggregate])]
            .into(),
    }
}

const FOLDER: &str = "s3://bucket/savepoints/savepoint-00ff";
const KINDS: [(&str, SnapshotKind); 2] =
    [("savepoint", SnapshotKind::Savepoint), ("checkpoint", SnapshotKind::Checkpoint)];

/// How long what was read is as JSON.
fn size(read: &impl serde::Serialize) -> Option<usize> {
    serde_json::to_vec(read).ok().map(|json| json.len())
}

/// The manifests without the line before them.
fn bodies() -> Vec<Vec<u8>> {
    KINDS
        .iter()
        .map(|(_, kind)| serde_json::to_vec(&Manifest { identities: Some(1), ..manifest(*kind) }).unwrap())
        .collect()
}

/// The file of a manifest, as if it had been written so.
fn with_header(body: &[u8]) -> Vec<u8> {
    let header = format!("sluice-metadata {VERSION} {:08x} {}\n", crc32fast::hash(body), body.len());
    [header.as_bytes(), body].concat()
}

#[test]
fn manifests_of_version_1_are_read_as_ever() {
    let mut fixture = Fixture::open("manifest", 1);
    for (name, kind) in KINDS {
        let read = metadata::decode(&layout::metadata_file(FOLDER), &fixture.bytes(name)).unwrap();
        assert_eq!(read, Manifest { version: 1, ..manifest(kind) });
    }
    fixtures::survives(&fixture.finish(), |file| size(&metadata::decode(&layout::metadata_file(FOLDER), file).ok()?));
}

#[test]
fn manifests_are_stored_as_ever() {
    let mut fixture = Fixture::open("manifest", VERSION);
    for (name, kind) in KINDS {
        match kind {
            SnapshotKind::Savepoint | SnapshotKind::Checkpoint => {}
        }
        let written = Manifest { identities: Some(1), ..manifest(kind) };
        let frozen = fixture.written(name, &metadata::encode(FOLDER, &written).unwrap());
        let read = metadata::decode(&layout::metadata_file(FOLDER), &frozen).unwrap();
        assert_eq!(read, written);
        assert_eq!(metadata::encode(FOLDER, &read).unwrap(), frozen);
    }
    fixtures::survives(&bodies(), |body| {
        size(&metadata::decode(&layout::metadata_file(FOLDER), &with_header(body)).ok()?)
    });
    fixtures::survives(&fixture.finish(), |file| size(&metadata::decode(&layout::metadata_file(FOLDER), file).ok()?));
}

fn record(state: JobState) -> Record {
    let snapshot = |id, kind| SnapshotRef { id, uri: format!("s3://bucket/checkpoints/00ff/chk-{id}-2"), kind };
    Record {
        version: 1,
        number: 12,
        epoch: 2,
        owner: "jm-1".to_owned(),
        job_id: "00ff".to_owned(),
        checkpoint: Some(snapshot(7, SnapshotKind::Checkpoint)),
        retained: vec![snapshot(5, SnapshotKind::Savepoint), snapshot(6, SnapshotKind::Checkpoint)],
        state,
        max_parallelism: 128,
        restored_from: vec!["s3://bucket/savepoints/savepoint-00ff-1".to_owned()],
    }
}

#[test]
fn pointers_are_stored_as_ever() {
    let mut fixture = Fixture::open("pointer", crate::pointer::VERSION);
    let states = [
        ("running", JobState::Running),
        ("suspended", JobState::Suspended { savepoint: "s3://bucket/savepoints/savepoint-00ff-2".to_owned() }),
        ("finished", JobState::Finished),
        ("canceled", JobState::Canceled),
    ];
    for (name, state) in states {
        match state {
            JobState::Running | JobState::Suspended { .. } | JobState::Finished | JobState::Canceled => {}
        }
        let frozen = fixture.written(name, &serde_json::to_vec_pretty(&record(state.clone())).unwrap());
        let read: Record = serde_json::from_slice(&frozen).unwrap();
        assert_eq!(read, record(state));
        assert_eq!(serde_json::to_vec_pretty(&read).unwrap(), frozen);
    }
    fixtures::survives(&fixture.finish(), |bytes| size(&serde_json::from_slice::<Record>(bytes).ok()?));
}

#[test]
fn traces_are_stored_as_ever() {
    let mut fixture = Fixture::open("trace", layout::TRACE_VERSION);
    fixture.written("a job", layout::trace_content("00ff").as_bytes());
    fixture.finish();
}
