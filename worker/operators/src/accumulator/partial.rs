//! Accumulators on their way from where rows are folded to where they are merged: a column of bytes.
//!
//! Of each group the words, 8 bytes each, little endian, then the objects in their stored form. Both ends are of one
//! job, so the form has no version.

use arrow::array::{Array, AsArray, BinaryArray, BinaryBuilder};
use model::Failure;

use super::{Layout, Object, Work};

const WORD: usize = size_of::<i64>();

impl Layout {
    /// The accumulators of groups that have no rows yet.
    pub(crate) fn fresh(&self, groups: usize) -> Work {
        let mut work = Work::default();
        work.grow(self, groups);
        if !self.objects.is_empty() {
            work.objects.resize_with(groups, || self.new_objects());
        }
        work
    }

    /// The accumulators of all groups as bytes.
    pub(crate) fn partial_of_work(&self, work: &Work) -> BinaryArray {
        let groups = work.groups();
        let mut column = BinaryBuilder::with_capacity(groups, groups * work.words.len() * WORD);
        let mut bytes = Vec::new();
        for group in 0..groups {
            bytes.clear();
            work.words.iter().for_each(|words| bytes.extend_from_slice(&words[group].to_le_bytes()));
            work.objects.get(group).into_iter().flatten().for_each(|object| object.encode(&mut bytes));
            column.append_value(&bytes);
        }
        column.finish()
    }

    /// The accumulators in such a column.
    pub(crate) fn work_of_partial(&self, column: &dyn Array) -> Result<Work, Failure> {
        let damaged = || Failure::internal("accumulators that are to be merged do not fit the aggregate functions");
        let column = column.as_binary_opt::<i32>().ok_or_else(damaged)?;
        let mut work = self.fresh(column.len());
        for group in 0..column.len() {
            let bytes = column.value(group);
            let (words, mut objects) = bytes.split_at_checked(self.template.len() * WORD).ok_or_else(damaged)?;
            for (column, word) in work.words.iter_mut().zip(words.as_chunks().0) {
                column[group] = i64::from_le_bytes(*word);
            }
            for object in work.objects.get_mut(group).into_iter().flatten() {
                *object = Object::decode(&mut objects)?;
            }
        }
        Ok(work)
    }
}
