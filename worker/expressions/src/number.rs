//! Decimal arithmetic on unscaled values, and numbers as Java parses them.

#![expect(
    clippy::cast_possible_wrap,
    clippy::cast_sign_loss,
    reason = "SQL arithmetic wraps as Java's; positions are bounded by a batch"
)]

use std::cmp::Ordering;

use arrow::datatypes::i256;

/// Digits of the widest decimal.
pub(crate) const PRECISION_MAX: u8 = 38;

const POWERS: [i128; PRECISION_MAX as usize + 1] = {
    let mut powers = [1; PRECISION_MAX as usize + 1];
    let mut exponent = 1;
    while exponent < powers.len() {
        powers[exponent] = powers[exponent - 1] * 10;
        exponent += 1;
    }
    powers
};

/// Ten to the power of `exponent`, which is at most 38.
#[inline]
pub(crate) fn power_of_ten(exponent: u8) -> i128 {
    POWERS[exponent as usize]
}

pub(crate) fn wide_power_of_ten(exponent: u32) -> i256 {
    i256::from_i128(10).wrapping_pow(exponent)
}

/// Whether an unscaled value has at most `precision` digits.
#[inline]
pub(crate) fn fits(value: i128, precision: u8) -> bool {
    value.unsigned_abs() < power_of_ten(precision).unsigned_abs()
}

/// Division of an unscaled value by a positive divisor, half away from zero.
pub(crate) fn divide_half_up(value: i128, divisor: i128) -> i128 {
    let quotient = value / divisor;
    let rest = (value % divisor).unsigned_abs();
    if rest >= divisor.unsigned_abs() - rest { quotient + value.signum() } else { quotient }
}

/// Brings an unscaled value from one scale to another, half up; none if it has more than `precision` digits.
#[inline]
pub(crate) fn rescale(value: i128, from: u8, to: u8, precision: u8) -> Option<i128> {
    let scaled = if from == to {
        value
    } else if from < to {
        value.checked_mul(power_of_ten(to - from))?
    } else {
        divide_half_up(value, power_of_ten(from - to))
    };
    fits(scaled, precision).then_some(scaled)
}

/// [`rescale`] of a 256-bit value.
pub(crate) fn rescale_wide(value: i256, from: u32, to: u32, precision: u8) -> Option<i128> {
    let scaled = if from <= to {
        value.checked_mul(wide_power_of_ten(to - from))?
    } else {
        divide_half_up_wide(value, wide_power_of_ten(from - to))?
    };
    let narrow = scaled.to_i128()?;
    fits(narrow, precision).then_some(narrow)
}

/// Half away from zero; the divisor may be negative but not zero.
pub(crate) fn divide_half_up_wide(value: i256, divisor: i256) -> Option<i256> {
    let quotient = value.checked_div(divisor)?;
    let rest = value.checked_rem(divisor)?.wrapping_abs();
    let size = divisor.wrapping_abs();
    if rest == i256::ZERO || rest < size.wrapping_sub(rest) {
        return Some(quotient);
    }
    let up = if (value < i256::ZERO) == (divisor < i256::ZERO) { i256::ONE } else { i256::MINUS_ONE };
    Some(quotient.wrapping_add(up))
}

/// How a double compares with a decimal, both exact. NaN is greater than all.
pub(crate) fn compare_double(value: f64, unscaled: i128, scale: u8) -> Ordering {
    if value.is_nan() || value.is_infinite() {
        return if value == f64::NEG_INFINITY { Ordering::Less } else { Ordering::Greater };
    }
    // value = mantissa * 2^exponent, compared with unscaled / 10^scale.
    let bits = value.abs().to_bits();
    let raw = (bits >> 52) as i32;
    let fraction = (bits & ((1 << 52) - 1)) as i64;
    let (mantissa, exponent) = if raw == 0 { (fraction, -1074) } else { (fraction | 1 << 52, raw - 1075) };
    let mantissa = i256::from_i128(i128::from(if value < 0.0 { -mantissa } else { mantissa }));
    let signs = value.partial_cmp(&0.0).unwrap_or(Ordering::Equal).cmp(&unscaled.cmp(&0));
    if signs != Ordering::Equal || value == 0.0 {
        return signs;
    }
    // Decimals lie below 2^127 and above 2^-127, doubles around them are exact within 256 bits.
    if !(-250..=75).contains(&exponent) {
        return if (exponent > 0) == (value > 0.0) { Ordering::Greater } else { Ordering::Less };
    }
    let scaled = mantissa.checked_mul(wide_power_of_ten(u32::from(scale)));
    let unscaled = i256::from_i128(unscaled);
    if exponent >= 0 {
        let whole = scaled.and_then(|scaled| scaled.checked_mul(i256::from_i128(2).wrapping_pow(exponent as u32)));
        return whole
            .map_or(if value > 0.0 { Ordering::Greater } else { Ordering::Less }, |whole| whole.cmp(&unscaled));
    }
    let power = i256::from_i128(2).checked_pow(exponent.unsigned_abs());
    match (scaled, power.and_then(|power| unscaled.checked_mul(power))) {
        (Some(scaled), Some(other)) => scaled.cmp(&other),
        // Far from zero on the decimal's side.
        (_, None) if value > 0.0 => Ordering::Less,
        (_, None) => Ordering::Greater,
        (None, Some(_)) if value > 0.0 => Ordering::Greater,
        (None, Some(_)) => Ordering::Less,
    }
}

