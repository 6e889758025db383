//! What a group keeps of a set that is kept in pieces.

use std::{cmp::Reverse, collections::BTreeSet};

use hashbrown::{HashMap, hash_map::Entry};
use model::Failure;
use state::EntryId;

use super::{
    super::object::{misfit, put_unsigned, unsigned},
    Member,
};
use crate::buckets::bucket_of;

/// Follows the form of the values if ends are known.
const WITH_ENDS: u128 = 8;

/// A set in pieces, by the form of its values.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Large {
    Ints(Pieces<i64>),
    Decimals(Pieces<i128>),
    Texts(Pieces<Box<[u8]>>),
}

/// How many pieces a set has, and those that a batch needs.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Pieces<K: Member> {
    /// Pieces beside the first.
    pub(super) more: u32,
    /// Values in all of them; if state expires, about.
    pub(super) values: u64,
    /// The least values and the greatest, where they are asked for.
    ends: Option<Box<(End<K>, End<Reverse<K>>)>>,
    pub(super) taken: HashMap<u32, Taken<K>>,
}

/// A piece that is worked on.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Taken<K: Member> {
    /// None until it is looked up.
    pub(super) entry: Option<EntryId>,
    pub(super) values: HashMap<K, u64>,
    pub(super) has_changed: bool,
}

impl<K: Member> Default for Taken<K> {
    fn default() -> Self {
        Self { entry: None, values: HashMap::new(), has_changed: false }
    }
}

/// The first values of a set by an order: all up to the last one here.
#[derive(Clone, Debug, PartialEq)]
struct End<T: Ord> {
    values: BTreeSet<T>,
    /// Whether there are no others.
    are_all: bool,
}

impl<T: Ord> Default for End<T> {
    fn default() -> Self {
        Self { values: BTreeSet::new(), are_all: true }
    }
}

impl<T: Ord> End<T> {
    /// Adds a value; at most `limit` are known.
    fn add(&mut self, value: T, limit: usize) {
        if self.are_all || self.values.last().is_some_and(|last| value < *last) {
            self.values.insert(value);
            if self.values.len() > limit {
                self.values.pop_last();
                self.are_all = false;
            }
        }
    }

    fn is_unknown(&self) -> bool {
        self.values.is_empty() && !self.are_all
    }

    fn encode(&self, out: &mut Vec<u8>, put: impl Fn(&T, &mut Vec<u8>)) {
        out.push(u8::from(self.are_all));
        put_unsigned(self.values.len() as u128, out);
        self.values.iter().for_each(|value| put(value, out));
    }

    fn decode(cursor: &mut &[u8], value: impl Fn(&mut &[u8]) -> Result<T, Failure>) -> Result<Self, Failure> {
        let are_all = unsigned(cursor)? != 0;
        let count = unsigned(cursor)?;
        Ok(Self { values: (0..count).map(|_| value(cursor)).collect::<Result<_, _>>()?, are_all })
    }
}

impl<K: Member> Pieces<K> {
    pub(super) fn new(more: u32, values: u64, has_ends: bool) -> Self {
        Self { more, values, ends: has_ends.then(Box::default), taken: HashMap::new() }
    }

    /// Changes the piece with the values of a hash; `change` says whether it did.
    ///
    /// # Errors
    /// Class `Internal` if the pieces of a batch's values were not taken before it is folded.
    #[inline]
    pub(in crate::accumulator) fn change(
        &mut self,
        hash: u64,
        change: impl FnOnce(&mut HashMap<K, u64>) -> bool,
    ) -> Result<(), Failure> {
        let piece = self.taken.get_mut(&bucket_of(hash, self.more));
        let piece = piece.ok_or_else(|| misfit("a piece of values that was not taken out"))?;
        let before = piece.values.len() as u64;
        piece.has_changed |= change(&mut piece.values);
        self.values = (self.values + piece.values.len() as u64).saturating_sub(before);
        Ok(())
    }

    /// Adds to a value's count; a value that is not there is not taken away. At most `limit` values are known at an end.
    ///
    /// # Errors
    /// As [`Self::change`].
    pub(in crate::accumulator) fn add(&mut self, value: K, weight: i64, limit: usize) -> Result<(), Failure> {
        let (mut came, mut is_gone) = (false, false);
        self.change(value.hash64(), |values| {
            let entry = values.entry(value.clone());
            let before = if let Entry::Occupied(entry) = &entry { *entry.get() } else { 0 };
            let after = before.saturating_add_signed(weight);
            (came, is_gone) = (before == 0 && after > 0, after == 0);
            match entry {
                Entry::Occupied(entry) if after == 0 => {
                    entry.remove();
                }
                Entry::Occupied(mut entry) => *entry.get_mut() = after,
                Entry::Vacant(entry) if after > 0 => {
                    entry.insert(after);
                }
                Entry::Vacant(_) => {}
            }
            before != after
        })?;
        // It may be known at an end even if its piece has expired.
        if came || is_gone {
            self.note(&value, came, limit);
        }
        Ok(())
    }

