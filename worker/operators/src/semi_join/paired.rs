//! A semi join with a condition beside the keys: both sides keep their rows, and each left row counts its matches.
//!
//! Rows are compared pair by pair, a bounded number of pairs at a time. A batch of the right input changes a left row
//! once for each part of it, from whether it had a match before to whether it has one after.

use std::sync::Arc;

use arrow::{
    array::{ArrayRef, RecordBatch, RecordBatchOptions, UInt32Array},
    compute,
    datatypes::{Field, Schema as ArrowSchema, SchemaRef},
};
use dataflow::{OpenContext, Snapshot};
use graph::{Expr, operator::SemiJoinSpec};
use model::{
    Batch, Failure, RowKind,
    batch::{ROWS_TARGET, is_retraction_code},
    row::{self, Rows},
};
use state::{EntryId, Table};

use super::{emit_left, rows::KeptRows, transition};
use crate::{
    emission::Pending,
    grouping::{Grouper, Groups},
    join::Sides,
    projection::Projection,
};

/// Rows of a batch that are matched in one step at most.
const ROWS_MAX: usize = 64;
/// A step with more pairs is followed by one of fewer rows.
const PAIRS_WANTED: usize = 64 * ROWS_TARGET;

pub(super) struct Paired {
    anti: bool,
    keys: [Vec<usize>; 2],
    schemas: [SchemaRef; 2],
    left: Table<KeptRows>,
    right: Table<KeptRows>,
    condition: Condition,
    grouper: Grouper,
    /// The batch that is being matched, its port, and the first row that is not yet.
    current: Option<(usize, Batch, usize)>,
    /// Rows of the next step.
    rows: usize,
}

struct Condition {
    projection: Projection,
    left_columns: usize,
}

/// Rows that come out, by their bytes.
#[derive(Default)]
struct Emission {
    rows: Rows,
    kinds: Vec<u8>,
}

impl Emission {
    fn push(&mut self, row: &[u8], kind: RowKind, times: usize) {
        for _ in 0..times {
            self.rows.push(row);
            self.kinds.push(kind as u8);
        }
    }
}

impl Paired {
    pub(super) fn open(
        condition: &Expr,
        sides: &Sides<'_>,
        spec: &SemiJoinSpec,
        context: &mut OpenContext,
    ) -> Result<Self, Failure> {
        let (left, right) = (sides.left, sides.right);
        let Some(projection) = sides.condition(Some(condition))? else {
            return Err(Failure::internal("a semi join of pairs has a condition"));
        };
        Ok(Self {
            anti: spec.anti,
            keys: [spec.left_keys.clone(), spec.right_keys.clone()],
            schemas: [left.to_arrow(), right.to_arrow()],
            left: context.expiring_table("left-v3")?,
            right: context.expiring_table("right-v3")?,
            condition: Condition { projection, left_columns: left.len() },
            grouper: Grouper::default(),
            current: None,
            rows: 1,
        })
    }

    pub(super) fn is_done(&self) -> bool {
        self.current.is_none()
    }

    pub(super) fn take(&mut self, port: usize, batch: Batch) {
        self.current = Some((port, batch, 0));
    }

    /// Takes some rows of the current batch.
    pub(super) fn step(&mut self, pending: &mut Pending) -> Result<(), Failure> {
        let Some((port, batch, start)) = self.current.take() else { return Ok(()) };
        let end = (start + self.rows).min(batch.rows());
        let part = batch.slice(start, end - start);
        let pairs = match port {
            0 => self.left_rows(&part, pending)?,
            _ => self.right_rows(&part, pending)?,
        };
        self.rows = if pairs > PAIRS_WANTED { (self.rows / 2).max(1) } else { (self.rows * 2).min(ROWS_MAX) };
        if end < batch.rows() {
            self.current = Some((port, batch, end));
        }
        Ok(())
    }

    fn group(&mut self, port: usize, batch: &Batch) -> Result<(Rows, Groups), Failure> {
        let keys: Vec<ArrayRef> = self.keys[port].iter().map(|&key| Arc::clone(batch.column(key))).collect();
        let keys = row::encode(&keys, batch.rows())?;
        let groups = self.grouper.group(&keys);
        Ok((keys, groups))
    }

