//! Encoded rows as Arrow columns again. Bytes are not trusted: they may come from a damaged file.

use std::sync::Arc;

use arrow::{
    array::{
        Array, ArrayRef, AsArray, BinaryBuilder, BooleanBuilder, ListArray, MapArray, NullArray, PrimitiveBuilder,
        RecordBatch, StringBuilder, StructArray, new_null_array,
    },
    buffer::{NullBuffer, OffsetBuffer},
    datatypes::{
        ArrowPrimitiveType, DataType as Arrow, Date32Type, Decimal128Type, DurationMillisecondType, Float32Type,
        Float64Type, Int8Type, Int16Type, Int32Type, Int64Type, IntervalUnit, IntervalYearMonthType, SchemaRef,
        Time32MillisecondType, TimeUnit, TimestampMicrosecondType, TimestampMillisecondType, TimestampNanosecondType,
        TimestampSecondType,
    },
    error::ArrowError,
};

use super::{Fixed, NULL, PRESENT};
use crate::Failure;

/// Decodes rows into the columns of `schema`.
///
/// # Errors
/// Class `Data` when the bytes do not hold rows of this schema.
pub fn decode<'a>(schema: &SchemaRef, rows: impl IntoIterator<Item = &'a [u8]>) -> Result<RecordBatch, Failure> {
    let mut cursors: Vec<&[u8]> = rows.into_iter().collect();
    let columns = schema
        .fields()
        .iter()
        .map(|field| decode_column(field.data_type(), &mut cursors).map_err(|error| error.at(field.name())))
        .collect::<Result<Vec<_>, _>>()?;
    if cursors.iter().any(|rest| !rest.is_empty()) {
        return Err(Failure::data("a stored row is longer than its schema"));
    }
    let options = arrow::array::RecordBatchOptions::new().with_row_count(Some(cursors.len()));
    RecordBatch::try_new_with_options(Arc::clone(schema), columns, &options).map_err(damaged)
}

/// Arrow refuses what was decoded, e.g. a null where the schema has none: the bytes are not rows of the schema.
fn damaged(error: ArrowError) -> Failure {
    Failure::data(format!("a stored row does not have its schema: {error}"))
}

/// Decodes the next field of every row, moving each cursor behind it.
///
/// # Errors
/// As [`decode`].
pub fn decode_column(arrow: &Arrow, cursors: &mut [&[u8]]) -> Result<ArrayRef, Failure> {
    macro_rules! read {
        ($type:ty) => {
            decode_primitive::<$type>(arrow, cursors)
        };
    }
    with_primitive!(arrow, read, decode_other(arrow, cursors))
}

fn decode_primitive<T: ArrowPrimitiveType<Native: Fixed>>(
    arrow: &Arrow,
    cursors: &mut [&[u8]],
) -> Result<ArrayRef, Failure> {
    let mut builder = PrimitiveBuilder::<T>::with_capacity(cursors.len()).with_data_type(arrow.clone());
    for cursor in cursors {
        if tag(cursor)? {
            builder.append_value(T::Native::decoded(split(cursor, size_of::<T::Native>())?));
        } else {
            builder.append_null();
        }
    }
    Ok(Arc::new(builder.finish()))
}

fn decode_other(arrow: &Arrow, cursors: &mut [&[u8]]) -> Result<ArrayRef, Failure> {
    Ok(match arrow {
        Arrow::Null => {
            for cursor in cursors.iter_mut() {
                tag(cursor)?;
            }
            Arc::new(NullArray::new(cursors.len()))
        }
        Arrow::Boolean => {
            let mut builder = BooleanBuilder::with_capacity(cursors.len());
            for cursor in cursors {
                builder.append_option(if tag(cursor)? { Some(split(cursor, 1)?[0] != 0) } else { None });
            }
            Arc::new(builder.finish())
        }
        Arrow::Utf8 => {
            let mut builder = StringBuilder::with_capacity(cursors.len(), cursors.len() * 16);
            for cursor in cursors {
                if tag(cursor)? {
                    let text = std::str::from_utf8(sized(cursor)?)
                        .map_err(|_| Failure::data("a stored string is not UTF-8"))?;
                    builder.append_value(text);
                } else {
                    builder.append_null();
                }
            }
            Arc::new(builder.finish())
        }
        Arrow::Binary => {
            let mut builder = BinaryBuilder::with_capacity(cursors.len(), cursors.len() * 16);
            for cursor in cursors {
                if tag(cursor)? {
                    builder.append_value(sized(cursor)?);
                } else {
                    builder.append_null();
                }
            }
            Arc::new(builder.finish())
        }
        Arrow::Struct(fields) => decode_struct(fields, cursors)?,
        Arrow::List(item) => {
            let (offsets, nulls, mut items) = decode_list(item.data_type(), cursors)?;
            let values = items.pop().unwrap_or_else(|| new_null_array(item.data_type(), 0));
            Arc::new(ListArray::try_new(Arc::clone(item), offsets, values, nulls).map_err(damaged)?)
        }
        Arrow::Map(entry, sorted) => {
            let (offsets, nulls, mut items) = decode_list(entry.data_type(), cursors)?;
            let values = items.pop().unwrap_or_else(|| new_null_array(entry.data_type(), 0));
            let entries = values.as_struct().clone();
            Arc::new(MapArray::try_new(Arc::clone(entry), offsets, entries, nulls, *sorted).map_err(damaged)?)
        }
        other => return Err(Failure::internal(format!("arrow type {other} has no row encoding"))),
    })
}

