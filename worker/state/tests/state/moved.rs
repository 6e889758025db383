//! Snapshots that are copied from store to store and restored there, on both backends, without the original.

use std::collections::BTreeMap;

use checkpoint::{KeyedState, Manifest, SnapshotKind, SubtaskState, layout, metadata};

use crate::support::{BOTH, Kind, MAX_PARALLELISM, get, open, place, s3_folder, set, snapshot, storage};

/// Writes the metadata of a snapshot into its folder.
async fn write_metadata(directory: &str, kind: SnapshotKind, keyed: KeyedState) {
    let state = SubtaskState { subtask: 0, keyed: Some(keyed), lists: BTreeMap::new() };
    let manifest = Manifest {
        version: checkpoint::manifest::VERSION,
        job_id: "job".to_owned(),
        job_name: "job".to_owned(),
        checkpoint_id: 1,
        epoch: 1,
        kind,
        triggered_ms: 0,
        max_parallelism: MAX_PARALLELISM,
        parallelism: 1,
        rescaled: None,
        operators: [("operator".to_owned(), vec![state])].into(),
    };
    let content = metadata::encode(directory, &manifest).expect("encoded");
    storage().put(&layout::metadata_file(directory), content.into()).await.expect("written");
}

async fn read_metadata(directory: &str) -> KeyedState {
    let uri = layout::metadata_file(directory);
    let content = storage().get(&uri).await.expect("readable");
    let mut manifest = metadata::decode(&uri, &content).expect("metadata");
    let states = manifest.operators.remove("operator").expect("the operator");
    states.into_iter().find_map(|state| state.keyed).expect("keyed state")
}

async fn move_to(from: &str, to: &str) {
    for object in storage().list(from).await.expect("lists") {
        let name = object.uri.strip_prefix(from).expect("below it");
        storage().copy(&object.uri, &format!("{to}{name}")).await.expect("copied");
        storage().delete(&object.uri).await.expect("deleted");
    }
}

async fn check_restores(kind: Kind, state: KeyedState, what: &str) {
    let folder = tempfile::tempdir().expect("a folder");
    let mut store =
        open(kind, folder.path(), 0..=15, vec![state]).await.unwrap_or_else(|failure| panic!("{what}: {failure}"));
    let mut table = store.table("t").expect("a table");
    for name in ["first", "second"] {
        assert_eq!(get(&mut table, 0, name).as_deref(), Some(name), "{what}");
    }
}

/// A snapshot of a store goes from each place to the next, and is restored everywhere.
async fn check(writer: Kind, snapshot_kind: SnapshotKind) {
    let (folder, local) = (tempfile::tempdir().expect("a folder"), tempfile::tempdir().expect("a folder"));
    let first = place();
    let mut store = open(writer, folder.path(), 0..=15, Vec::new()).await.expect("opened");
    let mut table = store.table("t").expect("a table");
    let is_savepoint = snapshot_kind == SnapshotKind::Savepoint;
    let mut state = None;
    // Of the second checkpoint some files are shared with the first.
    for (id, name) in [(1, "first"), (2, "second")] {
        set(&mut table, 0, name, name);
        state = snapshot(&mut store, &mut [&mut table], &first, id, is_savepoint).await.expect("written");
        store.checkpoint_completed(id);
    }
    let directory = |place: &str| format!("{place}/chk-2");
    write_metadata(&directory(&first), snapshot_kind, state.expect("state")).await;

    let on_disk = format!("file://{}/deep/job", local.path().display());
    let places = [Some(on_disk.clone()), s3_folder(), Some(place()), Some(format!("{on_disk}/again"))];
    let mut at = first;
    for next in places.into_iter().flatten() {
        // Of a savepoint its own folder is enough.
        let moved = if is_savepoint { (directory(&at), directory(&next)) } else { (at, next.clone()) };
        move_to(&moved.0, &moved.1).await;
        at = next;
        for reader in BOTH {
            let what = format!("a {snapshot_kind:?} of {writer:?} in {at}, read by {reader:?}");
            check_restores(reader, read_metadata(&directory(&at)).await, &what).await;
        }
    }
}

#[tokio::test]
async fn a_savepoint_is_whole_wherever_its_folder_is() {
    for writer in BOTH {
        check(writer, SnapshotKind::Savepoint).await;
    }
}

#[tokio::test]
async fn a_checkpoint_is_whole_wherever_the_folder_of_its_job_is() {
    for writer in BOTH {
        check(writer, SnapshotKind::Checkpoint).await;
    }
}
