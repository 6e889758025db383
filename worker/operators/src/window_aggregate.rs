//! Aggregation in windows of event time: emits each window once, when the watermark passes its end.
//!
//! Rows are folded into slices. A tumbling window is one slice. A hopping window is several: when the watermark
//! passes a slice's end, the slice is merged into all windows that it belongs to and that are still to fire, so a row
//! is folded once and not once for each window. Cumulating windows each have all that the one before has: a slice is
//! merged into the first of its windows, and what a window has is passed on to the next when it fires.
//!
//! A row is late for a window when the watermark has reached the window's last millisecond. A row that is late for
//! some of its windows is folded into the remaining ones directly.

#![expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "positions are bounded by a batch; hashes and times are reinterpreted bit by bit"
)]

use std::{collections::BTreeSet, sync::Arc};

use arrow::{
    array::{ArrayRef, AsArray, BooleanArray, UInt32Array},
    compute,
    datatypes::Int64Type,
};
use dataflow::{Clock, Flow, OpenContext, Operator, Output, Snapshot};
use graph::{Node, operator::WindowAggregateSpec};
use model::{
    Batch, EventTime, Failure, Schema, Watermark,
    batch::ROWS_TARGET,
    row::{self, Rows},
};

use crate::{
    accumulator::{self, AccumulatorTable, Layout, Lifetime, Work},
    group_aggregate::InputColumns,
    grouping::Grouper,
    limits::Limits,
    restored::{put_watermark, restored_watermark},
    signature::{Signature, former},
    window::{Slices, Windows, timed},
    window_output::WindowOutput,
    window_time::WindowTime,
};

const SLICES: &str = "slices-v1";
const WINDOWS: &str = "windows-v1";
/// Of cumulating windows.
const CUMULATED: &str = "cumulated-v1";

pub(crate) struct WindowAggregate {
    columns: InputColumns,
    layout: Layout,
    time: WindowTime,
    windows: Windows,
    /// By end of slice.
    slices: Box<dyn AccumulatorTable>,
    /// By end of window: what hopping windows are known to hold beside the slices that are still open.
    merged: Option<Box<dyn AccumulatorTable>>,
    /// Whether rows have the accumulators of a local aggregate.
    is_partial: bool,
    signature: Signature,
    output: WindowOutput,
    grouper: Grouper,
    watermark: EventTime,
    /// With processing time: the clock.
    clock: Option<Arc<dyn Clock>>,
    /// The end of the first window that is open.
    next_end: Option<EventTime>,
    firing: Firing,
}

/// Pieces of slices that are merged in one call at most.
const MERGES_MAX: usize = 8;

/// What is still to be done for the current watermark.
#[derive(Default)]
struct Firing {
    /// Ends of windows and of slices, ascending.
    due: BTreeSet<EventTime>,
    /// Ends of slices that are to be merged into windows.
    slices: BTreeSet<EventTime>,
}

impl WindowAggregate {
    pub(crate) fn new(
        spec: &WindowAggregateSpec,
        node: &Node,
        input: &Schema,
        limits: Limits,
        context: &mut OpenContext,
    ) -> Result<Self, Failure> {
        if spec.partial.is_some() && (input.len() != spec.keys.len() + 2 || !spec.input.is_append()) {
            return Err(Failure::internal("the input columns are not the keys, the slice and the accumulators"));
        }
        let rows = spec.partial.as_ref().unwrap_or(input);
        let columns = InputColumns::new(&spec.keys, &spec.aggregates, Some(spec.time), rows)?;
        let output = WindowOutput::new(spec, &columns, node)?;
        let layout = Layout::new(&columns.aggregates, &columns.schema, !spec.input.is_append(), false, limits)?;
        let windows = Windows::new(spec.window)?;
        let time = WindowTime::new(spec.zone.as_deref())?;
        let description = columns.description("window-aggregate", &layout);
        let description = description.windows(Some(spec.window), time.zone_name());
        let former =
            format!("{} in {}{}", columns.former(&layout), former::window(&spec.window), time.former_signature());
        let slices = accumulator::open(&layout, SLICES, Lifetime::Window, context)?;
        let merged = match windows.is_tumbling() {
            true => None,
            false => {
                let name = if windows.cumulates() { CUMULATED } else { WINDOWS };
                Some(accumulator::open(&layout, name, Lifetime::Window, context)?)
            }
        };
        let open_ends = slices.namespaces().into_iter().chain(merged.iter().flat_map(|merged| merged.namespaces()));
        Ok(Self {
            next_end: open_ends.min(),
            clock: spec.processing.then(|| Arc::clone(&context.clock)),
            output,
            columns,
            layout,
            time,
            windows,
            is_partial: spec.partial.is_some(),
            signature: Signature::new(&description, &former, context)?,
            slices,
            merged,
            grouper: Grouper::default(),
            watermark: restored_watermark(context)?,
            firing: Firing::default(),
        })
    }

