//! The rows that one side of a join keeps under each key; equal rows are kept repeatedly.
//!
//! The rows of a key are cut into pieces of a bounded size, each an entry of its own, so that a row more or less costs
//! the same however many there are: namespace `n` of the table has the `n`-th piece of each key. Most keys have one.
//!
//! Where rows only come, they are added to the last piece. Where they also go, a row's hash says in which piece it is
//! (linear hashing): when one has grown too large, the next in turn is split; when one has become empty, the last is
//! merged into the one that it was split from.

use dataflow::{OpenContext, Snapshot};
use model::{Failure, batch::is_retraction_code, key, row::Rows};
use state::{EntryId, StateValue, Table};

use crate::grouping::Groups;

/// What a piece holds at most, unless a single row or equal rows take more. Small, since a row more rewrites a piece;
/// tests see many pieces with few rows.
const PIECE_BYTES: usize = if cfg!(test) { 256 } else { 2 << 10 };

pub(super) struct KeptRows {
    table: Table<Piece>,
    /// Whether rows go again.
    retracts: bool,
}

impl KeptRows {
    pub(super) fn open(name: &str, retracts: bool, context: &mut OpenContext) -> Result<Self, Failure> {
        Ok(Self { table: context.keyed.table(name)?, retracts })
    }

    /// Adds and removes the rows of a batch.
    pub(super) fn change(
        &mut self,
        keys: &Rows,
        groups: &Groups,
        rows: &Rows,
        kinds: Option<&[u8]>,
    ) -> Result<(), Failure> {
        let mut firsts = Vec::with_capacity(groups.first_rows.len());
        self.first_pieces(keys, &groups.first_rows, &mut firsts)?;
        // The piece to which rows of a group were last added.
        let mut lasts: Vec<Option<EntryId>> = if self.retracts { Vec::new() } else { vec![None; firsts.len()] };
        for (row, &group) in groups.of_row.iter().enumerate() {
            let (key, first, stored) = (groups.first_rows[group as usize], firsts[group as usize], rows.row(row));
            if kinds.is_some_and(|kinds| is_retraction_code(kinds[row])) {
                self.remove(keys, key, first, stored)?;
            } else if self.retracts {
                self.insert(keys, key, first, stored)?;
            } else {
                self.append(keys, key, first, &mut lasts[group as usize], stored)?;
            }
        }
        self.table.end_batch()
    }

    /// The first pieces of the keys in these rows.
    pub(super) fn first_pieces(
        &mut self,
        keys: &Rows,
        rows: &[u32],
        entries: &mut Vec<EntryId>,
    ) -> Result<(), Failure> {
        self.table.hydrate(0, keys, Some(rows), entries)
    }

    #[inline]
    pub(super) fn piece(&self, entry: EntryId) -> Option<&Piece> {
        self.table.get(entry)
    }

    /// One piece of the key in a row.
    pub(super) fn entry(&mut self, keys: &Rows, row: u32, piece: u32) -> Result<EntryId, Failure> {
        let mut entries = Vec::with_capacity(1);
        self.table.hydrate(i64::from(piece), keys, Some(&[row]), &mut entries)?;
        Ok(entries[0])
    }

    /// Ends the use of entries.
    pub(super) fn end_batch(&mut self) -> Result<(), Failure> {
        self.table.end_batch()
    }

    pub(super) fn snapshot(&mut self, snapshot: &mut Snapshot) -> Result<(), Failure> {
        snapshot.table(&mut self.table)
    }

    fn append(
        &mut self,
        keys: &Rows,
        key: u32,
        first: EntryId,
        last: &mut Option<EntryId>,
        row: &[u8],
    ) -> Result<(), Failure> {
        let more = self.table.get(first).map_or(0, |piece| piece.more);
        let entry = match *last {
            Some(entry) => entry,
            None if more == 0 => first,
            None => self.entry(keys, key, more)?,
        };
        let has_room = self.table.get(entry).is_none_or(|piece| piece.has_room(row));
        let entry = if has_room { entry } else { self.entry(keys, key, more + 1)? };
        if !has_room {
            self.table.get_mut(first).get_or_insert_default().more += 1;
        }
        *last = Some(entry);
        self.table.get_mut(entry).get_or_insert_default().push(row);
        Ok(())
    }

    fn insert(&mut self, keys: &Rows, key: u32, first: EntryId, row: &[u8]) -> Result<(), Failure> {
        let more = self.table.get(first).map_or(0, |piece| piece.more);
        let entry = self.bucket(keys, key, first, bucket_of(row, more))?;
        let piece = self.table.get_mut(entry).get_or_insert_default();
        let before = piece.bytes.len() / PIECE_BYTES;
        piece.push(row);
        // Equal rows cannot be split: not each one too many adds a piece.
        if piece.bytes.len() / PIECE_BYTES > before { self.split(keys, key, first) } else { Ok(()) }
    }

    fn remove(&mut self, keys: &Rows, key: u32, first: EntryId, row: &[u8]) -> Result<(), Failure> {
        let Some(more) = self.table.get(first).map(|piece| piece.more) else { return Ok(()) };
        let entry = self.bucket(keys, key, first, bucket_of(row, more))?;
        let piece = self.table.get_mut(entry).as_mut();
        if piece.is_some_and(|piece| piece.remove(row) && piece.is_empty()) && more > 0 {
            self.merge(keys, key, first)?;
        }
        for entry in [first, entry] {
            let slot = self.table.get_mut(entry);
            if slot.as_ref().is_some_and(|piece| piece.is_empty() && piece.more == 0) {
                *slot = None;
            }
        }
        Ok(())
    }

