//! All subtasks of one operator, without a runtime.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering::Relaxed},
    },
};

use arrow::{
    array::UInt32Array,
    util::display::{ArrayFormatter, FormatOptions},
};
use checkpoint::{Item, KeyedState};
use dataflow::{Clock, Flow, OpenContext, Operator, Output, Snapshot, operator::OUTPUT_ROWS_MAX};
use graph::Node;
use model::{
    Batch, Failure, RowKind, Schema, Watermark,
    batch::ROWS_TARGET,
    key,
    row::{self, Rows},
};
use settings::Settings;
use state::{Backend, KeyedStore, StateValue, StoreOptions, Table};
use storage::{Storage, StorageOptions};

use crate::limits::Limits;

const MAX_PARALLELISM: u32 = 128;

/// A change as it came out.
pub(super) type Change = (RowKind, Vec<String>);

/// A batch's rows as text; null is `NULL`.
pub(super) fn rows(batch: &Batch) -> Vec<Change> {
    let options = FormatOptions::new().with_null("NULL");
    let columns: Vec<_> = batch
        .columns()
        .columns()
        .iter()
        .map(|column| ArrayFormatter::try_new(column.as_ref(), &options).expect("can be shown"))
        .collect();
    (0..batch.rows())
        .map(|row| (batch.kind(row), columns.iter().map(|column| column.value(row).to_string()).collect()))
        .collect()
}

/// A clock that tests set.
#[derive(Default)]
pub(crate) struct TestClock(AtomicI64);

impl TestClock {
    pub(super) fn set(&self, now: i64) {
        self.0.store(now, Relaxed);
    }
}

impl Clock for TestClock {
    fn now_ms(&self) -> i64 {
        self.0.load(Relaxed)
    }
}

/// For what is part of an operator: a store without state, in memory.
pub(crate) fn context(options: &[(&str, &str)], clock: &Arc<TestClock>) -> OpenContext {
    let mut settings = Settings::default();
    options.iter().for_each(|(name, value)| settings.set(name, value).expect("an option"));
    let store = StoreOptions {
        backend: Backend::HashMap,
        key_groups: key::range_of(0, 1, MAX_PARALLELISM),
        max_parallelism: MAX_PARALLELISM,
    };
    let store = KeyedStore::open(store, Vec::new(), Storage::new(StorageOptions::default()));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("starts");
    OpenContext {
        uid: "operator".to_owned(),
        is_uid_derived: false,
        subtask: 0,
        parallelism: 1,
        max_parallelism: MAX_PARALLELISM,
        settings: Arc::new(settings),
        clock: Arc::<TestClock>::clone(clock),
        restored: BTreeMap::new(),
        is_restored: false,
        splits: None,
        keyed: runtime.block_on(store).expect("opens"),
    }
}

/// Where state is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum On {
    HashMap,
    RocksDb,
}

/// What a savepoint holds: keyed state by table, namespace and key, and operator state.
#[derive(Clone)]
pub(super) struct Stored {
    pub(super) entries: BTreeMap<(String, i64, Vec<u8>), Vec<u8>>,
    pub(super) lists: BTreeMap<String, Vec<Item>>,
}

/// A value as it is stored.
#[derive(Clone)]
struct Raw(Vec<u8>);

impl StateValue for Raw {
    fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.0);
    }

    fn decode(bytes: &[u8]) -> Result<Self, Failure> {
        Ok(Self(bytes.to_vec()))
    }

    fn size_bytes(&self) -> usize {
        self.0.len()
    }
}

struct Subtask {
    operator: Box<dyn Operator>,
    store: KeyedStore,
}

