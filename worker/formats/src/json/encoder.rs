//! Rows as JSON, one object a line.

use arrow::{
    array::{Array, AsArray, RecordBatch},
    datatypes::{
        DataType as Arrow, Date32Type, Decimal128Type, Field, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type,
        Int64Type, Time32MillisecondType, TimeUnit, TimestampMicrosecondType, TimestampMillisecondType,
        TimestampNanosecondType, TimestampSecondType,
    },
};
use model::{Batch, Failure, Schema};

use super::JsonOptions;
use crate::{
    Encoder,
    datetime::{self, Fraction},
    scalar,
};

/// Encodes rows as JSON, one object a line.
pub struct JsonEncoder {
    /// `"name":` of each column.
    names: Vec<Vec<u8>>,
    options: JsonOptions,
}

impl JsonEncoder {
    /// An encoder of rows of this schema.
    ///
    /// # Errors
    /// Class `User` if a type has no form in JSON.
    pub fn new(schema: &Schema, options: JsonOptions) -> Result<Self, Failure> {
        for field in &schema.fields {
            super::check_type(&field.data_type).map_err(|failure| failure.at(format_args!("column {}", field.name)))?;
        }
        let names = schema.fields.iter().map(|field| quoted_name(&field.name)).collect();
        Ok(Self { names, options })
    }
}

fn quoted_name(name: &str) -> Vec<u8> {
    let mut quoted = Vec::new();
    push_string(&mut quoted, name);
    quoted.push(b':');
    quoted
}

impl Encoder for JsonEncoder {
    fn encode(&mut self, rows: &Batch, out: &mut Vec<u8>) -> Result<(), Failure> {
        for row in 0..rows.rows() {
            self.record(out, rows.columns(), row)?;
            out.push(b'\n');
        }
        Ok(())
    }

    fn finish(&mut self, _: &mut Vec<u8>) -> Result<(), Failure> {
        Ok(())
    }
}

impl JsonEncoder {
    /// A row as an object.
    pub(super) fn record(&self, out: &mut Vec<u8>, rows: &RecordBatch, row: usize) -> Result<(), Failure> {
        out.push(b'{');
        let mut first = true;
        for (name, column) in self.names.iter().zip(rows.columns()) {
            if self.options.ignore_null_fields && column.is_null(row) {
                continue;
            }
            if !std::mem::replace(&mut first, false) {
                out.push(b',');
            }
            out.extend_from_slice(name);
            self.value(out, column.as_ref(), row)?;
        }
        out.push(b'}');
        Ok(())
    }

    fn value(&self, out: &mut Vec<u8>, array: &dyn Array, row: usize) -> Result<(), Failure> {
        if array.is_null(row) {
            out.extend_from_slice(b"null");
            return Ok(());
        }
        macro_rules! number {
            ($type:ty) => {
                push(out, array.as_primitive::<$type>().value(row))
            };
        }
        match array.data_type() {
            Arrow::Boolean => push(out, array.as_boolean().value(row)),
            Arrow::Int8 => number!(Int8Type),
            Arrow::Int16 => number!(Int16Type),
            Arrow::Int32 => number!(Int32Type),
            Arrow::Int64 => number!(Int64Type),
            Arrow::Float32 => {
                let value = array.as_primitive::<Float32Type>().value(row);
                push_float(out, f64::from(value), format_args!("{value:?}"));
            }
            Arrow::Float64 => {
                let value = array.as_primitive::<Float64Type>().value(row);
                push_float(out, value, format_args!("{value:?}"));
            }
            Arrow::Decimal128(..) => push(out, array.as_primitive::<Decimal128Type>().value_as_string(row)),
            Arrow::Utf8 => push_string(out, array.as_string::<i32>().value(row)),
            Arrow::Binary => {
                out.push(b'"');
                scalar::push_base64(out, array.as_binary::<i32>().value(row));
                out.push(b'"');
            }
            Arrow::Date32 | Arrow::Time32(_) | Arrow::Timestamp(..) => {
                out.push(b'"');
                push_temporal(out, array, row, &self.options);
                out.push(b'"');
            }
            Arrow::Struct(fields) => self.object(out, fields, array, row)?,
            Arrow::List(_) => {
                let items = array.as_list::<i32>().value(row);
                out.push(b'[');
                for item in 0..items.len() {
                    if item > 0 {
                        out.push(b',');
                    }
                    self.value(out, items.as_ref(), item)?;
                }
                out.push(b']');
            }
            Arrow::Map(..) => {
                let entries = array.as_map().value(row);
                out.push(b'{');
                for entry in 0..entries.len() {
                    if entry > 0 {
                        out.push(b',');
                    }
                    push_string(out, entries.column(0).as_string::<i32>().value(entry));
                    out.push(b':');
                    self.value(out, entries.column(1).as_ref(), entry)?;
                }
                out.push(b'}');
            }
            other => return Err(Failure::internal(format!("no JSON for {other}"))),
        }
        Ok(())
    }

