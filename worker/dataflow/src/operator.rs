//! The operator: a synchronous state machine over batches. It has no clock, I/O or threads of its own.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use checkpoint::Item;
use model::{Batch, Failure, Watermark};
use settings::Settings;
use state::{KeyedStore, Retention, StateValue, Table, TablePart};

/// Whether an operator has done all of what it was called for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Flow {
    /// All done.
    Done,
    /// More output is waiting: take what there is, then call [`Operator::resume`].
    More,
}

/// A running operator. The runtime calls it from one thread, one call at a time, and keeps row order for each port.
pub trait Operator: Send {
    /// Takes rows on an input port. With a large output it may stop and return [`Flow::More`].
    ///
    /// # Errors
    /// Any error fails the task.
    fn process(&mut self, port: usize, batch: Batch, output: &mut Output) -> Result<Flow, Failure>;

    /// Goes on after [`Flow::More`]; nothing else is called in between.
    ///
    /// # Errors
    /// As [`Operator::process`].
    fn resume(&mut self, output: &mut Output) -> Result<Flow, Failure>;

    /// The watermark of all inputs has risen: fire what is due. The runtime forwards
    /// [`Operator::output_watermark`] afterwards.
    ///
    /// # Errors
    /// As [`Operator::process`].
    fn watermark(&mut self, watermark: Watermark, output: &mut Output) -> Result<Flow, Failure>;

    /// The processing time, in milliseconds, at which the operator wants [`Operator::processing_time`] to be called;
    /// none: never. Asked anew after every other call.
    fn timer(&self) -> Option<i64> {
        None
    }

    /// Processing time has reached what [`Operator::timer`] said: fire what is due. Not called once the input has
    /// ended: what is still open then is never emitted.
    ///
    /// # Errors
    /// As [`Operator::process`].
    fn processing_time(&mut self, _now_ms: i64, _output: &mut Output) -> Result<Flow, Failure> {
        Ok(Flow::Done)
    }

    /// The watermark that is forwarded for `watermark`: less where later output may be older.
    fn output_watermark(&self, watermark: Watermark) -> Watermark {
        watermark
    }

    /// Emits whatever is held back for batching. Called before each barrier, at the end of input, and when the
    /// mini-batch latency has passed.
    ///
    /// # Errors
    /// As [`Operator::process`].
    fn flush(&mut self, output: &mut Output) -> Result<Flow, Failure>;

    /// Hands over the state for a snapshot. Follows [`Operator::flush`]; only the synchronous part may happen here.
    ///
    /// # Errors
    /// As [`Operator::process`].
    fn snapshot(&mut self, snapshot: &mut Snapshot) -> Result<(), Failure>;
}

/// Where an operator puts its output; rows keep their order.
#[derive(Debug, Default)]
pub struct Output {
    batches: Vec<Batch>,
    late_rows: u64,
    /// Late rows themselves, if they are wanted.
    late: Option<Vec<Batch>>,
}

/// When an operator has put out so many rows in one call it should return [`Flow::More`].
pub const OUTPUT_ROWS_MAX: usize = 4 * model::batch::ROWS_TARGET;

impl Output {
    /// Emits a batch; empty ones are dropped.
    pub fn emit(&mut self, batch: Batch) {
        if !batch.is_empty() {
            self.batches.push(batch);
        }
    }

    /// Rows emitted since they were last taken.
    pub fn rows(&self) -> usize {
        self.batches.iter().map(Batch::rows).sum()
    }

    /// Whether enough was emitted in this call.
    pub fn is_full(&self) -> bool {
        self.rows() >= OUTPUT_ROWS_MAX
    }

    /// Counts rows that came too late and were dropped.
    pub fn count_late(&mut self, rows: u64) {
        self.late_rows += rows;
    }