pub(super) struct Cluster {
    node: Node,
    inputs: Vec<Schema>,
    /// The columns that spread each input's rows over subtasks.
    keys: Vec<Vec<usize>>,
    settings: Settings,
    storage: Storage,
    folder: tempfile::TempDir,
    clock: Arc<TestClock>,
    runtime: tokio::runtime::Runtime,
    snapshots: u64,
    subtasks: Vec<Subtask>,
    /// What has come out.
    pub(super) changes: Vec<Change>,
    /// The same as batches.
    pub(super) emitted: Vec<Batch>,
    pub(super) late_rows: u64,
    /// The keyed state of the last snapshot.
    keyed: Vec<KeyedState>,
}

impl Cluster {
    pub(super) fn new(node: Node, inputs: Vec<Schema>, keys: Vec<Vec<usize>>) -> Self {
        Self::with_settings(node, inputs, keys, &[])
    }

    pub(super) fn with_settings(
        node: Node,
        inputs: Vec<Schema>,
        keys: Vec<Vec<usize>>,
        options: &[(&str, &str)],
    ) -> Self {
        let mut settings = Settings::default();
        for (name, value) in options {
            settings.set(name, value).expect("an option");
        }
        let mut cluster = Self {
            node,
            inputs,
            keys,
            settings,
            storage: Storage::new(StorageOptions::default()),
            folder: tempfile::tempdir().expect("a folder"),
            clock: Arc::default(),
            runtime: tokio::runtime::Builder::new_multi_thread()
                .worker_threads(1)
                .enable_all()
                .build()
                .expect("starts"),
            snapshots: 0,
            subtasks: Vec::new(),
            changes: Vec::new(),
            emitted: Vec::new(),
            late_rows: 0,
            keyed: Vec::new(),
        };
        cluster.start(1, On::HashMap, &[], &BTreeMap::new()).expect("starts");
        cluster
    }

    fn start(
        &mut self,
        parallelism: u32,
        on: On,
        keyed: &[KeyedState],
        restored: &BTreeMap<String, Vec<Item>>,
    ) -> Result<(), Failure> {
        self.subtasks.clear();
        for subtask in 0..parallelism {
            let backend = match on {
                On::HashMap => Backend::HashMap,
                On::RocksDb => Backend::RocksDb { directory: self.folder.path().join("rocksdb"), cache_bytes: 1 << 12 },
            };
            let options = StoreOptions {
                backend,
                key_groups: key::range_of(subtask, parallelism, MAX_PARALLELISM),
                max_parallelism: MAX_PARALLELISM,
            };
            let store = KeyedStore::open(options, keyed.to_vec(), self.storage.clone());
            let mut context = OpenContext {
                uid: self.node.uid.clone(),
                is_uid_derived: false,
                subtask,
                parallelism,
                max_parallelism: MAX_PARALLELISM,
                settings: Arc::new(self.settings.clone()),
                clock: Arc::<TestClock>::clone(&self.clock),
                restored: restored.clone(),
                is_restored: !keyed.is_empty(),
                splits: None,
                keyed: self.runtime.block_on(store)?,
            };
            let operator = crate::registry::build_within(Limits::small(), &self.node, &self.inputs, &mut context)?;
            assert_eq!(context.keyed.unclaimed(), Vec::<String>::new());
            self.subtasks.push(Subtask { operator, store: context.keyed });
        }
        Ok(())
    }

    pub(super) fn node(&self) -> &Node {
        &self.node
    }

    /// Changes the specification; it is used from the next restart.
    pub(super) fn replace_node(&mut self, node: Node) {
        self.node = node;
    }

    /// Sets an option; it counts from the next restart.
    pub(super) fn set_option(&mut self, name: &str, value: &str) {
        self.settings.set(name, value).expect("an option");
    }

    /// Takes a snapshot of all subtasks and goes on from it: in turn a savepoint and a checkpoint.
    pub(super) fn restart(&mut self, parallelism: u32, on: On) {
        self.try_restart(parallelism, on).expect("restored");
    }