    /// Left rows: each comes out if it has a match, or if it has none. Returns the number of pairs.
    fn left_rows(&mut self, batch: &Batch, pending: &mut Pending) -> Result<usize, Failure> {
        let (keys, groups) = self.group(0, batch)?;
        let mut entries = Vec::with_capacity(groups.first_rows.len());
        look_up(&mut self.right, &keys, &groups, &mut entries)?;
        let mut matches = vec![0_u64; batch.rows()];
        let mut held = |pair: Pair| matches[pair.row as usize] += u64::from(pair.count);
        let mut pairs = Pairs::new(&self.condition, batch, &self.schemas[1], true, &mut held);
        for (row, &group) in groups.of_row.iter().enumerate() {
            pairs.add_all(row as u32, self.right.get(entries[group as usize]))?;
        }
        let compared = pairs.finish()?;
        self.right.end_batch()?;
        entries.clear();
        look_up(&mut self.left, &keys, &groups, &mut entries)?;
        let now = self.left.now();
        let stored = row::encode_batch(batch.columns())?;
        let mut out = Vec::new();
        for (row, &group) in groups.of_row.iter().enumerate() {
            let slot = self.left.get_mut(entries[group as usize]);
            let comes_out = if batch.kinds().is_some_and(|kinds| is_retraction_code(kinds[row])) {
                let removed = slot.as_mut().and_then(|rows| rows.remove(stored.row(row)));
                if slot.as_ref().is_some_and(KeptRows::is_empty) {
                    *slot = None;
                }
                removed.is_some_and(|matches| (matches > 0) != self.anti)
            } else {
                slot.get_or_insert_default().push(stored.row(row), matches[row], now);
                (matches[row] > 0) != self.anti
            };
            if comes_out {
                out.push(row as u32);
            }
        }
        self.left.end_batch()?;
        emit_left(batch, &out, pending)?;
        Ok(compared)
    }

    /// Right rows: left rows get their first match, or lose their last. Returns the number of pairs.
    fn right_rows(&mut self, batch: &Batch, pending: &mut Pending) -> Result<usize, Failure> {
        let (keys, groups) = self.group(1, batch)?;
        let sign = |row: usize| if batch.kinds().is_some_and(|kinds| is_retraction_code(kinds[row])) { -1 } else { 1 };
        let stored = row::encode_batch(batch.columns())?;
        let (mut lefts, mut own) = (Vec::with_capacity(groups.first_rows.len()), Vec::new());
        look_up(&mut self.left, &keys, &groups, &mut lefts)?;
        look_up(&mut self.right, &keys, &groups, &mut own)?;
        let now = self.right.now();
        let mut changes: Vec<Vec<i64>> =
            lefts.iter().map(|&entry| vec![0; self.left.get(entry).map_or(0, KeptRows::len)]).collect();
        let mut held = |pair: Pair| {
            let row = pair.row as usize;
            changes[groups.of_row[row] as usize][pair.position as usize] += sign(row);
        };
        let mut pairs = Pairs::new(&self.condition, batch, &self.schemas[0], false, &mut held);
        for (row, &group) in groups.of_row.iter().enumerate() {
            pairs.add_all(row as u32, self.left.get(lefts[group as usize]))?;
            keep(self.right.get_mut(own[group as usize]), stored.row(row), sign(row) > 0, now);
        }
        let compared = pairs.finish()?;
        self.right.end_batch()?;
        let mut emission = Emission::default();
        for (&entry, changes) in lefts.iter().zip(&changes) {
            self.change_matches(entry, changes, &mut emission);
        }
        self.left.end_batch()?;
        if !emission.kinds.is_empty() {
            let columns = row::decode(&self.schemas[0], emission.rows.iter())?;
            pending.push(columns, Some(emission.kinds.into()));
        }
        Ok(compared)
    }

    /// Changes how many matches the left rows of a key have.
    fn change_matches(&mut self, entry: EntryId, changes: &[i64], emission: &mut Emission) {
        if changes.iter().all(|change| *change == 0) {
            return;
        }
        let now = self.left.now();
        let Some(rows) = self.left.get_mut(entry) else { return };
        for ((row, known), &change) in rows.iter_mut().zip(changes) {
            let before = known.matches;
            known.matches = before.saturating_add_signed(change);
            known.changed_at = now.filter(|_| change != 0).unwrap_or(known.changed_at);
            if let Some(kind) = transition(before, known.matches, self.anti) {
                emission.push(row, kind, known.count as usize);
            }
        }
    }

    pub(super) fn snapshot(&mut self, snapshot: &mut Snapshot) -> Result<(), Failure> {
        snapshot.table(&mut self.left)?;
        snapshot.table(&mut self.right)
    }
}

