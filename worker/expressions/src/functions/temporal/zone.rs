//! Time zones: names and fixed offsets, and the local times of instants.

use std::{collections::BTreeSet, sync::Arc};

use arrow::{
    array::{Array, ArrayRef, Int64Array, make_array},
    datatypes::DataType as Arrow,
};
use chrono::{FixedOffset, NaiveDateTime, Offset, TimeDelta, TimeZone};
use model::{DataType, Failure};

use crate::{
    cast::units_per_second,
    function::{Arguments, Body::Bound, Function, Kernel, Parameter::Temporal, Parameter::Text, operator},
};

/// The local `TIMESTAMP` of an instant in a zone.
pub const TO_LOCAL: &str = "$TO_LOCAL";
/// The instant of a local `TIMESTAMP` in a zone.
pub const TO_INSTANT: &str = "$TO_INSTANT";

/// The planner's, for a session whose zone is not UTC.
pub(crate) const FUNCTIONS: &[Function] = &[
    operator(
        TO_INSTANT,
        &[Temporal, Text],
        |arguments| Ok(DataType::TimestampLtz(digits(arguments))),
        Bound(to_instant),
    ),
    operator(TO_LOCAL, &[Temporal, Text], |arguments| Ok(DataType::Timestamp(digits(arguments))), Bound(to_local)),
];

/// A zone by name, or an offset from UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Zone {
    Named(chrono_tz::Tz),
    Fixed(FixedOffset),
}

impl Zone {
    /// `America/Los_Angeles`, `UTC`, `GMT-08:00`, `+01:00`
    pub(crate) fn parse(name: &str) -> Option<Self> {
        if let Ok(zone) = name.parse() {
            return Some(Self::Named(zone));
        }
        let upper = name.to_ascii_uppercase();
        if upper == "Z" {
            return Some(Self::Named(chrono_tz::UTC));
        }
        let digits = ["UTC", "GMT", "UT"].into_iter().find_map(|prefix| upper.strip_prefix(prefix)).unwrap_or(&upper);
        let (sign, digits) = match (digits.strip_prefix('+'), digits.strip_prefix('-')) {
            (Some(rest), _) => (1, rest),
            (_, Some(rest)) => (-1, rest),
            _ => return None,
        };
        let (hours, minutes) = digits.split_once(':').unwrap_or((digits, "0"));
        let (hours, minutes): (i32, i32) = (hours.parse().ok()?, minutes.parse().ok()?);
        let fits = (0..=18).contains(&hours) && (0..60).contains(&minutes);
        fits.then(|| FixedOffset::east_opt(sign * (hours * 3600 + minutes * 60))).flatten().map(Self::Fixed)
    }

    fn offset_at(self, utc: &NaiveDateTime) -> i64 {
        i64::from(match self {
            Self::Named(zone) => zone.offset_from_utc_datetime(utc).fix().local_minus_utc(),
            Self::Fixed(offset) => offset.local_minus_utc(),
        })
    }

    /// Seconds to add to an instant, in seconds since 1970, for its local time; none if out of range.
    fn offset_of_instant(self, seconds: i64) -> Option<i64> {
        Some(self.offset_at(&chrono::DateTime::from_timestamp(seconds, 0)?.naive_utc()))
    }

    /// Seconds to take from a local time. Of two the earlier offset counts, and in a gap the one before it, as in Java.
    fn offset_of_local(self, seconds: i64) -> Option<i64> {
        let local = chrono::DateTime::from_timestamp(seconds, 0)?.naive_utc();
        let Self::Named(zone) = self else { return Some(self.offset_at(&local)) };
        Some(match zone.offset_from_local_datetime(&local) {
            chrono::LocalResult::Single(offset) | chrono::LocalResult::Ambiguous(offset, _) => {
                i64::from(offset.fix().local_minus_utc())
            }
            chrono::LocalResult::None => self.offset_at(&local.checked_sub_signed(TimeDelta::try_days(1)?)?),
        })
    }

    /// The instant of a local time, in milliseconds.
    pub(crate) fn to_utc(self, millis: i64) -> Option<i64> {
        millis.checked_sub(self.offset_of_local(millis.div_euclid(1000))? * 1000)
    }

    /// The local time of an instant, in milliseconds.
    pub(crate) fn to_local(self, millis: i64) -> Option<i64> {
        millis.checked_add(self.offset_of_instant(millis.div_euclid(1000))? * 1000)
    }
}

