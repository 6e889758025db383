//! The regular inner join: keeps the rows of both inputs for ever and emits each match with the kind of the row that
//! found it.
//!
//! Unless nulls are equal, rows with a null key match nothing and are not kept. A −U/+U pair that stays under one key is matched as a pair, so
//! its halves stay adjacent in the output.

#[cfg(test)]
mod frozen;
mod interval;
mod kept;
mod matches;
mod piece;
mod side;

use std::sync::Arc;

use arrow::{array::ArrayRef, datatypes::SchemaRef};
use dataflow::{Flow, OpenContext, Operator, Output, Snapshot};
use graph::{Node, operator::JoinSpec};
use model::{Batch, Failure, Schema, Watermark, row};

pub(crate) use self::{
    interval::IntervalJoin,
    kept::KeptRows,
    matches::Matches,
    piece::Piece,
    side::{Sides, all_valid},
};
use crate::{
    grouping::Grouper,
    limits::Limits,
    projection::Projection,
    signature::{Description, Signature},
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
    pub(crate) fn new(
        spec: &JoinSpec,
        node: &Node,
        limits: Limits,
        context: &mut OpenContext,
    ) -> Result<Self, Failure> {
        let (left, right) = (&spec.left_schema, &spec.right_schema);
        let nulls_equal = spec.nulls_equal;
        let sides = Sides { left, right, left_keys: &spec.left_keys, right_keys: &spec.right_keys, nulls_equal };
        sides.check(&node.schema)?;
        let retracts = [!spec.left_input.is_append(), !spec.right_input.is_append()];
        let [left_changes, right_changes] = retracts.map(|retracts| if retracts { "changing" } else { "added" });
        let (left_text, right_text, nulls) = (sides.left_text(), sides.right_text(), sides.nulls_text());
        let description = Description::of("join")
            .rows(left, &spec.left_keys)
            .changing(retracts[0])
            .rows(right, &spec.right_keys)
            .changing(retracts[1])
            .property("nulls equal", nulls_equal);
        let former = format!("{left_changes} {left_text} JOIN {right_changes} {right_text}{nulls}");
        Ok(Self {
            signature: Signature::new(&description, &former, context)?,
            sides: [
                Side::new(&spec.left_keys, left, KeptRows::open("left-v2", retracts[0], limits, context)?),
                Side::new(&spec.right_keys, right, KeptRows::open("right-v2", retracts[1], limits, context)?),
            ],
            nulls_equal: spec.nulls_equal,
            condition: sides.condition(spec.condition.as_ref())?,
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
}

impl Operator for Join {
    fn process(&mut self, port: usize, batch: Batch, output: &mut Output) -> Result<Flow, Failure> {
        let Some(other) = 1usize.checked_sub(port) else {
            return Err(Failure::internal(format!("a join has no input {port}")));
        };
        let batch = match all_valid(&batch, &self.sides[port].keys).filter(|_| !self.nulls_equal) {
            Some(valid) => batch.filter(&valid)?,
            None => batch,
        };
        if batch.is_empty() {
            return Ok(Flow::Done);
        }
        let keys = row::encode_keys(&self.sides[port].key_columns(&batch), batch.rows())?;
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
