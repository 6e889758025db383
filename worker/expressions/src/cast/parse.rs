//! Casts from text.

#![expect(
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    reason = "SQL arithmetic wraps as Java's; positions are bounded by a batch"
)]

use std::sync::Arc;

use arrow::{
    array::{
        ArrayRef, ArrowPrimitiveType, AsArray, BinaryArray, BooleanArray, Decimal128Array, PrimitiveArray, StringArray,
    },
    datatypes::{
        Date32Type, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type, Time32MillisecondType,
    },
};
use model::{DataType, Failure, timestamp};
use values::calendar;

use super::argument;
use crate::{function::Kernel, number};

/// A kernel that reads text.
pub(super) fn kernel(to: &DataType, safe: bool) -> Result<Kernel, Failure> {
    let read: fn(&StringArray, &DataType, bool) -> Result<ArrayRef, Failure> = match to {
        DataType::Boolean => |array, to, safe| {
            let values = each(array, to, safe, parse_boolean).collect::<Result<BooleanArray, _>>()?;
            Ok(Arc::new(values))
        },
        DataType::TinyInt => integers::<Int8Type>,
        DataType::SmallInt => integers::<Int16Type>,
        DataType::Int => integers::<Int32Type>,
        DataType::BigInt => integers::<Int64Type>,
        DataType::Float => |array, to, safe| {
            let parse = |text: &str| number::parse_float(text.trim()).ok().map(|value| value as f32);
            primitives::<Float32Type>(array, to, safe, parse)
        },
        DataType::Double => {
            |array, to, safe| primitives::<Float64Type>(array, to, safe, |text| number::parse_float(text.trim()).ok())
        }
        DataType::Decimal(..) => decimals,
        DataType::Date => |array, to, safe| {
            let parse = |text: &str| calendar::parse_date(text).and_then(|days| i32::try_from(days).ok());
            primitives::<Date32Type>(array, to, safe, parse)
        },
        DataType::Time(_) => |array, to, safe| {
            let DataType::Time(precision) = *to else { return Err(Failure::internal("a time is expected")) };
            let step = 10_i64.pow(9 - u32::from(precision.min(3)));
            let parse = |text: &str| {
                let nanos = calendar::parse_time(text.trim())?;
                Some(((nanos - nanos % step) / 1_000_000) as i32)
            };
            primitives::<Time32MillisecondType>(array, to, safe, parse)
        },
        DataType::Timestamp(_) | DataType::TimestampLtz(_) => timestamps,
        DataType::Binary(_) | DataType::Varbinary(_) | DataType::Bytes => |array, _, _| {
            let bytes: BinaryArray = array.iter().map(|text| text.map(str::as_bytes)).collect();
            Ok(Arc::new(bytes))
        },
        other => return Err(Failure::user(format!("text cannot be cast to {other}"))),
    };
    let to = to.clone();
    Ok(Arc::new(move |inputs| {
        let array = argument(inputs)?;
        let array = array.as_string_opt::<i32>();
        let array = array.ok_or_else(|| Failure::internal("text is not in a string array"))?;
        read(array, &to, safe)
    }))
}

/// Parses each text; what is not a value fails or, if `safe`, becomes null.
fn each<'a, V>(
    array: &'a StringArray,
    to: &'a DataType,
    safe: bool,
    parse: impl Fn(&str) -> Option<V> + 'a,
) -> impl Iterator<Item = Result<Option<V>, Failure>> + 'a {
    array.iter().map(move |text| {
        let Some(text) = text else { return Ok(None) };
        match parse(text) {
            Some(value) => Ok(Some(value)),
            None if safe => Ok(None),
            None => Err(Failure::data(format!("cannot cast '{text}' to {to}"))),
        }
    })
}

fn primitives<T: ArrowPrimitiveType>(
    array: &StringArray,
    to: &DataType,
    safe: bool,
    parse: impl Fn(&str) -> Option<T::Native>,
) -> Result<ArrayRef, Failure> {
    let values = each(array, to, safe, parse).collect::<Result<PrimitiveArray<T>, _>>()?;
    Ok(Arc::new(values))
}

fn integers<T>(array: &StringArray, to: &DataType, safe: bool) -> Result<ArrayRef, Failure>
where
    T: ArrowPrimitiveType<Native: TryFrom<i64>>,
{
    primitives::<T>(array, to, safe, |text| {
        number::parse_integer(text.trim()).ok().and_then(|value| T::Native::try_from(value).ok())
    })
}

fn parse_boolean(text: &str) -> Option<bool> {
    let is_any = |words: &[&str]| words.iter().any(|word| word.eq_ignore_ascii_case(text));
    if is_any(&["true", "t", "yes", "y", "1"]) {
        Some(true)
    } else if is_any(&["false", "f", "no", "n", "0"]) {
        Some(false)
    } else {
        None
    }
}

fn decimals(array: &StringArray, to: &DataType, safe: bool) -> Result<ArrayRef, Failure> {
    let DataType::Decimal(precision, scale) = *to else {
        return Err(Failure::internal("a decimal is expected"));
    };
    // Too many digits are null, also without TRY_CAST.
    let parse = |text: &str| number::parse_decimal(text.trim(), precision, scale).ok();
    let values = each(array, to, safe, parse).map(|value| Ok::<_, Failure>(value?.flatten()));
    let values = values.collect::<Result<Decimal128Array, _>>()?;
    Ok(Arc::new(values.with_precision_and_scale(precision, scale as i8)?))
}

fn timestamps(array: &StringArray, to: &DataType, safe: bool) -> Result<ArrayRef, Failure> {
    let parse = |text: &str| Some(super::temporal::cut_instant(calendar::parse_timestamp(text)?, to));
    let values = each(array, to, safe, parse).collect::<Result<Vec<_>, _>>()?;
    timestamp::column(values.into_iter(), &to.to_arrow())
}
