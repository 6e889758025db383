//! Between times, texts and numbers: `TO_DATE`, `TO_TIMESTAMP`, `TO_TIMESTAMP_LTZ`, `UNIX_TIMESTAMP`, `CONVERT_TZ`.
//! What cannot be read is null, except for `UNIX_TIMESTAMP`, where it is the least number.

#![expect(
    clippy::cast_possible_truncation,
    reason = "SQL arithmetic wraps as Java's; positions are bounded by a batch"
)]
#![expect(clippy::disallowed_methods, reason = "UNIX_TIMESTAMP()")]

use std::sync::Arc;

use arrow::{
    array::{ArrayRef, Date32Array, Int64Array, StringBuilder, TimestampMillisecondArray},
    datatypes::{Float64Type, Int64Type},
};
use model::{DataType, Failure, Instant};
use values::calendar;

use super::{
    format::{DEFAULT_PATTERN, Patterns},
    zone::Zone,
};
use crate::{
    arg::Inputs,
    coercion::is_text,
    function::{Arguments, Kernel},
    pattern::{Pattern, Start},
};

fn day(instant_millis: i64) -> i32 {
    calendar::split_millis(instant_millis).0 as i32
}

/// Without a pattern of all of a text, with one of its start.
pub(super) fn to_date(arguments: &Arguments<'_>) -> Result<Kernel, Failure> {
    if arguments.types.len() < 2 {
        return Ok(Arc::new(|inputs| {
            let texts = inputs.text(0)?;
            let days = (0..inputs.rows).map(|row| i32::try_from(calendar::parse_date(texts.get(row)?)?).ok());
            Ok(Arc::new(days.collect::<Date32Array>()))
        }));
    }
    let patterns = Patterns::new(arguments, 1, "")?;
    Ok(Arc::new(move |inputs| {
        let texts = inputs.text(0)?;
        let days = (0..inputs.rows).map(|row| {
            let Some(text) = texts.get(row) else { return Ok(None) };
            patterns.read(inputs, 1, row, |pattern| pattern.parse_start(text)?.millis().map(day))
        });
        Ok(Arc::new(days.collect::<Result<Date32Array, Failure>>()?))
    }))
}

