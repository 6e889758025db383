//! `IN`, `EXISTS` and their negations: emits the rows of the left input for which the right one has a match, or has
//! none, and takes them back when that changes.
//!
//! Without a further condition it is enough to count the right rows of each key. With one, both sides keep their rows
//! and each left row counts its matches. A batch of the right input changes a left row once, from whether it had a
//! match before to whether it has one after.

pub(crate) mod rows;

use std::sync::Arc;

use arrow::{
    array::{ArrayRef, RecordBatch, RecordBatchOptions, UInt32Array},
    buffer::{NullBuffer, ScalarBuffer},
    compute,
    datatypes::SchemaRef,
};
use dataflow::{Flow, OpenContext, Operator, Output, Snapshot};
use graph::{Node, operator::SemiJoinSpec};
use model::{
    Batch, Failure, RowKind, Schema, Watermark,
    batch::{ROWS_TARGET, is_retraction_code},
    row::{self, Rows},
};
use state::{EntryId, Table};

use self::rows::{Count, KeptRows};
use crate::{
    accumulator::not_null,
    emission::Pending,
    grouping::{Grouper, Groups},
    projection::Projection,
    signature::{self, Signature},
};

pub(crate) struct SemiJoin {
    anti: bool,
    nulls_equal: bool,
    keys: [Vec<usize>; 2],
    schemas: [SchemaRef; 2],
    left: Table<KeptRows>,
    right: Right,
    signature: Signature,
    grouper: Grouper,
    pending: Pending,
    /// The batch that is being matched, with the first row that is not yet.
    current: Option<(usize, Batch, usize)>,
}

/// What is kept of the right side.
enum Right {
    Counts(Table<Count>),
    Rows(Table<KeptRows>, Condition),
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

impl SemiJoin {
    pub(crate) fn new(spec: &SemiJoinSpec, node: &Node, context: &mut OpenContext) -> Result<Self, Failure> {
        let (left, right) = (&spec.left_schema, &spec.right_schema);
        let key_types = |keys: &[usize], schema: &Schema| {
            let types = keys.iter().map(|&key| schema.fields.get(key).map(|field| field.data_type.to_arrow()));
            types.collect::<Option<Vec<_>>>()
        };
        let (left_types, right_types) = (key_types(&spec.left_keys, left), key_types(&spec.right_keys, right));
        if left_types.is_none() || left_types != right_types || node.schema.len() != left.len() {
            return Err(Failure::internal("the join's keys or columns do not fit its inputs"));
        }
        let both = Schema::new(left.fields.iter().chain(&right.fields).cloned().collect());
        let side = |schema: &Schema, keys: &[usize]| {
            let columns = signature::types(schema.fields.iter().map(|field| &field.data_type));
            format!("({columns}) by {keys:?}")
        };
        let name = if spec.anti { "ANTI" } else { "SEMI" };
        // With a condition it is kept which rows it held for.
        let rest = match &spec.condition {
            Some(condition) => format!("{} on {condition:?}", side(right, &spec.right_keys)),
            None => "keys".to_owned(),
        };
        let nulls = if spec.nulls_equal { ", nulls equal" } else { "" };
        let signature = format!("{} {name} JOIN {rest}{nulls}", side(left, &spec.left_keys));
        let right_state = match &spec.condition {
            Some(condition) => {
                let projection = Projection::new(std::slice::from_ref(condition), &both)?;
                let condition = Condition { projection, left_columns: left.len() };
                Right::Rows(context.expiring_table("right-v1")?, condition)
            }
            None => Right::Counts(context.expiring_table("right-counts-v1")?),
        };
        Ok(Self {
            anti: spec.anti,
            nulls_equal: spec.nulls_equal,
            keys: [spec.left_keys.clone(), spec.right_keys.clone()],
            schemas: [left.to_arrow(), right.to_arrow()],
            signature: Signature::new(signature, context)?,
            left: context.expiring_table("left-v1")?,
            right: right_state,
            grouper: Grouper::default(),
            pending: Pending::default(),
            current: None,
        })
    }

    /// The rows whose keys are not null, and those where one is.
    fn split_nulls(&self, port: usize, batch: Batch) -> Result<(Batch, Option<Batch>), Failure> {
        let mut valid: Option<NullBuffer> = None;
        for &key in self.keys[port].iter().filter(|_| !self.nulls_equal) {
            valid = NullBuffer::union(valid.as_ref(), not_null(batch.column(key)).as_ref());
        }
        match valid {
            Some(valid) => {
                let valid = valid.into_inner().into();
                let nulls = compute::not(&valid)?;
                Ok((batch.filter(&valid)?, Some(batch.filter(&nulls)?)))
            }
            None => Ok((batch, None)),
        }
    }

