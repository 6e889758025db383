//! Java's date patterns (`yyyy-MM-dd HH:mm:ss`): compiled once, written without allocation, and read.

#![expect(
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    clippy::cast_sign_loss,
    reason = "SQL arithmetic wraps as Java's; positions are bounded by a batch"
)]

mod reader;

use std::fmt::{self, Write};

use model::{Failure, Instant};
use values::calendar::{self, DAY_MILLIS, Date, HOUR_MILLIS, MINUTE_MILLIS, SECOND_MILLIS, split_millis, write_padded};

use reader::Reader;

const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];
const DAYS: [&str; 7] = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];

/// One part of a pattern: a field with how often its letter stands there, or text.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Text(String),
    Year(usize),
    WeekYear(usize),
    Quarter(usize),
    Month(usize),
    Week(usize),
    DayOfYear(usize),
    Day(usize),
    DayName(usize),
    DayNumber,
    AmPm,
    /// 0 to 23
    Hour(usize),
    /// 1 to 24
    HourFromOne(usize),
    /// 0 to 11
    HalfDayHour(usize),
    /// 1 to 12
    ClockHour(usize),
    Minute(usize),
    Second(usize),
    Fraction(usize),
    /// `Z` instead of an offset
    ZoneLetter,
    /// `+0000` or, with a colon, `+00:00`
    Offset {
        colon: bool,
    },
    ZoneName,
}

/// A compiled pattern.
#[derive(Clone, Debug)]
pub(crate) struct Pattern {
    parts: Vec<Part>,
    /// Times within one such span, in milliseconds, have the same text.
    span: i64,
}

impl Pattern {
    /// Compiles a pattern.
    ///
    /// # Errors
    /// Class `User` if a letter has no meaning or a quote is open.
    pub(crate) fn new(pattern: &str) -> Result<Self, Failure> {
        let mut parts: Vec<Part> = Vec::new();
        let mut rest = pattern;
        while let Some(letter) = rest.chars().next() {
            if letter == '\'' {
                rest = quoted(rest, pattern, &mut parts)?;
                continue;
            }
            let count = rest.chars().take_while(|next| *next == letter).count();
            let (run, after) = rest.split_at(count * letter.len_utf8());
            rest = after;
            match letter {
                '[' | ']' => {}
                _ if letter.is_ascii_alphabetic() => parts.push(field(letter, count, pattern)?),
                _ => push_text(&mut parts, run),
            }
        }
        let span = parts.iter().map(Part::span).min().unwrap_or(DAY_MILLIS);
        Ok(Self { parts, span })
    }

    /// Times with equal spans have equal text.
    #[inline]
    pub(crate) fn span_of(&self, millis: i64) -> i64 {
        millis.div_euclid(self.span)
    }

    /// Writes a time. Years above 9999 have a sign if `signed`, as in Java's `DateTimeFormatter`.
    pub(crate) fn write(&self, out: &mut impl Write, instant: Instant, signed: bool) -> fmt::Result {
        let (days, time) = split_millis(instant.millis);
        let date = Date::from_days(days);
        let hour = time / HOUR_MILLIS;
        for part in &self.parts {
            match part {
                Part::Text(text) => out.write_str(text)?,
                Part::Year(width) => write_year(out, date.year, *width, signed)?,
                Part::WeekYear(width) => write_year(out, calendar::iso_week(days).0, *width, signed)?,
                Part::Quarter(width) => write_padded(out, i64::from(date.month - 1) / 3 + 1, *width)?,
                Part::Month(width) => write_month(out, date.month, *width)?,
                Part::Week(width) => write_padded(out, calendar::iso_week(days).1, *width)?,
                Part::DayOfYear(width) => write_padded(out, date.day_of_year(), *width)?,
                Part::Day(width) => write_padded(out, i64::from(date.day), *width)?,
                Part::DayName(width) => {
                    let name = DAYS[(calendar::day_of_week(days) - 1) as usize];
                    out.write_str(if *width >= 4 { name } else { &name[..3] })?;
                }
                Part::DayNumber => write_padded(out, (days + 3).rem_euclid(7) + 1, 1)?,
                Part::AmPm => out.write_str(if hour < 12 { "AM" } else { "PM" })?,
                Part::Hour(width) => write_padded(out, hour, *width)?,
                Part::HourFromOne(width) => write_padded(out, if hour == 0 { 24 } else { hour }, *width)?,
                Part::HalfDayHour(width) => write_padded(out, hour % 12, *width)?,
                Part::ClockHour(width) => write_padded(out, (hour + 11) % 12 + 1, *width)?,
                Part::Minute(width) => write_padded(out, time / MINUTE_MILLIS % 60, *width)?,
                Part::Second(width) => write_padded(out, time / SECOND_MILLIS % 60, *width)?,
                Part::Fraction(width) => {
                    let nanos = time % SECOND_MILLIS * 1_000_000 + instant.nanos;
                    let width = (*width).min(9);
                    write_padded(out, nanos / 10_i64.pow(9 - width as u32), width)?;
                }
                Part::ZoneLetter => out.write_char('Z')?,
                Part::Offset { colon } => out.write_str(if *colon { "+00:00" } else { "+0000" })?,
                Part::ZoneName => out.write_str("UTC")?,
            }
        }
        Ok(())
    }

