//! The inner join of rows whose times are near each other: rows are kept only as long as the watermark lets one come
//! that they can match.
//!
//! Each side keeps its rows by slices of time, each a namespace: a row is compared with the few slices that its
//! partners can be in, and slices are dropped as wholes. A row that is late still finds partners that are there. As a
//! pair comes out with the later of its two rows, the watermark is held back by what the other one may be older.

#![expect(
    clippy::cast_possible_truncation,
    reason = "positions are bounded by a batch; hashes and times are reinterpreted bit by bit"
)]

use std::{collections::BTreeSet, sync::Arc};

use arrow::{array::ArrayRef, datatypes::SchemaRef};
use dataflow::{Flow, OpenContext, Operator, Output, Snapshot};
use graph::{Node, operator::IntervalJoinSpec};
use model::{
    Batch, EventTime, Failure, Schema, Watermark,
    batch::ROWS_TARGET,
    row::{self, Rows},
};
use state::{EntryId, Table};

use super::{
    matches::Found,
    piece::Piece,
    side::{Sides, all_valid},
};
use crate::{
    grouping::{Grouper, Groups},
    projection::Projection,
    restored::{put_watermark, restored_watermark},
    signature::{Description, Signature},
    window::times,
};

/// Slices of time are at least so long, in milliseconds.
const SLICE_MIN: i64 = 1000;
/// A window of matching times has about so many slices.
const SLICES_OF_WINDOW: i64 = 4;
/// Parts of the work that are done in one call at most, even if they give no output.
const STEPS_MAX: usize = 8;

pub(crate) struct IntervalJoin {
    /// Left and right.
    sides: [Side; 2],
    nulls_equal: bool,
    condition: Option<Projection>,
    schema: SchemaRef,
    slice: i64,
    /// How much older than the watermark a row of the output may be.
    delay: i64,
    signature: Signature,
    grouper: Grouper,
    watermark: EventTime,
    current: Option<Work>,
    /// Sides and slices that are no longer needed.
    expired: Vec<(usize, i64)>,
}

/// One input.
struct Side {
    keys: Vec<usize>,
    time: usize,
    schema: SchemaRef,
    table: Table<Piece>,
    /// The slices that have rows.
    slices: BTreeSet<i64>,
    /// A partner's time is later by so much at least and at most.
    earliest: i64,
    latest: i64,
}

/// The rows of a batch and those they are compared with.
struct Work {
    port: usize,
    batch: Batch,
    lists: Vec<List>,
    /// The list, and the position in bytes in it.
    list: usize,
    position: usize,
}

/// Rows of the batch and an entry of the other side with the same key.
struct List {
    rows: Arc<[u32]>,
    entry: EntryId,
}

impl IntervalJoin {
    pub(crate) fn new(spec: &IntervalJoinSpec, node: &Node, context: &mut OpenContext) -> Result<Self, Failure> {
        let (left, right) = (&spec.left_schema, &spec.right_schema);
        let nulls_equal = spec.nulls_equal;
        let sides = Sides { left, right, left_keys: &spec.left_keys, right_keys: &spec.right_keys, nulls_equal };
        sides.check(&node.schema)?;
        if spec.lower > spec.upper {
            return Err(Failure::internal(format!("times from {} to {} ms apart", spec.lower, spec.upper)));
        }
        let slice = (spec.upper.saturating_sub(spec.lower) / SLICES_OF_WINDOW).max(SLICE_MIN);
        let description = Description::of("interval-join")
            .rows(left, &spec.left_keys)
            .at(left, spec.left_time)
            .rows(right, &spec.right_keys)
            .at(right, spec.right_time)
            .length("slice", slice)
            .property("nulls equal", nulls_equal);
        let former = format!(
            "{} at {} JOIN {} at {} in slices of {slice}{}",
            sides.left_text(),
            spec.left_time,
            sides.right_text(),
            spec.right_time,
            sides.nulls_text()
        );
        let (left_table, right_table) = (context.keyed.table("left-v1")?, context.keyed.table("right-v1")?);
        let left_side = Side::new(&spec.left_keys, spec.left_time, left, left_table, spec.lower, spec.upper)?;
        let (earliest, latest) = (spec.upper.saturating_neg(), spec.lower.saturating_neg());
        let right_side = Side::new(&spec.right_keys, spec.right_time, right, right_table, earliest, latest)?;
        Ok(Self {
            signature: Signature::new(&description, &former, context)?,
            sides: [left_side, right_side],
            nulls_equal: spec.nulls_equal,
            condition: sides.condition(spec.condition.as_ref())?,
            schema: node.schema.to_arrow(),
            slice,
            delay: spec.upper.max(spec.lower.saturating_neg()).max(0),
            grouper: Grouper::default(),
            watermark: restored_watermark(context)?,
            current: None,
            expired: Vec::new(),
        })
    }

