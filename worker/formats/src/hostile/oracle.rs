//! JSON as serde_json reads it: what it takes our decoder takes, and plain values are the same.

use arrow::{
    array::{Array, AsArray},
    datatypes::{DataType as Arrow, Float64Type, Int64Type},
};
use serde_json::{Map, Value};

use super::*;

fn columns() -> Vec<Column> {
    let row = DataType::Row(vec![Field::new("x", DataType::BigInt), Field::new("y", DataType::String)]);
    let map = DataType::Map(Box::new(DataType::String), Box::new(DataType::Double));
    [
        ("b", DataType::Boolean),
        ("i", DataType::BigInt),
        ("d", DataType::Double),
        ("s", DataType::String),
        ("r", row),
        ("l", DataType::Array(Box::new(DataType::BigInt))),
        ("m", map),
    ]
    .map(|(name, data_type)| Column::new(name, data_type))
    .to_vec()
}

fn number(value: f64) -> Value {
    serde_json::Number::from_f64(value).map_or(Value::Null, Value::Number)
}

fn any_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::Bool),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_map(number),
        (-1_000_000i64..1_000_000, 0i32..4).prop_map(|(digits, places)| number(digits as f64 / 10f64.powi(places))),
        any::<String>().prop_map(Value::String),
        any::<i32>().prop_map(|number| Value::String(format!(" {number}"))),
        select(vec!["true", "FALSE", "", "1.0", "x"]).prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 20, 5, |inside| {
        let names = prop_oneof![select(vec!["x", "y", "z"]).prop_map(str::to_owned), any::<String>()];
        prop_oneof![
            vec(inside.clone(), 0..5).prop_map(Value::Array),
            vec((names, inside), 0..5).prop_map(|entries| Value::Object(entries.into_iter().collect())),
        ]
    })
}

/// Whether a row has the value that serde_json found; what is none of the column's type is null.
fn agrees(array: &dyn Array, row: usize, value: &Value) -> bool {
    let is_null = array.is_null(row);
    match array.data_type() {
        Arrow::Boolean => (!is_null).then(|| array.as_boolean().value(row)) == boolean(value),
        Arrow::Int64 => match whole(value) {
            Ok(expected) => (!is_null).then(|| array.as_primitive::<Int64Type>().value(row)) == expected,
            Err(NotPlain) => true,
        },
        Arrow::Float64 => match double(value) {
            Ok(expected) => (!is_null).then(|| array.as_primitive::<Float64Type>().value(row)) == expected,
            Err(NotPlain) => true,
        },
        Arrow::Utf8 => match value {
            Value::Null => is_null,
            _ if is_null => false,
            Value::String(text) => array.as_string::<i32>().value(row) == text,
            Value::Array(_) | Value::Object(_) => {
                let text = array.as_string::<i32>().value(row);
                serde_json::from_str::<Value>(text).is_ok_and(|found| is_same(&found, value))
            }
            scalar => {
                let text = scalar.to_string();
                array.as_string::<i32>().value(row) == text
            }
        },
        Arrow::Struct(fields) => match value {
            Value::Object(object) => {
                let of_field = |name: &String| object.get(name).unwrap_or(&Value::Null);
                let mut parts = fields.iter().zip(array.as_struct().columns());
                !is_null && parts.all(|(field, column)| agrees(column, row, of_field(field.name())))
            }
            _ => is_null,
        },
        Arrow::List(_) => match value {
            Value::Array(items) if !is_null => {
                let found = array.as_list::<i32>().value(row);
                found.len() == items.len() && items.iter().enumerate().all(|(at, item)| agrees(&found, at, item))
            }
            other => is_null && !other.is_array(),
        },
        Arrow::Map(..) => match value {
            Value::Object(object) if !is_null => {
                let found = array.as_map().value(row);
                let names = found.column(0).as_string::<i32>();
                let entry =
                    |at: usize| object.get(names.value(at)).is_some_and(|value| agrees(found.column(1), at, value));
                found.len() == object.len() && (0..found.len()).all(entry)
            }
            other => is_null && !other.is_object(),
        },
        _ => false,
    }
}

/// A value about which serde_json and Java differ, or whose text has more digits than a double.
struct NotPlain;

fn trimmed(text: &str) -> &str {
    text.trim_matches(|letter| letter <= ' ')
}

