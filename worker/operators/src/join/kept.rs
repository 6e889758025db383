//! The rows that one side of a join keeps under each key; equal rows are kept repeatedly.
//!
//! The rows of a key are cut into pieces of a bounded size, each an entry of its own, so that a row more or less costs
//! the same however many there are: namespace `n` of the table has the `n`-th piece of each key. Most keys have one.
//!
//! Where rows only come, they are added to the last piece. Where they also go, a row's hash says in which piece it is
//! (linear hashing): when one has grown too large, the next in turn is split; when one has become empty, the last is
//! merged into the one that it was split from.
//!
//! If state expires, each row does by itself, so that a piece knows the time of each of its rows. Expired rows are
//! dropped when their piece is come across. The first piece counts as changed whenever another one is, so it is there
//! as long as any.

use dataflow::{OpenContext, Snapshot};
use model::{Failure, batch::is_retraction_code, key, row::Rows};
use state::{EntryId, Table};

use super::piece::Piece;
use crate::grouping::Groups;

pub(crate) struct KeptRows {
    table: Table<Piece>,
    /// Whether rows go again.
    retracts: bool,
}

impl KeptRows {
    pub(crate) fn open(name: &str, retracts: bool, context: &mut OpenContext) -> Result<Self, Failure> {
        Ok(Self { table: context.expiring_table(name)?, retracts })
    }

    /// Adds and removes the rows of a batch.
    pub(crate) fn change(
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
    pub(crate) fn first_pieces(
        &mut self,
        keys: &Rows,
        rows: &[u32],
        entries: &mut Vec<EntryId>,
    ) -> Result<(), Failure> {
        let start = entries.len();
        self.table.hydrate(0, keys, Some(rows), entries)?;
        entries[start..].iter().for_each(|&entry| self.drop_expired(entry));
        Ok(())
    }

    fn drop_expired(&mut self, entry: EntryId) {
        let Some((horizon, piece)) = self.table.horizon().zip(self.table.get(entry)) else { return };
        if piece.is_timed() && (piece.is_empty() || piece.oldest > horizon) {
            return;
        }
        let changed_at = self.table.changed_at(entry).unwrap_or(i64::MIN);
        let slot = self.table.edit(entry);
        if let Some(piece) = slot {
            piece.set_times(changed_at);
            piece.expire(horizon);
            if piece.is_empty() && piece.more == 0 {
                *slot = None;
            }
        }
    }

    /// Notes that the first of the further pieces, or the next, has expired as a whole.
    pub(super) fn skip_expired(&mut self, first: EntryId, piece: u32) {
        let skips = |known: &Piece| !self.retracts && piece == known.gone + 1;
        if self.table.horizon().is_some()
            && self.table.get(first).is_some_and(skips)
            && let Some(known) = self.table.edit(first)
        {
            known.gone = piece;
            if known.gone == known.more {
                (known.gone, known.more) = (0, 0);
            }
        }
    }

    #[inline]
    pub(super) fn piece(&self, entry: EntryId) -> Option<&Piece> {
        self.table.get(entry)
    }

    /// One piece of the key in a row.
    pub(super) fn entry(&mut self, keys: &Rows, row: u32, piece: u32) -> Result<EntryId, Failure> {
        let mut entries = Vec::with_capacity(1);
        self.table.hydrate(i64::from(piece), keys, Some(&[row]), &mut entries)?;
        self.drop_expired(entries[0]);
        Ok(entries[0])
    }

    /// Ends the use of entries.
    pub(crate) fn end_batch(&mut self) -> Result<(), Failure> {
        self.table.end_batch()
    }

    pub(crate) fn snapshot(&mut self, snapshot: &mut Snapshot) -> Result<(), Failure> {
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
            None => {
                self.keep_alive(first);
                self.entry(keys, key, more)?
            }
        };
        let has_room = self.table.get(entry).is_none_or(|piece| piece.has_room(row));
        let entry = if has_room { entry } else { self.entry(keys, key, more + 1)? };
        if !has_room {
            self.table.get_mut(first).get_or_insert_default().more += 1;
        }
        *last = Some(entry);
        let now = self.table.now();
        self.table.get_mut(entry).get_or_insert_default().push_at(row, now);
        Ok(())
    }

    /// Lets the first piece expire no earlier than what changes now.
    fn keep_alive(&mut self, first: EntryId) {
        if self.table.horizon().is_some() {
            self.table.get_mut(first);
        }
    }

    fn insert(&mut self, keys: &Rows, key: u32, first: EntryId, row: &[u8]) -> Result<(), Failure> {
        let more = self.table.get(first).map_or(0, |piece| piece.more);
        let entry = self.bucket(keys, key, first, bucket_of(row, more))?;
        if entry != first {
            self.keep_alive(first);
        }
        let now = self.table.now();
        let piece = self.table.get_mut(entry).get_or_insert_default();
        let before = piece.fills();
        piece.push_at(row, now);
        // Equal rows cannot be split: not each one too many adds a piece.
        if piece.fills() > before { self.split(keys, key, first) } else { Ok(()) }
    }

    fn remove(&mut self, keys: &Rows, key: u32, first: EntryId, row: &[u8]) -> Result<(), Failure> {
        let Some(more) = self.table.get(first).map(|piece| piece.more) else { return Ok(()) };
        let entry = self.bucket(keys, key, first, bucket_of(row, more))?;
        let piece = self.table.get_mut(entry).as_mut();
        if piece.is_some_and(|piece| piece.remove(row) && piece.is_empty()) && more > 0 {
            self.shrink(keys, key, first)?;
        }
        for entry in [first, entry] {
            let slot = self.table.get_mut(entry);
            if slot.as_ref().is_some_and(|piece| piece.is_empty() && piece.more == 0) {
                *slot = None;
            }
        }
        Ok(())
    }

    /// Gives up the last piece, and those before it that are empty.
    fn shrink(&mut self, keys: &Rows, key: u32, first: EntryId) -> Result<(), Failure> {
        loop {
            self.merge(keys, key, first)?;
            let more = self.table.get(first).map_or(0, |piece| piece.more);
            if more == 0 {
                return Ok(());
            }
            let last = self.entry(keys, key, more)?;
            if self.table.get(last).is_some_and(|piece| !piece.is_empty()) {
                return Ok(());
            }
        }
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
