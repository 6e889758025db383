//! The regular inner join: keeps the rows of both inputs for ever and emits each match with the kind of the row that
//! found it.
//!
//! Unless nulls are equal, rows with a null key match nothing and are not kept. A −U/+U pair that stays under one key is matched as a pair, so
//! its halves stay adjacent in the output.

mod interval;
mod kept;
mod matches;

use std::sync::Arc;

use arrow::{array::ArrayRef, buffer::NullBuffer, datatypes::SchemaRef};
use dataflow::{Flow, OpenContext, Operator, Output, Snapshot};
use graph::{Node, operator::JoinSpec};
use model::{Batch, Failure, Schema, Watermark, row};

pub(crate) use self::interval::IntervalJoin;
use self::{kept::KeptRows, matches::Matches};
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
    nulls_equal: bool,
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
    kept: KeptRows,
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
        let retracts = [!spec.left_input.is_append(), !spec.right_input.is_append()];
        let side = |schema: &Schema, keys: &[usize], retracts: bool| {
            let columns = signature::types(schema.fields.iter().map(|field| &field.data_type));
            let changes = if retracts { "changing" } else { "added" };
            format!("{changes} ({columns}) by {keys:?}")
        };
        let left_signature = side(left, &spec.left_keys, retracts[0]);
        // Which rows are kept depends on it.
        let nulls = if spec.nulls_equal { ", nulls equal" } else { "" };
        let signature = format!("{left_signature} JOIN {}{nulls}", side(right, &spec.right_keys, retracts[1]));
        Ok(Self {
            signature: Signature::new(signature, context)?,
            sides: [
                Side::new(&spec.left_keys, left, KeptRows::open("left-v2", retracts[0], context)?),
                Side::new(&spec.right_keys, right, KeptRows::open("right-v2", retracts[1], context)?),
            ],
            nulls_equal: spec.nulls_equal,
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
            let other = &mut self.sides[1 - current.port];
            match current.next(&mut other.kept, &other.schema)? {
                Some(found) => {
                    let joined = found.joined(current.port, self.condition.as_ref(), &self.schema)?;
                    output.emit(joined);
                }
                None => {
                    other.kept.end_batch()?;
                    self.current = None;
                }
            }
        }
        Ok(Flow::Done)
    }
}

impl Side {
    fn new(keys: &[usize], schema: &Schema, kept: KeptRows) -> Self {
        Self { keys: keys.to_vec(), schema: schema.to_arrow(), kept }
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
        let batch = if self.nulls_equal { batch } else { self.sides[port].with_keys(batch)? };
        if batch.is_empty() {
            return Ok(Flow::Done);
        }
        let keys = row::encode(&self.sides[port].key_columns(&batch), batch.rows())?;
        let groups = self.grouper.group(&keys);

        let stored = row::encode_batch(batch.columns())?;
        self.sides[port].kept.change(&keys, &groups, &stored, batch.kinds().map(|kinds| &kinds[..]))?;
        let mut entries = Vec::with_capacity(groups.first_rows.len());
        self.sides[other].kept.first_pieces(&keys, &groups.first_rows, &mut entries)?;
        self.current = Some(Matches::new(port, batch, keys, groups, entries));
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
            side.kept.snapshot(snapshot)?;
        }
        Ok(())
    }
}
