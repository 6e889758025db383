//! Files that are damaged, cut off, missing or of something else.

use bytes::Bytes;
use checkpoint::KeyedState;
use model::ErrorClass;

use crate::support::{BOTH, Kind, MAX_PARALLELISM, get, open, place, set, snapshot, storage};

const ALL_GROUPS: std::ops::RangeInclusive<u16> = 0..=MAX_PARALLELISM as u16 - 1;

/// The state of a small store.
async fn state_of(kind: Kind, savepoint: bool) -> KeyedState {
    let folder = tempfile::tempdir().expect("a folder");
    let mut store = open(kind, folder.path(), ALL_GROUPS, Vec::new()).await.expect("opened");
    let (mut one, mut two) = (store.table("one").expect("a table"), store.table("two").expect("a table"));
    for index in 0..30 {
        set(&mut one, index % 3, &format!("key {index}"), "value");
        set(&mut two, 0, &format!("key {index}"), "another value");
    }
    let written = snapshot(&mut store, &mut [&mut one, &mut two], &place(), 1, savepoint).await;
    written.expect("written").expect("there is state")
}

/// Restores, which must fail with class `Data` and name the file.
async fn refused(kind: Kind, state: &KeyedState, uri: &str, what: &str) {
    let folder = tempfile::tempdir().expect("a folder");
    let opened = open(kind, folder.path(), ALL_GROUPS, vec![state.clone()]).await;
    let failure = opened.err().unwrap_or_else(|| panic!("{what} went unnoticed"));
    assert_eq!(failure.class, ErrorClass::Data, "{what}: {failure}");
    assert!(failure.message.contains(uri), "{what}: {failure}");
}

#[tokio::test]
async fn no_changed_byte_of_a_snapshot_goes_unnoticed() {
    let state = state_of(Kind::HashMap, false).await;
    let file = state.files[0].clone();
    let content = storage().get(&file.uri).await.expect("readable");
    for at in 0..content.len() {
        let mut damaged = content.to_vec();
        damaged[at] ^= 0x20;
        // Also when the damage is older than the snapshot's list of checksums, as by a faulty writer's memory.
        for crc32 in [file.crc32, crc32fast::hash(&damaged)] {
            storage().put(&file.uri, Bytes::from(damaged.clone())).await.expect("stored");
            let mut state = state.clone();
            state.files[0].crc32 = crc32;
            refused(Kind::HashMap, &state, &file.uri, &format!("byte {at}")).await;
        }
    }
}

#[tokio::test]
async fn no_cut_or_lengthened_snapshot_is_read() {
    let state = state_of(Kind::HashMap, false).await;
    let file = state.files[0].clone();
    let content = storage().get(&file.uri).await.expect("readable");
    for length in 0..content.len() {
        storage().put(&file.uri, content.slice(..length)).await.expect("stored");
        refused(Kind::HashMap, &state, &file.uri, &format!("a cut at {length}")).await;
        // Even if the list of files agrees with the cut.
        let mut agreed = state.clone();
        agreed.files[0].size = length as u64;
        refused(Kind::HashMap, &agreed, &file.uri, &format!("an agreed cut at {length}")).await;
    }
    storage().put(&file.uri, [&content[..], b"x"].concat().into()).await.expect("stored");
    refused(Kind::HashMap, &state, &file.uri, "a byte too many").await;
}

#[tokio::test]
async fn damaged_cut_and_missing_files_of_either_format_are_named() {
    for (writer, savepoint) in [(Kind::HashMap, false), (BOTH[1], false), (BOTH[1], true)] {
        let state = state_of(writer, savepoint).await;
        for file in state.files.iter().filter(|file| file.size > 0) {
            let content = storage().get(&file.uri).await.expect("readable");
            let middle = content.len() / 2;
            let mut damaged = content.to_vec();
            damaged[middle] ^= 1;
            for reader in BOTH {
                storage().put(&file.uri, damaged.clone().into()).await.expect("stored");
                refused(reader, &state, &file.uri, &format!("damage of {}", file.name)).await;
                storage().put(&file.uri, content.slice(..middle)).await.expect("stored");
                refused(reader, &state, &file.uri, &format!("a cut of {}", file.name)).await;
                storage().delete(&file.uri).await.expect("deleted");
                refused(reader, &state, &file.uri, &format!("the lack of {}", file.name)).await;
            }
            storage().put(&file.uri, content).await.expect("stored");
        }
        let folder = tempfile::tempdir().expect("a folder");
        let mut store = open(BOTH[1], folder.path(), ALL_GROUPS, vec![state]).await.expect("whole again");
        let mut one = store.table("one").expect("a table");
        assert_eq!(get(&mut one, 1, "key 4").as_deref(), Some("value"));
    }
}

#[tokio::test]
async fn a_file_name_may_not_lead_out_of_the_folder() {
    let mut state = state_of(BOTH[1], false).await;
    let uri = state.files[0].uri.clone();
    for name in ["../escape", "/tmp/escape", "a/b", "..", ""] {
        state.files[0].name = name.to_owned();
        refused(BOTH[1], &state, &uri, name).await;
    }
}

#[tokio::test]
async fn the_number_of_key_groups_cannot_change() {
    for kind in BOTH {
        for savepoint in [true, false] {
            let state = state_of(kind, savepoint).await;
            for reader in BOTH {
                let folder = tempfile::tempdir().expect("a folder");
                let backend = match reader {
                    Kind::HashMap => state::Backend::HashMap,
                    Kind::RocksDb(cache_bytes) => {
                        state::Backend::RocksDb { directory: folder.path().to_owned(), cache_bytes }
                    }
                };
                let options = state::StoreOptions { backend, key_groups: 0..=127, max_parallelism: 128 };
                let opened = state::KeyedStore::open(options, vec![state.clone()], storage()).await;
                let failure = opened.err().expect("another number of key groups");
                assert_eq!(failure.class, ErrorClass::User, "{kind:?} {savepoint} {reader:?}: {failure}");
            }
        }
    }
}