    /// Reads a time that the pattern describes, all of the text, as Java's `DateTimeFormatter` does.
    pub(crate) fn parse(&self, text: &str) -> Option<Instant> {
        let mut reader = Reader::new(text, false);
        self.read(&mut reader)?;
        if reader.rest.is_empty() { reader.finish() } else { None }
    }

    /// Reads a time that the pattern describes at the start of a text, as Java's `SimpleDateFormat` does: what follows
    /// is ignored, so are blanks before a field, and fields may have any number of digits and any value.
    pub(crate) fn parse_start(&self, text: &str) -> Option<Start> {
        let mut reader = Reader::new(text, true);
        self.read(&mut reader)?;
        reader.finish_leniently()
    }

    fn read(&self, reader: &mut Reader<'_>) -> Option<()> {
        for (index, part) in self.parts.iter().enumerate() {
            let adjacent = self.parts.get(index + 1).is_some_and(|next| !matches!(next, Part::Text(_)));
            reader.read(part, adjacent)?;
        }
        Some(())
    }
}

/// What the start of a text says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Start {
    /// As if read in UTC.
    pub(crate) local_millis: i64,
    /// Milliseconds east of UTC, if the text says so.
    pub(crate) offset: Option<i64>,
}

impl Start {
    /// Milliseconds since 1970, in UTC unless the text says an offset.
    pub(crate) fn millis(self) -> Option<i64> {
        self.local_millis.checked_sub(self.offset.unwrap_or(0))
    }
}

fn quoted<'a>(rest: &'a str, pattern: &str, parts: &mut Vec<Part>) -> Result<&'a str, Failure> {
    let mut rest = &rest[1..];
    if let Some(after) = rest.strip_prefix('\'') {
        push_text(parts, "'");
        return Ok(after);
    }
    loop {
        let end = rest.find('\'');
        let end = end.ok_or_else(|| Failure::user(format!("date pattern {pattern} has an open quote")))?;
        push_text(parts, &rest[..end]);
        rest = &rest[end + 1..];
        match rest.strip_prefix('\'') {
            Some(after) => {
                push_text(parts, "'");
                rest = after;
            }
            None => return Ok(rest),
        }
    }
}

fn push_text(parts: &mut Vec<Part>, text: &str) {
    match parts.last_mut() {
        Some(Part::Text(known)) => known.push_str(text),
        _ => parts.push(Part::Text(text.to_owned())),
    }
}

fn field(letter: char, count: usize, pattern: &str) -> Result<Part, Failure> {
    Ok(match letter {
        'y' | 'u' => Part::Year(count),
        'Y' => Part::WeekYear(count),
        'Q' | 'q' => Part::Quarter(count),
        'M' | 'L' => Part::Month(count),
        'w' => Part::Week(count),
        'D' => Part::DayOfYear(count),
        'd' => Part::Day(count),
        'E' => Part::DayName(count),
        'e' => Part::DayNumber,
        'a' => Part::AmPm,
        'H' => Part::Hour(count),
        'k' => Part::HourFromOne(count),
        'K' => Part::HalfDayHour(count),
        'h' => Part::ClockHour(count),
        'm' => Part::Minute(count),
        's' => Part::Second(count),
        'S' => Part::Fraction(count),
        'X' => Part::ZoneLetter,
        'x' | 'Z' => Part::Offset { colon: count == 3 || count == 5 },
        'z' | 'V' => Part::ZoneName,
        _ => return Err(Failure::user(format!("date pattern {pattern} has a letter {letter} without meaning"))),
    })
}

impl Part {
    fn span(&self) -> i64 {
        match self {
            Self::AmPm | Self::Hour(_) | Self::HourFromOne(_) | Self::HalfDayHour(_) | Self::ClockHour(_) => {
                HOUR_MILLIS
            }
            Self::Minute(_) => MINUTE_MILLIS,
            Self::Second(_) => SECOND_MILLIS,
            Self::Fraction(_) => 1,
            _ => DAY_MILLIS,
        }
    }
}

fn write_year(out: &mut impl Write, year: i64, width: usize, signed: bool) -> fmt::Result {
    if width == 2 {
        return write_padded(out, year.rem_euclid(100), 2);
    }
    if signed && width >= 4 && year >= 10_i64.pow(width.min(15) as u32) {
        out.write_char('+')?;
    }
    write_padded(out, year, width)
}