    /// Counts the rows that came too late and were dropped; `rows` gives them, in case they are wanted.
    ///
    /// # Errors
    /// Those of `rows`.
    pub fn drop_late(&mut self, count: u64, rows: impl FnOnce() -> Result<Batch, Failure>) -> Result<(), Failure> {
        self.late_rows += count;
        if count > 0
            && let Some(late) = &mut self.late
        {
            late.push(rows()?);
        }
        Ok(())
    }

    /// Late rows are wanted from now on.
    pub fn keep_late(&mut self) {
        self.late = Some(Vec::new());
    }

    /// Takes the late rows.
    pub fn take_late_rows(&mut self) -> Vec<Batch> {
        self.late.as_mut().map(std::mem::take).unwrap_or_default()
    }

    /// Takes what was emitted.
    pub fn take(&mut self) -> Vec<Batch> {
        std::mem::take(&mut self.batches)
    }

    /// Takes the count of late rows.
    pub fn take_late(&mut self) -> u64 {
        std::mem::take(&mut self.late_rows)
    }
}

/// What an operator puts into a snapshot: the synchronous part of each of its tables, and operator state.
#[derive(Default)]
pub struct Snapshot {
    /// Operator state by name.
    pub lists: BTreeMap<String, Vec<Item>>,
    /// The parts of the operator's tables; the runtime writes them out asynchronously through its store.
    pub tables: Vec<TablePart>,
}

impl Snapshot {
    /// Adds an item to the operator state `name`. At a restore every subtask is given the items of all subtasks.
    pub fn add(&mut self, name: &str, item: Vec<u8>) {
        self.lists.entry(name.to_owned()).or_default().push(Item(item));
    }

    /// Adds a table.
    ///
    /// # Errors
    /// If the backend cannot write back what the table holds in memory.
    pub fn table<V: StateValue>(&mut self, table: &mut Table<V>) -> Result<(), Failure> {
        self.tables.push(table.snapshot()?);
        Ok(())
    }
}

/// Processing time, given by the runtime.
pub trait Clock: Send + Sync {
    /// Milliseconds since the epoch.
    fn now_ms(&self) -> i64;
}

/// What an operator, source or sink is given when it is built.
pub struct OpenContext {
    /// The operator's uid.
    pub uid: String,
    /// Whether the uid follows from what the operator computes (`graph::identity`). If not, the user has given it.
    pub is_uid_derived: bool,
    /// Which subtask this is.
    pub subtask: u32,
    /// How many subtasks there are.
    pub parallelism: u32,
    /// Number of key groups of the job.
    pub max_parallelism: u32,
    /// The job's options.
    pub settings: Arc<Settings>,
    /// Processing time.
    pub clock: Arc<dyn Clock>,
    /// Restored operator state: the items that all subtasks of the snapshot wrote, in subtask order.
    pub restored: BTreeMap<String, Vec<Item>>,
    /// Whether this start is a restore from a snapshot.
    pub is_restored: bool,
    /// A source's share of the splits that were listed for this start, beside those in its restored state; none if its
    /// subtasks share no list.
    pub splits: Option<Vec<Item>>,
    /// The store for this subtask's key groups, already restored. Tables are registered in it by name.
    pub keyed: KeyedStore,
}

impl OpenContext {
    /// The restored items of one operator state.
    pub fn restored(&self, name: &str) -> &[Item] {
        self.restored.get(name).map_or(&[], Vec::as_slice)
    }

    /// A table whose entries expire if the job's options say so: that of an operator which would keep them for ever.
    ///
    /// # Errors
    /// As [`KeyedStore::table`].
    pub fn expiring_table<V: StateValue>(&mut self, name: &str) -> Result<Table<V>, Failure> {
        let idle = self.settings.get(&settings::keys::STATE_TTL);
        let clock = Arc::clone(&self.clock);
        let idle_ms = i64::try_from(idle.as_millis()).unwrap_or(i64::MAX);
        let retention = (idle > Duration::ZERO).then(|| Retention::new(idle_ms, move || clock.now_ms()));
        self.keyed.expiring_table(name, retention)
    }
}
