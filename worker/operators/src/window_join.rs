//! The window join: joins the rows of two inputs that are in the same window, when the watermark passes its end, and
//! forgets them. A semi join emits the left rows that have a match instead, an anti join those that have none.
//!
//! Rows with a null key match nothing and are not kept, but for the left ones of an anti join; nor are rows that come
//! after their window was joined.

mod matches;

use std::{collections::BTreeSet, sync::Arc};

use arrow::{
    array::{Array, ArrayRef, RecordBatch, RecordBatchOptions},
    compute,
    datatypes::SchemaRef,
};
use dataflow::{Flow, OpenContext, Operator, Output, Snapshot};
use graph::{
    Node,
    operator::{WindowJoinKind, WindowJoinSpec},
};
use model::{
    Batch, EventTime, Failure, Schema, Watermark,
    batch::ROWS_TARGET,
    row::{self, Rows},
};
use state::Table;

use self::matches::{Matches, Pairs};
use crate::{
    emission::Pending,
    grouping::Grouper,
    join::{Piece, Sides, all_valid},
    limits::Limits,
    projection::Projection,
    restored::{put_watermark, restored_watermark},
    signature::{Description, Signature},
    window::{ByWindow, by_window},
    window_time::WindowTime,
};

/// Pieces of matches that are looked at in one call at most, even if the condition leaves little of them.
const PIECES_MAX: usize = 8;

pub(crate) struct WindowJoin {
    kind: WindowJoinKind,
    sides: [Side; 2],
    nulls_equal: bool,
    condition: Option<Projection>,
    /// The columns of both sides.
    joined: SchemaRef,
    schema: SchemaRef,
    signature: Signature,
    grouper: Grouper,
    /// What windows are made of, and with it the watermark.
    time: WindowTime,
    watermark: EventTime,
    /// The ends of windows that are to be joined.
    due: BTreeSet<EventTime>,
    matches: Matches,
    /// Left rows of a semi or anti join.
    pending: Pending,
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

impl WindowJoin {
    pub(crate) fn new(
        spec: &WindowJoinSpec,
        node: &Node,
        limits: Limits,
        context: &mut OpenContext,
    ) -> Result<Self, Failure> {
        let (left, right) = (&spec.left_schema, &spec.right_schema);
        let nulls_equal = spec.nulls_equal;
        let sides = Sides { left, right, left_keys: &spec.left_keys, right_keys: &spec.right_keys, nulls_equal };
        match spec.kind {
            WindowJoinKind::Inner => sides.check(&node.schema)?,
            WindowJoinKind::Semi | WindowJoinKind::Anti => {
                sides.check_keys()?;
                if node.schema.len() != left.len() {
                    return Err(Failure::internal("the join's output is not the left columns"));
                }
            }
        }
        if spec.left_end >= left.len() || spec.right_end >= right.len() {
            return Err(Failure::internal("the join's window is no column of its inputs"));
        }
        let time = WindowTime::new(spec.zone.as_deref())?;
        let (left_text, right_text) = (sides.left_text(), sides.right_text());
        let (operator, name) = match spec.kind {
            WindowJoinKind::Inner => ("window-join", "WINDOW JOIN"),
            WindowJoinKind::Semi => ("window-semi-join", "WINDOW SEMI JOIN"),
            WindowJoinKind::Anti => ("window-anti-join", "WINDOW ANTI JOIN"),
        };
        let description = Description::of(operator)
            .rows(left, &spec.left_keys)
            .rows(right, &spec.right_keys)
            .windows(None, time.zone_name())
            .property("nulls equal", nulls_equal);
        let former = format!("{left_text} {name} {right_text}{}{}", sides.nulls_text(), time.former_signature());
        let side = |keys: &[usize], end: usize, schema: &Schema, table| Side {
            keys: keys.to_vec(),
            end,
            schema: schema.to_arrow(),
            table,
        };
        Ok(Self {
            kind: spec.kind,
            signature: Signature::new(&description, &former, context)?,
            sides: [
                side(&spec.left_keys, spec.left_end, left, context.keyed.table("left-v2")?),
                side(&spec.right_keys, spec.right_end, right, context.keyed.table("right-v2")?),
            ],
            nulls_equal: spec.nulls_equal,
            condition: sides.condition(spec.condition.as_ref())?,
            joined: Schema::new(left.fields.iter().chain(&right.fields).cloned().collect()).to_arrow(),
            schema: node.schema.to_arrow(),
            grouper: Grouper::default(),
            time,
            watermark: restored_watermark(context)?,
            due: BTreeSet::new(),
            matches: Matches::default(),
            pending: Pending::within(limits),
        })
    }

