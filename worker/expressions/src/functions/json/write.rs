//! SQL values as JSON.

#![expect(clippy::cast_sign_loss, reason = "SQL arithmetic wraps as Java's; positions are bounded by a batch")]

use std::fmt;

use arrow::{
    array::{Array, ArrayRef, AsArray},
    datatypes::{Float32Type, Float64Type},
};
use base64::{Engine, engine::general_purpose::STANDARD};
use model::{DataType, Failure, Field};
use values::number::write_double;

use super::value::{Json, parse};
use crate::{cast, coercion::is_text};

/// The name of the only field of JSON that goes in as it is; no column can have it.
const RAW: &str = "$JSON";

/// The type of JSON that goes in as it is.
pub(super) fn raw_type() -> DataType {
    DataType::Row(vec![Field::new(RAW, DataType::String)])
}

fn is_raw(fields: &[Field]) -> bool {
    matches!(fields, [field] if field.name == RAW)
}

/// Refuses types that have no form in JSON.
pub(super) fn check(from: &DataType) -> Result<(), Failure> {
    match from {
        DataType::Date | DataType::Time(_) | DataType::IntervalDayTime | DataType::IntervalYearMonth => {
            Err(Failure::user(format!("a value of type {from} has no form in JSON; a CAST makes it a text")))
        }
        DataType::Map(key, _) if !is_text(key) => {
            Err(Failure::user(format!("a map with keys of type {key} has no form in JSON")))
        }
        DataType::Map(_, value) => check(value),
        DataType::Array(item) => check(item),
        DataType::NotNull(inner) => check(inner),
        DataType::Row(fields) => fields.iter().try_for_each(|field| check(&field.data_type)),
        _ => Ok(()),
    }
}

/// One value as JSON.
pub(super) fn json(array: &ArrayRef, from: &DataType, row: usize) -> Result<Json, fmt::Error> {
    if *from == DataType::Null || array.is_null(row) {
        return Ok(Json::Null);
    }
    Ok(match from {
        DataType::Boolean => Json::Boolean(array.as_boolean().value(row)),
        DataType::NotNull(inner) => json(array, inner, row)?,
        DataType::Row(fields) if is_raw(fields) => {
            let text = array.as_struct().column(0).as_string::<i32>().value(row);
            parse(text).unwrap_or(Json::Null)
        }
        DataType::Row(fields) => {
            let columns = fields.iter().zip(array.as_struct().columns());
            let fields = columns.map(|(field, column)| Ok((field.name.clone(), json(column, &field.data_type, row)?)));
            Json::Object(fields.collect::<Result<_, _>>()?)
        }
        DataType::Array(item) => {
            let list = array.as_list::<i32>();
            let range = list.value_offsets()[row] as usize..list.value_offsets()[row + 1] as usize;
            Json::Array(range.map(|index| json(list.values(), item, index)).collect::<Result<_, _>>()?)
        }
        DataType::Multiset(element) => json(array, &DataType::counts_of(element), row)?,
        DataType::Map(key, value) => {
            let map = array.as_map();
            let range = map.value_offsets()[row] as usize..map.value_offsets()[row + 1] as usize;
            let entries = range.map(|index| {
                let mut name = String::new();
                cast::write_value(&mut name, map.keys(), key, index)?;
                Ok((name, json(map.values(), value, index)?))
            });
            Json::Object(entries.collect::<Result<_, _>>()?)
        }
        // A FLOAT is widened first.
        DataType::Float => number(f64::from(array.as_primitive::<Float32Type>().value(row)))?,
        DataType::Double => number(array.as_primitive::<Float64Type>().value(row))?,
        DataType::Char(_) | DataType::Varchar(_) | DataType::String => {
            Json::String(array.as_string::<i32>().value(row).to_owned())
        }
        DataType::Binary(_) | DataType::Varbinary(_) | DataType::Bytes => {
            Json::String(STANDARD.encode(array.as_binary::<i32>().value(row)))
        }
        _ => {
            let mut text = String::new();
            cast::write_value(&mut text, array, from, row)?;
            match from {
                DataType::Timestamp(_) => Json::String(iso(&text)),
                DataType::TimestampLtz(_) => Json::String(iso(&text) + "Z"),
                _ => Json::Number(text),
            }
        }
    })
}

/// The decimal that a double prints as; what is no number is a text.
fn number(value: f64) -> Result<Json, fmt::Error> {
    let mut text = String::new();
    write_double(&mut text, value)?;
    Ok(if value.is_finite() { Json::Number(text) } else { Json::String(text) })
}

/// `2020-03-04 05:06:07.100` as `2020-03-04T05:06:07.1`.
fn iso(text: &str) -> String {
    let text = text.replacen(' ', "T", 1);
    match text.split_once('.') {
        Some((clock, fraction)) => match fraction.trim_end_matches('0') {
            "" => clock.to_owned(),
            fraction => format!("{clock}.{fraction}"),
        },
        None => text,
    }
}
