//! Tables against a model, under random work, snapshots and restores at another parallelism.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

use checkpoint::KeyedState;
use model::key;
use rand::{Rng, SeedableRng, rngs::SmallRng, seq::IndexedRandom};
use state::{KeyedStore, Table};

use crate::support::{Kind, MAX_PARALLELISM, Text, group, keys, open, place, storage};

const TABLES: usize = 2;
const NAMESPACES: [i64; 4] = [i64::MIN, -1, 0, i64::MAX];

/// Key → value, by table and namespace.
type Model = BTreeMap<(usize, i64), BTreeMap<Vec<u8>, Text>>;

struct Subtask {
    store: KeyedStore,
    tables: Vec<Table<Text>>,
}

struct Taken {
    states: Vec<KeyedState>,
    savepoint: bool,
    model: Model,
}

struct World<'a> {
    rng: SmallRng,
    folder: &'a Path,
    place: String,
    subtasks: Vec<Subtask>,
    model: Model,
    taken: Vec<Taken>,
    checkpoint_id: u64,
}

/// Names the seed if a test fails.
struct Seed(u64);

impl Drop for Seed {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("SEED={}", self.0);
        }
    }
}

fn kind(rng: &mut SmallRng) -> Kind {
    // A cache of 16 KiB leaves 8 for some 60 entries: nearly everything is evicted.
    *[Kind::HashMap, Kind::RocksDb(16 << 10), Kind::RocksDb(1 << 20)].choose(rng).expect("not empty")
}

async fn subtasks(rng: &mut SmallRng, folder: &Path, states: &[KeyedState]) -> Vec<Subtask> {
    let (parallelism, kind) = (rng.random_range(1..=4), kind(rng));
    let mut subtasks = Vec::new();
    for subtask in 0..parallelism {
        let range = key::range_of(subtask, parallelism, MAX_PARALLELISM);
        let mut store = open(kind, folder, range, states.to_vec()).await.expect("opened");
        let tables = (0..TABLES).map(|table| store.table(&format!("table {table}")).expect("a table")).collect();
        assert_eq!(store.unclaimed(), Vec::<String>::new());
        subtasks.push(Subtask { store, tables });
    }
    subtasks
}

