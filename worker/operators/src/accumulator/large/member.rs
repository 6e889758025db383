//! The types that values have in sets.

#![expect(
    clippy::cast_sign_loss,
    reason = "positions are bounded by a batch; hashes and times are reinterpreted bit by bit"
)]

use std::hash::Hash;

use hashbrown::HashMap;
use model::{Failure, key};

use super::{
    super::{
        Object,
        argument::Argument,
        object::{bytes, int, put_bytes, put_signed, signed},
    },
    Large, Pieces,
};

/// A value of sets that may grow large.
pub(crate) trait Member: Clone + Ord + Hash {
    /// Says in which piece the value is.
    fn hash64(&self) -> u64;
    /// The values of a piece, or that a group keeps together without order, each with what is known of it.
    fn whole(object: &Object) -> Option<&HashMap<Self, u64>>;
    /// As [`Self::whole`], taken out of the object.
    fn into_whole(object: Object) -> Option<HashMap<Self, u64>>;
    /// The inverse of [`Self::into_whole`].
    fn from_whole(values: HashMap<Self, u64>) -> Object;
    /// How many values a group keeps together, in order or without.
    fn len(object: &Object) -> usize;
    /// Calls a function for each of them.
    fn each(object: &Object, call: &mut dyn FnMut(Self, u64));
    /// What a group keeps of a set in pieces.
    fn pieces(object: &mut Object) -> Option<&mut Pieces<Self>>;
    /// The inverse of [`Self::pieces`].
    fn from_pieces(pieces: Pieces<Self>) -> Large;
    /// Appends the stored form.
    fn encode(&self, out: &mut Vec<u8>);
    /// Reads the stored form and moves the cursor behind it.
    fn decode(cursor: &mut &[u8]) -> Result<Self, Failure>;
}

macro_rules! member {
    ($value:ty, $set:ident, $multiset:ident, $large:ident, $put:expr, $get:expr, $of:expr) => {
        impl Member for $value {
            fn hash64(&self) -> u64 {
                self.hash_bytes()
            }
            fn whole(object: &Object) -> Option<&HashMap<Self, u64>> {
                if let Object::$set(values) = object { Some(values) } else { None }
            }
            fn into_whole(object: Object) -> Option<HashMap<Self, u64>> {
                if let Object::$set(values) = object { Some(values) } else { None }
            }
            fn from_whole(values: HashMap<Self, u64>) -> Object {
                Object::$set(values)
            }
            fn len(object: &Object) -> usize {
                match object {
                    Object::$set(values) => values.len(),
                    Object::$multiset(values) => values.len(),
                    _ => 0,
                }
            }
            fn each(object: &Object, call: &mut dyn FnMut(Self, u64)) {
                match object {
                    Object::$set(values) => values.iter().for_each(|(value, &seen)| call(value.clone(), seen)),
                    Object::$multiset(values) => {
                        values.iter().for_each(|(value, &count)| call($of(value), count.max(0) as u64));
                    }
                    _ => {}
                }
            }
            fn pieces(object: &mut Object) -> Option<&mut Pieces<Self>> {
                if let Object::Large(Large::$large(pieces)) = object { Some(pieces) } else { None }
            }
            fn from_pieces(pieces: Pieces<Self>) -> Large {
                Large::$large(pieces)
            }
            fn encode(&self, out: &mut Vec<u8>) {
                $put(self, out);
            }
            fn decode(cursor: &mut &[u8]) -> Result<Self, Failure> {
                $get(cursor)
            }
        }
    };
}

member!(
    i64,
    DistinctInts,
    Ints,
    Ints,
    |value: &i64, out: &mut Vec<u8>| put_signed(i128::from(*value), out),
    int,
    |value: &i64| *value
);
member!(
    i128,
    DistinctDecimals,
    Decimals,
    Decimals,
    |value: &i128, out: &mut Vec<u8>| put_signed(*value, out),
    signed,
    |value: &i128| *value
);
member!(
    Box<[u8]>,
    DistinctTexts,
    Texts,
    Texts,
    |value: &[u8], out: &mut Vec<u8>| put_bytes(value, out),
    |cursor: &mut &[u8]| bytes(cursor).map(Box::from),
    |value: &[u8]| Box::from(value)
);

/// The hash by which values are in pieces: part of what is stored.
pub(crate) trait HashBytes {
    /// The hash of its bytes.
    fn hash_bytes(&self) -> u64;
}

impl HashBytes for i64 {
    #[inline]
    fn hash_bytes(&self) -> u64 {
        key::hash(&self.to_le_bytes())
    }
}

impl HashBytes for i128 {
    #[inline]
    fn hash_bytes(&self) -> u64 {
        key::hash(&self.to_le_bytes())
    }
}

impl HashBytes for [u8] {
    #[inline]
    fn hash_bytes(&self) -> u64 {
        key::hash(self)
    }
}

impl Argument {
    /// Of the value in a row, as sets have it.
    pub(super) fn hash64(&self, row: usize) -> u64 {
        match self {
            Self::Int(values) => values[row].hash_bytes(),
            Self::Decimal(values) => values[row].hash_bytes(),
            _ => self.bytes(row).hash_bytes(),
        }
    }
}