    fn group(&mut self, port: usize, batch: &Batch) -> Result<(Rows, Groups), Failure> {
        let keys: Vec<ArrayRef> = self.keys[port].iter().map(|&key| Arc::clone(batch.column(key))).collect();
        let keys = row::encode(&keys, batch.rows())?;
        let groups = self.grouper.group(&keys);
        Ok((keys, groups))
    }

    /// Takes rows of the current batch until enough pairs have been looked at. False after the last.
    fn step(&mut self) -> Result<bool, Failure> {
        let Some((port, batch, start)) = self.current.take() else { return Ok(false) };
        let end = match &self.right {
            Right::Counts(_) => batch.rows(),
            // A few rows at a time: each may have many matches. Without keys it is compared with all of the other side.
            Right::Rows(..) if self.keys[0].is_empty() => start + 1,
            Right::Rows(..) => (start + ROWS_AT_A_TIME).min(batch.rows()),
        };
        let part = batch.slice(start, end - start);
        if port == 0 {
            self.left_rows(&part)?
        } else {
            self.right_rows(&part)?
        }
        if end < batch.rows() {
            self.current = Some((port, batch, end));
        }
        Ok(true)
    }

    /// Left rows: each comes out if it has a match, or if it has none.
    fn left_rows(&mut self, batch: &Batch) -> Result<(), Failure> {
        let (keys, groups) = self.group(0, batch)?;
        let stored = row::encode_batch(batch.columns())?;
        let mut found = Vec::with_capacity(groups.first_rows.len());
        let matches: Vec<u64> = match &mut self.right {
            Right::Counts(table) => {
                table.hydrate(0, &keys, Some(&groups.first_rows), &mut found)?;
                let counts: Vec<u64> = found.iter().map(|&entry| table.get(entry).map_or(0, |count| count.0)).collect();
                table.end_batch()?;
                groups.of_row.iter().map(|&group| counts[group as usize]).collect()
            }
            Right::Rows(table, condition) => {
                table.hydrate(0, &keys, Some(&groups.first_rows), &mut found)?;
                let mut pairs = Pairs::default();
                for (row, &group) in groups.of_row.iter().enumerate() {
                    pairs.add(row as u32, table.get(found[group as usize]));
                }
                let held = pairs.fulfil(condition, batch, &self.schemas[1], true)?;
                let mut matches = vec![0; batch.rows()];
                for (pair, _) in held.iter().enumerate().filter(|(_, held)| **held) {
                    matches[pairs.rows[pair] as usize] += u64::from(pairs.counts[pair]);
                }
                table.end_batch()?;
                matches
            }
        };
        found.clear();
        self.left.hydrate(0, &keys, Some(&groups.first_rows), &mut found)?;
        let mut out = Vec::new();
        for (row, &group) in groups.of_row.iter().enumerate() {
            let slot = self.left.get_mut(found[group as usize]);
            let comes_out = if batch.kinds().is_some_and(|kinds| is_retraction_code(kinds[row])) {
                let removed = slot.as_mut().and_then(|rows| rows.remove(stored.row(row)));
                if slot.as_ref().is_some_and(KeptRows::is_empty) {
                    *slot = None;
                }
                removed.map(|matches| (matches > 0) != self.anti)
            } else {
                let known = match self.right {
                    Right::Counts(_) => 0,
                    Right::Rows(..) => matches[row],
                };
                slot.get_or_insert_default().push(stored.row(row), known);
                Some((matches[row] > 0) != self.anti)
            };
            // Of a row that was counted by its key, the key knows whether it has been emitted.
            let by_key = matches!(self.right, Right::Counts(_));
            let comes_out = comes_out.map(|known| if by_key { (matches[row] > 0) != self.anti } else { known });
            if comes_out == Some(true) {
                out.push(row as u32);
            }
        }
        self.left.end_batch()?;
        self.emit_left(batch, &out)
    }

