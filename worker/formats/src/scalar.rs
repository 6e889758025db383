//! Scalar values from text: numbers, decimals, dates and times, base64.

use arrow::datatypes::TimeUnit;
use base64::{
    Engine, alphabet,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};

use crate::datetime::{self, Separator};

/// How timestamps are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TimestampStyle {
    /// `2026-01-02 03:04:05.678`
    #[default]
    Sql,
    /// `2026-01-02T03:04:05.678`
    Iso8601,
    /// Either when read, SQL when written.
    Either,
}

impl TimestampStyle {
    /// The separator that is written.
    pub fn separator(self) -> Separator {
        match self {
            Self::Sql | Self::Either => Separator::Space,
            Self::Iso8601 => Separator::T,
        }
    }
}

/// Reads a whole number; a fraction is cut off.
pub(crate) fn integer(text: &[u8]) -> Option<i64> {
    let (negative, digits) = match text.first()? {
        b'-' => (true, &text[1..]),
        b'+' => (false, &text[1..]),
        _ => (false, text),
    };
    if digits.is_empty() {
        return None;
    }
    let mut value = 0u64;
    for (index, byte) in digits.iter().enumerate() {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            return if index > 0 && matches!(byte, b'.' | b'e' | b'E') { truncated(text) } else { None };
        }
        value = value.checked_mul(10)?.checked_add(u64::from(digit))?;
    }
    if negative { 0i64.checked_sub_unsigned(value) } else { i64::try_from(value).ok() }
}

#[cold]
fn truncated(text: &[u8]) -> Option<i64> {
    let value = float(text)?.trunc();
    // 2⁶³ is exact as a float; everything below fits.
    (-9_223_372_036_854_775_808.0..9_223_372_036_854_775_808.0).contains(&value).then_some(value as i64)
}

/// Reads a floating-point number.
pub(crate) fn float(text: &[u8]) -> Option<f64> {
    std::str::from_utf8(text).ok()?.parse().ok()
}

/// Reads a boolean.
pub(crate) fn boolean(text: &[u8]) -> Option<bool> {
    if text.eq_ignore_ascii_case(b"true") {
        Some(true)
    } else if text.eq_ignore_ascii_case(b"false") {
        Some(false)
    } else {
        None
    }
}

/// A decimal number as it was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Decimal {
    /// The unscaled value, rounded half up to the scale.
    Value(i128),
    /// More digits than the precision allows.
    Overflow,
}

/// Reads a decimal number with an optional exponent.
pub(crate) fn decimal(text: &[u8], precision: u8, scale: u8) -> Option<Decimal> {
    let (negative, rest) = match text.first()? {
        b'-' => (true, &text[1..]),
        b'+' => (false, &text[1..]),
        _ => (false, text),
    };
    let (mantissa, exponent) = match rest.iter().position(|byte| matches!(byte, b'e' | b'E')) {
        Some(at) => (&rest[..at], integer(&rest[at + 1..]).filter(|exponent| exponent.unsigned_abs() < 1000)?),
        None => (rest, 0),
    };
    let point = mantissa.iter().position(|byte| *byte == b'.');
    let digits = || mantissa.iter().enumerate().filter(|(index, _)| Some(*index) != point).map(|(_, byte)| *byte);
    let count = mantissa.len() - usize::from(point.is_some());
    if count == 0 || digits().any(|byte| !byte.is_ascii_digit()) {
        return None;
    }
    // How many of the digits, counted from the left, stand before the last place of the result.
    let kept = point.unwrap_or(count) as i64 + exponent + i64::from(scale);
    let mut value = 0i128;
    for digit in digits().take(usize::try_from(kept).unwrap_or(0)) {
        match value.checked_mul(10).and_then(|value| value.checked_add(i128::from(digit - b'0'))) {
            Some(next) => value = next,
            None => return Some(Decimal::Overflow),
        }
    }
    for _ in count as i64..kept {
        match value.checked_mul(10) {
            Some(next) => value = next,
            None => return Some(Decimal::Overflow),
        }
    }
    if let Ok(next) = usize::try_from(kept)
        && digits().nth(next).is_some_and(|digit| digit >= b'5')
    {
        value += 1;
    }
    let limit = 10i128.checked_pow(u32::from(precision)).unwrap_or(i128::MAX);
    if value >= limit {
        return Some(Decimal::Overflow);
    }
    Some(Decimal::Value(if negative { -value } else { value }))
}

