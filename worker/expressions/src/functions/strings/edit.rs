//! Cutting, padding, replacing.

#![expect(
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    clippy::cast_sign_loss,
    reason = "SQL arithmetic wraps as Java's; positions are bounded by a batch"
)]

use std::{fmt::Write, sync::Arc};

use arrow::{
    array::{ArrayRef, AsArray, BinaryArray, StringBuilder},
    datatypes::Int32Type,
};
use model::Failure;

use super::build;
use crate::arg::Inputs;

/// How many bytes `REPEAT` and `LPAD` may make of one value.
const LENGTH_MAX: usize = 1 << 24;

/// Removes characters, blanks if none are named, from one or both ends.
pub(super) fn trim(inputs: &Inputs<'_>, start: bool, end: bool) -> Result<ArrayRef, Failure> {
    let texts = inputs.text(0)?;
    let sets = if inputs.len() > 1 { Some(inputs.text(1)?) } else { None };
    build(inputs, |row, out| {
        let Some(mut text) = texts.get(row) else { return Ok(None) };
        let set = match &sets {
            None => " ",
            Some(sets) => match sets.get(row) {
                Some(set) => set,
                None => return Ok(None),
            },
        };
        if start {
            text = text.trim_start_matches(|character| set.contains(character));
        }
        if end {
            text = text.trim_end_matches(|character| set.contains(character));
        }
        out.write_str(text).map(Some)
    })
}

/// The part of a text from a character on, so many characters long.
fn characters(text: &str, skip: usize, length: usize) -> &str {
    if text.is_ascii() {
        let start = skip.min(text.len());
        return &text[start..start + length.min(text.len() - start)];
    }
    let mut indices = text.char_indices().map(|(at, _)| at).chain([text.len()]);
    let Some(start) = indices.nth(skip) else { return "" };
    if length == 0 {
        return "";
    }
    &text[start..indices.nth(length - 1).unwrap_or(text.len())]
}

/// Where a substring begins and how long it is. A position counts from 1, from the end if negative; 0 is as 1.
fn span(length: usize, position: i32, count: Option<i32>) -> Option<(usize, usize)> {
    let (length, position) = (length as i64, i64::from(position));
    let start = match position {
        0 => 0,
        1.. => position - 1,
        _ => length + position,
    };
    let end = match count {
        None => length,
        Some(count) => (start + i64::from(count)).min(length),
    };
    // Nothing begins before the start of the text.
    if start < 0 || end <= start {
        return None;
    }
    Some((start as usize, (end - start) as usize))
}

pub(super) fn substring(inputs: &Inputs<'_>) -> Result<ArrayRef, Failure> {
    let positions = inputs.primitive::<Int32Type>(1)?;
    let counts = if inputs.len() > 2 { Some(inputs.primitive::<Int32Type>(2)?) } else { None };
    let range = |row: usize, length: usize| {
        let position = positions.get(row)?;
        let count = match &counts {
            Some(counts) => Some(counts.get(row)?),
            None => None,
        };
        // A length below zero gives null, as in Flink.
        if count.is_some_and(|count| count < 0) {
            return None;
        }
        Some(span(length, position, count).unwrap_or((0, 0)))
    };
    if inputs.arg(0)?.array.as_string_opt::<i32>().is_none() {
        let bytes = inputs.binary(0)?;
        let cut: BinaryArray = (0..inputs.rows)
            .map(|row| {
                let value = bytes.get(row)?;
                let (start, length) = range(row, value.len())?;
                Some(&value[start..start + length])
            })
            .collect();
        return Ok(Arc::new(cut));
    }
    let texts = inputs.text(0)?;
    build(inputs, |row, out| {
        let Some(text) = texts.get(row) else { return Ok(None) };
        let length = match positions.get(row) {
            // Counted from the start, the length does not matter.
            Some(0..) if counts.is_some() => i32::MAX as usize,
            _ if text.is_ascii() => text.len(),
            _ => text.chars().count(),
        };
        let Some((start, length)) = range(row, length) else { return Ok(None) };
        out.write_str(characters(text, start, length)).map(Some)
    })
}

