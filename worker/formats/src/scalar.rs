//! Scalar values from text: numbers, decimals, booleans, base64.

#![expect(clippy::cast_possible_wrap, reason = "lengths and digits are checked before they are narrowed")]

use base64::{
    Engine,
    alphabet::STANDARD,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use values::datetime::Separator;

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

/// A text without the blanks and control characters around it, as Java trims.
pub(crate) fn trimmed(mut text: &[u8]) -> &[u8] {
    while let [0..=b' ', rest @ ..] | [rest @ .., 0..=b' '] = text {
        text = rest;
    }
    text
}

/// The sign, and what follows it.
fn signed(text: &[u8]) -> (bool, &[u8]) {
    match text {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        _ => (false, text),
    }
}

/// Reads a whole number that is written as one: digits and a sign.
pub(crate) fn integer(text: &[u8]) -> Option<i64> {
    let (negative, digits) = signed(text);
    if digits.is_empty() {
        return None;
    }
    let mut value = 0u64;
    for byte in digits {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            return None;
        }
        value = value.checked_mul(10)?.checked_add(u64::from(digit))?;
    }
    if negative { 0i64.checked_sub_unsigned(value) } else { i64::try_from(value).ok() }
}

/// Reads a whole number that may have a fraction of zeros or an exponent, such as `1.0` and `1e2`.
#[cold]
pub(crate) fn whole(text: &[u8]) -> Option<i64> {
    let number = Number::parse(text)?;
    if number.digits.is_empty() {
        return Some(0);
    }
    let power = 10i128.checked_pow(u32::try_from(number.exponent).ok()?)?;
    let mut value = 0i128;
    for digit in &number.digits {
        value = value.checked_mul(10)?.checked_add(i128::from(digit - b'0'))?;
    }
    let value = value.checked_mul(power)?;
    i64::try_from(if number.negative { -value } else { value }).ok()
}

/// A number as digits, without zeros at either end, times ten to the exponent.
#[derive(Debug, PartialEq, Eq)]
struct Number {
    negative: bool,
    digits: Vec<u8>,
    exponent: i64,
}

impl Number {
    fn parse(text: &[u8]) -> Option<Self> {
        let (negative, rest) = signed(text);
        let (mantissa, exponent) = split_exponent(rest)?;
        let (before, behind) = match mantissa.iter().position(|byte| *byte == b'.') {
            Some(point) => (&mantissa[..point], &mantissa[point + 1..]),
            None => (mantissa, &mantissa[mantissa.len()..]),
        };
        let mut digits = [before, behind].concat();
        if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
            return None;
        }
        let first = digits.iter().take_while(|digit| **digit == b'0').count();
        digits.drain(..first);
        let last = digits.iter().rev().take_while(|digit| **digit == b'0').count();
        digits.truncate(digits.len() - last);
        let exponent = if digits.is_empty() { 0 } else { exponent - behind.len() as i64 + last as i64 };
        Some(Self { negative, digits, exponent })
    }
}

/// What stands before the exponent, and the exponent, which is as large as Java's can be.
fn split_exponent(text: &[u8]) -> Option<(&[u8], i64)> {
    match text.iter().position(|byte| matches!(byte, b'e' | b'E')) {
        Some(at) => Some((&text[..at], i64::from(i32::try_from(integer(&text[at + 1..])?).ok()?))),
        None => Some((text, 0)),
    }
}

/// Whether two texts are the same number.
pub(crate) fn is_same_number(one: &[u8], other: &[u8]) -> bool {
    Number::parse(one).is_some_and(|one| Some(one) == Number::parse(other))
}

/// Reads a floating-point number as Java does, but for hexadecimal ones; one that is too large is none.
pub(crate) fn float(text: &[u8]) -> Option<f64> {
    let (negative, rest) = signed(text);
    let size = match rest {
        b"NaN" => f64::NAN,
        b"Infinity" => f64::INFINITY,
        [b'0'..=b'9' | b'.', ..] => {
            // Java's marks of a literal's type.
            let digits = rest.strip_suffix(b"d").or(rest.strip_suffix(b"D"));
            let digits = digits.or(rest.strip_suffix(b"f")).or(rest.strip_suffix(b"F")).unwrap_or(rest);
            std::str::from_utf8(digits).ok()?.parse().ok().filter(|size: &f64| size.is_finite())?
        }
        _ => return None,
    };
    Some(if negative { -size } else { size })
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
    let (negative, rest) = signed(text);
    let (mantissa, exponent) = split_exponent(rest)?;
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
    let zeros = if value == 0 { 0 } else { kept - count as i64 };
    for _ in 0..zeros {
        match value.checked_mul(10) {
            Some(next) => value = next,
            None => return Some(Decimal::Overflow),
        }
    }
    if let Ok(next) = usize::try_from(kept)
        && digits().nth(next).is_some_and(|digit| digit >= b'5')
    {
        value = value.saturating_add(1);
    }
    let limit = 10i128.checked_pow(u32::from(precision)).unwrap_or(i128::MAX);
    if value >= limit {
        return Some(Decimal::Overflow);
    }
    Some(Decimal::Value(if negative { -value } else { value }))
}

