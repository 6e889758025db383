//! Some of the rows that a join keeps under a key, one after the other.

#![expect(
    clippy::cast_possible_truncation,
    reason = "positions are bounded by a batch; hashes and times are reinterpreted bit by bit"
)]

use model::Failure;
use state::StateValue;

use crate::hashed;

/// Some rows: each row's length (`u32`, little endian) and bytes, one after the other. The stored form has the number
/// of further pieces before them. If its highest bit is set, there follow the number of further pieces that are gone,
/// the number of rows and the time of each (`i64`), all little endian.
#[derive(Clone, Debug, Default)]
pub(crate) struct Piece {
    bytes: Vec<u8>,
    rows: usize,
    /// In the first piece of a key: how many there are beside it.
    pub(super) more: u32,
    /// In the first piece of a key: how many of the first of those have expired.
    pub(super) gone: u32,
    /// When each row came; empty if that is not known.
    stamps: Vec<i64>,
    /// No time is before it.
    pub(super) oldest: i64,
}

const HEADER: usize = size_of::<u32>();
const STAMP: usize = size_of::<i64>();
/// Marks the number of further pieces if rows have times.
const TIMED: u32 = 1 << 31;

impl Piece {
    /// Number of rows.
    pub(super) fn len(&self) -> usize {
        self.rows
    }

    /// The row at a position in bytes and the position of the next one.
    #[inline]
    pub(crate) fn at(&self, position: usize) -> Option<(&[u8], usize)> {
        frame(&self.bytes, position)
    }

    /// All rows.
    pub(crate) fn rows(&self) -> impl Iterator<Item = &[u8]> {
        let mut position = 0;
        std::iter::from_fn(move || {
            let (row, next) = self.at(position)?;
            position = next;
            Some(row)
        })
    }

    /// Whether a row still fits into so many bytes.
    pub(super) fn has_room(&self, row: &[u8], piece_bytes: usize) -> bool {
        self.rows == 0 || self.bytes.len() + HEADER + row.len() <= piece_bytes
    }

    /// Adds a row.
    pub(crate) fn push(&mut self, row: &[u8]) {
        self.bytes.reserve_exact(if self.bytes.is_empty() { HEADER + row.len() } else { 0 });
        self.bytes.extend_from_slice(&(row.len() as u32).to_le_bytes());
        self.bytes.extend_from_slice(row);
        self.rows += 1;
    }

    /// Adds a row that came at a time.
    pub(crate) fn push_at(&mut self, row: &[u8], now: Option<i64>) {
        match now {
            Some(now) => {
                self.oldest = if self.rows == 0 { now } else { self.oldest.min(now) };
                self.stamps.push(now);
            }
            None => self.stamps = Vec::new(),
        }
        self.push(row);
    }

    /// The first of the further pieces that may have rows, if there is one.
    pub(super) fn first_further(&self) -> Option<u32> {
        (self.more > self.gone).then_some(self.gone + 1)
    }

    /// Whether the time of each row is known.
    fn is_timed(&self) -> bool {
        self.stamps.len() == self.rows
    }

    /// Lets rows without a time be of this one.
    fn set_times(&mut self, time: i64) {
        if !self.is_timed() {
            self.stamps = vec![time; self.rows];
            self.oldest = time;
        }
    }

    /// Removes the first row equal to `row`. Whether there was one.
    pub(super) fn remove(&mut self, row: &[u8]) -> bool {
        let (mut position, mut index) = (0, 0);
        while let Some((stored, next)) = self.at(position) {
            if stored == row {
                self.bytes.drain(position..next);
                if self.is_timed() {
                    self.stamps.remove(index);
                }
                self.rows -= 1;
                return true;
            }
            (position, index) = (next, index + 1);
        }
        false
    }
}

impl hashed::Piece for Piece {
    fn more(&self) -> u32 {
        self.more
    }

    fn set_more(&mut self, more: u32) {
        self.more = more;
    }

    fn is_empty(&self) -> bool {
        self.rows == 0
    }

    fn fills(&self, piece_bytes: usize) -> usize {
        self.bytes.len() / piece_bytes
    }

