//! The row encoding, version 1: how keys and stored rows look as bytes, in state, in savepoints and to the key hash.
//!
//! Each field is a tag byte (0 null, 1 present) followed, if present, by its value: integers, dates and times big
//! endian with the sign bit flipped (so that encoded integers sort as numbers), floats as their bits, booleans one
//! byte, decimals and timestamps of more than six digits 16 bytes like integers, strings and bytes a big-endian `u32`
//! length and the bytes, a `ROW` its fields, an `ARRAY` or `MAP` a `u32` count and its items. Equal rows have equal
//! bytes. The format is frozen.

#![expect(clippy::cast_possible_truncation, reason = "the stored form fixes these widths")]

use std::sync::Arc;

use arrow::{
    array::{Array, ArrayRef, AsArray, RecordBatch},
    compute::cast,
    datatypes::{
        ArrowPrimitiveType, DataType as Arrow, Date32Type, Decimal128Type, DurationMillisecondType, Float32Type,
        Float64Type, Int8Type, Int16Type, Int32Type, Int64Type, IntervalUnit, IntervalYearMonthType,
        Time32MillisecondType, TimeUnit, TimestampMicrosecondType, TimestampMillisecondType, TimestampNanosecondType,
        TimestampSecondType,
    },
};

use crate::Failure;

/// The version of this encoding, written into every state file.
pub const ENCODING_VERSION: u8 = 1;

const NULL: u8 = 0;
const PRESENT: u8 = 1;

/// Encodes the rows made of `columns`.
///
/// # Errors
/// Class `Internal` for a column type that no Flink type maps to.
pub fn encode(columns: &[ArrayRef], rows: usize) -> Result<Rows, Failure> {
    let columns = columns.iter().map(Column::new).collect::<Result<Vec<_>, _>>()?;
    let mut offsets = vec![0usize; rows + 1];
    for column in &columns {
        column.add_lengths(&mut offsets[1..]);
    }
    let mut total = 0;
    for offset in &mut offsets {
        total += *offset;
        *offset = total;
    }
    let mut bytes = vec![0u8; total];
    let mut cursors = offsets[..rows].to_vec();
    for column in &columns {
        column.write(&mut bytes, &mut cursors);
    }
    debug_assert!(cursors == offsets[1..], "every row is filled to its end");
    Ok(Rows::new(bytes, offsets))
}

/// As [`encode`], with the hash of each row.
///
/// # Errors
/// As [`encode`].
pub fn encode_keys(columns: &[ArrayRef], rows: usize) -> Result<Rows, Failure> {
    let mut keys = encode(columns, rows)?;
    keys.hash_all();
    Ok(keys)
}

/// Encodes all columns of a batch.
///
/// # Errors
/// As [`encode`].
pub fn encode_batch(batch: &RecordBatch) -> Result<Rows, Failure> {
    encode(batch.columns(), batch.num_rows())
}

/// A column ready to be written row by row.
enum Column {
    Fixed {
        width: usize,
        array: ArrayRef,
    },
    Variable {
        array: ArrayRef,
    },
    /// Nested values, encoded beforehand one by one (tag included).
    Nested {
        bytes: Vec<u8>,
        offsets: Vec<usize>,
    },
}

impl Column {
    fn new(array: &ArrayRef) -> Result<Self, Failure> {
        Ok(match array.data_type() {
            Arrow::Utf8 | Arrow::Binary => Self::Variable { array: Arc::clone(array) },
            Arrow::LargeUtf8 | Arrow::Utf8View => Self::Variable { array: cast(array, &Arrow::Utf8)? },
            Arrow::LargeBinary | Arrow::BinaryView | Arrow::FixedSizeBinary(_) => {
                Self::Variable { array: cast(array, &Arrow::Binary)? }
            }
            Arrow::Struct(_) | Arrow::List(_) | Arrow::Map(..) => {
                let mut bytes = Vec::new();
                let mut offsets = vec![0];
                for row in 0..array.len() {
                    encode_value(array, row, &mut bytes)?;
                    offsets.push(bytes.len());
                }
                Self::Nested { bytes, offsets }
            }
            other => Self::Fixed { width: fixed_width(other)?, array: Arc::clone(array) },
        })
    }