fn decode_struct(fields: &arrow::datatypes::Fields, cursors: &mut [&[u8]]) -> Result<ArrayRef, Failure> {
    // The children of a null ROW are not stored: they are read from rows that are null throughout.
    let nulls_only = vec![NULL; fields.len()];
    let mut valid = Vec::with_capacity(cursors.len());
    let mut inner: Vec<&[u8]> = Vec::with_capacity(cursors.len());
    for cursor in cursors.iter_mut() {
        let present = tag(cursor)?;
        valid.push(present);
        inner.push(if present { cursor } else { &nulls_only });
    }
    let children =
        fields.iter().map(|field| decode_column(field.data_type(), &mut inner)).collect::<Result<Vec<_>, _>>()?;
    for ((cursor, rest), present) in cursors.iter_mut().zip(&inner).zip(&valid) {
        if *present {
            // The rest is the tail of what the cursor pointed at.
            *cursor = &cursor[cursor.len() - rest.len()..];
        }
    }
    let nulls = NullBuffer::from(valid);
    let nulls = (nulls.null_count() > 0).then_some(nulls);
    let length = cursors.len();
    Ok(Arc::new(StructArray::try_new_with_length(fields.clone(), children, nulls, length).map_err(damaged)?))
}

type ListParts = (OffsetBuffer<i32>, Option<NullBuffer>, Vec<ArrayRef>);

fn decode_list(item: &Arrow, cursors: &mut [&[u8]]) -> Result<ListParts, Failure> {
    let mut lengths = Vec::with_capacity(cursors.len());
    let mut valid = Vec::with_capacity(cursors.len());
    let mut pieces = Vec::new();
    for cursor in cursors {
        let present = tag(cursor)?;
        valid.push(present);
        let count = if present { length(cursor)? } else { 0 };
        lengths.push(count);
        for _ in 0..count {
            let mut one = [*cursor];
            pieces.push(decode_column(item, &mut one)?);
            *cursor = one[0];
        }
    }
    let pieces: Vec<&dyn Array> = pieces.iter().map(AsRef::as_ref).collect();
    let values = if pieces.is_empty() { Vec::new() } else { vec![arrow::compute::concat(&pieces)?] };
    let nulls = NullBuffer::from(valid);
    Ok((OffsetBuffer::from_lengths(lengths), (nulls.null_count() > 0).then_some(nulls), values))
}

#[inline]
fn split<'a>(cursor: &mut &'a [u8], length: usize) -> Result<&'a [u8], Failure> {
    let (value, rest) = cursor.split_at_checked(length).ok_or_else(|| Failure::data("a stored row ends too early"))?;
    *cursor = rest;
    Ok(value)
}

#[inline]
fn tag(cursor: &mut &[u8]) -> Result<bool, Failure> {
    match split(cursor, 1)?[0] {
        NULL => Ok(false),
        PRESENT => Ok(true),
        other => Err(Failure::data(format!("a stored row has the unknown tag {other}"))),
    }
}

fn length(cursor: &mut &[u8]) -> Result<usize, Failure> {
    let bytes = split(cursor, 4)?;
    Ok(u32::from_be_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]) as usize)
}

fn sized<'a>(cursor: &mut &'a [u8]) -> Result<&'a [u8], Failure> {
    let length = length(cursor)?;
    split(cursor, length)
}
