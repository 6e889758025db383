//! Casts to text, and between byte strings.

#![expect(clippy::cast_sign_loss, reason = "SQL arithmetic wraps as Java's; positions are bounded by a batch")]

use std::{
    fmt::{self, Write},
    sync::Arc,
};

use arrow::{
    array::{Array, ArrayRef, ArrowPrimitiveType, AsArray, BinaryArray, BinaryBuilder, StringArray, StringBuilder},
    datatypes::{
        Date32Type, Decimal128Type, DurationMillisecondType, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type,
        Int64Type, IntervalYearMonthType, Time32MillisecondType, TimestampMillisecondType,
    },
};
use model::{DataType, Failure, timestamp};
use values::{calendar, number};

use super::argument;
use crate::{coercion::is_text, function::Kernel};

/// A kernel that writes values as text; none if they are text already and short enough.
pub(super) fn kernel(from: &DataType, to: &DataType) -> Result<Option<Kernel>, Failure> {
    if is_text(from) {
        return Ok(match to {
            DataType::Varchar(length) if fits(from, *length) => None,
            DataType::Varchar(length) => {
                let length = *length as usize;
                Some(Arc::new(move |inputs| truncate(argument(inputs)?, length)))
            }
            DataType::Char(length) => {
                let length = *length as usize;
                Some(Arc::new(move |inputs| pad(&truncate(argument(inputs)?, length)?, length)))
            }
            _ => None,
        });
    }
    let limit = match to {
        DataType::Char(length) | DataType::Varchar(length) => Some(*length as usize),
        _ => None,
    };
    let padded = matches!(to, DataType::Char(_));
    let from = from.clone();
    Ok(Some(Arc::new(move |inputs| {
        let written = write_all(argument(inputs)?, &from)?;
        let Some(length) = limit else { return Ok(written) };
        let cut = truncate(&written, length)?;
        if padded { pad(&cut, length) } else { Ok(cut) }
    })))
}

fn fits(from: &DataType, length: u32) -> bool {
    matches!(from, DataType::Char(known) | DataType::Varchar(known) if *known <= length)
}

/// A kernel that cuts or pads bytes; none if they are short enough.
pub(super) fn bytes_kernel(from: &DataType, to: &DataType) -> Option<Kernel> {
    let (length, padded) = match (from, to) {
        (DataType::Binary(known) | DataType::Varbinary(known), DataType::Varbinary(length)) if known <= length => {
            return None;
        }
        (_, DataType::Varbinary(length)) => (*length as usize, false),
        (_, DataType::Binary(length)) => (*length as usize, true),
        _ => return None,
    };
    Some(Arc::new(move |inputs| {
        let array: &BinaryArray = argument(inputs)?.as_binary();
        let mut out = BinaryBuilder::new();
        let mut buffer = Vec::new();
        for value in array {
            let Some(value) = value else {
                out.append_null();
                continue;
            };
            buffer.clear();
            buffer.extend_from_slice(&value[..value.len().min(length)]);
            if padded {
                buffer.resize(length, 0);
            }
            out.append_value(&buffer);
        }
        Ok(Arc::new(out.finish()))
    }))
}

fn truncate(array: &ArrayRef, length: usize) -> Result<ArrayRef, Failure> {
    let texts = array.as_string_opt::<i32>().ok_or_else(|| Failure::internal("text is expected"))?;
    // Bytes are at least as many as characters.
    if texts.offsets().windows(2).all(|pair| (pair[1] - pair[0]) as usize <= length) {
        return Ok(Arc::clone(array));
    }
    let cut: StringArray = texts
        .iter()
        .map(|text| text.map(|text| text.char_indices().nth(length).map_or(text, |(end, _)| &text[..end])))
        .collect();
    Ok(Arc::new(cut))
}

fn pad(array: &ArrayRef, length: usize) -> Result<ArrayRef, Failure> {
    let mut out = StringBuilder::new();
    for text in array.as_string::<i32>() {
        match text {
            None => out.append_null(),
            Some(text) => {
                let missing = length.saturating_sub(text.chars().count());
                write!(out, "{text}{:missing$}", "").map_err(|_| Failure::internal("text cannot be written"))?;
                out.append_value("");
            }
        }
    }
    Ok(Arc::new(out.finish()))
}

/// Writes each value with a function that is known at compile time.
fn write_each<T: ArrowPrimitiveType>(
    array: &ArrayRef,
    write: impl Fn(&mut StringBuilder, T::Native) -> fmt::Result,
) -> Result<ArrayRef, Failure> {
    let mut out = StringBuilder::with_capacity(array.len(), array.len() * 16);
    for value in array.as_primitive::<T>() {
        match value {
            None => out.append_null(),
            Some(value) => {
                write(&mut out, value).map_err(|_| Failure::internal("text cannot be written"))?;
                out.append_value("");
            }
        }
    }
    Ok(Arc::new(out.finish()))
}