    fn slice_of(&self, time: EventTime) -> i64 {
        time.div_euclid(self.slice)
    }

    /// Whether no row can come any more that a row in a slice matches.
    fn is_expired(&self, port: usize, slice: i64) -> bool {
        let last = slice.saturating_add(1).saturating_mul(self.slice).saturating_sub(1);
        last.saturating_add(self.sides[port].latest) <= self.watermark
    }

    /// Keeps the rows of a batch. Groups are by slice and key.
    fn keep(
        &mut self,
        port: usize,
        batch: &Batch,
        keys: &Rows,
        groups: &Groups,
        slices: &[i64],
    ) -> Result<(), Failure> {
        let stored = row::encode_batch(batch.columns())?;
        let mut entries: Vec<EntryId> = Vec::with_capacity(groups.first_rows.len());
        let mut live = vec![false; groups.first_rows.len()];
        let mut start = 0;
        for (&slice, &size) in slices.iter().zip(&groups.part_sizes) {
            let end = start + size;
            if self.is_expired(port, slice) {
                entries.resize(end, EntryId(0));
            } else {
                let side = &mut self.sides[port];
                side.slices.insert(slice);
                side.table.hydrate(slice, keys, Some(&groups.first_rows[start..end]), &mut entries)?;
                live[start..end].fill(true);
            }
            start = end;
        }
        let table = &mut self.sides[port].table;
        for (row, &group) in groups.of_row.iter().enumerate().filter(|(_, group)| live[**group as usize]) {
            table.get_mut(entries[group as usize]).get_or_insert_default().push(stored.row(row));
        }
        table.end_batch()
    }

    /// What the rows of a batch are to be compared with.
    fn lists(&mut self, port: usize, keys: &Rows, groups: &Groups, slices: &[i64]) -> Result<Vec<List>, Failure> {
        let (earliest, latest) = (self.sides[port].earliest, self.sides[port].latest);
        let rows = rows_of_groups(groups);
        let (mut lists, mut entries) = (Vec::new(), Vec::new());
        let mut start = 0;
        for (&slice, &size) in slices.iter().zip(&groups.part_sizes) {
            let end = start + size;
            let first_time = slice.saturating_mul(self.slice);
            let first = self.slice_of(first_time.saturating_add(earliest));
            let last = self.slice_of(first_time.saturating_add(self.slice - 1).saturating_add(latest));
            let other = &mut self.sides[1 - port];
            for &partner in other.slices.range(first..=last) {
                entries.clear();
                other.table.hydrate(partner, keys, Some(&groups.first_rows[start..end]), &mut entries)?;
                let found = entries.iter().zip(&rows[start..end]);
                let found = found.filter(|(entry, _)| other.table.get(**entry).is_some());
                lists.extend(found.map(|(&entry, rows)| List { rows: Arc::clone(rows), entry }));
            }
            start = end;
        }
        Ok(lists)
    }

    fn advance(&mut self, output: &mut Output) -> Result<Flow, Failure> {
        let mut steps = 0;
        while let Some(current) = &mut self.current {
            if output.is_full() || steps >= STEPS_MAX {
                return Ok(Flow::More);
            }
            steps += 1;
            let other = &mut self.sides[1 - current.port];
            match current.next(&other.table, &other.schema)? {
                Some(found) => output.emit(found.joined(current.port, self.condition.as_ref(), &self.schema)?),
                None => {
                    other.table.end_batch()?;
                    self.current = None;
                }
            }
        }
        while let Some(&(port, slice)) = self.expired.last() {
            if steps >= STEPS_MAX {
                return Ok(Flow::More);
            }
            steps += 1;
            let side = &mut self.sides[port];
            if !side.table.drain(slice, ROWS_TARGET, &mut |_, _| {})? {
                side.slices.remove(&slice);
                self.expired.pop();
            }
        }
        Ok(Flow::Done)
    }
}

impl Side {
    fn new(
        keys: &[usize],
        time: usize,
        schema: &Schema,
        table: Table<Piece>,
        earliest: i64,
        latest: i64,
    ) -> Result<Self, Failure> {
        if let Some(column) = keys.iter().chain([&time]).find(|&&column| column >= schema.len()) {
            return Err(Failure::internal(format!("column {column} of {} columns", schema.len())));
        }
        let slices = table.namespaces().into_iter().collect();
        Ok(Self { keys: keys.to_vec(), time, schema: schema.to_arrow(), table, slices, earliest, latest })
    }

