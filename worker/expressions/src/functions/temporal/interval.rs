//! Times and intervals: `+ - * /`, `TIMESTAMPADD`, `TIMESTAMPDIFF`.

#![expect(
    clippy::cast_possible_truncation,
    reason = "SQL arithmetic wraps as Java's; positions are bounded by a batch"
)]

use std::sync::Arc;

use arrow::{
    array::{Array, ArrayRef, AsArray, Int32Array, Int64Array, PrimitiveArray, make_array},
    datatypes::{DataType as Arrow, Int64Type, IntervalYearMonthType},
};
use model::{DataType, Failure, Instant, timestamp};
use values::calendar::{DAY_MILLIS, Date, HOUR_MILLIS, MINUTE_MILLIS, SECOND_MILLIS, split_millis};

use super::{Temporals, Unit};
use crate::{
    arg::{Arg, Inputs},
    function::{Arguments, Kernel},
};

pub(crate) fn is_interval(data_type: &DataType) -> bool {
    matches!(data_type, DataType::IntervalDayTime | DataType::IntervalYearMonth)
}

fn is_temporal(data_type: &DataType) -> bool {
    matches!(data_type, DataType::Date | DataType::Time(_) | DataType::Timestamp(_) | DataType::TimestampLtz(_))
}

/// The type of an operator on a time or an interval.
pub(crate) fn arithmetic_type(operator: &str, left: &DataType, right: &DataType) -> Option<DataType> {
    match operator {
        "+" | "-" if is_temporal(left) && is_interval(right) => Some(left.clone()),
        "+" if is_interval(left) && is_temporal(right) => Some(right.clone()),
        "-" if is_temporal(left) && is_temporal(right) => Some(DataType::IntervalDayTime),
        "+" | "-" if left == right && is_interval(left) => Some(left.clone()),
        "*" | "/" if is_interval(left) && right.is_numeric() => Some(left.clone()),
        "*" if left.is_numeric() && is_interval(right) => Some(right.clone()),
        _ => None,
    }
}

/// A kernel for what [`arithmetic_type`] allows.
pub(crate) fn bind(operator: char, left: &DataType, right: &DataType, result: &DataType) -> Result<Kernel, Failure> {
    let result = result.clone();
    if is_temporal(left) && is_temporal(right) {
        return Ok(Arc::new(|inputs| {
            let (left, right) = (Temporals::new(inputs, 0)?, Temporals::new(inputs, 1)?);
            let millis: Int64Array =
                (0..inputs.rows).map(|row| Some(left.get(row)?.millis - right.get(row)?.millis)).collect();
            typed(&(Arc::new(millis) as ArrayRef), &DataType::IntervalDayTime)
        }));
    }
    if is_temporal(&result) {
        let time = usize::from(!is_temporal(left));
        let months = *(if time == 0 { right } else { left }) == DataType::IntervalYearMonth;
        let sign = if operator == '-' { -1 } else { 1 };
        return Ok(Arc::new(move |inputs| {
            let amounts = integers(inputs, 1 - time)?;
            shift(inputs, time, &result, &|row| Some(amounts.get(row)? * sign), months)
        }));
    }
    let (operator, wide) = (operator, result == DataType::IntervalDayTime);
    Ok(Arc::new(move |inputs| {
        let (left, right) = (integers(inputs, 0)?, integers(inputs, 1)?);
        let value = |row| {
            let (left, right) = (left.get(row)?, right.get(row)?);
            match operator {
                '+' => Some(left.wrapping_add(right)),
                '-' => Some(left.wrapping_sub(right)),
                '*' => Some(left.wrapping_mul(right)),
                _ => left.checked_div(right),
            }
        };
        let values: ArrayRef = if wide {
            Arc::new((0..inputs.rows).map(value).collect::<Int64Array>())
        } else {
            Arc::new((0..inputs.rows).map(|row| value(row).map(|months| months as i32)).collect::<Int32Array>())
        };
        typed(&values, &result)
    }))
}

