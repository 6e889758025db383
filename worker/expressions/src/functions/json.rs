//! JSON in text. Paths are strict unless they say `lax`: what a path does not find is an error, which is null unless
//! the call says otherwise.

use std::sync::Arc;

use arrow::{
    array::{Array, ArrayRef, BooleanArray, ListBuilder, StringBuilder},
    datatypes::{DataType::Utf8, Field},
};
use model::{DataType, Failure};

use crate::{
    arg::{Inputs, Text},
    function::{
        Arguments,
        Body::{Bound, Plain},
        Function, Kernel,
        Parameter::{Any, Text as TextParameter},
        function, returns,
    },
};

mod construct;
mod path;
mod returning;
mod value;
mod write;

use construct::{json_array, json_object, json_quote, json_raw, json_string, json_unquote};
use path::{Found, Path};
use returning::Returning;
use value::Json;

pub(crate) const FUNCTIONS: &[Function] = &[
    function("IS JSON ARRAY", &[TextParameter], returns::boolean, Plain(|inputs| is_json(inputs, Json::is_array)))
        .never_null(),
    function("IS JSON OBJECT", &[TextParameter], returns::boolean, Plain(|inputs| is_json(inputs, Json::is_object)))
        .never_null(),
    function("IS JSON SCALAR", &[TextParameter], returns::boolean, Plain(|inputs| is_json(inputs, Json::is_scalar)))
        .never_null(),
    function("IS JSON VALUE", &[TextParameter], returns::boolean, Plain(|inputs| is_json(inputs, |_| true)))
        .never_null()
        .aliases(&["IS JSON"]),
    // Text that goes into JSON as it is; a row of one field, so that it differs from text that is quoted.
    function("JSON", &[TextParameter], |_| Ok(write::raw_type()), Bound(|_| Ok(Arc::new(json_raw)))).fallible(),
    function("JSON_ARRAY", &[Any], returns::string, Bound(json_array)).never_null().optional(1).variadic(),
    // Text and path, then what an error gives: 'TRUE', 'FALSE', 'UNKNOWN' or 'ERROR'.
    function("JSON_EXISTS", &[TextParameter, TextParameter, TextParameter], returns::boolean, Bound(json_exists))
        .optional(1)
        .fallible(),
    // Keys and values in turn; a last argument alone is 'NULL' or 'ABSENT' for nulls.
    function("JSON_OBJECT", &[Any], returns::string, Bound(json_object)).never_null().optional(1).variadic(),
    // Text and path, then the wrapper ('WITHOUT', 'CONDITIONAL', 'UNCONDITIONAL'), and what an empty result and an
    // error give: 'NULL', 'EMPTY ARRAY', 'EMPTY OBJECT' or 'ERROR'; then 'ARRAY' if an array of texts is wanted.
    function(
        "JSON_QUERY",
        &[TextParameter, TextParameter, TextParameter, TextParameter, TextParameter, TextParameter],
        query_type,
        Bound(json_query),
    )
    .nullable()
    .optional(4)
    .fallible(),
    function("JSON_QUOTE", &[TextParameter], returns::string, Plain(json_quote)),
    function("JSON_STRING", &[Any], returns::string, Bound(json_string)),
    function("JSON_UNQUOTE", &[TextParameter], returns::string, Plain(json_unquote)),
    // Text and path, then twice what is given ('NULL', 'ERROR', 'DEFAULT') and the default: for an empty result, for
    // an error; then a null of the type that is wanted.
    function(
        "JSON_VALUE",
        &[TextParameter, TextParameter, TextParameter, TextParameter, TextParameter, TextParameter, Any],
        value_type,
        Bound(json_value),
    )
    .nullable()
    .optional(5)
    .fallible(),
];

fn is_json(inputs: &Inputs<'_>, is: fn(&Json) -> bool) -> Result<ArrayRef, Failure> {
    let texts = inputs.text(0)?;
    let holds = |row| Some(texts.get(row).and_then(value::parse).is_some_and(|value| is(&value)));
    Ok(Arc::new((0..inputs.rows).map(holds).collect::<BooleanArray>()))
}

/// The path of each row: one for all, or the last that was parsed.
struct Paths<'a> {
    texts: Text<'a>,
    last: Option<(&'a str, Option<Path>)>,
}

impl<'a> Paths<'a> {
    fn new(inputs: &Inputs<'a>) -> Result<Self, Failure> {
        Ok(Self { texts: inputs.text(1)?, last: None })
    }

