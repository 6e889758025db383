//! Rows of a top-level SELECT as people or programs read them; values as Flink prints them.

use arrow::{
    array::{Array, ArrayRef, AsArray},
    datatypes::DataType,
};
use model::{Batch, Failure, RowKind, Schema};
use serde_json::{Map, Value};

use crate::{arguments::OutputForm, display};

/// Prints batches in one of the forms.
pub(crate) struct Printer {
    schema: Schema,
    form: OutputForm,
    rows: u64,
    widths: Vec<usize>,
}

/// The widest a column of a table is printed.
const WIDTH_MAX: usize = 40;
/// The narrowest.
const WIDTH_MIN: usize = 6;

impl Printer {
    pub(crate) fn new(schema: Schema, form: OutputForm) -> Self {
        Self { schema, form, rows: 0, widths: Vec::new() }
    }

    /// Prints a batch's rows.
    pub(crate) fn print(&mut self, batch: &Batch) -> Result<(), Failure> {
        let mut out = String::new();
        for row in 0..batch.rows() {
            match self.form {
                OutputForm::Jsonl => self.json(batch, row, &mut out)?,
                OutputForm::Table => self.table(batch, row, &mut out)?,
            }
            self.rows += 1;
        }
        display::text(&out);
        Ok(())
    }

    /// What follows the last row.
    pub(crate) fn end(&self) {
        if self.form == OutputForm::Table {
            display::line(&format!("{} row{}", self.rows, if self.rows == 1 { "" } else { "s" }));
        }
    }

    fn json(&self, batch: &Batch, row: usize, out: &mut String) -> Result<(), Failure> {
        let mut object = Map::new();
        for (index, field) in self.schema.fields.iter().enumerate() {
            object.insert(field.name.clone(), json_value(batch.column(index), row)?);
        }
        let line = Value::Object(Map::from_iter([
            ("op".to_owned(), Value::from(batch.kind(row).short())),
            ("row".to_owned(), Value::Object(object)),
        ]));
        out.push_str(&line.to_string());
        out.push('\n');
        Ok(())
    }

    fn table(&mut self, batch: &Batch, row: usize, out: &mut String) -> Result<(), Failure> {
        let values = (0..self.schema.len())
            .map(|index| json_value(batch.column(index), row).map(|value| plain(&value)))
            .collect::<Result<Vec<_>, _>>()?;
        if self.rows == 0 && self.widths.is_empty() {
            let names = self.schema.fields.iter().map(|field| field.name.as_str());
            self.widths = names
                .clone()
                .zip(&values)
                .map(|(name, value)| name.chars().count().max(value.chars().count()).clamp(WIDTH_MIN, WIDTH_MAX))
                .collect();
            push_line(out, "op", names, &self.widths);
            push_line(out, "--", self.widths.iter().map(|_| "------").collect::<Vec<_>>().into_iter(), &self.widths);
        }
        let kind: RowKind = batch.kind(row);
        push_line(out, kind.short(), values.iter().map(String::as_str), &self.widths);
        Ok(())
    }
}

fn push_line<'a>(out: &mut String, op: &str, values: impl Iterator<Item = &'a str>, widths: &[usize]) {
    out.push_str(op);
    for (value, width) in values.zip(widths) {
        out.push_str("  ");
        let length = value.chars().count();
        if length > *width {
            out.extend(value.chars().take(width - 1));
            out.push('…');
        } else {
            out.push_str(value);
            out.extend(std::iter::repeat_n(' ', width - length));
        }
    }
    out.truncate(out.trim_end_matches(' ').len());
    out.push('\n');
}

fn plain(value: &Value) -> String {
    match value {
        Value::Null => "<NULL>".to_owned(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// A value as JSON: numbers and booleans as such; decimals, dates and timestamps as the text Flink prints.
fn json_value(array: &ArrayRef, row: usize) -> Result<Value, Failure> {
    if array.is_null(row) {
        return Ok(Value::Null);
    }
    Ok(match array.data_type() {
        DataType::Null => Value::Null,
        DataType::Boolean => Value::from(array.as_boolean().value(row)),
        DataType::Float32
        | DataType::Float64
        | DataType::Int8
        | DataType::Int16
        | DataType::Int32
        | DataType::Int64 => number(array, row),
        DataType::Struct(fields) => {
            let columns = array.as_struct();
            let members = fields.iter().zip(columns.columns());
            let members = members
                .map(|(field, column)| Ok((field.name().clone(), json_value(column, row)?)))
                .collect::<Result<Map<_, _>, Failure>>()?;
            Value::Object(members)
        }
        DataType::List(_) => {
            let items = array.as_list::<i32>().value(row);
            Value::Array((0..items.len()).map(|item| json_value(&items, item)).collect::<Result<_, _>>()?)
        }
        DataType::Map(..) => {
            let entries = array.as_map().value(row);
            let (keys, values) = (entries.column(0), entries.column(1));
            let members = (0..entries.len())
                .map(|entry| Ok((plain(&json_value(keys, entry)?), json_value(values, entry)?)))
                .collect::<Result<Map<_, _>, Failure>>()?;
            Value::Object(members)
        }
        _ => Value::from(connectors::value_text(array.as_ref(), row)),
    })
}

fn number(array: &ArrayRef, row: usize) -> Value {
    let text = connectors::value_text(array.as_ref(), row);
    // NaN and the infinities are no JSON numbers.
    serde_json::from_str(&text).unwrap_or(Value::String(text))
}