    /// Folds rows into the entries of their namespaces: row `i` into `namespaces[parts[i]]`.
    fn fold(
        &mut self,
        batch: &Batch,
        parts: &[u32],
        namespaces: &[EventTime],
        into_windows: bool,
    ) -> Result<(), Failure> {
        let count = self.columns.keys.len();
        let keys: Vec<ArrayRef> = match self.is_partial {
            true => batch.columns().columns()[..count].to_vec(),
            false => self.columns.keys.iter().map(|&key| Arc::clone(batch.column(key))).collect(),
        };
        let encoded = row::encode_keys(&keys, batch.rows())?;
        let groups = self.grouper.group_parts(&encoded, parts, namespaces.len());
        let table = match &mut self.merged {
            Some(merged) if into_windows => merged,
            _ => &mut self.slices,
        };
        self.next_end = self.next_end.into_iter().chain(namespaces.iter().copied()).min();
        let mut work = Work::default();
        let mut start = 0;
        for (&namespace, &size) in namespaces.iter().zip(&groups.part_sizes) {
            let rows = &groups.first_rows[start..start + size];
            table.load(&self.layout, namespace, &encoded, Some(rows), &mut work)?;
            start += size;
        }
        match self.is_partial {
            true => {
                let partial = self.layout.work_of_partial(batch.column(count + 1))?;
                self.layout.merge_into(&partial, &groups.of_row, &mut work)?;
            }
            false => self.layout.fold(batch.columns(), batch.kinds(), &groups.of_row, &mut work)?,
        }
        table.store(&self.layout, &mut work)
    }

    /// Folds rows that are late for some of their windows into the others.
    fn fold_partly_late(&mut self, batch: &Batch, slice_ends: &[EventTime]) -> Result<(), Failure> {
        let mut by_window: Vec<(EventTime, Vec<u32>)> = Vec::new();
        for (row, &slice_end) in slice_ends.iter().enumerate() {
            // Of cumulating windows the others have what the first has.
            let windows = if self.windows.cumulates() { 1 } else { usize::MAX };
            for end in self.windows.ends(slice_end).filter(|end| end - 1 > self.watermark).take(windows) {
                match by_window.iter_mut().find(|(known, _)| *known == end) {
                    Some((_, rows)) => rows.push(row as u32),
                    None => by_window.push((end, vec![row as u32])),
                }
            }
        }
        for (end, rows) in by_window {
            let part = batch.take(&rows.into())?;
            self.fold(&part, &vec![0; part.rows()], &[end], true)?;
        }
        Ok(())
    }

    /// The slices that the rows of a batch, which all have a time, belong to.
    fn slices_of(&self, batch: &Batch) -> Result<Slices, Failure> {
        if !self.is_partial {
            return Ok(self.windows.slices(&self.time.times(batch.column(self.columns.time))?.0));
        }
        let column = batch.column(self.columns.keys.len()).as_primitive_opt::<Int64Type>();
        let of_rows = column.ok_or_else(|| Failure::internal("the end of a slice is no BIGINT"))?.values();
        let mut ends: Vec<EventTime> = Vec::new();
        let parts = of_rows.iter().map(|end| {
            let known = ends.iter().rposition(|known| known == end);
            known.unwrap_or_else(|| {
                ends.push(*end);
                ends.len() - 1
            }) as u32
        });
        Ok(Slices { parts: parts.collect(), ends })
    }

