//! Casts between dates, times and timestamps. The session's zone is UTC, so `TIMESTAMP` and `TIMESTAMP_LTZ` of one
//! instant hold the same number.

#![expect(
    clippy::cast_possible_truncation,
    reason = "SQL arithmetic wraps as Java's; positions are bounded by a batch"
)]

use std::sync::Arc;

use arrow::{
    array::{Array, ArrayRef, AsArray, PrimitiveArray},
    datatypes::{
        ArrowPrimitiveType, DataType as Arrow, Date32Type, Int32Type, Int64Type, Time32MillisecondType, TimeUnit,
    },
};
use model::{DataType, Failure, Instant};

use super::{argument, reinterpret};
use crate::function::Kernel;

/// Units of a timestamp's arrow type in a second.
pub(crate) fn units_per_second(data_type: &DataType) -> Option<i64> {
    match data_type.to_arrow() {
        Arrow::Timestamp(unit, _) => Some(match unit {
            TimeUnit::Second => 1,
            TimeUnit::Millisecond => 1000,
            TimeUnit::Microsecond => 1_000_000,
            TimeUnit::Nanosecond => 1_000_000_000,
        }),
        _ => None,
    }
}

fn precision(data_type: &DataType) -> u8 {
    match data_type {
        DataType::Timestamp(precision) | DataType::TimestampLtz(precision) | DataType::Time(precision) => *precision,
        _ => 0,
    }
}

/// A timestamp's value for an instant, cut to the type's precision; none if it is out of range.
pub(crate) fn from_instant(instant: Instant, to: &DataType) -> Option<i64> {
    let per_second = units_per_second(to)?;
    let value = if per_second == 1000 {
        instant.millis
    } else {
        let per_milli = per_second / 1000;
        instant.millis.checked_mul(per_milli)?.checked_add(instant.nanos / (1_000_000 / per_milli))?
    };
    Some(cut(value, per_second, precision(to)))
}

/// Drops the digits of a fraction that a precision does not have.
fn cut(value: i64, per_second: i64, precision: u8) -> i64 {
    let step = (per_second / 10_i64.pow(u32::from(precision.min(9)))).max(1);
    value - value.rem_euclid(step)
}

fn integers(array: &ArrayRef) -> Result<PrimitiveArray<Int64Type>, Failure> {
    let data = array.to_data().into_builder().data_type(Arrow::Int64).build()?;
    Ok(PrimitiveArray::from(data))
}

/// A kernel, or none if these are not both temporal.
pub(super) fn kernel(from: &DataType, to: &DataType) -> Option<Kernel> {
    use DataType::*;
    let (source, target) = (from.clone(), to.clone());
    match (from, to) {
        (Timestamp(_) | TimestampLtz(_), Timestamp(_) | TimestampLtz(_)) => {
            let (old, new) = (units_per_second(from)?, units_per_second(to)?);
            let precision = precision(to);
            Some(Arc::new(move |inputs| {
                let array = integers(argument(inputs)?)?;
                let cast: PrimitiveArray<Int64Type> = if old > new {
                    array.unary(|value| cut(value.div_euclid(old / new), new, precision))
                } else {
                    array.unary(|value| cut(value.wrapping_mul(new / old), new, precision))
                };
                reinterpret(&(Arc::new(cast) as ArrayRef), &target)
            }))
        }
        // Flink divides towards zero, so before 1970 only midnight keeps its date; of an instant it is the day it is in.
        (TimestampLtz(_), Date) => {
            let per_day = units_per_second(from)? * 86_400;
            Some(Arc::new(move |inputs| {
                let array = integers(argument(inputs)?)?;
                Ok(Arc::new(array.unary::<_, Date32Type>(|value| value.div_euclid(per_day) as i32)))
            }))
        }
        (Timestamp(_), Date) => {
            let per_day = units_per_second(from)? * 86_400;
            Some(Arc::new(move |inputs| {
                let array = integers(argument(inputs)?)?;
                Ok(Arc::new(array.unary::<_, Date32Type>(|value| (value / per_day) as i32)))
            }))
        }
        (Timestamp(_) | TimestampLtz(_), Time(digits)) => {
            let per_second = units_per_second(from)?;
            let digits = *digits;
            Some(Arc::new(move |inputs| {
                let array = integers(argument(inputs)?)?;
                Ok(Arc::new(array.unary::<_, Time32MillisecondType>(|value| {
                    let millis = (value.rem_euclid(per_second * 86_400)) / (per_second / 1000);
                    cut(millis, 1000, digits) as i32
                })))
            }))
        }
        (Date, Timestamp(_) | TimestampLtz(_)) => {
            let per_day = units_per_second(to)? * 86_400;
            Some(Arc::new(move |inputs| {
                let array = argument(inputs)?.as_primitive::<Date32Type>();
                let values = array.unary::<_, Int64Type>(|days| i64::from(days) * per_day);
                reinterpret(&(Arc::new(values) as ArrayRef), &target)
            }))
        }
        (Time(_), Timestamp(_) | TimestampLtz(_)) => {
            let per_milli = units_per_second(to)? / 1000;
            Some(Arc::new(move |inputs| {
                let array = argument(inputs)?.as_primitive::<Time32MillisecondType>();
                let values = array.unary::<_, Int64Type>(|millis| i64::from(millis) * per_milli);
                reinterpret(&(Arc::new(values) as ArrayRef), &target)
            }))
        }
        (Time(_), Time(digits)) => {
            let digits = *digits;
            Some(Arc::new(move |inputs| {
                let array = argument(inputs)?.as_primitive::<Time32MillisecondType>();
                let cut = |millis: i32| cut(i64::from(millis), 1000, digits) as i32;
                Ok(Arc::new(array.unary::<_, Time32MillisecondType>(cut)))
            }))
        }
        (IntervalDayTime | IntervalYearMonth, Int | BigInt | SmallInt | TinyInt) => interval_to_integer(source, target),
        (Int | BigInt | SmallInt | TinyInt, IntervalDayTime | IntervalYearMonth) => integer_to_interval(target),
        _ => None,
    }
}

fn interval_to_integer(from: DataType, to: DataType) -> Option<Kernel> {
    let wide = matches!(from, DataType::IntervalDayTime);
    Some(Arc::new(move |inputs| {
        let array = argument(inputs)?;
        let as_integer = if wide { Int64Type::DATA_TYPE } else { Int32Type::DATA_TYPE };
        let data = array.to_data().into_builder().data_type(as_integer).build()?;
        Ok(arrow::compute::cast(&arrow::array::make_array(data), &to.to_arrow())?)
    }))
}

fn integer_to_interval(to: DataType) -> Option<Kernel> {
    let wide = matches!(to, DataType::IntervalDayTime);
    Some(Arc::new(move |inputs| {
        let as_integer = if wide { Int64Type::DATA_TYPE } else { Int32Type::DATA_TYPE };
        let array = arrow::compute::cast(argument(inputs)?, &as_integer)?;
        reinterpret(&array, &to)
    }))
}
