//! What the two sides of all joins have in common: keys that are compared by their bytes, a further condition, and how
//! a side is described in a signature.

use arrow::{array::BooleanArray, buffer::NullBuffer};
use graph::Expr;
use model::{Batch, Failure, Schema};

use crate::{accumulator::not_null, projection::Projection, signature::former};

/// Both sides as they are specified.
pub(crate) struct Sides<'a> {
    pub(crate) left: &'a Schema,
    pub(crate) right: &'a Schema,
    pub(crate) left_keys: &'a [usize],
    pub(crate) right_keys: &'a [usize],
    pub(crate) nulls_equal: bool,
}

impl Sides<'_> {
    /// Checks that equal keys have equal bytes, and that the output is all columns of both sides.
    pub(crate) fn check(&self, output: &Schema) -> Result<(), Failure> {
        self.check_keys()?;
        if self.left.len() + self.right.len() != output.len() {
            return Err(Failure::internal("the join's output is not all columns of both sides"));
        }
        Ok(())
    }

    /// Checks that equal keys have equal bytes.
    pub(crate) fn check_keys(&self) -> Result<(), Failure> {
        let types = |schema: &Schema, keys: &[usize]| {
            let types = keys.iter().map(|&key| schema.fields.get(key).map(|field| field.data_type.to_arrow()));
            types.collect::<Option<Vec<_>>>()
        };
        let (left, right) = (types(self.left, self.left_keys), types(self.right, self.right_keys));
        if left.is_none() || left != right {
            return Err(Failure::internal("the join's keys are not of the same types on both sides"));
        }
        Ok(())
    }

    /// The condition over the columns of both sides.
    pub(crate) fn condition(&self, condition: Option<&Expr>) -> Result<Option<Projection>, Failure> {
        let both = Schema::new(self.left.fields.iter().chain(&self.right.fields).cloned().collect());
        condition.map(|condition| Projection::new(std::slice::from_ref(condition), &both)).transpose()
    }

    /// The left side's columns and keys, as signatures before version 2 have them.
    pub(crate) fn left_text(&self) -> String {
        text(self.left, self.left_keys)
    }

    /// The right side's.
    pub(crate) fn right_text(&self) -> String {
        text(self.right, self.right_keys)
    }

    /// Which rows are kept depends on whether nulls are equal.
    pub(crate) fn nulls_text(&self) -> &'static str {
        if self.nulls_equal { ", nulls equal" } else { "" }
    }
}

fn text(schema: &Schema, keys: &[usize]) -> String {
    let columns = former::types(schema.fields.iter().map(|field| &field.data_type));
    format!("({columns}) by {}", former::positions(keys))
}

/// Where none of some columns is null; none if that is so everywhere.
pub(crate) fn all_valid<'a>(batch: &Batch, columns: impl IntoIterator<Item = &'a usize>) -> Option<BooleanArray> {
    let mut valid: Option<NullBuffer> = None;
    for &column in columns {
        valid = NullBuffer::union(valid.as_ref(), not_null(batch.column(column)).as_ref());
    }
    valid.map(|valid| valid.into_inner().into())
}
