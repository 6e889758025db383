//! How the options of a column say that its values are made.

#![expect(
    clippy::cast_possible_truncation,
    reason = "lengths are bounded by a block; generated values wrap on purpose"
)]

use std::time::Duration;

use model::{DataType, Failure};

use super::column::{ColumnPlan, Length, Values};
use crate::options::OptionReader;

const TEXT_LENGTH_DEFAULT: u64 = 100;
const ITEMS_DEFAULT: u64 = 3;

fn number<T: std::str::FromStr>(reader: &mut OptionReader<'_>, name: &str, what: &str) -> Result<Option<T>, Failure> {
    let Some(text) = reader.optional::<String>(name)? else { return Ok(None) };
    text.trim().parse().map(Some).map_err(|_| reader.wrong(name, format_args!("'{text}' is not {what}")))
}

/// From `start` to `end`.
pub(super) fn sequence(reader: &mut OptionReader<'_>, prefix: &str, data_type: &DataType) -> Result<Values, Failure> {
    let Some((lowest, highest)) = sequence_limits(&data_type.without_not_null()) else {
        let kind = format!("{prefix}.kind");
        return Err(reader.wrong(&kind, format_args!("sequence is for numbers and strings, not {data_type}")));
    };
    let mut bound = |option: &str, meaning: &str| -> Result<i64, Failure> {
        let name = format!("{prefix}.{option}");
        match number(reader, &name, "a whole number")? {
            Some(value) if !(lowest..=highest).contains(&value) => {
                Err(reader.wrong(&name, format_args!("must be from {lowest} to {highest}, to be a {data_type}")))
            }
            Some(value) => Ok(value),
            None => reader.required::<String>(&name, meaning).map(|_| 0),
        }
    };
    let start = bound("start", "the first number of the sequence")?;
    let end = bound("end", "the last number of the sequence")?;
    if end < start {
        return Err(reader.wrong(&format!("{prefix}.end"), format_args!("{end} is below the start, {start}")));
    }
    Ok(Values::Sequence { start, end })
}

/// The whole numbers that a type can hold; none if it holds no numbers.
fn sequence_limits(data_type: &DataType) -> Option<(i64, i64)> {
    // The largest number of so many digits.
    let digits = |count: u32| 10i64.checked_pow(count).map_or(i64::MAX, |limit| limit - 1);
    Some(match data_type {
        DataType::TinyInt => (i8::MIN.into(), i8::MAX.into()),
        DataType::SmallInt => (i16::MIN.into(), i16::MAX.into()),
        DataType::Int => (i32::MIN.into(), i32::MAX.into()),
        DataType::Decimal(precision, scale) => {
            let highest = digits(u32::from(precision.saturating_sub(*scale)));
            (-highest, highest)
        }
        // A minus takes a place, too.
        DataType::Char(length) | DataType::Varchar(length) => (-digits(length.saturating_sub(1)), digits(*length)),
        DataType::String | DataType::BigInt | DataType::Float | DataType::Double => (i64::MIN, i64::MAX),
        _ => return None,
    })
}

fn length(reader: &mut OptionReader<'_>, prefix: &str, default: u64) -> Result<u64, Failure> {
    reader.get(&format!("{prefix}.length"), default)
}

/// The length of texts or bytes of a type whose values have no more than `longest`.
fn variable(reader: &mut OptionReader<'_>, prefix: &str, longest: u64) -> Result<Length, Failure> {
    let max = length(reader, prefix, TEXT_LENGTH_DEFAULT.min(longest))?;
    if max > longest {
        return Err(reader.wrong(&format!("{prefix}.length"), format_args!("must be at most {longest}")));
    }
    Ok(Length { max, varies: reader.get(&format!("{prefix}.var-len"), false)? })
}

