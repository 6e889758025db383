//! Formats: bytes to columns and back, decoding only what is wanted.
//!
//! It must not know where bytes come from or go to, nor options' names.

#![cfg_attr(test, allow(clippy::cast_possible_truncation, reason = "tests"))]

mod builder;
pub mod csv;
mod decoded;
#[cfg(test)]
mod far_times;
pub mod json;
mod malformed;
pub mod parquet;
pub mod raw;
mod scalar;
pub mod text;
mod times;

#[cfg(test)]
mod hostile;
#[cfg(test)]
mod testing;

use arrow::{
    array::{ArrayRef, RecordBatch, UInt32Array},
    compute::take,
    datatypes::{Field, Schema, SchemaRef},
};
use model::{Batch, DataType, Failure};

pub use decoded::Decoded;
pub use json::find_newline;
pub use malformed::{Losses, Malformed, Rejected};
pub use scalar::TimestampStyle;

/// A wanted column: a field at the top of a record, or one inside a `ROW`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Column {
    /// `["bid", "price"]` is the field `price` of the field `bid`.
    pub path: Vec<String>,
    /// Its type.
    pub data_type: DataType,
}

impl Column {
    /// A column at the top of a record.
    pub fn new(name: impl Into<String>, data_type: DataType) -> Self {
        Self { path: vec![name.into()], data_type }
    }

    /// The path with dots.
    pub fn name(&self) -> String {
        self.path.join(".")
    }
}

/// The arrow schema of decoded columns.
pub fn schema_of(columns: &[Column]) -> SchemaRef {
    let fields = columns.iter().map(|column| Field::new(column.name(), column.data_type.to_arrow(), true));
    SchemaRef::new(Schema::new(fields.collect::<Vec<_>>()))
}

/// A column of one value, which is given as text; none is null.
///
/// # Errors
/// Class `Data` if the text is no such value.
pub fn constant(data_type: &DataType, text: Option<&str>, rows: usize) -> Result<ArrayRef, Failure> {
    let mut builder = builder::Builder::new(data_type);
    match text {
        None => builder.append_null(),
        Some(text) => builder.append_text(text.as_bytes(), times::TimeTexts::Either).map_err(Failure::data)?,
    }
    Ok(take(&builder.finish()?, &UInt32Array::from(vec![0; rows]), None)?)
}

/// Decodes records that follow one another.
pub trait Decoder: Send {
    /// Decodes whole records from the start of `data` until it holds `rows_max` rows or as many malformed records as it
    /// keeps; returns how many bytes they took. With `last`, the end of `data` also ends a record; otherwise what follows the last whole record is left.
    ///
    /// # Errors
    /// If a record is malformed and malformed records are not to be skipped.
    fn decode(&mut self, data: &[u8], last: bool, rows_max: usize) -> Result<usize, Malformed>;

    /// What was decoded.
    fn decoded(&self) -> &Decoded;

    /// What was decoded, to take it.
    fn decoded_mut(&mut self) -> &mut Decoded;

    /// Rows held.
    fn rows(&self) -> usize {
        self.decoded().rows
    }

    /// Takes the rows held.
    ///
    /// # Errors
    /// Class `Internal` if the columns do not fit together.
    fn take(&mut self) -> Result<RecordBatch, Failure> {
        self.decoded_mut().take()
    }

    /// Malformed records, and what is done with them.
    fn losses(&mut self) -> &mut Losses {
        &mut self.decoded_mut().losses
    }

    /// Lines consumed so far.
    fn lines(&self) -> u64 {
        self.decoded().lines
    }
}

/// Encodes rows.
pub trait Encoder: Send {
    /// Appends rows to `out`. Their kinds only matter to a format of changes.
    ///
    /// # Errors
    /// Class `Data` if a value has no form in this format.
    fn encode(&mut self, rows: &Batch, out: &mut Vec<u8>) -> Result<(), Failure>;

    /// Appends what ends a file. Nothing is encoded afterwards.
    ///
    /// # Errors
    /// As [`Encoder::encode`].
    fn finish(&mut self, out: &mut Vec<u8>) -> Result<(), Failure>;
}
