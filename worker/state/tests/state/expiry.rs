//! Entries that expire, on both backends, by a clock that is set.

use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering::Relaxed},
    },
};

use checkpoint::KeyedState;
use rand::{Rng, SeedableRng, rngs::SmallRng};
use state::{KeyedStore, Retention, StateValue, Table};

use crate::support::{BOTH, Kind, MAX_PARALLELISM, Text, get, keys, open, place, set, snapshot};

const IDLE_MS: i64 = 100;

#[derive(Clone, Default)]
struct Clock(Arc<AtomicI64>);

impl Clock {
    fn set(&self, now: i64) {
        self.0.store(now, Relaxed);
    }

    fn retention(&self) -> Option<Retention> {
        let clock = Arc::clone(&self.0);
        Some(Retention::new(IDLE_MS, move || clock.load(Relaxed)))
    }
}

async fn opened(
    kind: Kind,
    folder: &Path,
    restored: Option<KeyedState>,
    retention: Option<Retention>,
) -> (KeyedStore, Table<Text>) {
    let mut store = open(kind, folder, 0..=MAX_PARALLELISM as u16 - 1, restored.into_iter().collect()).await.unwrap();
    let table = store.expiring_table("t", retention).unwrap();
    assert_eq!(store.unclaimed(), Vec::<String>::new());
    (store, table)
}

#[tokio::test]
async fn what_is_not_changed_for_a_time_is_gone() {
    for kind in BOTH {
        let folder = tempfile::tempdir().unwrap();
        let clock = Clock::default();
        let (_store, mut table) = opened(kind, folder.path(), None, clock.retention()).await;
        set(&mut table, 0, "a", "1");
        set(&mut table, 0, "b", "1");
        clock.set(60);
        set(&mut table, 0, "b", "2");
        clock.set(99);
        assert_eq!(get(&mut table, 0, "a").as_deref(), Some("1"), "{kind:?}");
        // Reading keeps nothing alive.
        clock.set(100);
        assert_eq!(get(&mut table, 0, "a"), None, "{kind:?}");
        assert_eq!(get(&mut table, 0, "b").as_deref(), Some("2"), "{kind:?}");
        clock.set(160);
        assert_eq!(get(&mut table, 0, "b"), None, "{kind:?}");
        set(&mut table, 0, "a", "3");
        clock.set(259);
        assert_eq!(get(&mut table, 0, "a").as_deref(), Some("3"), "{kind:?}");
    }
}

#[tokio::test]
async fn an_edit_does_not_keep_an_entry_alive() {
    for kind in BOTH {
        let folder = tempfile::tempdir().unwrap();
        let clock = Clock::default();
        let (_store, mut table) = opened(kind, folder.path(), None, clock.retention()).await;
        set(&mut table, 0, "a", "1");
        clock.set(50);
        let mut entries = Vec::new();
        table.hydrate(0, &keys(["a"]), None, &mut entries).unwrap();
        *table.edit(entries[0]) = Some(Text("2".to_owned()));
        assert_eq!(table.changed_at(entries[0]), Some(0));
        table.end_batch().unwrap();
        assert_eq!(get(&mut table, 0, "a").as_deref(), Some("2"));
        clock.set(100);
        assert_eq!(get(&mut table, 0, "a"), None);
    }
}

/// How many entries a snapshot has.
async fn stored(store: &mut KeyedStore, table: &mut Table<Text>, folder: &Path, savepoint: bool) -> usize {
    let place = place();
    let Some(state) = snapshot(store, &mut [table], &place, 1, savepoint).await.unwrap() else { return 0 };
    // Nothing expires for this reader.
    let mut restored = open(Kind::HashMap, folder, 0..=MAX_PARALLELISM as u16 - 1, vec![state]).await.unwrap();
    let mut all: Table<Text> = restored.expiring_table("t", None).unwrap();
    let mut count = 0;
    while all.drain(0, 1000, &mut |_, _| count += 1).unwrap() {}
    count
}

