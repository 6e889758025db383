//! Folding the rows of a batch into the accumulators of their groups.
//!
//! Each accumulator's input gets a weight for each row: 1 adds, −1 takes away, 0 leaves out. Filters, nulls, row kinds
//! and `DISTINCT` are all settled in the weights, so the loops over the words need not know of them.

#![expect(
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    clippy::cast_sign_loss,
    reason = "positions are bounded by a batch; hashes and times are reinterpreted bit by bit"
)]

use std::rc::Rc;

use arrow::{
    array::{Array, AsArray, RecordBatch},
    buffer::{BooleanBuffer, ScalarBuffer},
};
use model::{Failure, batch::is_retraction_code};

use super::{
    argument::{Argument, nulls},
    collection, distinct,
    large::Large,
    layout::{Cell, CellKind, Input, Layout, ObjectSpec, wide, words_of},
    moments,
    object::{Object, misfit},
    table::Work,
};

/// A weight for each row; `None`: all 1.
pub(crate) type Weights = Option<Rc<Vec<i8>>>;

impl Layout {
    /// Folds all rows of `columns` into `work`; row `i` belongs to group `groups[i]`.
    pub(crate) fn fold(
        &self,
        columns: &RecordBatch,
        kinds: Option<&ScalarBuffer<u8>>,
        groups: &[u32],
        work: &mut Work,
    ) -> Result<(), Failure> {
        let base = self.base_weights(kinds, groups, &work.words[0])?;
        let arguments = self
            .arguments
            .iter()
            .map(|spec| Argument::new(columns.column(spec.column), spec.form))
            .collect::<Result<Vec<_>, _>>()?;
        let mut weights =
            self.inputs.iter().map(|input| weigh(input, &base, columns)).collect::<Result<Vec<_>, _>>()?;
        for (index, spec) in self.objects.iter().enumerate() {
            if let ObjectSpec::Distinct { argument, inputs, .. } = spec {
                distinct::fold(&arguments[*argument], inputs, groups, &mut weights, self.retracts, index, work)?;
            }
        }
        for cell in &self.cells {
            fold_cell(cell, &arguments, groups, weights[cell.input].as_ref().map(|weights| weights.as_slice()), work)?;
        }
        for (index, spec) in self.objects.iter().enumerate() {
            match spec {
                ObjectSpec::Text { input, argument, max } => {
                    fold_text(&arguments[*argument], *max, groups, weights[*input].as_deref(), index, work)?;
                }
                ObjectSpec::Multiset { input, argument, .. } => {
                    let limit = self.limits.end_values_max;
                    fold_multiset(&arguments[*argument], groups, weights[*input].as_deref(), (index, limit), work)?;
                }
                ObjectSpec::Collection { input, columns: of, keep } => {
                    let rows = (groups, weights[*input].as_deref());
                    collection::fold(columns, (of.as_slice(), *keep), rows, index, &self.limits, work)?;
                }
                ObjectSpec::Numbers { input, value, frequency } => {
                    let frequency = frequency
                        .map(|argument| (&arguments[argument], columns.column(self.arguments[argument].column)));
                    let weights = weights[*input].as_deref();
                    collection::fold_numbers(&arguments[*value], frequency, groups, weights, index, work)?;
                }
                ObjectSpec::Distinct { .. } => {}
            }
        }
        Ok(())
    }

    /// What the kinds of the rows say. A retraction for a group without rows has no weight.
    fn base_weights(
        &self,
        kinds: Option<&ScalarBuffer<u8>>,
        groups: &[u32],
        rows_before: &[i64],
    ) -> Result<Weights, Failure> {
        let Some(kinds) = kinds.filter(|kinds| kinds.iter().any(|&kind| is_retraction_code(kind))) else {
            return Ok(None);
        };
        if !self.retracts {
            return Err(Failure::internal("a retraction on an input that is declared append-only"));
        }
        let mut running = rows_before.to_vec();
        let weights = kinds.iter().zip(groups).map(|(&kind, &group)| {
            let rows = &mut running[group as usize];
            let weight = match (is_retraction_code(kind), *rows) {
                (false, _) => 1,
                (true, 1..) => -1,
                (true, _) => 0,
            };
            *rows += i64::from(weight);
            weight
        });
        Ok(Some(Rc::new(weights.collect())))
    }
}

