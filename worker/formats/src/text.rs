//! Values as text that more than one format writes: numbers as Java prints them, dates and times.

#![expect(
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    clippy::cast_sign_loss,
    reason = "lengths and digits are checked before they are narrowed"
)]

use std::fmt;

use arrow::{
    array::{Array, AsArray},
    datatypes::{
        DataType as Arrow, Date32Type, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type,
        Time32MillisecondType,
    },
};
use model::timestamp;
use values::{
    datetime::{self, Fraction},
    number,
};

use crate::TimestampStyle;

/// Appends anything that can be displayed.
pub fn push(out: &mut Vec<u8>, value: impl std::fmt::Display) {
    use std::io::Write as _;
    // Writing to memory cannot fail.
    let _ = write!(out, "{value}");
}

/// Appends a boolean, an integer or a floating-point number; says whether it is one.
pub fn push_number(out: &mut Vec<u8>, array: &dyn Array, row: usize) -> bool {
    macro_rules! number {
        ($type:ty) => {
            push(out, array.as_primitive::<$type>().value(row))
        };
    }
    // Writing to memory cannot fail.
    match array.data_type() {
        Arrow::Boolean => push(out, array.as_boolean().value(row)),
        Arrow::Int8 => number!(Int8Type),
        Arrow::Int16 => number!(Int16Type),
        Arrow::Int32 => number!(Int32Type),
        Arrow::Int64 => number!(Int64Type),
        Arrow::Float32 => {
            let _ = number::write_float(&mut Text(out), array.as_primitive::<Float32Type>().value(row));
        }
        Arrow::Float64 => {
            let _ = number::write_double(&mut Text(out), array.as_primitive::<Float64Type>().value(row));
        }
        _ => return false,
    }
    true
}

/// Appends a floating-point number.
pub(crate) fn push_double(out: &mut Vec<u8>, value: f64) {
    // Writing to memory cannot fail.
    let _ = number::write_double(&mut Text(out), value);
}

/// Bytes as something that text is written to.
struct Text<'a>(&'a mut Vec<u8>);

impl fmt::Write for Text<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0.extend_from_slice(text.as_bytes());
        Ok(())
    }
}

/// Appends a decimal: plain ones with all digits of their scale, others as Java's `BigDecimal` without the zeros at the end:
/// with an exponent behind more than six zeros, and instead of zeros at the end of a whole number.
pub(crate) fn push_decimal(out: &mut Vec<u8>, value: i128, scale: i8, plain: bool) {
    if plain {
        push_fixed(out, value, scale);
    } else {
        push_shortest(out, value, scale);
    }
}

/// A decimal with a digit for each place of its scale.
fn push_fixed(out: &mut Vec<u8>, value: i128, scale: i8) {
    let places = usize::try_from(scale).unwrap_or(0);
    let sign = if value < 0 { "-" } else { "" };
    let digits = format!("{:0width$}", value.unsigned_abs(), width = places + 1);
    let (whole, fraction) = digits.split_at(digits.len() - places);
    let point = if fraction.is_empty() { "" } else { "." };
    push(out, format_args!("{sign}{whole}{point}{fraction}"));
}

fn push_shortest(out: &mut Vec<u8>, value: i128, scale: i8) {
    if value == 0 {
        out.push(b'0');
        return;
    }
    let digits = value.unsigned_abs().to_string();
    let kept = digits.trim_end_matches('0');
    // The number is `kept` × 10^exponent.
    let exponent = (digits.len() - kept.len()) as i32 - i32::from(scale);
    let places = kept.len() as i32 + exponent;
    if value < 0 {
        out.push(b'-');
    }
    if exponent > 0 || places <= -6 {
        out.extend_from_slice(&kept.as_bytes()[..1]);
        if kept.len() > 1 {
            push(out, format_args!(".{}", &kept[1..]));
        }
        push(out, format_args!("E{:+}", places - 1));
    } else if exponent == 0 {
        out.extend_from_slice(kept.as_bytes());
    } else if places > 0 {
        let (whole, fraction) = kept.split_at(places as usize);
        push(out, format_args!("{whole}.{fraction}"));
    } else {
        out.extend_from_slice(b"0.");
        out.resize(out.len() + places.unsigned_abs() as usize, b'0');
        out.extend_from_slice(kept.as_bytes());
    }
}

/// Whether an arrow type is of dates, times or timestamps.
pub(crate) fn is_temporal(arrow: &Arrow) -> bool {
    matches!(arrow, Arrow::Date32 | Arrow::Time32(_)) || timestamp::is_instant(arrow).is_some()
}

/// Appends a date, time or timestamp; says whether it is one.
pub(crate) fn push_temporal(out: &mut Vec<u8>, array: &dyn Array, row: usize, style: TimestampStyle) -> bool {
    match array.data_type() {
        Arrow::Date32 => datetime::push_date(out, i64::from(array.as_primitive::<Date32Type>().value(row))),
        Arrow::Time32(_) => {
            let millis = i64::from(array.as_primitive::<Time32MillisecondType>().value(row));
            datetime::push_time(out, millis / 1000, millis % 1000 * 1_000_000, Fraction::Shortest, false);
        }
        other => {
            let (Some(is_instant), Some(instant)) = (timestamp::is_instant(other), timestamp::instant_at(array, row))
            else {
                return false;
            };
            datetime::push_timestamp(out, instant, style.separator(), Fraction::Shortest, false);
            if is_instant {
                out.push(b'Z');
            }
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimals_are_as_java_prints_them() {
        let cases = [
            (0, 2, "0", "0.00"),
            (0, 0, "0", "0"),
            (150, 2, "1.5", "1.50"),
            (-10_000, 2, "-1E+2", "-100.00"),
            (123_400, 0, "1.234E+5", "123400"),
            (12_345, 2, "123.45", "123.45"),
            (27, 9, "2.7E-8", "0.000000027"),
            (1, 6, "0.000001", "0.000001"),
            (1, 7, "1E-7", "0.0000001"),
            (100, 9, "1E-7", "0.000000100"),
            (-5, 1, "-0.5", "-0.5"),
            (i128::MAX, 38, "1.70141183460469231731687303715884105727", "1.70141183460469231731687303715884105727"),
        ];
        for (value, scale, expected, plain_expected) in cases {
            let text = |plain| {
                let mut text = Vec::new();
                push_decimal(&mut text, value, scale, plain);
                String::from_utf8(text).unwrap()
            };
            assert_eq!((text(false).as_str(), text(true).as_str()), (expected, plain_expected));
        }
    }
}
