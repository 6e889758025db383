//! Literals with the types that Flink gives them.

use chrono::{NaiveDate, NaiveDateTime, NaiveTime, Timelike};
use graph::Value;
use model::DataType;
use sqlparser::{ast::Expr, tokenizer::Span};

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
    if kind == "DATE" {
        let date = NaiveDate::parse_from_str(text, "%Y-%m-%d").map_err(|_| wrong())?;
        let days = date.signed_duration_since(NaiveDate::default()).num_days();
        return Ok(escape::integer(days, &DataType::Date, span));
    }
    if kind == "TIME" {
        let time = NaiveTime::parse_from_str(text, "%H:%M:%S%.f").map_err(|_| wrong())?;
        let milliseconds =
            i64::from(time.num_seconds_from_midnight()) * 1000 + i64::from(time.nanosecond() / 1_000_000);
        return Ok(escape::integer(milliseconds, &DataType::Time(precision), span));
    }
    if kind != "TIMESTAMP" {
        return Err(SqlError::at_span(format!("{kind} literals are not supported"), span));
    }
    let time = NaiveDateTime::parse_from_str(text, "%Y-%m-%d %H:%M:%S%.f").map_err(|_| wrong())?.and_utc();
    let value = match precision {
        0..=3 => time.timestamp_millis(),
        4..=6 => time.timestamp_micros(),
        _ => time.timestamp_nanos_opt().ok_or_else(wrong)?,
    };
    Ok(escape::integer(value, &DataType::Timestamp(precision), span))
}
