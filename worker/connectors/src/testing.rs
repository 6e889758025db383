//! What the tests of connectors share.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
};

use arrow::{
    array::RecordBatch,
    util::display::{ArrayFormatter, FormatOptions},
};
use checkpoint::Item;
use dataflow::{Clock, OpenContext, Snapshot, Source, SourceEvent};
use graph::{
    TableSpec,
    operator::{SourceColumn, SourceSpec},
};
use model::{DataType, Failure, Field, Schema};
use storage::{Storage, StorageOptions};

use crate::Environment;

/// A table without columns.
pub(crate) fn table(name: &str, options: &[(&str, &str)]) -> TableSpec {
    let options = options.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    TableSpec { name: name.to_owned(), options, ..TableSpec::default() }
}

/// A table with columns.
pub(crate) fn table_of(columns: &[(&str, DataType)], options: &[(&str, &str)]) -> TableSpec {
    let fields = columns.iter().map(|(name, data_type)| Field::new(*name, data_type.clone())).collect();
    TableSpec { schema: Schema::new(fields), ..table("t", options) }
}

/// The source of some columns of a table, written `a` or `a.b`.
pub(crate) fn source_of(table: TableSpec, columns: &[(&str, DataType)]) -> SourceSpec {
    let columns = columns
        .iter()
        .map(|(path, data_type)| SourceColumn {
            path: path.split('.').map(str::to_owned).collect(),
            data_type: data_type.clone(),
        })
        .collect();
    SourceSpec { table, columns, filters: Vec::new(), watermark: None }
}

/// The source of all columns of a table.
pub(crate) fn source_of_all(table: TableSpec) -> SourceSpec {
    let columns: Vec<_> =
        table.schema.fields.iter().map(|field| (field.name.clone(), field.data_type.clone())).collect();
    let columns: Vec<_> = columns.iter().map(|(name, data_type)| (name.as_str(), data_type.clone())).collect();
    source_of(table, &columns)
}

/// A clock that is set by hand; it begins at 0.
#[derive(Default)]
pub(crate) struct HandClock(AtomicI64);

impl HandClock {
    pub(crate) fn set(&self, now_ms: i64) {
        self.0.store(now_ms, Ordering::Relaxed);
    }
}

impl Clock for HandClock {
    fn now_ms(&self) -> i64 {
        self.0.load(Ordering::Relaxed)
    }
}

pub(crate) fn storage() -> Storage {
    Storage::new(StorageOptions::default())
}

/// An environment on the current runtime.
pub(crate) fn environment() -> Environment {
    Environment::new(storage(), tokio::runtime::Handle::current())
}

/// The context of a fresh subtask.
pub(crate) fn context(subtask: u32, parallelism: u32) -> OpenContext {
    let options = state::StoreOptions { backend: state::Backend::HashMap, key_groups: 0..=127, max_parallelism: 128 };
    let keyed = futures::executor::block_on(state::KeyedStore::open(options, Vec::new(), storage())).unwrap();
    OpenContext {
        uid: "source/1".to_owned(),
        is_uid_derived: true,
        subtask,
        parallelism,
        max_parallelism: 128,
        settings: Arc::default(),
        clock: Arc::<HandClock>::default(),
        restored: BTreeMap::new(),
        is_restored: false,
        splits: None,
        keyed,
    }
}

/// The context of a subtask that is restored from the lists of all subtasks.
pub(crate) fn restored(subtask: u32, parallelism: u32, lists: &BTreeMap<String, Vec<Item>>) -> OpenContext {
    OpenContext { restored: lists.clone(), is_restored: true, ..context(subtask, parallelism) }
}

/// The source of one subtask alone, with all that its enumerator lists.
pub(crate) async fn open(
    spec: &SourceSpec,
    mut context: OpenContext,
    environment: &Environment,
) -> Result<Box<dyn Source>, Failure> {
    context.splits = crate::enumerate_splits(spec, &context.restored, environment).await?;
    crate::build_source(spec, &mut context, environment)
}

/// The sources of all subtasks, each with its share of one list.
pub(crate) async fn open_all(
    spec: &SourceSpec,
    parallelism: u32,
    lists: Option<&BTreeMap<String, Vec<Item>>>,
    environment: &Environment,
) -> Vec<Box<dyn Source>> {
    let none = BTreeMap::new();
    let listed = crate::enumerate_splits(spec, lists.unwrap_or(&none), environment).await.unwrap();
    let build = |subtask: u32| {
        let mut context = match lists {
            None => context(subtask, parallelism),
            Some(lists) => restored(subtask, parallelism, lists),
        };
        let share =
            |all: &Vec<Item>| all.iter().skip(subtask as usize).step_by(parallelism as usize).cloned().collect();
        context.splits = listed.as_ref().map(share);
        crate::build_source(spec, &mut context, environment).unwrap()
    };
    (0..parallelism).map(build).collect()
}

/// Each row as text, columns separated by `|`.
pub(crate) fn lines(batch: &RecordBatch) -> Vec<String> {
    let options = FormatOptions::default().with_null("null");
    let columns: Vec<_> =
        batch.columns().iter().map(|column| ArrayFormatter::try_new(column.as_ref(), &options).unwrap()).collect();
    (0..batch.num_rows())
        .map(|row| columns.iter().map(|column| column.value(row).to_string()).collect::<Vec<_>>().join("|"))
        .collect()
}

/// Polls until the end or until about `rows` rows came; says whether it is the end.
pub(crate) async fn read(source: &mut dyn Source, rows: usize, out: &mut Vec<String>) -> bool {
    let from = out.len();
    while out.len() - from < rows {
        match source.poll().await.unwrap() {
            SourceEvent::Batch { split, batch } => {
                assert!(source.splits().contains(&split) || batch.rows() > 0);
                out.extend(lines(batch.columns()));
            }
            SourceEvent::SplitFinished(split) => assert!(!source.splits().contains(&split)),
            SourceEvent::End => {
                assert!(source.splits().is_empty());
                return true;
            }
        }
    }
    false
}

/// The operator state of all subtasks, in order.
pub(crate) fn snapshot(sources: &mut [Box<dyn Source>]) -> BTreeMap<String, Vec<Item>> {
    let mut all: BTreeMap<String, Vec<Item>> = BTreeMap::new();
    for source in sources {
        let mut snapshot = Snapshot::default();
        source.snapshot(&mut snapshot).unwrap();
        for (name, items) in snapshot.lists {
            all.entry(name).or_default().extend(items);
        }
    }
    all
}

/// Reads a source at changing parallelism with a snapshot and restore after each of `stops` (parallelism, rows for each
/// subtask), then to the end. What was read after the snapshot is thrown away, as a restart does.
pub(crate) async fn read_with_restores(
    spec: &SourceSpec,
    environment: &Environment,
    stops: &[(u32, usize)],
    last: u32,
) -> Vec<String> {
    let mut out = Vec::new();
    let mut lists: Option<BTreeMap<String, Vec<Item>>> = None;
    for (parallelism, rows) in stops {
        let mut sources = open_all(spec, *parallelism, lists.as_ref(), environment).await;
        for (index, source) in sources.iter_mut().enumerate() {
            // Subtasks get unequally far; some not even to their first row.
            read(source.as_mut(), rows * index, &mut out).await;
        }
        let next = snapshot(&mut sources);
        for source in &mut sources {
            read(source.as_mut(), 100, &mut Vec::new()).await;
        }
        lists = Some(next);
    }
    for mut source in open_all(spec, last, lists.as_ref(), environment).await {
        assert!(read(source.as_mut(), usize::MAX, &mut out).await);
    }
    out.sort();
    out
}