    /// Emits rows of a left batch. A −U or +U whose other half does not come out is a −D or +I.
    fn emit_left(&mut self, batch: &Batch, rows: &[u32]) -> Result<(), Failure> {
        if rows.is_empty() {
            return Ok(());
        }
        let taken = batch.take(&UInt32Array::from(rows.to_vec()))?;
        let kinds = taken.kinds().map(|_| {
            let kind = |position: usize| taken.kind(position);
            let pairs = |first: usize, second: usize| {
                rows[first] + 1 == rows[second]
                    && kind(first) == RowKind::UpdateBefore
                    && kind(second) == RowKind::UpdateAfter
            };
            let changed = (0..rows.len()).map(|position| match kind(position) {
                RowKind::UpdateBefore if position + 1 == rows.len() || !pairs(position, position + 1) => {
                    RowKind::Delete
                }
                RowKind::UpdateAfter if position == 0 || !pairs(position - 1, position) => RowKind::Insert,
                kind => kind,
            });
            changed.map(|kind| kind as u8).collect::<ScalarBuffer<u8>>()
        });
        let (columns, _) = taken.into_parts();
        self.pending.push(columns, kinds);
        Ok(())
    }

    /// Right rows: left rows get their first match, or lose their last.
    fn right_rows(&mut self, batch: &Batch) -> Result<(), Failure> {
        let (keys, groups) = self.group(1, batch)?;
        let sign = |row: usize| if batch.kinds().is_some_and(|kinds| is_retraction_code(kinds[row])) { -1 } else { 1 };
        let mut emission = Emission::default();
        let mut found: Vec<EntryId> = Vec::with_capacity(groups.first_rows.len());
        self.left.hydrate(0, &keys, Some(&groups.first_rows), &mut found)?;
        match &mut self.right {
            Right::Counts(table) => {
                let mut changes = vec![0_i64; groups.first_rows.len()];
                groups.of_row.iter().enumerate().for_each(|(row, &group)| changes[group as usize] += sign(row));
                let mut counts = Vec::with_capacity(found.len());
                table.hydrate(0, &keys, Some(&groups.first_rows), &mut counts)?;
                for ((&entry, &count), change) in found.iter().zip(&counts).zip(changes) {
                    let slot = table.get_mut(count);
                    let before = slot.as_ref().map_or(0, |count| count.0);
                    let after = before.saturating_add_signed(change);
                    *slot = (after > 0).then_some(Count(after));
                    let Some(kind) = transition(before, after, self.anti) else { continue };
                    for kept in self.left.get(entry).into_iter().flat_map(KeptRows::iter) {
                        emission.push(&kept.row, kind, kept.count as usize);
                    }
                }
                table.end_batch()?;
            }
            Right::Rows(table, condition) => {
                let stored = row::encode_batch(batch.columns())?;
                let mut own = Vec::with_capacity(found.len());
                table.hydrate(0, &keys, Some(&groups.first_rows), &mut own)?;
                let mut pairs = Pairs::default();
                for (row, &group) in groups.of_row.iter().enumerate() {
                    pairs.add(row as u32, self.left.get(found[group as usize]));
                    let slot = table.get_mut(own[group as usize]);
                    if sign(row) > 0 {
                        slot.get_or_insert_default().push(stored.row(row), 0);
                    } else if slot
                        .as_mut()
                        .is_some_and(|rows| rows.remove(stored.row(row)).is_some() && rows.is_empty())
                    {
                        *slot = None;
                    }
                }
                let held = pairs.fulfil(condition, batch, &self.schemas[0], false)?;
                // Pairs of one key's left rows are in their order, once for each row of the batch.
                let mut changes: Vec<Vec<i64>> =
                    found.iter().map(|&entry| vec![0; self.left.get(entry).map_or(0, KeptRows::len)]).collect();
                for (pair, _) in held.iter().enumerate().filter(|(_, held)| **held) {
                    let row = pairs.rows[pair] as usize;
                    changes[groups.of_row[row] as usize][pairs.positions[pair] as usize] += sign(row);
                }
                for (&entry, changes) in found.iter().zip(&changes) {
                    if changes.iter().all(|change| *change == 0) {
                        continue;
                    }
                    let Some(rows) = self.left.get_mut(entry) else { continue };
                    for (kept, &change) in rows.iter_mut().zip(changes) {
                        let before = kept.matches;
                        kept.matches = before.saturating_add_signed(change);
                        if let Some(kind) = transition(before, kept.matches, self.anti) {
                            emission.push(&kept.row, kind, kept.count as usize);
                        }
                    }
                }
                table.end_batch()?;
            }
        }
        self.left.end_batch()?;
        if !emission.kinds.is_empty() {
            let columns = row::decode(&self.schemas[0], emission.rows.iter())?;
            self.pending.push(columns, Some(emission.kinds.into()));
        }
        Ok(())
    }

