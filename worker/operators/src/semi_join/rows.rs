//! What semi joins keep under a key.

#![expect(
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    reason = "positions are bounded by a batch; hashes and times are reinterpreted bit by bit"
)]

use std::collections::BTreeMap;

use model::Failure;
use state::StateValue;

use crate::hashed::Piece;

/// Some different rows of a key in the order of their bytes.
#[derive(Clone, Debug, Default)]
pub(super) struct KeptRows {
    rows: BTreeMap<Box<[u8]>, Known>,
    /// In the first piece of a key: how many there are beside it.
    more: u32,
    /// Of all rows.
    bytes: usize,
    /// No row was changed before.
    oldest: i64,
}

/// What is known of a row.
#[derive(Clone, Copy, Debug)]
pub(super) struct Known {
    /// How often it has come.
    pub(super) count: u32,
    /// How many rows of the other side it matches.
    pub(super) matches: u64,
    /// When it was last changed; [`UNKNOWN`] where nothing expires.
    pub(super) changed_at: i64,
}

/// Stands for the time at which the key was last changed.
const UNKNOWN: i64 = i64::MIN;

impl KeptRows {
    fn of(rows: BTreeMap<Box<[u8]>, Known>, more: u32) -> Self {
        let bytes = rows.keys().map(|row| row.len()).sum();
        let oldest = rows.values().map(|known| known.changed_at).min().unwrap_or(i64::MAX);
        Self { rows, more, bytes, oldest }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&[u8], &Known)> {
        self.rows.iter().map(|(row, known)| (&**row, known))
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = (&[u8], &mut Known)> {
        self.rows.iter_mut().map(|(row, known)| (&**row, known))
    }

    /// Adds a row that came at a time. Returns how many matches it has: equal rows share what became of the first.
    pub(super) fn push(&mut self, row: &[u8], matches: u64, now: Option<i64>) -> u64 {
        let changed_at = now.unwrap_or(UNKNOWN);
        self.oldest = if self.rows.is_empty() { changed_at } else { self.oldest.min(changed_at) };
        match self.rows.get_mut(row) {
            Some(known) => {
                known.count += 1;
                known.changed_at = changed_at;
                known.matches
            }
            None => {
                self.bytes += row.len();
                self.rows.insert(row.into(), Known { count: 1, matches, changed_at });
                matches
            }
        }
    }

    /// Removes a row once; tells how many matches it has, if it was there.
    pub(super) fn remove(&mut self, row: &[u8]) -> Option<u64> {
        let known = self.rows.get_mut(row)?;
        let matches = known.matches;
        known.count -= 1;
        if known.count == 0 {
            self.bytes -= row.len();
            self.rows.remove(row);
        }
        Some(matches)
    }
}

impl Piece for KeptRows {
    fn more(&self) -> u32 {
        self.more
    }

    fn set_more(&mut self, more: u32) {
        self.more = more;
    }

    fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    fn fills(&self, piece_bytes: usize) -> usize {
        (self.bytes + self.rows.len() * HEADER) / piece_bytes
    }

    fn split_off(&mut self, mut takes: impl FnMut(&[u8]) -> bool) -> Self {
        let (taken, kept) = std::mem::take(&mut self.rows).into_iter().partition(|(row, _)| takes(row));
        *self = Self::of(kept, self.more);
        Self::of(taken, 0)
    }

    fn append(&mut self, mut other: Self) {
        other.rows.append(&mut self.rows);
        *self = Self::of(other.rows, self.more);
    }

    fn may_have_expired(&self, horizon: i64) -> bool {
        self.oldest <= horizon
    }

    fn expire(&mut self, horizon: i64, changed_at: i64) {
        let mut rows = std::mem::take(&mut self.rows);
        for known in rows.values_mut().filter(|known| known.changed_at == UNKNOWN) {
            known.changed_at = changed_at;
        }
        rows.retain(|_, known| known.changed_at > horizon);
        *self = Self::of(rows, self.more);
    }
}

/// Stands in the stored form for the length of a row, if the number of further pieces follows.
const WITH_MORE: [u8; 4] = u32::MAX.to_le_bytes();

/// What the tree takes for a row, about.
const NODE: usize = 16;

/// Length, count (4 bytes each), matches and time (8 bytes each) before each row, little endian. In the first of several
/// pieces [`WITH_MORE`] and the number of the others (4 bytes) come before all.
const HEADER: usize = 24;

impl StateValue for KeptRows {
    fn encode(&self, out: &mut Vec<u8>) {
        if self.more > 0 {
            out.extend_from_slice(&WITH_MORE);
            out.extend_from_slice(&self.more.to_le_bytes());
        }
        for (row, known) in &self.rows {
            out.extend_from_slice(&(row.len() as u32).to_le_bytes());
            out.extend_from_slice(&known.count.to_le_bytes());
            out.extend_from_slice(&known.matches.to_le_bytes());
            out.extend_from_slice(&known.changed_at.to_le_bytes());
            out.extend_from_slice(row);
        }
    }

    fn decode(mut bytes: &[u8]) -> Result<Self, Failure> {
        let broken = || Failure::data("the stored rows of a join end too early");
        let (mut rows, mut more) = (BTreeMap::new(), 0);
        if let Some(rest) = bytes.strip_prefix(&WITH_MORE) {
            let (number, rest) = rest.split_first_chunk().ok_or_else(broken)?;
            (more, bytes) = (u32::from_le_bytes(*number), rest);
        }
        while !bytes.is_empty() {
            let (header, rest) = bytes.split_first_chunk::<HEADER>().ok_or_else(broken)?;
            let number = |at: usize| u32::from_le_bytes([header[at], header[at + 1], header[at + 2], header[at + 3]]);
            let wide = |at: usize| u64::from(number(at)) | u64::from(number(at + 4)) << 32;
            let (row, rest) = rest.split_at_checked(number(0) as usize).ok_or_else(broken)?;
            rows.insert(row.into(), Known { count: number(4), matches: wide(8), changed_at: wide(16) as i64 });
            bytes = rest;
        }
        Ok(Self::of(rows, more))
    }

    fn forget_times(&mut self) {
        self.rows.values_mut().for_each(|known| known.changed_at = UNKNOWN);
        self.oldest = UNKNOWN;
    }

    fn size_bytes(&self) -> usize {
        size_of::<Self>() + self.rows.len() * (size_of::<(Box<[u8]>, Known)>() + NODE) + self.bytes
    }
}

/// How many rows there are.
#[derive(Clone, Copy, Debug)]
pub(super) struct Count(pub(super) u64);

impl StateValue for Count {
    fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.0.to_le_bytes());
    }

    fn decode(bytes: &[u8]) -> Result<Self, Failure> {
        let bytes = bytes.try_into().map_err(|_| Failure::data("a stored count does not have 8 bytes"))?;
        Ok(Self(u64::from_le_bytes(bytes)))
    }

    fn size_bytes(&self) -> usize {
        size_of::<Self>()
    }
}
