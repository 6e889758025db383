//! Parquet: footers, the byte ranges of wanted columns, and decoding a row group from them; and writing.

#![expect(clippy::cast_possible_truncation, reason = "lengths and digits are checked before they are narrowed")]

mod cast;
mod encoder;
mod int96;
mod row_group;
mod wide;

#[cfg(test)]
mod tests;

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
};

use arrow::datatypes::{DataType as Arrow, Schema};
use model::{DataType, Failure};
use parquet::{
    arrow::{ProjectionMask, arrow_reader::ArrowReaderMetadata},
    file::metadata::{ColumnChunkMetaData, ParquetMetaData, ParquetMetaDataReader},
};

pub use encoder::{Codec, ParquetEncoder, ParquetOptions};
pub use row_group::{RowGroup, RowGroupRows};

use self::int96::Nanoseconds;
use crate::Column;

const MAGIC: &[u8] = b"PAR1";
/// Length of the footer's length and the magic bytes.
const TAIL_BYTES: u64 = 8;

/// Whether a type has a form in Parquet.
///
/// # Errors
/// Class `User` if not.
pub fn check_type(data_type: &DataType) -> Result<(), Failure> {
    match data_type {
        DataType::IntervalDayTime | DataType::IntervalYearMonth | DataType::Null => {
            Err(Failure::user(format!("format parquet has no {data_type}")))
        }
        DataType::Row(fields) => fields.iter().try_for_each(|field| check_type(&field.data_type)),
        DataType::Array(item) | DataType::Multiset(item) => check_type(item),
        DataType::Map(key, value) => check_type(key).and_then(|()| check_type(value)),
        _ => Ok(()),
    }
}

pub(crate) fn damaged(error: impl std::fmt::Display) -> Failure {
    Failure::data(format!("parquet: {error}"))
}

/// Runs a step of the library, which panics on some damaged files: to us these are damaged like others.
fn guarded<T, E: std::fmt::Display>(step: impl FnOnce() -> Result<T, E>) -> Result<T, Failure> {
    catch_unwind(AssertUnwindSafe(step))
        .map_err(|panic| {
            let text = panic.downcast_ref::<String>().map(String::as_str).or(panic.downcast_ref::<&str>().copied());
            damaged(text.unwrap_or("the file is damaged"))
        })?
        .map_err(damaged)
}

/// Refuses a footer that puts columns outside the file.
fn check_places(metadata: &ParquetMetaData, size: u64) -> Result<(), Failure> {
    let is_inside = |chunk: &ColumnChunkMetaData| {
        let start = chunk.dictionary_page_offset().unwrap_or(chunk.data_page_offset());
        let place = u64::try_from(start).ok().zip(u64::try_from(chunk.compressed_size()).ok());
        let end = place.and_then(|(start, length)| start.checked_add(length));
        end.is_some_and(|end| end <= size) && chunk.data_page_offset() >= 0
    };
    for (index, group) in metadata.row_groups().iter().enumerate() {
        if group.num_rows() < 0 {
            return Err(damaged(format_args!("row group {index} has {} rows", group.num_rows())));
        }
        if let Some(chunk) = group.columns().iter().find(|chunk| !is_inside(chunk)) {
            let column = chunk.column_path();
            return Err(damaged(format_args!("row group {index}: column {column} lies outside the file")));
        }
    }
    Ok(())
}

/// Refuses columns inside of what is no row in the file.
fn check_paths(schema: &Schema, columns: &[Column]) -> Result<(), Failure> {
    for column in columns {
        let mut fields = schema.fields();
        for (name, _) in column.path.iter().zip(column.path.iter().skip(1)) {
            let Some((_, field)) = fields.find(name) else { break };
            let Arrow::Struct(inside) = field.data_type() else {
                return Err(Failure::data(format!("column {}: {name} is no row in the file", column.name())));
            };
            fields = inside;
        }
    }
    Ok(())
}

/// What a file says about itself, and which of its columns are wanted.
pub struct Footer {
    metadata: ArrowReaderMetadata,
    mask: ProjectionMask,
    nanoseconds: Option<Nanoseconds>,
    columns: Arc<[Column]>,
}

impl Footer {
    /// Reads the footer from the last bytes of a file of `size` bytes; the inner error is how many bytes it needs.
    ///
    /// # Errors
    /// Class `Data` if this is no Parquet file.
    pub fn parse(tail: &[u8], size: u64, columns: &[Column]) -> Result<Result<Self, u64>, Failure> {
        let length = match tail.last_chunk::<8>() {
            Some([a, b, c, d, magic @ ..]) if magic == MAGIC => u64::from(u32::from_le_bytes([*a, *b, *c, *d])),
            _ => return Err(Failure::data("is not a parquet file")),
        };
        let needed = length + TAIL_BYTES;
        if needed > size {
            return Err(Failure::data("is not a whole parquet file"));
        }
        if needed > tail.len() as u64 {
            return Ok(Err(needed));
        }
        let footer = &tail[tail.len() - needed as usize..tail.len() - TAIL_BYTES as usize];
        let metadata = guarded(|| ParquetMetaDataReader::decode_metadata(footer))?;
        check_places(&metadata, size)?;
        let (metadata, nanoseconds) = int96::readings(Arc::new(metadata), columns)?;
        check_paths(metadata.schema(), columns)?;
        let names: Vec<String> = columns.iter().map(Column::name).collect();
        let mask = ProjectionMask::columns(metadata.parquet_schema(), names.iter().map(String::as_str));
        Ok(Ok(Self { metadata, mask, nanoseconds, columns: columns.into() }))
    }

    /// Number of row groups.
    pub fn row_groups(&self) -> usize {
        self.metadata.metadata().num_row_groups()
    }

    /// A row group, without its bytes.
    pub fn row_group(&self, index: usize) -> RowGroup {
        let (metadata, mask) = (self.metadata.clone(), self.mask.clone());
        RowGroup::new(metadata, mask, self.nanoseconds.clone(), Arc::clone(&self.columns), index)
    }
}
