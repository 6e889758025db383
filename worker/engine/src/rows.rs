//! Rows of a top-level SELECT as people or programs read them; values as Flink prints them.

use arrow::{
    array::{Array, ArrayRef, AsArray},
    datatypes::DataType,
};
use model::{Batch, RowKind, Schema};
use serde_json::Value;

use crate::{arguments::OutputForm, display};

/// Prints batches in one of the forms.
pub(crate) struct Printer {
    schema: Schema,
    form: OutputForm,
    /// Whether a table needs a column for what becomes of rows.
    updates: bool,
    rows: u64,
    widths: Vec<usize>,
}

/// The widest a column of a table is printed.
const WIDTH_MAX: usize = 40;
/// The narrowest.
const WIDTH_MIN: usize = 6;

impl Printer {
    pub(crate) fn new(schema: Schema, form: OutputForm, updates: bool) -> Self {
        Self { schema, form, updates, rows: 0, widths: Vec::new() }
    }

    /// Prints a batch's rows.
    pub(crate) fn print(&mut self, batch: &Batch) {
        let mut out = String::new();
        for row in 0..batch.rows() {
            match self.form {
                OutputForm::Jsonl => self.json(batch, row, &mut out),
                OutputForm::Table => self.table(batch, row, &mut out),
            }
            self.rows += 1;
        }
        display::text(&out);
    }

    /// What follows the last row.
    pub(crate) fn end(&self) {
        if self.form == OutputForm::Table {
            display::line(&format!("{} row{}", self.rows, if self.rows == 1 { "" } else { "s" }));
        }
    }

    fn json(&self, batch: &Batch, row: usize, out: &mut String) {
        out.push_str("{\"op\":\"");
        out.push_str(batch.kind(row).short());
        out.push_str("\",\"row\":");
        let columns = batch.columns().columns().iter();
        push_object(out, self.schema.fields.iter().map(|field| &field.name).zip(columns), row);
        out.push_str("}\n");
    }

    fn table(&mut self, batch: &Batch, row: usize, out: &mut String) {
        let text = |index: usize| match batch.column(index) {
            column if column.is_null(row) => "<NULL>".to_owned(),
            column => text_of(column, row),
        };
        let values: Vec<String> = (0..self.schema.len()).map(text).collect();
        if self.rows == 0 && self.widths.is_empty() {
            let names = self.schema.fields.iter().map(|field| field.name.as_str());
            self.widths = names
                .clone()
                .zip(&values)
                .map(|(name, value)| name.chars().count().max(value.chars().count()).clamp(WIDTH_MIN, WIDTH_MAX))
                .collect();
            let rules: Vec<String> = self.widths.iter().map(|width| "-".repeat(*width)).collect();
            push_line(out, self.updates.then_some("op"), names, &self.widths);
            push_line(out, self.updates.then_some("--"), rules.iter().map(String::as_str), &self.widths);
        }
        let kind: RowKind = batch.kind(row);
        push_line(out, self.updates.then(|| kind.short()), values.iter().map(String::as_str), &self.widths);
    }
}

fn push_line<'a>(out: &mut String, op: Option<&str>, values: impl Iterator<Item = &'a str>, widths: &[usize]) {
    out.push_str(op.unwrap_or_default());
    for (index, (value, width)) in values.zip(widths).enumerate() {
        if index > 0 || op.is_some() {
            out.push_str("  ");
        }
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

/// A value as JSON: numbers and booleans as such; decimals, dates and timestamps as the text Flink prints.
fn push_json(out: &mut String, array: &ArrayRef, row: usize) {
    if array.is_null(row) {
        out.push_str("null");
        return;
    }
    match array.data_type() {
        DataType::Boolean
        | DataType::Int8
        | DataType::Int16
        | DataType::Int32
        | DataType::Int64
        | DataType::Float32
        | DataType::Float64 => push_number(out, connectors::value_text(array.as_ref(), row)),
        DataType::Struct(fields) => {
            let columns = array.as_struct().columns().iter();
            push_object(out, fields.iter().map(|field| field.name()).zip(columns), row);
        }
        DataType::List(_) => {
            let items = array.as_list::<i32>().value(row);
            push_separated(out, ['[', ']'], 0..items.len(), |out, item| push_json(out, &items, item));
        }
        DataType::Map(..) => {
            let entries = array.as_map().value(row);
            push_separated(out, ['{', '}'], 0..entries.len(), |out, entry| {
                push_text(out, &connectors::value_text(entries.column(0).as_ref(), entry));
                out.push(':');
                push_json(out, entries.column(1), entry);
            });
        }
        _ => push_text(out, &text_of(array, row)),
    }
}

/// A value as text; bytes in hexadecimal.
fn text_of(array: &ArrayRef, row: usize) -> String {
    match array.data_type() {
        DataType::Binary if array.is_valid(row) => {
            format!("0x{}", hex::encode(array.as_binary::<i32>().value(row)))
        }
        _ => connectors::value_text(array.as_ref(), row),
    }
}

fn push_object<'a>(out: &mut String, members: impl Iterator<Item = (&'a String, &'a ArrayRef)>, row: usize) {
    push_separated(out, ['{', '}'], members, |out, (name, column)| {
        push_text(out, name);
        out.push(':');
        push_json(out, column, row);
    });
}

fn push_separated<T>(
    out: &mut String,
    [open, close]: [char; 2],
    items: impl Iterator<Item = T>,
    mut push: impl FnMut(&mut String, T),
) {
    out.push(open);
    for (index, item) in items.enumerate() {
        if index > 0 {
            out.push(',');
        }
        push(out, item);
    }
    out.push(close);
}

/// NaN and the infinities are no JSON numbers: they are texts.
fn push_number(out: &mut String, text: String) {
    if text.ends_with(|c: char| c.is_ascii_alphabetic()) && text != "true" && text != "false" {
        push_text(out, &text);
    } else {
        out.push_str(&text);
    }
}

fn push_text(out: &mut String, text: &str) {
    out.push_str(&Value::from(text).to_string());
}