    fn advance(&mut self, output: &mut Output) -> Result<Flow, Failure> {
        loop {
            if self.pending.emit(output) == Flow::More {
                return Ok(Flow::More);
            }
            if output.is_full() && self.current.is_some() {
                return Ok(Flow::More);
            }
            if !self.step()? {
                return Ok(Flow::Done);
            }
        }
    }
}

/// Rows of a batch that are matched in one piece where a condition must be evaluated.
const ROWS_AT_A_TIME: usize = 64;

/// What becomes of a left row whose number of matches changes.
fn transition(before: u64, after: u64, anti: bool) -> Option<RowKind> {
    match ((before > 0) != anti, (after > 0) != anti) {
        (false, true) => Some(RowKind::Insert),
        (true, false) => Some(RowKind::Delete),
        _ => None,
    }
}

/// Rows of a batch beside kept rows of the other side.
#[derive(Default)]
struct Pairs {
    rows: Vec<u32>,
    /// The other side's rows, each once for each row of the batch.
    others: Rows,
    /// Where they are among those of their key, and how often.
    positions: Vec<u32>,
    counts: Vec<u32>,
}

impl Pairs {
    fn add(&mut self, row: u32, others: Option<&KeptRows>) {
        for (position, kept) in others.into_iter().flat_map(KeptRows::iter).enumerate() {
            self.rows.push(row);
            self.others.push(&kept.row);
            self.positions.push(position as u32);
            self.counts.push(kept.count);
        }
    }

    /// Which pairs fulfil the condition.
    fn fulfil(
        &self,
        condition: &Condition,
        batch: &Batch,
        others: &SchemaRef,
        batch_is_left: bool,
    ) -> Result<Vec<bool>, Failure> {
        let mut held = Vec::with_capacity(self.rows.len());
        let mut start = 0;
        while start < self.rows.len() {
            let end = (start + ROWS_TARGET).min(self.rows.len());
            let decoded = row::decode(others, (start..end).map(|pair| self.others.row(pair)))?;
            let rows = UInt32Array::from(self.rows[start..end].to_vec());
            let own = |column: usize| Ok::<_, Failure>(compute::take(batch.column(column), &rows, None)?);
            let columns = condition.projection.used.iter().map(|&column| {
                let is_left = column < condition.left_columns;
                let column = if is_left { column } else { column - condition.left_columns };
                if is_left == batch_is_left { own(column) } else { Ok(Arc::clone(decoded.column(column))) }
            });
            let columns = columns.collect::<Result<Vec<_>, _>>()?;
            let fields: Vec<_> = columns
                .iter()
                .enumerate()
                .map(|(index, column)| {
                    arrow::datatypes::Field::new(index.to_string(), column.data_type().clone(), true)
                })
                .collect();
            let options = RecordBatchOptions::new().with_row_count(Some(end - start));
            let schema = Arc::new(arrow::datatypes::Schema::new(fields));
            let batch = RecordBatch::try_new_with_options(schema, columns, &options)?;
            let mask = condition.projection.evaluators()[0].evaluate_predicate(&batch)?;
            held.extend(mask.iter().map(|held| held == Some(true)));
            start = end;
        }
        Ok(held)
    }
}

impl Operator for SemiJoin {
    fn process(&mut self, port: usize, batch: Batch, output: &mut Output) -> Result<Flow, Failure> {
        if port > 1 {
            return Err(Failure::internal(format!("a join has no input {port}")));
        }
        let (batch, nulls) = self.split_nulls(port, batch)?;
        if let Some(nulls) = nulls
            && port == 0
            && self.anti
        {
            // They match nothing, whatever comes.
            let rows: Vec<u32> = (0..nulls.rows() as u32).collect();
            self.emit_left(&nulls, &rows)?;
        }
        self.current = (!batch.is_empty()).then_some((port, batch, 0));
        self.advance(output)
    }

    fn resume(&mut self, output: &mut Output) -> Result<Flow, Failure> {
        self.advance(output)
    }

    fn watermark(&mut self, _watermark: Watermark, _output: &mut Output) -> Result<Flow, Failure> {
        Ok(Flow::Done)
    }

    fn flush(&mut self, _output: &mut Output) -> Result<Flow, Failure> {
        Ok(Flow::Done)
    }

    fn snapshot(&mut self, snapshot: &mut Snapshot) -> Result<(), Failure> {
        self.signature.snapshot(snapshot);
        snapshot.table(&mut self.left)?;
        match &mut self.right {
            Right::Counts(table) => snapshot.table(table),
            Right::Rows(table, _) => snapshot.table(table),
        }
    }
}
