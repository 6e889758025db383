//! The rows of one partition in their order.

#![expect(
    clippy::cast_possible_truncation,
    reason = "positions are bounded by a batch; hashes and times are reinterpreted bit by bit"
)]

use model::Failure;
use state::StateValue;

/// Rows in a piece at most.
const PIECE_ROWS_MAX: usize = 64;
const HEADER: usize = 2 * size_of::<u32>();

/// Follows in the stored form where a length would be, if rows are kept elsewhere.
const WITH_REST: [u8; 4] = u32::MAX.to_le_bytes();

/// Rows by sort key; rows with equal keys in order of arrival, or the other way round. The stored form is one frame
/// after the other: the lengths of sort key and row (`u32`, little endian), the key, the row. If there are rows
/// elsewhere, a mark and what is known of them come first.
///
/// Kept in pieces, so that a change moves no more than a piece. The first is kept apart, as most partitions have only
/// one.
#[derive(Clone, Debug, Default)]
pub(crate) struct RankedRows {
    first: Piece,
    others: Vec<Piece>,
    len: usize,
    rest: Option<Box<Rest>>,
}

/// Rows that come after all others, and are kept elsewhere, with numbers that order equal ones.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Rest {
    /// How many there are; if state expires, about.
    pub(super) rows: u64,
    first: i64,
    last: i64,
}

impl Rest {
    const BYTES: usize = 3 * size_of::<u64>();

    /// A number before all that were given.
    pub(super) fn before_first(&mut self) -> i64 {
        self.first -= 1;
        self.first
    }

    /// A number after all that were given.
    pub(super) fn after_last(&mut self) -> i64 {
        self.last += 1;
        self.last
    }

    fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.rows.to_le_bytes());
        out.extend_from_slice(&self.first.to_le_bytes());
        out.extend_from_slice(&self.last.to_le_bytes());
    }

    fn decode(bytes: &[u8; Self::BYTES]) -> Self {
        let number = |index: usize| bytes.as_chunks().0[index];
        let (rows, first, last) = (number(0), number(1), number(2));
        Self { rows: u64::from_le_bytes(rows), first: i64::from_le_bytes(first), last: i64::from_le_bytes(last) }
    }
}

#[derive(Clone, Debug, Default)]
struct Piece {
    bytes: Vec<u8>,
    rows: usize,
    /// Where the last frame begins.
    last: usize,
}

/// A row and its sort key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ranked<'a> {
    pub(crate) sort: &'a [u8],
    pub(crate) row: &'a [u8],
}

/// The frames in some bytes.
pub(super) struct Frames<'a> {
    bytes: &'a [u8],
    position: usize,
}

impl<'a> Frames<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, position: 0 }
    }
}

impl<'a> Iterator for Frames<'a> {
    type Item = Ranked<'a>;

    #[inline]
    fn next(&mut self) -> Option<Ranked<'a>> {
        let (frame, next) = frame(self.bytes, self.position)?;
        self.position = next;
        Some(frame)
    }
}

/// The frame at a position and the position of the next.
#[inline]
fn frame(bytes: &[u8], position: usize) -> Option<(Ranked<'_>, usize)> {
    let header = bytes.get(position..position + HEADER)?;
    let length = |at: usize| u32::from_le_bytes([header[at], header[at + 1], header[at + 2], header[at + 3]]) as usize;
    let sort_end = position + HEADER + length(0);
    let end = sort_end + length(4);
    Some((Ranked { sort: bytes.get(position + HEADER..sort_end)?, row: bytes.get(sort_end..end)? }, end))
}

fn write_frame(out: &mut [u8], sort: &[u8], row: &[u8]) {
    out[..4].copy_from_slice(&(sort.len() as u32).to_le_bytes());
    out[4..HEADER].copy_from_slice(&(row.len() as u32).to_le_bytes());
    out[HEADER..HEADER + sort.len()].copy_from_slice(sort);
    out[HEADER + sort.len()..].copy_from_slice(row);
}

impl Piece {
    fn of(bytes: &[u8]) -> Self {
        let mut piece = Self { bytes: bytes.to_vec(), rows: 0, last: 0 };
        piece.count();
        piece
    }

    /// Finds out how many frames there are and where the last one is.
    fn count(&mut self) {
        (self.rows, self.last) = (0, 0);
        let mut position = 0;
        while let Some((_, next)) = frame(&self.bytes, position) {
            self.last = position;
            self.rows += 1;
            position = next;
        }
    }

    fn first_sort(&self) -> &[u8] {
        frame(&self.bytes, 0).map_or(&[], |(frame, _)| frame.sort)
    }

    fn last_sort(&self) -> &[u8] {
        frame(&self.bytes, self.last).map_or(&[], |(frame, _)| frame.sort)
    }

    /// Puts a row before the first one for which `is_behind`.
    fn insert(&mut self, sort: &[u8], row: &[u8], is_behind: impl Fn(&[u8]) -> bool) {
        let mut position = 0;
        while let Some((frame, next)) = frame(&self.bytes, position) {
            if is_behind(frame.sort) {
                break;
            }
            position = next;
        }
        let (length, end) = (HEADER + sort.len() + row.len(), self.bytes.len());
        if end == 0 {
            self.bytes.reserve_exact(length);
        }
        self.bytes.resize(end + length, 0);
        self.bytes.copy_within(position..end, position + length);
        write_frame(&mut self.bytes[position..position + length], sort, row);
        self.last = if position == end { position } else { self.last + length };
        self.rows += 1;
    }

    fn pop(&mut self) {
        self.bytes.truncate(self.last);
        self.count();
    }

    fn remove(&mut self, sort: &[u8], row: &[u8]) -> bool {
        let mut position = 0;
        while let Some((frame, next)) = frame(&self.bytes, position) {
            if frame == (Ranked { sort, row }) {
                self.bytes.drain(position..next);
                self.count();
                return true;
            }
            position = next;
        }
        false
    }