pub(super) fn left(inputs: &Inputs<'_>) -> Result<ArrayRef, Failure> {
    let (texts, counts) = (inputs.text(0)?, inputs.primitive::<Int32Type>(1)?);
    build(inputs, |row, out| {
        let (Some(text), Some(count)) = (texts.get(row), counts.get(row)) else { return Ok(None) };
        out.write_str(characters(text, 0, usize::try_from(count).unwrap_or(0))).map(Some)
    })
}

pub(super) fn right(inputs: &Inputs<'_>) -> Result<ArrayRef, Failure> {
    let (texts, counts) = (inputs.text(0)?, inputs.primitive::<Int32Type>(1)?);
    build(inputs, |row, out| {
        let (Some(text), Some(count)) = (texts.get(row), counts.get(row)) else { return Ok(None) };
        let count = usize::try_from(count).unwrap_or(0);
        let length = text.chars().count();
        out.write_str(characters(text, length.saturating_sub(count), count)).map(Some)
    })
}

/// Cuts or fills a text to a length; null if the length is negative or there is nothing to fill with.
pub(super) fn pad(inputs: &Inputs<'_>, at_start: bool) -> Result<ArrayRef, Failure> {
    let (texts, lengths, fills) = (inputs.text(0)?, inputs.primitive::<Int32Type>(1)?, inputs.text(2)?);
    build(inputs, |row, out| {
        let (Some(text), Some(length), Some(fill)) = (texts.get(row), lengths.get(row), fills.get(row)) else {
            return Ok(None);
        };
        let Ok(length) = usize::try_from(length) else { return Ok(None) };
        if fill.is_empty() {
            return Ok(None);
        }
        let kept = characters(text, 0, length);
        let missing = length - kept.chars().count();
        if missing > LENGTH_MAX {
            return Err(std::fmt::Error);
        }
        if !at_start {
            out.write_str(kept)?;
        }
        for character in fill.chars().cycle().take(missing) {
            out.write_char(character)?;
        }
        if at_start {
            out.write_str(kept)?;
        }
        Ok(Some(()))
    })
}

/// Replaces the characters from a position on by another text, by default as many as that has. A number of characters
/// that is not positive drops all that follow, as in Flink.
pub(super) fn overlay(inputs: &Inputs<'_>) -> Result<ArrayRef, Failure> {
    let (texts, others, positions) = (inputs.text(0)?, inputs.text(1)?, inputs.primitive::<Int32Type>(2)?);
    let counts = if inputs.len() > 3 { Some(inputs.primitive::<Int32Type>(3)?) } else { None };
    build(inputs, |row, out| {
        let (Some(text), Some(other), Some(position)) = (texts.get(row), others.get(row), positions.get(row)) else {
            return Ok(None);
        };
        let count = match &counts {
            Some(counts) => match counts.get(row) {
                Some(count) => count,
                None => return Ok(None),
            },
            None => other.chars().count() as i32,
        };
        let length = text.chars().count();
        let start = match usize::try_from(position - 1) {
            Ok(start) if start < length => start,
            // A position outside leaves the text as it is.
            _ => return out.write_str(text).map(Some),
        };
        let end = match usize::try_from(count) {
            Ok(count @ 1..) => start.saturating_add(count).min(length),
            _ => length,
        };
        out.write_str(characters(text, 0, start))?;
        out.write_str(other)?;
        out.write_str(characters(text, end, length)).map(Some)
    })
}

pub(super) fn replace(inputs: &Inputs<'_>) -> Result<ArrayRef, Failure> {
    let (texts, searches, replacements) = (inputs.text(0)?, inputs.text(1)?, inputs.text(2)?);
    build(inputs, |row, out| {
        let (Some(text), Some(search), Some(replacement)) = (texts.get(row), searches.get(row), replacements.get(row))
        else {
            return Ok(None);
        };
        let mut rest = 0;
        for (at, found) in text.match_indices(search) {
            out.write_str(&text[rest..at])?;
            out.write_str(replacement)?;
            rest = at + found.len();
        }
        out.write_str(&text[rest..]).map(Some)
    })
}

pub(super) fn translate(inputs: &Inputs<'_>) -> Result<ArrayRef, Failure> {
    let (texts, searches, replacements) = (inputs.text(0)?, inputs.text(1)?, inputs.text(2)?);
    build(inputs, |row, out| {
        let (Some(text), Some(search), Some(replacement)) = (texts.get(row), searches.get(row), replacements.get(row))
        else {
            return Ok(None);
        };
        for character in text.chars() {
            match search.chars().position(|searched| searched == character) {
                None => out.write_char(character)?,
                Some(index) => replacement.chars().nth(index).map_or(Ok(()), |new| out.write_char(new))?,
            }
        }
        Ok(Some(()))
    })
}

