//! The texts of dates and times that are read: of each format exactly those that Flink's reads, in years 0000 to 9999.

#![expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "lengths and digits are checked before they are narrowed"
)]

use values::calendar::{Date, days_in_month};

use crate::TimestampStyle;

const NANOS_OF_SECOND: i64 = 1_000_000_000;
const NANOS_OF_DAY: i64 = 86_400 * NANOS_OF_SECOND;

/// Whose texts are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TimeTexts {
    /// Of JSON in SQL style: `2026-01-02 03:04:05.678`.
    JsonSql,
    /// Of JSON in ISO-8601 style: `2026-01-02T03:04:05.678`.
    JsonIso8601,
    /// Of CSV.
    Csv,
    /// Of options and of names of folders, which are no format: SQL and ISO-8601 style.
    Either,
}

impl From<TimestampStyle> for TimeTexts {
    fn from(style: TimestampStyle) -> Self {
        match style {
            TimestampStyle::Sql => Self::JsonSql,
            TimestampStyle::Iso8601 => Self::JsonIso8601,
            TimestampStyle::Either => Self::Either,
        }
    }
}

/// What a day is that its month does not have, such as February 30.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ExcessDay {
    /// No day.
    Refused,
    /// The last of the month, for days up to 31.
    LastOfMonth,
    /// One of the next month, for days up to 31.
    NextMonth,
}

/// How a time of day is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Clock {
    needs_seconds: bool,
    /// Whether `24:00:00` is the end of the day.
    has_24: bool,
}

const SQL_CLOCK: Clock = Clock { needs_seconds: true, has_24: true };
const ISO_CLOCK: Clock = Clock { needs_seconds: false, has_24: false };

impl TimeTexts {
    /// Reads a date as days since 1970-01-01.
    pub(crate) fn date(self, text: &[u8]) -> Option<i64> {
        match self {
            Self::Csv => loose_date(text),
            _ => date(text, ExcessDay::Refused),
        }
    }

    /// Reads a time as nanoseconds of the day.
    pub(crate) fn time(self, text: &[u8]) -> Option<i64> {
        match self {
            Self::JsonSql | Self::JsonIso8601 => time(text, SQL_CLOCK).map(|nanos| nanos % NANOS_OF_DAY),
            Self::Csv | Self::Either => time(text, ISO_CLOCK),
        }
    }

    /// Reads a timestamp, or an instant, which ends in `Z`, as days since 1970-01-01 and nanoseconds of the day.
    pub(crate) fn timestamp(self, text: &[u8], is_instant: bool) -> Option<(i64, i64)> {
        let text = if self == Self::Csv { crate::scalar::trimmed(text) } else { text };
        let text = if is_instant { text.strip_suffix(b"Z")? } else { text };
        let (day, clock) = match self {
            Self::JsonSql | Self::Csv => (ExcessDay::LastOfMonth, SQL_CLOCK),
            Self::JsonIso8601 if is_instant => (ExcessDay::LastOfMonth, Clock { has_24: true, ..ISO_CLOCK }),
            Self::JsonIso8601 | Self::Either => (ExcessDay::Refused, ISO_CLOCK),
        };
        let separates = match (self, *text.get(10)?) {
            (Self::JsonSql | Self::Csv, separator) => separator == b' ',
            (Self::JsonIso8601, separator) => separator == b'T' || separator == b't' && !is_instant,
            (Self::Either, separator) => matches!(separator, b' ' | b'T'),
        };
        if !separates {
            return None;
        }
        let (days, nanos) = (date(&text[..10], day)?, time(&text[11..], clock)?);
        if nanos < NANOS_OF_DAY {
            return Some((days, nanos));
        }
        Some((days + 1, 0)).filter(|(days, _)| *days < Date { year: 10_000, month: 1, day: 1 }.days())
    }

    /// What timestamps look like, for messages.
    pub(crate) fn form(self, is_instant: bool) -> &'static str {
        match (self, is_instant) {
            (Self::JsonSql | Self::Csv, false) => "SQL (2026-01-02 03:04:05.678)",
            (Self::JsonSql | Self::Csv, true) => "SQL (2026-01-02 03:04:05.678Z)",
            (Self::JsonIso8601, false) => "ISO-8601 (2026-01-02T03:04:05.678)",
            (Self::JsonIso8601, true) => "ISO-8601 (2026-01-02T03:04:05.678Z)",
            (Self::Either, false) => "SQL or ISO-8601",
            (Self::Either, true) => "SQL or ISO-8601 (2026-01-02T03:04:05.678Z)",
        }
    }
}

/// Without the digits that a precision does not have.
pub(crate) fn cut(nanos: i64, precision: u8) -> i64 {
    nanos - nanos % 10i64.pow(u32::from(9u8.saturating_sub(precision)))
}