fn write_month(out: &mut impl Write, month: u32, width: usize) -> fmt::Result {
    let name = MONTHS[(month - 1) as usize];
    match width {
        1 | 2 => write_padded(out, i64::from(month), width),
        3 => out.write_str(&name[..3]),
        4 => out.write_str(name),
        _ => out.write_str(&name[..1]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn formatted(pattern: &str, text: &str) -> String {
        let mut out = String::new();
        let instant = calendar::parse_timestamp(text).unwrap();
        Pattern::new(pattern).unwrap().write(&mut out, instant, true).unwrap();
        out
    }

    #[test]
    fn patterns_write_times() {
        for (pattern, text, expected) in [
            ("yyyy-MM-dd HH:mm", "2020-03-04 05:06:07.123", "2020-03-04 05:06"),
            ("yyMMdd EEE", "1969-12-31 23:59:59.001", "691231 Wed"),
            ("EEEE, d MMMM yyyy", "2021-02-28 23:59:59.999", "Sunday, 28 February 2021"),
            ("hh:mm:ss.SSS a", "2021-02-28 00:01:02.034", "12:01:02.034 AM"),
            ("'T'HH''mm D Q", "2021-02-28 13:01:02", "T13'01 59 1"),
        ] {
            assert_eq!(formatted(pattern, text), expected, "{pattern}");
        }
        assert!(Pattern::new("yyyy-bb").is_err());
        assert!(Pattern::new("yyyy'").is_err());
    }

    #[test]
    fn patterns_read_times() {
        for (pattern, text, expected) in [
            ("yyyy-MM-dd HH:mm:ss", "2020-03-04 05:06:07", Some("2020-03-04 05:06:07")),
            ("yyyyMMddHHmmss", "20200304050607", Some("2020-03-04 05:06:07")),
            ("dd/MM/yyyy hh:mm a", "04/03/2020 05:06 PM", Some("2020-03-04 17:06:00")),
            ("yyyy-MM-dd'T'HH:mm:ss.SSSX", "2020-03-04T05:06:07.100+01:00", Some("2020-03-04 04:06:07.1")),
            ("d MMM yyyy", "4 Mar 2020", Some("2020-03-04")),
            ("yyyy-MM-dd", "2020-02-30", Some("2020-02-29")),
            ("yyyy-MM-dd", "2020-02-32", None),
            ("yyyy-MM-dd", "2020-02-03x", None),
            ("yyyy-MM-dd", "2020-2-3", None),
            ("yyyy-M-d", "2020-2-13", Some("2020-02-13")),
            ("yyyy-MM-dd HH:mm:ss.SS", "2020-02-03 04:05:06.12", Some("2020-02-03 04:05:06.12")),
            ("yyyy-MM-dd HH:mm:ss.SSS", "2020-02-03 04:05:06.12", None),
            ("y-M-d", "999999999-1-1", None),
            ("y D", "999999999 1", None),
        ] {
            let expected = expected.map(|expected| calendar::parse_timestamp(expected).unwrap());
            assert_eq!(Pattern::new(pattern).unwrap().parse(text), expected, "{pattern} {text}");
        }
    }

    #[test]
    fn the_start_of_a_text_is_read_leniently() {
        for (pattern, text, expected) in [
            ("yyyy-MM-dd", "1999-9-10 05:20:10", Some("1999-09-10")),
            ("yyyy-MM-dd", "1999-09-10x", Some("1999-09-10")),
            ("yyyy-MM-dd", "  1999- 9-10", Some("1999-09-10")),
            ("yyyy-MM-dd", "2020-02-30", Some("2020-03-01")),
            ("yyyy-MM-dd", "2020-13-01", Some("2021-01-01")),
            ("yyyy-MM-dd HH:mm:ss", "2020-01-01 25:61:00", Some("2020-01-02 02:01:00")),
            ("yyyyMMdd", "20200304 5", Some("2020-03-04")),
            ("yyyy-MM-dd HH:mm:ss.SSS", "2020-01-01 00:00:00.5", Some("2020-01-01 00:00:00.005")),
            ("yy-MM-dd", "69-12-31", Some("1969-12-31")),
            ("yyyy-MM-dd", "1999/09/10", None),
            ("yyyy-MM-dd HH:mm:ss", "2020-01-01", None),
            ("yyyy-MM-dd", "99999999999-01-01", None),
            ("yyyy-MM-dd", "", None),
        ] {
            let expected = expected.map(|expected| calendar::parse_timestamp(expected).unwrap().millis);
            let start = Pattern::new(pattern).unwrap().parse_start(text);
            assert_eq!(start.and_then(Start::millis), expected, "{pattern} {text}");
        }
    }

    #[test]
    fn spans_are_as_fine_as_the_pattern() {
        for (pattern, span) in [("yyyy-MM-dd", DAY_MILLIS), ("HH", HOUR_MILLIS), ("HH:mm", MINUTE_MILLIS), ("SSS", 1)] {
            assert_eq!(Pattern::new(pattern).unwrap().span, span);
        }
    }
}
