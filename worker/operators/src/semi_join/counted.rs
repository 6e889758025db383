//! A semi join by keys alone: the left rows of each key, and how many right rows it has.
//!
//! A batch of the right input changes a key once, from whether it had a match before to whether it has one after; then
//! its left rows come out, a bounded number at a time.

#![expect(
    clippy::cast_possible_truncation,
    reason = "positions are bounded by a batch; hashes and times are reinterpreted bit by bit"
)]

use std::sync::Arc;

use arrow::{
    array::{ArrayRef, UInt32Array},
    compute,
    datatypes::SchemaRef,
};
use dataflow::{OpenContext, Snapshot};
use graph::operator::SemiJoinSpec;
use model::{
    Batch, Failure,
    batch::{columns_of, is_retraction_code},
    row::{self, Rows},
};
use state::{EntryId, Table};

use super::{LeftRows, rows::Count, transition};
use crate::{
    emission::Pending,
    grouping::{Grouper, Groups},
    join::{KeptRows, Matches},
    limits::Limits,
};

pub(super) struct Counted {
    anti: bool,
    keys: [Vec<usize>; 2],
    left_schema: SchemaRef,
    left: KeptRows,
    right: Table<Count>,
    grouper: Grouper,
    /// The keys whose left rows come out.
    changed: Option<Matches>,
}

impl Counted {
    pub(super) fn open(spec: &SemiJoinSpec, limits: Limits, context: &mut OpenContext) -> Result<Self, Failure> {
        Ok(Self {
            anti: spec.anti,
            keys: [spec.left_keys.clone(), spec.right_keys.clone()],
            left_schema: spec.left_schema.to_arrow(),
            left: KeptRows::open("left-v2", !spec.left_input.is_append(), limits, context)?,
            right: context.expiring_table("right-counts-v1")?,
            grouper: Grouper::default(),
            changed: None,
        })
    }

    pub(super) fn is_done(&self) -> bool {
        self.changed.is_none()
    }

    fn group(&mut self, port: usize, batch: &Batch) -> Result<(Rows, Groups), Failure> {
        let keys: Vec<ArrayRef> = self.keys[port].iter().map(|&key| Arc::clone(batch.column(key))).collect();
        let keys = row::encode_keys(&keys, batch.rows())?;
        let groups = self.grouper.group(&keys);
        Ok((keys, groups))
    }

    /// Left rows: each comes out if its key has a match, or if it has none.
    pub(super) fn left_rows(&mut self, rows: &LeftRows, pending: &mut Pending) -> Result<(), Failure> {
        let batch = rows.matchable()?;
        let (keys, groups) = self.group(0, &batch)?;
        let stored = row::encode_batch(batch.columns())?;
        self.left.change(&keys, &groups, &stored, batch.kinds().map(|kinds| &kinds[..]))?;
        let mut entries = Vec::with_capacity(groups.first_rows.len());
        self.right.hydrate(0, &keys, Some(&groups.first_rows), &mut entries)?;
        let comes_out: Vec<bool> = entries.iter().map(|&entry| self.finds_match(entry) != self.anti).collect();
        self.right.end_batch()?;
        rows.emit(groups.of_row.iter().map(|&group| comes_out[group as usize]), pending)
    }

    /// Whether a key has right rows. If so, that it has is known as long as the left rows that have come now: they
    /// would come out again if it were forgotten before.
    fn finds_match(&mut self, entry: EntryId) -> bool {
        let finds = self.right.get(entry).is_some();
        if finds && self.right.horizon().is_some() {
            self.right.get_mut(entry);
        }
        finds
    }

    /// Right rows: keys get their first match, or lose their last.
    pub(super) fn right_rows(&mut self, batch: &Batch) -> Result<(), Failure> {
        let (keys, groups) = self.group(1, batch)?;
        let mut entries = Vec::with_capacity(groups.first_rows.len());
        self.right.hydrate(0, &keys, Some(&groups.first_rows), &mut entries)?;
        let count = |entry: &EntryId| self.right.get(*entry).map_or(0, |count| count.0);
        let before: Vec<u64> = entries.iter().map(count).collect();
        let mut after = before.clone();
        for (row, &group) in groups.of_row.iter().enumerate() {
            let count = &mut after[group as usize];
            // One by one: the retraction of a row that nobody knows any more must not undo what comes after it.
            *count = match batch.kinds().is_some_and(|kinds| is_retraction_code(kinds[row])) {
                true => count.saturating_sub(1),
                false => *count + 1,
            };
        }
        let (mut rows, mut kinds) = (Vec::new(), Vec::new());
        for (group, &entry) in entries.iter().enumerate() {
            *self.right.get_mut(entry) = (after[group] > 0).then_some(Count(after[group]));
            if let Some(kind) = transition(before[group], after[group], self.anti) {
                rows.push(groups.first_rows[group]);
                kinds.push(kind as u8);
            }
        }
        self.right.end_batch()?;
        if rows.is_empty() {
            return Ok(());
        }
        // A row stands for each key that changes.
        let (columns, _) = batch.take(&UInt32Array::from(rows.clone()))?.into_parts();
        let changed = Batch::new(columns, Some(kinds.into()));
        let mut entries = Vec::with_capacity(rows.len());
        self.left.first_pieces(&keys, &rows, &mut entries)?;
        let of_row = (0..rows.len() as u32).collect();
        let part_sizes = vec![rows.len()];
        self.changed = Some(Matches::new(1, changed, keys, Groups { of_row, first_rows: rows, part_sizes }, entries));
        Ok(())
    }

    /// Emits some of the left rows of changed keys.
    pub(super) fn step(&mut self, pending: &mut Pending) -> Result<(), Failure> {
        let Some(changed) = &mut self.changed else { return Ok(()) };
        let Some(found) = changed.next(&mut self.left, &self.left_schema)? else {
            self.changed = None;
            return self.left.end_batch();
        };
        let kinds: Vec<u8> = found.rows.iter().map(|&row| found.batch.kind(row as usize) as u8).collect();
        let rows = UInt32Array::from(found.other_rows);
        let columns = found.others.columns().iter().map(|column| compute::take(column, &rows, None));
        let columns = columns_of(Arc::clone(&self.left_schema), columns.collect::<Result<_, _>>()?, rows.len())?;
        pending.push(columns, Some(kinds.into()));
        Ok(())
    }

    pub(super) fn snapshot(&mut self, snapshot: &mut Snapshot) -> Result<(), Failure> {
        self.left.snapshot(snapshot)?;
        snapshot.table(&mut self.right)
    }
}
