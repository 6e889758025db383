//! One row group: which bytes it needs, and its rows.

#![expect(clippy::cast_possible_truncation, reason = "lengths and digits are checked before they are narrowed")]

use std::{ops::Range, sync::Arc};

use arrow::{
    array::{Array, ArrayRef, AsArray, RecordBatch, RecordBatchOptions, make_array, new_null_array},
    buffer::NullBuffer,
    datatypes::SchemaRef,
};
use bytes::{Buf, Bytes, buf::Reader};
use model::{Failure, batch::ROWS_TARGET};
use parquet::{
    arrow::{
        ProjectionMask,
        arrow_reader::{ArrowReaderMetadata, ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder},
    },
    errors::ParquetError,
    file::reader::{ChunkReader, Length},
};

use super::{
    cast::{cut_times, exact_cast},
    damaged, guarded,
    int96::{self, Nanoseconds},
};
use crate::{Column, schema_of};

/// A row group and as much of its bytes as was added.
pub struct RowGroup {
    metadata: ArrowReaderMetadata,
    mask: ProjectionMask,
    nanoseconds: Option<Nanoseconds>,
    columns: Arc<[Column]>,
    index: usize,
    parts: Parts,
}

impl RowGroup {
    pub(super) fn new(
        metadata: ArrowReaderMetadata,
        mask: ProjectionMask,
        nanoseconds: Option<Nanoseconds>,
        columns: Arc<[Column]>,
        index: usize,
    ) -> Self {
        Self { metadata, mask, nanoseconds, columns, index, parts: Parts::default() }
    }

    /// The bytes that the wanted columns need; adjacent ranges are one.
    pub fn ranges(&self) -> Vec<Range<u64>> {
        let group = self.metadata.metadata().row_group(self.index);
        let mut ranges: Vec<Range<u64>> = Vec::new();
        for (leaf, chunk) in group.columns().iter().enumerate() {
            if !self.mask.leaf_included(leaf) {
                continue;
            }
            let (start, length) = chunk.byte_range();
            match ranges.last_mut() {
                Some(last) if last.end == start => last.end += length,
                _ => ranges.push(start..start + length),
            }
        }
        ranges
    }

    /// Adds the bytes of a range.
    pub fn add(&mut self, range: Range<u64>, bytes: Bytes) {
        self.parts.0.push((range.start, bytes));
    }

    /// Starts decoding behind the first `done` rows.
    ///
    /// # Errors
    /// Class `Data` if the file is damaged.
    pub fn open(self, done: usize) -> Result<RowGroupRows, Failure> {
        let reader = |metadata, mask| {
            let builder = ParquetRecordBatchReaderBuilder::new_with_metadata(self.parts.clone(), metadata)
                .with_projection(mask)
                .with_row_groups(vec![self.index])
                .with_batch_size(ROWS_TARGET)
                .with_offset(done);
            guarded(|| builder.build())
        };
        let nanoseconds = self.nanoseconds.map(|again| reader(again.metadata, again.mask)).transpose()?;
        let reader = reader(self.metadata, self.mask)?;
        Ok(RowGroupRows { reader, nanoseconds, schema: schema_of(&self.columns), columns: self.columns, rest: None })
    }
}

/// The rows of a row group.
pub struct RowGroupRows {
    reader: ParquetRecordBatchReader,
    /// The same rows, with the nanoseconds of `INT96`.
    nanoseconds: Option<ParquetRecordBatchReader>,
    schema: SchemaRef,
    columns: Arc<[Column]>,
    rest: Option<RecordBatch>,
}

impl RowGroupRows {
    /// The next rows, at most `rows_max`.
    ///
    /// # Errors
    /// Class `Data` if the file is damaged, or a value of a column is none of the wanted type.
    pub fn next(&mut self, rows_max: usize) -> Result<Option<RecordBatch>, Failure> {
        let batch = match self.rest.take() {
            Some(rest) => rest,
            None => match guarded(|| self.reader.next().transpose())? {
                None => return Ok(None),
                Some(batch) => {
                    let batch = self.exact(batch)?;
                    self.arrange(&batch)?
                }
            },
        };
        if batch.num_rows() > rows_max {
            self.rest = Some(batch.slice(rows_max, batch.num_rows() - rows_max));
            return Ok(Some(batch.slice(0, rows_max)));
        }
        Ok(Some(batch))
    }

    /// The rows with their nanoseconds.
    fn exact(&mut self, batch: RecordBatch) -> Result<RecordBatch, Failure> {
        let Some(nanoseconds) = &mut self.nanoseconds else { return Ok(batch) };
        match guarded(|| nanoseconds.next().transpose())? {
            Some(nanoseconds) => int96::exact(&batch, &nanoseconds),
            None => Err(damaged("a column ends early")),
        }
    }

    /// The wanted columns in their order and types.
    fn arrange(&self, batch: &RecordBatch) -> Result<RecordBatch, Failure> {
        let arrays = self
            .columns
            .iter()
            .map(|column| {
                let wanted = column.data_type.to_arrow();
                match find(batch, &column.path)? {
                    None => Ok(new_null_array(&wanted, batch.num_rows())),
                    Some(array) => cut_times(exact_cast(&array, &wanted, &column.name())?, &column.data_type),
                }
            })
            .collect::<Result<Vec<_>, Failure>>()?;
        let rows = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
        Ok(RecordBatch::try_new_with_options(self.schema.clone(), arrays, &rows)?)
    }
}

/// The column at a path, null where a row above it is; none if the file has no such column.
fn find(batch: &RecordBatch, path: &[String]) -> Result<Option<ArrayRef>, Failure> {
    let Some((first, rest)) = path.split_first() else { return Ok(None) };
    let Some(mut array) = batch.column_by_name(first).cloned() else { return Ok(None) };
    for name in rest {
        let Some(row) = array.as_struct_opt() else { return Ok(None) };
        let Some(field) = row.column_by_name(name) else { return Ok(None) };
        let nulls = NullBuffer::union(row.nulls(), field.nulls());
        array = make_array(field.to_data().into_builder().nulls(nulls).build()?);
    }
    Ok(Some(array))
}

/// Parts of a file.
#[derive(Clone, Default)]
struct Parts(Vec<(u64, Bytes)>);

impl Parts {
    fn from(&self, start: u64) -> Result<Bytes, ParquetError> {
        self.0
            .iter()
            .find(|(at, bytes)| (*at..*at + bytes.len() as u64).contains(&start))
            .map(|(at, bytes)| bytes.slice((start - at) as usize..))
            .ok_or_else(|| ParquetError::General(format!("byte {start} is outside the columns")))
    }
}

impl Length for Parts {
    fn len(&self) -> u64 {
        self.0.iter().map(|(at, bytes)| at + bytes.len() as u64).max().unwrap_or(0)
    }
}

impl ChunkReader for Parts {
    type T = Reader<Bytes>;

    fn get_read(&self, start: u64) -> Result<Self::T, ParquetError> {
        Ok(self.from(start)?.reader())
    }

    fn get_bytes(&self, start: u64, length: usize) -> Result<Bytes, ParquetError> {
        let bytes = self.from(start)?;
        if bytes.len() < length {
            return Err(ParquetError::General(format!("bytes {start}..+{length} reach beyond the columns")));
        }
        Ok(bytes.slice(..length))
    }
}
