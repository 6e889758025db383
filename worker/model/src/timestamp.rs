//! Columns of `TIMESTAMP` and `TIMESTAMP_LTZ`: how each precision is held, and reading and making all of them alike.

use std::sync::Arc;

use arrow::{
    array::{Array, ArrayRef, AsArray, PrimitiveArray},
    buffer::{NullBuffer, ScalarBuffer},
    datatypes::{
        ArrowPrimitiveType, DataType as Arrow, TimeUnit, TimestampMicrosecondType, TimestampMillisecondType,
        TimestampNanosecondType, TimestampSecondType,
    },
};

use crate::{Failure, Instant};

const NANOS_PER_SECOND: i64 = 1_000_000_000;
const NANOS_PER_MILLI: i64 = 1_000_000;

/// The timestamps of a column, whatever their precision.
#[derive(Clone, Debug)]
pub struct Timestamps {
    values: Values,
    nulls: Option<NullBuffer>,
}

#[derive(Clone, Debug)]
enum Values {
    Millis(ScalarBuffer<i64>),
    /// So many to the second.
    Narrow(ScalarBuffer<i64>, i64),
}

impl Timestamps {
    /// Of a column; none if it has no timestamps.
    pub fn new(array: &dyn Array) -> Option<Self> {
        let Arrow::Timestamp(unit, _) = array.data_type() else { return None };
        let values = match unit {
            TimeUnit::Second => Values::Narrow(array.as_primitive::<TimestampSecondType>().values().clone(), 1),
            TimeUnit::Millisecond => Values::Millis(array.as_primitive::<TimestampMillisecondType>().values().clone()),
            TimeUnit::Microsecond => {
                Values::Narrow(array.as_primitive::<TimestampMicrosecondType>().values().clone(), 1_000_000)
            }
            TimeUnit::Nanosecond => {
                Values::Narrow(array.as_primitive::<TimestampNanosecondType>().values().clone(), NANOS_PER_SECOND)
            }
        };
        Some(Self { values, nulls: array.nulls().cloned() })
    }

    /// The value of a row, unless it is null.
    #[inline]
    pub fn get(&self, row: usize) -> Option<Instant> {
        match &self.nulls {
            Some(nulls) if nulls.is_null(row) => None,
            _ => Some(self.value(row)),
        }
    }

    /// The value of a row; of one that is null, any.
    #[inline]
    pub fn value(&self, row: usize) -> Instant {
        match &self.values {
            Values::Millis(values) => Instant::of_millis(values[row]),
            Values::Narrow(values, per_second) => narrow(values[row], *per_second),
        }
    }

    /// All values in milliseconds, rounded down; those of nulls are arbitrary.
    pub fn millis(&self) -> ScalarBuffer<i64> {
        match &self.values {
            Values::Millis(values) => values.clone(),
            Values::Narrow(values, per_second) => {
                values.iter().map(|&value| narrow(value, *per_second).millis).collect()
            }
        }
    }

    /// Which values are not null, if not all are.
    pub fn nulls(&self) -> Option<&NullBuffer> {
        self.nulls.as_ref()
    }
}

/// A value of a row of an array of timestamps; none if it has no timestamps, or a null there.
pub fn instant_at(array: &dyn Array, row: usize) -> Option<Instant> {
    if array.is_null(row) {
        return None;
    }
    let Arrow::Timestamp(unit, _) = array.data_type() else { return None };
    Some(match unit {
        TimeUnit::Second => narrow(array.as_primitive::<TimestampSecondType>().value(row), 1),
        TimeUnit::Millisecond => Instant::of_millis(array.as_primitive::<TimestampMillisecondType>().value(row)),
        TimeUnit::Microsecond => narrow(array.as_primitive::<TimestampMicrosecondType>().value(row), 1_000_000),
        TimeUnit::Nanosecond => narrow(array.as_primitive::<TimestampNanosecondType>().value(row), NANOS_PER_SECOND),
    })
}

/// A value of which `per_second` are a second.
#[inline]
fn narrow(value: i64, per_second: i64) -> Instant {
    if per_second == 1 {
        return Instant::of_millis(value.saturating_mul(1000));
    }
    let per_milli = per_second / 1000;
    Instant { millis: value.div_euclid(per_milli), nanos: value.rem_euclid(per_milli) * (NANOS_PER_MILLI / per_milli) }
}

/// A moment in the units of an arrow type of timestamps in 64 bits; what is finer is cut off. None if it is out of
/// range, or the type is another.
pub fn units(instant: Instant, arrow: &Arrow) -> Option<i64> {
    let per_milli = match arrow {
        Arrow::Timestamp(TimeUnit::Millisecond, _) => return Some(instant.millis),
        Arrow::Timestamp(TimeUnit::Microsecond, _) => 1000,
        Arrow::Timestamp(TimeUnit::Nanosecond, _) => NANOS_PER_MILLI,
        _ => return None,
    };
    instant.millis.checked_mul(per_milli)?.checked_add(instant.nanos / (NANOS_PER_MILLI / per_milli))
}

/// A column of an arrow type of timestamps; what is finer than it is cut off.
///
/// # Errors
/// Class `Internal` if the type has no timestamps.
pub fn column(instants: impl Iterator<Item = Option<Instant>>, arrow: &Arrow) -> Result<ArrayRef, Failure> {
    fn collected<T: ArrowPrimitiveType<Native = i64>>(
        instants: impl Iterator<Item = Option<Instant>>,
        arrow: &Arrow,
        per_milli: i64,
    ) -> ArrayRef {
        let value = |instant: Instant| {
            instant.millis.wrapping_mul(per_milli).wrapping_add(instant.nanos / (NANOS_PER_MILLI / per_milli))
        };
        let values: PrimitiveArray<T> = instants.map(|instant| instant.map(value)).collect();
        Arc::new(values.with_data_type(arrow.clone()))
    }
    Ok(match arrow {
        Arrow::Timestamp(TimeUnit::Millisecond, _) => collected::<TimestampMillisecondType>(instants, arrow, 1),
        Arrow::Timestamp(TimeUnit::Microsecond, _) => collected::<TimestampMicrosecondType>(instants, arrow, 1000),
        Arrow::Timestamp(TimeUnit::Nanosecond, _) => {
            collected::<TimestampNanosecondType>(instants, arrow, NANOS_PER_MILLI)
        }
        other => return Err(Failure::internal(format!("{other} has no timestamps"))),
    })
}

/// Whether an arrow type is that of `TIMESTAMP_LTZ`, or else of `TIMESTAMP`; none if of neither.
pub fn is_instant(arrow: &Arrow) -> Option<bool> {
    match arrow {
        Arrow::Timestamp(_, zone) => Some(zone.is_some()),
        _ => None,
    }
}