/// As Jackson, whose base64 Flink's formats read and write: padding has to be there, bits that are left over need not be zero.
static BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::RequireCanonical)
        .with_decode_allow_trailing_bits(true),
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
            ("+7", Some(7)),
            ("1.9", None),
            ("1.0", None),
            ("1e2", None),
            ("-", None),
            ("-+7", None),
            ("", None),
            ("12a", None),
            (".5", None),
        ];
        for (text, expected) in cases {
            assert_eq!(integer(text.as_bytes()), expected, "{text}");
        }
    }

    #[test]
    fn whole_numbers_lose_nothing() {
        let cases = [
            ("1.0", Some(1)),
            ("1e2", Some(100)),
            ("-120.50e1", Some(-1205)),
            ("100e-2", Some(1)),
            ("-0.0", Some(0)),
            ("0e999", Some(0)),
            ("9223372036854775807.0", Some(i64::MAX)),
            ("-9223372036854775808.0", Some(i64::MIN)),
            ("9223372036854775808.0", None),
            ("1e18", Some(1_000_000_000_000_000_000)),
            ("1e19", None),
            ("1e2147483647", None),
            ("1e2147483648", None),
            ("2.9", None),
            ("1e-1", None),
            ("1e", None),
            (".", None),
            ("", None),
        ];
        for (text, expected) in cases {
            assert_eq!(whole(text.as_bytes()), expected, "{text}");
        }
        for (one, other, same) in
            [("1.50", "1.5", true), ("1e5", "100000.0", true), ("-1", "1", false), ("1", "10", false)]
        {
            assert_eq!(is_same_number(one.as_bytes(), other.as_bytes()), same, "{one} {other}");
        }
    }

    #[test]
    fn floats_are_those_that_java_reads() {
        for text in ["1", "1e5", ".5", "5.", "-1.5", "+1.5", "1.5f", "1e5D", "Infinity", "-Infinity"] {
            assert!(float(text.as_bytes()).is_some(), "{text}");
        }
        assert!(float(b"NaN").is_some_and(f64::is_nan));
        assert_eq!((float(b"-1.5d"), float(b"-Infinity")), (Some(-1.5), Some(f64::NEG_INFINITY)));
        for text in
            ["nan", "inf", "infinity", "INFINITY", "1e999", "-1e999", "", "-", "+-1", "1_0", "1ff", "NaNd", "e5", "."]
        {
            assert!(float(text.as_bytes()).is_none(), "{text}");
        }
    }

    #[test]
    fn space_around_numbers_is_what_java_trims() {
        assert_eq!(trimmed(b" \t7\0 8\x1F\n"), b"7\0 8");
        assert_eq!(trimmed(b" \0"), b"");
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
            ("1e999", Some(Decimal::Overflow)),
            ("1e-999", Some(Decimal::Value(0))),
            ("0e2147483647", Some(Decimal::Value(0))),
            ("1e-9223372036854775808", None),
            ("x", None),
            (".", None),
            ("1.2.3", None),
        ];
        for (text, expected) in cases {
            assert_eq!(decimal(text.as_bytes(), 5, 2), expected, "{text}");
        }
        let largest = format!("{}.5", i128::MAX);
        assert_eq!(decimal(largest.as_bytes(), 38, 0), Some(Decimal::Overflow));
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
        for text in ["a*", "AP8", "AP8==", "AP\n8Q", "-_8=", "AP8Q="] {
            assert_eq!(push_base64_decoded(&mut Vec::new(), text.as_bytes()), None, "{text}");
        }
        let mut bytes = b"x".to_vec();
        push_base64_decoded(&mut bytes, b"AP9=").unwrap();
        assert_eq!(bytes, b"x\0\xFF", "the bits that are left over do not matter");
    }
}
