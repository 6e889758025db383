//! The matches of one batch, a bounded number at a time.

#![expect(
    clippy::cast_possible_truncation,
    reason = "positions are bounded by a batch; hashes and times are reinterpreted bit by bit"
)]

use std::sync::Arc;

use arrow::{
    array::{ArrayRef, BooleanArray, RecordBatch, RecordBatchOptions, UInt32Array},
    compute,
    datatypes::SchemaRef,
};
use model::{
    Batch, Failure, RowKind,
    batch::ROWS_TARGET,
    row::{self, Rows},
};
use state::EntryId;

use super::kept::KeptRows;
use crate::{group_aggregate::take_all, grouping::Groups, projection::Projection};

/// A batch and how far its matches have been emitted.
pub(crate) struct Matches {
    /// The input that the batch came from.
    pub(crate) port: usize,
    batch: Batch,
    keys: Rows,
    groups: Groups,
    /// The first piece that the other side keeps for each group.
    entries: Vec<EntryId>,
    /// Further pieces that were read since those entries were looked up.
    read: usize,
    row: usize,
    /// Within the rows that match `row`: the piece, the next row's number in the first piece, its position in bytes.
    piece: u32,
    matched: usize,
    position: usize,
}

/// Pairs of rows: of the batch, and of stored rows of the other side.
pub(crate) struct Found {
    pub(crate) batch: Batch,
    pub(crate) rows: Vec<u32>,
    pub(crate) others: RecordBatch,
    pub(crate) other_rows: Vec<u32>,
}

const NOT_DECODED: u32 = u32::MAX;
/// Further pieces that are in memory before the backend may evict.
const PIECES_HELD_MAX: usize = 1024;

impl Matches {
    pub(crate) fn new(port: usize, batch: Batch, keys: Rows, groups: Groups, entries: Vec<EntryId>) -> Self {
        Self { port, batch, keys, groups, entries, read: 0, row: 0, piece: 0, matched: 0, position: 0 }
    }

    /// The next pairs, or `None` after the last.
    pub(crate) fn next(&mut self, kept: &mut KeptRows, schema: &SchemaRef) -> Result<Option<Found>, Failure> {
        loop {
            if self.piece == 0 {
                let found = self.in_first_pieces(kept, schema)?;
                if found.is_some() || self.piece == 0 {
                    return Ok(found);
                }
            }
            let found = self.in_further_pieces(kept, schema)?;
            if found.is_some() {
                return Ok(found);
            }
        }
    }

    /// Pairs with rows in first pieces, up to a row that matches further ones. Stored rows that match several rows are
    /// decoded once.
    fn in_first_pieces(&mut self, kept: &KeptRows, schema: &SchemaRef) -> Result<Option<Found>, Failure> {
        let mut stored: Vec<&[u8]> = Vec::new();
        let mut first_of_group = vec![NOT_DECODED; self.entries.len()];
        let (mut rows, mut other_rows) = (Vec::new(), Vec::new());
        while self.row < self.groups.of_row.len() && rows.len() < ROWS_TARGET {
            let group = self.groups.of_row[self.row] as usize;
            let repeated = self.paired_rows();
            let Some(others) = kept.piece(self.entries[group]) else {
                self.row += repeated;
                continue;
            };
            // A list that is longer than a batch is decoded bit by bit, for each row anew.
            let is_short = others.len() <= ROWS_TARGET;
            if is_short && first_of_group[group] == NOT_DECODED {
                first_of_group[group] = stored.len() as u32;
                let mut position = 0;
                while let Some((row, next)) = others.at(position) {
                    stored.push(row);
                    position = next;
                }
            }
            while self.matched < others.len() && rows.len() < ROWS_TARGET {
                let other = if is_short {
                    first_of_group[group] + self.matched as u32
                } else {
                    let Some((row, next)) = others.at(self.position) else { break };
                    self.position = next;
                    stored.push(row);
                    stored.len() as u32 - 1
                };
                for row in self.row..self.row + repeated {
                    rows.push(row as u32);
                    other_rows.push(other);
                }
                self.matched += 1;
            }
            if self.matched >= others.len() {
                (self.matched, self.position) = (0, 0);
                if let Some(piece) = others.first_further() {
                    self.piece = piece;
                    break;
                }
                self.row += repeated;
            }
        }
        self.found(rows, stored, other_rows, schema)
    }

