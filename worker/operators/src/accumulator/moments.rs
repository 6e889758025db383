//! The mean of numbers and the sum of their squared distances from it, by Welford's way of adding one at a time: it does
//! not subtract large sums from each other.

#![expect(
    clippy::cast_possible_wrap,
    clippy::cast_sign_loss,
    reason = "positions are bounded by a batch; hashes and times are reinterpreted bit by bit"
)]

use super::{layout::Cell, table::Work};

/// How many words an accumulator takes: the count, the mean, the squared distances.
pub(crate) const WORDS: usize = 3;
/// Which of these has the squared distances, as a float.
pub(crate) const DISTANCES: usize = 2;

/// What is known of some numbers.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Moments {
    count: i64,
    mean: f64,
    distances: f64,
}

impl Moments {
    fn load(cell: &Cell, group: usize, work: &Work) -> Self {
        let word = |index: usize| work.words[cell.word + index][group];
        Self { count: word(0), mean: f64::from_bits(word(1) as u64), distances: f64::from_bits(word(2) as u64) }
    }

    fn store(self, cell: &Cell, group: usize, work: &mut Work) {
        let words = [self.count, self.mean.to_bits() as i64, self.distances.to_bits() as i64];
        words.into_iter().enumerate().for_each(|(index, word)| work.words[cell.word + index][group] = word);
    }

    /// Adds a number.
    pub(crate) fn add(&mut self, value: f64) {
        self.count += 1;
        let before = value - self.mean;
        self.mean += before / self.count as f64;
        self.distances += before * (value - self.mean);
    }

    fn take_away(&mut self, value: f64) {
        if self.count <= 1 {
            *self = Self::default();
            return;
        }
        self.count -= 1;
        let before = value - self.mean;
        self.mean -= before / self.count as f64;
        let left = self.distances - before * (value - self.mean);
        // What rounding leaves of nothing must not become a negative variance; what is not a number stays so.
        self.distances = if left < 0.0 { 0.0 } else { left };
    }

    fn add_all(&mut self, other: &Self) {
        if self.count <= 0 || other.count <= 0 {
            if other.count > 0 {
                *self = *other;
            }
            return;
        }
        let (own, others) = (self.count as f64, other.count as f64);
        let apart = other.mean - self.mean;
        self.mean += others / (own + others) * apart;
        self.distances += other.distances + own * others / (own + others) * apart * apart;
        self.count += other.count;
    }

    /// The sum of the squared distances from the mean; none without numbers.
    pub(crate) fn distances(&self) -> Option<f64> {
        (self.count > 0).then_some(self.distances)
    }
}

/// Adds a value to a group, or takes it away.
#[inline]
pub(crate) fn fold(cell: &Cell, group: usize, value: f64, weight: i8, work: &mut Work) {
    let mut moments = Moments::load(cell, group, work);
    if weight > 0 {
        moments.add(value)
    } else {
        moments.take_away(value)
    }
    moments.store(cell, group, work);
}

/// Adds what a group of `from` has to a group of `into`.
pub(crate) fn merge(cell: &Cell, from: (&Work, usize), into: &mut Work, group: usize) {
    let mut moments = Moments::load(cell, group, into);
    moments.add_all(&Moments::load(cell, from.1, from.0));
    moments.store(cell, group, into);
}
