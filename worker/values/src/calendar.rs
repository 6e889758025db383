//! The proleptic Gregorian calendar on days and milliseconds since 1970, without allocation, and the texts of dates,
//! times and timestamps that `CAST` reads and writes.

#![expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "fields of a date are bounded by the calendar"
)]

use std::fmt::{self, Write};

use model::Instant;

/// Milliseconds of a second.
pub const SECOND_MILLIS: i64 = 1000;
/// Milliseconds of a minute.
pub const MINUTE_MILLIS: i64 = 60 * SECOND_MILLIS;
/// Milliseconds of an hour.
pub const HOUR_MILLIS: i64 = 60 * MINUTE_MILLIS;
/// Milliseconds of a day.
pub const DAY_MILLIS: i64 = 24 * HOUR_MILLIS;

/// A day of the calendar.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Date {
    /// Of the proleptic Gregorian calendar; 0 is the year before 1.
    pub year: i64,
    /// From 1.
    pub month: u32,
    /// From 1.
    pub day: u32,
}

impl Date {
    /// The date of a day counted from 1970-01-01.
    pub fn from_days(days: i64) -> Self {
        // Years begin in March, so that a leap day is the last of its year; eras have 400 years.
        let shifted = days + 719_468;
        let era = shifted.div_euclid(146_097);
        let day_of_era = shifted.rem_euclid(146_097);
        let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let shifted_month = (5 * day_of_year + 2) / 153;
        let day = (day_of_year - (153 * shifted_month + 2) / 5 + 1) as u32;
        let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 } as u32;
        Self { year: year_of_era + era * 400 + i64::from(month <= 2), month, day }
    }

    /// Days since 1970-01-01.
    pub fn days(self) -> i64 {
        let year = self.year - i64::from(self.month <= 2);
        let era = year.div_euclid(400);
        let year_of_era = year.rem_euclid(400);
        let shifted_month = (i64::from(self.month) + 9) % 12;
        let day_of_year = (153 * shifted_month + 2) / 5 + i64::from(self.day) - 1;
        let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
        era * 146_097 + day_of_era - 719_468
    }

    /// A date, if the calendar has it.
    pub fn checked(year: i64, month: u32, day: u32) -> Option<Self> {
        let valid = (1..=12).contains(&month) && day >= 1 && day <= days_in_month(year, month);
        valid.then_some(Self { year, month, day })
    }

    /// A date of a month and a day up to 31, or the last of a month that has no such day: Java's `SMART` rules.
    pub fn smart(year: i64, month: u32, day: u32) -> Option<Self> {
        let valid = (1..=12).contains(&month) && (1..=31).contains(&day);
        valid.then(|| Self { year, month, day: day.min(days_in_month(year, month)) })
    }

    /// From 1.
    pub fn day_of_year(self) -> i64 {
        self.days() - Self { year: self.year, month: 1, day: 1 }.days() + 1
    }

    /// The same day some months later, or the last of that month.
    pub fn plus_months(self, months: i64) -> Self {
        let total = self.year * 12 + i64::from(self.month) - 1 + months;
        let year = total.div_euclid(12);
        let month = total.rem_euclid(12) as u32 + 1;
        Self { year, month, day: self.day.min(days_in_month(year, month)) }
    }
}

/// Days of a month, which is from 1 to 12.
pub fn days_in_month(year: i64, month: u32) -> u32 {
    match month {
        4 | 6 | 9 | 11 => 30,
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        _ => 31,
    }
}

/// Day of the week of a day since 1970: Sunday is 1, Saturday 7.
pub fn day_of_week(days: i64) -> i64 {
    (days + 4).rem_euclid(7) + 1
}

/// Year and number of the ISO week that a day is in.
pub fn iso_week(days: i64) -> (i64, i64) {
    // The week belongs to the year of its Thursday.
    let monday_based = (days + 3).rem_euclid(7);
    let thursday = days - monday_based + 3;
    let date = Date::from_days(thursday);
    (date.year, (date.day_of_year() - 1) / 7 + 1)
}

/// Day and milliseconds of the day.
#[inline]
pub fn split_millis(millis: i64) -> (i64, i64) {
    (millis.div_euclid(DAY_MILLIS), millis.rem_euclid(DAY_MILLIS))
}

/// `yyyy-MM-dd`
///
/// # Errors
/// If `out` fails.
pub fn write_date(out: &mut impl Write, days: i64) -> fmt::Result {
    let date = Date::from_days(days);
    write_padded(out, date.year, 4)?;
    out.write_char('-')?;
    write_padded(out, i64::from(date.month), 2)?;
    out.write_char('-')?;
    write_padded(out, i64::from(date.day), 2)
}

/// The numbers below 100 with two digits each.
const PAIRS: &str = "\
    0001020304050607080910111213141516171819\
    2021222324252627282930313233343536373839\
    4041424344454647484950515253545556575859\
    6061626364656667686970717273747576777879\
    8081828384858687888990919293949596979899";