    /// A value has come, or gone. At most `limit` are known at an end.
    pub(super) fn note(&mut self, value: &K, came: bool, limit: usize) {
        let Some((least, greatest)) = self.ends.as_deref_mut() else { return };
        if came {
            least.add(value.clone(), limit);
            greatest.add(Reverse(value.clone()), limit);
        } else {
            least.values.remove(value);
            greatest.values.remove(&Reverse(value.clone()));
        }
    }

    /// The least value, or the greatest.
    pub(in crate::accumulator) fn end(&self, max: bool) -> Option<&K> {
        let (least, greatest) = self.ends.as_deref()?;
        if max { greatest.values.first().map(|value| &value.0) } else { least.values.first() }
    }

    /// Whether one of these ends is not known: the least value, the greatest.
    pub(super) fn lacks_end(&self, wanted: [bool; 2]) -> bool {
        let ends = self.ends.as_deref();
        ends.is_some_and(|(least, greatest)| wanted[0] && least.is_unknown() || wanted[1] && greatest.is_unknown())
    }

    /// Lets the ends be those of an empty set, for all values to be noted anew.
    pub(super) fn forget_ends(&mut self) {
        self.ends = Some(Box::default());
    }

    /// How many values are known at both ends.
    fn known_ends(&self) -> usize {
        self.ends.as_deref().map_or(0, |(least, greatest)| least.values.len() + greatest.values.len())
    }

    /// Appends the form of the values and whether ends are known, the numbers of further pieces and of values, the ends.
    fn encode(&self, form: u128, out: &mut Vec<u8>) {
        put_unsigned(if self.ends.is_some() { form | WITH_ENDS } else { form }, out);
        put_unsigned(self.more.into(), out);
        put_unsigned(self.values.into(), out);
        if let Some((least, greatest)) = self.ends.as_deref() {
            least.encode(out, K::encode);
            greatest.encode(out, |value, out| value.0.encode(out));
        }
    }

    fn decode(has_ends: bool, cursor: &mut &[u8]) -> Result<Self, Failure> {
        let damaged = |_| Failure::data("a stored set of values has too many pieces");
        let more = unsigned(cursor)?.try_into().map_err(damaged)?;
        let mut pieces = Self::new(more, unsigned(cursor)?.try_into().map_err(damaged)?, false);
        if has_ends {
            let least = End::decode(cursor, K::decode)?;
            pieces.ends = Some(Box::new((least, End::decode(cursor, |cursor| K::decode(cursor).map(Reverse))?)));
        }
        Ok(pieces)
    }
}

impl Large {
    /// Appends the stored form of what the group keeps.
    pub(in crate::accumulator) fn encode(&self, out: &mut Vec<u8>) {
        match self {
            Self::Ints(pieces) => pieces.encode(0, out),
            Self::Decimals(pieces) => pieces.encode(1, out),
            Self::Texts(pieces) => pieces.encode(2, out),
        }
    }

    pub(in crate::accumulator) fn decode(cursor: &mut &[u8]) -> Result<Self, Failure> {
        let form = unsigned(cursor)?;
        let has_ends = form & WITH_ENDS != 0;
        match form & !WITH_ENDS {
            0 => Pieces::decode(has_ends, cursor).map(Self::Ints),
            1 => Pieces::decode(has_ends, cursor).map(Self::Decimals),
            2 => Pieces::decode(has_ends, cursor).map(Self::Texts),
            _ => Err(Failure::data("a stored set of values has an unknown form")),
        }
    }

    /// Memory it takes beside itself.
    pub(in crate::accumulator) fn heap_bytes(&self) -> usize {
        const NODE: usize = 32;
        match self {
            Self::Ints(pieces) => pieces.known_ends() * (NODE + size_of::<i64>()),
            Self::Decimals(pieces) => pieces.known_ends() * (NODE + size_of::<i128>()),
            Self::Texts(pieces) => {
                let texts = pieces
                    .ends
                    .iter()
                    .flat_map(|ends| ends.0.values.iter().chain(ends.1.values.iter().map(|Reverse(value)| value)));
                texts.map(|text| NODE + size_of::<Box<[u8]>>() + text.len()).sum()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use model::ErrorClass;

    use super::*;

    #[test]
    fn a_piece_that_was_not_taken_out_is_an_error() {
        let mut pieces = Pieces::<i64>::new(3, 10, true);
        let failure = pieces.add(7, 1, 2).expect_err("not taken");
        assert_eq!(failure.class, ErrorClass::Internal);
        assert_eq!(pieces.values, 10);
    }
}