/// Random values of a type.
pub(super) fn random_values(
    reader: &mut OptionReader<'_>,
    prefix: &str,
    data_type: &DataType,
    seed: u64,
    index: u64,
) -> Result<Values, Failure> {
    let nested = |reader: &mut OptionReader<'_>, name: &str, data_type: &DataType, at: u64| {
        // Far apart, so that no two columns share their draws.
        ColumnPlan::read_at(reader, &format!("{prefix}.{name}"), data_type, seed, (index + 1) * 1000 + at)
    };
    Ok(match data_type {
        DataType::NotNull(inner) => return random_values(reader, prefix, inner, seed, index),
        DataType::Boolean => Values::Boolean,
        DataType::TinyInt => long(reader, prefix, i8::MIN.into(), i8::MAX.into())?,
        DataType::SmallInt => long(reader, prefix, i16::MIN.into(), i16::MAX.into())?,
        DataType::Int | DataType::IntervalYearMonth => long(reader, prefix, i32::MIN.into(), i32::MAX.into())?,
        DataType::BigInt | DataType::IntervalDayTime => long(reader, prefix, i64::MIN, i64::MAX)?,
        DataType::Float | DataType::Double => {
            let limit = if *data_type == DataType::Float { f64::from(f32::MAX) } else { f64::MAX };
            let (min, max) = range(reader, prefix, -limit, limit, "a number")?;
            Values::Double { min, max }
        }
        DataType::Decimal(precision, scale) => {
            let limit = 10i128.pow(u32::from(*precision).min(38)) - 1;
            let unit = 10f64.powi(i32::from(*scale));
            let bound = limit as f64 / unit;
            let (min, max) = range(reader, prefix, -bound, bound, "a number")?;
            let unscaled = |value: f64| ((value * unit) as i128).clamp(-limit, limit);
            Values::Decimal { min: unscaled(min), max: unscaled(max) }
        }
        DataType::Char(length) => Values::Text(Length { max: u64::from(*length), varies: false }),
        DataType::Varchar(longest) => Values::Text(variable(reader, prefix, u64::from(*longest))?),
        DataType::String => Values::Text(variable(reader, prefix, u64::MAX)?),
        DataType::Binary(length) => Values::Bytes(Length { max: u64::from(*length), varies: false }),
        DataType::Varbinary(longest) => Values::Bytes(variable(reader, prefix, u64::from(*longest))?),
        DataType::Bytes => Values::Bytes(variable(reader, prefix, u64::MAX)?),
        DataType::Timestamp(_) | DataType::TimestampLtz(_) => {
            let past = reader.get(&format!("{prefix}.max-past"), Duration::ZERO)?;
            Values::Now { past_max_ms: u64::try_from(past.as_millis()).unwrap_or(0) }
        }
        DataType::Date | DataType::Time(_) => Values::Now { past_max_ms: 0 },
        DataType::Row(fields) => Values::Row(
            fields
                .iter()
                .enumerate()
                .map(|(at, field)| Ok((field.name.clone(), nested(reader, &field.name, &field.data_type, at as u64)?)))
                .collect::<Result<_, Failure>>()?,
        ),
        DataType::Array(item) => Values::Array {
            length: length(reader, prefix, ITEMS_DEFAULT)?,
            item: Box::new(nested(reader, "element", item, 0)?),
        },
        DataType::Map(key, value) => {
            let length = length(reader, prefix, ITEMS_DEFAULT)?;
            let key = nested(reader, "key", key, 0)?;
            if key.has_nulls() {
                return Err(reader.wrong(&format!("{prefix}.key.null-rate"), "keys cannot be null"));
            }
            Values::Map { length, key: Box::new(key), value: Box::new(nested(reader, "value", value, 1)?) }
        }
        DataType::Null | DataType::Multiset(_) => {
            return Err(reader.wrong(prefix, format_args!("columns of type {data_type} cannot be generated")));
        }
    })
}

fn long(reader: &mut OptionReader<'_>, prefix: &str, lowest: i64, highest: i64) -> Result<Values, Failure> {
    let (min, max) = range(reader, prefix, lowest, highest, "a whole number")?;
    Ok(Values::Long { min, max })
}

fn range<T: std::str::FromStr + PartialOrd + std::fmt::Display + Copy>(
    reader: &mut OptionReader<'_>,
    prefix: &str,
    lowest: T,
    highest: T,
    what: &str,
) -> Result<(T, T), Failure> {
    let mut bound = |option: &str, default: T| -> Result<T, Failure> {
        let name = format!("{prefix}.{option}");
        match number(reader, &name, what)? {
            Some(value) if !(lowest..=highest).contains(&value) => {
                Err(reader.wrong(&name, format_args!("must be from {lowest} to {highest}")))
            }
            value => Ok(value.unwrap_or(default)),
        }
    };
    let (min, max) = (bound("min", lowest)?, bound("max", highest)?);
    if min > max {
        return Err(reader.wrong(&format!("{prefix}.min"), format_args!("{min} is above the maximum, {max}")));
    }
    Ok((min, max))
}