type Parse = Arc<dyn Fn(&Inputs<'_>, usize) -> Result<Option<Instant>, Failure> + Send + Sync>;

/// Reads the text of a row as `TO_TIMESTAMP` does: in the form of `CAST`, or all of it by the pattern; what is not of the
/// pattern may still be a time as Java's SQL types write it.
fn timestamps(arguments: &Arguments<'_>) -> Result<Parse, Failure> {
    if arguments.types.len() < 2 {
        return Ok(Arc::new(|inputs, row| Ok(inputs.text(0)?.get(row).and_then(calendar::parse_timestamp))));
    }
    let patterns = Patterns::new(arguments, 1, "")?;
    Ok(Arc::new(move |inputs, row| {
        let Some(text) = inputs.text(0)?.get(row) else { return Ok(None) };
        patterns.read(inputs, 1, row, |pattern| pattern.parse(text).or_else(|| calendar::parse_sql_timestamp(text)))
    }))
}

pub(super) fn to_timestamp(arguments: &Arguments<'_>) -> Result<Kernel, Failure> {
    let parse = timestamps(arguments)?;
    Ok(Arc::new(move |inputs| {
        let times = (0..inputs.rows).map(|row| Ok(parse(inputs, row)?.map(|instant| instant.millis)));
        Ok(Arc::new(times.collect::<Result<TimestampMillisecondArray, Failure>>()?))
    }))
}

pub(super) fn ltz_type(arguments: &Arguments<'_>) -> Result<DataType, Failure> {
    let number = arguments.get(0).is_numeric();
    if !number && !is_text(arguments.get(0)) {
        return Err(Failure::user(format!("{} is neither a number nor text", arguments.get(0))));
    }
    Ok(DataType::TimestampLtz(3))
}

pub(super) fn to_timestamp_ltz(arguments: &Arguments<'_>) -> Result<Kernel, Failure> {
    if is_text(arguments.get(0)) {
        return text_to_ltz(arguments);
    }
    let precision = if arguments.types.len() > 1 { arguments.constant_integer(1) } else { Some(3) };
    let seconds = match precision {
        Some(0) => true,
        Some(3) => false,
        _ => return Err(Failure::user("the precision of an epoch is 0 or 3")),
    };
    let integral = !matches!(arguments.get(0), DataType::Float | DataType::Double | DataType::Decimal(..));
    Ok(Arc::new(move |inputs| {
        let array = &inputs.arg(0)?.array;
        let values: TimestampMillisecondArray = if integral {
            let array = arrow::compute::cast(array, &arrow::datatypes::DataType::Int64)?;
            let factor = if seconds { 1000 } else { 1 };
            let array = arrow::array::AsArray::as_primitive::<Int64Type>(&array);
            array.unary(|value| value.wrapping_mul(factor))
        } else {
            let array = arrow::compute::cast(array, &arrow::datatypes::DataType::Float64)?;
            let factor = if seconds { 1000.0 } else { 1.0 };
            let array = arrow::array::AsArray::as_primitive::<Float64Type>(&array);
            array.unary(|value| (value * factor) as i64)
        };
        Ok(Arc::new(values.with_timezone("UTC")))
    }))
}

fn text_to_ltz(arguments: &Arguments<'_>) -> Result<Kernel, Failure> {
    let parse = timestamps(arguments)?;
    let zoned = arguments.types.len() > 2;
    Ok(Arc::new(move |inputs| {
        let mut zones = Zones::default();
        let times = (0..inputs.rows).map(|row| {
            let Some(instant) = parse(inputs, row)? else { return Ok(None) };
            if !zoned {
                return Ok(Some(instant.millis));
            }
            let zone = inputs.text(2)?.get(row).map(|name| zones.find(name));
            Ok(zone.and_then(|zone| zone.to_utc(instant.millis)))
        });
        let times = times.collect::<Result<TimestampMillisecondArray, Failure>>()?;
        Ok(Arc::new(times.with_timezone("UTC")))
    }))
}

pub(super) fn unix_timestamp(arguments: &Arguments<'_>) -> Result<Kernel, Failure> {
    if arguments.types.is_empty() {
        return Ok(Arc::new(|inputs| {
            Ok(Arc::new(Int64Array::from_value(chrono::Utc::now().timestamp(), inputs.rows)))
        }));
    }
    unix_seconds(Patterns::new(arguments, 1, DEFAULT_PATTERN)?, Zone::UTC)
}

/// `(text, pattern, zone)`
pub(super) fn unix_timestamp_in_zone(arguments: &Arguments<'_>) -> Result<Kernel, Failure> {
    unix_seconds(Patterns::new(arguments, 1, DEFAULT_PATTERN)?, Zone::constant(arguments, 2)?)
}

/// The seconds since 1970 of a zone's local times at the start of texts, as Flink has them: divided towards zero.
fn unix_seconds(patterns: Patterns, zone: Zone) -> Result<Kernel, Failure> {
    let millis = move |start: Start| match start.offset {
        None => zone.later_to_utc(start.local_millis),
        Some(_) => start.millis(),
    };
    Ok(Arc::new(move |inputs| {
        let texts = inputs.text(0)?;
        let seconds = (0..inputs.rows).map(|row| {
            let Some(text) = texts.get(row) else { return Ok(None) };
            let read = patterns.read(inputs, 1, row, |pattern| millis(pattern.parse_start(text)?))?;
            Ok(Some(read.map_or(i64::MIN, |millis| millis / 1000)))
        });
        Ok(Arc::new(seconds.collect::<Result<Int64Array, Failure>>()?))
    }))
}

/// The last zone that was looked up.
#[derive(Default)]
struct Zones {
    last: Option<(String, Zone)>,
}

impl Zones {
    fn find(&mut self, name: &str) -> Zone {
        if let Some((known, zone)) = &self.last
            && known == name
        {
            return *zone;
        }
        // An unknown zone is GMT, as in Java.
        let zone = Zone::parse(name).unwrap_or(Zone::UTC);
        self.last = Some((name.to_owned(), zone));
        zone
    }
}

pub(super) fn convert_tz(inputs: &Inputs<'_>) -> Result<ArrayRef, Failure> {
    let (texts, sources, targets) = (inputs.text(0)?, inputs.text(1)?, inputs.text(2)?);
    let (mut from, mut to) = (Zones::default(), Zones::default());
    let pattern = Pattern::new(DEFAULT_PATTERN)?;
    let mut out = StringBuilder::with_capacity(inputs.rows, inputs.rows * 20);
    let mut text = String::new();
    for row in 0..inputs.rows {
        let mut converted = || {
            let start = pattern.parse_start(texts.get(row)?)?;
            let utc = from.find(sources.get(row)?).later_to_utc(start.local_millis)?;
            to.find(targets.get(row)?).to_local(utc)
        };
        match converted() {
            None => out.append_null(),
            Some(millis) => {
                text.clear();
                let written = pattern.write(&mut text, Instant::of_millis(millis), false);
                written.map_err(|_| Failure::internal("a time cannot be written"))?;
                out.append_value(&text);
            }
        }
    }
    Ok(Arc::new(out.finish()))
}
