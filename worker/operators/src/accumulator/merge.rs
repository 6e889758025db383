//! Merging accumulators of the same groups: the slices of a window into the window.

#![expect(
    clippy::cast_possible_wrap,
    clippy::cast_sign_loss,
    reason = "positions are bounded by a batch; hashes and times are reinterpreted bit by bit"
)]

use std::hash::Hash;

use hashbrown::HashMap;
use model::Failure;

use super::{
    argument::{Form, unordered},
    collection::{self, Keep},
    large::{Large, Member, Pieces},
    layout::{Cell, CellKind, Layout, ObjectSpec, wide, words_of},
    moments,
    object::{Object, misfit},
    table::Work,
};

impl Layout {
    /// Adds the accumulators of `from` to those of `into`, group by group.
    ///
    /// # Errors
    /// Class `Internal` if they are not of this layout.
    pub(crate) fn merge(&self, from: &Work, into: &mut Work) -> Result<(), Failure> {
        assert_eq!(from.groups(), into.groups(), "the same groups");
        self.merge_groups(from, into, |group| group)
    }

    /// Adds the accumulators of `from` to those of `into`: group `i` to group `groups[i]`.
    ///
    /// # Errors
    /// As [`Self::merge`].
    pub(crate) fn merge_into(&self, from: &Work, groups: &[u32], into: &mut Work) -> Result<(), Failure> {
        assert_eq!(from.groups(), groups.len(), "a group for each");
        self.merge_groups(from, into, |group| groups[group] as usize)
    }

    #[inline]
    fn merge_groups(
        &self,
        from: &Work,
        into: &mut Work,
        group_of: impl Fn(usize) -> usize + Copy,
    ) -> Result<(), Failure> {
        for cell in self.cells.iter().filter(|cell| !self.inputs[cell.input].distinct) {
            merge_cell(cell, from, into, group_of);
        }
        for (index, spec) in self.objects.iter().enumerate() {
            for (source, group) in (0..from.groups()).map(|group| (&from.objects[group][index], group_of(group))) {
                match spec {
                    ObjectSpec::Text { max, .. } => merge_text(source, &mut into.objects[group][index], *max)?,
                    ObjectSpec::Multiset { .. } => merge_multiset(source, &mut into.objects[group][index])?,
                    ObjectSpec::Distinct { inputs, .. } => self.merge_distinct(source, inputs, index, group, into)?,
                    ObjectSpec::Collection { keep, .. } => {
                        collection::merge(source, &mut into.objects[group][index], *keep, &self.limits)?;
                    }
                    ObjectSpec::Numbers { .. } => {
                        collection::merge(source, &mut into.objects[group][index], Keep::Counted, &self.limits)?;
                    }
                }
            }
        }
        Ok(())
    }

    /// Unites the sets of values and adds each value that is new for an input to that input's counts and sums.
    fn merge_distinct(
        &self,
        from: &Object,
        inputs: &[usize],
        object: usize,
        group: usize,
        into: &mut Work,
    ) -> Result<(), Failure> {
        let mut added: Vec<(u64, Value)> = Vec::new();
        let retracts = self.retracts;
        match (from, &mut into.objects[group][object]) {
            (Object::DistinctInts(from), Object::DistinctInts(into)) => {
                unite(from, into, retracts, |new, value| added.push((new, Value::Int(*value))));
            }
            (Object::DistinctDecimals(from), Object::DistinctDecimals(into)) => {
                unite(from, into, retracts, |new, value| added.push((new, Value::Decimal(*value))));
            }
            (Object::DistinctTexts(from), Object::DistinctTexts(into)) => {
                unite(from, into, retracts, |new, _| added.push((new, Value::Other)));
            }
            (Object::DistinctInts(from), Object::Large(Large::Ints(into))) => {
                unite_pieces(from, into, retracts, |new, value| added.push((new, Value::Int(*value))))?;
            }
            (Object::DistinctDecimals(from), Object::Large(Large::Decimals(into))) => {
                unite_pieces(from, into, retracts, |new, value| added.push((new, Value::Decimal(*value))))?;
            }
            (Object::DistinctTexts(from), Object::Large(Large::Texts(into))) => {
                unite_pieces(from, into, retracts, |new, _| added.push((new, Value::Other)))?;
            }
            _ => return Err(misfit("DISTINCT values to be merged")),
        }
        for (bit, &input) in inputs.iter().enumerate() {
            for cell in self.cells.iter().filter(|cell| cell.input == input) {
                for (_, value) in added.iter().filter(|(new, _)| new & (1 << bit) != 0) {
                    add_value(cell, value, group, into)?;
                }
            }
        }
        Ok(())
    }
}

enum Value {
    Int(i64),
    Decimal(i128),
    Other,
}

fn unite<K: Hash + Eq + Clone>(
    from: &HashMap<K, u64>,
    into: &mut HashMap<K, u64>,
    retracts: bool,
    mut added: impl FnMut(u64, &K),
) {
    for (value, &seen) in from {
        unite_one(value, seen, into, retracts, &mut added);
    }
}

