//! Filter and projection.
//!
//! Each row is judged on its own: of a −U/+U pair that crosses the filter one half remains, with its kind, and a
//! consumer treats a lone −U as a retraction and a lone +U as an insertion.

use std::sync::Arc;

use arrow::{
    array::{RecordBatch, RecordBatchOptions},
    datatypes::SchemaRef,
};
use dataflow::{Flow, Operator, Output, Snapshot};
use expressions::Evaluator;
use graph::{Node, operator::CalcSpec};
use model::{Batch, Failure, Schema, Watermark};

use crate::projection::Projection;

pub(crate) struct Calc {
    filter: Option<Evaluator>,
    projection: Projection,
    schema: SchemaRef,
}

impl Calc {
    pub(crate) fn new(spec: &CalcSpec, node: &Node, input: &Schema) -> Result<Self, Failure> {
        Ok(Self {
            filter: spec.filter.as_ref().map(|filter| Evaluator::compile(filter, input)).transpose()?,
            projection: Projection::new(&spec.projection, input)?,
            schema: node.schema.to_arrow(),
        })
    }

    /// The rows that pass, with only the columns that the projection uses; `None` if no row passes.
    fn filtered(&self, batch: Batch) -> Result<Option<Batch>, Failure> {
        let mask = match &self.filter {
            Some(filter) => Some(filter.evaluate_predicate(batch.columns())?),
            None => None,
        };
        let passing = mask.as_ref().map_or(batch.rows(), arrow::array::BooleanArray::true_count);
        if passing == 0 {
            return Ok(None);
        }
        let (columns, kinds) = batch.into_parts();
        let narrow = Batch::new(self.projection.narrow(&columns)?, kinds);
        match mask {
            Some(mask) if passing < narrow.rows() => narrow.filter(&mask).map(Some),
            _ => Ok(Some(narrow)),
        }
    }
}

impl Operator for Calc {
    fn process(&mut self, _port: usize, batch: Batch, output: &mut Output) -> Result<Flow, Failure> {
        let Some(batch) = self.filtered(batch)? else {
            return Ok(Flow::Done);
        };
        let (columns, kinds) = batch.into_parts();
        let projected =
            self.projection.evaluators().iter().map(|expr| expr.evaluate(&columns)).collect::<Result<Vec<_>, _>>()?;
        let options = RecordBatchOptions::new().with_row_count(Some(columns.num_rows()));
        let projected = RecordBatch::try_new_with_options(Arc::clone(&self.schema), projected, &options)?;
        output.emit(Batch::new(projected, kinds));
        Ok(Flow::Done)
    }

    fn resume(&mut self, _output: &mut Output) -> Result<Flow, Failure> {
        Ok(Flow::Done)
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
