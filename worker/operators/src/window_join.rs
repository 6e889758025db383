//! The window join: joins the rows of two inputs that are in the same window, when the watermark passes its end, and
//! forgets them.
//!
//! Rows with a null key match nothing and are not kept; nor are rows that come after their window was joined.

use std::{collections::BTreeSet, sync::Arc};

use arrow::{
    array::{ArrayRef, RecordBatch, RecordBatchOptions},
    compute,
    datatypes::SchemaRef,
};
use dataflow::{Flow, OpenContext, Operator, Output, Snapshot};
use graph::{Node, operator::WindowJoinSpec};
use model::{
    Batch, EventTime, Failure, Schema, Watermark,
    batch::ROWS_TARGET,
    row::{self, Rows},
};
use state::Table;

use crate::{
    grouping::Grouper,
    join::{Piece, Sides, all_valid},
    projection::Projection,
    signature::Signature,
    window::{ByWindow, by_window},
    window_aggregate::{put_watermark, restored_watermark},
    window_time::WindowTime,
};

/// Pieces of matches that are looked at in one call at most, even if the condition leaves little of them.
const PIECES_MAX: usize = 8;

pub(crate) struct WindowJoin {
    sides: [Side; 2],
    nulls_equal: bool,
    condition: Option<Projection>,
    schema: SchemaRef,
    signature: Signature,
    grouper: Grouper,
    /// What windows are made of, and with it the watermark.
    time: WindowTime,
    watermark: EventTime,
    /// The ends of windows that are to be joined.
    due: BTreeSet<EventTime>,
    matches: Matches,
}

/// One input.
struct Side {
    keys: Vec<usize>,
    /// The column with the end of the window.
    end: usize,
    schema: SchemaRef,
    /// By end of window.
    table: Table<Piece>,
}

/// Rows of both sides with the same key, and how far they have been joined.
#[derive(Default)]
struct Matches {
    keys: Vec<(Piece, Piece)>,
    key: usize,
    /// Positions in bytes.
    left: usize,
    right: usize,
}

impl Matches {
    /// The next pairs; none after the last.
    fn next(&mut self) -> Option<(Rows, Rows)> {
        let (mut left, mut right) = (Rows::default(), Rows::default());
        while let Some((left_rows, right_rows)) = self.keys.get(self.key) {
            let Some((left_row, next_left)) = left_rows.at(self.left) else {
                (self.key, self.left, self.right) = (self.key + 1, 0, 0);
                continue;
            };
            while let Some((right_row, next_right)) = right_rows.at(self.right) {
                if left.len() >= ROWS_TARGET {
                    return Some((left, right));
                }
                left.push(left_row);
                right.push(right_row);
                self.right = next_right;
            }
            (self.left, self.right) = (next_left, 0);
        }
        *self = Self::default();
        (!left.is_empty()).then_some((left, right))
    }
}

impl WindowJoin {
    pub(crate) fn new(spec: &WindowJoinSpec, node: &Node, context: &mut OpenContext) -> Result<Self, Failure> {
        let (left, right) = (&spec.left_schema, &spec.right_schema);
        let nulls_equal = spec.nulls_equal;
        let sides = Sides { left, right, left_keys: &spec.left_keys, right_keys: &spec.right_keys, nulls_equal };
        sides.check(&node.schema)?;
        if spec.left_end >= left.len() || spec.right_end >= right.len() {
            return Err(Failure::internal("the join's window is no column of its inputs"));
        }
        let time = WindowTime::new(spec.zone.as_deref())?;
        let (left_text, right_text) = (sides.left_text(), sides.right_text());
        let signature = format!("{left_text} WINDOW JOIN {right_text}{}{}", sides.nulls_text(), time.signature());
        let side = |keys: &[usize], end: usize, schema: &Schema, table| Side {
            keys: keys.to_vec(),
            end,
            schema: schema.to_arrow(),
            table,
        };
        Ok(Self {
            signature: Signature::new(signature, context)?,
            sides: [
                side(&spec.left_keys, spec.left_end, left, context.keyed.table("left-v2")?),
                side(&spec.right_keys, spec.right_end, right, context.keyed.table("right-v2")?),
            ],
            nulls_equal: spec.nulls_equal,
            condition: sides.condition(spec.condition.as_ref())?,
            schema: node.schema.to_arrow(),
            grouper: Grouper::default(),
            time,
            watermark: restored_watermark(context)?,
            due: BTreeSet::new(),
            matches: Matches::default(),
        })
    }