#[tokio::test]
async fn snapshots_are_without_what_has_expired() {
    for kind in BOTH {
        let folder = tempfile::tempdir().unwrap();
        let clock = Clock::default();
        let (mut store, mut table) = opened(kind, folder.path(), None, clock.retention()).await;
        (0..10).for_each(|key| set(&mut table, 0, &format!("old {key}"), "x"));
        clock.set(60);
        (0..7).for_each(|key| set(&mut table, 0, &format!("new {key}"), "x"));
        assert_eq!(stored(&mut store, &mut table, folder.path(), true).await, 17, "{kind:?}");
        clock.set(120);
        assert_eq!(stored(&mut store, &mut table, folder.path(), true).await, 7, "{kind:?}");
    }
}

#[tokio::test]
async fn a_compaction_removes_what_has_expired() {
    let folder = tempfile::tempdir().unwrap();
    let clock = Clock::default();
    // So small a cache that nearly all is in the database.
    let (mut store, mut table) = opened(Kind::RocksDb(16 << 10), folder.path(), None, clock.retention()).await;
    let names: Vec<String> = (0..500).map(|key| format!("key {key}")).collect();
    names.iter().for_each(|name| set(&mut table, 0, name, "value"));
    assert_eq!(stored(&mut store, &mut table, folder.path(), false).await, 500);
    clock.set(50);
    names[..20].iter().for_each(|name| set(&mut table, 0, name, "later"));
    clock.set(120);
    // The checkpoint brings all to the database, and the files of the next one show what a compaction has left.
    stored(&mut store, &mut table, folder.path(), false).await;
    store.compact().unwrap();
    assert_eq!(stored(&mut store, &mut table, folder.path(), false).await, 20);
    assert_eq!(get(&mut table, 0, &names[3]).as_deref(), Some("later"));
    assert_eq!(get(&mut table, 0, &names[30]), None);
    set(&mut table, 0, &names[30], "again");
    assert_eq!(get(&mut table, 0, &names[30]).as_deref(), Some("again"));
}

/// A value that tells how many of its kind are alive.
#[derive(Debug)]
struct Counted(Arc<AtomicI64>);

impl Counted {
    fn new(alive: &Arc<AtomicI64>) -> Self {
        alive.fetch_add(1, Relaxed);
        Self(Arc::clone(alive))
    }
}

impl Clone for Counted {
    fn clone(&self) -> Self {
        Self::new(&self.0)
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Relaxed);
    }
}

impl StateValue for Counted {
    fn encode(&self, _out: &mut Vec<u8>) {}

    fn decode(_bytes: &[u8]) -> Result<Self, model::Failure> {
        Ok(Self::new(&Arc::default()))
    }

    fn size_bytes(&self) -> usize {
        size_of::<Self>()
    }
}

#[tokio::test]
async fn in_memory_the_sweep_removes_what_is_never_looked_up_again() {
    let folder = tempfile::tempdir().unwrap();
    let (clock, alive) = (Clock::default(), Arc::new(AtomicI64::new(0)));
    let mut store = open(Kind::HashMap, folder.path(), 0..=MAX_PARALLELISM as u16 - 1, Vec::new()).await.unwrap();
    let mut table: Table<Counted> = store.expiring_table("t", clock.retention()).unwrap();
    let mut put = |name: &str| {
        let mut entries = Vec::new();
        table.hydrate(0, &keys([name]), None, &mut entries).unwrap();
        *table.get_mut(entries[0]) = Some(Counted::new(&alive));
        table.end_batch().unwrap();
    };
    (0..5000).for_each(|key| put(&format!("old {key}")));
    assert_eq!(alive.load(Relaxed), 5000);
    clock.set(200);
    (0..100).for_each(|_| put("one key"));
    assert_eq!(alive.load(Relaxed), 1, "only the key that is still changed");
}

