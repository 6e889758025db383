//! Arrays from arrays: adding and removing elements, and arrays as sets.

use std::collections::HashSet;

use arrow::{
    array::{Array, ArrayRef},
    row::Row,
};
use model::Failure;

use super::{ListMaker, Lists, comparable};
use crate::arg::Inputs;

/// Adds an element at the end or the start.
pub(super) fn add(inputs: &Inputs<'_>, at_end: bool) -> Result<ArrayRef, Failure> {
    let (lists, value) = (Lists::new(inputs, 0)?, inputs.arg(1)?);
    let mut out = ListMaker::new(vec![lists.values(), &value.array], inputs.rows);
    for row in 0..inputs.rows {
        let range = lists.range(row);
        let valid = range.is_some();
        if !at_end {
            out.pick(1, value.index(row));
        }
        range.into_iter().flatten().for_each(|index| out.pick(0, index));
        if at_end {
            out.pick(1, value.index(row));
        }
        out.end(valid);
    }
    out.finish(inputs.result)
}

pub(super) fn concat(inputs: &Inputs<'_>) -> Result<ArrayRef, Failure> {
    let all = (0..inputs.len()).map(|index| Lists::new(inputs, index)).collect::<Result<Vec<_>, _>>()?;
    let mut out = ListMaker::new(all.iter().map(|lists| lists.values()).collect(), inputs.rows);
    for row in 0..inputs.rows {
        let mut valid = true;
        for (source, lists) in all.iter().enumerate() {
            match lists.range(row) {
                Some(range) => range.for_each(|index| out.pick(source, index)),
                None => valid = false,
            }
        }
        out.end(valid);
    }
    out.finish(inputs.result)
}

pub(super) fn remove(inputs: &Inputs<'_>) -> Result<ArrayRef, Failure> {
    let (lists, value) = (Lists::new(inputs, 0)?, inputs.arg(1)?);
    let rows = comparable(&[lists.values(), &value.array])?;
    let mut out = ListMaker::new(vec![lists.values()], inputs.rows);
    for row in 0..inputs.rows {
        let removed = rows[1].row(value.index(row));
        let range = lists.range(row);
        let valid = range.is_some();
        range.into_iter().flatten().filter(|index| rows[0].row(*index) != removed).for_each(|index| out.pick(0, index));
        out.end(valid);
    }
    out.finish(inputs.result)
}

pub(super) fn distinct(inputs: &Inputs<'_>) -> Result<ArrayRef, Failure> {
    union(inputs)
}

/// The distinct elements of all arrays in the order in which they first stand.
pub(super) fn union(inputs: &Inputs<'_>) -> Result<ArrayRef, Failure> {
    let all = (0..inputs.len()).map(|index| Lists::new(inputs, index)).collect::<Result<Vec<_>, _>>()?;
    let sources: Vec<&ArrayRef> = all.iter().map(|lists| lists.values()).collect();
    let rows = comparable(&sources)?;
    let mut out = ListMaker::new(sources, inputs.rows);
    let mut seen: HashSet<Row<'_>> = HashSet::new();
    for row in 0..inputs.rows {
        seen.clear();
        let mut valid = true;
        for (source, lists) in all.iter().enumerate() {
            let range = lists.range(row);
            valid &= range.is_some();
            let fresh = range.into_iter().flatten().filter(|index| seen.insert(rows[source].row(*index)));
            fresh.for_each(|index| out.pick(source, index));
        }
        out.end(valid);
    }
    out.finish(inputs.result)
}

/// The distinct elements of the first array that are, or are not, in the second.
pub(super) fn select(inputs: &Inputs<'_>, in_both: bool) -> Result<ArrayRef, Failure> {
    let (left, right) = (Lists::new(inputs, 0)?, Lists::new(inputs, 1)?);
    let rows = comparable(&[left.values(), right.values()])?;
    let mut out = ListMaker::new(vec![left.values()], inputs.rows);
    for row in 0..inputs.rows {
        let (Some(elements), Some(others)) = (left.range(row), right.range(row)) else {
            out.end(false);
            continue;
        };
        let others: HashSet<Row<'_>> = others.map(|index| rows[1].row(index)).collect();
        let mut seen = HashSet::new();
        for index in elements {
            let element = rows[0].row(index);
            if others.contains(&element) == in_both && seen.insert(element) {
                out.pick(0, index);
            }
        }
        out.end(true);
    }
    debug_assert_eq!(left.values().data_type(), right.values().data_type(), "arrays are of one type");
    out.finish(inputs.result)
}
