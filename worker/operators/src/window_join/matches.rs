//! The pairs of rows that have the same key in a window.

use model::{batch::ROWS_TARGET, row::Rows};

use crate::join::Piece;

/// Rows of both sides with the same keys, and how far they have been paired.
#[derive(Default)]
pub(super) struct Matches {
    keys: Vec<(Piece, Piece)>,
    key: usize,
    /// Positions in bytes.
    left: usize,
    right: usize,
    /// The number of the left row among those of all keys.
    number: u32,
    /// For each left row whether it is known to have a match, and needs no more; empty if all pairs are wanted.
    matched: Vec<bool>,
}

/// Some pairs.
#[derive(Default)]
pub(super) struct Pairs {
    pub(super) left: Rows,
    pub(super) right: Rows,
    /// The numbers of the left rows, if it matters which have a match.
    pub(super) numbers: Vec<u32>,
}

impl Matches {
    /// All pairs are wanted.
    pub(super) fn new(keys: Vec<(Piece, Piece)>) -> Self {
        Self { keys, ..Self::default() }
    }

    /// Only left rows are wanted. `by_key`: any other row of the key is a match.
    pub(super) fn of_left(keys: Vec<(Piece, Piece)>, by_key: bool) -> Self {
        let matched = keys.iter().flat_map(|(left, right)| {
            let is_matched = by_key && right.at(0).is_some();
            left.rows().map(move |_| is_matched)
        });
        Self { matched: matched.collect(), ..Self::new(keys) }
    }

    /// The next pairs; none after the last.
    pub(super) fn next_pairs(&mut self) -> Option<Pairs> {
        let mut pairs = Pairs::default();
        while let Some((left_rows, right_rows)) = self.keys.get(self.key) {
            let Some((left_row, next_left)) = left_rows.at(self.left) else {
                (self.key, self.left, self.right) = (self.key + 1, 0, 0);
                continue;
            };
            let is_matched = self.matched.get(self.number as usize) == Some(&true);
            while let Some((right_row, next_right)) = right_rows.at(self.right).filter(|_| !is_matched) {
                if pairs.left.len() >= ROWS_TARGET {
                    return Some(pairs);
                }
                pairs.left.push(left_row);
                pairs.right.push(right_row);
                if !self.matched.is_empty() {
                    pairs.numbers.push(self.number);
                }
                self.right = next_right;
            }
            (self.left, self.right, self.number) = (next_left, 0, self.number + 1);
        }
        (!pairs.left.is_empty()).then_some(pairs)
    }

    /// These left rows have a match.
    pub(super) fn mark(&mut self, numbers: impl Iterator<Item = u32>) {
        numbers.for_each(|number| self.matched[number as usize] = true);
    }

    /// The left rows that have a match or have none, if only those are wanted. All rows are forgotten.
    pub(super) fn take_left(&mut self, with_match: bool) -> Rows {
        let Self { keys, matched, .. } = std::mem::take(self);
        let mut wanted = Rows::default();
        let left = keys.iter().flat_map(|(left, _)| left.rows());
        left.zip(matched).filter(|(_, matched)| *matched == with_match).for_each(|(row, _)| wanted.push(row));
        wanted
    }
}
