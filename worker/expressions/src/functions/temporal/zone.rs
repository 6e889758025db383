//! Time zones: names and fixed offsets, and the local times of instants.

use std::{fmt, sync::Arc};

use arrow::array::Array;
use chrono::{FixedOffset, NaiveDateTime, Offset, TimeDelta, TimeZone};
use model::{
    DataType, Failure, Instant,
    timestamp::{self, Timestamps},
};

use super::rounding;
use crate::{
    cast,
    function::{Arguments, Body::Bound, Function, Kernel, Parameter::Any, Parameter::Text, operator},
};

/// The local `TIMESTAMP` of an instant in a zone; of the instants in a collection or row, those that the declared result
/// has as such.
pub const TO_LOCAL: &str = "$TO_LOCAL";
/// The instant of a local `TIMESTAMP` in a zone, and of those in a collection or row.
pub const TO_INSTANT: &str = "$TO_INSTANT";
/// `CEIL` of an instant to a unit of a zone's local time: `(instant, unit, zone)`.
pub const CEIL_IN_ZONE: &str = "$CEIL_IN_ZONE";
/// `FLOOR` of an instant to a unit of a zone's local time: `(instant, unit, zone)`.
pub const FLOOR_IN_ZONE: &str = "$FLOOR_IN_ZONE";
/// `UNIX_TIMESTAMP` of a text with a zone's local time: `(text, pattern, zone)`.
pub const UNIX_TIMESTAMP_IN_ZONE: &str = "$UNIX_TIMESTAMP_IN_ZONE";

/// The planner's, for a session whose zone is not UTC.
pub(crate) const FUNCTIONS: &[Function] = &[
    operator(TO_INSTANT, &[Any, Text], |arguments| Ok(DataType::TimestampLtz(digits(arguments))), Bound(to_instant)),
    operator(CEIL_IN_ZONE, &[Any, Text, Text], rounding::result_type, Bound(|it| rounding::bind_in_zone(true, it))),
    operator(FLOOR_IN_ZONE, &[Any, Text, Text], rounding::result_type, Bound(|it| rounding::bind_in_zone(false, it))),
    operator(
        UNIX_TIMESTAMP_IN_ZONE,
        &[Text, Text, Text],
        |_| Ok(DataType::BigInt),
        Bound(super::convert::unix_timestamp_in_zone),
    ),
    operator(TO_LOCAL, &[Any, Text], |arguments| Ok(DataType::Timestamp(digits(arguments))), Bound(to_local)),
];

/// A zone by name, or an offset from UTC. Times are milliseconds since 1970, local ones as if read in UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Zone(Kind);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Named(chrono_tz::Tz),
    Fixed(FixedOffset),
}

/// The offsets that a local time has, in seconds.
enum Offsets {
    Single(i64),
    /// The earlier of the two instants has the first.
    Two(i64, i64),
    /// The time is skipped; that before it.
    None(i64),
}

impl Zone {
    pub(crate) const UTC: Self = Self(Kind::Named(chrono_tz::UTC));

