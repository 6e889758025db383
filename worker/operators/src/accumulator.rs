//! Accumulators of aggregate functions, for many groups at once and in columns.
//!
//! What all groups of a batch keep is loaded from the table into columns of words ([`Work`]), the batch's rows are
//! folded into these columns by tight typed loops, results are made from the same columns, and the words go back.
//! Only strings, collected values, value multisets and `DISTINCT` sets live outside the words, as [`Object`]s.

mod argument;
mod collection;
mod distinct;
mod fold;
#[cfg(test)]
mod frozen;
mod large;
mod layout;
mod merge;
mod moments;
mod object;
mod partial;
mod result;
mod table;

pub(crate) use argument::nulls as not_null;
pub(crate) use large::{Coming, LargeSets};
pub(crate) use layout::Layout;
pub(crate) use table::{AccumulatorTable, Lifetime, Work, open};

use object::Object;
