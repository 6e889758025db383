//! The first of two phases of an aggregation: folds rows where they are, so that fewer and smaller ones are exchanged. It
//! keeps nothing: what it has collected goes out when it is enough, or when it is told to flush.
//!
//! With windows, rows are folded by the slice of time they belong to, and go out before each watermark: none becomes late
//! that would not have been.

use std::sync::Arc;

use arrow::{
    array::{ArrayRef, Int64Array, RecordBatch, UInt32Array},
    datatypes::SchemaRef,
};
use dataflow::{Flow, OpenContext, Operator, Output, Snapshot};
use graph::{Node, operator::LocalAggregateSpec};
use model::{Batch, Failure, Schema, Watermark, row};

use crate::{
    accumulator::Layout,
    emission::Pending,
    group_aggregate::{InputColumns, MiniBatch, take_all},
    grouping::Grouper,
    limits::Limits,
    window::{Windows, timed},
    window_time::WindowTime,
};

pub(crate) struct LocalAggregate {
    columns: InputColumns,
    layout: Layout,
    time: WindowTime,
    windows: Option<Windows>,
    schema: SchemaRef,
    grouper: Grouper,
    pending: Pending,
    held: MiniBatch,
}

impl LocalAggregate {
    pub(crate) fn new(
        spec: &LocalAggregateSpec,
        node: &Node,
        input: &Schema,
        limits: Limits,
        context: &OpenContext,
    ) -> Result<Self, Failure> {
        let (time, window) = spec.window.unzip();
        let columns = InputColumns::new(&spec.keys, &spec.aggregates, time, input)?;
        if node.schema.len() != spec.keys.len() + 1 + usize::from(time.is_some()) {
            return Err(Failure::internal("the output columns are not the keys and the accumulators"));
        }
        let keeps_empty = spec.keys.is_empty() && time.is_none();
        let layout = Layout::new(&columns.aggregates, &columns.schema, false, keeps_empty, limits)?;
        Ok(Self {
            columns,
            layout,
            time: WindowTime::new(spec.zone.as_deref())?,
            windows: window.map(Windows::new).transpose()?,
            schema: node.schema.to_arrow(),
            grouper: Grouper::default(),
            pending: Pending::default(),
            held: MiniBatch::new(context).unwrap_or_else(MiniBatch::none),
        })
    }

    fn fold_held_back(&mut self) -> Result<(), Failure> {
        let Some(batch) = self.held.take()? else { return Ok(()) };
        let keys: Vec<ArrayRef> = self.columns.keys.iter().map(|&key| Arc::clone(batch.column(key))).collect();
        let encoded = row::encode_keys(&keys, batch.rows())?;
        let slices = match &self.windows {
            Some(windows) => Some(windows.slices(&self.time.times(batch.column(self.columns.time))?.0)),
            None => None,
        };
        let groups = match &slices {
            Some(slices) => self.grouper.group_parts(&encoded, &slices.parts, slices.ends.len()),
            None => self.grouper.group(&encoded),
        };
        let mut work = self.layout.fresh(groups.first_rows.len());
        self.layout.fold(batch.columns(), batch.kinds(), &groups.of_row, &mut work)?;
        let mut columns = take_all(&keys, &UInt32Array::from(groups.first_rows))?;
        if let Some(slices) = &slices {
            let ends = slices.ends.iter().zip(&groups.part_sizes);
            let ends = ends.flat_map(|(&end, &groups)| std::iter::repeat_n(end, groups));
            columns.push(Arc::new(Int64Array::from_iter_values(ends)));
        }
        columns.push(Arc::new(self.layout.partial_of_work(&work)));
        self.pending.push(RecordBatch::try_new(Arc::clone(&self.schema), columns)?, None);
        Ok(())
    }
}

impl Operator for LocalAggregate {
    fn process(&mut self, _port: usize, batch: Batch, output: &mut Output) -> Result<Flow, Failure> {
        let mut batch = self.columns.narrow(batch)?;
        if self.windows.is_some() {
            batch = timed(batch.clone(), &mut batch, self.columns.time, &self.time, output)?.0;
        }
        if self.held.add(batch) {
            self.fold_held_back()?;
        }
        Ok(self.pending.emit(output))
    }

    fn resume(&mut self, output: &mut Output) -> Result<Flow, Failure> {
        Ok(self.pending.emit(output))
    }

    fn watermark(&mut self, _watermark: Watermark, output: &mut Output) -> Result<Flow, Failure> {
        // Without windows the result has no time attribute, so what is held back cannot become late.
        if self.windows.is_some() {
            self.fold_held_back()?;
        }
        Ok(self.pending.emit(output))
    }

    fn flush(&mut self, output: &mut Output) -> Result<Flow, Failure> {
        self.fold_held_back()?;
        Ok(self.pending.emit(output))
    }

    fn snapshot(&mut self, _snapshot: &mut Snapshot) -> Result<(), Failure> {
        Ok(())
    }
}