fn unite_pieces<K: Member>(
    from: &HashMap<K, u64>,
    into: &mut Pieces<K>,
    retracts: bool,
    mut added: impl FnMut(u64, &K),
) -> Result<(), Failure> {
    from.iter().try_for_each(|(value, &seen)| {
        into.change(value.hash64(), |into| unite_one(value, seen, into, retracts, &mut added))
    })
}

/// Whether the set has changed.
#[inline]
fn unite_one<K: Hash + Eq + Clone>(
    value: &K,
    seen: u64,
    into: &mut HashMap<K, u64>,
    retracts: bool,
    added: &mut impl FnMut(u64, &K),
) -> bool {
    let held = into.entry(value.clone()).or_insert(0);
    let before = *held;
    let new = if retracts { u64::from(before == 0) } else { seen & !before };
    *held = if retracts { before + seen } else { before | seen };
    if new != 0 {
        added(new, value);
    }
    *held != before
}

fn add_value(cell: &Cell, value: &Value, group: usize, into: &mut Work) -> Result<(), Failure> {
    let word = into.words[cell.word][group];
    match (cell.kind, value) {
        (CellKind::Count, _) => into.words[cell.word][group] = word + 1,
        (CellKind::Sum(Form::Int), Value::Int(value)) => into.words[cell.word][group] = word.wrapping_add(*value),
        (CellKind::Sum(Form::Float), Value::Int(value)) => {
            let sum = f64::from_bits(word as u64) + unordered(*value);
            into.words[cell.word][group] = sum.to_bits() as i64;
        }
        (CellKind::Sum(_), Value::Decimal(value)) => {
            let sum = wide(word, into.words[cell.word + 1][group]).saturating_add(*value);
            [into.words[cell.word][group], into.words[cell.word + 1][group]] = words_of(sum);
        }
        _ => return Err(misfit("an extreme of DISTINCT values")),
    }
    Ok(())
}

#[inline]
fn merge_cell(cell: &Cell, from: &Work, into: &mut Work, group_of: impl Fn(usize) -> usize) {
    match cell.kind {
        CellKind::Sum(Form::Decimal) | CellKind::Min(Form::Decimal) | CellKind::Max(Form::Decimal) => {
            for source in 0..from.groups() {
                let group = group_of(source);
                let old = wide(into.words[cell.word][group], into.words[cell.word + 1][group]);
                let other = wide(from.words[cell.word][source], from.words[cell.word + 1][source]);
                let new = match cell.kind {
                    CellKind::Min(_) => old.min(other),
                    CellKind::Max(_) => old.max(other),
                    CellKind::Sum(_) | CellKind::Count | CellKind::Moments => old.saturating_add(other),
                };
                [into.words[cell.word][group], into.words[cell.word + 1][group]] = words_of(new);
            }
        }
        CellKind::Sum(Form::Float) => merge_words(cell, from, into, group_of, |word, other| {
            (f64::from_bits(word as u64) + f64::from_bits(other as u64)).to_bits() as i64
        }),
        CellKind::Count | CellKind::Sum(_) => merge_words(cell, from, into, group_of, i64::wrapping_add),
        CellKind::Min(_) => merge_words(cell, from, into, group_of, i64::min),
        CellKind::Max(_) => merge_words(cell, from, into, group_of, i64::max),
        CellKind::Moments => {
            (0..from.groups()).for_each(|source| moments::merge(cell, (from, source), into, group_of(source)));
        }
    }
}

#[inline]
fn merge_words(
    cell: &Cell,
    from: &Work,
    into: &mut Work,
    group_of: impl Fn(usize) -> usize,
    merged: impl Fn(i64, i64) -> i64,
) {
    let words = &mut into.words[cell.word];
    for (source, &other) in from.words[cell.word].iter().enumerate() {
        let word = &mut words[group_of(source)];
        *word = merged(*word, other);
    }
}

fn merge_text(from: &Object, into: &mut Object, max: bool) -> Result<(), Failure> {
    let (Object::Text(new), Object::Text(held)) = (from, into) else {
        return Err(misfit("an extreme of strings to be merged"));
    };
    if let Some(new) = new
        && held.as_ref().is_none_or(|held| if max { new > held } else { new < held })
    {
        *held = Some(new.clone());
    }
    Ok(())
}

fn merge_multiset(from: &Object, into: &mut Object) -> Result<(), Failure> {
    match (from, into) {
        (Object::Ints(from), Object::Ints(into)) => {
            from.iter().for_each(|(value, count)| *into.entry(*value).or_insert(0) += count);
        }
        (Object::Decimals(from), Object::Decimals(into)) => {
            from.iter().for_each(|(value, count)| *into.entry(*value).or_insert(0) += count);
        }
        (Object::Texts(from), Object::Texts(into)) => {
            from.iter().for_each(|(value, count)| *into.entry(value.clone()).or_insert(0) += count);
        }
        _ => return Err(misfit("an extreme to be merged")),
    }
    Ok(())
}