/// A number with leading zeros.
///
/// # Errors
/// If `out` fails.
#[inline]
pub fn write_padded(out: &mut impl Write, value: i64, width: usize) -> fmt::Result {
    let pair = |value: i64| &PAIRS[value as usize * 2..value as usize * 2 + 2];
    match (width, value) {
        (2, 0..=99) => return out.write_str(pair(value)),
        (4, 0..=9999) => {
            out.write_str(pair(value / 100))?;
            return out.write_str(pair(value % 100));
        }
        _ => {}
    }
    if value < 0 {
        out.write_char('-')?;
    }
    let mut digits = [b'0'; 20];
    let mut rest = value.unsigned_abs();
    let mut start = digits.len();
    while rest > 0 {
        start -= 1;
        digits[start] = b'0' + (rest % 10) as u8;
        rest /= 10;
    }
    let start = start.min(digits.len() - width.min(digits.len()));
    out.write_str(std::str::from_utf8(&digits[start..]).unwrap_or_default())
}

/// `HH:mm:ss` and as many digits of fraction as `precision` says.
///
/// # Errors
/// If `out` fails.
pub fn write_time(out: &mut impl Write, millis: i64, precision: u8) -> fmt::Result {
    write_padded(out, millis / HOUR_MILLIS, 2)?;
    out.write_char(':')?;
    write_padded(out, millis / MINUTE_MILLIS % 60, 2)?;
    out.write_char(':')?;
    write_padded(out, millis / SECOND_MILLIS % 60, 2)?;
    write_fraction(out, millis % SECOND_MILLIS * 1_000_000, precision)
}

/// A dot and nanoseconds cut to at least `precision` digits, and no digit that is not zero left out.
///
/// # Errors
/// If `out` fails.
pub fn write_fraction(out: &mut impl Write, nanos: i64, precision: u8) -> fmt::Result {
    let mut rest = nanos;
    let mut width = 9;
    while width > usize::from(precision) && rest % 10 == 0 {
        rest /= 10;
        width -= 1;
    }
    if width == 0 {
        return Ok(());
    }
    out.write_char('.')?;
    write_padded(out, rest, width)
}

/// `yyyy-MM-dd HH:mm:ss` and the fraction.
///
/// # Errors
/// If `out` fails.
pub fn write_timestamp(out: &mut impl Write, millis: i64, nanos: i64, precision: u8) -> fmt::Result {
    let (days, time) = split_millis(millis);
    write_date(out, days)?;
    out.write_char(' ')?;
    write_time(out, time - time % SECOND_MILLIS, 0)?;
    write_fraction(out, time % SECOND_MILLIS * 1_000_000 + nanos, precision)
}

/// Reads `yyyy-MM-dd`, as days; months and days may have one digit, and lower parts may be missing.
pub fn parse_date(text: &str) -> Option<i64> {
    let text = text.trim();
    // A time that follows is ignored.
    let (year, month, day) = date_parts(text.split([' ', 'T']).next().unwrap_or(text))?;
    Some(Date::checked(year, month, day)?.days())
}

fn date_parts(date: &str) -> Option<(i64, u32, u32)> {
    let mut parts = date.split('-');
    let year = parse_number(parts.next()?, 4)?;
    let month = parts.next().map_or(Some(1), |part| parse_number(part, 2))?;
    let day = parts.next().map_or(Some(1), |part| parse_number(part, 2))?;
    if parts.next().is_some() {
        return None;
    }
    Some((year, u32::try_from(month).ok()?, u32::try_from(day).ok()?))
}

fn parse_number(text: &str, digits_max: usize) -> Option<i64> {
    let valid = !text.is_empty() && text.len() <= digits_max && text.bytes().all(|byte| byte.is_ascii_digit());
    if valid { text.parse().ok() } else { None }
}

const DAY_NANOS: i64 = DAY_MILLIS * 1_000_000;

/// Reads `HH:mm:ss.fraction`, as nanoseconds of the day; minutes and seconds may be missing.
pub fn parse_time(text: &str) -> Option<i64> {
    parse_clock(text).filter(|nanos| *nanos < DAY_NANOS)
}

/// Also reads `24:00:00`, the end of the day.
fn parse_clock(text: &str) -> Option<i64> {
    let (clock, fraction) = text.split_once('.').unwrap_or((text, ""));
    let mut parts = clock.split(':');
    let hour = parse_number(parts.next()?, 2)?;
    let minute = parts.next().map_or(Some(0), |part| parse_number(part, 2))?;
    let second = parts.next().map_or(Some(0), |part| parse_number(part, 2))?;
    if parts.next().is_some() || minute > 59 || second > 59 {
        return None;
    }
    let mut nanos = 0;
    if !fraction.is_empty() {
        let kept = fraction.get(..fraction.len().min(9))?;
        nanos = parse_number(kept, 9)? * 10_i64.pow(9 - kept.len() as u32);
    }
    Some(((hour * 60 + minute) * 60 + second) * 1_000_000_000 + nanos).filter(|nanos| *nanos <= DAY_NANOS)
}