    fn fire(&mut self, output: &mut Output) -> Result<Flow, Failure> {
        let mut pieces = 0;
        loop {
            if self.pending.emit(output) == Flow::More || output.is_full() || pieces >= PIECES_MAX {
                return Ok(Flow::More);
            }
            pieces += 1;
            if let Some(pairs) = self.matches.next_pairs() {
                self.join(&pairs, output)?;
                continue;
            }
            self.put_out_left()?;
            let Some(&end) = self.due.first() else {
                return Ok(if self.pending.emit(output) == Flow::More { Flow::More } else { Flow::Done });
            };
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
            let others: Vec<Option<Piece>> =
                entries.into_iter().map(|entry| right.table.get_mut(entry).take()).collect();
            right.table.end_batch()?;
            let is_alone = self.kind == WindowJoinKind::Anti;
            let of_keys = rows.into_iter().zip(others);
            let of_keys = of_keys.filter_map(|(own, other)| match other {
                None if !is_alone => None,
                other => Some((own, other.unwrap_or_default())),
            });
            self.matches = match self.kind {
                WindowJoinKind::Inner => Matches::new(of_keys.collect()),
                _ => Matches::of_left(of_keys.collect(), self.condition.is_none()),
            };
        }
        if more {
            return Ok(true);
        }
        // What is left has no match.
        right.table.drain(end, ROWS_TARGET, &mut |_, _| {})
    }

    /// Emits the pairs that meet the condition; in a semi or anti join the left rows are marked.
    fn join(&mut self, pairs: &Pairs, output: &mut Output) -> Result<(), Failure> {
        let left_rows = row::decode(&self.sides[0].schema, pairs.left.iter())?;
        let right_rows = row::decode(&self.sides[1].schema, pairs.right.iter())?;
        let columns: Vec<ArrayRef> = left_rows.columns().iter().chain(right_rows.columns()).cloned().collect();
        let options = RecordBatchOptions::new().with_row_count(Some(pairs.left.len()));
        let joined = RecordBatch::try_new_with_options(Arc::clone(&self.joined), columns, &options)?;
        let mask = match &self.condition {
            Some(condition) => Some(condition.evaluators()[0].evaluate_predicate(&condition.narrow(&joined)?)?),
            None => None,
        };
        match (self.kind, mask) {
            (WindowJoinKind::Inner, None) => output.emit(Batch::append(joined)),
            (WindowJoinKind::Inner, Some(mask)) => {
                output.emit(Batch::append(compute::filter_record_batch(&joined, &mask)?));
            }
            (WindowJoinKind::Semi | WindowJoinKind::Anti, mask) => {
                let matches = |pair: usize| mask.as_ref().is_none_or(|mask| mask.is_valid(pair) && mask.value(pair));
                self.matches
                    .mark((0..pairs.numbers.len()).filter(|&pair| matches(pair)).map(|pair| pairs.numbers[pair]));
            }
        }
        Ok(())
    }

    /// What a semi or anti join emits of the keys that have been looked at.
    fn put_out_left(&mut self) -> Result<(), Failure> {
        let rows = self.matches.take_left(self.kind == WindowJoinKind::Semi);
        self.pending.push_rows(rows.iter(), &[], |_, part| row::decode(&self.schema, part))
    }
}

/// Keys of a window that are joined in one piece.
const KEYS_AT_A_TIME: usize = 256;

impl Operator for WindowJoin {
    fn process(&mut self, port: usize, batch: Batch, output: &mut Output) -> Result<Flow, Failure> {
        let Some(side) = self.sides.get_mut(port) else {
            return Err(Failure::internal(format!("a join has no input {port}")));
        };
        let keeps_nulls = self.nulls_equal || (self.kind == WindowJoinKind::Anti && port == 0);
        let batch = match all_valid(&batch, &side.keys).filter(|_| !keeps_nulls) {
            Some(valid) => batch.filter(&valid)?,
            None => batch,
        };
        let ByWindow { batch, ends: windows, parts } = by_window(batch, side.end, self.watermark, output)?;
        if batch.is_empty() {
            return Ok(Flow::Done);
        }
        let keys: Vec<ArrayRef> = side.keys.iter().map(|&key| Arc::clone(batch.column(key))).collect();
        let keys = row::encode_keys(&keys, batch.rows())?;
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
