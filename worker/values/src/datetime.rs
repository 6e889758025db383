//! Dates, times and timestamps as bytes of text in the strict forms of formats, both ways.

#![expect(clippy::cast_possible_truncation, reason = "fields of a date are bounded by the calendar")]

use model::Instant;

use crate::calendar::{self, DAY_MILLIS, Date};

/// What stands between date and time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Separator {
    /// `2026-01-02 03:04:05`
    Space,
    /// `2026-01-02T03:04:05`
    T,
}

impl Separator {
    fn byte(self) -> u8 {
        match self {
            Self::Space => b' ',
            Self::T => b'T',
        }
    }
}

/// `digits` decimal digits.
fn number(text: &[u8]) -> Option<i64> {
    let mut value = 0i64;
    for byte in text {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            return None;
        }
        value = value * 10 + i64::from(digit);
    }
    Some(value)
}

/// Reads `yyyy-MM-dd` as days since 1970-01-01.
pub fn parse_date(text: &[u8]) -> Option<i32> {
    if text.len() != 10 || text[4] != b'-' || text[7] != b'-' {
        return None;
    }
    let (year, month, day) = (number(&text[..4])?, number(&text[5..7])?, number(&text[8..])?);
    let date = Date::checked(year, u32::try_from(month).ok()?, u32::try_from(day).ok()?)?;
    i32::try_from(date.days()).ok()
}

/// Reads `HH:mm[:ss[.fraction]]` as nanoseconds of the day.
fn parse_time_nanos(text: &[u8]) -> Option<i64> {
    if text.len() < 5 || text[2] != b':' {
        return None;
    }
    let (hour, minute) = (number(&text[..2])?, number(&text[3..5])?);
    let (mut second, mut nanos) = (0, 0);
    if text.len() > 5 {
        if text.len() < 8 || text[5] != b':' {
            return None;
        }
        second = number(&text[6..8])?;
        if text.len() > 8 {
            let digits = &text[9..];
            if text[8] != b'.' || digits.is_empty() || digits.len() > 9 {
                return None;
            }
            nanos = number(digits)? * 10i64.pow(9 - digits.len() as u32);
        }
    }
    if hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    Some((hour * 3600 + minute * 60 + second) * 1_000_000_000 + nanos)
}

/// Reads `HH:mm[:ss[.fraction]]` as milliseconds of the day.
pub fn parse_time(text: &[u8]) -> Option<i32> {
    i32::try_from(parse_time_nanos(text)? / 1_000_000).ok()
}

/// Reads a timestamp.
pub fn parse_timestamp(text: &[u8], separator: Separator) -> Option<Instant> {
    if text.len() < 16 || text[10] != separator.byte() {
        return None;
    }
    let days = i64::from(parse_date(&text[..10])?);
    let nanos = parse_time_nanos(&text[11..])?;
    Some(Instant { millis: days * DAY_MILLIS + nanos / 1_000_000, nanos: nanos % 1_000_000 })
}

fn push_number(out: &mut Vec<u8>, value: i64, digits: usize) {
    let mut text = [b'0'; 20];
    let mut rest = value.unsigned_abs();
    let mut at = text.len();
    while rest > 0 || at > text.len() - digits {
        at -= 1;
        text[at] = b'0' + (rest % 10) as u8;
        rest /= 10;
    }
    if value < 0 {
        out.push(b'-');
    }
    out.extend_from_slice(&text[at..]);
}

/// Writes `yyyy-MM-dd`.
pub fn push_date(out: &mut Vec<u8>, days: i64) {
    let date = Date::from_days(days);
    push_number(out, date.year, 4);
    out.push(b'-');
    push_number(out, i64::from(date.month), 2);
    out.push(b'-');
    push_number(out, i64::from(date.day), 2);
}

/// How a fraction of a second is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fraction {
    /// As many digits as there are before trailing zeros; none for a whole second.
    Shortest,
    /// Three, six or nine digits; none for a whole second.
    Groups,
}