fn write_all(array: &ArrayRef, from: &DataType) -> Result<ArrayRef, Failure> {
    match from {
        DataType::Int => return write_each::<Int32Type>(array, |out, value| write_integer(out, value.into())),
        DataType::BigInt => return write_each::<Int64Type>(array, write_integer),
        DataType::Timestamp(precision @ 0..=3) | DataType::TimestampLtz(precision @ 0..=3) => {
            let precision = *precision;
            return write_each::<TimestampMillisecondType>(array, |out, millis| {
                calendar::write_timestamp(out, millis, 0, precision)
            });
        }
        _ => {}
    }
    let mut out = StringBuilder::with_capacity(array.len(), array.len() * 12);
    for row in 0..array.len() {
        if array.is_null(row) {
            out.append_null();
            continue;
        }
        if let DataType::Binary(_) | DataType::Varbinary(_) | DataType::Bytes = from {
            out.append_value(String::from_utf8_lossy(array.as_binary::<i32>().value(row)));
            continue;
        }
        write_value(&mut out, array, from, row).map_err(|_| Failure::internal(format!("{from} cannot be written")))?;
        out.append_value("");
    }
    Ok(Arc::new(out.finish()))
}

fn write_integer(out: &mut StringBuilder, value: i64) -> fmt::Result {
    calendar::write_padded(out, value, 1)
}

/// Writes one value that is not null as `CAST(… AS STRING)` does.
#[expect(clippy::too_many_lines, reason = "one arm for each type")]
pub(crate) fn write_value(out: &mut dyn Write, array: &ArrayRef, from: &DataType, row: usize) -> fmt::Result {
    let mut out = out;
    match from {
        DataType::NotNull(inner) => write_value(out, array, inner, row),
        DataType::Null => out.write_str("NULL"),
        DataType::Boolean => out.write_str(if array.as_boolean().value(row) { "TRUE" } else { "FALSE" }),
        DataType::TinyInt => write!(out, "{}", array.as_primitive::<Int8Type>().value(row)),
        DataType::SmallInt => write!(out, "{}", array.as_primitive::<Int16Type>().value(row)),
        DataType::Int => write!(out, "{}", array.as_primitive::<Int32Type>().value(row)),
        DataType::BigInt => write!(out, "{}", array.as_primitive::<Int64Type>().value(row)),
        DataType::Float => number::write_float(&mut out, array.as_primitive::<Float32Type>().value(row)),
        DataType::Double => number::write_double(&mut out, array.as_primitive::<Float64Type>().value(row)),
        DataType::Decimal(_, scale) => {
            number::write_decimal(&mut out, array.as_primitive::<Decimal128Type>().value(row), *scale)
        }
        DataType::Char(_) | DataType::Varchar(_) | DataType::String => {
            out.write_str(array.as_string::<i32>().value(row))
        }
        DataType::Binary(_) | DataType::Varbinary(_) | DataType::Bytes => {
            out.write_str(&String::from_utf8_lossy(array.as_binary::<i32>().value(row)))
        }
        DataType::Date => calendar::write_date(&mut out, i64::from(array.as_primitive::<Date32Type>().value(row))),
        DataType::Time(precision) => {
            let millis = i64::from(array.as_primitive::<Time32MillisecondType>().value(row));
            calendar::write_time(&mut out, millis, *precision)
        }
        DataType::Timestamp(precision) | DataType::TimestampLtz(precision) => {
            let instant = timestamp::instant_at(array, row).ok_or(fmt::Error)?;
            calendar::write_timestamp(&mut out, instant.millis, instant.nanos, *precision)
        }
        DataType::IntervalDayTime => {
            write_interval(&mut out, array.as_primitive::<DurationMillisecondType>().value(row))
        }
        DataType::IntervalYearMonth => {
            let months = array.as_primitive::<IntervalYearMonthType>().value(row);
            let sign = if months < 0 { '-' } else { '+' };
            write!(out, "{sign}{}-{:02}", months.abs() / 12, months.abs() % 12)
        }
        DataType::Row(fields) => {
            let row_array = array.as_struct();
            out.write_str("(")?;
            for (index, field) in fields.iter().enumerate() {
                if index > 0 {
                    out.write_str(", ")?;
                }
                write_part(out, row_array.column(index), &field.data_type, row)?;
            }
            out.write_str(")")
        }
        DataType::Array(item) => {
            let list = array.as_list::<i32>();
            let offsets = list.value_offsets();
            out.write_str("[")?;
            for index in offsets[row] as usize..offsets[row + 1] as usize {
                if index > offsets[row] as usize {
                    out.write_str(", ")?;
                }
                write_part(out, list.values(), item, index)?;
            }
            out.write_str("]")
        }
        DataType::Multiset(element) => write_value(out, array, &DataType::counts_of(element), row),
        DataType::Map(key, value) => {
            let map = array.as_map();
            let offsets = map.value_offsets();
            out.write_str("{")?;
            for index in offsets[row] as usize..offsets[row + 1] as usize {
                if index > offsets[row] as usize {
                    out.write_str(", ")?;
                }
                write_part(out, map.keys(), key, index)?;
                out.write_str("=")?;
                write_part(out, map.values(), value, index)?;
            }
            out.write_str("}")
        }
    }
}

/// A value within a row, array or map, or `NULL`.
fn write_part(out: &mut dyn Write, array: &ArrayRef, from: &DataType, row: usize) -> fmt::Result {
    if array.is_null(row) { out.write_str("NULL") } else { write_value(out, array, from, row) }
}

/// `+1 02:03:04.567`
fn write_interval(out: &mut impl Write, millis: i64) -> fmt::Result {
    let size = i64::try_from(millis.unsigned_abs()).unwrap_or(i64::MAX);
    out.write_char(if millis < 0 { '-' } else { '+' })?;
    write!(out, "{} ", size / calendar::DAY_MILLIS)?;
    calendar::write_time(out, size % calendar::DAY_MILLIS, 3)
}
