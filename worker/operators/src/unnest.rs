//! `UNNEST`: repeats each row for each element of an array or entry of a map.

#![expect(
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    clippy::cast_sign_loss,
    reason = "positions are bounded by a batch; hashes and times are reinterpreted bit by bit"
)]

use std::{ops::Range, sync::Arc};

use arrow::{
    array::{Array, ArrayRef, AsArray, Int32Array, RecordBatch, UInt32Array, make_array, new_null_array},
    buffer::{NullBuffer, OffsetBuffer, ScalarBuffer},
    compute,
    datatypes::{DataType as Arrow, SchemaRef},
};
use dataflow::{Flow, Operator, Output, Snapshot};
use graph::{Node, operator::UnnestSpec};
use model::{
    Batch, Failure, RowKind, Schema, Watermark,
    batch::{ROWS_TARGET, is_retraction_code},
};

pub(crate) struct Unnest {
    spec: UnnestSpec,
    inputs: usize,
    schema: SchemaRef,
    /// The batch whose rows are being repeated, and the next row and element.
    current: Option<(Batch, usize, usize)>,
}

impl Unnest {
    pub(crate) fn new(spec: &UnnestSpec, node: &Node, input: &Schema) -> Result<Self, Failure> {
        if spec.column >= input.len() || node.schema.len() <= input.len() {
            return Err(Failure::internal("the collection is no column of the input"));
        }
        Ok(Self { spec: spec.clone(), inputs: input.len(), schema: node.schema.to_arrow(), current: None })
    }

    fn advance(&mut self, output: &mut Output) -> Result<Flow, Failure> {
        while let Some((batch, row, element)) = self.current.take() {
            if output.is_full() {
                self.current = Some((batch, row, element));
                return Ok(Flow::More);
            }
            let next = self.piece(&batch, row, element, output)?;
            self.current = next.map(|(row, element)| (batch, row, element));
        }
        Ok(Flow::Done)
    }

    /// Emits some rows from an element on; tells where to go on.
    fn piece(
        &self,
        batch: &Batch,
        mut row: usize,
        mut element: usize,
        output: &mut Output,
    ) -> Result<Option<(usize, usize)>, Failure> {
        let column = batch.column(self.spec.column);
        let (offsets, values) = elements(column)?;
        let range = |row: usize| -> Range<usize> {
            if column.is_null(row) { 0..0 } else { offsets[row] as usize..offsets[row + 1] as usize }
        };
        let (mut rows, mut places, mut ordinals) = (Vec::new(), Vec::new(), Vec::new());
        while row < batch.rows() && rows.len() < ROWS_TARGET {
            let all = range(row);
            if all.is_empty() && self.spec.outer {
                rows.push(row as u32);
                places.push(None);
                ordinals.push(None);
            }
            while element < all.len() && rows.len() < ROWS_TARGET {
                rows.push(row as u32);
                places.push(Some((all.start + element) as u32));
                ordinals.push(Some(element as i32 + 1));
                element += 1;
            }
            if element >= all.len() {
                (row, element) = (row + 1, 0);
            }
        }
        let next = (row < batch.rows()).then_some((row, element));
        if rows.is_empty() {
            return Ok(next);
        }
        // The halves of an update may have different numbers of elements.
        let kinds: Option<ScalarBuffer<u8>> = batch.kinds().map(|kinds| {
            let kind =
                |row: &u32| if is_retraction_code(kinds[*row as usize]) { RowKind::Delete } else { RowKind::Insert };
            rows.iter().map(|row| kind(row) as u8).collect()
        });
        let rows = UInt32Array::from(rows);
        let mut columns = Vec::with_capacity(self.schema.fields().len());
        for (index, column) in batch.columns().columns().iter().enumerate() {
            columns.push(if index == self.spec.column && !self.spec.keep {
                new_null_array(column.data_type(), rows.len())
            } else {
                compute::take(column, &rows, None)?
            });
        }
        let places = UInt32Array::from(places);
        for values in values {
            let taken = if values.is_empty() {
                new_null_array(values.data_type(), places.len())
            } else {
                compute::take(&values, &places, None)?
            };
            columns.extend(fields(taken)?);
        }
        if self.spec.ordinality {
            columns.push(Arc::new(Int32Array::from(ordinals)));
        }
        if columns.len() != self.schema.fields().len() {
            return Err(Failure::internal(format!(
                "{} columns of UNNEST behind {} others",
                columns.len(),
                self.inputs
            )));
        }
        output.emit(Batch::new(RecordBatch::try_new(Arc::clone(&self.schema), columns)?, kinds));
        Ok(next)
    }
}

/// Where each row's elements are, and the columns of the elements.
fn elements(column: &ArrayRef) -> Result<(OffsetBuffer<i32>, Vec<ArrayRef>), Failure> {
    match column.data_type() {
        Arrow::List(_) => {
            let list = column.as_list::<i32>();
            Ok((list.offsets().clone(), vec![Arc::clone(list.values())]))
        }
        Arrow::Map(..) => {
            let map = column.as_map();
            Ok((map.offsets().clone(), vec![Arc::clone(map.keys()), Arc::clone(map.values())]))
        }
        other => Err(Failure::internal(format!("UNNEST of {other}"))),
    }
}

/// The fields of rows as columns; anything else as it is.
fn fields(column: ArrayRef) -> Result<Vec<ArrayRef>, Failure> {
    let Some(rows) = column.as_struct_opt() else { return Ok(vec![column]) };
    let with_nulls = |field: &ArrayRef| {
        let nulls = NullBuffer::union(field.nulls(), rows.nulls());
        Ok(make_array(field.to_data().into_builder().nulls(nulls).build()?))
    };
    rows.columns().iter().map(with_nulls).collect()
}

impl Operator for Unnest {
    fn process(&mut self, _port: usize, batch: Batch, output: &mut Output) -> Result<Flow, Failure> {
        self.current = Some((batch, 0, 0));
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