    /// Takes the second half out.
    fn split(&mut self) -> Self {
        let mut position = 0;
        for _ in 0..self.rows / 2 {
            position = frame(&self.bytes, position).map_or(position, |(_, next)| next);
        }
        let half = Self::of(&self.bytes[position..]);
        self.bytes.truncate(position);
        self.count();
        half
    }
}

impl RankedRows {
    /// Number of rows.
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    pub(super) fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// What is known of the rows that are kept elsewhere, if there are any.
    pub(super) fn rest_mut(&mut self) -> Option<&mut Rest> {
        self.rest.as_deref_mut()
    }

    pub(super) fn set_rest(&mut self, rest: Option<Rest>) {
        self.rest = rest.map(Box::new);
    }

    /// The last row.
    pub(super) fn last(&self) -> Option<Ranked<'_>> {
        let piece = self.others.last().unwrap_or(&self.first);
        frame(&piece.bytes, piece.last).map(|(last, _)| last)
    }

    fn pieces(&self) -> impl Iterator<Item = &Piece> {
        std::iter::once(&self.first).chain(&self.others)
    }

    fn piece_mut(&mut self, index: usize) -> &mut Piece {
        match index.checked_sub(1) {
            None => &mut self.first,
            Some(index) => &mut self.others[index],
        }
    }

    /// The sort key of the last row.
    #[inline]
    pub(crate) fn last_sort(&self) -> &[u8] {
        self.others.last().unwrap_or(&self.first).last_sort()
    }

    /// All rows in order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = Ranked<'_>> {
        self.pieces().flat_map(|piece| Frames::new(&piece.bytes))
    }

    /// Appends the first `rows` rows as frames.
    pub(super) fn image_into(&self, rows: usize, out: &mut Vec<u8>) {
        let mut left = rows;
        for piece in self.pieces() {
            if piece.rows <= left {
                out.extend_from_slice(&piece.bytes);
                left -= piece.rows;
                continue;
            }
            let end = (0..left).fold(0, |position, _| frame(&piece.bytes, position).map_or(position, |(_, next)| next));
            out.extend_from_slice(&piece.bytes[..end]);
            return;
        }
    }

    /// Adds a row, behind those with an equal sort key or before them.
    pub(crate) fn insert(&mut self, sort: &[u8], row: &[u8], before_equal: bool) {
        let is_behind = |other: &[u8]| if before_equal { other >= sort } else { other > sort };
        let piece = self.others.partition_point(|piece| !is_behind(piece.first_sort()));
        self.piece_mut(piece).insert(sort, row, is_behind);
        self.len += 1;
        if self.piece_mut(piece).rows > PIECE_ROWS_MAX {
            let half = self.piece_mut(piece).split();
            self.others.insert(piece, half);
        }
    }

    /// Removes the last row.
    pub(crate) fn pop(&mut self) {
        let piece = self.others.len();
        self.piece_mut(piece).pop();
        self.len -= 1;
        self.drop_empty(piece);
    }

    /// Removes one such row. Whether there was one.
    pub(super) fn remove(&mut self, sort: &[u8], row: &[u8]) -> bool {
        // Rows with this sort key may begin in the piece before the first that begins with it.
        let first = self.others.partition_point(|piece| piece.first_sort() < sort);
        for piece in first..=self.others.len() {
            if piece > first && self.others[piece - 1].first_sort() > sort {
                break;
            }
            if self.piece_mut(piece).remove(sort, row) {
                self.len -= 1;
                self.drop_empty(piece);
                return true;
            }
        }
        false
    }

    fn drop_empty(&mut self, piece: usize) {
        if self.piece_mut(piece).rows == 0 && !self.others.is_empty() {
            match piece.checked_sub(1) {
                None => self.first = self.others.remove(0),
                Some(piece) => drop(self.others.remove(piece)),
            }
        }
    }
}

fn short() -> Failure {
    Failure::data("the stored rows of a partition end too early")
}

impl StateValue for RankedRows {
    fn encode(&self, out: &mut Vec<u8>) {
        if let Some(rest) = &self.rest {
            out.extend_from_slice(&WITH_REST);
            rest.encode(out);
        }
        self.pieces().for_each(|piece| out.extend_from_slice(&piece.bytes));
    }

    fn decode(mut bytes: &[u8]) -> Result<Self, Failure> {
        let mut rows = Self::default();
        if let Some(stored) = bytes.strip_prefix(&WITH_REST) {
            let (rest, frames) = stored.split_first_chunk().ok_or_else(short)?;
            (rows.rest, bytes) = (Some(Box::new(Rest::decode(rest))), frames);
        }
        let (mut start, mut position, mut count) = (0, 0, 0);
        let put = |rows: &mut Self, piece: &[u8]| {
            let piece = Piece::of(piece);
            if rows.len == 0 { rows.first = piece } else { rows.others.push(piece) }
        };
        while position < bytes.len() {
            if count == PIECE_ROWS_MAX {
                put(&mut rows, &bytes[start..position]);
                rows.len += count;
                (start, count) = (position, 0);
            }
            let (_, next) = frame(bytes, position).ok_or_else(short)?;
            position = next;
            count += 1;
        }
        put(&mut rows, &bytes[start..]);
        rows.len += count;
        Ok(rows)
    }

    fn size_bytes(&self) -> usize {
        size_of::<Self>()
            + self.rest.as_ref().map_or(0, |_| size_of::<Rest>())
            + self.others.capacity() * size_of::<Piece>()
            + self.pieces().map(|piece| piece.bytes.capacity()).sum::<usize>()
    }
}

#[cfg(test)]
mod tests;