#[tokio::test]
async fn times_go_through_snapshots_between_backends() {
    for from in BOTH {
        for to in BOTH {
            for savepoint in [false, true] {
                let folder = tempfile::tempdir().unwrap();
                let clock = Clock::default();
                let (mut store, mut table) = opened(from, folder.path(), None, clock.retention()).await;
                set(&mut table, 0, "a", "1");
                clock.set(70);
                set(&mut table, 0, "b", "2");
                let state = snapshot(&mut store, &mut [&mut table], &place(), 1, savepoint).await.unwrap();
                drop((store, table));
                clock.set(90);
                let (_store, mut table) = opened(to, folder.path(), state, clock.retention()).await;
                assert_eq!(get(&mut table, 0, "a").as_deref(), Some("1"), "{from:?} {to:?} {savepoint}");
                clock.set(110);
                assert_eq!(get(&mut table, 0, "a"), None, "{from:?} {to:?} {savepoint}");
                assert_eq!(get(&mut table, 0, "b").as_deref(), Some("2"), "{from:?} {to:?} {savepoint}");
            }
        }
    }
}

#[tokio::test]
async fn expiry_may_be_turned_on_and_off_for_state_that_is_there() {
    for from in BOTH {
        for to in BOTH {
            for savepoint in [false, true] {
                let folder = tempfile::tempdir().unwrap();
                let clock = Clock::default();
                let (mut store, mut table) = opened(from, folder.path(), None, None).await;
                set(&mut table, 0, "a", "1");
                set(&mut table, -5, "a", "other");
                let state = snapshot(&mut store, &mut [&mut table], &place(), 1, savepoint).await.unwrap();
                drop((store, table));
                // On: what is there counts as changed just now.
                clock.set(1000);
                let (mut store, mut table) = opened(to, folder.path(), state, clock.retention()).await;
                assert_eq!(get(&mut table, 0, "a").as_deref(), Some("1"), "{from:?} {to:?} {savepoint}");
                assert_eq!(get(&mut table, -5, "a").as_deref(), Some("other"), "{from:?} {to:?} {savepoint}");
                let state = snapshot(&mut store, &mut [&mut table], &place(), 1, savepoint).await.unwrap();
                clock.set(1100);
                assert_eq!(get(&mut table, 0, "a"), None, "{from:?} {to:?} {savepoint}");
                drop((store, table));
                // Off: nothing expires any more.
                clock.set(5000);
                let (_store, mut table) = opened(from, folder.path(), state, None).await;
                assert_eq!(get(&mut table, 0, "a").as_deref(), Some("1"), "{from:?} {to:?} {savepoint}");
                assert_eq!(get(&mut table, -5, "a").as_deref(), Some("other"), "{from:?} {to:?} {savepoint}");
            }
        }
    }
}

#[tokio::test]
async fn random_work_agrees_with_a_map_of_times() {
    for seed in 0..8 {
        let mut rng = SmallRng::seed_from_u64(seed);
        let folder = tempfile::tempdir().unwrap();
        let clock = Clock::default();
        let kinds = [Kind::HashMap, Kind::RocksDb(16 << 10), Kind::RocksDb(1 << 20)];
        let (mut store, mut table) = opened(kinds[0], folder.path(), None, clock.retention()).await;
        let mut model = std::collections::BTreeMap::new();
        let mut now = 0;
        for step in 0..1500 {
            now += rng.random_range(0..3);
            clock.set(now);
            let name = format!("key {}", rng.random_range(0..120));
            let live = |(value, at): &(String, i64)| (at + IDLE_MS > now).then(|| value.clone());
            if rng.random_bool(0.5) {
                set(&mut table, 0, &name, &step.to_string());
                model.insert(name, (step.to_string(), now));
            } else {
                assert_eq!(get(&mut table, 0, &name), model.get(&name).and_then(live), "seed {seed}");
            }
            match rng.random_range(0..150) {
                0 => {
                    let state = snapshot(&mut store, &mut [&mut table], &place(), 1, rng.random()).await.unwrap();
                    drop((store, table));
                    let kind = kinds[rng.random_range(0..kinds.len())];
                    (store, table) = opened(kind, folder.path(), state, clock.retention()).await;
                }
                1 => store.compact().unwrap(),
                _ => {}
            }
        }
    }
}
