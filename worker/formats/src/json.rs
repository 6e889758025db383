//! JSON, one object a line, in Flink's mapping of types.

mod compact;
mod cursor;
mod debezium;
mod decoder;
mod encoder;
mod value;

#[cfg(test)]
mod tests;

use model::{DataType, Failure};

pub use cursor::find_newline;
pub use debezium::DebeziumEncoder;
pub use decoder::JsonDecoder;
pub use encoder::JsonEncoder;

use crate::TimestampStyle;

/// How JSON is read and written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct JsonOptions {
    /// How timestamps are written.
    pub timestamps: TimestampStyle,
    /// Whether malformed fields are null and malformed records skipped.
    pub ignore_parse_errors: bool,
    /// Whether a field that is missing is an error rather than null.
    pub fail_on_missing_field: bool,
    /// Whether null fields are left out when written.
    pub ignore_null_fields: bool,
    /// Whether decimals are written without an exponent and with all digits of their scale, always.
    pub plain_decimals: bool,
}

/// Whether a type has a form in JSON.
///
/// # Errors
/// Class `User` if not.
pub fn check_type(data_type: &DataType) -> Result<(), Failure> {
    match data_type {
        DataType::IntervalDayTime | DataType::IntervalYearMonth => {
            Err(Failure::user(format!("format json has no {data_type}")))
        }
        DataType::Map(key, _) | DataType::Multiset(key)
            if !matches!(**key, DataType::Char(_) | DataType::Varchar(_) | DataType::String) =>
        {
            Err(Failure::user(format!("format json has no {data_type}: keys and elements can only be strings")))
        }
        DataType::Row(fields) => fields.iter().try_for_each(|field| check_type(&field.data_type)),
        DataType::Array(item) => check_type(item),
        DataType::Map(_, value) => check_type(value),
        _ => Ok(()),
    }
}
