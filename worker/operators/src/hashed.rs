//! A collection of elements under each key, kept in pieces: a change costs the same however many there are.
//!
//! Each piece is an entry of its own: namespace `n` of the table has the `n`-th piece of each key. Most keys have one.
//! An element's hash says in which it is (`buckets`): when a piece has grown too large, the next in turn is split; when
//! one has become empty, the last is merged into the one that it was split from.
//!
//! If state expires, each element does by itself, so that a piece knows their times. Expired elements are dropped when
//! their piece is come across. The first piece counts as changed whenever another one is, so it is there as long as
//! any. What the table has of a piece that is added is of elements that have expired, so it is not looked at.

#![expect(
    clippy::cast_possible_truncation,
    reason = "positions are bounded by a batch; hashes and times are reinterpreted bit by bit"
)]

use std::ops::RangeInclusive;

use dataflow::{OpenContext, Snapshot};
use model::{Failure, key, row::Rows};
use state::{EntryId, StateValue, Table};

use crate::{
    buckets::{bucket_of, parent},
    limits::Limits,
};

/// A piece of a collection.
pub(crate) trait Piece: StateValue + Default {
    /// In the first piece of a key: how many there are beside it.
    fn more(&self) -> u32;

    /// Says so.
    fn set_more(&mut self, more: u32);

    /// Whether there are no elements.
    fn is_empty(&self) -> bool;

    /// How many full pieces the elements would make if one holds so many bytes.
    fn fills(&self, piece_bytes: usize) -> usize;

    /// Takes elements out, by their bytes.
    fn split_off(&mut self, takes: impl FnMut(&[u8]) -> bool) -> Self;

    /// Adds the elements of another piece.
    fn append(&mut self, other: Self);

    /// Whether elements may have expired that were last changed then or before.
    fn may_have_expired(&self, horizon: i64) -> bool;

    /// Drops them. Elements whose time is not known were last changed when the piece was.
    fn expire(&mut self, horizon: i64, changed_at: i64);
}

/// A key: some rows, and the number of the one that has it.
pub(crate) type Key<'a> = (&'a Rows, u32);

/// The collections of all keys.
pub(crate) struct Hashed<P> {
    /// The pieces, by number.
    pub(crate) table: Table<P>,
    /// So many bytes at the end of an element do not count for its hash.
    uncounted: usize,
    pub(crate) limits: Limits,
}

/// A key's pieces.
pub(crate) struct Found {
    /// The first of all.
    pub(crate) first: EntryId,
    /// Some of all.
    pub(crate) pieces: Vec<EntryId>,
}