/// Reads a timestamp; an instant may end in `Z`.
pub(crate) fn timestamp(text: &[u8], unit: TimeUnit, style: TimestampStyle, instant: bool) -> Option<i64> {
    let text = if instant { text.strip_suffix(b"Z").unwrap_or(text) } else { text };
    let separator = match style {
        TimestampStyle::Sql => Separator::Space,
        TimestampStyle::Iso8601 => Separator::T,
        TimestampStyle::Either if text.get(10) == Some(&b'T') => Separator::T,
        TimestampStyle::Either => Separator::Space,
    };
    datetime::parse_timestamp(text, separator, unit)
}

/// Padding may be left out; bits that are left over are ignored.
static BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_allow_trailing_bits(true)
        .with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// Appends the bytes that base64 text stands for; nothing if it is not base64.
pub(crate) fn push_base64_decoded(out: &mut Vec<u8>, text: &[u8]) -> Option<()> {
    let start = out.len();
    let decoded = BASE64.decode_vec(text, out);
    if decoded.is_err() {
        out.truncate(start);
    }
    decoded.ok()
}

/// Appends bytes as base64 text.
pub(crate) fn push_base64(out: &mut Vec<u8>, bytes: &[u8]) {
    out.extend_from_slice(BASE64.encode(bytes).as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_at_their_limits() {
        let cases = [
            ("0", Some(0)),
            ("-9223372036854775808", Some(i64::MIN)),
            ("9223372036854775807", Some(i64::MAX)),
            ("9223372036854775808", None),
            ("-9223372036854775809", None),
            ("1.9", Some(1)),
            ("-1.9e1", Some(-19)),
            ("1e30", None),
            ("-", None),
            ("", None),
            ("12a", None),
            (".5", None),
        ];
        for (text, expected) in cases {
            assert_eq!(integer(text.as_bytes()), expected, "{text}");
        }
    }

    #[test]
    fn decimals_round_half_up_and_overflow() {
        let cases = [
            ("1.005", Some(Decimal::Value(101))),
            ("-1.005", Some(Decimal::Value(-101))),
            ("1.004", Some(Decimal::Value(100))),
            ("12", Some(Decimal::Value(1200))),
            ("1.2e2", Some(Decimal::Value(12_000))),
            ("5e-3", Some(Decimal::Value(1))),
            ("4e-3", Some(Decimal::Value(0))),
            ("5e-4", Some(Decimal::Value(0))),
            ("999.99", Some(Decimal::Value(99_999))),
            ("999.995", Some(Decimal::Overflow)),
            ("1e40", Some(Decimal::Overflow)),
            ("1e-9223372036854775808", None),
            ("x", None),
            (".", None),
            ("1.2.3", None),
        ];
        for (text, expected) in cases {
            assert_eq!(decimal(text.as_bytes(), 5, 2), expected, "{text}");
        }
    }

    #[test]
    fn base64_comes_back() {
        for bytes in [b"".as_slice(), b"a", b"ab", b"abc", b"\xff\x00\x10\x80"] {
            let (mut text, mut back) = (Vec::new(), Vec::new());
            push_base64(&mut text, bytes);
            assert_eq!(text.len() % 4, 0);
            push_base64_decoded(&mut back, &text).unwrap();
            assert_eq!(back, bytes);
        }
        for text in [b"a*".as_slice(), b"a", b"YWJj=", b"YW\nI="] {
            let mut out = b"before".to_vec();
            assert_eq!(push_base64_decoded(&mut out, text), None);
            assert_eq!(out, b"before");
        }
        let mut padding_left_out = Vec::new();
        push_base64_decoded(&mut padding_left_out, b"YWI").unwrap();
        assert_eq!(padding_left_out, b"ab");
    }
}
