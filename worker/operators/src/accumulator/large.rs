//! Sets of values that have grown large: kept in pieces, so that a batch reads and writes only those with its own
//! values, however many there are.
//!
//! Namespace `n` of an object's table has the `n`-th piece of each group; a value's hash says in which it is
//! (`buckets`). The group itself keeps how many pieces there are ([`Pieces`]). For a batch pieces are taken out of the
//! table, and those that have changed are put back as such. What the table has of a piece that is added is of a group
//! that has expired, so it is not looked at.
//!
//! If state expires, each piece does by itself, once none of its values has come for a time.

#[cfg(test)]
mod frozen;
mod member;
mod pieces;

use std::ops::RangeInclusive;

use arrow::array::RecordBatch;
use dataflow::{OpenContext, Snapshot};
use hashbrown::{HashMap, hash_map::Entry};
use model::{Failure, row::Rows};
use state::{EntryId, StateValue, Table};

pub(super) use self::{
    member::{HashBytes, Member},
    pieces::{Large, Pieces},
};
use super::{
    Layout, Object, Work,
    argument::{Argument, Form, nulls},
    layout::ObjectSpec,
    object::ended,
};
use crate::{
    buckets::{bucket_of, parent},
    grouping::Groups,
    hashed::Key,
    limits::Limits,
};

/// The values of one piece, as a group would keep a `DISTINCT` set.
#[derive(Clone, Debug)]
struct Piece(Object);

impl StateValue for Piece {
    fn encode(&self, out: &mut Vec<u8>) {
        self.0.encode(out);
    }

    fn decode(mut bytes: &[u8]) -> Result<Self, Failure> {
        let object = Object::decode(&mut bytes)?;
        ended(bytes)?;
        Ok(Self(object))
    }

    fn size_bytes(&self) -> usize {
        size_of::<Self>() + self.0.heap_bytes()
    }
}

