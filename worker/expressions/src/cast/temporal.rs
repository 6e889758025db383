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
use model::{
    DataType, Failure, Instant,
    timestamp::{self, Timestamps},
};
use values::calendar::DAY_MILLIS;

use super::{argument, reinterpret};
use crate::function::Kernel;

/// Units of a timestamp's arrow type in a second; none if it is held in more than 64 bits.
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

/// A moment without the digits of its fraction that a type does not have.
pub(crate) fn cut_instant(instant: Instant, to: &DataType) -> Instant {
    match precision(to) {
        digits @ 0..=3 => Instant::of_millis(cut(instant.millis, 1000, digits)),
        digits => Instant { nanos: cut(instant.nanos, 1_000_000_000, digits), ..instant },
    }
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
            let (Some(old), Some(new)) = (units_per_second(from), units_per_second(to)) else {
                return Some(wide_to_timestamp(target));
            };
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
        (Timestamp(_) | TimestampLtz(_), Date) => {
            let is_instant = matches!(from, TimestampLtz(_));
            let day = move |millis: i64| if is_instant { millis.div_euclid(DAY_MILLIS) } else { millis / DAY_MILLIS };
            // Only the whole milliseconds are divided, as there.
            Some(from_millis::<Date32Type>(move |millis| day(millis) as i32))
        }
        (Timestamp(_) | TimestampLtz(_), Time(digits)) => {
            let digits = *digits;
            Some(from_millis::<Time32MillisecondType>(move |millis| {
                cut(millis.rem_euclid(DAY_MILLIS), 1000, digits) as i32
            }))
        }
        (Date, Timestamp(_) | TimestampLtz(_)) => Some(to_millis::<Date32Type>(target, DAY_MILLIS)),
        (Time(_), Timestamp(_) | TimestampLtz(_)) => Some(to_millis::<Time32MillisecondType>(target, 1)),
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

/// Between timestamps of which some are held in 128 bits.
fn wide_to_timestamp(to: DataType) -> Kernel {
    Arc::new(move |inputs| {
        let times = timestamps(argument(inputs)?)?;
        let cast = (0..inputs.rows).map(|row| Some(cut_instant(times.get(row)?, &to)));
        timestamp::column(cast, &to.to_arrow())
    })
}

/// Values that are made of the whole milliseconds of timestamps.
fn from_millis<T: ArrowPrimitiveType>(convert: impl Fn(i64) -> T::Native + Clone + Send + Sync + 'static) -> Kernel {
    Arc::new(move |inputs| {
        let times = timestamps(argument(inputs)?)?;
        let values = times.millis().iter().map(|&millis| convert(millis)).collect();
        Ok(Arc::new(PrimitiveArray::<T>::new(values, times.nulls().cloned())))
    })
}

/// Timestamps of values that are so many milliseconds each.
fn to_millis<T: ArrowPrimitiveType<Native = i32>>(to: DataType, unit: i64) -> Kernel {
    Arc::new(move |inputs| {
        let values = argument(inputs)?.as_primitive::<T>();
        let Some(per_second) = units_per_second(&to) else {
            let instants = values.iter().map(|value| Some(Instant::of_millis(i64::from(value?) * unit)));
            return timestamp::column(instants, &to.to_arrow());
        };
        let unit = unit * (per_second / 1000);
        let values = values.unary::<_, Int64Type>(|value| i64::from(value) * unit);
        reinterpret(&(Arc::new(values) as ArrayRef), &to)
    })
}

fn timestamps(array: &ArrayRef) -> Result<Timestamps, Failure> {
    Timestamps::new(array).ok_or_else(|| Failure::internal(format!("{} has no timestamps", array.data_type())))
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
