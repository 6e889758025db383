//! `ROW_NUMBER()` within bounds: keeps the first rows of each partition by an order, and emits how they change.
//!
//! A batch is taken as a whole: a partition that several of its rows belong to changes once, from what it was before
//! the batch to what it is after. With mini-batches, several batches are taken as one. What a partition was is
//! remembered when its first row changes it.
//!
//! If the input only adds rows, no more are kept than can be asked for. Otherwise all are, since the next one is wanted
//! when one above it goes; most of a large partition apart from the first (`rank/below.rs`).

#![expect(
    clippy::cast_possible_truncation,
    reason = "positions are bounded by a batch; hashes and times are reinterpreted bit by bit"
)]

mod below;
mod changes;
#[cfg(test)]
mod frozen;
mod order;
mod rows;

use std::cmp::Ordering;

use arrow::{
    array::{ArrayRef, Int64Array, UInt32Array},
    datatypes::SchemaRef,
};
use dataflow::{Flow, OpenContext, Operator, Output, Snapshot};
use graph::{
    Node,
    operator::{DeduplicateSpec, RankSpec, SortColumn},
};
use model::{
    Batch, Failure, RowKind, Schema, Watermark,
    batch::{ROWS_TARGET, columns_of, is_retraction_code},
    row::{self, Rows},
};
use state::{EntryId, Table};

use self::{
    below::Below,
    changes::{Changed, Changes},
    rows::Frames,
};
pub(crate) use self::{order::Order, rows::RankedRows};
use crate::{
    emission::Pending,
    grouping::{Grouper, Groups},
    limits::Limits,
    signature::{Description, Signature, former},
};

const TABLE: &str = "ranked-v1";

pub(crate) struct Rank {
    partition: Vec<usize>,
    order: Order,
    bounds: Bounds,
    input: SchemaRef,
    schema: SchemaRef,
    table: Table<RankedRows>,
    /// If rows go again.
    below: Option<Below>,
    signature: Signature,
    grouper: Grouper,
    changed: Changed,
    pending: Pending,
    /// Rows that are taken before changes are emitted.
    rows_max: usize,
    rows: usize,
}

/// Which rows are wanted, and how their changes are told.
struct Bounds {
    /// The number of the first, from 0.
    from: usize,
    /// The last.
    kept: Kept,
    /// Whether any row may go again.
    retracts: bool,
    /// Whether rows replace each other number by number.
    replaces: bool,
    with_number: bool,
    emit_update_before: bool,
}

/// Which rows of a partition are kept if rows are only added.
pub(crate) struct Kept {
    /// How many.
    pub(crate) rows: usize,
    /// Whether a later one of two equal rows comes first.
    pub(crate) latest_first: bool,
}

impl Kept {
    /// Whether a row with this sort key is to be kept beside those that are there.
    #[inline]
    pub(crate) fn admits(&self, known: &RankedRows, sort: &[u8]) -> bool {
        known.len() < self.rows
            || match sort.cmp(known.last_sort()) {
                Ordering::Less => true,
                Ordering::Equal => self.latest_first,
                Ordering::Greater => false,
            }
    }

    /// Puts a row where it belongs; the last one goes if there are too many.
    pub(crate) fn insert(&self, known: &mut RankedRows, sort: &[u8], row: &[u8]) {
        if known.len() == self.rows {
            known.pop();
        }
        known.insert(sort, row, self.latest_first);
    }
}

impl Rank {
    pub(crate) fn new(
        spec: &RankSpec,
        node: &Node,
        input: &Schema,
        limits: Limits,
        context: &mut OpenContext,
    ) -> Result<Self, Failure> {
        if spec.from == 0 || spec.to < spec.from {
            return Err(Failure::internal(format!("the rows from {} to {}", spec.from, spec.to)));
        }
        let bounds = Bounds {
            from: (spec.from - 1) as usize,
            kept: Kept { rows: spec.to as usize, latest_first: spec.latest_first },
            retracts: !spec.input.is_append(),
            replaces: spec.replaces(),
            with_number: spec.with_number,
            emit_update_before: spec.emit_update_before,
        };
        Self::open(&spec.partition, &spec.order, bounds, node, input, limits, context)
    }