    fn split_off(&mut self, mut takes: impl FnMut(&[u8]) -> bool) -> Self {
        let kept = Self { more: self.more, gone: self.gone, ..Self::default() };
        let (mut kept, mut taken) = (kept, Self::default());
        let (mut position, mut index) = (0, 0);
        while let Some((row, next)) = self.at(position) {
            let part = if takes(row) { &mut taken } else { &mut kept };
            part.push_at(row, self.stamps.get(index).copied());
            (position, index) = (next, index + 1);
        }
        *self = kept;
        taken
    }

    fn append(&mut self, other: Self) {
        let are_timed = self.is_timed() && other.is_timed();
        self.oldest = if self.rows == 0 { other.oldest } else { self.oldest.min(other.oldest) };
        self.bytes.extend_from_slice(&other.bytes);
        // The times of some of the rows would be taken for those of others.
        match are_timed {
            true => self.stamps.extend_from_slice(&other.stamps),
            false => self.stamps = Vec::new(),
        }
        self.rows += other.rows;
    }

    fn may_have_expired(&self, horizon: i64) -> bool {
        !self.is_timed() || self.rows > 0 && self.oldest <= horizon
    }

    fn expire(&mut self, horizon: i64, changed_at: i64) {
        self.set_times(changed_at);
        if self.rows == 0 || self.oldest > horizon {
            return;
        }
        let mut stamps = self.stamps.clone().into_iter();
        let kept = self.split_off(|_| stamps.next().is_some_and(|stamp| stamp > horizon));
        (self.bytes, self.rows, self.stamps, self.oldest) = (kept.bytes, kept.rows, kept.stamps, kept.oldest);
    }
}

#[inline]
fn frame(bytes: &[u8], position: usize) -> Option<(&[u8], usize)> {
    let start = position + HEADER;
    let header = bytes.get(position..start)?;
    let end = start + u32::from_le_bytes([header[0], header[1], header[2], header[3]]) as usize;
    bytes.get(start..end).map(|row| (row, end))
}

impl StateValue for Piece {
    fn encode(&self, out: &mut Vec<u8>) {
        if self.stamps.is_empty() && self.gone == 0 {
            out.extend_from_slice(&self.more.to_le_bytes());
        } else {
            out.extend_from_slice(&(self.more | TIMED).to_le_bytes());
            out.extend_from_slice(&self.gone.to_le_bytes());
            out.extend_from_slice(&(self.stamps.len() as u32).to_le_bytes());
            self.stamps.iter().for_each(|stamp| out.extend_from_slice(&stamp.to_le_bytes()));
        }
        out.extend_from_slice(&self.bytes);
    }

    fn decode(bytes: &[u8]) -> Result<Self, Failure> {
        let short = || Failure::data("the stored rows of a join end too early");
        let number = |bytes: &mut &[u8]| {
            let (number, rest) = bytes.split_first_chunk().ok_or_else(short)?;
            *bytes = rest;
            Ok::<_, Failure>(u32::from_le_bytes(*number))
        };
        let mut bytes = bytes;
        let more = number(&mut bytes)?;
        let (mut gone, mut stamps) = (0, Vec::new());
        if more & TIMED != 0 {
            gone = number(&mut bytes)?;
            let length = (number(&mut bytes)? as usize).checked_mul(STAMP).ok_or_else(short)?;
            let (times, rest) = bytes.split_at_checked(length).ok_or_else(short)?;
            bytes = rest;
            stamps = times.as_chunks().0.iter().map(|time| i64::from_le_bytes(*time)).collect();
        }
        let (mut position, mut rows) = (0, 0);
        while position < bytes.len() {
            (_, position) = frame(bytes, position).ok_or_else(short)?;
            rows += 1;
        }
        if !stamps.is_empty() && stamps.len() != rows {
            return Err(Failure::data("the stored rows of a join do not have a time each"));
        }
        let oldest = stamps.iter().copied().min().unwrap_or_default();
        Ok(Self { bytes: bytes.to_vec(), rows, more: more & !TIMED, gone, stamps, oldest })
    }

    fn forget_times(&mut self) {
        self.stamps = Vec::new();
    }

    fn size_bytes(&self) -> usize {
        size_of::<Self>() + self.bytes.capacity() + self.stamps.capacity() * STAMP
    }
}
