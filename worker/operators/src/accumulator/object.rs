//! What a group keeps outside its words: strings, multisets, sets of distinct values, lists, counted values, numbers.

#![expect(
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    clippy::cast_sign_loss,
    reason = "positions are bounded by a batch; hashes and times are reinterpreted bit by bit"
)]

use std::{collections::BTreeMap, sync::Arc};

use hashbrown::HashMap;
use model::Failure;

use super::{
    argument::Form,
    collection::{Counted, Keep, List},
    large::Large,
    layout::ObjectSpec,
};
use crate::limits::Limits;

/// Bytes of a string. Shared, so that it can be put out without a copy.
pub(crate) type Text = Arc<[u8]>;

/// The tag of values that are kept elsewhere.
const LARGE: u8 = 16;

/// See [`ObjectSpec`].
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Object {
    Text(Option<Text>),
    Ints(BTreeMap<i64, i64>),
    Decimals(BTreeMap<i128, i64>),
    Texts(BTreeMap<Text, i64>),
    DistinctInts(HashMap<i64, u64>),
    DistinctDecimals(HashMap<i128, u64>),
    DistinctTexts(HashMap<Box<[u8]>, u64>),
    /// Values that are kept in pieces elsewhere.
    Large(Large),
    /// Values in the row encoding.
    List(List),
    /// Values in the row encoding, equal ones once.
    Counted(Box<Counted>),
    /// Numbers as integers that sort alike.
    Numbers(BTreeMap<i64, i64>),
}

impl Object {
    /// The object of a group without rows.
    pub(crate) fn new(spec: &ObjectSpec) -> Self {
        match spec {
            ObjectSpec::Text { .. } => Self::Text(None),
            ObjectSpec::Multiset { form, .. } => match form {
                Form::Int | Form::Float | Form::OrderedFloat | Form::Real => Self::Ints(BTreeMap::new()),
                Form::Decimal => Self::Decimals(BTreeMap::new()),
                Form::Text | Form::Nested => Self::Texts(BTreeMap::new()),
            },
            ObjectSpec::Distinct { form, .. } => match form {
                Form::Int | Form::Float | Form::OrderedFloat | Form::Real => Self::DistinctInts(HashMap::new()),
                Form::Decimal => Self::DistinctDecimals(HashMap::new()),
                Form::Text | Form::Nested => Self::DistinctTexts(HashMap::new()),
            },
            ObjectSpec::Collection { keep: Keep::Counted, .. } => Self::Counted(Box::default()),
            ObjectSpec::Collection { .. } => Self::List(List::default()),
            ObjectSpec::Numbers { .. } => Self::Numbers(BTreeMap::new()),
        }
    }

    /// Memory it takes beside itself.
    pub(crate) fn heap_bytes(&self) -> usize {
        const NODE: usize = 16;
        const TEXT: usize = 32;
        match self {
            Self::Text(text) => text.as_ref().map_or(0, |text| text.len() + 16),
            Self::Ints(map) | Self::Numbers(map) => map.len() * (16 + NODE),
            Self::Decimals(map) => map.len() * (24 + NODE),
            Self::DistinctInts(map) => map.allocation_size(),
            Self::DistinctDecimals(map) => map.allocation_size(),
            // An estimate: walking all strings for each change would cost more than it is worth.
            Self::DistinctTexts(map) => map.allocation_size() + map.len() * TEXT,
            Self::Texts(map) => map.len() * (24 + NODE + TEXT),
            Self::Large(large) => large.heap_bytes(),
            Self::List(list) => list.heap_bytes(),
            Self::Counted(counted) => counted.heap_bytes(),
        }
    }

    /// Appends the stored form: a tag, then the entries in order of their values, or of their arrival if that matters.
    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        match self {
            Self::Text(None) => out.push(0),
            Self::Text(Some(text)) => {
                out.push(1);
                put_bytes(text, out);
            }
            Self::Ints(map) => encode_map(2, map.iter(), out, |key, out| put_signed(i128::from(*key), out)),
            Self::Decimals(map) => encode_map(3, map.iter(), out, |key, out| put_signed(*key, out)),
            Self::Texts(map) => encode_map(4, map.iter(), out, |key, out| put_bytes(key, out)),
            Self::DistinctInts(map) => {
                encode_map(5, sorted(map).into_iter(), out, |key, out| put_signed(i128::from(*key), out));
            }
            Self::DistinctDecimals(map) => {
                encode_map(6, sorted(map).into_iter(), out, |key, out| put_signed(*key, out));
            }
            Self::DistinctTexts(map) => encode_map(7, sorted(map).into_iter(), out, |key, out| put_bytes(key, out)),
            Self::Large(large) => {
                out.push(LARGE);
                large.encode(out);
            }
            Self::List(list) => {
                out.push(8);
                put_unsigned(list.len() as u128, out);
                list.iter().for_each(|value| put_bytes(value, out));
            }
            Self::Counted(counted) => {
                out.push(9);
                put_unsigned(counted.len() as u128, out);
                for (value, count) in counted.iter() {
                    put_bytes(value, out);
                    put_signed(count.into(), out);
                }
            }
            Self::Numbers(map) => encode_map(10, map.iter(), out, |key, out| put_signed(i128::from(*key), out)),
        }
    }

    /// Reads the stored form and moves the cursor behind it.
    pub(crate) fn decode(cursor: &mut &[u8]) -> Result<Self, Failure> {
        Ok(match take(cursor, 1)?[0] {
            0 => Self::Text(None),
            1 => Self::Text(Some(bytes(cursor)?.into())),
            2 => Self::Ints(decode_map(cursor, int)?),
            3 => Self::Decimals(decode_map(cursor, signed)?),
            4 => Self::Texts(decode_map(cursor, |cursor| Ok(bytes(cursor)?.into()))?),
            5 => Self::DistinctInts(decode_map(cursor, int)?),
            6 => Self::DistinctDecimals(decode_map(cursor, signed)?),
            7 => Self::DistinctTexts(decode_map(cursor, |cursor| Ok(bytes(cursor)?.into()))?),
            LARGE => Self::Large(Large::decode(cursor)?),
            8 => Self::List(decode_list(cursor)?),
            9 => Self::Counted(decode_counted(cursor)?),
            10 => Self::Numbers(decode_map(cursor, int)?),
            other => return Err(Failure::data(format!("a stored accumulator has the unknown tag {other}"))),
        })
    }
}