    /// The last row of each key by event time, or of all that have come.
    pub(crate) fn latest(
        spec: &DeduplicateSpec,
        node: &Node,
        input: &Schema,
        limits: Limits,
        context: &mut OpenContext,
    ) -> Result<Self, Failure> {
        let bounds = Bounds {
            from: 0,
            kept: Kept { rows: 1, latest_first: true },
            retracts: false,
            replaces: true,
            with_number: false,
            emit_update_before: spec.emit_update_before,
        };
        let order = SortColumn { column: spec.time, descending: true, nulls_first: false };
        let order = if spec.processing { Vec::new() } else { vec![order] };
        Self::open(&spec.keys, &order, bounds, node, input, limits, context)
    }

    fn open(
        partition: &[usize],
        order: &[SortColumn],
        bounds: Bounds,
        node: &Node,
        input: &Schema,
        limits: Limits,
        context: &mut OpenContext,
    ) -> Result<Self, Failure> {
        if node.schema.len() != input.len() + usize::from(bounds.with_number) {
            return Err(Failure::internal("the output columns are not the input's and the row number"));
        }
        if let Some(column) = partition.iter().find(|&&column| column >= input.len()) {
            return Err(Failure::internal(format!("column {column} of {} columns", input.len())));
        }
        let columns = former::types(input.fields.iter().map(|field| &field.data_type));
        let kept = match (bounds.retracts, bounds.kept.latest_first, bounds.kept.rows) {
            (true, false, _) => "all".to_owned(),
            (true, true, _) => "all, the latest first,".to_owned(),
            (false, false, rows) => format!("first {rows}"),
            (false, true, 1) => "latest".to_owned(),
            (false, true, rows) => format!("latest {rows}"),
        };
        let below = bounds.retracts.then(|| Below::open(bounds.kept.rows, limits, context)).transpose()?;
        let former = format!("{kept} of ({columns}) by {} in {}", former::positions(partition), former::order(order));
        let description = Description::of("rank").rows(input, partition).order(order, input).kept(kept);
        let settings = &context.settings;
        let mini_batch = settings.get(&settings::keys::MINI_BATCH_ENABLED);
        let size = settings.get(&settings::keys::MINI_BATCH_SIZE).clamp(1, u64::from(u32::MAX)) as usize;
        Ok(Self {
            partition: partition.to_vec(),
            order: Order::new(order, input)?,
            bounds,
            input: input.to_arrow(),
            schema: node.schema.to_arrow(),
            signature: Signature::new(&description, &former, context)?,
            table: context.expiring_table(TABLE)?,
            below,
            grouper: Grouper::default(),
            changed: Changed::default(),
            pending: Pending::default(),
            rows_max: if mini_batch { size } else { 1 },
            rows: 0,
        })
    }

    /// Puts the rows of a batch where they belong.
    fn take(&mut self, batch: &Batch) -> Result<(), Failure> {
        let keys: Vec<ArrayRef> = self.partition.iter().map(|&column| batch.column(column).clone()).collect();
        let keys = row::encode_keys(&keys, batch.rows())?;
        let groups = self.grouper.group(&keys);
        let mut entries = Vec::with_capacity(groups.first_rows.len());
        self.table.hydrate(0, &keys, Some(&groups.first_rows), &mut entries)?;
        let sorts = self.order.encode(batch.columns())?;
        // Most rows of a long partition do not get among the first, and need not be encoded.
        let enters = |row: usize| match self.table.get(entries[groups.of_row[row] as usize]) {
            Some(rows) => self.bounds.admits(rows, sorts.row(row)),
            None => true,
        };
        let candidates: Vec<u32> = (0..batch.rows()).filter(|&row| enters(row)).map(|row| row as u32).collect();
        if candidates.len() == batch.rows() {
            self.insert(batch, None, &keys, &groups, &sorts, &entries)?;
        } else if !candidates.is_empty() {
            let entering = batch.take(&UInt32Array::from(candidates.clone()))?;
            self.insert(&entering, Some(&candidates), &keys, &groups, &sorts, &entries)?;
        }
        self.table.end_batch()
    }