fn typed(array: &ArrayRef, to: &DataType) -> Result<ArrayRef, Failure> {
    Ok(make_array(array.to_data().into_builder().data_type(to.to_arrow()).build()?))
}

/// An argument's numbers: of an interval or an integer.
struct Integers {
    values: PrimitiveArray<Int64Type>,
    mask: usize,
}

impl Integers {
    fn get(&self, row: usize) -> Option<i64> {
        let row = row & self.mask;
        self.values.is_valid(row).then(|| self.values.value(row))
    }
}

fn integers(inputs: &Inputs<'_>, index: usize) -> Result<Integers, Failure> {
    let Arg { array, scalar } = inputs.arg(index)?;
    let array = match array.data_type() {
        Arrow::Interval(_) => {
            let months = array.as_primitive::<IntervalYearMonthType>();
            Arc::new(months.unary::<_, Int64Type>(i64::from)) as ArrayRef
        }
        Arrow::Duration(_) => typed(array, &DataType::BigInt)?,
        _ => arrow::compute::cast(array, &Arrow::Int64)?,
    };
    let mask = if *scalar { 0 } else { usize::MAX };
    Ok(Integers { values: array.as_primitive::<Int64Type>().clone(), mask })
}

/// Adds months, or milliseconds, to the times in an argument.
fn shift(
    inputs: &Inputs<'_>,
    time: usize,
    result: &DataType,
    amount: &dyn Fn(usize) -> Option<i64>,
    months: bool,
) -> Result<ArrayRef, Failure> {
    let arg = inputs.arg(time)?;
    match result {
        DataType::Date => {
            let times = Temporals::new(inputs, time)?;
            let days: Int32Array = (0..inputs.rows)
                .map(|row| {
                    let millis = add(times.get(row)?.millis, amount(row)?, months);
                    Some(split_millis(millis).0 as i32)
                })
                .collect();
            typed(&(Arc::new(days) as ArrayRef), result)
        }
        DataType::Time(_) => {
            let times = Temporals::new(inputs, time)?;
            let millis: Int32Array = (0..inputs.rows)
                .map(|row| {
                    let moved = times.get(row)?.millis + if months { 0 } else { amount(row)? };
                    Some(moved.rem_euclid(DAY_MILLIS) as i32)
                })
                .collect();
            typed(&(Arc::new(millis) as ArrayRef), result)
        }
        _ if arg.array.data_type() == &result.to_arrow() && crate::cast::units_per_second(result).is_some() => {
            shift_narrow(inputs, arg, result, amount, months)
        }
        _ => {
            let times = Temporals::new(inputs, time)?;
            let moved = (0..inputs.rows).map(|row| {
                let (instant, amount) = (times.get(row)?, amount(row)?);
                Some(Instant { millis: add(instant.millis, amount, months), ..instant })
            });
            timestamp::column(moved, &result.to_arrow())
        }
    }
}

/// Timestamps that are held in 64 bits, and stay so.
fn shift_narrow(
    inputs: &Inputs<'_>,
    arg: &Arg,
    result: &DataType,
    amount: &dyn Fn(usize) -> Option<i64>,
    months: bool,
) -> Result<ArrayRef, Failure> {
    let per_milli = crate::cast::units_per_second(result).map_or(1, |units| (units / 1000).max(1));
    let values = Int64Array::from(arg.array.to_data().into_builder().data_type(Arrow::Int64).build()?);
    let moved: Int64Array = (0..inputs.rows)
        .map(|row| {
            let index = arg.index(row);
            if values.is_null(index) {
                return None;
            }
            let (value, amount) = (values.value(index), amount(row)?);
            if !months {
                return Some(value.wrapping_add(amount.wrapping_mul(per_milli)));
            }
            let rest = value.rem_euclid(per_milli);
            Some(add(value.div_euclid(per_milli), amount, true) * per_milli + rest)
        })
        .collect();
    typed(&(Arc::new(moved) as ArrayRef), result)
}

fn add(millis: i64, amount: i64, months: bool) -> i64 {
    if !months {
        return millis.wrapping_add(amount);
    }
    let (days, time) = split_millis(millis);
    Date::from_days(days).plus_months(amount).days() * DAY_MILLIS + time
}

