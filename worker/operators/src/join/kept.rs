//! The rows that one side of a join keeps under each key; equal rows are kept repeatedly.
//!
//! Where rows also go, they are in pieces by their hash (`hashed`). Where they only come, they are added to the last piece,
//! and keep their order.

use std::ops::RangeInclusive;

use dataflow::{OpenContext, Snapshot};
use model::{Failure, batch::is_retraction_code, row::Rows};
use state::EntryId;

use super::piece::Piece;
use crate::{
    grouping::Groups,
    hashed::{Hashed, Key},
    limits::Limits,
};

pub(crate) struct KeptRows {
    rows: Hashed<Piece>,
    /// Whether rows go again.
    retracts: bool,
    /// So many bytes at the end of each row order equal ones.
    number: usize,
}

impl KeptRows {
    pub(crate) fn open(name: &str, retracts: bool, limits: Limits, context: &mut OpenContext) -> Result<Self, Failure> {
        Ok(Self { rows: Hashed::open(name, 0, limits, context)?, retracts, number: 0 })
    }

    /// For rows that go again, each followed by a number, by which equal ones are told apart.
    pub(crate) fn open_numbered(name: &str, limits: Limits, context: &mut OpenContext) -> Result<Self, Failure> {
        let number = size_of::<i64>();
        Ok(Self { rows: Hashed::open(name, number, limits, context)?, retracts: true, number })
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
            let key = (keys, groups.first_rows[group as usize]);
            let (first, stored) = (firsts[group as usize], rows.row(row));
            if kinds.is_some_and(|kinds| is_retraction_code(kinds[row])) {
                self.remove(key, first, stored)?;
            } else if self.retracts {
                self.rows.change(key, first, stored, |piece, now| piece.push_at(stored, now))?;
            } else {
                self.append(key, first, &mut lasts[group as usize], stored)?;
            }
        }
        self.end_batch()
    }

    /// The first pieces of the keys in these rows.
    pub(crate) fn first_pieces(
        &mut self,
        keys: &Rows,
        rows: &[u32],
        entries: &mut Vec<EntryId>,
    ) -> Result<(), Failure> {
        self.rows.first_pieces(keys, rows, entries)
    }

    /// Pieces of a key that are read at once.
    pub(super) fn pieces_at_once(&self) -> u32 {
        self.rows.limits.pieces_at_once
    }

    /// Notes that the first of the further pieces, or the next, has expired as a whole.
    pub(super) fn skip_expired(&mut self, first: EntryId, piece: u32) {
        let table = &mut self.rows.table;
        let skips = |known: &Piece| !self.retracts && piece == known.gone + 1;
        if table.horizon().is_some()
            && table.get(first).is_some_and(skips)
            && let Some(known) = table.edit(first)
        {
            known.gone = piece;
            if known.gone == known.more {
                (known.gone, known.more) = (0, 0);
            }
        }
    }

    #[inline]
    pub(super) fn piece(&self, entry: EntryId) -> Option<&Piece> {
        self.rows.table.get(entry)
    }

    /// Some pieces of the key in a row.
    pub(super) fn entries(
        &mut self,
        keys: &Rows,
        row: u32,
        pieces: RangeInclusive<u32>,
    ) -> Result<Vec<EntryId>, Failure> {
        self.rows.pieces((keys, row), pieces)
    }

    /// Gives up the last pieces of a key of which nothing is left, if these from the `from`-th on are the last.
    pub(super) fn give_up_expired(&mut self, first: EntryId, from: u32, pieces: &[EntryId]) {
        if self.retracts {
            self.rows.give_up_expired(first, from, pieces);
        }
    }

    /// Adds a row to a key.
    pub(crate) fn insert_one(&mut self, key: Key<'_>, row: &[u8]) -> Result<(), Failure> {
        let first = self.rows.piece(key, 0)?;
        self.rows.change(key, first, row, |piece, now| piece.push_at(row, now))
    }

    /// Removes a row of a key.
    pub(crate) fn remove_one(&mut self, key: Key<'_>, row: &[u8]) -> Result<(), Failure> {
        let first = self.rows.piece(key, 0)?;
        self.remove(key, first, row)
    }

    /// Removes the row with the least number among those that are equal but for it. Whether there was one.
    pub(crate) fn remove_first(&mut self, key: Key<'_>, row: &[u8]) -> Result<bool, Failure> {
        let first = self.rows.piece(key, 0)?;
        let entry = self.rows.piece_of(key, first, row)?;
        let wanted = &row[..row.len() - self.number];
        let number = |row: &&[u8]| row.last_chunk().map_or(0, |number| i64::from_le_bytes(*number));
        let equal = self.piece(entry).into_iter().flat_map(Piece::rows).filter(|row| row.starts_with(wanted));
        let found = equal.filter(|row| row.len() == wanted.len() + self.number).min_by_key(number);
        match found.map(<[u8]>::to_vec) {
            Some(found) => self.remove(key, first, &found).map(|()| true),
            None => Ok(false),
        }
    }

    /// Calls a function for all rows of a key.
    pub(crate) fn each(&mut self, (keys, row): Key<'_>, call: &mut dyn FnMut(&[u8])) -> Result<(), Failure> {
        for from in self.rows.starts() {
            let found = self.rows.next_pieces(keys, &[row], from)?;
            if found.is_empty() {
                break;
            }
            let entries = found.iter().flat_map(|found| &found.pieces);
            entries.filter_map(|&entry| self.piece(entry)).flat_map(Piece::rows).for_each(&mut *call);
            self.end_batch()?;
        }
        Ok(())
    }

    /// Lets a key have no rows.
    pub(crate) fn forget(&mut self, key: Key<'_>) -> Result<(), Failure> {
        let first = self.rows.piece(key, 0)?;
        *self.rows.table.get_mut(first) = None;
        Ok(())
    }

    /// Ends the use of entries.
    pub(crate) fn end_batch(&mut self) -> Result<(), Failure> {
        self.rows.end_batch()
    }

    pub(crate) fn snapshot(&mut self, snapshot: &mut Snapshot) -> Result<(), Failure> {
        self.rows.snapshot(snapshot)
    }

    fn append(&mut self, key: Key<'_>, first: EntryId, last: &mut Option<EntryId>, row: &[u8]) -> Result<(), Failure> {
        let more = self.rows.more(first);
        let entry = match *last {
            Some(entry) => entry,
            None if more == 0 => first,
            None => {
                self.rows.keep_alive(first);
                self.rows.piece(key, more)?
            }
        };
        let has_room = self.piece(entry).is_none_or(|piece| piece.has_room(row, self.rows.limits.piece_bytes));
        let entry = if has_room { entry } else { self.rows.piece(key, more + 1)? };
        let table = &mut self.rows.table;
        if !has_room {
            *table.get_mut(entry) = None;
            table.get_mut(first).get_or_insert_default().more += 1;
        }
        *last = Some(entry);
        let now = table.now();
        table.get_mut(entry).get_or_insert_default().push_at(row, now);
        Ok(())
    }

    fn remove(&mut self, key: Key<'_>, first: EntryId, row: &[u8]) -> Result<(), Failure> {
        if self.piece(first).is_some() {
            self.rows.change(key, first, row, |piece, _| piece.remove(row))?;
        }
        Ok(())
    }
}