impl World<'_> {
    /// Key names, some of them too long to be kept inline.
    fn names(&mut self) -> Vec<String> {
        let rows = self.rng.random_range(0..200);
        let spread = *[10, 400].choose(&mut self.rng).expect("not empty");
        (0..rows)
            .map(|_| {
                let key = self.rng.random_range(0..spread);
                if key % 3 == 0 { format!("a rather long key with the number {key}") } else { format!("key {key}") }
            })
            .collect()
    }

    fn batch(&mut self) {
        let table = self.rng.random_range(0..TABLES);
        let namespaces: Vec<_> = NAMESPACES.choose_multiple(&mut self.rng, 2).copied().collect();
        let names = self.names();
        let rows = keys(names.iter().map(String::as_str));
        let parallelism = self.subtasks.len() as u32;
        for subtask in 0..parallelism {
            let owns =
                |row: &u32| key::subtask_of(group(rows.row(*row as usize)), parallelism, MAX_PARALLELISM) == subtask;
            let own: Vec<u32> = (0..rows.len() as u32).filter(owns).collect();
            let selection = (parallelism > 1 || self.rng.random()).then_some(own.as_slice());
            let state = &mut self.subtasks[subtask as usize].tables[table];
            // Two namespaces in one batch: ids of the first stay valid.
            let mut entries = Vec::new();
            if self.rng.random() {
                let places = namespaces.iter().flat_map(|&namespace| own.iter().map(move |&row| (namespace, row)));
                state.hydrate_places(&rows, &places.collect::<Vec<_>>(), &mut entries).expect("hydrated");
            } else {
                for &namespace in &namespaces {
                    state.hydrate(namespace, &rows, selection, &mut entries).expect("hydrated");
                }
            }
            assert_eq!(entries.len(), own.len() * namespaces.len());
            for (at, &entry) in entries.iter().enumerate() {
                let (namespace, row) = (namespaces[at / own.len()], own[at % own.len()] as usize);
                let stored = self.model.entry((table, namespace)).or_default();
                let key = rows.row(row);
                assert_eq!(state.key(entry), key);
                assert_eq!(state.get(entry), stored.get(key));
                match self.rng.random_range(0..6) {
                    0 => {
                        *state.get_mut(entry) = None;
                        stored.remove(key);
                    }
                    1 | 2 => {
                        let value = Text("x".repeat(self.rng.random_range(0..60)));
                        *state.get_mut(entry) = Some(value.clone());
                        stored.insert(key.to_vec(), value);
                    }
                    3 => {
                        let value = state.take(entry).map_or(Text("new".to_owned()), |known| Text(known.0 + "+"));
                        state.put_back(entry, Some(value.clone()), true);
                        stored.insert(key.to_vec(), value);
                    }
                    4 => {
                        let value = state.take(entry);
                        state.put_back(entry, value, false);
                    }
                    _ => {}
                }
            }
            if self.rng.random_bool(0.5) {
                self.check_namespaces(Some(subtask as usize));
            }
            self.subtasks[subtask as usize].tables[table].end_batch().expect("ended");
        }
        self.check_namespaces(None);
    }

    fn check_namespaces(&self, only: Option<usize>) {
        let parallelism = self.subtasks.len() as u32;
        for (index, subtask) in self.subtasks.iter().enumerate() {
            if only.is_some_and(|only| only != index) {
                continue;
            }
            for (table, state) in subtask.tables.iter().enumerate() {
                let own = |key: &Vec<u8>| key::subtask_of(group(key), parallelism, MAX_PARALLELISM) == index as u32;
                let spaces = self.model.iter().filter(|((of, _), entries)| *of == table && entries.keys().any(own));
                let expected: Vec<_> = spaces.map(|((_, namespace), _)| *namespace).collect();
                assert_eq!(state.namespaces(), expected);
            }
        }
    }

    fn drain(&mut self, table: usize, namespace: i64) {
        let mut found = BTreeMap::new();
        let rows = *[1, 7, 100, 100_000].choose(&mut self.rng).expect("not empty");
        for subtask in &mut self.subtasks {
            let mut calls = 0;
            loop {
                let before = found.len();
                let mut each = |key: &[u8], value: Text| {
                    assert_eq!(found.insert(key.to_vec(), value), None, "handed over twice");
                };
                let more = subtask.tables[table].drain(namespace, rows, &mut each).expect("drained");
                assert!(found.len() - before <= rows, "more than were asked for");
                calls += 1;
                if !more {
                    break;
                }
                assert!(found.len() > before, "calls without rows: {calls}");
            }
        }
        assert_eq!(found, self.model.remove(&(table, namespace)).unwrap_or_default());
    }

    async fn snapshot(&mut self, savepoint: bool) {
        self.checkpoint_id += 1;
        let model = self.model.clone();
        let mut pending = Vec::new();
        for subtask in &mut self.subtasks {
            let parts = subtask.tables.iter_mut().map(|table| table.snapshot().expect("a part")).collect();
            pending.push(subtask.store.snapshot(parts, savepoint).expect("a snapshot"));
        }
        // The content is fixed; what follows must not be in it.
        for _ in 0..self.rng.random_range(0..3) {
            self.batch();
        }
        let (id, mut states) = (self.checkpoint_id, Vec::new());
        for pending in pending {
            let directory = format!("{}/chk-{id}", self.place);
            let shared = format!("{}/shared", self.place);
            states.extend(pending.write(&storage(), &directory, &shared, id).await.expect("written"));
        }
        if self.rng.random_bool(0.8) {
            self.subtasks.iter_mut().for_each(|subtask| subtask.store.checkpoint_completed(id));
        }
        self.taken.push(Taken { states, savepoint, model });
    }

    async fn restore(&mut self) {
        let (states, model) = match self.taken.choose(&mut self.rng) {
            None => (Vec::new(), Model::new()),
            Some(taken) => (taken.states.clone(), taken.model.clone()),
        };
        self.model = model;
        self.subtasks = subtasks(&mut self.rng, self.folder, &states).await;
        self.check_namespaces(None);
    }

    async fn step(&mut self) {
        match self.rng.random_range(0..20) {
            0 => self.snapshot(true).await,
            1 | 2 => self.snapshot(false).await,
            3 => self.restore().await,
            4 | 5 => {
                let namespace = *NAMESPACES.choose(&mut self.rng).expect("not empty");
                let table = self.rng.random_range(0..TABLES);
                self.drain(table, namespace);
            }
            _ => self.batch(),
        }
    }
}

async fn run(seed: u64, steps: usize) {
    let _seed = Seed(seed);
    let folder = tempfile::tempdir().expect("a folder");
    let mut rng = SmallRng::seed_from_u64(seed);
    let subtasks = subtasks(&mut rng, folder.path(), &[]).await;
    let mut world = World {
        rng,
        folder: folder.path(),
        place: place(),
        subtasks,
        model: Model::new(),
        taken: Vec::new(),
        checkpoint_id: 0,
    };
    for _ in 0..steps {
        world.step().await;
    }
    for taken in &world.taken {
        let formats: BTreeSet<_> = taken.states.iter().map(|state| format!("{:?}", state.format)).collect();
        assert!(!taken.savepoint || formats.iter().all(|format| format == "SnapshotV1"), "{formats:?}");
    }
    for table in 0..TABLES {
        for namespace in NAMESPACES {
            world.drain(table, namespace);
        }
    }
    world.check_namespaces(None);
    drop(world);
    let left = std::fs::read_dir(folder.path()).expect("readable").count();
    assert_eq!(left, 0, "closed stores leave nothing behind");
}

#[tokio::test]
async fn tables_behave_like_a_map_across_snapshots_and_rescaling() {
    let (first, count) = match std::env::var("SEED") {
        Ok(seed) => (seed.parse().expect("a number"), 1),
        Err(_) => (0, 24),
    };
    for seed in first..first + count {
        run(seed, 60).await;
    }
}
