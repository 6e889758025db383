//! What checkpoints share, and which tables a store knows.

use std::{
    collections::BTreeSet,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
};

use checkpoint::{KeyedState, StateFormat};
use model::{ErrorClass, Failure};
use state::{StateValue, Table};

use crate::support::{BOTH, Kind, get, keys, open, place, remove, set, snapshot};

fn table_files(state: &KeyedState) -> BTreeSet<String> {
    let tables = state.files.iter().filter(|file| file.name.ends_with(".sst"));
    tables.map(|file| file.uri.clone()).collect()
}

#[tokio::test]
async fn only_files_of_completed_checkpoints_of_the_same_job_are_shared() {
    let (folder, place) = (tempfile::tempdir().expect("a folder"), place());
    let mut store = open(BOTH[1], folder.path(), 0..=15, Vec::new()).await.expect("opened");
    let mut table = store.table("t").expect("a table");
    set(&mut table, 0, "first", "1");
    let first = snapshot(&mut store, &mut [&mut table], &place, 1, false).await.expect("written").expect("state");
    assert_eq!(first.format, StateFormat::RocksdbV1);
    let second = snapshot(&mut store, &mut [&mut table], &place, 2, false).await.expect("written").expect("state");
    assert!(table_files(&first).is_disjoint(&table_files(&second)), "the first is not complete");

    store.checkpoint_completed(2);
    set(&mut table, 0, "second", "2");
    let third = snapshot(&mut store, &mut [&mut table], &place, 3, false).await.expect("written").expect("state");
    assert!(table_files(&third).is_superset(&table_files(&second)), "the second is complete");
    assert!(table_files(&third).len() > table_files(&second).len());
    store.checkpoint_completed(3);
    drop((store, table));

    let mut store = open(BOTH[1], folder.path(), 0..=15, vec![third.clone()]).await.expect("opened");
    let mut table = store.table("t").expect("a table");
    assert_eq!(get(&mut table, 0, "first").as_deref(), Some("1"));
    assert_eq!(get(&mut table, 0, "second").as_deref(), Some("2"));
    let same = snapshot(&mut store, &mut [&mut table], &place, 4, false).await.expect("written").expect("state");
    assert!(!table_files(&same).is_disjoint(&table_files(&third)), "a restart goes on where it was");
    let elsewhere = crate::support::place();
    let other = snapshot(&mut store, &mut [&mut table], &elsewhere, 5, false).await.expect("written").expect("state");
    assert!(other.files.iter().all(|file| file.uri.starts_with(&elsewhere)), "the old job may delete its files");
}

#[tokio::test]
async fn a_checkpoint_without_state_ends_the_sharing_with_those_before_it() {
    let (folder, place) = (tempfile::tempdir().expect("a folder"), place());
    let mut store = open(BOTH[1], folder.path(), 0..=15, Vec::new()).await.expect("opened");
    let mut table = store.table("t").expect("a table");
    set(&mut table, 0, "first", "1");
    let first = snapshot(&mut store, &mut [&mut table], &place, 1, false).await.expect("written").expect("state");
    store.checkpoint_completed(1);
    remove(&mut table, 0, "first");
    let empty = snapshot(&mut store, &mut [&mut table], &place, 2, false).await.expect("written");
    assert_eq!(empty, None);
    store.checkpoint_completed(2);
    set(&mut table, 0, "second", "2");
    let third = snapshot(&mut store, &mut [&mut table], &place, 3, false).await.expect("written").expect("state");
    assert!(table_files(&first).is_disjoint(&table_files(&third)), "those of the first are deleted by now");
}

#[tokio::test]
async fn a_savepoint_stands_alone_and_restores_on_the_other_backend() {
    for (writer, reader) in [(BOTH[0], BOTH[1]), (BOTH[1], BOTH[0])] {
        let (folder, place) = (tempfile::tempdir().expect("a folder"), place());
        let mut store = open(writer, folder.path(), 0..=15, Vec::new()).await.expect("opened");
        let mut table = store.table("t").expect("a table");
        set(&mut table, 7, "key", "value");
        let state = snapshot(&mut store, &mut [&mut table], &place, 1, true).await.expect("written").expect("state");
        assert_eq!(state.format, StateFormat::SnapshotV1);
        assert!(state.files.iter().all(|file| file.uri.starts_with(&format!("{place}/chk-1/"))));
        let mut store = open(reader, folder.path(), 0..=15, vec![state]).await.expect("opened");
        let mut table = store.table("t").expect("a table");
        assert_eq!(table.namespaces(), [7]);
        assert_eq!(get(&mut table, 7, "key").as_deref(), Some("value"));
    }
}

