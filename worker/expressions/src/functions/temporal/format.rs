//! `DATE_FORMAT` and `FROM_UNIXTIME`.

use std::sync::Arc;

use arrow::array::{ArrayRef, StringBuilder};
use model::{Failure, Instant};

use super::Temporals;
use crate::{
    arg::{Inputs, Text},
    coercion::is_text,
    function::{Arguments, Kernel},
    pattern::Pattern,
};

/// A pattern that is known, or one for each row.
pub(super) enum Patterns {
    Constant(Pattern),
    Varying,
}

impl Patterns {
    /// Of the argument at `index`; of a call without it, `default`.
    pub(super) fn new(arguments: &Arguments<'_>, index: usize, default: &str) -> Result<Self, Failure> {
        if arguments.types.len() <= index {
            return Ok(Self::Constant(Pattern::new(default)?));
        }
        arguments.constant_text(index).map_or(Ok(Self::Varying), |text| Pattern::new(text).map(Self::Constant))
    }

    /// What the pattern of a row, the argument at `index`, reads; nothing if it is null.
    pub(super) fn read<T>(
        &self,
        inputs: &Inputs<'_>,
        index: usize,
        row: usize,
        read: impl FnOnce(&Pattern) -> Option<T>,
    ) -> Result<Option<T>, Failure> {
        match self {
            Self::Constant(pattern) => Ok(read(pattern)),
            Self::Varying => match inputs.text(index)?.get(row) {
                Some(pattern) => Ok(read(&Pattern::new(pattern)?)),
                None => Ok(None),
            },
        }
    }
}

/// The pattern of times in texts where none is given.
pub(super) const DEFAULT_PATTERN: &str = "yyyy-MM-dd HH:mm:ss";

pub(super) fn date_format(arguments: &Arguments<'_>) -> Result<Kernel, Failure> {
    let patterns = Patterns::new(arguments, 1, "")?;
    if is_text(arguments.get(0)) {
        return text_format(patterns);
    }
    Ok(Arc::new(move |inputs| {
        let times = Temporals::of(inputs.arg(0)?)?;
        match &patterns {
            Patterns::Constant(pattern) => formatted(pattern, inputs.rows, true, |row| times.get(row)),
            Patterns::Varying => varying(inputs.text(1)?, inputs.rows, true, |row| times.get(row)),
        }
    }))
}

/// Of texts that start with a time; null of others.
fn text_format(patterns: Patterns) -> Result<Kernel, Failure> {
    let default = Pattern::new(DEFAULT_PATTERN)?;
    Ok(Arc::new(move |inputs| {
        let texts = inputs.text(0)?;
        let time = |row| Some(Instant::of_millis(default.parse_start(texts.get(row)?)?.local_millis));
        match &patterns {
            Patterns::Constant(pattern) => formatted(pattern, inputs.rows, false, time),
            Patterns::Varying => varying(inputs.text(1)?, inputs.rows, false, time),
        }
    }))
}

pub(super) fn from_unixtime(arguments: &Arguments<'_>) -> Result<Kernel, Failure> {
    use arrow::datatypes::Int64Type;
    let patterns = Patterns::new(arguments, 1, DEFAULT_PATTERN)?;
    Ok(Arc::new(move |inputs| {
        let seconds = inputs.primitive::<Int64Type>(0)?;
        let time = |row| Some(Instant::of_millis(seconds.get(row)?.wrapping_mul(1000)));
        match &patterns {
            Patterns::Constant(pattern) => formatted(pattern, inputs.rows, false, time),
            Patterns::Varying => varying(inputs.text(1)?, inputs.rows, false, time),
        }
    }))
}

/// Times that follow each other mostly have the same text, so the last is kept.
fn formatted(
    pattern: &Pattern,
    rows: usize,
    signed: bool,
    time: impl Fn(usize) -> Option<Instant>,
) -> Result<ArrayRef, Failure> {
    let mut out = StringBuilder::with_capacity(rows, rows * 16);
    let mut text = String::with_capacity(32);
    let mut known = None;
    for row in 0..rows {
        let Some(instant) = time(row) else {
            out.append_null();
            continue;
        };
        let span = pattern.span_of(instant.millis);
        // Below a millisecond nothing is known of the span.
        if known != Some(span) || instant.nanos != 0 {
            text.clear();
            pattern.write(&mut text, instant, signed).map_err(|_| Failure::internal("a time cannot be written"))?;
            known = (instant.nanos == 0).then_some(span);
        }
        out.append_value(&text);
    }
    Ok(Arc::new(out.finish()))
}

fn varying(
    patterns: Text<'_>,
    rows: usize,
    signed: bool,
    time: impl Fn(usize) -> Option<Instant>,
) -> Result<ArrayRef, Failure> {
    let mut out = StringBuilder::with_capacity(rows, rows * 16);
    let mut text = String::new();
    for row in 0..rows {
        let (Some(instant), Some(pattern)) = (time(row), patterns.get(row)) else {
            out.append_null();
            continue;
        };
        text.clear();
        let written = Pattern::new(pattern)?.write(&mut text, instant, signed);
        written.map_err(|_| Failure::internal("a time cannot be written"))?;
        out.append_value(&text);
    }
    Ok(Arc::new(out.finish()))
}
