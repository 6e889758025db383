//! A semi join with a condition beside the keys: both sides keep their rows, and each left row counts its matches.
//!
//! Rows are compared pair by pair, a bounded number of pairs at a time. A batch of the right input changes a left row
//! once for each part of it, from whether it had a match before to whether it has one after.

#![expect(
    clippy::cast_possible_truncation,
    reason = "positions are bounded by a batch; hashes and times are reinterpreted bit by bit"
)]

use std::sync::Arc;

use super::{
    LeftRows,
    rows::{KeptRows, Known},
    transition,
};
use crate::{
    emission::Pending,
    grouping::{Grouper, Groups},
    hashed::{Found, Hashed},
    join::Sides,
    limits::Limits,
    projection::Projection,
};
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

/// Rows of a batch that are matched in one step at most.
const ROWS_MAX: usize = 64;
/// A step with more pairs is followed by one of fewer rows.
const PAIRS_WANTED: usize = 64 * ROWS_TARGET;

pub(super) struct Paired {
    anti: bool,
    keys: [Vec<usize>; 2],
    schemas: [SchemaRef; 2],
    left: Hashed<KeptRows>,
    right: Hashed<KeptRows>,
    condition: Condition,
    grouper: Grouper,
    /// The batch that is being matched, and the first row that is not yet.
    current: Option<(Side, usize)>,
    /// Rows of the next step.
    rows: usize,
}