fn weigh(input: &Input, base: &Weights, columns: &RecordBatch) -> Result<Weights, Failure> {
    let mut weights = base.clone();
    let mut mask = |bits: &BooleanBuffer| match &mut weights {
        Some(weights) => {
            Rc::make_mut(weights).iter_mut().zip(bits.iter()).for_each(|(weight, bit)| *weight *= i8::from(bit));
        }
        None => weights = Some(Rc::new(bits.iter().map(i8::from).collect())),
    };
    if let Some(filter) = input.filter {
        let filter = columns.column(filter).as_boolean_opt().ok_or_else(|| {
            Failure::internal(format!("a filter has type {} instead of BOOLEAN", columns.column(filter).data_type()))
        })?;
        match filter.nulls() {
            Some(nulls) => mask(&(filter.values() & nulls.inner())),
            None => mask(filter.values()),
        }
    }
    if let Some(nulls) = input.column.and_then(|column| nulls(columns.column(column))) {
        mask(nulls.inner());
    }
    Ok(weights)
}

fn fold_cell(
    cell: &Cell,
    arguments: &[Argument],
    groups: &[u32],
    weights: Option<&[i8]>,
    work: &mut Work,
) -> Result<(), Failure> {
    if let (CellKind::Moments, Some(Argument::Float(values))) = (cell.kind, arguments.get(cell.argument)) {
        each(groups, values, weights, |group, value, weight| moments::fold(cell, group, value, weight, work));
        return Ok(());
    }
    let words = &mut work.words[cell.word];
    match (cell.kind, arguments.get(cell.argument)) {
        (CellKind::Count, _) => match weights {
            None => groups.iter().for_each(|&group| words[group as usize] += 1),
            Some(weights) => {
                for (&group, &weight) in groups.iter().zip(weights) {
                    words[group as usize] += i64::from(weight);
                }
            }
        },
        (CellKind::Sum(_), Some(Argument::Int(values))) => match weights {
            None => {
                for (&group, &value) in groups.iter().zip(values) {
                    let word = &mut words[group as usize];
                    *word = word.wrapping_add(value);
                }
            }
            Some(weights) => {
                for ((&group, &value), &weight) in groups.iter().zip(values).zip(weights) {
                    let word = &mut words[group as usize];
                    *word = word.wrapping_add(value.wrapping_mul(i64::from(weight)));
                }
            }
        },
        (CellKind::Sum(_), Some(Argument::Float(values))) => each(groups, values, weights, |group, value, weight| {
            words[group] = (f64::from_bits(words[group] as u64) + value * f64::from(weight)).to_bits() as i64;
        }),
        (CellKind::Min(_), Some(Argument::Int(values))) => {
            each(groups, values, weights, |group, value, _| words[group] = words[group].min(value));
        }
        (CellKind::Max(_), Some(Argument::Int(values))) => {
            each(groups, values, weights, |group, value, _| words[group] = words[group].max(value));
        }
        (CellKind::Moments, _) => return Err(misfit("a number of another form")),
        (kind, Some(Argument::Decimal(values))) => {
            let [low, high] = &mut work.words[cell.word..cell.word + 2] else {
                return Err(misfit("a decimal of one word"));
            };
            each(groups, values, weights, |group, value, weight| {
                let old = wide(low[group], high[group]);
                let new = match kind {
                    // Beyond 38 digits the result is null, so where it stops does not matter.
                    CellKind::Sum(_) => old.saturating_add(value * i128::from(weight)),
                    CellKind::Min(_) => old.min(value),
                    CellKind::Max(_) => old.max(value),
                    CellKind::Count | CellKind::Moments => old,
                };
                [low[group], high[group]] = words_of(new);
            });
        }
        (CellKind::Sum(_) | CellKind::Min(_) | CellKind::Max(_), _) => {
            return Err(misfit("a number of another form"));
        }
    }
    Ok(())
}

