//! Java's date patterns (`yyyy-MM-dd HH:mm:ss`): compiled once, written without allocation, and read.

#![expect(
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    clippy::cast_sign_loss,
    reason = "SQL arithmetic wraps as Java's; positions are bounded by a batch"
)]

use std::fmt::{self, Write};

use model::{Failure, Instant};
use values::calendar::{self, DAY_MILLIS, Date, HOUR_MILLIS, MINUTE_MILLIS, SECOND_MILLIS, split_millis, write_padded};

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
        let mut reader = Reader { rest: text, ..Reader::default() };
        self.read(&mut reader)?;
        if reader.rest.is_empty() { reader.finish() } else { None }
    }

    /// Reads a time that the pattern describes at the start of a text, as Java's `SimpleDateFormat` does: what follows
    /// is ignored, so are blanks before a field, and fields may have any number of digits and any value.
    pub(crate) fn parse_start(&self, text: &str) -> Option<Start> {
        let mut reader = Reader { rest: text, lenient: true, ..Reader::default() };
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

/// The most digits that a field is read of.
const DIGITS_MAX: usize = 9;

/// What was read of a text.
#[derive(Default)]
struct Reader<'a> {
    rest: &'a str,
    /// As `SimpleDateFormat`.
    lenient: bool,
    year: Option<i64>,
    month: Option<i64>,
    day: Option<i64>,
    day_of_year: Option<i64>,
    hour: i64,
    half_day: Option<i64>,
    minute: i64,
    second: i64,
    nanos: i64,
    /// Milliseconds east of UTC.
    offset: Option<i64>,
}

/// Two digits of a year up to this one are of the 21st century, others of the 20th: Java's rule in the year 2026, here
/// the same in every year.
const SHORT_YEAR_MAX: i64 = 45;