    /// As [`Self::restart`], but the snapshot may be refused.
    pub(super) fn try_restart(&mut self, parallelism: u32, on: On) -> Result<(), Failure> {
        self.flush();
        let is_savepoint = self.snapshots.is_multiple_of(2);
        let (keyed, lists) = self.snapshot(is_savepoint);
        self.keyed.clone_from(&keyed);
        self.start(parallelism, on, &keyed, &lists)
    }

    /// Takes a snapshot of all subtasks.
    fn snapshot(&mut self, is_savepoint: bool) -> (Vec<KeyedState>, BTreeMap<String, Vec<Item>>) {
        self.snapshots += 1;
        let directory = self.folder.path().join(format!("chk-{}", self.snapshots)).display().to_string();
        let mut keyed = Vec::new();
        let mut lists: BTreeMap<String, Vec<Item>> = BTreeMap::new();
        for subtask in &mut self.subtasks {
            let mut snapshot = Snapshot::default();
            subtask.operator.snapshot(&mut snapshot).expect("a snapshot");
            for (name, items) in snapshot.lists {
                lists.entry(name).or_default().extend(items);
            }
            let pending = subtask.store.snapshot(snapshot.tables, is_savepoint).expect("a snapshot");
            let written = pending.write(&self.storage, &directory, &directory, self.snapshots);
            keyed.extend(self.runtime.block_on(written).expect("written"));
        }
        (keyed, lists)
    }

    /// What a savepoint holds.
    pub(super) fn stored(&mut self) -> Stored {
        let (keyed, lists) = self.snapshot(true);
        let mut store = self.whole_store(keyed);
        let mut entries = BTreeMap::new();
        for name in store.unclaimed() {
            let mut table: Table<Raw> = store.table(&name).expect("a table");
            for namespace in table.namespaces() {
                let mut put = |key: &[u8], value: Raw| {
                    entries.insert((name.clone(), namespace, key.to_vec()), value.0);
                };
                while table.drain(namespace, ROWS_TARGET, &mut put).expect("readable") {}
            }
        }
        Stored { entries, lists }
    }

    /// Goes on from what a savepoint holds.
    pub(super) fn restore(&mut self, stored: &Stored, parallelism: u32, on: On) -> Result<(), Failure> {
        let mut store = self.whole_store(Vec::new());
        let mut tables: BTreeMap<&str, Table<Raw>> = BTreeMap::new();
        for ((name, namespace, key), value) in &stored.entries {
            let table = tables.entry(name).or_insert_with(|| store.table(name).expect("a table"));
            let (mut keys, mut entries) = (Rows::default(), Vec::new());
            keys.push(key);
            table.hydrate(*namespace, &keys, None, &mut entries)?;
            *table.get_mut(entries[0]) = Some(Raw(value.clone()));
            table.end_batch()?;
        }
        let parts = tables.values_mut().map(Table::snapshot).collect::<Result<_, _>>()?;
        let directory = self.folder.path().join("stored").display().to_string();
        let written = store.snapshot(parts, true)?.write(&self.storage, &directory, &directory, 0);
        let keyed: Vec<KeyedState> = self.runtime.block_on(written)?.into_iter().collect();
        self.start(parallelism, on, &keyed, &stored.lists)
    }

    /// All key groups of some keyed state, in memory.
    fn whole_store(&self, keyed: Vec<KeyedState>) -> KeyedStore {
        let all = StoreOptions {
            backend: Backend::HashMap,
            key_groups: 0..=MAX_PARALLELISM as u16 - 1,
            max_parallelism: MAX_PARALLELISM,
        };
        self.runtime.block_on(KeyedStore::open(all, keyed, self.storage.clone())).expect("readable")
    }

    /// Whether the last snapshot had keyed state.
    pub(super) fn has_state(&self) -> bool {
        !self.whole_store(self.keyed.clone()).unclaimed().is_empty()
    }

    /// Feeds a batch to the subtasks that own its rows.
    pub(super) fn process(&mut self, port: usize, batch: Batch) {
        for (subtask, part) in self.split(port, &batch).into_iter().enumerate() {
            if !part.is_empty() {
                self.drive(subtask, |operator, output| operator.process(port, part, output));
            }
        }
    }

