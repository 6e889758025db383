//! Between times, texts and numbers: `TO_DATE`, `TO_TIMESTAMP`, `TO_TIMESTAMP_LTZ`, `UNIX_TIMESTAMP`, `CONVERT_TZ`.
//! What cannot be read is null, except for `UNIX_TIMESTAMP`, where it is the least number.

use std::sync::Arc;

use arrow::{
    array::{ArrayRef, Date32Array, Int64Array, StringBuilder, TimestampMillisecondArray},
    datatypes::{Float64Type, Int64Type},
};
use model::{DataType, Failure, Instant};
use values::calendar;

use super::zone::Zone;
use crate::{
    arg::Inputs,
    coercion::is_text,
    function::{Arguments, Kernel},
    pattern::Pattern,
};

type Parse = Arc<dyn Fn(&Inputs<'_>, usize) -> Result<Option<Instant>, Failure> + Send + Sync>;

/// Reads the text of a row by the default format, a constant pattern, or the row's pattern.
fn parser(arguments: &Arguments<'_>, default: fn(&str) -> Option<Instant>) -> Result<Parse, Failure> {
    if arguments.types.len() < 2 {
        return Ok(Arc::new(move |inputs, row| Ok(inputs.text(0)?.get(row).and_then(default))));
    }
    if let Some(pattern) = arguments.constant_text(1) {
        let pattern = Pattern::new(pattern)?;
        return Ok(Arc::new(move |inputs, row| Ok(inputs.text(0)?.get(row).and_then(|text| pattern.parse(text)))));
    }
    Ok(Arc::new(|inputs, row| {
        let (Some(text), Some(pattern)) = (inputs.text(0)?.get(row), inputs.text(1)?.get(row)) else {
            return Ok(None);
        };
        Ok(Pattern::new(pattern)?.parse(text))
    }))
}

fn parse_day(text: &str) -> Option<Instant> {
    Some(Instant { millis: calendar::parse_date(text)? * calendar::DAY_MILLIS, nanos: 0 })
}

pub(super) fn to_date(arguments: &Arguments<'_>) -> Result<Kernel, Failure> {
    let parse = parser(arguments, parse_day)?;
    Ok(Arc::new(move |inputs| {
        let day = |instant: Instant| calendar::split_millis(instant.millis).0 as i32;
        let days = (0..inputs.rows).map(|row| Ok(parse(inputs, row)?.map(day)));
        Ok(Arc::new(days.collect::<Result<Date32Array, Failure>>()?))
    }))
}

pub(super) fn to_timestamp(arguments: &Arguments<'_>) -> Result<Kernel, Failure> {
    let parse = parser(arguments, calendar::parse_timestamp)?;
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
    let parse = parser(arguments, calendar::parse_timestamp)?;
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
    let parse = parser(arguments, calendar::parse_timestamp)?;
    Ok(Arc::new(move |inputs| {
        let texts = inputs.text(0)?;
        let seconds = (0..inputs.rows).map(|row| {
            let instant = parse(inputs, row)?;
            let second = instant.map_or(i64::MIN, |instant| instant.millis.div_euclid(1000));
            Ok(texts.get(row).map(|_| second))
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
    let pattern = Pattern::new("yyyy-MM-dd HH:mm:ss")?;
    let mut out = StringBuilder::with_capacity(inputs.rows, inputs.rows * 20);
    let mut text = String::new();
    for row in 0..inputs.rows {
        let mut converted = || {
            let instant = calendar::parse_timestamp(texts.get(row)?)?;
            let utc = from.find(sources.get(row)?).to_utc(instant.millis)?;
            to.find(targets.get(row)?).to_local(utc)
        };
        match converted() {
            None => out.append_null(),
            Some(millis) => {
                text.clear();
                let written = pattern.write(&mut text, Instant { millis, nanos: 0 }, false);
                written.map_err(|_| Failure::internal("a time cannot be written"))?;
                out.append_value(&text);
            }
        }
    }
    Ok(Arc::new(out.finish()))
}