fn boolean(value: &Value) -> Option<bool> {
    match value {
        Value::Bool(value) => Some(*value),
        Value::String(text) => trimmed(text).to_ascii_lowercase().parse().ok(),
        _ => None,
    }
}

fn whole(value: &Value) -> Result<Option<i64>, NotPlain> {
    const EXACT: f64 = 9_007_199_254_740_992.0;
    Ok(match value {
        Value::Number(number) if number.is_f64() => match number.as_f64() {
            Some(value) if value.abs() < EXACT => (value.fract() == 0.0).then_some(value as i64),
            _ => return Err(NotPlain),
        },
        Value::Number(number) => number.as_i64(),
        Value::String(text) => trimmed(text).parse().ok(),
        _ => None,
    })
}

fn double(value: &Value) -> Result<Option<f64>, NotPlain> {
    Ok(match value {
        Value::Number(number) => number.as_f64(),
        Value::String(text) => match trimmed(text).parse::<i32>() {
            Ok(value) => Some(f64::from(value)),
            Err(_) if text.contains(|letter: char| letter.is_ascii_digit() || "Nn".contains(letter)) => {
                return Err(NotPlain);
            }
            Err(_) => None,
        },
        _ => None,
    })
}

/// Whether two values are the same, but for the last bit of numbers, which serde_json reads faster than exactly.
fn is_same(one: &Value, other: &Value) -> bool {
    match (one, other) {
        (Value::Number(one), Value::Number(other)) if one.is_f64() || other.is_f64() => {
            let (one, other) = (one.as_f64().unwrap_or(f64::NAN), other.as_f64().unwrap_or(f64::NAN));
            (one - other).abs() <= one.abs() * 1e-15
        }
        (Value::Array(one), Value::Array(other)) => {
            one.len() == other.len() && one.iter().zip(other).all(|(one, other)| is_same(one, other))
        }
        (Value::Object(one), Value::Object(other)) => {
            let is_in = |(name, value): (&String, &Value)| other.get(name).is_some_and(|other| is_same(value, other));
            one.len() == other.len() && one.iter().all(is_in)
        }
        (one, other) => one == other,
    }
}

fn agree(rows: &RecordBatch, columns: &[Column], object: &Map<String, Value>) -> Result<(), TestCaseError> {
    prop_assert_eq!(rows.num_rows(), 1);
    for (column, array) in columns.iter().zip(rows.columns()) {
        let value = object.get(&column.path[0]).unwrap_or(&Value::Null);
        prop_assert!(agrees(array, 0, value), "{} of {}: {:?}", column.name(), value, array);
    }
    Ok(())
}

#[test]
fn values_are_what_serde_json_reads() {
    let columns = columns();
    let names = select(columns.iter().map(Column::name).chain(["other".to_owned()]).collect::<Vec<_>>());
    let objects = (vec((names, any_value()), 0..10), any::<bool>());
    let options = JsonOptions { ignore_parse_errors: true, ..JsonOptions::default() };
    check(&objects, |(entries, is_spaced)| {
        let object: Map<String, Value> = entries.into_iter().collect();
        let text = if is_spaced { serde_json::to_string_pretty(&object) } else { serde_json::to_string(&object) };
        // Line breaks in strings are escaped, so these are the ones between values.
        let line = text.unwrap().replace('\n', " ");
        let mut decoder = JsonDecoder::new(&columns, options.clone()).unwrap();
        prop_assert_eq!(decoder.decode(line.as_bytes(), true, usize::MAX).unwrap(), line.len());
        agree(&decoder.take().unwrap(), &columns, &object)
    });
}

#[test]
fn what_serde_json_takes_is_a_row() {
    let columns = [Column::new("s", DataType::String)];
    check(&bytes(&JSON, &JSON_PARTS), |data| {
        for line in data.split(|byte| *byte == b'\n') {
            let Ok(object) = serde_json::from_slice::<Map<String, Value>>(line) else { continue };
            let mut decoder = JsonDecoder::new(&columns, JsonOptions::default()).unwrap();
            let read = decoder.decode(line, true, usize::MAX);
            prop_assert!(read.is_ok(), "{:?}: {}", read, String::from_utf8_lossy(line));
            let rows = decoder.take().unwrap();
            // The text of a number is kept as it is, which serde_json does not.
            match object.get("s") {
                Some(Value::Number(_)) => prop_assert_eq!(rows.num_rows(), 1),
                _ => agree(&rows, &columns, &object)?,
            }
        }
        Ok(())
    });
}
