//! CSV without a header line: fields in the order of the table's columns.

mod decoder;
mod encoder;
mod value;

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
    /// What stands between the elements of an array or row in a field.
    pub array_element_delimiter: String,
    /// Whether decimals are written with an exponent where Java does that.
    pub scientific_decimals: bool,
    /// Whether malformed fields are null and malformed records skipped.
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
            array_element_delimiter: ";".to_owned(),
            scientific_decimals: true,
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
    let is_scalar = |data_type: &DataType| {
        !matches!(
            data_type.without_not_null(),
            DataType::Row(_)
                | DataType::Array(_)
                | DataType::Map(..)
                | DataType::Multiset(_)
                | DataType::IntervalDayTime
                | DataType::IntervalYearMonth
        )
    };
    let has_form = match data_type {
        DataType::Row(fields) => fields.iter().all(|field| is_scalar(&field.data_type)),
        DataType::Array(item) => is_scalar(item),
        other => is_scalar(other),
    };
    if has_form { Ok(()) } else { Err(Failure::user(format!("format csv has no {data_type}"))) }
}
