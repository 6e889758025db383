//! CSV without a header line: fields in the order of the table's columns.

mod decoder;
mod encoder;

#[cfg(test)]
mod tests;

use model::{DataType, Failure};

pub use decoder::CsvDecoder;
pub use encoder::CsvEncoder;

/// How CSV is read and written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CsvOptions {
    /// What stands between fields.
    pub delimiter: u8,
    /// What stands around fields that need it; none if fields are never quoted.
    pub quote: Option<u8>,
    /// Makes the next character plain.
    pub escape: Option<u8>,
    /// The text that means null.
    pub null_literal: Option<String>,
    /// Whether malformed records are skipped.
    pub ignore_parse_errors: bool,
    /// Whether lines that begin with `#` are skipped.
    pub allow_comments: bool,
}

impl Default for CsvOptions {
    fn default() -> Self {
        Self {
            delimiter: b',',
            quote: Some(b'"'),
            escape: None,
            null_literal: None,
            ignore_parse_errors: false,
            allow_comments: false,
        }
    }
}

/// Whether a type has a form in CSV.
///
/// # Errors
/// Class `User` if not.
pub fn check_type(data_type: &DataType) -> Result<(), Failure> {
    match data_type {
        DataType::Row(_)
        | DataType::Array(_)
        | DataType::Map(..)
        | DataType::Multiset(_)
        | DataType::IntervalDayTime
        | DataType::IntervalYearMonth => Err(Failure::user(format!("format csv has no {data_type}"))),
        _ => Ok(()),
    }
}