/// `TIMESTAMPADD(unit, count, time)`: a date stays a date unless the unit is less than a day.
pub(super) fn add_type(arguments: &Arguments<'_>) -> Result<DataType, Failure> {
    let unit = arguments.constant_text(0).map(Unit::parse).transpose()?;
    let below_day = matches!(unit, Some(Unit::Hour | Unit::Minute | Unit::Second | Unit::Millisecond));
    let time = arguments.get(2);
    Ok(if *time == DataType::Date && below_day { DataType::Timestamp(6) } else { time.clone() })
}

/// How many months, or milliseconds, a unit has.
fn span(unit: Unit) -> Result<(i64, bool), Failure> {
    Ok(match unit {
        Unit::Millennium => (12_000, true),
        Unit::Century => (1200, true),
        Unit::Decade => (120, true),
        Unit::Year => (12, true),
        Unit::Quarter => (3, true),
        Unit::Month => (1, true),
        Unit::Week => (7 * DAY_MILLIS, false),
        Unit::Day => (DAY_MILLIS, false),
        Unit::Hour => (HOUR_MILLIS, false),
        Unit::Minute => (MINUTE_MILLIS, false),
        Unit::Second => (SECOND_MILLIS, false),
        Unit::Millisecond => (1, false),
        other => return Err(Failure::user(format!("{other:?} is not a span of time"))),
    })
}

pub(super) fn timestamp_add(arguments: &Arguments<'_>) -> Result<Kernel, Failure> {
    let (size, months) = span(Unit::constant(arguments, 0)?)?;
    let result = add_type(arguments)?;
    Ok(Arc::new(move |inputs| {
        let counts = integers(inputs, 1)?;
        shift(inputs, 2, &result, &|row| Some(counts.get(row)?.wrapping_mul(size)), months)
    }))
}

/// Whole units between two times.
pub(super) fn timestamp_diff(arguments: &Arguments<'_>) -> Result<Kernel, Failure> {
    let (size, months) = span(Unit::constant(arguments, 0)?)?;
    Ok(Arc::new(move |inputs| {
        let (from, to) = (Temporals::new(inputs, 1)?, Temporals::new(inputs, 2)?);
        let units: Int32Array = (0..inputs.rows)
            .map(|row| {
                let (from, to) = (from.get(row)?.millis, to.get(row)?.millis);
                let whole = if months { months_between(from, to) / size } else { (to - from) / size };
                Some(whole as i32)
            })
            .collect();
        Ok(Arc::new(units))
    }))
}

/// Whole months from one time to another; from the end of a month to the end of a shorter one is a whole month.
fn months_between(from: i64, to: i64) -> i64 {
    let ((from_days, from_time), (to_days, to_time)) = (split_millis(from), split_millis(to));
    let months = if to_days < from_days { -months_up(to_days, from_days) } else { months_up(from_days, to_days) };
    let reached = Date::from_days(from_days).plus_months(months).days();
    if reached == to_days && to_time < from_time { months - 1 } else { months }
}

/// Whole months from one day to one that is not before it.
fn months_up(from: i64, to: i64) -> i64 {
    let (start, end) = (Date::from_days(from), Date::from_days(to));
    let months = (end.year * 12 + i64::from(end.month)) - (start.year * 12 + i64::from(start.month));
    if start.plus_months(months).days() > to { months - 1 } else { months }
}

/// `EXTRACT` from an interval of months.
pub(super) fn extract_months(unit: Unit) -> Result<Kernel, Failure> {
    let (size, modulus) = match unit {
        Unit::Year => (12, i64::MAX),
        Unit::Month => (1, 12),
        Unit::Quarter => (3, 4),
        other => return Err(Failure::user(format!("an interval of months has no {other:?}"))),
    };
    Ok(Arc::new(move |inputs| {
        let months = integers(inputs, 1)?;
        let values: Int64Array = (0..inputs.rows).map(|row| Some(months.get(row)? / size % modulus)).collect();
        Ok(Arc::new(values))
    }))
}