    /// `America/Los_Angeles`, `UTC`, `GMT-08:00`, `+01:00`
    pub fn parse(name: &str) -> Option<Self> {
        if let Ok(zone) = name.parse() {
            return Some(Self(Kind::Named(zone)));
        }
        let upper = name.to_ascii_uppercase();
        if upper == "Z" {
            return Some(Self::UTC);
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
        let offset = fits.then(|| FixedOffset::east_opt(sign * (hours * 3600 + minutes * 60))).flatten();
        offset.map(|offset| Self(Kind::Fixed(offset)))
    }

    /// The zone that a constant argument names.
    pub(super) fn constant(arguments: &Arguments<'_>, index: usize) -> Result<Self, Failure> {
        let name = arguments.constant_text(index);
        let name = name.ok_or_else(|| Failure::internal("a time zone is a constant"))?;
        Self::parse(name).ok_or_else(|| Failure::user(format!("'{name}' is no time zone")))
    }

    fn offset_at(self, utc: &NaiveDateTime) -> i64 {
        i64::from(match self.0 {
            Kind::Named(zone) => zone.offset_from_utc_datetime(utc).fix().local_minus_utc(),
            Kind::Fixed(offset) => offset.local_minus_utc(),
        })
    }

    /// Seconds to add to an instant, in seconds since 1970, for its local time; none if out of range.
    pub(super) fn offset_of_instant(self, seconds: i64) -> Option<i64> {
        Some(self.offset_at(&chrono::DateTime::from_timestamp(seconds, 0)?.naive_utc()))
    }

    fn offsets_of_local(self, seconds: i64) -> Option<Offsets> {
        let local = chrono::DateTime::from_timestamp(seconds, 0)?.naive_utc();
        let Kind::Named(zone) = self.0 else { return Some(Offsets::Single(self.offset_at(&local))) };
        let seconds = |offset: chrono_tz::TzOffset| i64::from(offset.fix().local_minus_utc());
        Some(match zone.offset_from_local_datetime(&local) {
            chrono::LocalResult::Single(offset) => Offsets::Single(seconds(offset)),
            chrono::LocalResult::Ambiguous(first, second) => Offsets::Two(seconds(first), seconds(second)),
            chrono::LocalResult::None => {
                Offsets::None(self.offset_at(&local.checked_sub_signed(TimeDelta::try_days(1)?)?))
            }
        })
    }

    /// Seconds to take from a local time. Of two the earlier offset counts, and in a gap the one before it, as in Java.
    fn offset_of_local(self, seconds: i64) -> Option<i64> {
        let (Offsets::Single(offset) | Offsets::Two(offset, _) | Offsets::None(offset)) =
            self.offsets_of_local(seconds)?;
        Some(offset)
    }

    /// The first second after `from` with another offset; there is one up to `to`.
    fn change_between(self, mut from: i64, mut to: i64) -> i64 {
        let before = self.offset_of_instant(from);
        while to - from > 1 {
            let middle = from + (to - from) / 2;
            if self.offset_of_instant(middle) == before {
                from = middle;
            } else {
                to = middle;
            }
        }
        to
    }

    /// The instant of a local time; the earlier of two, and of a skipped one that of as much later.
    pub fn to_utc(self, millis: i64) -> Option<i64> {
        millis.checked_sub(self.offset_of_local(millis.div_euclid(1000))? * 1000)
    }

    /// The instant of a local time as Java's `Calendar` has it, which reads texts: the later of two.
    pub(super) fn later_to_utc(self, millis: i64) -> Option<i64> {
        let (Offsets::Single(offset) | Offsets::Two(_, offset) | Offsets::None(offset)) =
            self.offsets_of_local(millis.div_euclid(1000))?;
        millis.checked_sub(offset * 1000)
    }

    /// The local time of an instant.
    pub fn to_local(self, millis: i64) -> Option<i64> {
        millis.checked_add(self.offset_of_instant(millis.div_euclid(1000))? * 1000)
    }

    /// The local times of instants; one out of range stays as it is.
    pub fn all_to_local(self, instants: &[i64]) -> Vec<i64> {
        let mut offset = self.remembering(Self::offset_of_instant);
        let mut local = |&instant: &i64| instant.checked_add(offset(instant.div_euclid(1000))? * 1000);
        instants.iter().map(|instant| local(instant).unwrap_or(*instant)).collect()
    }

    /// The last local time that does not come again after an instant: while the clock runs through times that it will
    /// be set back to, the one before them. It never gets less.
    pub fn passed(self, instant: i64) -> i64 {
        let passed = || {
            let second = instant.div_euclid(1000);
            let offset = self.offset_of_instant(second)?;
            let local = instant.checked_add(offset * 1000)?;
            Some(match self.offsets_of_local(local.div_euclid(1000))? {
                Offsets::Two(first, again) if first == offset => {
                    let set_back = self.change_between(second, local.div_euclid(1000) - again);
                    (set_back + again) * 1000 - 1
                }
                _ => local,
            })
        };
        passed().unwrap_or(instant)
    }

    /// The first instant at which a local time has passed: the later of two, and of a skipped one that of the change.
    pub fn passes(self, local: i64) -> i64 {
        let passes = || {
            let second = local.div_euclid(1000);
            Some(match self.offsets_of_local(second)? {
                Offsets::Single(offset) | Offsets::Two(_, offset) => local.checked_sub(offset * 1000)?,
                Offsets::None(before) => self.change_between(second - before - DAY, second - before) * 1000,
            })
        };
        passes().unwrap_or(local)
    }

    /// What an offset says for a second; zones change at whole quarters of an hour, and neighbours mostly fall into one.
    pub(super) fn remembering(self, offset: fn(Self, i64) -> Option<i64>) -> impl FnMut(i64) -> Option<i64> {
        let mut known: Option<(i64, Option<i64>)> = None;
        move |second| {
            let quarter = second.div_euclid(900);
            match known {
                Some((last, offset)) if last == quarter => offset,
                _ => {
                    let found = offset(self, second);
                    known = Some((quarter, found));
                    found
                }
            }
        }
    }
}

const DAY: i64 = 86_400;

impl fmt::Display for Zone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Kind::Named(zone) => f.write_str(zone.name()),
            Kind::Fixed(offset) => write!(f, "{offset}"),
        }
    }
}

/// Whether there is a time zone of this name.
pub fn is_time_zone(name: &str) -> bool {
    Zone::parse(name).is_some()
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
    let zone = Zone::constant(arguments, 1)?;
    let from = arguments.get(0);
    let kernel = if is_timestamp(from) {
        Some(shifts(zone, offset))
    } else {
        shifts_parts(zone, offset, from, arguments.result)?
    };
    kernel.ok_or_else(|| Failure::internal("a zone is of timestamps"))
}