impl<P: Piece> Hashed<P> {
    /// Opens the table with this name.
    pub(crate) fn open(
        name: &str,
        uncounted: usize,
        limits: Limits,
        context: &mut OpenContext,
    ) -> Result<Self, Failure> {
        Ok(Self { table: context.expiring_table(name)?, uncounted, limits })
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

    /// One piece of a key.
    pub(crate) fn piece(&mut self, (keys, row): Key<'_>, piece: u32) -> Result<EntryId, Failure> {
        let mut entries = Vec::with_capacity(1);
        self.table.hydrate(i64::from(piece), keys, Some(&[row]), &mut entries)?;
        self.drop_expired(entries[0]);
        Ok(entries[0])
    }

    /// The numbers of the pieces with which parts of a key begin that are read at once.
    pub(crate) fn starts(&self) -> impl Iterator<Item = u32> + use<P> {
        (0..).step_by(self.limits.pieces_at_once as usize)
    }

    /// The next pieces of keys, from the `from`-th on, at most as many of each as are read at once. After the last
    /// there is nothing, and the batch has ended.
    pub(crate) fn next_pieces(&mut self, keys: &Rows, rows: &[u32], from: u32) -> Result<Vec<Found>, Failure> {
        let mut firsts = Vec::with_capacity(rows.len());
        self.first_pieces(keys, rows, &mut firsts)?;
        let mut places = Vec::new();
        let mut found = Vec::with_capacity(rows.len());
        for (&row, &first) in rows.iter().zip(&firsts) {
            let end = self.more(first).saturating_add(1).min(from + self.limits.pieces_at_once);
            let pieces = if self.table.get(first).is_some() { from..end } else { 0..0 };
            found.push((first, pieces.len()));
            places.extend(pieces.map(|piece| (i64::from(piece), row)));
        }
        let mut entries = Vec::with_capacity(places.len());
        self.table.hydrate_places(keys, &places, &mut entries)?;
        entries.iter().for_each(|&entry| self.drop_expired(entry));
        if entries.is_empty() {
            self.end_batch()?;
            return Ok(Vec::new());
        }
        let mut entries = entries.into_iter();
        let found = found.into_iter().map(|(first, count)| (first, entries.by_ref().take(count).collect()));
        let found: Vec<_> = found.map(|(first, pieces)| Found { first, pieces }).collect();
        found.iter().for_each(|found| self.give_up_expired(found.first, from, &found.pieces));
        Ok(found)
    }

    /// Further pieces of a key, in order.
    pub(crate) fn pieces(
        &mut self,
        (keys, row): Key<'_>,
        pieces: RangeInclusive<u32>,
    ) -> Result<Vec<EntryId>, Failure> {
        let places: Vec<_> = pieces.map(|piece| (i64::from(piece), row)).collect();
        let mut entries = Vec::with_capacity(places.len());
        self.table.hydrate_places(keys, &places, &mut entries)?;
        entries.iter().for_each(|&entry| self.drop_expired(entry));
        Ok(entries)
    }

    /// Gives up the last pieces of a key of which nothing is left, if these from the `from`-th on are the last. Where
    /// nothing expires no such pieces stay.
    pub(crate) fn give_up_expired(&mut self, first: EntryId, from: u32, pieces: &[EntryId]) {
        let more = self.more(first);
        if self.table.horizon().is_none() || more == 0 || from + pieces.len() as u32 != more + 1 {
            return;
        }
        let is_left = |entry: &EntryId| self.table.get(*entry).is_some_and(|piece| !piece.is_empty());
        let further = &pieces[usize::from(from == 0)..];
        let gone = further.iter().rev().take_while(|entry| !is_left(entry)).count() as u32;
        if gone == 0 {
            return;
        }
        let slot = self.table.edit(first);
        if let Some(piece) = slot {
            piece.set_more(more - gone);
            if piece.is_empty() && piece.more() == 0 {
                *slot = None;
            }
        }
    }

    /// How many pieces a key has beside the first.
    pub(crate) fn more(&self, first: EntryId) -> u32 {
        self.table.get(first).map_or(0, P::more)
    }

    /// Changes the piece that has an element, or is to have it.
    pub(crate) fn change<R>(
        &mut self,
        key: Key<'_>,
        first: EntryId,
        element: &[u8],
        change: impl FnOnce(&mut P, Option<i64>) -> R,
    ) -> Result<R, Failure> {
        let more = self.more(first);
        let entry = self.bucket(key, first, self.bucket_of(element, more))?;
        if entry != first {
            self.keep_alive(first);
        }
        let (now, piece_bytes) = (self.table.now(), self.limits.piece_bytes);
        let piece = self.table.get_mut(entry).get_or_insert_default();
        let (was_empty, before) = (piece.is_empty(), piece.fills(piece_bytes));
        let result = change(piece, now);
        let (is_empty, after) = (piece.is_empty(), piece.fills(piece_bytes));
        // Equal elements cannot be split: not each one too many adds a piece.
        if more == 0 && after > 1 {
            self.cut(key, first, after)?;
        } else if after > before {
            self.split(key, first)?;
        } else if is_empty && !was_empty && more > 0 {
            self.shrink(key, first)?;
        }
        for entry in [first, entry] {
            let slot = self.table.get_mut(entry);
            if slot.as_ref().is_some_and(|piece| piece.is_empty() && piece.more() == 0) {
                *slot = None;
            }
        }
        Ok(result)
    }

    /// The piece with an element, if it is there.
    pub(crate) fn piece_of(&mut self, key: Key<'_>, first: EntryId, element: &[u8]) -> Result<EntryId, Failure> {
        let more = self.more(first);
        self.bucket(key, first, self.bucket_of(element, more))
    }

    /// Lets the first piece expire no earlier than what changes now.
    pub(crate) fn keep_alive(&mut self, first: EntryId) {
        if self.table.horizon().is_some() {
            self.table.get_mut(first);
        }
    }

    /// Ends the use of entries.
    pub(crate) fn end_batch(&mut self) -> Result<(), Failure> {
        self.table.end_batch()
    }

    /// Puts the table into a snapshot.
    pub(crate) fn snapshot(&mut self, snapshot: &mut Snapshot) -> Result<(), Failure> {
        snapshot.table(&mut self.table)
    }

    fn bucket_of(&self, element: &[u8], more: u32) -> u32 {
        bucket_of(key::hash(&element[..element.len() - self.uncounted]), more)
    }

    fn bucket(&mut self, key: Key<'_>, first: EntryId, piece: u32) -> Result<EntryId, Failure> {
        if piece == 0 { Ok(first) } else { self.piece(key, piece) }
    }

    fn drop_expired(&mut self, entry: EntryId) {
        let Some((horizon, piece)) = self.table.horizon().zip(self.table.get(entry)) else { return };
        if !piece.may_have_expired(horizon) {
            return;
        }
        let changed_at = self.table.changed_at(entry).unwrap_or(i64::MIN);
        let slot = self.table.edit(entry);
        if let Some(piece) = slot {
            piece.expire(horizon, changed_at);
            if piece.is_empty() && piece.more() == 0 {
                *slot = None;
            }
        }
    }

    /// Cuts a collection that an earlier build kept whole, or that has grown by much at once, into so many pieces,
    /// unless its elements are fewer.
    fn cut(&mut self, key: Key<'_>, first: EntryId, pieces: usize) -> Result<(), Failure> {
        while (self.more(first) as usize) < pieces && self.split(key, first)? {}
        Ok(())
    }

    /// Adds a piece with those elements of another that now belong there. Whether there are any.
    fn split(&mut self, key: Key<'_>, first: EntryId) -> Result<bool, Failure> {
        let more = self.more(first) + 1;
        let from = self.bucket(key, first, parent(more))?;
        let to = self.piece(key, more)?;
        self.table.get_mut(first).get_or_insert_default().set_more(more);
        let uncounted = self.uncounted;
        let moves = |row: &[u8]| bucket_of(key::hash(&row[..row.len() - uncounted]), more) == more;
        let moved = self.table.get_mut(from).as_mut().map(|all| all.split_off(moves));
        let moved = moved.filter(|moved| !moved.is_empty());
        let has_moved = moved.is_some();
        // Also if nothing comes: what was there has expired.
        *self.table.get_mut(to) = moved;
        Ok(has_moved)
    }

    /// Gives up the last piece, and those before it that are empty.
    fn shrink(&mut self, key: Key<'_>, first: EntryId) -> Result<(), Failure> {
        loop {
            self.merge(key, first)?;
            let more = self.more(first);
            if more == 0 {
                return Ok(());
            }
            let last = self.piece(key, more)?;
            if self.table.get(last).is_some_and(|piece| !piece.is_empty()) {
                return Ok(());
            }
        }
    }

    /// Gives the elements of the last piece back.
    fn merge(&mut self, key: Key<'_>, first: EntryId) -> Result<(), Failure> {
        let more = self.more(first);
        let from = self.piece(key, more)?;
        let to = self.bucket(key, first, parent(more))?;
        if let Some(elements) = self.table.get_mut(from).take() {
            self.table.get_mut(to).get_or_insert_default().append(elements);
        }
        self.table.get_mut(first).get_or_insert_default().set_more(more - 1);
        Ok(())
    }
}
