//! Values in the order of their arrival, of which any can be taken away without a look at all others.
//!
//! What is taken away leaves a gap. Gaps are closed when they are as many as the values, so each is paid for once. The
//! stored form knows none of this: it has the values that are left.

#![expect(
    clippy::cast_possible_truncation,
    reason = "positions are bounded by a batch; hashes and times are reinterpreted bit by bit"
)]

use hashbrown::HashTable;
use model::{key, row::Rows};

use crate::limits::Limits;

/// Values in the row encoding, equal ones repeatedly.
#[derive(Clone, Debug, Default)]
pub(crate) struct List {
    values: Rows,
    /// Made when one of many values is taken away.
    index: Option<Box<Index>>,
}

/// Values in the row encoding, and how often each occurs, in the order of first arrival.
#[derive(Clone, Debug, Default)]
pub(crate) struct Counted {
    values: Rows,
    gaps: Gaps,
    /// Of each position; of a gap it means nothing.
    counts: Vec<i64>,
    positions: HashTable<u32>,
}

/// Positions of values that were taken away. The first and the last value are no gaps.
#[derive(Clone, Debug, Default)]
struct Gaps {
    /// Whether a position is a gap; those that are missing at the end are none.
    are_gaps: Vec<bool>,
    count: usize,
    /// The position of the first value.
    first: usize,
}

/// Where equal values of a list are, and its gaps.
#[derive(Clone, Debug, Default)]
struct Index {
    gaps: Gaps,
    runs: HashTable<Run>,
    /// The position of the next equal value, for each that has one.
    next: Vec<u32>,
}

/// Some equal values: the positions of the first and the last.
#[derive(Clone, Copy, Debug)]
struct Run {
    first: u32,
    last: u32,
}

impl Gaps {
    /// The positions of values.
    fn positions(&self, values: &Rows) -> impl Iterator<Item = usize> + use<'_> {
        (self.first..values.len()).filter(|&position| !self.are_gaps.get(position).is_some_and(|is_gap| *is_gap))
    }

    /// Takes a value away.
    fn add(&mut self, position: usize, values: &mut Rows) {
        self.are_gaps.resize(values.len(), false);
        self.are_gaps[position] = true;
        self.count += 1;
        while self.are_gaps.last() == Some(&true) {
            self.are_gaps.pop();
            self.count -= 1;
        }
        values.truncate(self.are_gaps.len());
        let first = self.positions(values).next();
        self.first = first.unwrap_or_default();
    }

    /// Closes the gaps if they are many. Returns the positions that the values had then.
    fn close(&mut self, values: &mut Rows, limits: &Limits) -> Option<Vec<usize>> {
        if self.count < limits.gaps_kept.max(values.len() - self.count) {
            return None;
        }
        let before: Vec<usize> = self.positions(values).collect();
        let mut left = Rows::default();
        before.iter().for_each(|&position| left.push(values.row(position)));
        (*self, *values) = (Self::default(), left);
        Some(before)
    }
}

impl Index {
    fn of(values: &Rows) -> Self {
        let mut index = Self::default();
        (0..values.len()).for_each(|position| index.add(position, values));
        index
    }

    fn add(&mut self, position: usize, values: &Rows) {
        let (value, position) = (values.row(position), position as u32);
        self.next.resize(values.len(), 0);
        match self.runs.find_mut(key::hash(value), |run| values.row(run.first as usize) == value) {
            Some(run) => {
                self.next[run.last as usize] = position;
                run.last = position;
            }
            None => {
                let hash_of = |run: &Run| key::hash(values.row(run.first as usize));
                self.runs.insert_unique(key::hash(value), Run { first: position, last: position }, hash_of);
            }
        }
    }

    /// The position of the first value equal to this one, which is no longer known then.
    fn take(&mut self, value: &[u8], values: &Rows) -> Option<usize> {
        let is_equal = |run: &Run| values.row(run.first as usize) == value;
        let mut entry = self.runs.find_entry(key::hash(value), is_equal).ok()?;
        let Run { first, last } = *entry.get();
        if first == last {
            entry.remove();
        } else {
            entry.get_mut().first = self.next[first as usize];
        }
        Some(first as usize)
    }
}