    fn fire(&mut self, output: &mut Output) -> Result<Flow, Failure> {
        let mut pieces = 0;
        loop {
            if output.is_full() || pieces >= PIECES_MAX {
                return Ok(Flow::More);
            }
            pieces += 1;
            if let Some((left, right)) = self.matches.next() {
                self.emit(&left, &right, output)?;
                continue;
            }
            let Some(&end) = self.due.first() else { return Ok(Flow::Done) };
            if !self.collect(end)? {
                self.due.remove(&end);
            }
        }
    }

    /// Takes some of a window's keys. False once the window is gone.
    fn collect(&mut self, end: EventTime) -> Result<bool, Failure> {
        let [left, right] = &mut self.sides;
        let (mut keys, mut rows) = (Rows::default(), Vec::new());
        let more = left.table.drain(end, KEYS_AT_A_TIME, &mut |key, kept| {
            keys.push(key);
            rows.push(kept);
        })?;
        if !keys.is_empty() {
            let mut entries = Vec::with_capacity(keys.len());
            right.table.hydrate(end, &keys, None, &mut entries)?;
            let others = entries.into_iter().map(|entry| right.table.get_mut(entry).take());
            self.matches.keys = rows.into_iter().zip(others).filter_map(|(own, other)| Some((own, other?))).collect();
            right.table.end_batch()?;
        }
        if more {
            return Ok(true);
        }
        // What is left has no match.
        right.table.drain(end, ROWS_TARGET, &mut |_, _| {})
    }

    fn emit(&self, left: &Rows, right: &Rows, output: &mut Output) -> Result<(), Failure> {
        let left_rows = row::decode(&self.sides[0].schema, left.iter())?;
        let right_rows = row::decode(&self.sides[1].schema, right.iter())?;
        let columns: Vec<ArrayRef> = left_rows.columns().iter().chain(right_rows.columns()).cloned().collect();
        let options = RecordBatchOptions::new().with_row_count(Some(left.len()));
        let mut joined = RecordBatch::try_new_with_options(Arc::clone(&self.schema), columns, &options)?;
        if let Some(condition) = &self.condition {
            let mask = condition.evaluators()[0].evaluate_predicate(&condition.narrow(&joined)?)?;
            joined = compute::filter_record_batch(&joined, &mask)?;
        }
        output.emit(Batch::append(joined));
        Ok(())
    }
}

/// Keys of a window that are joined in one piece.
const KEYS_AT_A_TIME: usize = 256;

impl Operator for WindowJoin {
    fn process(&mut self, port: usize, batch: Batch, output: &mut Output) -> Result<Flow, Failure> {
        let Some(side) = self.sides.get_mut(port) else {
            return Err(Failure::internal(format!("a join has no input {port}")));
        };
        let batch = match all_valid(&batch, &side.keys).filter(|_| !self.nulls_equal) {
            Some(valid) => batch.filter(&valid)?,
            None => batch,
        };
        let ByWindow { batch, ends: windows, parts } = by_window(batch, side.end, self.watermark, output)?;
        if batch.is_empty() {
            return Ok(Flow::Done);
        }
        let keys: Vec<ArrayRef> = side.keys.iter().map(|&key| Arc::clone(batch.column(key))).collect();
        let keys = row::encode(&keys, batch.rows())?;
        let groups = self.grouper.group_parts(&keys, &parts, windows.len());
        let mut entries = Vec::with_capacity(groups.first_rows.len());
        let mut start = 0;
        for (&end, &size) in windows.iter().zip(&groups.part_sizes) {
            side.table.hydrate(end, &keys, Some(&groups.first_rows[start..start + size]), &mut entries)?;
            start += size;
        }
        let stored = row::encode_batch(batch.columns())?;
        for (row, &group) in groups.of_row.iter().enumerate() {
            side.table.get_mut(entries[group as usize]).get_or_insert_default().push(stored.row(row));
        }
        side.table.end_batch()?;
        Ok(Flow::Done)
    }

    fn resume(&mut self, output: &mut Output) -> Result<Flow, Failure> {
        self.fire(output)
    }

    fn watermark(&mut self, watermark: Watermark, output: &mut Output) -> Result<Flow, Failure> {
        let watermark = self.time.passed(watermark.0);
        if watermark <= self.watermark {
            return Ok(Flow::Done);
        }
        self.watermark = watermark;
        let ends = self.sides.iter().flat_map(|side| side.table.namespaces());
        self.due = ends.filter(|end| end.wrapping_sub(1) <= watermark).collect();
        self.fire(output)
    }

    fn flush(&mut self, _output: &mut Output) -> Result<Flow, Failure> {
        Ok(Flow::Done)
    }

    fn snapshot(&mut self, snapshot: &mut Snapshot) -> Result<(), Failure> {
        put_watermark(self.watermark, snapshot);
        self.signature.snapshot(snapshot);
        for side in &mut self.sides {
            snapshot.table(&mut side.table)?;
        }
        Ok(())
    }
}