/// Writes `HH:mm:ss` and the fraction; `short` leaves out seconds that are zero, as Java's `LocalTime` does.
pub fn push_time(out: &mut Vec<u8>, seconds: i64, nanos: i64, fraction: Fraction, short: bool) {
    push_number(out, seconds / 3600, 2);
    out.push(b':');
    push_number(out, seconds / 60 % 60, 2);
    if short && seconds % 60 == 0 && nanos == 0 {
        return;
    }
    out.push(b':');
    push_number(out, seconds % 60, 2);
    if nanos == 0 {
        return;
    }
    let (mut value, mut digits) = (nanos, 9);
    let step = match fraction {
        Fraction::Shortest => 1,
        Fraction::Groups => 3,
    };
    while value % 10i64.pow(step) == 0 {
        value /= 10i64.pow(step);
        digits -= step as usize;
    }
    out.push(b'.');
    push_number(out, value, digits);
}

/// Writes a timestamp.
pub fn push_timestamp(out: &mut Vec<u8>, instant: Instant, separator: Separator, fraction: Fraction, short: bool) {
    let (days, millis) = calendar::split_millis(instant.millis);
    push_date(out, days);
    out.push(separator.byte());
    push_time(out, millis / 1000, millis % 1000 * 1_000_000 + instant.nanos, fraction, short);
}

/// An instant in milliseconds as text, such as `2026-01-02 03:04:05.678Z`.
pub fn instant_text(millis: i64) -> String {
    let mut text = Vec::new();
    push_timestamp(&mut text, Instant::of_millis(millis), Separator::Space, Fraction::Shortest, false);
    text.push(b'Z');
    String::from_utf8_lossy(&text).into_owned()
}

/// A timestamp as arrow writes it: `2026-01-02T03:04:05.678`, with a `Z` behind that of an instant.
pub fn timestamp_text(time: Instant, is_instant: bool) -> String {
    let mut text = Vec::new();
    push_timestamp(&mut text, time, Separator::T, Fraction::Groups, false);
    if is_instant {
        text.push(b'Z');
    }
    String::from_utf8_lossy(&text).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_day_of_the_years_from_1_to_9999_comes_back() {
        let day = |year, month, day| Date { year, month, day }.days();
        for days in day(1, 1, 1)..=day(9999, 12, 31) {
            let mut text = Vec::new();
            push_date(&mut text, days);
            assert_eq!(parse_date(&text), Some(days as i32), "{}", String::from_utf8_lossy(&text));
        }
    }

    #[test]
    fn timestamps_come_back_and_nonsense_does_not() {
        for (text, millis) in
            [("2026-11-22T13:37:02.12", 1_795_354_622_120), ("1969-12-31T23:59:59.999", -1), ("1970-01-01T00:00:00", 0)]
        {
            let parsed = parse_timestamp(text.as_bytes(), Separator::T);
            assert_eq!(parsed, Some(Instant::of_millis(millis)), "{text}");
            let mut written = Vec::new();
            push_timestamp(&mut written, Instant::of_millis(millis), Separator::T, Fraction::Shortest, false);
            assert_eq!(String::from_utf8_lossy(&written), text);
        }
        for text in ["0001-01-01T00:00:00.000000001", "9999-12-31T23:59:59.999999999"] {
            let mut written = Vec::new();
            let instant = parse_timestamp(text.as_bytes(), Separator::T).unwrap();
            push_timestamp(&mut written, instant, Separator::T, Fraction::Shortest, false);
            assert_eq!(String::from_utf8_lossy(&written), text);
        }
        for text in ["2026-11-22 13:37:02", "2026-02-29T00:00:00", "2026-11-22T24:00:00", "2026-11-22T13:37:02.", "x"] {
            assert_eq!(parse_timestamp(text.as_bytes(), Separator::T), None, "{text}");
        }
    }

    #[test]
    fn java_leaves_out_zero_seconds() {
        let mut text = Vec::new();
        push_timestamp(&mut text, Instant::of_millis(60_000), Separator::T, Fraction::Groups, true);
        text.push(b'|');
        push_timestamp(&mut text, Instant::of_millis(60_120), Separator::T, Fraction::Groups, true);
        assert_eq!(String::from_utf8_lossy(&text), "1970-01-01T00:01|1970-01-01T00:01:00.120");
    }
}
