//! Rows as JSON, one object a line.

use arrow::{
    array::{Array, ArrayRef, AsArray, RecordBatch, StructArray},
    datatypes::{DataType as Arrow, Decimal128Type, Float32Type, Float64Type},
};
use model::{Batch, Failure, Schema};

use super::JsonOptions;
use crate::{Encoder, scalar, text};

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
    push_string(&mut quoted, name.as_bytes());
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
        self.object(out, rows.columns(), row, |out, column| out.extend_from_slice(&self.names[column]))
    }

    /// The fields of a row as an object; `push_name` appends the name of one and the colon.
    fn object(
        &self,
        out: &mut Vec<u8>,
        columns: &[ArrayRef],
        row: usize,
        push_name: impl Fn(&mut Vec<u8>, usize),
    ) -> Result<(), Failure> {
        out.push(b'{');
        let mut first = true;
        for (index, column) in columns.iter().enumerate() {
            if self.options.ignore_null_fields && column.is_null(row) {
                continue;
            }
            if !std::mem::replace(&mut first, false) {
                out.push(b',');
            }
            push_name(out, index);
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
        match array.data_type() {
            other if text::is_temporal(other) => {
                out.push(b'"');
                text::push_temporal(out, array, row, self.options.timestamps);
                out.push(b'"');
            }
            Arrow::Decimal128(_, scale) => {
                let value = array.as_primitive::<Decimal128Type>().value(row);
                text::push_decimal(out, value, *scale, self.options.plain_decimals);
            }
            Arrow::Utf8 => push_string(out, array.as_string::<i32>().value(row).as_bytes()),
            Arrow::Binary => {
                out.push(b'"');
                scalar::push_base64(out, array.as_binary::<i32>().value(row));
                out.push(b'"');
            }
            Arrow::Struct(fields) => self.object(out, array.as_struct().columns(), row, |out, column| {
                push_string(out, fields[column].name().as_bytes());
                out.push(b':');
            })?,
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
            Arrow::Map(..) => self.map(out, &array.as_map().value(row))?,
            // JSON has no numbers that are not finite: these are written as strings, as Flink does.
            _ if !is_finite(array, row) => {
                out.push(b'"');
                text::push_number(out, array, row);
                out.push(b'"');
            }
            _ if text::push_number(out, array, row) => {}
            other => return Err(Failure::internal(format!("no JSON for {other}"))),
        }
        Ok(())
    }

    /// Keys are never null: columns of maps have none.
    fn map(&self, out: &mut Vec<u8>, entries: &StructArray) -> Result<(), Failure> {
        let (keys, values) = (entries.column(0).as_string::<i32>(), entries.column(1));
        out.push(b'{');
        for entry in 0..entries.len() {
            if entry > 0 {
                out.push(b',');
            }
            push_string(out, keys.value(entry).as_bytes());
            out.push(b':');
            self.value(out, values.as_ref(), entry)?;
        }
        out.push(b'}');
        Ok(())
    }
}

fn is_finite(array: &dyn Array, row: usize) -> bool {
    match array.data_type() {
        Arrow::Float32 => array.as_primitive::<Float32Type>().value(row).is_finite(),
        Arrow::Float64 => array.as_primitive::<Float64Type>().value(row).is_finite(),
        _ => true,
    }
}

/// Writes a string with the escapes that Jackson writes.
pub(super) fn push_string(out: &mut Vec<u8>, bytes: &[u8]) {
    out.push(b'"');
    let mut plain = 0;
    for (at, byte) in bytes.iter().enumerate() {
        if *byte >= 0x20 && !matches!(byte, b'"' | b'\\') {
            continue;
        }
        out.extend_from_slice(&bytes[plain..at]);
        plain = at + 1;
        let escape = match byte {
            b'"' | b'\\' => *byte,
            0x08 => b'b',
            0x0C => b'f',
            b'\n' => b'n',
            b'\r' => b'r',
            b'\t' => b't',
            control => {
                text::push(out, format_args!("\\u{control:04X}"));
                continue;
            }
        };
        out.extend([b'\\', escape]);
    }
    out.extend_from_slice(&bytes[plain..]);
    out.push(b'"');
}
