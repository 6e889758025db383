//! `DATE_FORMAT` and `FROM_UNIXTIME`.

use std::sync::Arc;

use arrow::array::{ArrayRef, StringBuilder};
use model::{DataType, Failure, Instant};

use super::Temporals;
use crate::{
    arg::{Arg, Inputs, Text},
    cast,
    coercion::is_text,
    function::{Arguments, Kernel},
    pattern::Pattern,
};

/// A pattern that is known, or one for each row.
enum Patterns {
    Constant(Pattern),
    Varying,
}

impl Patterns {
    fn new(arguments: &Arguments<'_>, index: usize, default: &str) -> Result<Self, Failure> {
        if arguments.types.len() <= index {
            return Ok(Self::Constant(Pattern::new(default)?));
        }
        arguments.constant_text(index).map_or(Ok(Self::Varying), |text| Pattern::new(text).map(Self::Constant))
    }
}

pub(super) fn date_format(arguments: &Arguments<'_>) -> Result<Kernel, Failure> {
    let patterns = Patterns::new(arguments, 1, "")?;
    let parsed =
        if is_text(arguments.get(0)) { cast::kernel(arguments.get(0), &DataType::Timestamp(3), true)? } else { None };
    Ok(Arc::new(move |inputs| {
        let arg = inputs.arg(0)?;
        let times = match &parsed {
            None => Temporals::of(arg)?,
            Some(kernel) => {
                let args = [arg.clone()];
                let inputs = Inputs { args: &args, rows: arg.array.len(), result: &DataType::Timestamp(3) };
                Temporals::of(&Arg { array: kernel(&inputs)?, scalar: arg.scalar })?
            }
        };
        match &patterns {
            Patterns::Constant(pattern) => formatted(pattern, inputs.rows, true, |row| times.get(row)),
            Patterns::Varying => varying(inputs.text(1)?, inputs.rows, true, |row| times.get(row)),
        }
    }))
}

pub(super) fn from_unixtime(arguments: &Arguments<'_>) -> Result<Kernel, Failure> {
    use arrow::datatypes::Int64Type;
    let patterns = Patterns::new(arguments, 1, "yyyy-MM-dd HH:mm:ss")?;
    Ok(Arc::new(move |inputs| {
        let seconds = inputs.primitive::<Int64Type>(0)?;
        let time = |row| Some(Instant { millis: seconds.get(row)?.wrapping_mul(1000), nanos: 0 });
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