fn is_timestamp(data_type: &DataType) -> bool {
    matches!(data_type, DataType::Timestamp(_) | DataType::TimestampLtz(_))
}

/// Shifts the parts that become of another type.
fn shifts_parts(
    zone: Zone,
    offset: fn(Zone, i64) -> Option<i64>,
    from: &DataType,
    to: &DataType,
) -> Result<Option<Kernel>, Failure> {
    if from == to {
        return Ok(None);
    }
    if is_timestamp(from) {
        return Ok(Some(shifts(zone, offset)));
    }
    cast::of_parts(from, to, &|from, to| shifts_parts(zone, offset, from, to))
}

fn shifts(zone: Zone, offset: fn(Zone, i64) -> Option<i64>) -> Kernel {
    Arc::new(move |inputs| {
        let arg = inputs.arg(0)?;
        let times = Timestamps::new(&arg.array).ok_or_else(|| Failure::internal("a zone is of timestamps"))?;
        let mut offset = zone.remembering(offset);
        let mut shift = |instant: Instant| {
            let moved = instant.millis.checked_add(offset(instant.millis.div_euclid(1000))? * 1000)?;
            Some(Instant { millis: moved, ..instant })
        };
        let shifted = (0..arg.array.len()).map(|row| shift(times.get(row)?));
        let array = timestamp::column(shifted, &inputs.result.to_arrow())?;
        crate::arg::Arg { array, scalar: arg.scalar }.into_array(inputs.rows)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zones_have_names_and_offsets() {
        let written = |name: &str| Zone::parse(name).map(|zone| zone.to_string());
        assert_eq!(written("GMT-08:00").as_deref(), Some("-08:00"));
        assert_eq!(written("+05:30").as_deref(), Some("+05:30"));
        assert_eq!(written("Europe/Berlin").as_deref(), Some("Europe/Berlin"));
        assert!(Zone::parse("Mars/Olympus").is_none());
    }

    fn millis(text: &str) -> i64 {
        NaiveDateTime::parse_from_str(text, "%Y-%m-%d %H:%M").unwrap().and_utc().timestamp_millis()
    }

    #[test]
    fn local_times_in_gaps_and_overlaps_are_javas() {
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
    #[test]
    fn a_local_time_has_passed_when_it_does_not_come_again() {
        for (zone, instant, passed) in [
            ("Europe/Berlin", "2021-07-01 12:00", "2021-07-01 14:00"),
            ("Europe/Berlin", "2021-03-28 00:59", "2021-03-28 01:59"),
            ("Europe/Berlin", "2021-03-28 01:00", "2021-03-28 03:00"),
            ("Europe/Berlin", "2021-10-31 01:30", "2021-10-31 02:30"),
            ("Europe/Berlin", "2021-10-31 02:00", "2021-10-31 03:00"),
            ("Australia/Lord_Howe", "2021-04-03 15:10", "2021-04-04 01:40"),
            ("Asia/Kolkata", "2021-03-14 00:00", "2021-03-14 05:30"),
        ] {
            assert_eq!(Zone::parse(zone).unwrap().passed(millis(instant)), millis(passed), "{instant} in {zone}");
        }
        // From the first time that comes twice to the change nothing passes.
        let berlin = Zone::parse("Europe/Berlin").unwrap();
        for instant in ["2021-10-31 00:00", "2021-10-31 00:59"] {
            assert_eq!(berlin.passed(millis(instant)), millis("2021-10-31 02:00") - 1);
        }
        let lord_howe = Zone::parse("Australia/Lord_Howe").unwrap();
        assert_eq!(lord_howe.passed(millis("2021-04-03 14:50")), millis("2021-04-04 01:30") - 1);
        assert_eq!(berlin.passed(i64::MAX), i64::MAX);
    }

    #[test]
    fn a_local_time_passes_once() {
        let berlin = Zone::parse("Europe/Berlin").unwrap();
        assert_eq!(berlin.passes(millis("2021-03-28 02:30")), millis("2021-03-28 01:00"));
        assert_eq!(berlin.passes(millis("2021-10-31 02:30")), millis("2021-10-31 01:30"));
        for name in ["Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Pacific/Apia", "+03:00"] {
            let zone = Zone::parse(name).unwrap();
            let mut last = i64::MIN;
            for minute in (millis("2011-01-01 00:00")..millis("2012-01-02 00:00")).step_by(420_000) {
                let passes = zone.passes(minute);
                assert!(passes >= last, "{name}: {minute} passes before the one before it");
                assert!(zone.passed(passes) >= minute && zone.passed(passes - 1) < minute, "{name}: {minute}");
                last = passes;
            }
        }
    }
}
