//! `PRINTF`: the conversions of Java's formatter that values of SQL have a use for.

#![expect(clippy::cast_sign_loss, reason = "SQL arithmetic wraps as Java's; positions are bounded by a batch")]

use std::fmt::Write;

use arrow::{
    array::{ArrayRef, AsArray, StringBuilder},
    compute,
    datatypes::{DataType as Arrow, Float64Type, Int32Type, Int64Type},
};
use model::{DataType, Failure};

use crate::{
    arg::{Arg, Inputs},
    cast,
    function::{Arguments, Kernel},
};

/// Widths and precisions above give null: a format may come with the data.
const WIDTH_MAX: usize = 1 << 12;

/// One `%…` of a format.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Conversion {
    /// 1-based, if it is said.
    argument: Option<usize>,
    left: bool,
    zeros: bool,
    plus: bool,
    groups: bool,
    width: usize,
    precision: Option<usize>,
    letter: char,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece {
    Text(String),
    Conversion(Conversion),
}

/// A format in pieces; none if Java would not take it.
fn parse(format: &str) -> Option<Vec<Piece>> {
    let mut pieces = Vec::new();
    let mut text = String::new();
    let mut letters = format.chars().peekable();
    while let Some(letter) = letters.next() {
        if letter != '%' {
            text.push(letter);
            continue;
        }
        let mut found = Conversion {
            argument: None,
            left: false,
            zeros: false,
            plus: false,
            groups: false,
            width: 0,
            precision: None,
            letter: ' ',
        };
        let mut number = String::new();
        loop {
            let next = letters.next()?;
            match next {
                '0' if number.is_empty() && found.precision.is_none() => found.zeros = true,
                '0'..='9' => number.push(next),
                '$' => found.argument = Some(std::mem::take(&mut number).parse().ok()?),
                '-' => found.left = true,
                '+' => found.plus = true,
                ',' => found.groups = true,
                '.' => {
                    found.width = if number.is_empty() { 0 } else { std::mem::take(&mut number).parse().ok()? };
                    found.precision = Some(0);
                }
                letter => {
                    let number = if number.is_empty() { None } else { Some(number.parse().ok()?) };
                    match (&mut found.precision, number) {
                        (Some(precision), Some(number)) => *precision = number,
                        (Some(_), None) => return None,
                        (None, Some(number)) => found.width = number,
                        (None, None) => {}
                    }
                    found.letter = letter;
                    break;
                }
            }
        }
        match found.letter {
            '%' => text.push('%'),
            'n' => text.push('\n'),
            _ if found.width > WIDTH_MAX || found.precision.is_some_and(|precision| precision > WIDTH_MAX) => {
                return None;
            }
            's' | 'S' | 'd' | 'x' | 'X' | 'o' | 'f' | 'e' | 'E' | 'b' | 'B' | 'c' => {
                if !text.is_empty() {
                    pieces.push(Piece::Text(std::mem::take(&mut text)));
                }
                pieces.push(Piece::Conversion(found));
            }
            _ => return None,
        }
    }
    if !text.is_empty() {
        pieces.push(Piece::Text(text));
    }
    Some(pieces)
}

/// A wrong format, or an argument that does not fit its conversion, gives null.
pub(super) fn printf(arguments: &Arguments<'_>) -> Result<Kernel, Failure> {
    let types = arguments.types.to_vec();
    Ok(std::sync::Arc::new(move |inputs: &Inputs<'_>| {
        let formats = inputs.text(0)?;
        let mut last: Option<(&str, Option<Vec<Piece>>)> = None;
        let mut out = StringBuilder::with_capacity(inputs.rows, inputs.rows * 16);
        for row in 0..inputs.rows {
            let Some(format) = formats.get(row) else {
                out.append_null();
                continue;
            };
            if last.as_ref().is_none_or(|(known, _)| *known != format) {
                last = Some((format, parse(format)));
            }
            let pieces = last.as_ref().and_then(|(_, pieces)| pieces.as_ref());
            out.append_option(pieces.and_then(|pieces| formatted(pieces, &inputs.args[1..], &types[1..], row)));
        }
        Ok(std::sync::Arc::new(out.finish()) as ArrayRef)
    }))
}

fn formatted(pieces: &[Piece], args: &[Arg], types: &[DataType], row: usize) -> Option<String> {
    let mut text = String::new();
    let mut next = 0;
    for piece in pieces {
        match piece {
            Piece::Text(piece) => text.push_str(piece),
            Piece::Conversion(conversion) => {
                let index = match conversion.argument {
                    Some(said) => said.checked_sub(1)?,
                    None => {
                        next += 1;
                        next - 1
                    }
                };
                let (arg, data_type) = (args.get(index)?, types.get(index)?);
                let written = converted(conversion, arg, data_type, arg.index(row))?;
                pad(&mut text, &written, conversion);
            }
        }
    }
    Some(text)
}

