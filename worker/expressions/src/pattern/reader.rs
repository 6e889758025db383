//! Reading a text by a pattern: the fields that were found, and the time that they give.

use model::Instant;
use values::calendar::{DAY_MILLIS, Date, HOUR_MILLIS, MINUTE_MILLIS, SECOND_MILLIS};

use super::{DAYS, MONTHS, Part, Start};

/// The most digits that a field is read of.
const DIGITS_MAX: usize = 9;

/// What was read of a text.
#[derive(Default)]
pub(super) struct Reader<'a> {
    pub(super) rest: &'a str,
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

impl<'a> Reader<'a> {
    /// At the start of a text.
    pub(super) fn new(rest: &'a str, lenient: bool) -> Self {
        Self { rest, lenient, ..Self::default() }
    }

    /// Reads one part; `adjacent` if another field follows at once.
    pub(super) fn read(&mut self, part: &Part, adjacent: bool) -> Option<()> {
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

    /// A number from 1 to `limit`; `limit` itself means 0 (hour 24 is hour 0).
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

    /// A number of `width` digits. With a width of 1, or in lenient mode, it may have any number of digits, unless another
    /// number follows immediately.
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
    pub(super) fn finish(self) -> Option<Instant> {
        let year = self.year.unwrap_or(1970);
        let days = match self.day_of_year {
            Some(day) => Date { year, month: 1, day: 1 }.days() + day - 1,
            None => {
                let (month, day) = (self.month.unwrap_or(1), self.day.unwrap_or(1));
                Date::smart(year, u32::try_from(month).ok()?, u32::try_from(day).ok()?)?.days()
            }
        };
        let time = self.time() + self.nanos / 1_000_000 - self.offset.unwrap_or(0);
        let millis = days.checked_mul(DAY_MILLIS)?.checked_add(time)?;
        Some(Instant { millis, nanos: self.nanos % 1_000_000 })
    }

    /// Values out of a field's range carry over into the next larger field.
    pub(super) fn finish_leniently(self) -> Option<Start> {
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