    /// None for null; what is no path is none within.
    fn get(&mut self, row: usize) -> Option<Option<&Path>> {
        let text = self.texts.get(row)?;
        if self.last.as_ref().is_none_or(|(known, _)| *known != text) {
            self.last = Some((text, Path::parse(text)));
        }
        self.last.as_ref().map(|(_, path)| path.as_ref())
    }
}

/// What a path finds in each row, none for null, and whether the path is lax.
fn each(
    inputs: &Inputs<'_>,
    mut visit: impl FnMut(usize, Option<Found<'_>>, bool) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let (texts, mut paths) = (inputs.text(0)?, Paths::new(inputs)?);
    for row in 0..inputs.rows {
        match (texts.get(row), paths.get(row)) {
            // What is no path is an error, as what it would not find.
            (Some(_), Some(None)) => visit(row, Some(Found::Error), false)?,
            (Some(text), Some(Some(path))) => match value::parse(text) {
                Some(Json::Null) => visit(row, Some(Found::Error), path.is_lax())?,
                Some(json) => visit(row, Some(path.find(&json)), path.is_lax())?,
                None if path.is_lax() => visit(row, Some(Found::Nothing), true)?,
                None => visit(row, Some(Found::Error), false)?,
            },
            _ => visit(row, None, false)?,
        }
    }
    Ok(())
}

fn json_exists(arguments: &Arguments<'_>) -> Result<Kernel, Failure> {
    let on_error = arguments.constant_text(2).unwrap_or("FALSE").to_ascii_uppercase();
    let on_error = match on_error.as_str() {
        "TRUE" => Some(Some(true)),
        "FALSE" => Some(Some(false)),
        "UNKNOWN" => Some(None),
        _ => None,
    };
    Ok(Arc::new(move |inputs| {
        let mut out = arrow::array::BooleanBuilder::with_capacity(inputs.rows);
        each(inputs, |_, found, _| {
            out.append_option(match found {
                None => None,
                // A null is not there.
                Some(Found::Value(value)) => Some(*value != Json::Null),
                Some(Found::Nothing) => Some(false),
                Some(Found::Error) => on_error.ok_or_else(|| Failure::data("a JSON path finds nothing"))?,
            });
            Ok(())
        })?;
        Ok(Arc::new(out.finish()))
    }))
}

/// What is given instead of a value.
enum Instead {
    Null,
    Error,
    Text(String),
    /// The text of an argument.
    Argument(usize),
}

impl Instead {
    fn new(arguments: &Arguments<'_>, index: usize) -> Result<Self, Failure> {
        let Some(name) = arguments.constant_text(index) else { return Ok(Self::Null) };
        Ok(match name.to_ascii_uppercase().as_str() {
            "NULL" => Self::Null,
            "ERROR" => Self::Error,
            "DEFAULT" => Self::Argument(index + 1),
            "EMPTY ARRAY" => Self::Text("[]".to_owned()),
            "EMPTY OBJECT" => Self::Text("{}".to_owned()),
            other => return Err(Failure::user(format!("{other} is not a behaviour of a JSON function"))),
        })
    }

    /// What it gives for a query.
    fn json(&self) -> Result<Option<Json>, Failure> {
        Ok(match self {
            Self::Error => return Err(Failure::data("a JSON path finds no such value")),
            Self::Text(text) => value::parse(text),
            Self::Null | Self::Argument(_) => None,
        })
    }

    fn append(&self, out: &mut StringBuilder, inputs: &Inputs<'_>, row: usize) -> Result<(), Failure> {
        match self {
            Self::Null => out.append_null(),
            Self::Error => return Err(Failure::data("a JSON path finds no such value")),
            Self::Text(text) => out.append_value(text),
            Self::Argument(index) if *index < inputs.len() => out.append_option(inputs.text(*index)?.get(row)),
            Self::Argument(_) => out.append_null(),
        }
        Ok(())
    }
}

fn write_json(out: &mut StringBuilder, json: &Json) -> Result<(), Failure> {
    json.write(out).map_err(|_| Failure::internal("JSON cannot be written"))
}

fn value_type(arguments: &Arguments<'_>) -> Result<DataType, Failure> {
    Ok(arguments.types.get(6).cloned().unwrap_or(DataType::String))
}

/// A scalar as a value of the type that is wanted; as a text, a string has no quotes.
fn json_value(arguments: &Arguments<'_>) -> Result<Kernel, Failure> {
    let (on_empty, on_error) = (Instead::new(arguments, 2)?, Instead::new(arguments, 4)?);
    let returning = Returning::new(&value_type(arguments)?)?;
    Ok(Arc::new(move |inputs| {
        // The texts of the values that are found, and what the other rows are.
        let mut texts: Vec<Option<String>> = vec![None; inputs.rows];
        let mut instead: Vec<Option<&Instead>> = vec![None; inputs.rows];
        each(inputs, |row, found, lax| {
            match found {
                None => {}
                Some(Found::Error) => instead[row] = Some(&on_error),
                Some(Found::Nothing) => instead[row] = Some(&on_empty),
                Some(Found::Value(value)) => match &*value {
                    Json::Null => instead[row] = Some(&on_empty),
                    json if json.is_scalar() => {
                        texts[row] = returning.text(json);
                        instead[row] = Some(&on_error);
                    }
                    _ => instead[row] = Some(if lax { &on_empty } else { &on_error }),
                },
            }
            Ok(())
        })?;
        let values = returning.of_found(texts.into())?;
        let mut others = StringBuilder::new();
        for (row, instead) in instead.into_iter().enumerate() {
            match instead.filter(|_| values.is_null(row)) {
                Some(instead) => instead.append(&mut others, inputs, row)?,
                None => others.append_null(),
            }
        }
        returning::or(&values, &returning.of_defaults(others.finish())?)
    }))
}

fn query_type(arguments: &Arguments<'_>) -> Result<DataType, Failure> {
    let is_array = arguments.constant_text(5) == Some("ARRAY");
    if is_array && (3..5).any(|index| arguments.constant_text(index) == Some("EMPTY OBJECT")) {
        return Err(Failure::user("an empty object is no array"));
    }
    Ok(if is_array { DataType::Array(Box::new(DataType::String)) } else { DataType::String })
}

/// An object or array as JSON, or an array as texts.
fn json_query(arguments: &Arguments<'_>) -> Result<Kernel, Failure> {
    let wrapper = arguments.constant_text(2).unwrap_or("WITHOUT").to_ascii_uppercase();
    let (on_empty, on_error) = (Instead::new(arguments, 3)?, Instead::new(arguments, 4)?);
    let is_array = query_type(arguments)? != DataType::String;
    Ok(Arc::new(move |inputs| {
        let mut texts = StringBuilder::new();
        let mut lists = ListBuilder::new(StringBuilder::new()).with_field(Field::new("item", Utf8, true));
        each(inputs, |_, found, lax| {
            let value = queried(found, &wrapper, lax, is_array);
            let value = match value {
                Ok(value) => value,
                Err(empty) => if empty { &on_empty } else { &on_error }.json()?,
            };
            match (value, is_array) {
                (Some(Json::Array(items)), true) => {
                    for item in &items {
                        append_item(lists.values(), item)?;
                    }
                    lists.append(true);
                }
                (_, true) => lists.append(false),
                (Some(json), false) => {
                    write_json(&mut texts, &json)?;
                    texts.append_value("");
                }
                (None, false) => texts.append_null(),
            }
            Ok(())
        })?;
        Ok(if is_array { Arc::new(lists.finish()) as ArrayRef } else { Arc::new(texts.finish()) })
    }))
}

/// What a query gives, none for null; or whether it is empty, else an error.
fn queried(found: Option<Found<'_>>, wrapper: &str, lax: bool, is_array: bool) -> Result<Option<Json>, bool> {
    let value = match found {
        None => return Ok(None),
        Some(Found::Error) => return Err(false),
        Some(Found::Nothing) => return Err(true),
        Some(Found::Value(value)) if *value == Json::Null => return Err(true),
        Some(Found::Value(value)) => value.into_owned(),
    };
    let value = match wrapper {
        "WITHOUT" if value.is_scalar() => return Err(lax),
        "WITHOUT" => value,
        "CONDITIONAL" if value.is_array() => value,
        _ => Json::Array(vec![value]),
    };
    if is_array && !value.is_array() { Err(false) } else { Ok(Some(value)) }
}

/// An item of an array as text: strings without quotes.
fn append_item(out: &mut StringBuilder, item: &Json) -> Result<(), Failure> {
    match item {
        Json::Null => out.append_null(),
        Json::String(text) => out.append_value(text),
        other => {
            write_json(out, other)?;
            out.append_value("");
        }
    }
    Ok(())
}
