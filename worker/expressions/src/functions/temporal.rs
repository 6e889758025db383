//! Functions on dates, times and timestamps. They know UTC only: where the session's zone is another, the planner says
//! so in the expression (`zone`).

use std::sync::Arc;

use arrow::{
    array::{Array, ArrayRef, AsArray, Int64Array, PrimitiveArray},
    datatypes::{DataType as Arrow, Date32Type, Int64Type, Time32MillisecondType, TimeUnit},
};
use model::{DataType, Failure, Instant, timestamp::Timestamps};
use values::calendar::{self, DAY_MILLIS, Date, HOUR_MILLIS, MINUTE_MILLIS, SECOND_MILLIS};

use crate::{
    arg::{Arg, Inputs},
    cast,
    coercion::is_text,
    function::{
        Arguments,
        Body::{Bound, Plain},
        Function, Kernel,
        Parameter::{Any, BigInt, Int, Temporal, Text, TimestampOrText},
        function, returns,
    },
};

mod clock;
mod convert;
mod format;
pub(crate) mod interval;
pub(crate) mod rounding;
pub(crate) mod zone;

pub(crate) use interval::is_interval;

pub(crate) const FUNCTIONS: &[Function] = &[
    function("CONVERT_TZ", &[Text, Text, Text], returns::string, Plain(convert::convert_tz)).nullable(),
    function("CURRENT_DATE", &[], returns::date, Plain(clock::current_date)).volatile(),
    function("CURRENT_TIME", &[], |_| Ok(DataType::Time(0)), Plain(clock::current_time))
        .volatile()
        .aliases(&["LOCALTIME"]),
    function("CURRENT_TIMESTAMP", &[], |_| Ok(DataType::TimestampLtz(3)), Plain(clock::current_timestamp))
        .volatile()
        .aliases(&["NOW", "CURRENT_ROW_TIMESTAMP"]),
    function("DATE_FORMAT", &[TimestampOrText, Text], returns::string, Bound(format::date_format)).nullable(),
    function("DAYOFMONTH", &[TimestampOrText], returns::bigint, Bound(|arguments| extract(Unit::Day, arguments)))
        .aliases(&["DAY"]),
    function("DAYOFWEEK", &[TimestampOrText], returns::bigint, Bound(|arguments| extract(Unit::DayOfWeek, arguments))),
    function("DAYOFYEAR", &[TimestampOrText], returns::bigint, Bound(|arguments| extract(Unit::DayOfYear, arguments))),
    function("EXTRACT", &[Text, Any], returns::bigint, Bound(extract_unit)).aliases(&["DATE_PART"]),
    function("FROM_UNIXTIME", &[BigInt, Text], returns::string, Bound(format::from_unixtime)).nullable().optional(1),
    function("HOUR", &[TimestampOrText], returns::bigint, Bound(|arguments| extract(Unit::Hour, arguments))),
    function("LOCALTIMESTAMP", &[], returns::timestamp, Plain(clock::current_timestamp)).volatile(),
    function("MINUTE", &[TimestampOrText], returns::bigint, Bound(|arguments| extract(Unit::Minute, arguments))),
    function("MONTH", &[TimestampOrText], returns::bigint, Bound(|arguments| extract(Unit::Month, arguments))),
    function("PROCTIME", &[], |_| Ok(DataType::TimestampLtz(3)), Plain(clock::current_timestamp)).volatile(),
    function("QUARTER", &[TimestampOrText], returns::bigint, Bound(|arguments| extract(Unit::Quarter, arguments))),
    function("SECOND", &[TimestampOrText], returns::bigint, Bound(|arguments| extract(Unit::Second, arguments))),
    function("TIMESTAMPADD", &[Text, Int, Temporal], interval::add_type, Bound(interval::timestamp_add)),
    function("TIMESTAMPDIFF", &[Text, Temporal, Temporal], returns::int, Bound(interval::timestamp_diff)),
    function("TO_DATE", &[Text, Text], returns::date, Bound(convert::to_date)).nullable().optional(1),
    function("TO_TIMESTAMP", &[Text, Text], returns::timestamp, Bound(convert::to_timestamp)).nullable().optional(1),
    function("TO_TIMESTAMP_LTZ", &[Any, Any, Text], convert::ltz_type, Bound(convert::to_timestamp_ltz))
        .nullable()
        .optional(2),
    function("UNIX_TIMESTAMP", &[Text, Text], returns::bigint, Bound(convert::unix_timestamp)).optional(2).volatile(),
    function("WEEK", &[TimestampOrText], returns::bigint, Bound(|arguments| extract(Unit::Week, arguments))),
    function("YEAR", &[TimestampOrText], returns::bigint, Bound(|arguments| extract(Unit::Year, arguments))),
    function("CEIL", &[Any, Text], rounding::result_type, Bound(|arguments| rounding::bind(true, arguments)))
        .optional(1)
        .aliases(&["CEILING"]),
    function("FLOOR", &[Any, Text], rounding::result_type, Bound(|arguments| rounding::bind(false, arguments)))
        .optional(1),
];