    fn add_lengths(&self, lengths: &mut [usize]) {
        match self {
            Self::Fixed { width, array } => match array.nulls() {
                None => lengths.iter_mut().for_each(|length| *length += 1 + width),
                Some(nulls) => {
                    for (row, length) in lengths.iter_mut().enumerate() {
                        *length += if nulls.is_valid(row) { 1 + width } else { 1 };
                    }
                }
            },
            Self::Variable { array } => {
                for (row, length) in lengths.iter_mut().enumerate() {
                    *length += if array.is_valid(row) { 5 + variable(array, row).len() } else { 1 };
                }
            }
            Self::Nested { offsets, .. } => {
                for (length, pair) in lengths.iter_mut().zip(offsets.windows(2)) {
                    *length += pair[1] - pair[0];
                }
            }
        }
    }

    fn write(&self, bytes: &mut [u8], cursors: &mut [usize]) {
        match self {
            Self::Fixed { array, .. } => write_fixed(array, bytes, cursors),
            Self::Variable { array } => {
                for (row, cursor) in cursors.iter_mut().enumerate() {
                    if array.is_null(row) {
                        put(bytes, cursor, &[NULL]);
                        continue;
                    }
                    let value = variable(array, row);
                    put(bytes, cursor, &[PRESENT]);
                    put(bytes, cursor, &(value.len() as u32).to_be_bytes());
                    put(bytes, cursor, value);
                }
            }
            Self::Nested { bytes: nested, offsets } => {
                for (cursor, pair) in cursors.iter_mut().zip(offsets.windows(2)) {
                    put(bytes, cursor, &nested[pair[0]..pair[1]]);
                }
            }
        }
    }
}

#[inline]
fn put(bytes: &mut [u8], cursor: &mut usize, value: &[u8]) {
    bytes[*cursor..*cursor + value.len()].copy_from_slice(value);
    *cursor += value.len();
}

#[inline]
fn variable(array: &ArrayRef, row: usize) -> &[u8] {
    match array.data_type() {
        Arrow::Utf8 => array.as_string::<i32>().value(row).as_bytes(),
        _ => array.as_binary::<i32>().value(row),
    }
}

fn fixed_width(arrow: &Arrow) -> Result<usize, Failure> {
    Ok(match arrow {
        Arrow::Null => 0,
        Arrow::Boolean | Arrow::Int8 => 1,
        Arrow::Int16 => 2,
        Arrow::Int32
        | Arrow::Float32
        | Arrow::Date32
        | Arrow::Time32(TimeUnit::Millisecond)
        | Arrow::Interval(IntervalUnit::YearMonth) => 4,
        Arrow::Int64 | Arrow::Float64 | Arrow::Timestamp(..) | Arrow::Duration(TimeUnit::Millisecond) => 8,
        Arrow::Decimal128(..) => 16,
        other => return Err(Failure::internal(format!("arrow type {other} has no row encoding"))),
    })
}

/// Values whose encoding has a fixed width.
trait Fixed: Copy {
    type Bytes: AsRef<[u8]>;
    fn encoded(self) -> Self::Bytes;
    fn decoded(bytes: &[u8]) -> Self;
}

macro_rules! fixed_integer {
    ($($type:ty),*) => {$(
        impl Fixed for $type {
            type Bytes = [u8; size_of::<$type>()];
            #[inline]
            fn encoded(self) -> Self::Bytes {
                (self ^ <$type>::MIN).to_be_bytes()
            }
            #[inline]
            fn decoded(bytes: &[u8]) -> Self {
                let mut value = [0u8; size_of::<$type>()];
                value.copy_from_slice(bytes);
                <$type>::from_be_bytes(value) ^ <$type>::MIN
            }
        }
    )*};
}
fixed_integer!(i8, i16, i32, i64, i128);

macro_rules! fixed_float {
    ($($type:ty),*) => {$(
        impl Fixed for $type {
            type Bytes = [u8; size_of::<$type>()];
            #[inline]
            fn encoded(self) -> Self::Bytes {
                // One zero, so that equal keys have equal bytes.
                (if self == 0.0 { 0.0 } else { self }).to_bits().to_be_bytes()
            }
            #[inline]
            fn decoded(bytes: &[u8]) -> Self {
                let mut value = [0u8; size_of::<$type>()];
                value.copy_from_slice(bytes);
                <$type>::from_be_bytes(value)
            }
        }
    )*};
}
fixed_float!(f32, f64);

