//! The regular inner join: keeps the rows of both inputs for ever and emits each match with the kind of the row that
//! found it.
//!
//! Rows with a null key match nothing and are not kept. A −U/+U pair that stays under one key is matched as a pair, so
//! its halves stay adjacent in the output.

mod matches;
mod rows;

use std::sync::Arc;

use arrow::{array::ArrayRef, buffer::NullBuffer, datatypes::SchemaRef};
use dataflow::{Flow, OpenContext, Operator, Output, Snapshot};
use graph::{Node, operator::JoinSpec};
use model::{Batch, Failure, Schema, Watermark, batch::is_retraction_code, row};
use state::Table;

use self::{matches::Matches, rows::StoredRows};
use crate::{
    accumulator::not_null,
    grouping::Grouper,
    projection::Projection,
    signature::{self, Signature},
};

/// Pieces of matches that are looked at in one call at most, even if the condition leaves little of them.
const PIECES_MAX: usize = 8;

pub(crate) struct Join {
    /// Left and right.
    sides: [Side; 2],
    /// The rest of the condition.
    condition: Option<Projection>,
    schema: SchemaRef,
    signature: Signature,
    grouper: Grouper,
    /// The batch whose matches are being emitted.
    current: Option<Matches>,
}

/// One input.
struct Side {
    keys: Vec<usize>,
    schema: SchemaRef,
    table: Table<StoredRows>,
}

impl Join {
    pub(crate) fn new(spec: &JoinSpec, node: &Node, context: &mut OpenContext) -> Result<Self, Failure> {
        let (left, right) = (&spec.left_schema, &spec.right_schema);
        let key_types = |keys: &[usize], schema: &Schema| {
            let types = keys.iter().map(|&key| schema.fields.get(key).map(|field| field.data_type.to_arrow()));
            types.collect::<Option<Vec<_>>>()
        };
        let (left_types, right_types) = (key_types(&spec.left_keys, left), key_types(&spec.right_keys, right));
        if left_types.is_none() || left_types != right_types {
            return Err(Failure::internal("the join's keys are not of the same types on both sides"));
        }
        let both = Schema::new(left.fields.iter().chain(&right.fields).cloned().collect());
        if both.len() != node.schema.len() {
            return Err(Failure::internal("the join's output is not all columns of both sides"));
        }
        let side = |schema: &Schema, keys: &[usize]| {
            let columns = signature::types(schema.fields.iter().map(|field| &field.data_type));
            format!("({columns}) by {keys:?}")
        };
        let signature = format!("{} JOIN {}", side(left, &spec.left_keys), side(right, &spec.right_keys));
        Ok(Self {
            signature: Signature::new(signature, context)?,
            sides: [
                Side::new(&spec.left_keys, left, context.keyed.table("left-v1")?),
                Side::new(&spec.right_keys, right, context.keyed.table("right-v1")?),
            ],
            condition: spec
                .condition
                .as_ref()
                .map(|condition| Projection::new(std::slice::from_ref(condition), &both))
                .transpose()?,
            schema: node.schema.to_arrow(),
            grouper: Grouper::default(),
            current: None,
        })
    }

    fn advance(&mut self, output: &mut Output) -> Result<Flow, Failure> {
        let mut pieces = 0;
        while let Some(current) = &mut self.current {
            if output.is_full() || pieces >= PIECES_MAX {
                return Ok(Flow::More);
            }
            pieces += 1;
            let other = &self.sides[1 - current.port];
            match current.next(&other.table, &other.schema)? {
                Some(found) => {
                    let joined = found.joined(current.port, self.condition.as_ref(), &self.schema)?;
                    output.emit(joined);
                }
                None => {
                    self.sides[1 - current.port].table.end_batch()?;
                    self.current = None;
                }
            }
        }
        Ok(Flow::Done)
    }
}

impl Side {
    fn new(keys: &[usize], schema: &Schema, table: Table<StoredRows>) -> Self {
        Self { keys: keys.to_vec(), schema: schema.to_arrow(), table }
    }

    fn key_columns(&self, batch: &Batch) -> Vec<ArrayRef> {
        self.keys.iter().map(|&key| Arc::clone(batch.column(key))).collect()
    }

    /// The rows whose keys are not null.
    fn with_keys(&self, batch: Batch) -> Result<Batch, Failure> {
        let mut valid: Option<NullBuffer> = None;
        for &key in &self.keys {
            valid = NullBuffer::union(valid.as_ref(), not_null(batch.column(key)).as_ref());
        }
        match valid {
            Some(valid) => batch.filter(&valid.into_inner().into()),
            None => Ok(batch),
        }
    }
}

impl Operator for Join {
    fn process(&mut self, port: usize, batch: Batch, output: &mut Output) -> Result<Flow, Failure> {
        let Some(other) = 1usize.checked_sub(port) else {
            return Err(Failure::internal(format!("a join has no input {port}")));
        };
        let batch = self.sides[port].with_keys(batch)?;
        if batch.is_empty() {
            return Ok(Flow::Done);
        }
        let keys = row::encode(&self.sides[port].key_columns(&batch), batch.rows())?;
        let groups = self.grouper.group(&keys);

        let own = &mut self.sides[port].table;
        let mut entries = Vec::with_capacity(groups.first_rows.len());
        own.hydrate(0, &keys, Some(&groups.first_rows), &mut entries)?;
        let stored = row::encode_batch(batch.columns())?;
        for (row, &group) in groups.of_row.iter().enumerate() {
            let slot = own.get_mut(entries[group as usize]);
            if batch.kinds().is_some_and(|kinds| is_retraction_code(kinds[row])) {
                if slot.as_mut().is_some_and(|rows| rows.remove(stored.row(row)) && rows.is_empty()) {
                    *slot = None;
                }
            } else {
                slot.get_or_insert_default().push(stored.row(row));
            }
        }
        own.end_batch()?;

        entries.clear();
        self.sides[other].table.hydrate(0, &keys, Some(&groups.first_rows), &mut entries)?;
        self.current = Some(Matches::new(port, batch, groups.of_row, entries));
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

    fn snapshot(&mut self, snapshot: &mut Snapshot) -> Result<(), Failure> {
        self.signature.snapshot(snapshot);
        for side in &mut self.sides {
            snapshot.table(&mut side.table)?;
        }
        Ok(())
    }
}
