//! Rows as CSV.

use arrow::array::Array;
use model::{Batch, Failure, Schema};

use super::{CsvOptions, value::push};
use crate::Encoder;

/// Encodes rows as CSV.
pub struct CsvEncoder {
    options: CsvOptions,
    text: Vec<u8>,
}

impl CsvEncoder {
    /// An encoder of rows of this schema.
    ///
    /// # Errors
    /// Class `User` if a type has no form in CSV.
    pub fn new(schema: &Schema, options: CsvOptions) -> Result<Self, Failure> {
        for field in &schema.fields {
            super::check_type(&field.data_type).map_err(|failure| failure.at(format_args!("column {}", field.name)))?;
        }
        Ok(Self { options, text: Vec::new() })
    }

    fn push_field(&self, out: &mut Vec<u8>, text: &[u8]) -> Result<(), Failure> {
        let special = |byte: &u8| {
            *byte == self.options.delimiter
                || matches!(byte, b'\n' | b'\r')
                || Some(*byte) == self.options.quote
                || Some(*byte) == self.options.escape
        };
        // A text that looks like null, or like a comment, is quoted too.
        let quoted = text.iter().any(special)
            || (self.options.allow_comments && text.first() == Some(&b'#'))
            || text.first().is_some_and(u8::is_ascii_whitespace)
            || text.last().is_some_and(u8::is_ascii_whitespace);
        if !quoted {
            out.extend_from_slice(text);
            return Ok(());
        }
        let Some(quote) = self.options.quote else {
            if text.iter().any(special) {
                return Err(Failure::data("a value needs quotes, which 'csv.disable-quote-character' forbids"));
            }
            out.extend_from_slice(text);
            return Ok(());
        };
        out.push(quote);
        for byte in text {
            if *byte == quote {
                out.push(quote);
            } else if Some(*byte) == self.options.escape {
                out.push(*byte);
            }
            out.push(*byte);
        }
        out.push(quote);
        Ok(())
    }
}

impl Encoder for CsvEncoder {
    fn encode(&mut self, rows: &Batch, out: &mut Vec<u8>) -> Result<(), Failure> {
        let mut text = std::mem::take(&mut self.text);
        for row in 0..rows.rows() {
            for (index, column) in rows.columns().columns().iter().enumerate() {
                if index > 0 {
                    out.push(self.options.delimiter);
                }
                if column.is_null(row) {
                    out.extend_from_slice(self.options.null_literal.as_deref().unwrap_or_default().as_bytes());
                    continue;
                }
                text.clear();
                push(&mut text, column.as_ref(), row, &self.options)?;
                self.push_field(out, &text)?;
            }
            out.push(b'\n');
        }
        self.text = text;
        Ok(())
    }

    fn finish(&mut self, _: &mut Vec<u8>) -> Result<(), Failure> {
        Ok(())
    }
}