/// A batch of one input.
pub(super) enum Side {
    Left(LeftRows),
    Right(Batch),
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
        limits: Limits,
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
            left: Hashed::open("left-v3", 0, limits, context)?,
            right: Hashed::open("right-v3", 0, limits, context)?,
            condition: Condition { projection, left_columns: left.len() },
            grouper: Grouper::default(),
            current: None,
            rows: 1,
        })
    }

    pub(super) fn is_done(&self) -> bool {
        self.current.is_none()
    }

    pub(super) fn take(&mut self, batch: Side) {
        self.current = Some((batch, 0));
    }

    /// Takes some rows of the current batch.
    pub(super) fn step(&mut self, pending: &mut Pending) -> Result<(), Failure> {
        let Some((side, start)) = self.current.take() else { return Ok(()) };
        let (Side::Left(LeftRows { batch, .. }) | Side::Right(batch)) = &side;
        let rows = batch.rows();
        let mut end = (start + self.rows).min(rows);
        // The halves of an update stay together.
        end += usize::from(end < rows && batch.kind(end - 1) == RowKind::UpdateBefore);
        let pairs = match &side {
            Side::Left(rows) => self.left_rows(&rows.slice(start, end - start), pending)?,
            Side::Right(batch) => self.right_rows(&batch.slice(start, end - start), pending)?,
        };
        self.rows = if pairs > PAIRS_WANTED { (self.rows / 2).max(1) } else { (self.rows * 2).min(ROWS_MAX) };
        if end < rows {
            self.current = Some((side, end));
        }
        Ok(())
    }

    fn group(&mut self, port: usize, batch: &Batch) -> Result<(Rows, Groups), Failure> {
        let keys: Vec<ArrayRef> = self.keys[port].iter().map(|&key| Arc::clone(batch.column(key))).collect();
        let keys = row::encode_keys(&keys, batch.rows())?;
        let groups = self.grouper.group(&keys);
        Ok((keys, groups))
    }

    /// Left rows: each comes out if it has a match, or if it has none. Returns the number of pairs.
    fn left_rows(&mut self, rows: &LeftRows, pending: &mut Pending) -> Result<usize, Failure> {
        let batch = &rows.matchable()?;
        let (keys, groups) = self.group(0, batch)?;
        let (mut matches, mut compared) = (vec![0_u64; batch.rows()], 0);
        for from in self.right.starts() {
            let found = self.right.next_pieces(&keys, &groups.first_rows, from)?;
            if found.is_empty() {
                break;
            }
            let mut held = |pair: Pair| matches[pair.row as usize] += u64::from(pair.count);
            let mut pairs = Pairs::new(&self.condition, batch, &self.schemas[1], true, &mut held);
            for (row, &group) in groups.of_row.iter().enumerate() {
                pairs.add_all(row as u32, rows_of(&self.right, &found[group as usize]))?;
            }
            compared += pairs.finish()?;
            self.right.end_batch()?;
        }
        let mut firsts = Vec::with_capacity(groups.first_rows.len());
        self.left.first_pieces(&keys, &groups.first_rows, &mut firsts)?;
        let stored = row::encode_batch(batch.columns())?;
        let mut out = Vec::with_capacity(batch.rows());
        for (row, &group) in groups.of_row.iter().enumerate() {
            let (key, first) = ((&keys, groups.first_rows[group as usize]), firsts[group as usize]);
            let (is_removed, found, stored) = (is_retraction(batch, row), matches[row], stored.row(row));
            let matches = self.left.change(key, first, stored, |rows, now| match is_removed {
                true => rows.remove(stored),
                false => Some(rows.push(stored, found, now)),
            })?;
            out.push(matches.is_some_and(|matches| (matches > 0) != self.anti));
        }
        self.left.end_batch()?;
        rows.emit(out, pending)?;
        Ok(compared)
    }

    /// Right rows: left rows get their first match, or lose their last. Returns the number of pairs.
    fn right_rows(&mut self, batch: &Batch, pending: &mut Pending) -> Result<usize, Failure> {
        let (keys, groups) = self.group(1, batch)?;
        let sign = |row: usize| if is_retraction(batch, row) { -1 } else { 1 };
        let (mut emission, mut compared) = (Emission::default(), 0);
        for from in self.left.starts() {
            let found = self.left.next_pieces(&keys, &groups.first_rows, from)?;
            if found.is_empty() {
                break;
            }
            let matches = |found| rows_of(&self.left, found).map(|(_, known)| known.matches).collect();
            let mut after: Vec<Vec<u64>> = found.iter().map(matches).collect();
            // One by one: the retraction of a row that a left row never matched must not undo what comes after it.
            let mut held = |pair: Pair| {
                let row = pair.row as usize;
                let matches = &mut after[groups.of_row[row] as usize][pair.position as usize];
                *matches = matches.saturating_add_signed(sign(row));
            };
            let mut pairs = Pairs::new(&self.condition, batch, &self.schemas[0], false, &mut held);
            for (row, &group) in groups.of_row.iter().enumerate() {
                pairs.add_all(row as u32, rows_of(&self.left, &found[group as usize]))?;
            }
            compared += pairs.finish()?;
            for (found, after) in found.iter().zip(&after) {
                self.change_matches(found, after, &mut emission);
            }
            self.left.end_batch()?;
        }
        self.keep_right(batch, &keys, &groups)?;
        pending.push_rows(emission.rows.iter(), &emission.kinds, |_, part| row::decode(&self.schemas[0], part))?;
        Ok(compared)
    }

    /// Keeps right rows, or forgets them.
    fn keep_right(&mut self, batch: &Batch, keys: &Rows, groups: &Groups) -> Result<(), Failure> {
        let mut firsts = Vec::with_capacity(groups.first_rows.len());
        self.right.first_pieces(keys, &groups.first_rows, &mut firsts)?;
        let stored = row::encode_batch(batch.columns())?;
        for (row, &group) in groups.of_row.iter().enumerate() {
            let (key, first) = ((keys, groups.first_rows[group as usize]), firsts[group as usize]);
            let (is_removed, stored) = (is_retraction(batch, row), stored.row(row));
            self.right.change(key, first, stored, |rows, now| match is_removed {
                true => rows.remove(stored),
                false => Some(rows.push(stored, 0, now)),
            })?;
        }
        self.right.end_batch()
    }

    /// Changes how many matches some left rows of a key have.
    fn change_matches(&mut self, found: &Found, after: &[u64], emission: &mut Emission) {
        let (now, mut after) = (self.left.table.now(), after.iter().copied());
        for &entry in &found.pieces {
            let rows = self.left.table.get(entry).into_iter().flat_map(KeptRows::iter);
            let after: Vec<(u64, u64)> =
                rows.zip(after.by_ref()).map(|((_, known), after)| (known.matches, after)).collect();
            if after.iter().all(|(before, after)| before == after) {
                continue;
            }
            self.left.keep_alive(found.first);
            let rows = self.left.table.get_mut(entry).iter_mut().flat_map(KeptRows::iter_mut);
            for ((row, known), (before, after)) in rows.zip(after) {
                known.matches = after;
                known.changed_at = now.filter(|_| before != after).unwrap_or(known.changed_at);
                if let Some(kind) = transition(before, after, self.anti) {
                    emission.push(row, kind, known.count as usize);
                }
            }
        }
    }

    pub(super) fn snapshot(&mut self, snapshot: &mut Snapshot) -> Result<(), Failure> {
        self.left.snapshot(snapshot)?;
        self.right.snapshot(snapshot)
    }
}

fn is_retraction(batch: &Batch, row: usize) -> bool {
    batch.kinds().is_some_and(|kinds| is_retraction_code(kinds[row]))
}

/// The rows in some pieces of a key.
fn rows_of<'a>(side: &'a Hashed<KeptRows>, found: &'a Found) -> impl Iterator<Item = (&'a [u8], &'a Known)> {
    found.pieces.iter().filter_map(|&entry| side.table.get(entry)).flat_map(KeptRows::iter)
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
    fn add_all<'o>(&mut self, row: u32, others: impl Iterator<Item = (&'o [u8], &'o Known)>) -> Result<(), Failure> {
        for ((other, known), position) in others.zip(0..) {
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
