//! `FLOOR` and `CEIL`, of numbers and of times to a unit.

#![expect(
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    reason = "SQL arithmetic wraps as Java's; positions are bounded by a batch"
)]

use std::sync::Arc;

use arrow::{
    array::{ArrayRef, AsArray, Decimal128Array},
    datatypes::{DataType as Arrow, Decimal128Type, Float32Type, Float64Type},
};
use model::{DataType, Failure, Instant, timestamp};
use values::calendar::{DAY_MILLIS, Date, HOUR_MILLIS, MINUTE_MILLIS, SECOND_MILLIS, split_millis};

use super::{Temporals, Unit, zone::Zone};
use crate::{
    function::{Arguments, Kernel},
    number,
};

pub(super) fn result_type(arguments: &Arguments<'_>) -> Result<DataType, Failure> {
    Ok(match arguments.get(0) {
        DataType::Decimal(precision, _) => DataType::Decimal(*precision, 0),
        DataType::Null => DataType::Null,
        other => other.clone(),
    })
}

pub(super) fn bind(up: bool, arguments: &Arguments<'_>) -> Result<Kernel, Failure> {
    let result = result_type(arguments)?;
    if arguments.types.len() > 1 {
        let rounding = Rounding::new(up, arguments)?;
        return Ok(Arc::new(move |inputs| {
            let times = Temporals::new(inputs, 0)?;
            round_times(inputs.rows, |row| Some(rounding.of(times.get(row)?)), &result)
        }));
    }
    Ok(match arguments.get(0) {
        DataType::Double => Arc::new(move |inputs| {
            let array = inputs.arg(0)?.array.as_primitive::<Float64Type>();
            Ok(Arc::new(array.unary::<_, Float64Type>(|value| if up { value.ceil() } else { value.floor() })))
        }),
        DataType::Float => Arc::new(move |inputs| {
            let array = inputs.arg(0)?.array.as_primitive::<Float32Type>();
            Ok(Arc::new(array.unary::<_, Float32Type>(|value| if up { value.ceil() } else { value.floor() })))
        }),
        DataType::Decimal(_, scale) => {
            let (unit, result) = (number::power_of_ten(*scale), result);
            Arc::new(move |inputs| {
                let array = inputs.arg(0)?.array.as_primitive::<Decimal128Type>();
                let DataType::Decimal(precision, scale) = result else {
                    return Err(Failure::internal("a decimal rounds to a decimal"));
                };
                let rounded: Decimal128Array = array.unary(|value| {
                    let floor = value.div_euclid(unit);
                    floor + i128::from(up && value.rem_euclid(unit) != 0)
                });
                Ok(Arc::new(rounded.with_precision_and_scale(precision, scale as i8)?))
            })
        }
        data_type if data_type.is_numeric() || *data_type == DataType::Null => {
            Arc::new(|inputs| Ok(Arc::clone(&inputs.arg(0)?.array)))
        }
        other => return Err(Failure::user(format!("a value of type {other} is rounded to a unit of time"))),
    })
}

/// Of instants to a unit of a zone's local time: `(instant, unit, zone)`. Each has its own offset, as in Flink, so that
/// where the clock is set back it stays in its hour, of the two that are called alike.
pub(super) fn bind_in_zone(up: bool, arguments: &Arguments<'_>) -> Result<Kernel, Failure> {
    let (rounding, zone) = (Rounding::new(up, arguments)?, Zone::constant(arguments, 2)?);
    let result = result_type(arguments)?;
    // These begin at the same instants everywhere.
    let is_local = !rounding.unit.is_clock() || rounding.unit == Unit::Hour;
    Ok(Arc::new(move |inputs| {
        let times = Temporals::new(inputs, 0)?;
        let mut offset = zone.remembering(Zone::offset_of_instant);
        let rounded = |row| {
            let instant = times.get(row)?;
            let offset = if is_local { offset(instant.millis.div_euclid(SECOND_MILLIS))? * SECOND_MILLIS } else { 0 };
            Some(rounding.of(Instant { millis: instant.millis.checked_add(offset)?, ..instant }) - offset)
        };
        round_times(inputs.rows, rounded, &result)
    }))
}

/// How times are rounded to a unit.
#[derive(Clone, Copy)]
struct Rounding {
    unit: Unit,
    up: bool,
    /// Also where a unit begins the next one is taken, as in Flink.
    always: bool,
}