    /// The rows that have a time and, unless nulls are equal, keys that are not null.
    fn comparable(&self, batch: Batch, nulls_equal: bool) -> Result<Batch, Failure> {
        match all_valid(&batch, self.keys.iter().filter(|_| !nulls_equal).chain([&self.time])) {
            Some(valid) => batch.filter(&valid),
            None => Ok(batch),
        }
    }
}

/// The rows of each group.
fn rows_of_groups(groups: &Groups) -> Vec<Arc<[u32]>> {
    let mut rows: Vec<u32> = (0..groups.of_row.len() as u32).collect();
    rows.sort_by_key(|&row| groups.of_row[row as usize]);
    rows.chunk_by(|&a, &b| groups.of_row[a as usize] == groups.of_row[b as usize]).map(Arc::from).collect()
}

impl Work {
    /// The next pairs, or `None` after the last.
    fn next(&mut self, table: &Table<Piece>, schema: &SchemaRef) -> Result<Option<Found>, Failure> {
        let mut stored: Vec<&[u8]> = Vec::new();
        let (mut rows, mut other_rows) = (Vec::new(), Vec::new());
        while let Some(list) = self.lists.get(self.list).filter(|_| rows.len() < ROWS_TARGET) {
            let Some((row, next)) = table.get(list.entry).and_then(|piece| piece.at(self.position)) else {
                self.list += 1;
                self.position = 0;
                continue;
            };
            other_rows.extend(std::iter::repeat_n(stored.len() as u32, list.rows.len()));
            rows.extend_from_slice(&list.rows);
            stored.push(row);
            self.position = next;
        }
        if rows.is_empty() {
            return Ok(None);
        }
        let others = row::decode(schema, stored)?;
        Ok(Some(Found { batch: self.batch.clone(), rows, others, other_rows }))
    }
}

impl Operator for IntervalJoin {
    fn process(&mut self, port: usize, batch: Batch, output: &mut Output) -> Result<Flow, Failure> {
        if port > 1 {
            return Err(Failure::internal(format!("a join has no input {port}")));
        }
        let batch = self.sides[port].comparable(batch, self.nulls_equal)?;
        if batch.is_empty() {
            return Ok(Flow::Done);
        }
        let (values, _) = times(batch.column(self.sides[port].time))?;
        let mut slices: Vec<i64> = Vec::new();
        let parts: Vec<u32> = values
            .iter()
            .map(|&time| {
                let slice = self.slice_of(time);
                // The last slice again is by far the most frequent case.
                let part = slices.iter().rposition(|&known| known == slice).unwrap_or_else(|| {
                    slices.push(slice);
                    slices.len() - 1
                });
                part as u32
            })
            .collect();
        let keys: Vec<ArrayRef> =
            self.sides[port].keys.iter().map(|&column| Arc::clone(batch.column(column))).collect();
        let keys = row::encode_keys(&keys, batch.rows())?;
        let groups = self.grouper.group_parts(&keys, &parts, slices.len());
        self.keep(port, &batch, &keys, &groups, &slices)?;
        let lists = self.lists(port, &keys, &groups, &slices)?;
        self.current = Some(Work { port, batch, lists, list: 0, position: 0 });
        self.advance(output)
    }

    fn resume(&mut self, output: &mut Output) -> Result<Flow, Failure> {
        self.advance(output)
    }

    fn watermark(&mut self, watermark: Watermark, output: &mut Output) -> Result<Flow, Failure> {
        self.watermark = self.watermark.max(watermark.0);
        for port in [0, 1] {
            let slices = self.sides[port].slices.iter().take_while(|&&slice| self.is_expired(port, slice));
            let expired: Vec<_> = slices.map(|&slice| (port, slice)).collect();
            self.expired.extend(expired);
        }
        self.advance(output)
    }

    fn output_watermark(&self, watermark: Watermark) -> Watermark {
        if watermark == Watermark::MAX { watermark } else { Watermark(watermark.0.saturating_sub(self.delay)) }
    }

    fn flush(&mut self, _output: &mut Output) -> Result<Flow, Failure> {
        Ok(Flow::Done)
    }

    fn snapshot(&mut self, snapshot: &mut Snapshot) -> Result<(), Failure> {
        put_watermark(self.watermark, snapshot);
        self.signature.snapshot(snapshot);
        self.sides.iter_mut().try_for_each(|side| snapshot.table(&mut side.table))
    }
}
