//! `ROW_NUMBER()` within bounds in each window of event time: emits the rows of a window once, when the watermark
//! passes its end, and forgets them.
//!
//! No more rows of a partition are kept than can be asked for. Rows that come after their window was emitted are late.

#![expect(
    clippy::cast_possible_truncation,
    reason = "positions are bounded by a batch; hashes and times are reinterpreted bit by bit"
)]

use std::{collections::BTreeSet, sync::Arc};

use arrow::{
    array::{ArrayRef, Int64Array, UInt32Array},
    datatypes::SchemaRef,
};
use dataflow::{Flow, OpenContext, Operator, Output, Snapshot};
use graph::{Node, operator::RankSpec};
use model::{
    Batch, EventTime, Failure, Schema, Watermark,
    batch::{ROWS_TARGET, columns_of},
    row,
};
use state::Table;

use crate::{
    emission::Pending,
    grouping::Grouper,
    rank::{Kept, Order, RankedRows},
    restored::{put_watermark, restored_watermark},
    signature::{Description, Signature, former},
    window::by_window,
    window_time::WindowTime,
};

const TABLE: &str = "window-ranked-v1";
/// Partitions of a window that are emitted at a time, if their rows make no more than a batch.
const PARTITIONS_MAX: usize = 1024;

pub(crate) struct WindowRank {
    partition: Vec<usize>,
    end: usize,
    order: Order,
    kept: Kept,
    /// The number of the first row that is wanted, from 0.
    from: usize,
    with_number: bool,
    input: SchemaRef,
    schema: SchemaRef,
    /// By end of window.
    table: Table<RankedRows>,
    signature: Signature,
    grouper: Grouper,
    /// What windows are made of, and with it the watermark.
    time: WindowTime,
    watermark: EventTime,
    /// The ends of windows that are to be emitted.
    due: BTreeSet<EventTime>,
    pending: Pending,
}

impl WindowRank {
    /// `end` is the column with the window's end.
    pub(crate) fn new(
        spec: &RankSpec,
        end: usize,
        node: &Node,
        input: &Schema,
        context: &mut OpenContext,
    ) -> Result<Self, Failure> {
        if spec.from == 0 || spec.to < spec.from || !spec.input.is_append() {
            return Err(Failure::internal(format!("the rows of windows from {} to {}", spec.from, spec.to)));
        }
        if node.schema.len() != input.len() + usize::from(spec.with_number) {
            return Err(Failure::internal("the output columns are not the input's and the row number"));
        }
        if let Some(column) = spec.partition.iter().chain([&end]).find(|&&column| column >= input.len()) {
            return Err(Failure::internal(format!("column {column} of {} columns", input.len())));
        }
        let columns = former::types(input.fields.iter().map(|field| &field.data_type));
        let latest = if spec.latest_first { ", the latest first" } else { "" };
        let time = WindowTime::new(spec.zone.as_deref())?;
        let description = Description::of("window-rank")
            .rows(input, &spec.partition)
            .at(input, end)
            .order(&spec.order, input)
            .kept(format!("first {}{latest}", spec.to))
            .windows(None, time.zone_name());
        let former = format!(
            "first {} of ({columns}) by {} in {}{latest} in windows that end at {end}{}",
            spec.to,
            former::positions(&spec.partition),
            former::order(&spec.order),
            time.former_signature()
        );
        Ok(Self {
            partition: spec.partition.clone(),
            end,
            order: Order::new(&spec.order, input)?,
            kept: Kept { rows: spec.to as usize, latest_first: spec.latest_first },
            from: (spec.from - 1) as usize,
            with_number: spec.with_number,
            input: input.to_arrow(),
            schema: node.schema.to_arrow(),
            table: context.keyed.table(TABLE)?,
            signature: Signature::new(&description, &former, context)?,
            grouper: Grouper::default(),
            time,
            watermark: restored_watermark(context)?,
            due: BTreeSet::new(),
            pending: Pending::default(),
        })
    }