impl Reader<'_> {
    fn read(&mut self, part: &Part, adjacent: bool) -> Option<()> {
        if self.lenient && !matches!(part, Part::Text(_)) {
            self.rest = self.rest.trim_start_matches([' ', '\t']);
        }
        match part {
            Part::Text(text) => self.rest = self.rest.strip_prefix(text.as_str())?,
            Part::Year(2) => self.year = Some(self.short_year(adjacent)?),
            Part::Year(width) | Part::WeekYear(width) => self.year = Some(self.number(*width, adjacent)?),
            Part::Quarter(width) | Part::Week(width) => {
                self.number(*width, adjacent)?;
            }
            Part::Month(width @ 1..=2) => self.month = Some(self.number(*width, adjacent)?),
            Part::Month(width) => self.month = Some(self.name(&MONTHS, *width >= 4)? as i64 + 1),
            Part::DayOfYear(width) => self.day_of_year = Some(self.number(*width, adjacent)?),
            Part::Day(width) => self.day = Some(self.number(*width, adjacent)?),
            Part::DayName(width) => {
                self.name(&DAYS, *width >= 4)?;
            }
            Part::DayNumber => {
                self.number(1, true)?;
            }
            Part::AmPm => self.half_day = Some(self.name(&["AM ", "PM "], false)? as i64),
            Part::Hour(width) => self.hour = self.below(24, *width, adjacent)?,
            Part::HourFromOne(width) => self.hour = self.one_from(24, *width, adjacent)?,
            Part::HalfDayHour(width) => self.hour = self.below(12, *width, adjacent)?,
            Part::ClockHour(width) => self.hour = self.one_from(12, *width, adjacent)?,
            Part::Minute(width) => self.minute = self.below(60, *width, adjacent)?,
            Part::Second(width) => self.second = self.below(60, *width, adjacent)?,
            Part::Fraction(width) => self.nanos = self.fraction(*width, adjacent)?,
            Part::ZoneLetter | Part::Offset { .. } => self.offset = Some(self.zone_offset()?),
            Part::ZoneName => {
                self.rest = self.rest.strip_prefix("UTC").or_else(|| self.rest.strip_prefix("GMT"))?;
            }
        }
        Some(())
    }

    fn short_year(&mut self, adjacent: bool) -> Option<i64> {
        let before = self.rest.len();
        let year = self.number(2, adjacent)?;
        Some(match before - self.rest.len() {
            // Another number of digits is a year as it is.
            digits if self.lenient && digits != 2 => year,
            _ if self.lenient && year > SHORT_YEAR_MAX => 1900 + year,
            _ => 2000 + year,
        })
    }

    /// A number less than `limit`.
    fn below(&mut self, limit: i64, width: usize, adjacent: bool) -> Option<i64> {
        self.number(width, adjacent).filter(|number| self.lenient || *number < limit)
    }

    /// A number from 1 to `limit`, which stands for 0.
    fn one_from(&mut self, limit: i64, width: usize, adjacent: bool) -> Option<i64> {
        let number = self.number(width, adjacent).filter(|number| self.lenient || *number <= limit)?;
        Some(if number == limit { 0 } else { number })
    }

    /// Nanoseconds: of a fraction of a second or, as `SimpleDateFormat` has it, of a number of milliseconds.
    fn fraction(&mut self, width: usize, adjacent: bool) -> Option<i64> {
        if self.lenient {
            return Some(self.number(width, adjacent)? * 1_000_000);
        }
        let width = width.min(9);
        Some(self.number(width, true)? * 10_i64.pow(9 - width as u32))
    }

    /// A number of `width` digits. One alone stands for any number of them, and so it does where that does not matter,
    /// unless another number follows at once.
    fn number(&mut self, width: usize, adjacent: bool) -> Option<i64> {
        let any = if self.lenient { !adjacent } else { width == 1 && !adjacent };
        let limit = if any { DIGITS_MAX + 1 } else { width };
        let digits = self.rest.bytes().take(limit).take_while(u8::is_ascii_digit).count();
        let is_whole = self.lenient || any || digits == width;
        if digits == 0 || digits > DIGITS_MAX || !is_whole {
            return None;
        }
        let (number, rest) = self.rest.split_at(digits);
        self.rest = rest;
        number.parse().ok()
    }

    fn name(&mut self, names: &[&str], full: bool) -> Option<usize> {
        names.iter().position(|name| {
            let name = if full { name } else { &name[..name.trim_end().len().min(3)] };
            let is_match = self.rest.get(..name.len()).is_some_and(|start| start.eq_ignore_ascii_case(name));
            if is_match {
                self.rest = &self.rest[name.len()..];
            }
            is_match
        })
    }

    fn zone_offset(&mut self) -> Option<i64> {
        if let Some(rest) = self.rest.strip_prefix('Z') {
            self.rest = rest;
            return Some(0);
        }
        let sign = match self.rest.chars().next()? {
            '+' => 1,
            '-' => -1,
            _ => return None,
        };
        self.rest = &self.rest[1..];
        let hours = self.two_digits()?;
        self.rest = self.rest.strip_prefix(':').unwrap_or(self.rest);
        let minutes = self.two_digits().unwrap_or(0);
        Some(sign * (hours * HOUR_MILLIS + minutes * MINUTE_MILLIS))
    }

    fn two_digits(&mut self) -> Option<i64> {
        let digits = self.rest.get(..2).filter(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()))?;
        self.rest = &self.rest[2..];
        digits.parse().ok()
    }

    /// Java's `SMART` rules: a day that its month does not have is the month's last.
    fn finish(self) -> Option<Instant> {
        let year = self.year.unwrap_or(1970);
        let days = match self.day_of_year {
            Some(day) => Date { year, month: 1, day: 1 }.days() + day - 1,
            None => {
                let (month, day) = (self.month.unwrap_or(1), self.day.unwrap_or(1));
                Date::smart(year, u32::try_from(month).ok()?, u32::try_from(day).ok()?)?.days()
            }
        };
        let millis = days * DAY_MILLIS + self.time() + self.nanos / 1_000_000 - self.offset.unwrap_or(0);
        Some(Instant { millis, nanos: self.nanos % 1_000_000 })
    }

    /// What is too much for a field goes on in the next larger one.
    fn finish_leniently(self) -> Option<Start> {
        let year = self.year.unwrap_or(1970);
        let days = match self.day_of_year {
            Some(day) => Date { year, month: 1, day: 1 }.days() + day - 1,
            None => {
                let first = Date { year, month: 1, day: 1 }.plus_months(self.month.unwrap_or(1) - 1);
                first.days() + self.day.unwrap_or(1) - 1
            }
        };
        let time = self.time() + self.nanos / 1_000_000;
        Some(Start { local_millis: days.checked_mul(DAY_MILLIS)?.checked_add(time)?, offset: self.offset })
    }

    /// Milliseconds of the day.
    fn time(&self) -> i64 {
        let hour = self.hour + self.half_day.map_or(0, |half| half * 12);
        hour * HOUR_MILLIS + self.minute * MINUTE_MILLIS + self.second * SECOND_MILLIS
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