/// What a group keeps, or a row brings, is of another kind than the layout says: a defect of the engine.
#[cold]
pub(super) fn misfit(what: &str) -> Failure {
    Failure::internal(format!("an accumulator does not fit its aggregate function: {what}"))
}

fn sorted<K: Ord, V>(map: &HashMap<K, V>) -> Vec<(&K, &V)> {
    let mut entries: Vec<_> = map.iter().collect();
    entries.sort_unstable_by(|a, b| a.0.cmp(b.0));
    entries
}

fn encode_map<'a, K: 'a, V: Copy + TryInto<i128> + 'a>(
    tag: u8,
    entries: impl ExactSizeIterator<Item = (&'a K, &'a V)>,
    out: &mut Vec<u8>,
    key: impl Fn(&K, &mut Vec<u8>),
) {
    out.push(tag);
    put_unsigned(entries.len() as u128, out);
    for (value, count) in entries {
        key(value, out);
        put_signed((*count).try_into().unwrap_or_default(), out);
    }
}

fn decode_map<K, V: TryFrom<i128>, M: FromIterator<(K, V)>>(
    cursor: &mut &[u8],
    key: impl Fn(&mut &[u8]) -> Result<K, Failure>,
) -> Result<M, Failure> {
    let entries = unsigned(cursor)?;
    (0..entries)
        .map(|_| {
            let value = key(cursor)?;
            let count = signed(cursor)?
                .try_into()
                .map_err(|_| Failure::data("a stored accumulator's count is out of range"))?;
            Ok((value, count))
        })
        .collect()
}

fn decode_list(cursor: &mut &[u8]) -> Result<List, Failure> {
    let mut list = List::default();
    for _ in 0..unsigned(cursor)? {
        list.push(bytes(cursor)?);
    }
    Ok(list)
}

fn decode_counted(cursor: &mut &[u8]) -> Result<Box<Counted>, Failure> {
    let mut counted = Box::<Counted>::default();
    for _ in 0..unsigned(cursor)? {
        let value = bytes(cursor)?;
        counted.add(value, int(cursor)?, &Limits::default());
    }
    Ok(counted)
}

/// Appends 7 bits a byte, lowest first.
#[inline]
pub(crate) fn put_unsigned(mut value: u128, out: &mut Vec<u8>) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// Appends a signed value; small magnitudes are short.
#[inline]
pub(crate) fn put_signed(value: i128, out: &mut Vec<u8>) {
    put_unsigned(((value << 1) ^ (value >> 127)) as u128, out);
}

/// The inverse of [`put_unsigned`].
pub(crate) fn unsigned(cursor: &mut &[u8]) -> Result<u128, Failure> {
    let mut value = 0u128;
    for shift in (0..128).step_by(7) {
        let byte = take(cursor, 1)?[0];
        value |= u128::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Ok(value);
        }
    }
    Err(Failure::data("a stored accumulator's number is too long"))
}

/// The inverse of [`put_signed`].
pub(crate) fn signed(cursor: &mut &[u8]) -> Result<i128, Failure> {
    let value = unsigned(cursor)?;
    Ok((value >> 1) as i128 ^ -((value & 1) as i128))
}

/// A signed value of 64 bits.
pub(crate) fn int(cursor: &mut &[u8]) -> Result<i64, Failure> {
    signed(cursor)?.try_into().map_err(|_| Failure::data("a stored accumulator's number is out of range"))
}

/// Checks that nothing follows what was read.
pub(crate) fn ended(cursor: &[u8]) -> Result<(), Failure> {
    if cursor.is_empty() { Ok(()) } else { Err(Failure::data("bytes follow the stored accumulators")) }
}

/// Appends the length and bytes.
pub(crate) fn put_bytes(bytes: &[u8], out: &mut Vec<u8>) {
    put_unsigned(bytes.len() as u128, out);
    out.extend_from_slice(bytes);
}

/// The inverse of [`put_bytes`].
pub(crate) fn bytes<'a>(cursor: &mut &'a [u8]) -> Result<&'a [u8], Failure> {
    // More bytes than can be addressed are not there.
    let length = unsigned(cursor)?.try_into().unwrap_or(usize::MAX);
    take(cursor, length)
}

fn take<'a>(cursor: &mut &'a [u8], length: usize) -> Result<&'a [u8], Failure> {
    let (head, rest) =
        cursor.split_at_checked(length).ok_or_else(|| Failure::data("a stored accumulator ends too early"))?;
    *cursor = rest;
    Ok(head)
}