    /// Emits what is due until the output is full.
    fn fire(&mut self, output: &mut Output) -> Result<Flow, Failure> {
        loop {
            if self.pending.emit(output) == Flow::More {
                return Ok(Flow::More);
            }
            let Some(&end) = self.due.first() else { return Ok(Flow::Done) };
            if output.is_full() {
                return Ok(Flow::More);
            }
            let partitions = (ROWS_TARGET / self.kept.rows).clamp(1, PARTITIONS_MAX);
            let mut lists: Vec<RankedRows> = Vec::with_capacity(partitions);
            if !self.table.drain(end, partitions, &mut |_, rows| lists.push(rows))? {
                self.due.remove(&end);
            }
            self.put_out(&lists)?;
        }
    }

    fn put_out(&mut self, lists: &[RankedRows]) -> Result<(), Failure> {
        let wanted = || lists.iter().flat_map(|rows| rows.iter().zip(1_i64..).skip(self.from));
        let mut columns = row::decode(&self.input, wanted().map(|(ranked, _)| ranked.row))?.columns().to_vec();
        if self.with_number {
            columns.push(Arc::new(wanted().map(|(_, number)| number).collect::<Int64Array>()));
        }
        let rows = wanted().count();
        if rows > 0 {
            self.pending.push(columns_of(Arc::clone(&self.schema), columns, rows)?, None);
        }
        Ok(())
    }
}

impl Operator for WindowRank {
    fn process(&mut self, _port: usize, batch: Batch, output: &mut Output) -> Result<Flow, Failure> {
        let rows = by_window(batch, self.end, self.watermark, output)?;
        if rows.batch.is_empty() {
            return Ok(Flow::Done);
        }
        let keys: Vec<ArrayRef> = self.partition.iter().map(|&column| Arc::clone(rows.batch.column(column))).collect();
        let keys = row::encode_keys(&keys, rows.batch.rows())?;
        let groups = self.grouper.group_parts(&keys, &rows.parts, rows.ends.len());
        let mut entries = Vec::with_capacity(groups.first_rows.len());
        let mut start = 0;
        for (&end, &size) in rows.ends.iter().zip(&groups.part_sizes) {
            self.table.hydrate(end, &keys, Some(&groups.first_rows[start..start + size]), &mut entries)?;
            start += size;
        }
        let sorts = self.order.encode(rows.batch.columns())?;
        // Most rows of a long partition do not get among the first, and need not be encoded.
        let enters = |row: usize| match self.table.get(entries[groups.of_row[row] as usize]) {
            Some(known) => self.kept.admits(known, sorts.row(row)),
            None => true,
        };
        let candidates: Vec<u32> = (0..rows.batch.rows()).filter(|&row| enters(row)).map(|row| row as u32).collect();
        if !candidates.is_empty() {
            let entering = rows.batch.take(&UInt32Array::from(candidates.clone()))?;
            let stored = row::encode_batch(entering.columns())?;
            for (&row, stored) in candidates.iter().zip(stored.iter()) {
                let entry = entries[groups.of_row[row as usize] as usize];
                let sort = sorts.row(row as usize);
                if self.table.get(entry).is_none_or(|known| self.kept.admits(known, sort)) {
                    self.kept.insert(self.table.get_mut(entry).get_or_insert_default(), sort, stored);
                }
            }
        }
        self.table.end_batch()?;
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
        self.due = self.table.namespaces().into_iter().filter(|end| end.wrapping_sub(1) <= watermark).collect();
        self.fire(output)
    }

    fn flush(&mut self, _output: &mut Output) -> Result<Flow, Failure> {
        Ok(Flow::Done)
    }

    fn snapshot(&mut self, snapshot: &mut Snapshot) -> Result<(), Failure> {
        put_watermark(self.watermark, snapshot);
        self.signature.snapshot(snapshot);
        snapshot.table(&mut self.table)
    }
}
