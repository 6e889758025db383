//! Rows of a top-level SELECT as people or programs read them; values as Flink's SQL client prints them.

use arrow::{
    array::{Array, ArrayRef, AsArray},
    datatypes::{DataType as Arrow, Time32MillisecondType},
};
use model::{Batch, DataType, RowKind, Schema, timestamp};
use serde_json::Value;
use values::calendar;

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
        let fields = self.schema.fields.iter().map(|field| (&field.name, &field.data_type));
        push_object(out, fields.zip(batch.columns().columns()), row);
        out.push_str("}\n");
    }

    fn table(&mut self, batch: &Batch, row: usize, out: &mut String) {
        let text = |(column, data_type): (&ArrayRef, &DataType)| match column.is_null(row) {
            true => "<NULL>".to_owned(),
            false => text_of(column, data_type, row),
        };
        let types = self.schema.fields.iter().map(|field| &field.data_type);
        let values: Vec<String> = batch.columns().columns().iter().zip(types).map(text).collect();
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
fn push_json(out: &mut String, array: &ArrayRef, data_type: &DataType, row: usize) {
    if array.is_null(row) {
        out.push_str("null");
        return;
    }
    match (array.data_type(), data_type) {
        (_, DataType::NotNull(inner)) => push_json(out, array, inner, row),
        (_, DataType::Multiset(element)) => push_json(out, array, &DataType::counts_of(element), row),
        (Arrow::Struct(_), DataType::Row(fields)) => {
            let fields = fields.iter().map(|field| (&field.name, &field.data_type));
            push_object(out, fields.zip(array.as_struct().columns()), row);
        }
        (Arrow::List(_), DataType::Array(item)) => {
            let items = array.as_list::<i32>().value(row);
            push_separated(out, ['[', ']'], 0..items.len(), |out, index| push_json(out, &items, item, index));
        }
        (Arrow::Map(..), DataType::Map(key, value)) => {
            let entries = array.as_map().value(row);
            push_separated(out, ['{', '}'], 0..entries.len(), |out, entry| {
                push_text(out, &text_of(entries.column(0), key, entry));
                out.push(':');
                push_json(out, entries.column(1), value, entry);
            });
        }
        (
            Arrow::Boolean | Arrow::Int8 | Arrow::Int16 | Arrow::Int32 | Arrow::Int64 | Arrow::Float32 | Arrow::Float64,
            _,
        ) => push_number(out, connectors::value_text(array.as_ref(), row)),
        _ => push_text(out, &text_of(array, data_type, row)),
    }
}

/// A value as text: bytes in hexadecimal, times as SQL writes them.
fn text_of(array: &ArrayRef, data_type: &DataType, row: usize) -> String {
    match array.data_type() {
        Arrow::Binary if array.is_valid(row) => {
            format!("0x{}", hex::encode(array.as_binary::<i32>().value(row)))
        }
        _ => time_text(array, data_type, row).unwrap_or_else(|| connectors::value_text(array.as_ref(), row)),
    }
}

/// A time or timestamp with all digits of its precision, an instant in UTC; none for other values.
fn time_text(array: &ArrayRef, data_type: &DataType, row: usize) -> Option<String> {
    let mut text = String::new();
    match data_type {
        DataType::NotNull(inner) => return time_text(array, inner, row),
        DataType::Time(precision) if array.is_valid(row) => {
            let millis = array.as_primitive_opt::<Time32MillisecondType>()?.value(row);
            calendar::write_time(&mut text, i64::from(millis), *precision).ok()?;
        }
        DataType::Timestamp(precision) | DataType::TimestampLtz(precision) => {
            let instant = timestamp::instant_at(array.as_ref(), row)?;
            calendar::write_timestamp(&mut text, instant.millis, instant.nanos, *precision).ok()?;
            if matches!(data_type, DataType::TimestampLtz(_)) {
                text.push('Z');
            }
        }
        _ => return None,
    }
    Some(text)
}

fn push_object<'a>(
    out: &mut String,
    members: impl Iterator<Item = ((&'a String, &'a DataType), &'a ArrayRef)>,
    row: usize,
) {
    push_separated(out, ['{', '}'], members, |out, ((name, data_type), column)| {
        push_text(out, name);
        out.push(':');
        push_json(out, column, data_type, row);
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
