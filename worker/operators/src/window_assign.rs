//! Window table functions: adds `window_start`, `window_end` and `window_time` to each row; HOP repeats the row for
//! each of its windows, the latest first as in Flink.

#![expect(
    clippy::cast_possible_truncation,
    reason = "positions are bounded by a batch; hashes and times are reinterpreted bit by bit"
)]

use std::sync::Arc;

use arrow::{
    array::{RecordBatch, UInt32Array},
    datatypes::SchemaRef,
};
use dataflow::{Clock, Flow, OpenContext, Operator, Output, Snapshot};
use graph::{Node, operator::WindowAssignSpec};
use model::{Batch, EventTime, Failure, RowKind, Schema, Watermark, batch::ROWS_TARGET};

use crate::{
    window::{Windows, timed},
    window_time::WindowTime,
};

pub(crate) struct WindowAssign {
    time: usize,
    of: WindowTime,
    windows: Windows,
    schema: SchemaRef,
    /// With processing time: the clock.
    clock: Option<Arc<dyn Clock>>,
    current: Option<Progress>,
}

/// A batch whose rows are being repeated.
struct Progress {
    batch: Batch,
    slice_ends: Vec<EventTime>,
    next_row: usize,
    /// How many windows of the next row were given.
    next_window: usize,
}

impl WindowAssign {
    pub(crate) fn new(
        spec: &WindowAssignSpec,
        node: &Node,
        input: &Schema,
        context: &OpenContext,
    ) -> Result<Self, Failure> {
        if spec.time >= input.len() || node.schema.len() != input.len() + 3 {
            return Err(Failure::internal("a window's columns do not fit its input"));
        }
        Ok(Self {
            time: spec.time,
            of: WindowTime::new(spec.zone.as_deref())?,
            windows: Windows::new(spec.window)?,
            schema: node.schema.to_arrow(),
            clock: spec.processing.then(|| Arc::clone(&context.clock)),
            current: None,
        })
    }

    fn advance(&mut self, output: &mut Output) -> Result<Flow, Failure> {
        while let Some(progress) = &mut self.current {
            if output.is_full() {
                return Ok(Flow::More);
            }
            let (rows, ends) = progress.next(&self.windows);
            let finished = progress.next_row >= progress.batch.rows();
            let batch = progress.batch.take(&rows)?;
            if finished {
                self.current = None;
            }
            if !batch.is_empty() {
                output.emit(self.with_windows(batch, &ends)?);
            }
        }
        Ok(Flow::Done)
    }

    fn with_windows(&self, batch: Batch, ends: &[EventTime]) -> Result<Batch, Failure> {
        let (columns, kinds) = batch.into_parts();
        let windows = ends.iter().map(|&end| (self.windows.start(end), end));
        let added = self.of.columns(windows, &self.schema, columns.num_columns())?;
        let all = columns.columns().iter().cloned().chain(added).collect();
        Ok(Batch::new(RecordBatch::try_new(Arc::clone(&self.schema), all)?, kinds))
    }
}

impl Progress {
    /// The next repeated rows and the ends of their windows, so many that a batch is full.
    fn next(&mut self, windows: &Windows) -> (UInt32Array, Vec<EventTime>) {
        let (mut rows, mut ends) = (Vec::new(), Vec::new());
        while self.next_row < self.batch.rows() && rows.len() < ROWS_TARGET {
            let row = self.next_row;
            let end = self.slice_ends[row];
            // The halves of a pair stay together in each window.
            let is_pair = row + 1 < self.batch.rows()
                && self.batch.kind(row) == RowKind::UpdateBefore
                && self.batch.kind(row + 1) == RowKind::UpdateAfter
                && self.slice_ends[row + 1] == end;
            let repeated = if is_pair { 2 } else { 1 };
            let mut remaining = windows.ends(end).rev().skip(self.next_window);
            for window_end in remaining.by_ref().take((ROWS_TARGET - rows.len()).div_ceil(repeated)) {
                for row in row..row + repeated {
                    rows.push(row as u32);
                    ends.push(window_end);
                }
                self.next_window += 1;
            }
            if remaining.next().is_none() {
                (self.next_row, self.next_window) = (row + repeated, 0);
            }
        }
        (rows.into(), ends)
    }
}

impl Operator for WindowAssign {
    fn process(&mut self, _port: usize, mut batch: Batch, output: &mut Output) -> Result<Flow, Failure> {
        let (batch, times) = match &self.clock {
            Some(clock) => {
                let times = vec![self.of.now(clock, EventTime::MIN); batch.rows()].into();
                (batch, times)
            }
            None => timed(batch.clone(), &mut batch, self.time, &self.of, output)?,
        };
        let slice_ends: Vec<EventTime> = times.iter().map(|&time| self.windows.slice_end(time)).collect();
        if self.windows.is_tumbling() {
            output.emit(self.with_windows(batch, &slice_ends)?);
            return Ok(Flow::Done);
        }
        self.current = (!batch.is_empty()).then_some(Progress { batch, slice_ends, next_row: 0, next_window: 0 });
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

    fn snapshot(&mut self, _snapshot: &mut Snapshot) -> Result<(), Failure> {
        Ok(())
    }
}