    /// How many rows of the input some rows of a batch stand for.
    fn input_rows(&self, batch: &Batch, rows: Vec<u32>) -> Result<u64, Failure> {
        if !self.is_partial || rows.is_empty() {
            return Ok(rows.len() as u64);
        }
        let partial = batch.take(&rows.into())?;
        let work = self.layout.work_of_partial(partial.column(self.columns.keys.len() + 1))?;
        Ok(work.words[0].iter().sum::<i64>() as u64)
    }

    /// Time has come this far.
    fn advance(&mut self, watermark: EventTime, output: &mut Output) -> Result<Flow, Failure> {
        if watermark <= self.watermark {
            return Ok(Flow::Done);
        }
        self.watermark = watermark;
        let is_due = |end: &EventTime| end.wrapping_sub(1) <= watermark;
        let slices: BTreeSet<EventTime> = self.slices.namespaces().into_iter().filter(is_due).collect();
        self.firing = match &self.merged {
            None => Firing { due: slices, slices: BTreeSet::new() },
            Some(merged) => {
                // The windows of a slice are added when it is merged into them.
                let due = slices.iter().copied().chain(merged.namespaces()).filter(is_due).collect();
                Firing { due, slices }
            }
        };
        self.fire(output)
    }

    /// Fires what is due until the output is full.
    fn fire(&mut self, output: &mut Output) -> Result<Flow, Failure> {
        let mut merges = 0;
        while let Some(&end) = self.firing.due.first() {
            if output.is_full() || merges >= MERGES_MAX {
                return Ok(Flow::More);
            }
            if self.firing.slices.contains(&end) {
                merges += 1;
                if !self.merge_slice(end)? {
                    self.firing.slices.remove(&end);
                }
                continue;
            }
            let mut keys = Rows::default();
            let mut work = Work::default();
            let table = self.merged.as_mut().unwrap_or(&mut self.slices);
            let more = table.drain(&self.layout, end, ROWS_TARGET, &mut keys, &mut work)?;
            self.emit(end, &keys, &work, output)?;
            self.pass_on(end, &keys, work)?;
            if !more {
                self.firing.due.remove(&end);
            }
        }
        if self.clock.is_some() {
            let merged = self.merged.iter().flat_map(|merged| merged.namespaces());
            self.next_end = self.slices.namespaces().into_iter().chain(merged).min();
        }
        Ok(Flow::Done)
    }

    /// Merges a part of a finished slice into the windows it belongs to. Whether there is more of it.
    fn merge_slice(&mut self, slice_end: EventTime) -> Result<bool, Failure> {
        let Some(merged) = &mut self.merged else { return Ok(false) };
        let mut keys = Rows::default();
        let mut slice = Work::default();
        let more = self.slices.drain(&self.layout, slice_end, ROWS_TARGET, &mut keys, &mut slice)?;
        if keys.is_empty() {
            return Ok(more);
        }
        let windows = if self.windows.cumulates() { 1 } else { usize::MAX };
        for end in self.windows.ends(slice_end).take(windows) {
            let mut window = Work::default();
            merged.load(&self.layout, end, &keys, None, &mut window)?;
            self.layout.merge(&slice, &mut window)?;
            merged.store(&self.layout, &mut window)?;
            if end.wrapping_sub(1) <= self.watermark {
                self.firing.due.insert(end);
            }
        }
        Ok(more)
    }

    /// Adds what a window has to the next one with the same start.
    fn pass_on(&mut self, end: EventTime, keys: &Rows, work: Work) -> Result<(), Failure> {
        let Some((next, merged)) = self.windows.next_longer(end).zip(self.merged.as_mut()) else { return Ok(()) };
        if keys.is_empty() {
            return Ok(());
        }
        let mut window = Work::default();
        merged.load(&self.layout, next, keys, None, &mut window)?;
        // Only rows that were late for some windows are there before.
        let mut work = work;
        if window.existed.contains(&true) {
            self.layout.merge(&window, &mut work)?;
        }
        window.replace(work);
        merged.store(&self.layout, &mut window)?;
        if next.wrapping_sub(1) <= self.watermark {
            self.firing.due.insert(next);
        }
        Ok(())
    }