    /// Puts rows where they belong; `of` says which rows of the whole batch they are.
    fn insert(
        &mut self,
        batch: &Batch,
        of: Option<&[u32]>,
        keys: &Rows,
        groups: &Groups,
        sorts: &Rows,
        entries: &[EntryId],
    ) -> Result<(), Failure> {
        let encoded = row::encode_batch(batch.columns())?;
        let mut noted = vec![false; entries.len()];
        for (index, stored) in encoded.iter().enumerate() {
            let row = of.map_or(index, |of| of[index] as usize);
            let group = groups.of_row[row] as usize;
            let (entry, sort) = (entries[group], sorts.row(row));
            // Rows that came before in this batch may have filled the partition.
            if self.table.get(entry).is_some_and(|rows| !self.bounds.admits(rows, sort)) {
                continue;
            }
            if !std::mem::replace(&mut noted[group], true) {
                self.changed.note(keys.row(row), self.table.get(entry), self.bounds.kept.rows);
            }
            let slot = self.table.get_mut(entry);
            let key = (keys, groups.first_rows[group]);
            let Some(below) = &mut self.below else {
                self.bounds.kept.insert(slot.get_or_insert_default(), sort, stored);
                continue;
            };
            if batch.kinds().is_some_and(|kinds| is_retraction_code(kinds[index])) {
                let Some(rows) = slot else { continue };
                if below.remove(key, rows, (sort, stored))? && rows.is_empty() {
                    *slot = None;
                }
            } else {
                below.insert(key, slot.get_or_insert_default(), (sort, stored), self.bounds.kept.latest_first)?;
            }
        }
        self.below.as_mut().map_or(Ok(()), Below::end_batch)
    }

    /// Emits the changes of all changed partitions, until the output is full.
    fn emit(&mut self, output: &mut Output) -> Result<Flow, Failure> {
        loop {
            if self.pending.emit(output) == Flow::More {
                return Ok(Flow::More);
            }
            if self.changed.emitted == self.changed.keys.len() {
                self.changed.clear();
                self.rows = 0;
                return Ok(Flow::Done);
            }
            if output.is_full() {
                return Ok(Flow::More);
            }
            self.compare()?;
        }
    }

    /// Finds the changes of the next partitions: so many that they make about one batch.
    fn compare(&mut self) -> Result<(), Failure> {
        let start = self.changed.emitted;
        let partitions = (ROWS_TARGET / self.bounds.kept.rows).max(1);
        let end = (start + partitions).min(self.changed.keys.len());
        self.changed.emitted = end;
        let selection: Vec<u32> = (start as u32..end as u32).collect();
        let mut entries = Vec::with_capacity(selection.len());
        self.table.hydrate(0, &self.changed.keys, Some(&selection), &mut entries)?;
        let mut changes = Changes::default();
        for (partition, &entry) in (start..end).zip(&entries) {
            let before = Frames::new(self.changed.before.row(partition)).skip(self.bounds.from);
            let after = self.table.get(entry).into_iter().flat_map(RankedRows::iter);
            let after = after.take(self.bounds.kept.rows).skip(self.bounds.from);
            if self.bounds.replaces {
                changes.by_number(before, after, &self.bounds);
            } else {
                changes.by_row(before.collect(), after.collect());
            }
        }
        if !changes.rows.is_empty() {
            let mut columns = row::decode(&self.input, changes.rows)?.columns().to_vec();
            if self.bounds.with_number {
                columns.push(std::sync::Arc::new(Int64Array::from(changes.numbers)));
            }
            let inserts_only = changes.kinds.iter().all(|&kind| kind == RowKind::Insert as u8);
            let columns = columns_of(self.schema.clone(), columns, changes.kinds.len())?;
            self.pending.push(columns, (!inserts_only).then(|| changes.kinds.into()));
        }
        self.table.end_batch()
    }
}

impl Bounds {
    /// Whether a row with this sort key has to be kept beside those that are there.
    #[inline]
    fn admits(&self, rows: &RankedRows, sort: &[u8]) -> bool {
        self.retracts || self.kept.admits(rows, sort)
    }
}

impl Operator for Rank {
    fn process(&mut self, _port: usize, batch: Batch, output: &mut Output) -> Result<Flow, Failure> {
        if batch.is_empty() {
            return Ok(Flow::Done);
        }
        self.take(&batch)?;
        self.rows += batch.rows();
        if self.rows >= self.rows_max { self.emit(output) } else { Ok(Flow::Done) }
    }

    fn resume(&mut self, output: &mut Output) -> Result<Flow, Failure> {
        self.emit(output)
    }

    fn watermark(&mut self, _watermark: Watermark, _output: &mut Output) -> Result<Flow, Failure> {
        // The output has no time attribute, so rows that are held back cannot become late.
        Ok(Flow::Done)
    }

    fn flush(&mut self, output: &mut Output) -> Result<Flow, Failure> {
        self.emit(output)
    }

    fn snapshot(&mut self, snapshot: &mut Snapshot) -> Result<(), Failure> {
        self.signature.snapshot(snapshot);
        if let Some(below) = &mut self.below {
            below.snapshot(snapshot)?;
        }
        snapshot.table(&mut self.table)
    }
}
