//! The first of two phases of an aggregation without windows: folds rows where they are, so that fewer and smaller ones
//! are exchanged. It keeps nothing: what it has collected goes out when it is enough, or when it is told to flush.

use std::sync::Arc;

use arrow::{
    array::{ArrayRef, RecordBatch, UInt32Array},
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
};

pub(crate) struct LocalAggregate {
    columns: InputColumns,
    layout: Layout,
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
        context: &OpenContext,
    ) -> Result<Self, Failure> {
        let columns = InputColumns::new(&spec.keys, &spec.aggregates, None, input)?;
        if node.schema.len() != spec.keys.len() + 1 {
            return Err(Failure::internal("the output columns are not the keys and the accumulators"));
        }
        let layout = Layout::new(&columns.aggregates, &columns.schema, false, spec.keys.is_empty())?;
        Ok(Self {
            columns,
            layout,
            schema: node.schema.to_arrow(),
            grouper: Grouper::default(),
            pending: Pending::default(),
            held: MiniBatch::new(context).unwrap_or_else(MiniBatch::none),
        })
    }

    fn fold_held_back(&mut self) -> Result<(), Failure> {
        let Some(batch) = self.held.take()? else { return Ok(()) };
        let keys: Vec<ArrayRef> = self.columns.keys.iter().map(|&key| Arc::clone(batch.column(key))).collect();
        let groups = self.grouper.group(&row::encode(&keys, batch.rows())?);
        let mut work = self.layout.fresh(groups.first_rows.len());
        self.layout.fold(batch.columns(), batch.kinds(), &groups.of_row, &mut work)?;
        let mut columns = take_all(&keys, &UInt32Array::from(groups.first_rows))?;
        columns.push(Arc::new(self.layout.partial_of_work(&work)));
        self.pending.push(RecordBatch::try_new(Arc::clone(&self.schema), columns)?, None);
        Ok(())
    }
}

impl Operator for LocalAggregate {
    fn process(&mut self, _port: usize, batch: Batch, output: &mut Output) -> Result<Flow, Failure> {
        if self.held.add(self.columns.narrow(batch)?) {
            self.fold_held_back()?;
        }
        Ok(self.pending.emit(output))
    }

    fn resume(&mut self, output: &mut Output) -> Result<Flow, Failure> {
        Ok(self.pending.emit(output))
    }

    fn watermark(&mut self, _watermark: Watermark, _output: &mut Output) -> Result<Flow, Failure> {
        // The result of the aggregation has no time attribute, so what is held back cannot become late.
        Ok(Flow::Done)
    }

    fn flush(&mut self, output: &mut Output) -> Result<Flow, Failure> {
        self.fold_held_back()?;
        Ok(self.pending.emit(output))
    }

    fn snapshot(&mut self, _snapshot: &mut Snapshot) -> Result<(), Failure> {
        Ok(())
    }
}