    fn object(
        &self,
        out: &mut Vec<u8>,
        fields: &[std::sync::Arc<Field>],
        array: &dyn Array,
        row: usize,
    ) -> Result<(), Failure> {
        out.push(b'{');
        let mut first = true;
        for (field, column) in fields.iter().zip(array.as_struct().columns()) {
            if self.options.ignore_null_fields && column.is_null(row) {
                continue;
            }
            if !std::mem::replace(&mut first, false) {
                out.push(b',');
            }
            push_string(out, field.name());
            out.push(b':');
            self.value(out, column.as_ref(), row)?;
        }
        out.push(b'}');
        Ok(())
    }
}

fn push(out: &mut Vec<u8>, value: impl std::fmt::Display) {
    use std::io::Write as _;
    // Writing to memory cannot fail.
    let _ = write!(out, "{value}");
}

/// JSON has no numbers that are not finite: these are written as strings, as Flink does.
fn push_float(out: &mut Vec<u8>, value: f64, shortest: std::fmt::Arguments<'_>) {
    if value.is_finite() {
        push(out, shortest);
    } else if value.is_nan() {
        push(out, "\"NaN\"");
    } else {
        push(out, if value > 0.0 { "\"Infinity\"" } else { "\"-Infinity\"" });
    }
}

/// A date, time or timestamp without quotes.
pub(crate) fn push_temporal(out: &mut Vec<u8>, array: &dyn Array, row: usize, options: &JsonOptions) {
    match array.data_type() {
        Arrow::Date32 => datetime::push_date(out, i64::from(array.as_primitive::<Date32Type>().value(row))),
        Arrow::Time32(_) => {
            let millis = i64::from(array.as_primitive::<Time32MillisecondType>().value(row));
            datetime::push_time(out, millis / 1000, millis % 1000 * 1_000_000, Fraction::Shortest, false);
        }
        Arrow::Timestamp(unit, zone) => {
            let value = match unit {
                TimeUnit::Second => array.as_primitive::<TimestampSecondType>().value(row),
                TimeUnit::Millisecond => array.as_primitive::<TimestampMillisecondType>().value(row),
                TimeUnit::Microsecond => array.as_primitive::<TimestampMicrosecondType>().value(row),
                TimeUnit::Nanosecond => array.as_primitive::<TimestampNanosecondType>().value(row),
            };
            let separator = options.timestamps.separator();
            datetime::push_timestamp(out, value, *unit, separator, Fraction::Shortest, false);
            if zone.is_some() {
                out.push(b'Z');
            }
        }
        _ => {}
    }
}

fn push_string(out: &mut Vec<u8>, text: &str) {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    out.push(b'"');
    let bytes = text.as_bytes();
    let mut plain = 0;
    for (at, byte) in bytes.iter().enumerate() {
        if *byte >= 0x20 && !matches!(byte, b'"' | b'\\') {
            continue;
        }
        out.extend_from_slice(&bytes[plain..at]);
        plain = at + 1;
        match byte {
            b'"' => out.extend_from_slice(b"\\\""),
            b'\\' => out.extend_from_slice(b"\\\\"),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\t' => out.extend_from_slice(b"\\t"),
            control => {
                out.extend_from_slice(b"\\u00");
                out.extend([HEX[usize::from(control >> 4)], HEX[usize::from(control & 15)]]);
            }
        }
    }
    out.extend_from_slice(&bytes[plain..]);
    out.push(b'"');
}