/// Calls `$call!(ArrowPrimitiveType)` for the primitive type of `$arrow`, `$other` for all others.
macro_rules! with_primitive {
    ($arrow:expr, $call:ident, $other:expr) => {
        match $arrow {
            Arrow::Int8 => $call!(Int8Type),
            Arrow::Int16 => $call!(Int16Type),
            Arrow::Int32 => $call!(Int32Type),
            Arrow::Int64 => $call!(Int64Type),
            Arrow::Float32 => $call!(Float32Type),
            Arrow::Float64 => $call!(Float64Type),
            Arrow::Date32 => $call!(Date32Type),
            Arrow::Time32(TimeUnit::Millisecond) => $call!(Time32MillisecondType),
            Arrow::Timestamp(TimeUnit::Second, _) => $call!(TimestampSecondType),
            Arrow::Timestamp(TimeUnit::Millisecond, _) => $call!(TimestampMillisecondType),
            Arrow::Timestamp(TimeUnit::Microsecond, _) => $call!(TimestampMicrosecondType),
            Arrow::Timestamp(TimeUnit::Nanosecond, _) => $call!(TimestampNanosecondType),
            Arrow::Duration(TimeUnit::Millisecond) => $call!(DurationMillisecondType),
            Arrow::Interval(IntervalUnit::YearMonth) => $call!(IntervalYearMonthType),
            Arrow::Decimal128(..) => $call!(Decimal128Type),
            _ => $other,
        }
    };
}

fn write_fixed(array: &ArrayRef, bytes: &mut [u8], cursors: &mut [usize]) {
    macro_rules! write {
        ($type:ty) => {
            write_primitive::<$type>(array, bytes, cursors)
        };
    }
    with_primitive!(array.data_type(), write, {
        for (row, cursor) in cursors.iter_mut().enumerate() {
            match array.as_boolean_opt().filter(|array| array.is_valid(row)) {
                Some(array) => put(bytes, cursor, &[PRESENT, u8::from(array.value(row))]),
                None => put(bytes, cursor, &[NULL]),
            }
        }
    });
}

fn write_primitive<T: ArrowPrimitiveType<Native: Fixed>>(array: &ArrayRef, bytes: &mut [u8], cursors: &mut [usize]) {
    let array = array.as_primitive::<T>();
    let values = array.values();
    for (row, cursor) in cursors.iter_mut().enumerate() {
        if array.is_null(row) {
            put(bytes, cursor, &[NULL]);
        } else {
            put(bytes, cursor, &[PRESENT]);
            put(bytes, cursor, values[row].encoded().as_ref());
        }
    }
}

/// Appends the encoding of one value, tag included.
///
/// # Errors
/// As [`encode`].
pub fn encode_value(array: &ArrayRef, row: usize, out: &mut Vec<u8>) -> Result<(), Failure> {
    if array.is_null(row) || array.data_type() == &Arrow::Null {
        out.push(NULL);
        return Ok(());
    }
    out.push(PRESENT);
    match array.data_type() {
        Arrow::Boolean => out.push(u8::from(array.as_boolean().value(row))),
        Arrow::Utf8 | Arrow::Binary => {
            let value = variable(array, row);
            out.extend_from_slice(&(value.len() as u32).to_be_bytes());
            out.extend_from_slice(value);
        }
        Arrow::Struct(_) => {
            for column in array.as_struct().columns() {
                encode_value(column, row, out)?;
            }
        }
        Arrow::List(_) => encode_items(&array.as_list::<i32>().value(row), out)?,
        Arrow::Map(..) => {
            let entries: ArrayRef = Arc::new(array.as_map().value(row));
            encode_items(&entries, out)?;
        }
        other => {
            macro_rules! push {
                ($type:ty) => {
                    out.extend_from_slice(array.as_primitive::<$type>().value(row).encoded().as_ref())
                };
            }
            with_primitive!(other, push, {
                return Err(Failure::internal(format!("arrow type {other} has no row encoding")));
            });
        }
    }
    Ok(())
}

fn encode_items(items: &ArrayRef, out: &mut Vec<u8>) -> Result<(), Failure> {
    out.extend_from_slice(&(items.len() as u32).to_be_bytes());
    for item in 0..items.len() {
        encode_value(items, item, out)?;
    }
    Ok(())
}

mod decode;
mod rows;
pub use self::{
    decode::{decode, decode_column},
    rows::Rows,
};

#[cfg(test)]
mod tests;