/// `digits` decimal digits.
fn number(digits: &[u8]) -> Option<i64> {
    let digit = |byte: &u8| byte.is_ascii_digit().then(|| i64::from(byte - b'0'));
    digits.iter().try_fold(0, |value, byte| Some(value * 10 + digit(byte)?))
}

/// Reads `yyyy-MM-dd`.
fn date(text: &[u8], excess: ExcessDay) -> Option<i64> {
    if text.len() != 10 || text[4] != b'-' || text[7] != b'-' {
        return None;
    }
    day(number(&text[..4])?, number(&text[5..7])?, number(&text[8..])?, excess)
}

/// Reads `yyyy-[M]M-[d]d`, as JDBC does.
fn loose_date(text: &[u8]) -> Option<i64> {
    let mut parts = text.splitn(3, |byte| *byte == b'-');
    let (year, month, of_month) = (parts.next()?, parts.next()?, parts.next()?);
    if year.len() != 4 || !(1..=2).contains(&month.len()) || !(1..=2).contains(&of_month.len()) {
        return None;
    }
    day(number(year)?, number(month)?, number(of_month)?, ExcessDay::NextMonth)
}

fn day(year: i64, month: i64, day: i64, excess: ExcessDay) -> Option<i64> {
    if !(1..=12).contains(&month) || !(1..=31).contains(&day) {
        return None;
    }
    let day = if day > 28 && excess != ExcessDay::NextMonth {
        let length = i64::from(days_in_month(year, month as u32));
        if day > length && excess == ExcessDay::Refused {
            return None;
        }
        day.min(length)
    } else {
        day
    };
    Some(Date { year, month: month as u32, day: 1 }.days() + day - 1)
}

/// Reads `HH:mm[:ss[.fraction]]`; a fraction has up to nine digits.
fn time(text: &[u8], clock: Clock) -> Option<i64> {
    if text.len() < 5 || text[2] != b':' {
        return None;
    }
    let (hour, minute) = (number(&text[..2])?, number(&text[3..5])?);
    let (second, nanos) = match &text[5..] {
        [] if !clock.needs_seconds => (0, 0),
        [b':', tens, ones, fraction @ ..] => (number(&[*tens, *ones])?, fraction_nanos(fraction)?),
        _ => return None,
    };
    if minute > 59 || second > 59 {
        return None;
    }
    let nanos = (hour * 3600 + minute * 60 + second) * NANOS_OF_SECOND + nanos;
    (nanos < NANOS_OF_DAY || clock.has_24 && nanos == NANOS_OF_DAY).then_some(nanos)
}