/// The rows that a batch brings.
#[derive(Clone, Copy)]
pub(crate) enum Coming<'a> {
    /// To be folded.
    Rows(&'a RecordBatch),
    /// Accumulators to be merged.
    Partial(&'a Work),
}

/// The tables with the pieces of large sets.
pub(crate) struct LargeSets {
    sets: Vec<LargeSet>,
}

/// An object that may grow large, in all groups.
struct LargeSet {
    object: usize,
    /// What its values are.
    column: usize,
    form: Form,
    /// Whether the least and the greatest value are asked for.
    ends: [bool; 2],
    table: Table<Piece>,
    limits: Limits,
}

/// Calls a function for the type that values of a form have in sets.
macro_rules! by_form {
    ($form:expr, $object:ident . $function:ident ( $($argument:expr),* )) => {
        match $form {
            Form::Decimal => $object.$function::<i128>($($argument),*),
            Form::Text | Form::Nested => $object.$function::<Box<[u8]>>($($argument),*),
            _ => $object.$function::<i64>($($argument),*),
        }
    };
}

impl LargeSets {
    pub(crate) fn open(layout: &Layout, context: &mut OpenContext) -> Result<Self, Failure> {
        let mut sets = Vec::new();
        for (object, spec) in layout.objects.iter().enumerate() {
            let (ObjectSpec::Distinct { argument, form, .. } | ObjectSpec::Multiset { argument, form, .. }) = spec
            else {
                continue;
            };
            let ends = [false, true].map(|max| layout.outcomes.iter().any(|outcome| outcome.is_end(object, max)));
            let table = context.expiring_table(&format!("values-{object}-v1"))?;
            let column = layout.arguments[*argument].column;
            sets.push(LargeSet { object, column, form: *form, ends, table, limits: layout.limits });
        }
        Ok(Self { sets })
    }

    /// Takes the pieces out that a batch needs, before it is folded into `work`.
    pub(crate) fn take(
        &mut self,
        coming: Coming<'_>,
        keys: &Rows,
        groups: &Groups,
        work: &mut Work,
    ) -> Result<(), Failure> {
        for set in &mut self.sets {
            if work.objects.iter().any(|objects| matches!(objects[set.object], Object::Large(_))) {
                by_form!(set.form, set.take(coming, keys, groups, work))?;
            }
        }
        Ok(())
    }

    /// Puts the pieces back once the batch is folded, and cuts sets that have grown into pieces.
    pub(crate) fn put_back(
        &mut self,
        layout: &Layout,
        keys: &Rows,
        groups: &Groups,
        work: &mut Work,
    ) -> Result<(), Failure> {
        for set in &mut self.sets {
            for group in 0..work.groups() {
                let is_left = work.exists(layout, group);
                let object = &mut work.objects[group][set.object];
                let key = (keys, groups.first_rows[group]);
                by_form!(set.form, set.put_back(key, object, is_left))?;
            }
            set.table.end_batch()?;
            for group in 0..work.groups() {
                let is_left = work.exists(layout, group);
                let object = &mut work.objects[group][set.object];
                let key = (keys, groups.first_rows[group]);
                if is_left {
                    by_form!(set.form, set.find_ends(key, object))?;
                } else {
                    by_form!(set.form, set.forget(key, object))?;
                }
            }
        }
        Ok(())
    }

    pub(crate) fn snapshot(&mut self, snapshot: &mut Snapshot) -> Result<(), Failure> {
        self.sets.iter_mut().try_for_each(|set| snapshot.table(&mut set.table))
    }
}

impl LargeSet {
    fn take<K: Member>(
        &mut self,
        coming: Coming<'_>,
        keys: &Rows,
        groups: &Groups,
        work: &mut Work,
    ) -> Result<(), Failure> {
        // The group and the number of each piece, and where the table has it.
        let (mut wanted, mut places) = (Vec::new(), Vec::new());
        let mut want = |row: usize, hash: u64| {
            let group = groups.of_row[row] as usize;
            let Some(pieces) = K::pieces(&mut work.objects[group][self.object]) else { return };
            let piece = bucket_of(hash, pieces.more);
            if let Entry::Vacant(place) = pieces.taken.entry(piece) {
                place.insert(pieces::Taken::default());
                wanted.push((group, piece));
                places.push((i64::from(piece), groups.first_rows[group]));
            }
        };
        match coming {
            Coming::Rows(columns) => {
                let column = columns.column(self.column);
                let (argument, nulls) = (Argument::new(column, self.form)?, nulls(column));
                let is_valid = |row: &usize| nulls.as_ref().is_none_or(|nulls| nulls.is_valid(*row));
                (0..column.len()).filter(is_valid).for_each(|row| want(row, argument.hash64(row)));
            }
            Coming::Partial(partial) => {
                for (row, objects) in partial.objects.iter().enumerate() {
                    let values = K::whole(&objects[self.object]).into_iter().flatten();
                    values.for_each(|(value, _)| want(row, value.hash64()));
                }
            }
        }
        let mut entries = Vec::with_capacity(places.len());
        self.table.hydrate_places(keys, &places, &mut entries)?;
        let renews = self.table.horizon().is_some();
        for ((group, piece), entry) in wanted.into_iter().zip(entries) {
            let values = self.values(entry);
            if let Some(pieces) = K::pieces(&mut work.objects[group][self.object]) {
                if renews {
                    // Some may have expired: what the piece has counts instead of what it should have on average.
                    pieces.values = pieces.values - pieces.values / (u64::from(pieces.more) + 1) + values.len() as u64;
                }
                pieces.taken.insert(piece, pieces::Taken { entry: Some(entry), values, has_changed: renews });
            }
        }
        Ok(())
    }

    /// Takes out what is in a piece.
    fn values<K: Member>(&mut self, entry: EntryId) -> HashMap<K, u64> {
        self.table.take(entry).and_then(|piece| K::into_whole(piece.0)).unwrap_or_default()
    }

    fn put_values<K: Member>(&mut self, entry: EntryId, values: HashMap<K, u64>, has_changed: bool) {
        let piece = (!values.is_empty()).then(|| Piece(K::from_whole(values)));
        self.table.put_back(entry, piece, has_changed);
    }

    /// Some pieces of a group.
    fn entries(
        &mut self,
        (keys, row): Key<'_>,
        pieces: impl IntoIterator<Item = u32>,
    ) -> Result<Vec<EntryId>, Failure> {
        let places: Vec<_> = pieces.into_iter().map(|piece| (i64::from(piece), row)).collect();
        let mut entries = Vec::with_capacity(places.len());
        self.table.hydrate_places(keys, &places, &mut entries)?;
        Ok(entries)
    }

    fn put_back<K: Member>(&mut self, key: Key<'_>, object: &mut Object, is_left: bool) -> Result<(), Failure> {
        if is_left && K::len(object) > self.limits.whole_values_max {
            let pieces = self.cut::<K>(key, object)?;
            *object = Object::Large(K::from_pieces(pieces));
            return Ok(());
        }
        let Some(pieces) = K::pieces(object) else { return Ok(()) };
        for (_, taken) in pieces.taken.drain() {
            if let Some(entry) = taken.entry {
                self.put_values(entry, taken.values, taken.has_changed);
            }
        }
        if !is_left {
            return Ok(());
        }
        let piece_values = self.limits.piece_values;
        while pieces.values > piece_values * (u64::from(pieces.more) + 1) && self.split(key, pieces)? {}
        // All at once they would be in memory together.
        for _ in 0..self.limits.pieces_at_once {
            if pieces.more == 0 || pieces.values >= piece_values * u64::from(pieces.more) / 2 {
                break;
            }
            self.merge(key, pieces)?;
        }
        Ok(())
    }

    /// Removes all pieces of a group.
    fn forget<K: Member>(&mut self, key: Key<'_>, object: &mut Object) -> Result<(), Failure> {
        let Some(pieces) = K::pieces(object) else { return Ok(()) };
        for part in parts(pieces.more, self.limits.pieces_at_once) {
            for entry in self.entries(key, part)? {
                *self.table.get_mut(entry) = None;
            }
            self.table.end_batch()?;
        }
        *object = K::from_whole(HashMap::new());
        Ok(())
    }

    /// Cuts a set into pieces.
    fn cut<K: Member>(&mut self, key: Key<'_>, object: &Object) -> Result<Pieces<K>, Failure> {
        let count = K::len(object) as u64;
        let more = u32::try_from(count / self.limits.piece_values).unwrap_or(u32::MAX);
        let mut pieces = Pieces::new(more, count, self.ends != [false; 2]);
        let mut cut: Vec<HashMap<K, u64>> = vec![HashMap::new(); more as usize + 1];
        K::each(object, &mut |value, count| {
            pieces.note(&value, true, self.limits.end_values_max);
            cut[bucket_of(value.hash64(), more) as usize].insert(value, count);
        });
        for (entry, values) in self.entries(key, 0..=more)?.into_iter().zip(cut) {
            self.put_values(entry, values, true);
        }
        Ok(pieces)
    }

    /// Adds a piece with the values that now belong there. Not if there are fewer than it is thought.
    fn split<K: Member>(&mut self, key: Key<'_>, pieces: &mut Pieces<K>) -> Result<bool, Failure> {
        let piece = pieces.more + 1;
        let [from, to] = self.entries(key, [parent(piece), piece])?[..] else { return Ok(false) };
        let values = self.values::<K>(from);
        if self.table.horizon().is_some() && (values.len() as u64) < self.limits.piece_values / 2 {
            // Most have expired.
            self.put_values(from, values, false);
            pieces.values = self.limits.piece_values * u64::from(piece);
            return Ok(false);
        }
        let (moved, kept) = values.into_iter().partition(|(value, _)| bucket_of(value.hash64(), piece) == piece);
        self.put_values::<K>(from, kept, true);
        self.put_values::<K>(to, moved, true);
        pieces.more = piece;
        Ok(true)
    }

    /// Gives the values of the last piece back.
    fn merge<K: Member>(&mut self, key: Key<'_>, pieces: &mut Pieces<K>) -> Result<(), Failure> {
        let piece = pieces.more;
        let [from, to] = self.entries(key, [piece, parent(piece)])?[..] else { return Ok(()) };
        let mut values = self.values::<K>(to);
        values.extend(self.values::<K>(from));
        self.put_values::<K>(to, values, true);
        self.put_values::<K>(from, HashMap::new(), true);
        pieces.more = piece - 1;
        Ok(())
    }

    /// Looks through all pieces if the least or the greatest value is asked for and not known any more.
    fn find_ends<K: Member>(&mut self, key: Key<'_>, object: &mut Object) -> Result<(), Failure> {
        let Some(pieces) = K::pieces(object) else { return Ok(()) };
        if !pieces.lacks_end(self.ends) {
            return Ok(());
        }
        pieces.forget_ends();
        // Some have expired since they were counted.
        pieces.values = 0;
        for part in parts(pieces.more, self.limits.pieces_at_once) {
            for entry in self.entries(key, part)? {
                let values = self.table.get(entry).and_then(|piece| K::whole(&piece.0));
                pieces.values += values.map_or(0, |values| values.len() as u64);
                let limit = self.limits.end_values_max;
                values.into_iter().flatten().for_each(|(value, _)| pieces.note(value, true, limit));
            }
            self.table.end_batch()?;
        }
        Ok(())
    }
}

/// All pieces of a group, in parts of so many that are in memory at once.
fn parts(more: u32, at_once: u32) -> impl Iterator<Item = RangeInclusive<u32>> {
    let starts = (0..=more).step_by(at_once as usize);
    starts.map(move |start| start..=more.min(start.saturating_add(at_once - 1)))
}