impl List {
    /// Number of values.
    pub(crate) fn len(&self) -> usize {
        self.values.len() - self.index.as_ref().map_or(0, |index| index.gaps.count)
    }

    /// Whether there are no values.
    pub(crate) fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// Adds a value behind all others.
    pub(crate) fn push(&mut self, value: &[u8]) {
        self.values.push(value);
        if let Some(index) = &mut self.index {
            index.add(self.values.len() - 1, &self.values);
        }
    }

    /// Takes the first of equal values away, if it is there.
    pub(crate) fn take(&mut self, value: &[u8], limits: &Limits) {
        let Self { values, index } = self;
        if index.is_none() && values.len() <= limits.scanned_max {
            let position = values.iter().position(|known| known == value);
            return position.into_iter().for_each(|position| values.remove(position));
        }
        let known = index.get_or_insert_with(|| Box::new(Index::of(values)));
        let Some(position) = known.take(value, values) else { return };
        known.gaps.add(position, values);
        if known.gaps.close(values, limits).is_some() {
            *index = None;
        }
    }

    /// Takes all values away and keeps the memory.
    pub(crate) fn clear(&mut self) {
        self.values.clear();
        self.index = None;
    }

    /// The value that came first.
    pub(crate) fn first(&self) -> Option<&[u8]> {
        self.iter().next()
    }

    /// The value that came last.
    pub(crate) fn last(&self) -> Option<&[u8]> {
        self.values.last()
    }

    /// All values in order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &[u8]> {
        const NO_GAPS: &Gaps = &Gaps { are_gaps: Vec::new(), count: 0, first: 0 };
        let gaps = self.index.as_ref().map_or(NO_GAPS, |index| &index.gaps);
        gaps.positions(&self.values).map(|position| self.values.row(position))
    }

    /// Memory it takes beside itself.
    pub(crate) fn heap_bytes(&self) -> usize {
        let of_index = |index: &Index| {
            let next = index.next.capacity() * size_of::<u32>();
            size_of::<Index>() + index.gaps.are_gaps.capacity() + index.runs.allocation_size() + next
        };
        self.values.heap_bytes() + self.index.as_deref().map_or(0, of_index)
    }
}

impl PartialEq for List {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}

impl Counted {
    /// Number of values.
    pub(crate) fn len(&self) -> usize {
        self.values.len() - self.gaps.count
    }

    /// Adds to a value's count; a value that is not there is not taken away.
    pub(crate) fn add(&mut self, value: &[u8], weight: i64, limits: &Limits) {
        let Self { values, counts, positions, .. } = self;
        let hash = key::hash(value);
        match positions.find_entry(hash, |&position| values.row(position as usize) == value) {
            Ok(entry) => {
                let position = *entry.get() as usize;
                counts[position] = counts[position].saturating_add(weight);
                if counts[position] <= 0 {
                    entry.remove();
                    self.take(position, limits);
                }
            }
            Err(_) if weight > 0 => {
                counts.push(weight);
                values.push(value);
                self.index(self.values.len() - 1);
            }
            Err(_) => {}
        }
    }

    fn take(&mut self, position: usize, limits: &Limits) {
        self.gaps.add(position, &mut self.values);
        self.counts.truncate(self.values.len());
        if let Some(before) = self.gaps.close(&mut self.values, limits) {
            self.counts = before.into_iter().map(|position| self.counts[position]).collect();
            self.positions.clear();
            (0..self.values.len()).for_each(|position| self.index(position));
        }
    }

    fn index(&mut self, position: usize) {
        let hash_of = |&position: &u32| key::hash(self.values.row(position as usize));
        let position = position as u32;
        self.positions.insert_unique(hash_of(&position), position, hash_of);
    }

    /// The value that came first.
    pub(crate) fn first(&self) -> Option<&[u8]> {
        self.iter().next().map(|(value, _)| value)
    }

    /// The value that came last.
    pub(crate) fn last(&self) -> Option<&[u8]> {
        self.values.last()
    }