    fn bucket(&mut self, keys: &Rows, key: u32, first: EntryId, piece: u32) -> Result<EntryId, Failure> {
        if piece == 0 { Ok(first) } else { self.entry(keys, key, piece) }
    }

    /// Adds a piece with those rows of another that now belong there.
    fn split(&mut self, keys: &Rows, key: u32, first: EntryId) -> Result<(), Failure> {
        let more = self.table.get(first).map_or(0, |piece| piece.more) + 1;
        let from = self.bucket(keys, key, first, parent(more))?;
        let to = self.entry(keys, key, more)?;
        self.table.get_mut(first).get_or_insert_default().more = more;
        let Some(all) = self.table.get_mut(from).as_mut() else { return Ok(()) };
        let moved = all.split_off(|row| bucket_of(row, more) == more);
        if !moved.is_empty() {
            *self.table.get_mut(to) = Some(moved);
        }
        Ok(())
    }

    /// Gives the rows of the last piece back.
    fn merge(&mut self, keys: &Rows, key: u32, first: EntryId) -> Result<(), Failure> {
        let more = self.table.get(first).map_or(0, |piece| piece.more);
        let from = self.entry(keys, key, more)?;
        let to = self.bucket(keys, key, first, parent(more))?;
        if let Some(rows) = self.table.get_mut(from).take() {
            self.table.get_mut(to).get_or_insert_default().append(&rows);
        }
        self.table.get_mut(first).get_or_insert_default().more = more - 1;
        Ok(())
    }
}

/// The piece of a row among `more` beside the first.
fn bucket_of(row: &[u8], more: u32) -> u32 {
    if more == 0 {
        return 0;
    }
    let (hash, pieces) = (key::hash(row) as u32, more + 1);
    let all = pieces.next_power_of_two();
    let bucket = hash & (all - 1);
    if bucket < pieces { bucket } else { bucket & (all / 2 - 1) }
}

/// The piece that a piece, not the first, was split from.
fn parent(piece: u32) -> u32 {
    piece ^ (1 << piece.ilog2())
}

/// Some rows: each row's length (`u32`, little endian) and bytes, one after the other. The stored form has the number
/// of further pieces before them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Piece {
    bytes: Vec<u8>,
    rows: usize,
    /// In the first piece of a key: how many there are beside it.
    pub(super) more: u32,
}

const HEADER: usize = size_of::<u32>();

impl Piece {
    /// Number of rows.
    pub(super) fn len(&self) -> usize {
        self.rows
    }

    /// Whether there are no rows.
    pub(super) fn is_empty(&self) -> bool {
        self.rows == 0
    }

    /// The row at a position in bytes and the position of the next one.
    #[inline]
    pub(super) fn at(&self, position: usize) -> Option<(&[u8], usize)> {
        frame(&self.bytes, position)
    }

    fn has_room(&self, row: &[u8]) -> bool {
        self.rows == 0 || self.bytes.len() + HEADER + row.len() <= PIECE_BYTES
    }

    /// Adds a row.
    pub(super) fn push(&mut self, row: &[u8]) {
        self.bytes.reserve_exact(if self.bytes.is_empty() { HEADER + row.len() } else { 0 });
        self.bytes.extend_from_slice(&(row.len() as u32).to_le_bytes());
        self.bytes.extend_from_slice(row);
        self.rows += 1;
    }

    fn append(&mut self, other: &Self) {
        self.bytes.extend_from_slice(&other.bytes);
        self.rows += other.rows;
    }

    /// Removes the first row equal to `row`. Whether there was one.
    fn remove(&mut self, row: &[u8]) -> bool {
        let mut position = 0;
        while let Some((stored, next)) = self.at(position) {
            if stored == row {
                self.bytes.drain(position..next);
                self.rows -= 1;
                return true;
            }
            position = next;
        }
        false
    }

    /// Takes rows out.
    fn split_off(&mut self, takes: impl Fn(&[u8]) -> bool) -> Self {
        let (mut kept, mut taken) = (Self { more: self.more, ..Self::default() }, Self::default());
        let mut position = 0;
        while let Some((row, next)) = self.at(position) {
            if takes(row) {
                taken.push(row)
            } else {
                kept.push(row)
            }
            position = next;
        }
        *self = kept;
        taken
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
        out.extend_from_slice(&self.more.to_le_bytes());
        out.extend_from_slice(&self.bytes);
    }

    fn decode(bytes: &[u8]) -> Result<Self, Failure> {
        let short = || Failure::data("the stored rows of a join end too early");
        let (more, bytes) = bytes.split_first_chunk().ok_or_else(short)?;
        let (mut position, mut rows) = (0, 0);
        while position < bytes.len() {
            (_, position) = frame(bytes, position).ok_or_else(short)?;
            rows += 1;
        }
        Ok(Self { bytes: bytes.to_vec(), rows, more: u32::from_le_bytes(*more) })
    }

    fn size_bytes(&self) -> usize {
        size_of::<Self>() + self.bytes.capacity()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_split_moves_rows_from_the_parent_to_the_new_piece_only() {
        for more in 1..200_u32 {
            for row in 0..500_u32 {
                let row = row.to_be_bytes();
                let (before, after) = (bucket_of(&row, more - 1), bucket_of(&row, more));
                assert!(before == after || (before == parent(more) && after == more));
            }
        }
    }
}
