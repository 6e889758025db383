//! The order of elements: sorting, reversing, slicing, extremes.

#![expect(
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    clippy::cast_sign_loss,
    reason = "SQL arithmetic wraps as Java's; positions are bounded by a batch"
)]

use arrow::{
    array::{Array, ArrayRef, Int32Array},
    compute,
};
use model::Failure;

use super::{ListMaker, Lists, comparable, integer};
use crate::arg::Inputs;

/// Ascending with nulls first, unless told otherwise; descending has nulls last by default.
pub(super) fn sort(inputs: &Inputs<'_>) -> Result<ArrayRef, Failure> {
    let lists = Lists::new(inputs, 0)?;
    let ascending = if inputs.len() > 1 { Some(inputs.booleans(1)?) } else { None };
    let nulls_first = if inputs.len() > 2 { Some(inputs.booleans(2)?) } else { None };
    let rows = comparable(&[lists.values()])?;
    let mut out = ListMaker::new(vec![lists.values()], inputs.rows);
    for row in 0..inputs.rows {
        let ascending = ascending.as_ref().map_or(Some(true), |ascending| ascending.get(row));
        let nulls_first = nulls_first.as_ref().map_or(ascending, |nulls_first| nulls_first.get(row));
        let (Some(range), Some(ascending), Some(nulls_first)) = (lists.range(row), ascending, nulls_first) else {
            out.end(false);
            continue;
        };
        let (nulls, mut values): (Vec<usize>, Vec<usize>) = range.partition(|index| lists.values().is_null(*index));
        values.sort_by(|left, right| rows[0].row(*left).cmp(&rows[0].row(*right)));
        if !ascending {
            values.reverse();
        }
        let (first, second) = if nulls_first { (nulls, values) } else { (values, nulls) };
        first.into_iter().chain(second).for_each(|index| out.pick(0, index));
        out.end(true);
    }
    out.finish(inputs.result)
}

pub(super) fn reverse(inputs: &Inputs<'_>) -> Result<ArrayRef, Failure> {
    let lists = Lists::new(inputs, 0)?;
    let mut out = ListMaker::new(vec![lists.values()], inputs.rows);
    for row in 0..inputs.rows {
        let range = lists.range(row);
        let valid = range.is_some();
        range.into_iter().flatten().rev().for_each(|index| out.pick(0, index));
        out.end(valid);
    }
    out.finish(inputs.result)
}

/// From one position to another, both included; positions count from 1, or from the end if negative.
pub(super) fn slice(inputs: &Inputs<'_>) -> Result<ArrayRef, Failure> {
    let lists = Lists::new(inputs, 0)?;
    let mut out = ListMaker::new(vec![lists.values()], inputs.rows);
    for row in 0..inputs.rows {
        let start = integer(inputs, 1, row)?;
        let end = if inputs.len() > 2 { integer(inputs, 2, row)? } else { Some(-1) };
        let (Some(range), Some(start), Some(end)) = (lists.range(row), start, end) else {
            out.end(false);
            continue;
        };
        let length = range.len() as i64;
        let place = |position: i32| match i64::from(position) {
            position @ ..0 => position + length,
            0 => 0,
            position => position - 1,
        };
        let (first, last) = (place(start).max(0), place(end).min(length - 1));
        for index in first..=last {
            out.pick(0, range.start + index as usize);
        }
        out.end(true);
    }
    out.finish(inputs.result)
}

/// The greatest or least element that is not null.
pub(super) fn extreme(inputs: &Inputs<'_>, greatest: bool) -> Result<ArrayRef, Failure> {
    let lists = Lists::new(inputs, 0)?;
    let rows = comparable(&[lists.values()])?;
    let best = |row| {
        let valid = lists.range(row)?.filter(|index| lists.values().is_valid(*index));
        let compare = |left: &usize, right: &usize| rows[0].row(*left).cmp(&rows[0].row(*right));
        let best = if greatest { valid.max_by(compare) } else { valid.min_by(compare) };
        best.map(|index| index as i32)
    };
    let indices: Int32Array = (0..inputs.rows).map(best).collect();
    Ok(compute::take(lists.values(), &indices, None)?)
}