fn pad(out: &mut String, written: &str, conversion: &Conversion) {
    let missing = conversion.width.saturating_sub(written.chars().count());
    let numeric = matches!(conversion.letter, 'd' | 'x' | 'X' | 'o' | 'f' | 'e' | 'E');
    if conversion.left {
        out.push_str(written);
        out.extend(std::iter::repeat_n(' ', missing));
    } else if conversion.zeros && numeric && written != "null" {
        let (sign, digits) = match written.strip_prefix(['-', '+']) {
            Some(rest) => written.split_at(written.len() - rest.len()),
            None => ("", written),
        };
        out.push_str(sign);
        out.extend(std::iter::repeat_n('0', missing));
        out.push_str(digits);
    } else {
        out.extend(std::iter::repeat_n(' ', missing));
        out.push_str(written);
    }
}

fn converted(conversion: &Conversion, arg: &Arg, data_type: &DataType, index: usize) -> Option<String> {
    let null = *data_type == DataType::Null || arrow::array::Array::is_null(&arg.array, index);
    let value = arrow::array::Array::slice(&arg.array, index, 1);
    let upper = conversion.letter.is_ascii_uppercase();
    let text = match conversion.letter.to_ascii_lowercase() {
        'b' => match value.as_boolean_opt() {
            Some(values) if !null => values.value(0).to_string(),
            _ => (!null).to_string(),
        },
        _ if null => cut("null", conversion),
        's' => cut(&java_text(&value, data_type)?, conversion),
        // A text is no character to Java.
        'c' => return None,
        'd' | 'x' | 'o' => whole(conversion, &value, data_type)?,
        _ => real(conversion, &value, data_type)?,
    };
    Some(if upper { text.to_uppercase() } else { text })
}

fn cut(text: &str, conversion: &Conversion) -> String {
    text.chars().take(conversion.precision.unwrap_or(usize::MAX)).collect()
}

/// A value as the object that Flink hands to Java's formatter prints: dates and times of day are numbers there.
fn java_text(value: &ArrayRef, data_type: &DataType) -> Option<String> {
    if matches!(data_type, DataType::Date | DataType::Time(_)) {
        let number = compute::cast(value, &Arrow::Int32).ok()?;
        return Some(number.as_primitive::<Int32Type>().value(0).to_string());
    }
    let mut text = String::new();
    cast::write_value(&mut text, value, data_type, 0).ok()?;
    if !matches!(data_type, DataType::Timestamp(_) | DataType::TimestampLtz(_)) {
        return Some(text);
    }
    let (clock, mut fraction) = text.split_once('.').unwrap_or((&text, ""));
    while let Some(shorter) =
        fraction.strip_suffix("000").or(fraction.strip_suffix("00")).or(fraction.strip_suffix('0'))
        && fraction.bytes().all(|digit| digit == b'0')
    {
        fraction = shorter;
    }
    while fraction.len() > 3 && fraction.ends_with("000") {
        fraction = &fraction[..fraction.len() - 3];
    }
    let clock = clock.replacen(' ', "T", 1);
    Some(match fraction {
        "" => clock.strip_suffix(":00").unwrap_or(&clock).to_owned(),
        fraction => format!("{clock}.{fraction}"),
    })
}

fn whole(conversion: &Conversion, value: &ArrayRef, data_type: &DataType) -> Option<String> {
    let bits = match data_type {
        DataType::TinyInt => 8,
        DataType::SmallInt => 16,
        DataType::Int => 32,
        DataType::BigInt => 64,
        _ => return None,
    };
    let value = compute::cast(value, &Arrow::Int64).ok()?.as_primitive::<Int64Type>().value(0);
    // Java writes negative numbers in these bases as their bits.
    let unsigned = (value as u64) & (u64::MAX >> (64 - bits));
    Some(match conversion.letter.to_ascii_lowercase() {
        'x' => format!("{unsigned:x}"),
        'o' => format!("{unsigned:o}"),
        _ => {
            let digits = value.unsigned_abs().to_string();
            signed(conversion, value < 0, if conversion.groups { grouped(&digits) } else { digits })
        }
    })
}

fn real(conversion: &Conversion, value: &ArrayRef, data_type: &DataType) -> Option<String> {
    if !matches!(data_type, DataType::Float | DataType::Double | DataType::Decimal(..)) {
        return None;
    }
    let value = compute::cast(value, &Arrow::Float64).ok()?.as_primitive::<Float64Type>().value(0);
    let precision = conversion.precision.unwrap_or(6);
    let size = value.abs();
    let written = if conversion.letter == 'f' {
        let text = format!("{size:.precision$}");
        match text.split_once('.') {
            Some((digits, fraction)) if conversion.groups => format!("{}.{fraction}", grouped(digits)),
            _ => text,
        }
    } else {
        let text = format!("{size:.precision$e}");
        let (digits, exponent) = text.split_once('e')?;
        let exponent: i32 = exponent.parse().ok()?;
        let mut text = String::new();
        write!(text, "{digits}e{}{:02}", if exponent < 0 { '-' } else { '+' }, exponent.abs()).ok()?;
        text
    };
    Some(signed(conversion, value.is_sign_negative() && size != 0.0, written))
}

fn signed(conversion: &Conversion, negative: bool, digits: String) -> String {
    match (negative, conversion.plus) {
        (true, _) => format!("-{digits}"),
        (false, true) => format!("+{digits}"),
        (false, false) => digits,
    }
}

/// Thousands apart.
fn grouped(digits: &str) -> String {
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}