/// Reads nothing, or a point and up to nine digits; Java lets a point without digits pass.
fn fraction_nanos(text: &[u8]) -> Option<i64> {
    match text {
        [] => Some(0),
        [b'.', digits @ ..] if digits.len() <= 9 => Some(number(digits)? * 10i64.pow(9 - digits.len() as u32)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Days and nanoseconds as text.
    fn shown(read: Option<(i64, i64)>) -> String {
        let Some((days, nanos)) = read else { return "-".to_owned() };
        let (Date { year, month, day }, seconds) = (Date::from_days(days), nanos / NANOS_OF_SECOND);
        let clock = format!("{:02}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60);
        format!("{year:04}-{month:02}-{day:02} {clock}.{:09}", nanos % NANOS_OF_SECOND)
    }

    /// What Java 17 makes of these texts with Flink's formatters.
    #[test]
    fn timestamps_are_those_that_flink_reads() {
        const NOON: &str = "2020-07-23 12:00:00.000000000";
        let cases = [
            // Text with a blank, read as SQL, as an SQL instant, as ISO-8601, and as an ISO-8601 instant.
            ("2020-07-23 12:00:00", NOON, NOON, NOON, NOON),
            ("2020-07-23 12:00:00.", NOON, NOON, NOON, NOON),
            ("2020-07-23 12:00", "-", "-", NOON, NOON),
            ("2020-02-30 12:00:00", "2020-02-29 12", "2020-02-29 12", "-", "2020-02-29 12"),
            ("2021-02-29 00:00:00", "2021-02-28 00", "2021-02-28 00", "-", "2021-02-28 00"),
            ("2020-04-31 12:00:00", "2020-04-30 12", "2020-04-30 12", "-", "2020-04-30 12"),
            ("2020-02-32 12:00:00", "-", "-", "-", "-"),
            ("2020-07-23 24:00:00.0", "2020-07-24 00", "2020-07-24 00", "-", "2020-07-24 00"),
            ("2020-07-23 24:00:00.000000001", "-", "-", "-", "-"),
            (
                "2020-07-23 23:59:59.123456789",
                "2020-07-23 23:59:59.123456789",
                "2020-07-23",
                "2020-07-23",
                "2020-07-23",
            ),
            ("2020-07-23 12:00:00.1234567891", "-", "-", "-", "-"),
            ("0001-01-01 00:00:00", "0001-01-01", "0001-01-01", "0001-01-01", "0001-01-01"),
            ("9999-12-31 24:00:00", "-", "-", "-", "-"),
            ("2020-7-23 12:00:00", "-", "-", "-", "-"),
            ("12020-01-01 00:00:00", "-", "-", "-", "-"),
            ("2020-07-23 12:00:00+08:00", "-", "-", "-", "-"),
            ("2020-07-23 12:60:00", "-", "-", "-", "-"),
            ("2020-07-23 12:00:60", "-", "-", "-", "-"),
            ("2020-13-23 12:00:00", "-", "-", "-", "-"),
            ("2020-00-23 12:00:00", "-", "-", "-", "-"),
            (" 2020-07-23 12:00:00", "-", "-", "-", "-"),
            ("2020-07-23 12:00:00 ", "-", "-", "-", "-"),
        ];
        for (text, sql, sql_instant, iso, iso_instant) in cases {
            let with_t = text.replacen(' ', "T", 1);
            let expected =
                [(text, sql, sql_instant, TimeTexts::JsonSql), (&with_t, iso, iso_instant, TimeTexts::JsonIso8601)];
            for (text, local, instant, texts) in expected {
                let read = shown(texts.timestamp(text.as_bytes(), false));
                assert!(read.starts_with(local), "{texts:?} {text}: {read}");
                let read = shown(texts.timestamp(format!("{text}Z").as_bytes(), true));
                assert!(read.starts_with(instant), "{texts:?} {text}Z: {read}");
                assert_eq!(texts.timestamp(format!("{text}Z").as_bytes(), false), None, "{texts:?} {text}Z");
                assert_eq!(texts.timestamp(text.as_bytes(), true), None, "an instant has a zone: {texts:?} {text}");
            }
            let other = TimeTexts::JsonIso8601.timestamp(text.as_bytes(), false);
            assert_eq!(other.or(TimeTexts::JsonSql.timestamp(with_t.as_bytes(), false)), None, "{text}");
        }
        assert!(TimeTexts::JsonIso8601.timestamp(b"2020-07-23t12:00:00", false).is_some());
        assert!(TimeTexts::JsonIso8601.timestamp(b"2020-07-23t12:00:00Z", true).is_none());
        assert!(TimeTexts::JsonIso8601.timestamp(b"2020-07-23T12:00:00z", true).is_none());
        assert!(TimeTexts::Csv.timestamp(b" 2020-07-23 12:00:00 ", false).is_some());
        assert!(TimeTexts::Csv.timestamp(b" 2020-07-23 12:00:00Z ", true).is_some());
        assert!(TimeTexts::Csv.timestamp(b"2020-07-23T12:00:00", false).is_none());
        for text in ["2020-07-23 12:00", "2020-07-23T12:00"] {
            assert!(TimeTexts::Either.timestamp(text.as_bytes(), false).is_some(), "{text}");
            assert!(TimeTexts::Either.timestamp(text.as_bytes(), true).is_none(), "{text}");
        }
    }

    #[test]
    fn dates_and_times_are_those_that_flink_reads() {
        let dates = [
            ("2020-02-29", true, Some(18_321)),
            ("2020-02-30", false, Some(18_322)),
            ("2020-1-2", false, Some(18_263)),
            ("2020-01-32", false, None),
            ("2020-13-01", false, None),
            (" 2020-01-02", false, None),
            ("2020-01-02 00:00:00", false, None),
            ("20-01-02", false, None),
            ("2020-01", false, None),
            ("2020-001-02", false, None),
            ("-2020-1-2", false, None),
        ];
        for (text, in_json, in_csv) in dates {
            assert_eq!(TimeTexts::JsonSql.date(text.as_bytes()).is_some(), in_json, "{text}");
            assert_eq!(TimeTexts::Csv.date(text.as_bytes()), in_csv, "{text}");
        }
        let noon = Some(NANOS_OF_DAY / 2);
        let times = [
            ("12:00:00", noon, noon),
            ("12:00:00.", noon, noon),
            ("12:00", None, noon),
            ("24:00:00", Some(0), None),
            ("24:00:01", None, None),
            ("12:00:00Z", None, None),
            ("9:00:00", None, None),
            (" 12:00:00", None, None),
            ("25:00:00", None, None),
        ];
        for (text, in_json, in_csv) in times {
            assert_eq!(TimeTexts::JsonIso8601.time(text.as_bytes()), in_json, "{text}");
            assert_eq!(TimeTexts::Csv.time(text.as_bytes()), in_csv, "{text}");
        }
    }

    #[test]
    fn digits_behind_the_precision_are_cut_off() {
        assert_eq!(cut(123_456_789, 9), 123_456_789);
        assert_eq!(cut(123_456_789, 4), 123_400_000);
        assert_eq!(cut(NANOS_OF_SECOND + 999_999_999, 0), NANOS_OF_SECOND);
    }
}
