//! Functions whose result is JSON text, and `JSON_QUOTE` with its inverse.

use std::sync::Arc;

use arrow::{
    array::{Array, ArrayRef, StringArray, StringBuilder, StructArray},
    datatypes::DataType as Arrow,
};
use model::{DataType, Failure};

use super::{
    value::{self, Json},
    write,
};
use crate::{
    arg::Inputs,
    coercion::is_text,
    function::{Arguments, Kernel},
};

pub(super) fn json_string(arguments: &Arguments<'_>) -> Result<Kernel, Failure> {
    let from = arguments.get(0).clone();
    write::check(&from)?;
    Ok(Arc::new(move |inputs| {
        let arg = inputs.arg(0)?;
        texts(inputs.rows, |row, out| {
            let index = arg.index(row);
            if arg.array.is_null(index) || from == DataType::Null {
                return Ok(None);
            }
            write::json(&arg.array, &from, index)?.write(out).map(Some)
        })
    }))
}

/// A text for each row that is not null.
fn texts(
    rows: usize,
    mut write: impl FnMut(usize, &mut StringBuilder) -> Result<Option<()>, std::fmt::Error>,
) -> Result<ArrayRef, Failure> {
    let mut out = StringBuilder::with_capacity(rows, rows * 16);
    for row in 0..rows {
        match write(row, &mut out) {
            Ok(Some(())) => out.append_value(""),
            Ok(None) => out.append_null(),
            Err(_) => return Err(Failure::internal("JSON cannot be written")),
        }
    }
    Ok(Arc::new(out.finish()))
}

/// Values in turn; a last argument that is the constant `NULL ON NULL` or `ABSENT ON NULL` says what nulls become.
fn nulls_left_out(arguments: &Arguments<'_>, default: bool) -> (usize, bool) {
    let last = arguments.types.len().checked_sub(1);
    match last.and_then(|last| arguments.constant_text(last)) {
        Some("NULL ON NULL") => (arguments.types.len() - 1, false),
        Some("ABSENT ON NULL") => (arguments.types.len() - 1, true),
        _ => (arguments.types.len(), default),
    }
}

pub(super) fn json_array(arguments: &Arguments<'_>) -> Result<Kernel, Failure> {
    let (count, absent) = nulls_left_out(arguments, true);
    let types = arguments.types.to_vec();
    types[..count].iter().try_for_each(write::check)?;
    Ok(Arc::new(move |inputs| {
        texts(inputs.rows, |row, out| {
            let items = inputs.args[..count]
                .iter()
                .zip(&types)
                .map(|(arg, from)| write::json(&arg.array, from, arg.index(row)));
            let mut items = items.collect::<Result<Vec<_>, _>>()?;
            items.retain(|item| !absent || *item != Json::Null);
            Json::Array(items).write(out).map(Some)
        })
    }))
}

pub(super) fn json_object(arguments: &Arguments<'_>) -> Result<Kernel, Failure> {
    let (count, absent) = nulls_left_out(arguments, false);
    if count % 2 == 1 {
        return Err(Failure::user("a key without a value"));
    }
    if let Some(other) = arguments.types[..count].iter().step_by(2).find(|key| !is_text(key)) {
        return Err(Failure::user(format!("a key of type {other}")));
    }
    let types: Vec<DataType> = arguments.types.to_vec();
    types[..count].iter().try_for_each(write::check)?;
    Ok(Arc::new(move |inputs| {
        texts(inputs.rows, |row, out| {
            let mut fields = Vec::with_capacity(count / 2);
            for (pair, kinds) in inputs.args[..count].chunks(2).zip(types.chunks(2)) {
                let value = write::json(&pair[1].array, &kinds[1], pair[1].index(row))?;
                if absent && value == Json::Null {
                    continue;
                }
                let name = match write::json(&pair[0].array, &kinds[0], pair[0].index(row))? {
                    Json::String(name) => name,
                    _ => "null".to_owned(),
                };
                fields.push((name, value));
            }
            Json::Object(fields).write(out).map(Some)
        })
    }))
}

/// Checked to be JSON; nothing but blanks is null.
pub(super) fn json_raw(inputs: &Inputs<'_>) -> Result<ArrayRef, Failure> {
    let values = inputs.text(0)?;
    let mut checked = StringBuilder::new();
    for row in 0..inputs.rows {
        let text = values.get(row).map(str::trim).filter(|text| !text.is_empty());
        if let Some(text) = text.filter(|text| value::parse(text).is_none()) {
            return Err(Failure::data(format!("'{text}' is no JSON")));
        }
        checked.append_option(text);
    }
    let checked: ArrayRef = Arc::new(checked.finish());
    let nulls = checked.nulls().cloned();
    let Arrow::Struct(fields) = write::raw_type().to_arrow() else {
        return Err(Failure::internal("JSON is held in a row"));
    };
    Ok(Arc::new(StructArray::try_new(fields, vec![checked], nulls)?))
}

pub(super) fn json_quote(inputs: &Inputs<'_>) -> Result<ArrayRef, Failure> {
    let values = inputs.text(0)?;
    texts(inputs.rows, |row, out| match values.get(row) {
        None => Ok(None),
        Some(text) => value::write_quoted(out, text, true).map(Some),
    })
}

/// Text that is no JSON string stays as it is.
pub(super) fn json_unquote(inputs: &Inputs<'_>) -> Result<ArrayRef, Failure> {
    let values = inputs.text(0)?;
    let unquoted = |row| {
        let text: &str = values.get(row)?;
        Some(match value::parse(text) {
            Some(Json::String(text)) if values.get(row)?.starts_with('"') => text,
            _ => text.to_owned(),
        })
    };
    Ok(Arc::new((0..inputs.rows).map(unquoted).collect::<StringArray>()))
}
