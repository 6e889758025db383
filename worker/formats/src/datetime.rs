//! Dates, times and timestamps as text, both ways.

use arrow::datatypes::TimeUnit;

const SECONDS_OF_DAY: i64 = 86_400;

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

/// How many of a unit make a second.
pub fn per_second(unit: TimeUnit) -> i64 {
    match unit {
        TimeUnit::Second => 1,
        TimeUnit::Millisecond => 1000,
        TimeUnit::Microsecond => 1_000_000,
        TimeUnit::Nanosecond => 1_000_000_000,
    }
}

/// Days since 1970-01-01 of a date of the Gregorian calendar.
pub fn days_of(year: i64, month: i64, day: i64) -> i64 {
    // Years that start in March have the leap day at their end.
    let year = year - i64::from(month <= 2);
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
}

/// Year, month and day of days since 1970-01-01.
pub fn date_of(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let day_of_era = days.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = (month_from_march + 2) % 12 + 1;
    (era * 400 + year_of_era + i64::from(month <= 2), month, day)
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
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let days_in_month = match month {
        2 => 28 + i64::from(leap),
        4 | 6 | 9 | 11 => 30,
        1..=12 => 31,
        _ => return None,
    };
    if !(1..=days_in_month).contains(&day) {
        return None;
    }
    i32::try_from(days_of(year, month, day)).ok()
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

/// Reads a timestamp in a unit; finer digits are cut off.
pub fn parse_timestamp(text: &[u8], separator: Separator, unit: TimeUnit) -> Option<i64> {
    if text.len() < 16 || text[10] != separator.byte() {
        return None;
    }
    let days = i64::from(parse_date(&text[..10])?);
    let nanos = parse_time_nanos(&text[11..])?;
    let scale = per_second(unit);
    (days * SECONDS_OF_DAY).checked_mul(scale)?.checked_add(nanos / (1_000_000_000 / scale))
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
    let (year, month, day) = date_of(days);
    push_number(out, year, 4);
    out.push(b'-');
    push_number(out, month, 2);
    out.push(b'-');
    push_number(out, day, 2);
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

/// Writes a timestamp of a unit.
pub fn push_timestamp(
    out: &mut Vec<u8>,
    value: i64,
    unit: TimeUnit,
    separator: Separator,
    fraction: Fraction,
    short: bool,
) {
    let scale = per_second(unit);
    let (seconds, rest) = (value.div_euclid(scale), value.rem_euclid(scale));
    push_date(out, seconds.div_euclid(SECONDS_OF_DAY));
    out.push(separator.byte());
    push_time(out, seconds.rem_euclid(SECONDS_OF_DAY), rest * (1_000_000_000 / scale), fraction, short);
}

/// An instant in milliseconds as text, such as `2026-01-02 03:04:05.678Z`.
pub fn instant_text(millis: i64) -> String {
    let mut text = Vec::new();
    push_timestamp(&mut text, millis, TimeUnit::Millisecond, Separator::Space, Fraction::Shortest, false);
    text.push(b'Z');
    String::from_utf8_lossy(&text).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_day_of_a_millennium_comes_back() {
        let (first, last) = (days_of(1582, 10, 15), days_of(2600, 1, 1));
        assert_eq!(days_of(1970, 1, 1), 0);
        assert_eq!(days_of(2000, 3, 1), 11_017);
        for days in first..last {
            let (year, month, day) = date_of(days);
            assert_eq!(days_of(year, month, day), days);
            let mut text = Vec::new();
            push_date(&mut text, days);
            assert_eq!(parse_date(&text), Some(days as i32));
        }
    }

    #[test]
    fn timestamps_come_back_and_nonsense_does_not() {
        for (text, millis) in
            [("2026-11-22T13:37:02.12", 1_795_354_622_120), ("1969-12-31T23:59:59.999", -1), ("1970-01-01T00:00:00", 0)]
        {
            let parsed = parse_timestamp(text.as_bytes(), Separator::T, TimeUnit::Millisecond);
            assert_eq!(parsed, Some(millis), "{text}");
            let mut written = Vec::new();
            push_timestamp(&mut written, millis, TimeUnit::Millisecond, Separator::T, Fraction::Shortest, false);
            assert_eq!(String::from_utf8_lossy(&written), text);
        }
        for text in ["2026-11-22 13:37:02", "2026-02-29T00:00:00", "2026-11-22T24:00:00", "2026-11-22T13:37:02.", "x"] {
            assert_eq!(parse_timestamp(text.as_bytes(), Separator::T, TimeUnit::Millisecond), None, "{text}");
        }
    }

    #[test]
    fn java_leaves_out_zero_seconds() {
        let mut text = Vec::new();
        push_timestamp(&mut text, 60_000, TimeUnit::Millisecond, Separator::T, Fraction::Groups, true);
        text.push(b'|');
        push_timestamp(&mut text, 60_120, TimeUnit::Millisecond, Separator::T, Fraction::Groups, true);
        assert_eq!(String::from_utf8_lossy(&text), "1970-01-01T00:01|1970-01-01T00:01:00.120");
    }
}