/// Calls `row(group, value, weight)` for each row with a weight.
#[inline]
fn each<T: Copy>(groups: &[u32], values: &[T], weights: Option<&[i8]>, mut row: impl FnMut(usize, T, i8)) {
    match weights {
        None => {
            for (&group, &value) in groups.iter().zip(values) {
                row(group as usize, value, 1);
            }
        }
        Some(weights) => {
            for ((&group, &value), &weight) in groups.iter().zip(values).zip(weights) {
                if weight != 0 {
                    row(group as usize, value, weight);
                }
            }
        }
    }
}

#[inline]
pub(super) fn weight_of(weights: Option<&Vec<i8>>, row: usize) -> i8 {
    weights.map_or(1, |weights| weights[row])
}

const NO_ROW: u32 = u32::MAX;

/// Finds each group's best row first, so that at most one string a group is copied.
fn fold_text(
    argument: &Argument,
    max: bool,
    groups: &[u32],
    weights: Option<&Vec<i8>>,
    object: usize,
    work: &mut Work,
) -> Result<(), Failure> {
    let better = |new: &[u8], old: &[u8]| if max { new > old } else { new < old };
    let mut best = vec![NO_ROW; work.groups()];
    for (row, &group) in groups.iter().enumerate() {
        let held = &mut best[group as usize];
        if weight_of(weights, row) != 0
            && (*held == NO_ROW || better(argument.bytes(row), argument.bytes(*held as usize)))
        {
            *held = row as u32;
        }
    }
    for (group, &row) in best.iter().enumerate().filter(|(_, row)| **row != NO_ROW) {
        let Object::Text(held) = &mut work.objects[group][object] else { return Err(misfit("an extreme of strings")) };
        let new = argument.bytes(row as usize);
        if held.as_ref().is_none_or(|held| better(new, held)) {
            *held = Some(new.into());
        }
    }
    Ok(())
}

/// `limit`: the values at an end of a large set that are known.
fn fold_multiset(
    argument: &Argument,
    groups: &[u32],
    weights: Option<&Vec<i8>>,
    (object, limit): (usize, usize),
    work: &mut Work,
) -> Result<(), Failure> {
    for (row, &group) in groups.iter().enumerate() {
        let weight = i64::from(weight_of(weights, row));
        if weight == 0 {
            continue;
        }
        match (&mut work.objects[group as usize][object], argument) {
            (Object::Ints(map), Argument::Int(values)) => add(map.entry(values[row]), weight),
            (Object::Decimals(map), Argument::Decimal(values)) => add(map.entry(values[row]), weight),
            (Object::Texts(map), Argument::Text(_)) => {
                let value = argument.bytes(row);
                match map.get_mut(value) {
                    Some(count) if *count + weight != 0 => *count += weight,
                    Some(_) => drop(map.remove(value)),
                    None if weight > 0 => drop(map.insert(value.into(), weight)),
                    None => {}
                }
            }
            (Object::Large(Large::Ints(pieces)), Argument::Int(values)) => pieces.add(values[row], weight, limit)?,
            (Object::Large(Large::Decimals(pieces)), Argument::Decimal(values)) => {
                pieces.add(values[row], weight, limit)?;
            }
            (Object::Large(Large::Texts(pieces)), Argument::Text(_)) => {
                pieces.add(argument.bytes(row).into(), weight, limit)?;
            }
            _ => return Err(misfit("an extreme")),
        }
    }
    Ok(())
}

/// Adds to a value's count; a value that is not there is not taken away.
pub(super) fn add<K: Ord>(entry: std::collections::btree_map::Entry<'_, K, i64>, weight: i64) {
    use std::collections::btree_map::Entry;
    match entry {
        Entry::Occupied(mut entry) => {
            *entry.get_mut() = entry.get().saturating_add(weight);
            if *entry.get() <= 0 {
                entry.remove();
            }
        }
        Entry::Vacant(entry) => {
            if weight > 0 {
                entry.insert(weight);
            }
        }
    }
}