/// A unit of time, or a field of a date.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unit {
    Millennium,
    Century,
    Decade,
    Year,
    IsoYear,
    Quarter,
    Month,
    Week,
    Day,
    DayOfWeek,
    IsoDayOfWeek,
    DayOfYear,
    Hour,
    Minute,
    Second,
    Millisecond,
    Microsecond,
    Nanosecond,
    Epoch,
}

impl Unit {
    pub(crate) fn parse(name: &str) -> Result<Self, Failure> {
        Ok(match name.to_ascii_uppercase().trim_start_matches("SQL_TSI_") {
            "MILLENNIUM" => Self::Millennium,
            "CENTURY" => Self::Century,
            "DECADE" => Self::Decade,
            "YEAR" | "YEARS" => Self::Year,
            "ISOYEAR" => Self::IsoYear,
            "QUARTER" | "QUARTERS" => Self::Quarter,
            "MONTH" | "MONTHS" => Self::Month,
            "WEEK" | "WEEKS" => Self::Week,
            "DAY" | "DAYS" => Self::Day,
            "DOW" => Self::DayOfWeek,
            "ISODOW" => Self::IsoDayOfWeek,
            "DOY" => Self::DayOfYear,
            "HOUR" | "HOURS" => Self::Hour,
            "MINUTE" | "MINUTES" => Self::Minute,
            "SECOND" | "SECONDS" => Self::Second,
            "MILLISECOND" | "MILLISECONDS" => Self::Millisecond,
            "MICROSECOND" | "MICROSECONDS" => Self::Microsecond,
            "NANOSECOND" | "NANOSECONDS" => Self::Nanosecond,
            "EPOCH" => Self::Epoch,
            other => return Err(Failure::user(format!("{other} is not a unit of time"))),
        })
    }

    /// The unit that a constant argument names.
    pub(crate) fn constant(arguments: &Arguments<'_>, index: usize) -> Result<Self, Failure> {
        let name = arguments.constant_text(index);
        Self::parse(name.ok_or_else(|| Failure::user("the unit of time is not a constant"))?)
    }

    /// Whether it is a part of a day.
    fn is_clock(self) -> bool {
        matches!(
            self,
            Self::Hour | Self::Minute | Self::Second | Self::Millisecond | Self::Microsecond | Self::Nanosecond
        )
    }

    /// Refuses a unit that values of a type do not have.
    fn check(self, data_type: &DataType) -> Result<(), Failure> {
        let is_there = match data_type {
            DataType::Time(_) => matches!(self, Self::Hour | Self::Minute | Self::Second | Self::Millisecond),
            DataType::Date => !matches!(self, Self::Microsecond | Self::Nanosecond),
            _ => true,
        };
        if is_there { Ok(()) } else { Err(Failure::user(format!("a value of type {data_type} has no {self:?}"))) }
    }

    /// Flink divides towards zero, which shows only before 1970.
    #[inline]
    fn of(self, instant: Instant) -> i64 {
        let (days, time) = (instant.millis / DAY_MILLIS, instant.millis % DAY_MILLIS);
        let date = || Date::from_days(days);
        match self {
            Self::Millennium => (date().year + 999).div_euclid(1000),
            Self::Century => (date().year + 99).div_euclid(100),
            Self::Decade => date().year.div_euclid(10),
            Self::Year => date().year,
            Self::IsoYear => calendar::iso_week(days).0,
            Self::Quarter => i64::from(date().month - 1) / 3 + 1,
            Self::Month => i64::from(date().month),
            Self::Week => calendar::iso_week(days).1,
            Self::Day => i64::from(date().day),
            Self::DayOfWeek => calendar::day_of_week(days),
            Self::IsoDayOfWeek => (days + 3).rem_euclid(7) + 1,
            Self::DayOfYear => date().day_of_year(),
            Self::Hour => time / HOUR_MILLIS,
            Self::Minute => time / MINUTE_MILLIS % 60,
            Self::Second => time / SECOND_MILLIS % 60,
            Self::Millisecond => time % SECOND_MILLIS,
            Self::Microsecond => time % SECOND_MILLIS * 1000 + instant.nanos / 1000,
            Self::Nanosecond => time % SECOND_MILLIS * 1_000_000 + instant.nanos,
            Self::Epoch => instant.millis / SECOND_MILLIS,
        }
    }
}