    fn emit(&self, end: EventTime, keys: &Rows, work: &Work, output: &mut Output) -> Result<(), Failure> {
        let groups = work.groups();
        if groups == 0 {
            return Ok(());
        }
        let results = self.layout.results(&self.layout.image(work)?)?;
        let window = (self.windows.start(end), end);
        self.output.emit(keys.iter(), results, std::iter::repeat_n(window, groups), output)
    }
}

impl Operator for WindowAggregate {
    fn process(&mut self, _port: usize, batch: Batch, output: &mut Output) -> Result<Flow, Failure> {
        let mut whole = batch.clone();
        let batch = if self.is_partial { batch } else { self.columns.narrow(batch)? };
        if let Some(clock) = &self.clock {
            let slice_end = self.windows.slice_end(self.time.now(clock, self.watermark));
            if self.windows.have(slice_end) {
                self.fold(&batch, &vec![0; batch.rows()], &[slice_end], false)?;
            }
            return Ok(Flow::Done);
        }
        let mut batch = match self.is_partial {
            true => batch,
            false => timed(batch, &mut whole, self.columns.time, &self.time, output)?.0,
        };
        let mut found = self.slices_of(&batch)?;
        if found.ends.iter().any(|&end| !self.windows.have(end)) {
            let inside = found.parts.iter().map(|&part| Some(self.windows.have(found.ends[part as usize])));
            let inside: BooleanArray = inside.collect();
            (batch, whole) = (batch.filter(&inside)?, whole.filter(&inside)?);
            found = self.slices_of(&batch)?;
        }
        let is_fired = |end: EventTime| end.wrapping_sub(1) <= self.watermark;
        if found.ends.iter().any(|&end| is_fired(end)) {
            let fired: Vec<bool> = found.parts.iter().map(|&part| is_fired(found.ends[part as usize])).collect();
            let last_fired = |row: usize| is_fired(self.windows.last_end(found.ends[found.parts[row] as usize]));
            let fired_rows = (0..batch.rows()).filter(|&row| fired[row]);
            let (late, partly): (Vec<usize>, Vec<usize>) = fired_rows.partition(|&row| last_fired(row));
            let late: Vec<u32> = late.into_iter().map(|row| row as u32).collect();
            match self.is_partial {
                true => output.count_late(self.input_rows(&batch, late)?),
                false => output.drop_late(late.len() as u64, || whole.take(&late.into()))?,
            }
            if !partly.is_empty() {
                let ends: Vec<EventTime> = partly.iter().map(|&row| found.ends[found.parts[row] as usize]).collect();
                let rows: UInt32Array = partly.into_iter().map(|row| row as u32).collect();
                self.fold_partly_late(&batch.take(&rows)?, &ends)?;
            }
            let open: BooleanArray = compute::not(&BooleanArray::from(fired))?;
            batch = batch.filter(&open)?;
            found = self.slices_of(&batch)?;
        }
        if !batch.is_empty() {
            self.fold(&batch, &found.parts, &found.ends, false)?;
        }
        Ok(Flow::Done)
    }

    fn resume(&mut self, output: &mut Output) -> Result<Flow, Failure> {
        self.fire(output)
    }

    fn watermark(&mut self, watermark: Watermark, output: &mut Output) -> Result<Flow, Failure> {
        if self.clock.is_some() {
            return Ok(Flow::Done);
        }
        self.advance(self.time.passed(watermark.0), output)
    }

    fn timer(&self) -> Option<i64> {
        self.clock.as_ref().and(self.next_end).map(|end| self.time.timer(end))
    }

    fn processing_time(&mut self, now: i64, output: &mut Output) -> Result<Flow, Failure> {
        self.advance(self.time.passed(now.saturating_sub(1)), output)
    }

    fn flush(&mut self, _output: &mut Output) -> Result<Flow, Failure> {
        Ok(Flow::Done)
    }

    fn snapshot(&mut self, snapshot: &mut Snapshot) -> Result<(), Failure> {
        put_watermark(self.watermark, snapshot);
        self.signature.snapshot(snapshot);
        self.slices.snapshot(snapshot)?;
        match &mut self.merged {
            Some(merged) => merged.snapshot(snapshot),
            None => Ok(()),
        }
    }
}
