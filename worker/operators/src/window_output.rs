//! The output of windowed aggregations: keys, aggregates, the window's start, end and time.

use std::sync::Arc;

use arrow::{
    array::{ArrayRef, RecordBatch},
    datatypes::SchemaRef,
};
use dataflow::Output;
use graph::{Node, operator::WindowAggregateSpec};
use model::{Batch, EventTime, Failure, Schema, row};

use crate::{group_aggregate::InputColumns, window_time::WindowTime};

pub(crate) struct WindowOutput {
    keys: SchemaRef,
    time: WindowTime,
    schema: SchemaRef,
}

impl WindowOutput {
    pub(crate) fn new(spec: &WindowAggregateSpec, columns: &InputColumns, node: &Node) -> Result<Self, Failure> {
        if node.schema.len() != spec.keys.len() + spec.aggregates.len() + 3 {
            return Err(Failure::internal("the output columns are not keys, aggregates and window"));
        }
        let keys = columns.keys.iter().map(|&key| columns.schema.fields[key].clone()).collect();
        Ok(Self {
            keys: Schema::new(keys).to_arrow(),
            time: WindowTime::new(spec.zone.as_deref())?,
            schema: node.schema.to_arrow(),
        })
    }

    /// Emits a row for each encoded key, with its results and its window's start and end.
    pub(crate) fn emit<'k>(
        &self,
        keys: impl Iterator<Item = &'k [u8]>,
        results: Vec<ArrayRef>,
        windows: impl Iterator<Item = (EventTime, EventTime)> + Clone,
        output: &mut Output,
    ) -> Result<(), Failure> {
        let mut columns = row::decode(&self.keys, keys)?.columns().to_vec();
        columns.extend(results);
        columns.extend(self.time.columns(windows, &self.schema, columns.len())?);
        output.emit(Batch::append(RecordBatch::try_new(Arc::clone(&self.schema), columns)?));
        Ok(())
    }
}