pub(super) fn repeat(inputs: &Inputs<'_>) -> Result<ArrayRef, Failure> {
    let (texts, counts) = (inputs.text(0)?, inputs.primitive::<Int32Type>(1)?);
    build(inputs, |row, out| {
        let (Some(text), Some(count)) = (texts.get(row), counts.get(row)) else { return Ok(None) };
        let count = usize::try_from(count).unwrap_or(0);
        if text.len().saturating_mul(count) > LENGTH_MAX {
            return Err(std::fmt::Error);
        }
        for _ in 0..count {
            out.write_str(text)?;
        }
        Ok(Some(()))
    })
}

pub(super) fn reverse(inputs: &Inputs<'_>) -> Result<ArrayRef, Failure> {
    let texts = inputs.text(0)?;
    build(inputs, |row, out| {
        let Some(text) = texts.get(row) else { return Ok(None) };
        for character in text.chars().rev() {
            out.write_char(character)?;
        }
        Ok(Some(()))
    })
}

/// Words are of ASCII letters and digits; other characters stay and end a word.
pub(super) fn initcap(inputs: &Inputs<'_>) -> Result<ArrayRef, Failure> {
    let texts = inputs.text(0)?;
    build(inputs, |row, out| {
        let Some(text) = texts.get(row) else { return Ok(None) };
        let mut begins = true;
        for character in text.chars() {
            out.write_char(if begins { character.to_ascii_uppercase() } else { character.to_ascii_lowercase() })?;
            begins = !character.is_ascii_alphanumeric();
        }
        Ok(Some(()))
    })
}

/// The Latin-1 character of a number's lowest byte.
pub(super) fn chr(inputs: &Inputs<'_>) -> Result<ArrayRef, Failure> {
    let codes = inputs.primitive::<Int32Type>(0)?;
    build(inputs, |row, out| {
        let Some(code) = codes.get(row) else { return Ok(None) };
        if code < 0 {
            return Ok(Some(()));
        }
        out.write_char(char::from((code & 0xff) as u8)).map(Some)
    })
}

/// The part with a number from 0 of a text split at a separator; an empty text has no parts.
pub(super) fn split_index(inputs: &Inputs<'_>) -> Result<ArrayRef, Failure> {
    let texts = inputs.text(0)?;
    let codes = inputs.arg(1)?.array.as_primitive_opt::<Int32Type>().is_some();
    let indices = inputs.primitive::<Int32Type>(2)?;
    let mut out = StringBuilder::with_capacity(inputs.rows, inputs.rows * 8);
    let part = |text, separator: &str, index| {
        let index = usize::try_from(index).ok()?;
        split(text, separator, index)
    };
    if codes {
        let separators = inputs.primitive::<Int32Type>(1)?;
        for row in 0..inputs.rows {
            let separator = separators.get(row).filter(|code| (0..=255).contains(code));
            let separator = separator.map(|code| char::from(code as u8));
            let found = texts.get(row).zip(separator).zip(indices.get(row));
            out.append_option(
                found.and_then(|((text, separator), index)| part(text, separator.encode_utf8(&mut [0; 4]), index)),
            );
        }
    } else {
        let separators = inputs.text(1)?;
        for row in 0..inputs.rows {
            let found = texts.get(row).zip(separators.get(row)).zip(indices.get(row));
            out.append_option(found.and_then(|((text, separator), index)| part(text, separator, index)));
        }
    }
    Ok(Arc::new(out.finish()))
}

fn split<'a>(text: &'a str, separator: &str, index: usize) -> Option<&'a str> {
    if text.is_empty() {
        return None;
    }
    match separator.as_bytes() {
        [] => (index == 0).then_some(text),
        [byte] => {
            // One byte is looked for without building a searcher.
            let mut rest = text;
            for _ in 0..index {
                let at = rest.bytes().position(|next| next == *byte)?;
                rest = &rest[at + 1..];
            }
            Some(rest.bytes().position(|next| next == *byte).map_or(rest, |end| &rest[..end]))
        }
        _ => text.split(separator).nth(index),
    }
}
