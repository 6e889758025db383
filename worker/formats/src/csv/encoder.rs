//! Rows as CSV.

use arrow::{array::Array, datatypes::DataType as Arrow};
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

    /// Appends a field; `needs_quotes` if its text alone does not tell that it must be quoted.
    fn push_field(&self, out: &mut Vec<u8>, text: &[u8], needs_quotes: bool) -> Result<(), Failure> {
        let special = |byte: &u8| {
            *byte == self.options.delimiter
                || matches!(byte, b'\n' | b'\r')
                || Some(*byte) == self.options.quote
                || Some(*byte) == self.options.escape
        };
        let must = needs_quotes || text.iter().any(special);
        let Some(quote) = self.options.quote else {
            if must {
                return Err(Failure::data("a value needs quotes, which 'csv.disable-quote-character' forbids"));
            }
            out.extend_from_slice(text);
            return Ok(());
        };
        // So that no reader trims it.
        let has_space = [text.first(), text.last()].into_iter().flatten().any(u8::is_ascii_whitespace);
        if !must && !has_space {
            out.extend_from_slice(text);
            return Ok(());
        }
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
        let null = self.options.null_literal.clone().unwrap_or_default();
        let columns = rows.columns().columns();
        for row in 0..rows.rows() {
            for (index, column) in columns.iter().enumerate() {
                if index > 0 {
                    out.push(self.options.delimiter);
                }
                // An empty line would be no row at all.
                let is_alone = columns.len() == 1;
                if column.is_null(row) && !(is_alone && null.is_empty()) {
                    out.extend_from_slice(null.as_bytes());
                    continue;
                }
                text.clear();
                if column.is_valid(row) {
                    push(&mut text, column.as_ref(), row, &self.options)?;
                }
                // Where it is no text, nothing without quotes may be a null.
                let is_null_bare = null.is_empty() && matches!(column.data_type(), Arrow::List(_) | Arrow::Binary);
                let is_comment = index == 0 && self.options.allow_comments && text.first() == Some(&b'#');
                self.push_field(out, &text, is_comment || (text.is_empty() && (is_alone || is_null_bare)))?;
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
