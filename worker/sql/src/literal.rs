//! Literals with the types that Flink gives them.

use graph::Value;
use model::{DataType, Instant, timestamp};
use sqlparser::{
    ast::{Expr, Value as SqlValue},
    tokenizer::Span,
};
use values::calendar;

use crate::{SqlError, escape};

/// The digits of the least `BIGINT`.
pub(crate) const LEAST_BIGINT: &str = "9223372036854775808";

/// `1` is INT, or BIGINT where that is too narrow; `0.908` is DECIMAL(4, 3); `1e3` is DOUBLE.
pub(crate) fn number(text: &str, span: Span) -> Result<Expr, SqlError> {
    let wrong = || SqlError::at_span(format!("the number {text} is out of range"), span);
    if text.contains(['e', 'E']) {
        let value: f64 = text.parse().ok().filter(|value: &f64| value.is_finite()).ok_or_else(wrong)?;
        return Ok(escape::literal(Value::Float(value), &DataType::Double, span));
    }
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    if fraction.is_empty() {
        return match whole.parse::<i64>() {
            Ok(value) if i32::try_from(value).is_ok() => Ok(escape::integer(value, &DataType::Int, span)),
            Ok(value) => Ok(escape::integer(value, &DataType::BigInt, span)),
            // Fits once there is a minus before it.
            Err(_) if whole == LEAST_BIGINT => {
                decimal(whole, "").map(|(value, kind)| escape::literal(value, &kind, span)).ok_or_else(wrong)
            }
            Err(_) => Err(wrong()),
        };
    }
    decimal(whole, fraction).map(|(value, kind)| escape::literal(value, &kind, span)).ok_or_else(wrong)
}

/// All digits as written count for the precision.
fn decimal(whole: &str, fraction: &str) -> Option<(Value, DataType)> {
    let digits = format!("{whole}{fraction}");
    let precision = u8::try_from(digits.len().max(1)).ok()?;
    let scale = u8::try_from(fraction.len()).ok()?;
    if precision > 38 || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let unscaled: i128 = if digits.is_empty() { 0 } else { digits.parse().ok()? };
    Some((Value::Decimal(unscaled.to_string()), DataType::Decimal(precision, scale)))
}

/// `DATE '…'`, `TIME '…'`, `TIMESTAMP '…'`.
pub(crate) fn temporal(kind: &str, text: &str, span: Span) -> Result<Expr, SqlError> {
    let wrong = || SqlError::at_span(format!("'{text}' is no {kind}"), span);
    let text = text.trim();
    // The digits of the fraction are the precision.
    let precision = text.split_once('.').map_or(0, |(_, fraction)| fraction.len());
    let precision = u8::try_from(precision).ok().filter(|precision| *precision <= 9).ok_or_else(wrong)?;
    let (value, data_type) = match kind {
        "DATE" => (date(text), DataType::Date),
        "TIME" => (time(text).map(|nanos| nanos / 1_000_000), DataType::Time(precision)),
        "TIMESTAMP" => {
            let (instant, data_type) = (timestamp(text).ok_or_else(wrong)?, DataType::Timestamp(precision));
            let value = timestamp::units(instant, &data_type.to_planned_arrow());
            if value.is_none() {
                return Ok(far(text, &data_type, span));
            }
            (value, data_type)
        }
        _ => return Err(SqlError::at_span(format!("{kind} literals are not supported"), span)),
    };
    Ok(escape::integer(value.ok_or_else(wrong)?, &data_type, span))
}

/// A timestamp that is no number of the planner's: its text is cast where it is evaluated.
fn far(text: &str, data_type: &DataType, span: Span) -> Expr {
    // The library would take what an escape carries for a part of the cast's type.
    let text = Expr::Value(SqlValue::SingleQuotedString(text.to_owned()).with_span(span));
    escape::cast(data_type, false, text, span)
}

/// Days of a date with all its parts.
fn date(text: &str) -> Option<i64> {
    let is_whole = text.matches('-').count() == 2 && !text.contains([' ', 'T']);
    if is_whole { calendar::parse_date(text) } else { None }
}

/// Nanoseconds of a time of day with all its parts.
fn time(text: &str) -> Option<i64> {
    if text.matches(':').count() == 2 { calendar::parse_time(text) } else { None }
}

/// A local time with all its parts.
fn timestamp(text: &str) -> Option<Instant> {
    let (day, clock) = text.split_once(' ')?;
    let (days, nanos) = (date(day)?, time(clock.trim_start())?);
    Some(Instant { millis: days * calendar::DAY_MILLIS + nanos / 1_000_000, nanos: nanos % 1_000_000 })
}
