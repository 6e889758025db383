//! Merging accumulators of the same groups: the slices of a window into the window.

use std::hash::Hash;

use hashbrown::HashMap;

use super::{
    argument::{Form, unordered},
    layout::{Cell, CellKind, Layout, ObjectSpec, wide, words_of},
    object::Object,
    table::Work,
};

impl Layout {
    /// Adds the accumulators of `from` to those of `into`, group by group.
    pub(crate) fn merge(&self, from: &Work, into: &mut Work) {
        assert_eq!(from.groups(), into.groups(), "the same groups");
        for cell in self.cells.iter().filter(|cell| !self.inputs[cell.input].distinct) {
            merge_cell(cell, from, into);
        }
        for (index, spec) in self.objects.iter().enumerate() {
            for group in 0..from.groups() {
                let source = &from.objects[group][index];
                match spec {
                    ObjectSpec::Text { max, .. } => merge_text(source, &mut into.objects[group][index], *max),
                    ObjectSpec::Multiset { .. } => merge_multiset(source, &mut into.objects[group][index]),
                    ObjectSpec::Distinct { inputs, .. } => self.merge_distinct(source, inputs, index, group, into),
                }
            }
        }
    }

    /// Unites the sets of values and adds each value that is new for an input to that input's counts and sums.
    fn merge_distinct(&self, from: &Object, inputs: &[usize], object: usize, group: usize, into: &mut Work) {
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
            _ => debug_assert!(false, "the same kind of object"),
        }
        for (bit, &input) in inputs.iter().enumerate() {
            for cell in self.cells.iter().filter(|cell| cell.input == input) {
                for (_, value) in added.iter().filter(|(new, _)| new & (1 << bit) != 0) {
                    add_value(cell, value, group, into);
                }
            }
        }
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
        let held = into.entry(value.clone()).or_insert(0);
        let new = if retracts { u64::from(*held == 0) } else { seen & !*held };
        *held = if retracts { *held + seen } else { *held | seen };
        if new != 0 {
            added(new, value);
        }
    }
}

fn add_value(cell: &Cell, value: &Value, group: usize, into: &mut Work) {
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
        _ => debug_assert!(false, "extremes have no distinct input"),
    }
}

fn merge_cell(cell: &Cell, from: &Work, into: &mut Work) {
    let words = into.words[cell.word].iter_mut().zip(&from.words[cell.word]);
    match cell.kind {
        CellKind::Sum(Form::Decimal) | CellKind::Min(Form::Decimal) | CellKind::Max(Form::Decimal) => {
            for group in 0..from.groups() {
                let old = wide(into.words[cell.word][group], into.words[cell.word + 1][group]);
                let other = wide(from.words[cell.word][group], from.words[cell.word + 1][group]);
                let new = match cell.kind {
                    CellKind::Min(_) => old.min(other),
                    CellKind::Max(_) => old.max(other),
                    CellKind::Sum(_) | CellKind::Count => old.saturating_add(other),
                };
                [into.words[cell.word][group], into.words[cell.word + 1][group]] = words_of(new);
            }
        }
        CellKind::Sum(Form::Float) => words.for_each(|(word, &other)| {
            *word = (f64::from_bits(*word as u64) + f64::from_bits(other as u64)).to_bits() as i64;
        }),
        CellKind::Count | CellKind::Sum(_) => words.for_each(|(word, &other)| *word = word.wrapping_add(other)),
        CellKind::Min(_) => words.for_each(|(word, &other)| *word = (*word).min(other)),
        CellKind::Max(_) => words.for_each(|(word, &other)| *word = (*word).max(other)),
    }
}

fn merge_text(from: &Object, into: &mut Object, max: bool) {
    if let (Object::Text(Some(new)), Object::Text(held)) = (from, into)
        && held.as_ref().is_none_or(|held| if max { new > held } else { new < held })
    {
        *held = Some(new.clone());
    }
}

fn merge_multiset(from: &Object, into: &mut Object) {
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
        _ => debug_assert!(false, "the same kind of object"),
    }
}
