//! SQL values as JSON.

use std::fmt::{self, Write};

use arrow::array::{Array, ArrayRef, AsArray};
use model::{DataType, Field};

use super::value::write_quoted;
use crate::cast;

/// The name of the only field of JSON that goes in as it is; no column can have it.
const RAW: &str = "$JSON";

/// The type of JSON that goes in as it is.
pub(super) fn raw_type() -> DataType {
    DataType::Row(vec![Field::new(RAW, DataType::String)])
}

fn is_raw(fields: &[Field]) -> bool {
    matches!(fields, [field] if field.name == RAW)
}

/// Writes one value; null is `null`.
pub(super) fn write_value(out: &mut dyn Write, array: &ArrayRef, from: &DataType, row: usize) -> fmt::Result {
    if array.is_null(row) || *from == DataType::Null {
        return out.write_str("null");
    }
    match from {
        DataType::Boolean => out.write_str(if array.as_boolean().value(row) { "true" } else { "false" }),
        DataType::Row(fields) if is_raw(fields) => {
            out.write_str(array.as_struct().column(0).as_string::<i32>().value(row))
        }
        DataType::Row(fields) => {
            out.write_char('{')?;
            for (index, (field, column)) in fields.iter().zip(array.as_struct().columns()).enumerate() {
                if index > 0 {
                    out.write_char(',')?;
                }
                write_quoted(out, &field.name, false)?;
                out.write_char(':')?;
                write_value(out, column, &field.data_type, row)?;
            }
            out.write_char('}')
        }
        DataType::Array(item) => {
            let list = array.as_list::<i32>();
            let range = list.value_offsets()[row] as usize..list.value_offsets()[row + 1] as usize;
            out.write_char('[')?;
            for index in range.clone() {
                if index > range.start {
                    out.write_char(',')?;
                }
                write_value(out, list.values(), item, index)?;
            }
            out.write_char(']')
        }
        DataType::Multiset(element) => write_value(out, array, &DataType::counts_of(element), row),
        DataType::Map(key, value) => {
            let map = array.as_map();
            let range = map.value_offsets()[row] as usize..map.value_offsets()[row + 1] as usize;
            out.write_char('{')?;
            for index in range.clone() {
                if index > range.start {
                    out.write_char(',')?;
                }
                let mut text = String::new();
                cast::write_value(&mut text, map.keys(), key, index)?;
                write_quoted(out, &text, false)?;
                out.write_char(':')?;
                write_value(out, map.values(), value, index)?;
            }
            out.write_char('}')
        }
        numeric if numeric.is_numeric() => cast::write_value(out, array, from, row),
        DataType::Char(_) | DataType::Varchar(_) | DataType::String => {
            write_quoted(out, array.as_string::<i32>().value(row), false)
        }
        _ => {
            let mut text = String::new();
            cast::write_value(&mut text, array, from, row)?;
            // Timestamps have a T between date and time.
            if matches!(from, DataType::Timestamp(_) | DataType::TimestampLtz(_)) {
                text = text.replacen(' ', "T", 1);
            }
            if matches!(from, DataType::TimestampLtz(_)) {
                text.push('Z');
            }
            write_quoted(out, &text, false)
        }
    }
}