/// Reads a date, optionally followed by a blank or `T` and a time, and an optional `Z`.
pub fn parse_timestamp(text: &str) -> Option<Instant> {
    let text = text.trim();
    let text = text.strip_suffix('Z').unwrap_or(text);
    let (date, time) = match text.find([' ', 'T']) {
        Some(at) => (&text[..at], Some(&text[at + 1..])),
        None => (text, None),
    };
    let (year, month, day) = date_parts(date)?;
    let days = Date::smart(year, month, day)?.days();
    let nanos = time.map_or(Some(0), parse_clock)?;
    Some(Instant { millis: days * DAY_MILLIS + nanos / 1_000_000, nanos: nanos % 1_000_000 })
}

/// Reads `yyyy-M-d` and, behind a blank, `H:m:s` with an optional fraction, as `java.sql.Date` and `java.sql.Timestamp`
/// do: what is too much for a day or a time of day goes on in the next larger part.
pub fn parse_sql_timestamp(text: &str) -> Option<Instant> {
    let text = text.trim();
    let (date, clock) = text.split_once(' ').map_or((text, None), |(date, clock)| (date, Some(clock)));
    if date.matches('-').count() != 2 || date.find('-') != Some(4) {
        return None;
    }
    let (year, month, day) = date_parts(date)?;
    if !(1..=12).contains(&month) || !(1..=31).contains(&day) {
        return None;
    }
    let days = Date { year, month, day: 1 }.days() + i64::from(day) - 1;
    let Some(clock) = clock else { return Some(Instant::of_millis(days * DAY_MILLIS)) };
    let (clock, fraction) = clock.split_once('.').map_or((clock, None), |(clock, fraction)| (clock, Some(fraction)));
    let mut parts = clock.split(':').map(|part| parse_number(part, 9));
    let (hour, minute, second) = (parts.next()??, parts.next()??, parts.next()??);
    if parts.next().is_some() {
        return None;
    }
    let nanos = match fraction {
        None => 0,
        Some(digits) => parse_number(digits, 9)? * 10_i64.pow(9 - digits.len() as u32),
    };
    let time = hour * HOUR_MILLIS + minute * MINUTE_MILLIS + second * SECOND_MILLIS;
    Some(Instant { millis: days * DAY_MILLIS + time + nanos / 1_000_000, nanos: nanos % 1_000_000 })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_and_dates_agree_over_centuries() {
        let mut expected = Date { year: 1583, month: 1, day: 1 };
        for days in expected.days()..expected.days() + 366 * 800 {
            assert_eq!(Date::from_days(days), expected);
            assert_eq!(expected.days(), days);
            expected = Date::checked(expected.year, expected.month, expected.day + 1)
                .or(Date::checked(expected.year, expected.month + 1, 1))
                .unwrap_or(Date { year: expected.year + 1, month: 1, day: 1 });
        }
        assert_eq!(Date::from_days(0), Date { year: 1970, month: 1, day: 1 });
    }

    #[test]
    fn weeks_are_iso_weeks() {
        for (year, month, day, week) in [(2021, 1, 3, (2020, 53)), (2021, 1, 4, (2021, 1)), (2019, 12, 30, (2020, 1))] {
            assert_eq!(iso_week(Date { year, month, day }.days()), week);
        }
        assert_eq!(day_of_week(0), 5);
    }

    #[test]
    fn timestamps_are_read_and_written() {
        for (text, written) in [
            ("2026-11-22 13:37:02.114", Some("2026-11-22 13:37:02.114")),
            ("2026-11-22T13:37:02.1", Some("2026-11-22 13:37:02.100")),
            ("2026-11-22", Some("2026-11-22 00:00:00.000")),
            (" 1969-12-31 23:59:59.001 ", Some("1969-12-31 23:59:59.001")),
            ("2020-3-4 5:06:07", Some("2020-03-04 05:06:07.000")),
            ("2020-02-30 00:00:00", Some("2020-02-29 00:00:00.000")),
            ("2020-02-32 00:00:00", None),
            ("2020-01-01 24:00:00", Some("2020-01-02 00:00:00.000")),
            ("2020-01-01 24:00:00.001", None),
            ("bad", None),
            ("", None),
        ] {
            let instant = parse_timestamp(text);
            let actual = instant.map(|instant| {
                let mut out = String::new();
                write_timestamp(&mut out, instant.millis, instant.nanos, 3).unwrap();
                out
            });
            assert_eq!(actual.as_deref(), written, "{text}");
        }
    }

    #[test]
    fn texts_are_read_as_javas_sql_types_do() {
        for (text, expected) in [
            ("1999-9-10 05:20:10", Some("1999-09-10 05:20:10")),
            (" 1999-9-10 ", Some("1999-09-10")),
            ("2020-02-30", Some("2020-03-01")),
            ("2020-01-01 24:00:00.5", Some("2020-01-02 00:00:00.5")),
            ("1999-9-10 05:20", None),
            ("99-09-10", None),
            ("1999-09", None),
            ("1999-13-01", None),
            ("1999-09-10x", None),
        ] {
            assert_eq!(parse_sql_timestamp(text), expected.map(|text| parse_timestamp(text).unwrap()), "{text}");
        }
    }
}