impl Rounding {
    /// To the unit that the second argument names.
    fn new(up: bool, arguments: &Arguments<'_>) -> Result<Self, Failure> {
        let (unit, of) = (Unit::constant(arguments, 1)?, arguments.get(0));
        if matches!(of, DataType::Time(_)) {
            unit.check(of)?;
        }
        let always = unit == Unit::Decade || (unit == Unit::Day && *of == DataType::Date);
        Ok(Self { unit, up, always })
    }

    fn of(self, instant: Instant) -> i64 {
        let floor = floor(self.unit, instant.millis);
        // The larger units look at the day only.
        let of_days = !self.unit.is_clock() && self.unit != Unit::Day;
        let looked_at = if of_days { instant.millis / DAY_MILLIS * DAY_MILLIS } else { instant.millis };
        let is_between = floor != looked_at || (self.unit == Unit::Millisecond && instant.nanos != 0);
        if self.up && (self.always || is_between) { next(self.unit, floor) } else { floor }
    }
}

fn round_times(
    rows: usize,
    mut rounded: impl FnMut(usize) -> Option<i64>,
    result: &DataType,
) -> Result<ArrayRef, Failure> {
    let arrow = result.to_arrow();
    Ok(match arrow {
        Arrow::Date32 => {
            let days = (0..rows).map(|row| rounded(row).map(|millis| split_millis(millis).0 as i32));
            Arc::new(days.collect::<arrow::array::Date32Array>())
        }
        Arrow::Time32(_) => {
            let millis = (0..rows).map(|row| rounded(row).map(|millis| millis.rem_euclid(DAY_MILLIS) as i32));
            Arc::new(millis.collect::<arrow::array::Time32MillisecondArray>())
        }
        _ => timestamp::column((0..rows).map(|row| rounded(row).map(Instant::of_millis)), &arrow)?,
    })
}

/// The start of the unit that a time is in; weeks start on Sunday.
pub(crate) fn floor(unit: Unit, millis: i64) -> i64 {
    let (days, _) = split_millis(millis);
    // Flink finds the date for the larger units by division towards zero, which shows only before 1970.
    let nearest = millis / DAY_MILLIS;
    let date = || Date::from_days(nearest);
    let start = |year, month| Date { year, month, day: 1 }.days() * DAY_MILLIS;
    let down = |size: i64| millis - millis.rem_euclid(size);
    match unit {
        Unit::Millennium => start((date().year - 1).div_euclid(1000) * 1000 + 1, 1),
        Unit::Century => start((date().year - 1).div_euclid(100) * 100 + 1, 1),
        Unit::Decade => start(date().year.div_euclid(10) * 10, 1),
        Unit::Year | Unit::IsoYear => start(date().year, 1),
        Unit::Quarter => start(date().year, (date().month - 1) / 3 * 3 + 1),
        Unit::Month => start(date().year, date().month),
        Unit::Week => (nearest - (nearest + 4).rem_euclid(7)) * DAY_MILLIS,
        Unit::Day | Unit::DayOfWeek | Unit::IsoDayOfWeek | Unit::DayOfYear => days * DAY_MILLIS,
        Unit::Hour => down(HOUR_MILLIS),
        Unit::Minute => down(MINUTE_MILLIS),
        Unit::Second | Unit::Epoch => down(SECOND_MILLIS),
        Unit::Millisecond | Unit::Microsecond | Unit::Nanosecond => millis,
    }
}

/// The start of the unit after the one that starts at `floor`.
fn next(unit: Unit, floor: i64) -> i64 {
    let months = |count| Date::from_days(split_millis(floor).0).plus_months(count).days() * DAY_MILLIS;
    match unit {
        Unit::Millennium => months(12_000),
        Unit::Century => months(1200),
        Unit::Decade => months(120),
        Unit::Year | Unit::IsoYear => months(12),
        Unit::Quarter => months(3),
        Unit::Month => months(1),
        Unit::Week => floor + 7 * DAY_MILLIS,
        Unit::Day | Unit::DayOfWeek | Unit::IsoDayOfWeek | Unit::DayOfYear => floor + DAY_MILLIS,
        Unit::Hour => floor + HOUR_MILLIS,
        Unit::Minute => floor + MINUTE_MILLIS,
        Unit::Second | Unit::Epoch => floor + SECOND_MILLIS,
        Unit::Millisecond => floor + 1,
        Unit::Microsecond | Unit::Nanosecond => floor,
    }
}