    /// As [`Self::process`] for a batch that the operator refuses.
    pub(super) fn try_process(&mut self, port: usize, batch: Batch) -> Result<(), Failure> {
        for (subtask, part) in self.split(port, &batch).into_iter().enumerate() {
            let _ = self.subtasks[subtask].operator.process(port, part, &mut Output::default())?;
        }
        Ok(())
    }

    fn split(&self, port: usize, batch: &Batch) -> Vec<Batch> {
        let keys: Vec<_> = self.keys[port].iter().map(|&key| Arc::clone(batch.column(key))).collect();
        let keys = row::encode(&keys, batch.rows()).expect("keys");
        let parallelism = self.subtasks.len() as u32;
        let owner = |row: usize| {
            let group = key::key_group(key::hash(keys.row(row)), MAX_PARALLELISM);
            key::subtask_of(group, parallelism, MAX_PARALLELISM)
        };
        (0..parallelism)
            .map(|subtask| {
                let own: UInt32Array =
                    (0..batch.rows()).filter(|&row| owner(row) == subtask).map(|row| row as u32).collect();
                batch.take(&own).expect("rows")
            })
            .collect()
    }

    pub(super) fn watermark(&mut self, watermark: i64) {
        for subtask in 0..self.subtasks.len() {
            self.drive(subtask, |operator, output| operator.watermark(Watermark(watermark), output));
        }
    }

    /// Sets the clock without telling the operators.
    pub(super) fn set_clock(&mut self, now: i64) {
        self.clock.set(now);
    }

    /// Sets the clock and tells the operators that wait for it.
    pub(super) fn processing_time(&mut self, now: i64) {
        self.set_clock(now);
        for subtask in 0..self.subtasks.len() {
            if self.subtasks[subtask].operator.timer().is_some_and(|timer| timer <= now) {
                self.drive(subtask, |operator, output| operator.processing_time(now, output));
                let timer = self.subtasks[subtask].operator.timer();
                assert!(timer.is_none_or(|timer| timer > now), "the timer {timer:?} has passed");
            }
        }
    }

    /// The watermark that would be forwarded.
    pub(super) fn forwarded(&self, watermark: i64) -> i64 {
        self.subtasks[0].operator.output_watermark(Watermark(watermark)).0
    }

    pub(super) fn flush(&mut self) {
        for subtask in 0..self.subtasks.len() {
            self.drive(subtask, |operator, output| operator.flush(output));
        }
    }

    /// Calls an operator until it is done, as the runtime would.
    fn drive(&mut self, subtask: usize, call: impl FnOnce(&mut dyn Operator, &mut Output) -> Result<Flow, Failure>) {
        let operator = self.subtasks[subtask].operator.as_mut();
        let mut output = Output::default();
        let mut flow = call(operator, &mut output).expect("works");
        loop {
            assert!(output.rows() < OUTPUT_ROWS_MAX + 2 * ROWS_TARGET, "the output of a call is bounded");
            self.late_rows += output.take_late();
            for batch in output.take() {
                assert_eq!(batch.schema(), self.node.schema.to_arrow());
                let changes = rows(&batch);
                let ends_in_a_pair = changes.last().is_some_and(|(kind, _)| *kind == RowKind::UpdateBefore);
                assert!(!ends_in_a_pair || batch.rows() < ROWS_TARGET, "a pair is never split");
                self.changes.extend(changes);
                self.emitted.push(batch);
            }
            match flow {
                Flow::Done => return,
                Flow::More => flow = operator.resume(&mut output).expect("works"),
            }
        }
    }

    /// What has come out since the last call.
    pub(super) fn take(&mut self) -> Vec<Change> {
        self.emitted.clear();
        std::mem::take(&mut self.changes)
    }
}