    /// Pairs of one row, or two, with rows in further pieces of its key.
    fn in_further_pieces(&mut self, kept: &mut KeptRows, schema: &SchemaRef) -> Result<Option<Found>, Failure> {
        // Between two pieces, as rows that have expired meanwhile leave theirs.
        if self.read >= PIECES_HELD_MAX && self.position == 0 {
            self.read = 0;
            kept.end_batch()?;
            self.entries.clear();
            kept.first_pieces(&self.keys, &self.groups.first_rows, &mut self.entries)?;
        }
        let group = self.groups.of_row[self.row] as usize;
        let repeated = self.paired_rows();
        let first = self.entries[group];
        let last = kept.piece(first).map_or(0, |first| first.more);
        let end = last.min(self.piece + kept.pieces_at_once() - 1);
        let key = self.groups.first_rows[group];
        let from = self.piece;
        let pieces = kept.entries(&self.keys, key, from..=end)?;
        self.read += pieces.len();
        let (mut rows, mut stored, mut other_rows) = (Vec::new(), Vec::new(), Vec::new());
        let mut expired = Vec::new();
        for &entry in &pieces {
            let next_row = |position| kept.piece(entry).and_then(|piece| piece.at(position));
            while let Some((row, next)) = next_row(self.position).filter(|_| rows.len() < ROWS_TARGET) {
                stored.push(row);
                for row in self.row..self.row + repeated {
                    rows.push(row as u32);
                    other_rows.push(stored.len() as u32 - 1);
                }
                self.position = next;
            }
            if next_row(self.position).is_some() {
                break;
            }
            if kept.piece(entry).is_none() {
                expired.push(self.piece);
            }
            self.position = 0;
            self.piece += 1;
        }
        if self.piece > last {
            self.piece = 0;
            self.row += repeated;
        }
        let found = self.found(rows, stored, other_rows, schema)?;
        expired.into_iter().for_each(|piece| kept.skip_expired(first, piece));
        kept.give_up_expired(first, from, &pieces);
        Ok(found)
    }

    fn found(
        &self,
        rows: Vec<u32>,
        stored: Vec<&[u8]>,
        other_rows: Vec<u32>,
        schema: &SchemaRef,
    ) -> Result<Option<Found>, Failure> {
        if rows.is_empty() {
            return Ok(None);
        }
        let others = row::decode(schema, stored)?;
        Ok(Some(Found { batch: self.batch.clone(), rows, others, other_rows }))
    }

    /// 2 at a −U whose +U follows under the same key, else 1.
    fn paired_rows(&self) -> usize {
        let (row, next) = (self.row, self.row + 1);
        let groups = &self.groups.of_row;
        let is_pair = next < groups.len()
            && groups[row] == groups[next]
            && self.batch.kind(row) == RowKind::UpdateBefore
            && self.batch.kind(next) == RowKind::UpdateAfter;
        if is_pair { 2 } else { 1 }
    }
}

impl Found {
    /// The joined rows that fulfil the condition: left columns, right columns.
    pub(super) fn joined(
        self,
        port: usize,
        condition: Option<&Projection>,
        schema: &SchemaRef,
    ) -> Result<Batch, Failure> {
        let Self { batch, rows, others, other_rows } = self;
        let mut own = Picked::new(batch.columns().columns(), rows.into());
        let mut other = Picked::new(others.columns(), other_rows.into());
        if let Some(condition) = condition {
            let (left, right) = if port == 0 { (&own, &other) } else { (&other, &own) };
            let mask = evaluate(condition, left, right)?;
            if mask.true_count() < mask.len() {
                own.keep(&mask)?;
                other.keep(&mask)?;
            }
        }
        let kinds = batch.kinds().map(|kinds| own.rows.values().iter().map(|&row| kinds[row as usize]).collect());
        let count = own.rows.len();
        let (left, right) = if port == 0 { (own, other) } else { (other, own) };
        let mut columns = left.all()?;
        columns.extend(right.all()?);
        let options = RecordBatchOptions::new().with_row_count(Some(count));
        Ok(Batch::new(RecordBatch::try_new_with_options(Arc::clone(schema), columns, &options)?, kinds))
    }
}

/// Rows of one side, not yet copied.
struct Picked<'a> {
    columns: &'a [ArrayRef],
    rows: UInt32Array,
    /// Whether they are all rows in order.
    all: bool,
}

impl<'a> Picked<'a> {
    fn new(columns: &'a [ArrayRef], rows: UInt32Array) -> Self {
        let length = columns.first().map_or(0, |column| column.len());
        let all = rows.len() == length && rows.values().iter().enumerate().all(|(index, &row)| index as u32 == row);
        Self { columns, rows, all }
    }

    fn keep(&mut self, mask: &BooleanArray) -> Result<(), Failure> {
        let kept = mask.iter().zip(self.rows.values()).filter(|(keep, _)| *keep == Some(true));
        self.rows = kept.map(|(_, &row)| row).collect();
        self.all = false;
        Ok(())
    }

    fn column(&self, index: usize) -> Result<ArrayRef, Failure> {
        let column = &self.columns[index];
        if self.all { Ok(Arc::clone(column)) } else { Ok(compute::take(column, &self.rows, None)?) }
    }

    fn all(&self) -> Result<Vec<ArrayRef>, Failure> {
        if self.all { Ok(self.columns.to_vec()) } else { take_all(self.columns, &self.rows) }
    }
}

/// The condition over those columns that it uses.
fn evaluate(condition: &Projection, left: &Picked<'_>, right: &Picked<'_>) -> Result<BooleanArray, Failure> {
    let left_columns = left.columns.len();
    let columns = condition
        .used
        .iter()
        .map(|&index| if index < left_columns { left.column(index) } else { right.column(index - left_columns) })
        .collect::<Result<Vec<_>, _>>()?;
    let fields: Vec<_> = columns
        .iter()
        .zip(&condition.used)
        .map(|(column, index)| arrow::datatypes::Field::new(index.to_string(), column.data_type().clone(), true))
        .collect();
    let options = RecordBatchOptions::new().with_row_count(Some(left.rows.len()));
    let schema = Arc::new(arrow::datatypes::Schema::new(fields));
    let batch = RecordBatch::try_new_with_options(schema, columns, &options)?;
    condition.evaluators()[0].evaluate_predicate(&batch)
}
