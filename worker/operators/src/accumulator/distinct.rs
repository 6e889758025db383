//! `DISTINCT`: which rows bring a value that is new to its group, or take its last occurrence away.

use std::{hash::Hash, rc::Rc};

use hashbrown::{HashMap, hash_map::Entry};
use model::Failure;

use super::{
    argument::Argument,
    fold::Weights,
    large::{HashBytes, Large},
    object::{Object, misfit},
    table::Work,
};

/// Leaves a weight only to the rows that change the set of values that their group has seen.
pub(crate) fn fold(
    argument: &Argument,
    inputs: &[usize],
    groups: &[u32],
    weights: &mut [Weights],
    retracts: bool,
    object: usize,
    work: &mut Work,
) -> Result<(), Failure> {
    let mut own: Vec<Rc<Vec<i8>>> =
        inputs.iter().map(|&input| weights[input].take().unwrap_or_else(|| Rc::new(vec![1; groups.len()]))).collect();
    {
        let mut lists: Vec<&mut Vec<i8>> = own.iter_mut().map(Rc::make_mut).collect();
        for (row, &group) in groups.iter().enumerate() {
            if lists.iter().all(|weights| weights[row] == 0) {
                continue;
            }
            match (&mut work.objects[group as usize][object], argument) {
                (Object::DistinctInts(map), Argument::Int(values)) => {
                    settle_entry(map, values[row], &mut lists, row, retracts);
                }
                (Object::DistinctDecimals(map), Argument::Decimal(values)) => {
                    settle_entry(map, values[row], &mut lists, row, retracts);
                }
                (Object::DistinctTexts(map), Argument::Text(_) | Argument::Nested(_)) => {
                    settle_bytes(map, argument.bytes(row), &mut lists, row, retracts);
                }
                (Object::Large(Large::Ints(pieces)), Argument::Int(values)) => {
                    let value = values[row];
                    pieces.change(value.hash_bytes(), |map| settle_entry(map, value, &mut lists, row, retracts))?;
                }
                (Object::Large(Large::Decimals(pieces)), Argument::Decimal(values)) => {
                    let value = values[row];
                    pieces.change(value.hash_bytes(), |map| settle_entry(map, value, &mut lists, row, retracts))?;
                }
                (Object::Large(Large::Texts(pieces)), Argument::Text(_) | Argument::Nested(_)) => {
                    let value = argument.bytes(row);
                    pieces.change(value.hash_bytes(), |map| settle_bytes(map, value, &mut lists, row, retracts))?;
                }
                _ => return Err(misfit("DISTINCT values")),
            }
        }
    }
    for (&input, list) in inputs.iter().zip(own) {
        weights[input] = Some(list);
    }
    Ok(())
}

/// Whether the set has changed.
fn settle_entry<K: Hash + Eq>(
    map: &mut HashMap<K, u64>,
    value: K,
    lists: &mut [&mut Vec<i8>],
    row: usize,
    retracts: bool,
) -> bool {
    match map.entry(value) {
        Entry::Occupied(mut entry) => {
            let before = *entry.get();
            let is_gone = settle(entry.get_mut(), lists, row, retracts);
            let has_changed = is_gone || *entry.get() != before;
            if is_gone {
                entry.remove();
            }
            has_changed
        }
        Entry::Vacant(entry) => {
            let mut seen = 0;
            let is_there = !settle(&mut seen, lists, row, retracts);
            if is_there {
                entry.insert(seen);
            }
            is_there
        }
    }
}

/// Whether the set has changed.
fn settle_bytes(
    map: &mut HashMap<Box<[u8]>, u64>,
    value: &[u8],
    lists: &mut [&mut Vec<i8>],
    row: usize,
    retracts: bool,
) -> bool {
    if let Some(seen) = map.get_mut(value) {
        let before = *seen;
        let is_gone = settle(seen, lists, row, retracts);
        let has_changed = is_gone || *seen != before;
        if is_gone {
            map.remove(value);
        }
        return has_changed;
    }
    let mut seen = 0;
    let is_there = !settle(&mut seen, lists, row, retracts);
    if is_there {
        map.insert(value.into(), seen);
    }
    is_there
}

/// Updates what is known of a value and turns the row's weights into changes. Whether the value is gone.
#[inline]
fn settle(seen: &mut u64, lists: &mut [&mut Vec<i8>], row: usize, retracts: bool) -> bool {
    if retracts {
        let Some(weight) = lists.first_mut().map(|weights| &mut weights[row]) else { return *seen == 0 };
        match (*weight, *seen) {
            (1.., 0) | (..=-1, 1) => *seen = u64::from(*weight > 0),
            (1.., _) => {
                *seen += 1;
                *weight = 0;
            }
            // A retraction of a value that was never seen.
            (_, 0) => *weight = 0,
            (_, _) => {
                *seen -= 1;
                *weight = 0;
            }
        }
    } else {
        for (bit, weights) in lists.iter_mut().enumerate() {
            let flag = u64::from(weights[row] != 0) << bit;
            weights[row] = i8::from(flag & !*seen != 0);
            *seen |= flag;
        }
    }
    *seen == 0
}