/// A temporal argument by row.
pub(crate) struct Temporals {
    values: Values,
    mask: usize,
}

enum Values {
    Days(PrimitiveArray<Int64Type>),
    Millis(PrimitiveArray<Int64Type>),
    Timestamps(Timestamps),
}

impl Temporals {
    pub(crate) fn new(inputs: &Inputs<'_>, index: usize) -> Result<Self, Failure> {
        let arg = inputs.arg(index)?;
        Self::of(arg)
    }

    fn of(arg: &Arg) -> Result<Self, Failure> {
        let mask = if arg.scalar { 0 } else { usize::MAX };
        let array = &arg.array;
        let values = match array.data_type() {
            Arrow::Date32 => Values::Days(array.as_primitive::<Date32Type>().unary(i64::from)),
            Arrow::Time32(_) => Values::Millis(array.as_primitive::<Time32MillisecondType>().unary(i64::from)),
            Arrow::Timestamp(TimeUnit::Millisecond, _) | Arrow::Duration(_) => {
                let data = array.to_data().into_builder().data_type(Arrow::Int64).build()?;
                Values::Millis(Int64Array::from(data))
            }
            other => match Timestamps::new(array) {
                Some(timestamps) => Values::Timestamps(timestamps),
                None => return Err(Failure::internal(format!("{other} is not a time"))),
            },
        };
        Ok(Self { values, mask })
    }

    /// A number for each row's time.
    fn map(&self, rows: usize, op: impl Fn(Instant) -> i64) -> Result<ArrayRef, Failure> {
        if self.mask == 0 {
            let value = self.get(0).map(op);
            return Ok(Arc::new(Int64Array::from(vec![value; rows])));
        }
        let mapped: Int64Array = match &self.values {
            Values::Days(days) => days.unary(|days| op(Instant::of_millis(days * DAY_MILLIS))),
            Values::Millis(millis) => millis.unary(|millis| op(Instant::of_millis(millis))),
            Values::Timestamps(_) => (0..rows).map(|row| self.get(row).map(&op)).collect(),
        };
        Ok(Arc::new(mapped))
    }

    #[inline]
    pub(crate) fn get(&self, row: usize) -> Option<Instant> {
        let row = row & self.mask;
        match &self.values {
            Values::Days(days) => days.is_valid(row).then(|| Instant::of_millis(days.value(row) * DAY_MILLIS)),
            Values::Millis(millis) => millis.is_valid(row).then(|| Instant::of_millis(millis.value(row))),
            Values::Timestamps(timestamps) => timestamps.get(row),
        }
    }
}

fn extract_unit(arguments: &Arguments<'_>) -> Result<Kernel, Failure> {
    let unit = Unit::constant(arguments, 0)?;
    let data_type = arguments.get(1);
    if *data_type == DataType::IntervalYearMonth {
        return interval::extract_months(unit);
    }
    if is_text(data_type) || *data_type == DataType::Null {
        return Err(Failure::user(format!("a value of type {data_type} has no {unit:?}")));
    }
    unit.check(data_type)?;
    Ok(Arc::new(move |inputs| extracted(unit, Temporals::new(inputs, 1)?, inputs.rows)))
}

fn extract(unit: Unit, arguments: &Arguments<'_>) -> Result<Kernel, Failure> {
    unit.check(arguments.get(0))?;
    Ok(Arc::new(move |inputs| {
        let arg = inputs.arg(0)?;
        if arg.array.as_string_opt::<i32>().is_none() {
            return extracted(unit, Temporals::of(arg)?, inputs.rows);
        }
        let kernel = cast::kernel(&DataType::String, &DataType::Timestamp(3), true)?;
        let kernel = kernel.ok_or_else(|| Failure::internal("text is no timestamp"))?;
        let args = [arg.clone()];
        let array = kernel(&Inputs { args: &args, rows: arg.array.len(), result: &DataType::Timestamp(3) })?;
        extracted(unit, Temporals::of(&Arg { array, scalar: arg.scalar })?, inputs.rows)
    }))
}

fn extracted(unit: Unit, mut times: Temporals, rows: usize) -> Result<ArrayRef, Failure> {
    // Flink takes the number of a day for milliseconds here.
    times.values = match times.values {
        Values::Days(days) if unit.is_clock() => Values::Millis(days),
        values => values,
    };
    // Fields of a date stay the same for many rows in a row.
    if unit.is_clock() || unit == Unit::Epoch {
        return times.map(rows, |instant| unit.of(instant));
    }
    let known = std::cell::Cell::new((i64::MIN, 0));
    times.map(rows, |instant| {
        let day = instant.millis / DAY_MILLIS;
        if known.get().0 != day {
            known.set((day, unit.of(instant)));
        }
        known.get().1
    })
}
