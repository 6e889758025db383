//! Columns of `TIMESTAMP` and `TIMESTAMP_LTZ`: how each precision is held, and reading and making all of them alike.
//!
//! Up to three digits are milliseconds in 64 bits, up to six microseconds. More are nanoseconds, which 64 bits have only
//! for the years 1677 to 2262: these are held in 128 bits, as decimals of a scale that no `DECIMAL` has
//! (`docs/decisions/0020-wide-timestamps.md`).

use std::sync::Arc;

use arrow::{
    array::{Array, ArrayRef, AsArray, Decimal128Array, PrimitiveArray},
    buffer::{NullBuffer, ScalarBuffer},
    datatypes::{
        ArrowPrimitiveType, DataType as Arrow, Decimal128Type, TimeUnit, TimestampMicrosecondType,
        TimestampMillisecondType, TimestampNanosecondType, TimestampSecondType,
    },
};

use crate::{Failure, Instant};

const NANOS_PER_SECOND: i64 = 1_000_000_000;
const NANOS_PER_MILLI: i64 = 1_000_000;

/// The scale of the decimals that hold nanoseconds since 1970. That of a `DECIMAL` is never less than 0.
const WIDE_SCALE: i8 = -9;
/// Their precision, which only says of which type they are.
const WIDE_LOCAL: u8 = 38;
const WIDE_INSTANT: u8 = 37;

/// The arrow type of timestamps of a precision, and of instants among them.
pub(crate) fn arrow(precision: u8, is_instant: bool) -> Arrow {
    match precision {
        0..=6 => planned_arrow(precision, is_instant),
        _ => Arrow::Decimal128(if is_instant { WIDE_INSTANT } else { WIDE_LOCAL }, WIDE_SCALE),
    }
}

/// The arrow timestamps that a planner takes for those of a precision.
pub(crate) fn planned_arrow(precision: u8, is_instant: bool) -> Arrow {
    let unit = match precision {
        0..=3 => TimeUnit::Millisecond,
        4..=6 => TimeUnit::Microsecond,
        _ => TimeUnit::Nanosecond,
    };
    Arrow::Timestamp(unit, is_instant.then(|| "UTC".into()))
}

/// Whether an arrow type is that of timestamps in 128 bits, and if so, whether of instants.
pub fn is_wide(arrow: &Arrow) -> Option<bool> {
    match arrow {
        Arrow::Decimal128(precision, WIDE_SCALE) => Some(*precision == WIDE_INSTANT),
        _ => None,
    }
}

impl Instant {
    /// Nanoseconds since 1970.
    pub fn to_nanos(self) -> i128 {
        i128::from(self.millis) * i128::from(NANOS_PER_MILLI) + i128::from(self.nanos)
    }

    /// The moment so many nanoseconds after 1970; one that has no milliseconds in 64 bits becomes the nearest.
    pub fn of_nanos(nanos: i128) -> Self {
        // Nearly all have them in 64 bits, which are divided much faster.
        if let Ok(nanos) = i64::try_from(nanos) {
            return narrow(nanos, NANOS_PER_SECOND);
        }
        let millis = nanos.div_euclid(i128::from(NANOS_PER_MILLI));
        let nearest = if millis < 0 { i64::MIN } else { i64::MAX };
        Self {
            millis: i64::try_from(millis).unwrap_or(nearest),
            nanos: i64::try_from(nanos.rem_euclid(i128::from(NANOS_PER_MILLI))).unwrap_or_default(),
        }
    }
}

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
    /// Nanoseconds.
    Wide(ScalarBuffer<i128>),
}

impl Timestamps {
    /// Of a column; none if it has no timestamps.
    pub fn new(array: &dyn Array) -> Option<Self> {
        let values = match array.data_type() {
            Arrow::Timestamp(TimeUnit::Second, _) => {
                Values::Narrow(array.as_primitive::<TimestampSecondType>().values().clone(), 1)
            }
            Arrow::Timestamp(TimeUnit::Millisecond, _) => {
                Values::Millis(array.as_primitive::<TimestampMillisecondType>().values().clone())
            }
            Arrow::Timestamp(TimeUnit::Microsecond, _) => {
                Values::Narrow(array.as_primitive::<TimestampMicrosecondType>().values().clone(), 1_000_000)
            }
            Arrow::Timestamp(TimeUnit::Nanosecond, _) => {
                Values::Narrow(array.as_primitive::<TimestampNanosecondType>().values().clone(), NANOS_PER_SECOND)
            }
            wide if is_wide(wide).is_some() => Values::Wide(array.as_primitive::<Decimal128Type>().values().clone()),
            _ => return None,
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
            Values::Wide(values) => Instant::of_nanos(values[row]),
        }
    }