#[tokio::test]
async fn tables_that_nobody_asks_for_are_named_and_left_out() {
    for kind in BOTH {
        let (folder, place) = (tempfile::tempdir().expect("a folder"), place());
        let mut store = open(kind, folder.path(), 0..=15, Vec::new()).await.expect("opened");
        let (mut kept, mut lost) = (store.table("kept").expect("a table"), store.table("lost").expect("a table"));
        set(&mut kept, 0, "key", "kept");
        set(&mut lost, 0, "key", "lost");
        let both = snapshot(&mut store, &mut [&mut kept, &mut lost], &place, 1, false).await.expect("written");

        let mut store = open(kind, folder.path(), 0..=15, both.into_iter().collect()).await.expect("opened");
        assert_eq!(store.unclaimed(), ["kept", "lost"]);
        let mut kept = store.table("kept").expect("a table");
        assert_eq!(store.unclaimed(), ["lost"], "{kind:?}");
        let one = snapshot(&mut store, &mut [&mut kept], &place, 2, false).await.expect("written");

        let mut store = open(kind, folder.path(), 0..=15, one.into_iter().collect()).await.expect("opened");
        let (mut kept, mut lost) = (store.table("kept").expect("a table"), store.table("lost").expect("a table"));
        assert_eq!(store.unclaimed(), Vec::<String>::new());
        assert_eq!(get(&mut kept, 0, "key").as_deref(), Some("kept"));
        assert_eq!(get(&mut lost, 0, "key"), None, "{kind:?}");
    }
}

#[tokio::test]
async fn a_snapshot_without_one_of_the_tables_is_refused() {
    for kind in [Kind::HashMap, BOTH[1]] {
        let folder = tempfile::tempdir().expect("a folder");
        let mut store = open(kind, folder.path(), 0..=15, Vec::new()).await.expect("opened");
        let mut one = store.table("one").expect("a table");
        let _two = store.table::<crate::support::Text>("two").expect("a table");
        set(&mut one, 0, "key", "value");
        let refused = snapshot(&mut store, &mut [&mut one], &place(), 1, false).await;
        assert_eq!(refused.expect_err("one is missing").class, ErrorClass::Internal);
    }
}

/// A value that counts how often it was copied.
#[derive(Debug)]
struct Copied(Arc<AtomicUsize>);

impl Clone for Copied {
    fn clone(&self) -> Self {
        self.0.fetch_add(1, Relaxed);
        Self(Arc::clone(&self.0))
    }
}

impl StateValue for Copied {
    fn encode(&self, _out: &mut Vec<u8>) {}

    fn decode(_bytes: &[u8]) -> Result<Self, Failure> {
        Ok(Self(Arc::default()))
    }

    fn size_bytes(&self) -> usize {
        size_of::<Self>()
    }
}

#[tokio::test]
async fn a_value_that_is_only_looked_at_is_copied_alone_while_a_snapshot_shares_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut store = open(Kind::HashMap, folder.path(), 0..=15, Vec::new()).await.expect("opened");
    let mut table: Table<Copied> = store.table("t").expect("a table");
    let (copies, names, mut entries) = (Arc::default(), keys(["a", "b", "c", "d"]), Vec::new());
    table.hydrate(0, &names, None, &mut entries).expect("hydrated");
    entries.iter().for_each(|&entry| *table.get_mut(entry) = Some(Copied(Arc::clone(&copies))));
    let shared = table.snapshot().expect("a part");
    for (has_changed, expected) in [(false, 1), (true, 1 + 1 + 4)] {
        entries.clear();
        table.hydrate(0, &names, Some(&[1]), &mut entries).expect("hydrated");
        let value = table.take(entries[0]);
        assert!(value.is_some());
        table.put_back(entries[0], value, has_changed);
        assert!(table.get(entries[0]).is_some());
        table.end_batch().expect("ended");
        assert_eq!(copies.load(Relaxed), expected);
    }
    drop(shared);
}