/// Parses a decimal in plain or scientific form and rounds it half up to `scale`; `Err` if it is not a number,
/// `Ok(None)` if it has too many digits.
pub(crate) fn parse_decimal(text: &str, precision: u8, scale: u8) -> Result<Option<i128>, NotANumber> {
    let (negative, body) = match text.as_bytes().first() {
        Some(b'-') => (true, &text[1..]),
        Some(b'+') => (false, &text[1..]),
        _ => (false, text),
    };
    let (digits, exponent) = match body.find(['e', 'E']) {
        Some(at) => (&body[..at], body[at + 1..].parse::<i32>().map_err(|_| NotANumber)?),
        None => (body, 0),
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    if whole.len() + fraction.len() == 0 || !whole.bytes().chain(fraction.bytes()).all(|byte| byte.is_ascii_digit()) {
        return Err(NotANumber);
    }
    // The position of the point, counted in digits from the left, and how many digits are kept.
    let point = i64::try_from(whole.len()).map_err(|_| NotANumber)? + i64::from(exponent);
    let kept = point + i64::from(scale);
    let mut value: i128 = 0;
    let mut all = whole.bytes().chain(fraction.bytes());
    for _ in 0..kept {
        let digit = match all.next() {
            Some(byte) => byte - b'0',
            None if value == 0 => break,
            None => 0,
        };
        value = match value.checked_mul(10).and_then(|value| value.checked_add(i128::from(digit))) {
            Some(value) => value,
            None => return Ok(None),
        };
    }
    if kept >= 0 && all.next().is_some_and(|byte| byte >= b'5') {
        value = value.saturating_add(1);
    }
    if negative {
        value = -value;
    }
    Ok(fits(value, precision).then_some(value))
}

/// The text is not a number.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct NotANumber;

/// Parses an integer as Flink casts strings: a fraction is allowed and cut off.
pub(crate) fn parse_integer(text: &str) -> Result<i64, NotANumber> {
    if let Ok(value) = text.parse() {
        return Ok(value);
    }
    let (whole, fraction) = text.split_once('.').ok_or(NotANumber)?;
    if !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(NotANumber);
    }
    match whole {
        "" | "-" | "+" if !fraction.is_empty() => Ok(0),
        _ => whole.parse().map_err(|_| NotANumber),
    }
}

/// Parses a float as `Double.parseDouble` does.
pub(crate) fn parse_float(text: &str) -> Result<f64, NotANumber> {
    let body = text.strip_suffix(['d', 'D', 'f', 'F']).unwrap_or(text);
    let unsigned = body.strip_prefix(['+', '-']).unwrap_or(body);
    match unsigned.as_bytes().first() {
        Some(b'0'..=b'9' | b'.') => body.parse().map_err(|_| NotANumber),
        Some(b'N') if text.strip_prefix(['+', '-']).unwrap_or(text) == "NaN" => Ok(f64::NAN),
        Some(b'I') if unsigned == "Infinity" => {
            Ok(if body.starts_with('-') { f64::NEG_INFINITY } else { f64::INFINITY })
        }
        _ => Err(NotANumber),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimals_parse_and_round_half_up() {
        for (text, precision, scale, value) in [
            ("12.345", 10, 2, Ok(Some(1235))),
            ("-12.345", 10, 2, Ok(Some(-1235))),
            ("12.344", 10, 2, Ok(Some(1234))),
            ("1e3", 10, 2, Ok(Some(100_000))),
            ("125e-3", 10, 2, Ok(Some(13))),
            ("4e-3", 10, 2, Ok(Some(0))),
            ("5e-3", 10, 2, Ok(Some(1))),
            ("9e-4", 10, 2, Ok(Some(0))),
            ("5", 1, 0, Ok(Some(5))),
            ("55", 1, 0, Ok(None)),
            (".5", 3, 1, Ok(Some(5))),
            ("0e999999999", 3, 1, Ok(Some(0))),
            ("1e999999999", 3, 1, Ok(None)),
            ("x", 3, 1, Err(NotANumber)),
            (".", 3, 1, Err(NotANumber)),
            ("1e", 3, 1, Err(NotANumber)),
        ] {
            assert_eq!(parse_decimal(text, precision, scale), value, "{text}");
        }
    }

    #[test]
    fn doubles_and_decimals_compare_exactly() {
        use Ordering::{Equal, Greater, Less};
        for (value, unscaled, scale, expected) in [
            (2.45, 245, 2, Greater),
            (0.5, 50, 2, Equal),
            (-0.5, -50, 2, Equal),
            (0.1, 1, 1, Greater),
            (0.3, 3, 1, Less),
            (-0.1, -1, 1, Less),
            (0.0, 0, 2, Equal),
            (0.0, 1, 38, Less),
            (1e300, i128::MAX, 0, Greater),
            (-1e300, 5, 0, Less),
            (1e-300, 1, 38, Less),
            (1e-300, 0, 38, Greater),
            (1e38, 10_i128.pow(38) - 1, 0, Less),
            (f64::NAN, 1, 0, Greater),
            (f64::NEG_INFINITY, 1, 0, Less),
        ] {
            assert_eq!(compare_double(value, unscaled, scale), expected, "{value} and {unscaled} at {scale}");
        }
    }

    #[test]
    fn division_rounds_half_away_from_zero() {
        for (value, divisor, result) in [(5, 10, 1), (-5, 10, -1), (4, 10, 0), (14, 10, 1), (-15, 10, -2)] {
            assert_eq!(divide_half_up(value, divisor), result);
            let wide = divide_half_up_wide(i256::from_i128(value), i256::from_i128(divisor));
            assert_eq!(wide.and_then(|wide| wide.to_i128()), Some(result));
        }
        assert_eq!(divide_half_up_wide(i256::from_i128(7), i256::from_i128(-2)), Some(i256::from_i128(-4)));
    }
}