    /// All values in order, each with its count.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&[u8], i64)> {
        self.gaps.positions(&self.values).map(|position| (self.values.row(position), self.counts[position]))
    }

    /// Memory it takes beside itself.
    pub(crate) fn heap_bytes(&self) -> usize {
        let counts = self.counts.capacity() * size_of::<i64>();
        let positions = self.positions.allocation_size();
        size_of::<Self>() + self.values.heap_bytes() + self.gaps.are_gaps.capacity() + counts + positions
    }
}

impl PartialEq for Counted {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}

#[cfg(test)]
mod tests {
    use rand::{Rng, SeedableRng, rngs::SmallRng};

    use super::*;

    fn values(list: &List) -> Vec<u8> {
        list.iter().map(|value| value[0]).collect()
    }

    #[test]
    fn a_value_that_is_taken_away_leaves_a_gap_until_there_are_many() {
        let (mut list, limits) = (List::default(), Limits::small());
        (0..20).for_each(|value| list.push(&[value]));
        // None of the others is moved.
        list.take(&[0], &limits);
        (10..18).for_each(|value| list.take(&[value], &limits));
        assert_eq!((list.values.len(), list.len(), list.first()), (20, 11, Some(&[1][..])));
        list.take(&[19], &limits);
        assert_eq!((list.len(), list.last()), (10, Some(&[18][..])));
        list.take(&[1], &limits);
        assert_eq!((list.values.len(), list.index.is_none()), (9, true));
        assert_eq!(values(&list), [2, 3, 4, 5, 6, 7, 8, 9, 18]);

        let mut counted = Counted::default();
        (0..20).for_each(|value| counted.add(&[value], 1, &limits));
        (0..9).for_each(|value| counted.add(&[value], -1, &limits));
        assert_eq!((counted.values.len(), counted.len(), counted.first()), (20, 11, Some(&[9][..])));
        counted.add(&[9], -1, &limits);
        assert_eq!((counted.values.len(), counted.len(), counted.first()), (10, 10, Some(&[10][..])));
    }

    #[test]
    fn values_are_those_of_plain_lists() {
        let limits = Limits::small();
        for seed in 0..50 {
            let mut rng = SmallRng::seed_from_u64(seed);
            let (mut list, mut counted) = (List::default(), Counted::default());
            let (mut expected, mut counts): (Vec<u8>, Vec<(u8, i64)>) = Default::default();
            // More come at first, and more go later.
            for step in 0..400 {
                let value = rng.random_range(0..40);
                let known = counts.iter().position(|(known, _)| *known == value);
                if rng.random_bool(if step < 200 { 0.7 } else { 0.3 }) {
                    list.push(&[value]);
                    counted.add(&[value], 1, &limits);
                    expected.push(value);
                    match known {
                        Some(known) => counts[known].1 += 1,
                        None => counts.push((value, 1)),
                    }
                } else {
                    list.take(&[value], &limits);
                    counted.add(&[value], -1, &limits);
                    expected.iter().position(|known| *known == value).map(|at| expected.remove(at));
                    if let Some(known) = known {
                        counts[known].1 -= 1;
                        counts.retain(|(_, count)| *count > 0);
                    }
                }
                assert_eq!(values(&list), expected, "seed {seed}, step {step}");
                let found: Vec<_> = counted.iter().map(|(value, count)| (value[0], count)).collect();
                assert_eq!(found, counts, "seed {seed}, step {step}");
                let ends = (list.first(), list.last(), list.len(), list.is_empty());
                let wanted = (expected.first(), expected.last(), expected.len(), expected.is_empty());
                assert_eq!((ends.0.map(|value| &value[0]), ends.1.map(|value| &value[0]), ends.2, ends.3), wanted);
                let ends = (counted.first().map(|value| value[0]), counted.last().map(|value| value[0]));
                let wanted = (counts.first().map(|first| first.0), counts.last().map(|last| last.0));
                assert_eq!((ends, counted.len()), (wanted, counts.len()), "seed {seed}, step {step}");
            }
        }
    }
}
