//! A semi join by keys alone: the left rows of each key, and how many right rows it has.
//!
//! A batch of the right input changes a key once, from whether it had a match before to whether it has one after; then
//! its left rows come out, a bounded number at a time.

use std::sync::Arc;

use arrow::{
    array::{ArrayRef, RecordBatch, UInt32Array},
    compute,
    datatypes::SchemaRef,
};
use dataflow::{OpenContext, Snapshot};
use graph::operator::SemiJoinSpec;
use model::{
    Batch, Failure,
    batch::is_retraction_code,
    row::{self, Rows},
};
use state::Table;

use super::{emit_left, rows::Count, transition};
use crate::{
    emission::Pending,
    grouping::{Grouper, Groups},
    join::{KeptRows, Matches},
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
    pub(super) fn open(spec: &SemiJoinSpec, context: &mut OpenContext) -> Result<Self, Failure> {
        Ok(Self {
            anti: spec.anti,
            keys: [spec.left_keys.clone(), spec.right_keys.clone()],
            left_schema: spec.left_schema.to_arrow(),
            left: KeptRows::open("left-v2", !spec.left_input.is_append(), context)?,
            right: context.expiring_table("right-counts-v1")?,
            grouper: Grouper::default(),
            changed: None,
        })
    }

    pub(super) fn is_done(&self) -> bool {
        self.changed.is_none()
    }

    pub(super) fn take(&mut self, port: usize, batch: Batch, pending: &mut Pending) -> Result<(), Failure> {
        let keys: Vec<ArrayRef> = self.keys[port].iter().map(|&key| Arc::clone(batch.column(key))).collect();
        let keys = row::encode(&keys, batch.rows())?;
        let groups = self.grouper.group(&keys);
        match port {
            0 => self.left_rows(&batch, &keys, &groups, pending),
            _ => self.right_rows(&batch, keys, &groups),
        }
    }

    /// Left rows: each comes out if its key has a match, or if it has none.
    fn left_rows(&mut self, batch: &Batch, keys: &Rows, groups: &Groups, pending: &mut Pending) -> Result<(), Failure> {
        let mut entries = Vec::with_capacity(groups.first_rows.len());
        self.right.hydrate(0, keys, Some(&groups.first_rows), &mut entries)?;
        let comes_out: Vec<bool> = entries.iter().map(|&entry| self.right.get(entry).is_some() != self.anti).collect();
        self.right.end_batch()?;
        let stored = row::encode_batch(batch.columns())?;
        self.left.change(keys, groups, &stored, batch.kinds().map(|kinds| &kinds[..]))?;
        let rows = groups.of_row.iter().zip(0_u32..).filter(|(group, _)| comes_out[**group as usize]);
        let rows: Vec<u32> = rows.map(|(_, row)| row).collect();
        emit_left(batch, &rows, pending)
    }

    /// Right rows: keys get their first match, or lose their last.
    fn right_rows(&mut self, batch: &Batch, keys: Rows, groups: &Groups) -> Result<(), Failure> {
        let sign = |row: usize| if batch.kinds().is_some_and(|kinds| is_retraction_code(kinds[row])) { -1 } else { 1 };
        let mut changes = vec![0_i64; groups.first_rows.len()];
        groups.of_row.iter().enumerate().for_each(|(row, &group)| changes[group as usize] += sign(row));
        let mut entries = Vec::with_capacity(groups.first_rows.len());
        self.right.hydrate(0, &keys, Some(&groups.first_rows), &mut entries)?;
        let (mut rows, mut kinds) = (Vec::new(), Vec::new());
        for ((entry, change), &row) in entries.into_iter().zip(changes).zip(&groups.first_rows) {
            let slot = self.right.get_mut(entry);
            let before = slot.as_ref().map_or(0, |count| count.0);
            let after = before.saturating_add_signed(change);
            *slot = (after > 0).then_some(Count(after));
            if let Some(kind) = transition(before, after, self.anti) {
                rows.push(row);
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
        let columns = RecordBatch::try_new(Arc::clone(&self.left_schema), columns.collect::<Result<_, _>>()?)?;
        pending.push(columns, Some(kinds.into()));
        Ok(())
    }

    pub(super) fn snapshot(&mut self, snapshot: &mut Snapshot) -> Result<(), Failure> {
        self.left.snapshot(snapshot)?;
        snapshot.table(&mut self.right)
    }
}
