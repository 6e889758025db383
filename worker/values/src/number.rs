//! Numbers as Java prints them.

use std::fmt::{self, Write};

/// Writes an unscaled value with its decimal point; `scale` is at most 38.
///
/// # Errors
/// If `out` fails.
pub fn write_decimal(out: &mut impl Write, value: i128, scale: u8) -> fmt::Result {
    if scale == 0 {
        return write!(out, "{value}");
    }
    let unit = 10_u128.pow(u32::from(scale));
    let size = value.unsigned_abs();
    let sign = if value < 0 { "-" } else { "" };
    write!(out, "{sign}{}.{:0width$}", size / unit, size % unit, width = scale as usize)
}

/// Writes a `DOUBLE` as `Double.toString` does.
///
/// # Errors
/// If `out` fails.
pub fn write_double(out: &mut impl Write, value: f64) -> fmt::Result {
    if !value.is_finite() {
        return write_special(out, value);
    }
    let size = value.abs();
    if value == 0.0 || (1e-3..1e7).contains(&size) {
        return write!(out, "{value:?}");
    }
    write_scientific(out, &format!("{value:e}"))
}

/// Writes a `FLOAT` as `Float.toString` does.
///
/// # Errors
/// If `out` fails.
pub fn write_float(out: &mut impl Write, value: f32) -> fmt::Result {
    if !value.is_finite() {
        return write_special(out, f64::from(value));
    }
    let size = value.abs();
    if value == 0.0 || (1e-3..1e7).contains(&size) {
        return write!(out, "{value:?}");
    }
    write_scientific(out, &format!("{value:e}"))
}

fn write_special(out: &mut impl Write, value: f64) -> fmt::Result {
    out.write_str(if value.is_nan() {
        "NaN"
    } else if value > 0.0 {
        "Infinity"
    } else {
        "-Infinity"
    })
}

fn write_scientific(out: &mut impl Write, text: &str) -> fmt::Result {
    let (digits, exponent) = text.split_once('e').unwrap_or((text, "0"));
    let point = if digits.contains('.') { "" } else { ".0" };
    write!(out, "{digits}{point}E{exponent}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn double(value: f64) -> String {
        let mut out = String::new();
        write_double(&mut out, value).unwrap();
        out
    }

    #[test]
    fn doubles_print_as_in_java() {
        for (value, text) in [
            (1.0, "1.0"),
            (1e10, "1.0E10"),
            (1.234e7, "1.234E7"),
            (9_999_999.0, "9999999.0"),
            (0.001, "0.001"),
            (1.5e-4, "1.5E-4"),
            (-0.0, "-0.0"),
            (f64::NAN, "NaN"),
            (f64::NEG_INFINITY, "-Infinity"),
        ] {
            assert_eq!(double(value), text);
        }
    }
}
