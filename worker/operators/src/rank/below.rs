//! Rows of a partition that are asked for only once many others have gone: kept apart, in pieces and without order, so
//! that a change costs the same however many there are.
//!
//! The partition itself has the first rows, those below it follow in a table of their own: each with its sort key and
//! a number that orders rows with equal ones. When too few are left of the first, all that are below are looked
//! through for the next.

#![expect(
    clippy::cast_possible_truncation,
    reason = "positions are bounded by a batch; hashes and times are reinterpreted bit by bit"
)]

use std::collections::BinaryHeap;

use dataflow::{OpenContext, Snapshot};
use model::Failure;

use super::rows::{RankedRows, Rest};
use crate::{hashed::Key, join::KeptRows, limits::Limits};

const TABLE: &str = "ranked-below-v1";
const LENGTH: usize = size_of::<u32>();
/// The number behind each row.
const NUMBER: usize = size_of::<i64>();

pub(super) struct Below {
    rows: KeptRows,
    /// Rows that a partition must have itself.
    needed: usize,
    /// Rows that it has after it was cut or filled up; it is cut when they are twice as many.
    top_rows: usize,
}

/// A row below, as it is kept: the length of the sort key, the key, the row, the number.
pub(super) struct Stored(pub(super) Vec<u8>);

impl Stored {
    pub(super) fn new(sort: &[u8], row: &[u8], number: i64) -> Self {
        let mut bytes = Vec::with_capacity(LENGTH + sort.len() + row.len() + NUMBER);
        bytes.extend_from_slice(&(sort.len() as u32).to_le_bytes());
        bytes.extend_from_slice(sort);
        bytes.extend_from_slice(row);
        bytes.extend_from_slice(&number.to_le_bytes());
        Self(bytes)
    }

    /// Sort key, row and number.
    pub(super) fn parts(bytes: &[u8]) -> Option<(&[u8], &[u8], i64)> {
        let (rest, number) = bytes.split_last_chunk::<NUMBER>()?;
        let (length, rest) = rest.split_first_chunk::<LENGTH>()?;
        let (sort, row) = rest.split_at_checked(u32::from_le_bytes(*length) as usize)?;
        Some((sort, row, i64::from_le_bytes(*number)))
    }
}

impl Below {
    pub(super) fn open(needed: usize, limits: Limits, context: &mut OpenContext) -> Result<Self, Failure> {
        let rows = KeptRows::open_numbered(TABLE, limits, context)?;
        Ok(Self { rows, needed, top_rows: limits.top_rows_min.max(needed.saturating_mul(2)) })
    }

    /// Adds a row to a partition.
    pub(super) fn insert(
        &mut self,
        key: Key<'_>,
        top: &mut RankedRows,
        (sort, row): (&[u8], &[u8]),
        before_equal: bool,
    ) -> Result<(), Failure> {
        let is_behind = if before_equal { sort > top.last_sort() } else { sort >= top.last_sort() };
        if let Some(rest) = top.rest_mut().filter(|_| is_behind) {
            rest.rows += 1;
            let number = if before_equal { rest.before_first() } else { rest.after_last() };
            return self.put(key, &Stored::new(sort, row, number));
        }
        top.insert(sort, row, before_equal);
        if top.len() > self.top_rows.saturating_mul(2) { self.cut(key, top) } else { Ok(()) }
    }

    /// Removes one such row, the first. Whether there was one.
    pub(super) fn remove(
        &mut self,
        key: Key<'_>,
        top: &mut RankedRows,
        (sort, row): (&[u8], &[u8]),
    ) -> Result<bool, Failure> {
        if top.remove(sort, row) {
            if top.len() < self.needed && top.rest_mut().is_some() {
                self.fill(key, top)?;
            }
            return Ok(true);
        }
        let Some(rest) = top.rest_mut() else { return Ok(false) };
        let is_removed = self.rows.remove_first(key, &Stored::new(sort, row, 0).0)?;
        if is_removed {
            rest.rows = rest.rows.saturating_sub(1);
        }
        Ok(is_removed)
    }

    /// Ends the work on a batch.
    pub(super) fn end_batch(&mut self) -> Result<(), Failure> {
        self.rows.end_batch()
    }

    pub(super) fn snapshot(&mut self, snapshot: &mut Snapshot) -> Result<(), Failure> {
        self.rows.snapshot(snapshot)
    }

    fn put(&mut self, key: Key<'_>, row: &Stored) -> Result<(), Failure> {
        self.rows.insert_one(key, &row.0)
    }

    /// Moves the last rows of the partition below.
    fn cut(&mut self, key: Key<'_>, top: &mut RankedRows) -> Result<(), Failure> {
        let mut rest = match top.rest_mut() {
            Some(rest) => *rest,
            None => {
                // What is left there is of a partition that has expired.
                self.rows.forget(key)?;
                Rest::default()
            }
        };
        while top.len() > self.top_rows {
            let Some(last) = top.last() else { break };
            let stored = Stored::new(last.sort, last.row, rest.before_first());
            top.pop();
            rest.rows += 1;
            self.put(key, &stored)?;
        }
        top.set_rest(Some(rest));
        Ok(())
    }

    /// Moves the first rows that are below into the partition.
    fn fill(&mut self, key: Key<'_>, top: &mut RankedRows) -> Result<(), Failure> {
        let wanted = self.top_rows.saturating_sub(top.len());
        let mut first: BinaryHeap<(Vec<u8>, i64, Vec<u8>)> = BinaryHeap::new();
        let mut count = 0_u64;
        self.rows.each(key, &mut |bytes| {
            let Some((sort, row, number)) = Stored::parts(bytes) else { return };
            count += 1;
            if first.len() < wanted || first.peek().is_some_and(|(last, other, _)| (sort, number) < (&last[..], *other))
            {
                first.push((sort.to_vec(), number, row.to_vec()));
                if first.len() > wanted {
                    first.pop();
                }
            }
        })?;
        let mut rest = top.rest_mut().copied().unwrap_or_default();
        rest.rows = count - first.len() as u64;
        for (sort, number, row) in first.into_sorted_vec() {
            self.rows.remove_one(key, &Stored::new(&sort, &row, number).0)?;
            top.insert(&sort, &row, false);
        }
        top.set_rest((rest.rows > 0).then_some(rest));
        Ok(())
    }
}