    /// All values in milliseconds, rounded down; those of nulls are arbitrary.
    pub fn millis(&self) -> ScalarBuffer<i64> {
        match &self.values {
            Values::Millis(values) => values.clone(),
            Values::Narrow(values, per_second) => {
                values.iter().map(|&value| narrow(value, *per_second).millis).collect()
            }
            Values::Wide(values) => values.iter().map(|&value| Instant::of_nanos(value).millis).collect(),
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
    Some(match array.data_type() {
        Arrow::Timestamp(TimeUnit::Second, _) => narrow(array.as_primitive::<TimestampSecondType>().value(row), 1),
        Arrow::Timestamp(TimeUnit::Millisecond, _) => {
            Instant::of_millis(array.as_primitive::<TimestampMillisecondType>().value(row))
        }
        Arrow::Timestamp(TimeUnit::Microsecond, _) => {
            narrow(array.as_primitive::<TimestampMicrosecondType>().value(row), 1_000_000)
        }
        Arrow::Timestamp(TimeUnit::Nanosecond, _) => {
            narrow(array.as_primitive::<TimestampNanosecondType>().value(row), NANOS_PER_SECOND)
        }
        wide if is_wide(wide).is_some() => Instant::of_nanos(array.as_primitive::<Decimal128Type>().value(row)),
        _ => return None,
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
        wide if is_wide(wide).is_some() => {
            let values: Decimal128Array = instants.map(|instant| instant.map(Instant::to_nanos)).collect();
            Arc::new(values.with_data_type(wide.clone()))
        }
        other => return Err(Failure::internal(format!("{other} has no timestamps"))),
    })
}

/// Whether an arrow type is that of `TIMESTAMP_LTZ`, or else of `TIMESTAMP`; none if of neither.
pub fn is_instant(arrow: &Arrow) -> Option<bool> {
    match arrow {
        Arrow::Timestamp(_, zone) => Some(zone.is_some()),
        other => is_wide(other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::DataType;

    /// The first moment of the year 1 and the last of the year 9999.
    const ENDS: [Instant; 2] =
        [Instant { millis: -62_135_596_800_000, nanos: 1 }, Instant { millis: 253_402_300_799_999, nanos: 999_999 }];

    #[test]
    fn all_precisions_hold_the_years_1_to_9999() {
        for precision in 0..=9 {
            for data_type in [DataType::Timestamp(precision), DataType::TimestampLtz(precision)] {
                let arrow = data_type.to_arrow();
                let values = || ENDS.into_iter().map(Some).chain([None]);
                let array = column(values(), &arrow).unwrap();
                assert_eq!(*array.data_type(), arrow);
                let timestamps = Timestamps::new(&array).unwrap();
                for (row, end) in ENDS.into_iter().enumerate() {
                    let kept = match precision {
                        0..=3 => Instant { nanos: 0, ..end },
                        4..=6 => Instant { nanos: end.nanos / 1000 * 1000, ..end },
                        _ => end,
                    };
                    assert_eq!(timestamps.get(row), Some(kept), "{data_type}");
                    assert_eq!(instant_at(&array, row), Some(kept), "{data_type}");
                    assert_eq!(timestamps.millis()[row], end.millis, "{data_type}");
                }
                assert_eq!((timestamps.get(2), instant_at(&array, 2)), (None, None));
                let is_instant = matches!(data_type, DataType::TimestampLtz(_));
                assert_eq!(super::is_instant(&arrow), Some(is_instant));
            }
        }
    }

    #[test]
    fn times_of_128_bits_are_no_decimals() {
        for data_type in [DataType::Timestamp(9), DataType::TimestampLtz(9)] {
            assert_eq!(DataType::from_arrow(&data_type.to_arrow()).unwrap(), data_type);
            assert_eq!(DataType::from_arrow(&data_type.to_planned_arrow()).unwrap(), data_type);
        }
        for (precision, scale) in [(38, 0), (37, 9), (38, 38)] {
            let decimal = DataType::Decimal(precision, scale);
            assert_eq!(DataType::from_arrow(&decimal.to_arrow()).unwrap(), decimal);
            assert_eq!(is_instant(&decimal.to_arrow()), None);
        }
    }

    #[test]
    fn nanoseconds_come_back() {
        for nanos in [0, -1, 1, i128::from(i64::MAX), i128::from(i64::MIN) - 1, ENDS[0].to_nanos(), ENDS[1].to_nanos()]
        {
            assert_eq!(Instant::of_nanos(nanos).to_nanos(), nanos);
        }
        assert_eq!(Instant::of_nanos(-1), Instant { millis: -1, nanos: 999_999 });
        assert_eq!(Instant::of_nanos(i128::MAX).millis, i64::MAX);
    }
}