/// Whether there is a time zone of this name.
pub fn is_time_zone(name: &str) -> bool {
    Zone::parse(name).is_some()
}

/// The offsets from UTC, in milliseconds, that a zone has had or will have from 2000 to 2100; none if there is no such
/// zone.
pub fn zone_offsets(name: &str) -> Option<BTreeSet<i64>> {
    const YEAR_2000: i64 = 946_684_800;
    const WEEK: i64 = 7 * 86_400;
    let zone = Zone::parse(name)?;
    Some((0..100 * 53).filter_map(|week| zone.offset_of_instant(YEAR_2000 + week * WEEK)).map(|o| o * 1000).collect())
}

fn digits(arguments: &Arguments<'_>) -> u8 {
    match arguments.get(0) {
        DataType::Timestamp(precision) | DataType::TimestampLtz(precision) => *precision,
        _ => 3,
    }
}

fn to_local(arguments: &Arguments<'_>) -> Result<Kernel, Failure> {
    shifted(arguments, Zone::offset_of_instant)
}

fn to_instant(arguments: &Arguments<'_>) -> Result<Kernel, Failure> {
    shifted(arguments, |zone, seconds| Some(-zone.offset_of_local(seconds)?))
}

/// Adds what an offset says for each value's second.
fn shifted(arguments: &Arguments<'_>, offset: fn(Zone, i64) -> Option<i64>) -> Result<Kernel, Failure> {
    let name = arguments.constant_text(1).ok_or_else(|| Failure::internal("a time zone is a constant"))?;
    let zone = Zone::parse(name).ok_or_else(|| Failure::user(format!("'{name}' is no time zone")))?;
    let per_second = units_per_second(arguments.get(0)).ok_or_else(|| Failure::internal("a zone is of timestamps"))?;
    Ok(Arc::new(move |inputs| {
        let arg = inputs.arg(0)?;
        let values = arg.array.to_data().into_builder().data_type(Arrow::Int64).build()?;
        let values = Int64Array::from(values);
        // Zones change at whole quarters of an hour, and neighbours mostly fall into one.
        let mut known: Option<(i64, Option<i64>)> = None;
        let shifted: Int64Array = values
            .iter()
            .map(|value| {
                let value = value?;
                let second = value.div_euclid(per_second);
                let quarter = second.div_euclid(900);
                if known.is_none_or(|(last, _)| last != quarter) {
                    known = Some((quarter, offset(zone, second)));
                }
                value.checked_add(known?.1? * per_second)
            })
            .collect();
        let data = shifted.to_data().into_builder().data_type(inputs.result.to_arrow()).build()?;
        let array: ArrayRef = make_array(data);
        crate::arg::Arg { array, scalar: arg.scalar }.into_array(inputs.rows)
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zones_have_names_and_offsets() {
        assert_eq!(Zone::parse("GMT-08:00"), FixedOffset::east_opt(-8 * 3600).map(Zone::Fixed));
        assert_eq!(Zone::parse("+05:30"), FixedOffset::east_opt(5 * 3600 + 1800).map(Zone::Fixed));
        assert!(Zone::parse("Europe/Berlin").is_some());
        assert!(Zone::parse("Mars/Olympus").is_none());
    }

    #[test]
    fn local_times_in_gaps_and_overlaps_are_javas() {
        let millis =
            |text: &str| NaiveDateTime::parse_from_str(text, "%Y-%m-%d %H:%M").unwrap().and_utc().timestamp_millis();
        for (zone, local, utc) in [
            ("Europe/Berlin", "2021-03-28 02:30", "2021-03-28 01:30"),
            ("Europe/Berlin", "2021-10-31 02:30", "2021-10-31 00:30"),
            ("America/New_York", "2021-03-14 02:30", "2021-03-14 07:30"),
            ("Asia/Kolkata", "2021-03-14 05:30", "2021-03-14 00:00"),
        ] {
            assert_eq!(Zone::parse(zone).unwrap().to_utc(millis(local)), Some(millis(utc)), "{local} in {zone}");
        }
        let new_york = Zone::parse("America/New_York").unwrap();
        assert_eq!(new_york.to_local(millis("2021-03-14 07:30")), Some(millis("2021-03-14 03:30")));
    }
}