/// The entries of groups, without the rows that have expired.
fn look_up(
    table: &mut Table<KeptRows>,
    keys: &Rows,
    groups: &Groups,
    entries: &mut Vec<EntryId>,
) -> Result<(), Failure> {
    table.hydrate(0, keys, Some(&groups.first_rows), entries)?;
    let Some(horizon) = table.horizon() else { return Ok(()) };
    for &entry in &*entries {
        if table.get(entry).is_some_and(|rows| rows.may_have_expired(horizon)) {
            let key_changed_at = table.changed_at(entry).unwrap_or(i64::MIN);
            let slot = table.edit(entry);
            if let Some(rows) = slot {
                rows.expire(horizon, key_changed_at);
                if rows.is_empty() {
                    *slot = None;
                }
            }
        }
    }
    Ok(())
}

/// Keeps a row, or forgets it.
fn keep(slot: &mut Option<KeptRows>, row: &[u8], is_added: bool, now: Option<i64>) {
    if is_added {
        slot.get_or_insert_default().push(row, 0, now);
    } else if slot.as_mut().is_some_and(|rows| rows.remove(row).is_some() && rows.is_empty()) {
        *slot = None;
    }
}

/// A row of a batch beside a kept row of the other side.
#[derive(Clone, Copy)]
struct Pair {
    row: u32,
    /// Where the other is among those of its key, and how often it is there.
    position: u32,
    count: u32,
}

/// Pairs on their way to the condition, at most a batch of them at a time.
struct Pairs<'a> {
    condition: &'a Condition,
    batch: &'a Batch,
    others_schema: &'a SchemaRef,
    batch_is_left: bool,
    /// What is done with a pair that fulfils the condition.
    held: &'a mut dyn FnMut(Pair),
    pairs: Vec<Pair>,
    others: Rows,
    compared: usize,
}

impl<'a> Pairs<'a> {
    fn new(
        condition: &'a Condition,
        batch: &'a Batch,
        others_schema: &'a SchemaRef,
        batch_is_left: bool,
        held: &'a mut dyn FnMut(Pair),
    ) -> Self {
        let (pairs, others) = (Vec::new(), Rows::default());
        Self { condition, batch, others_schema, batch_is_left, held, pairs, others, compared: 0 }
    }

    /// Adds the pairs of one row.
    fn add_all(&mut self, row: u32, others: Option<&KeptRows>) -> Result<(), Failure> {
        for ((other, known), position) in others.into_iter().flat_map(KeptRows::iter).zip(0..) {
            self.pairs.push(Pair { row, position, count: known.count });
            self.others.push(other);
            if self.pairs.len() >= ROWS_TARGET {
                self.compare()?;
            }
        }
        Ok(())
    }

    /// Compares the rest. Returns how many pairs there were.
    fn finish(mut self) -> Result<usize, Failure> {
        self.compare()?;
        Ok(self.compared)
    }

    fn compare(&mut self) -> Result<(), Failure> {
        if self.pairs.is_empty() {
            return Ok(());
        }
        let decoded = row::decode(self.others_schema, self.others.iter())?;
        let rows: UInt32Array = self.pairs.iter().map(|pair| pair.row).collect();
        let Condition { projection, left_columns } = self.condition;
        let columns = projection.used.iter().map(|&column| {
            let is_left = column < *left_columns;
            let column = if is_left { column } else { column - left_columns };
            match is_left == self.batch_is_left {
                true => Ok(compute::take(self.batch.column(column), &rows, None)?),
                false => Ok(Arc::clone(decoded.column(column))),
            }
        });
        let columns = columns.collect::<Result<Vec<_>, Failure>>()?;
        let fields = columns.iter().enumerate();
        let fields = fields.map(|(index, column)| Field::new(index.to_string(), column.data_type().clone(), true));
        let schema = Arc::new(ArrowSchema::new(fields.collect::<Vec<_>>()));
        let options = RecordBatchOptions::new().with_row_count(Some(self.pairs.len()));
        let both = RecordBatch::try_new_with_options(schema, columns, &options)?;
        let mask = projection.evaluators()[0].evaluate_predicate(&both)?;
        for (&pair, _) in self.pairs.iter().zip(mask.iter()).filter(|(_, held)| *held == Some(true)) {
            (self.held)(pair);
        }
        self.compared += self.pairs.len();
        self.pairs.clear();
        self.others.clear();
        Ok(())
    }
}
