//! A columnar batch of rows, each with a row kind.

use arrow::{
    array::{Array, ArrayRef, BooleanArray, RecordBatch, RecordBatchOptions, UInt8Array, UInt32Array},
    buffer::ScalarBuffer,
    compute,
    datatypes::SchemaRef,
};
use serde::{Deserialize, Serialize};

use crate::Failure;

/// How many rows a full batch has.
pub const ROWS_TARGET: usize = 4096;
/// How many bytes a full batch has.
pub const BYTES_TARGET: usize = 1 << 20;

/// Columns of so many rows each, also if there are none.
///
/// # Errors
/// If the columns do not fit the schema or have another number of rows.
pub fn columns_of(schema: SchemaRef, columns: Vec<ArrayRef>, rows: usize) -> Result<RecordBatch, Failure> {
    let options = RecordBatchOptions::new().with_row_count(Some(rows));
    Ok(RecordBatch::try_new_with_options(schema, columns, &options)?)
}

/// What a row does to the table that a changelog describes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[repr(u8)]
pub enum RowKind {
    /// `+I`
    Insert = 0,
    /// `-U`: the row as it was before an update
    UpdateBefore = 1,
    /// `+U`: the row as it is after an update
    UpdateAfter = 2,
    /// `-D`
    Delete = 3,
}

impl RowKind {
    /// The kind of a stored code.
    pub fn from_code(code: u8) -> Option<Self> {
        Some(match code {
            0 => Self::Insert,
            1 => Self::UpdateBefore,
            2 => Self::UpdateAfter,
            3 => Self::Delete,
            _ => return None,
        })
    }

    /// Whether the row takes something away (−U, −D).
    pub fn is_retraction(self) -> bool {
        matches!(self, Self::UpdateBefore | Self::Delete)
    }

    /// Flink's short form: `+I`, `-U`, `+U`, `-D`.
    pub fn short(self) -> &'static str {
        match self {
            Self::Insert => "+I",
            Self::UpdateBefore => "-U",
            Self::UpdateAfter => "+U",
            Self::Delete => "-D",
        }
    }
}

/// Whether a kind code takes something away: the branch-free form for loops over [`Batch::kinds`].
#[inline]
pub fn is_retraction_code(code: u8) -> bool {
    code & 1 == 1
}

/// Columns of equal length and, on edges that are not append-only, a kind for each row.
///
/// −U and +U of one row are adjacent and never split across batches.
#[derive(Clone, Debug)]
pub struct Batch {
    columns: RecordBatch,
    /// `None`: every row is an insert.
    kinds: Option<ScalarBuffer<u8>>,
}

impl Batch {
    /// An append-only batch.
    pub fn append(columns: RecordBatch) -> Self {
        Self { columns, kinds: None }
    }

    /// A batch with a kind code for each row.
    pub fn changelog(columns: RecordBatch, kinds: ScalarBuffer<u8>) -> Self {
        assert_eq!(columns.num_rows(), kinds.len(), "a kind for each row");
        Self { columns, kinds: Some(kinds) }
    }

    /// A batch of these columns with these kinds.
    pub fn new(columns: RecordBatch, kinds: Option<ScalarBuffer<u8>>) -> Self {
        match kinds {
            Some(kinds) => Self::changelog(columns, kinds),
            None => Self::append(columns),
        }
    }

    /// The columns.
    pub fn columns(&self) -> &RecordBatch {
        &self.columns
    }

    /// One column.
    pub fn column(&self, index: usize) -> &ArrayRef {
        self.columns.column(index)
    }

    /// The kind codes, or `None` when every row is an insert.
    pub fn kinds(&self) -> Option<&ScalarBuffer<u8>> {
        self.kinds.as_ref()
    }

    /// The kind of one row.
    pub fn kind(&self, row: usize) -> RowKind {
        self.kinds.as_ref().and_then(|kinds| RowKind::from_code(kinds[row])).unwrap_or(RowKind::Insert)
    }

    /// Taken apart.
    pub fn into_parts(self) -> (RecordBatch, Option<ScalarBuffer<u8>>) {
        (self.columns, self.kinds)
    }

    /// The schema of the columns.
    pub fn schema(&self) -> SchemaRef {
        self.columns.schema()
    }

    /// Number of rows.
    pub fn rows(&self) -> usize {
        self.columns.num_rows()
    }

    /// Whether there are no rows.
    pub fn is_empty(&self) -> bool {
        self.rows() == 0
    }

    /// Memory that this batch's rows take, in bytes; shared buffers are counted by the slice that is used.
    pub fn size_bytes(&self) -> usize {
        let columns: usize = self
            .columns
            .columns()
            .iter()
            .map(|column| column.to_data().get_slice_memory_size().unwrap_or_else(|_| column.get_array_memory_size()))
            .sum();
        columns + self.kinds.as_ref().map_or(0, |kinds| kinds.len())
    }

    /// A view of `length` rows from `offset`.
    #[must_use]
    pub fn slice(&self, offset: usize, length: usize) -> Self {
        Self {
            columns: self.columns.slice(offset, length),
            kinds: self.kinds.as_ref().map(|kinds| kinds.slice(offset, length)),
        }
    }

    /// The rows where `mask` is true (null counts as false).
    ///
    /// # Errors
    /// If the mask's length differs.
    pub fn filter(&self, mask: &BooleanArray) -> Result<Self, Failure> {
        let columns = compute::filter_record_batch(&self.columns, mask)?;
        let kinds = match &self.kinds {
            None => None,
            Some(kinds) => {
                let kinds = UInt8Array::new(kinds.clone(), None);
                let kept = compute::filter(&kinds, mask)?;
                Some(as_kinds(&kept)?)
            }
        };
        Ok(Self { columns, kinds })
    }

    /// The rows at `indices`, in that order.
    ///
    /// # Errors
    /// If an index is out of bounds.
    pub fn take(&self, indices: &UInt32Array) -> Result<Self, Failure> {
        let columns = self.columns.columns().iter().map(|column| compute::take(column, indices, None));
        let columns = columns_of(self.columns.schema(), columns.collect::<Result<_, _>>()?, indices.len())?;
        let kinds =
            self.kinds.as_ref().map(|kinds| indices.values().iter().map(|&index| kinds[index as usize]).collect());
        Ok(Self { columns, kinds })
    }

    /// All rows of `batches` in order; they must have one schema.
    ///
    /// # Errors
    /// If the schemas differ.
    pub fn concat(schema: &SchemaRef, batches: &[Self]) -> Result<Self, Failure> {
        let columns = compute::concat_batches(schema, batches.iter().map(|batch| &batch.columns))?;
        let kinds = batches.iter().any(|batch| batch.kinds.is_some()).then(|| {
            let mut all = Vec::with_capacity(columns.num_rows());
            for batch in batches {
                match &batch.kinds {
                    Some(kinds) => all.extend_from_slice(kinds),
                    None => all.resize(all.len() + batch.rows(), RowKind::Insert as u8),
                }
            }
            ScalarBuffer::from(all)
        });
        Ok(Self { columns, kinds })
    }
}

fn as_kinds(array: &ArrayRef) -> Result<ScalarBuffer<u8>, Failure> {
    array
        .as_any()
        .downcast_ref::<UInt8Array>()
        .map(|kinds| kinds.values().clone())
        .ok_or_else(|| Failure::internal("row kinds are not bytes"))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::datatypes::Schema;

    use super::*;
    use crate::row;

    #[test]
    fn rows_without_columns_keep_their_number() {
        let schema = Arc::new(Schema::empty());
        let batch = Batch::append(columns_of(Arc::clone(&schema), Vec::new(), 3).expect("rows"));
        assert_eq!(batch.rows(), 3);
        assert_eq!(batch.take(&UInt32Array::from(vec![2, 0, 1, 1])).expect("taken").rows(), 4);
        assert_eq!(batch.filter(&BooleanArray::from(vec![true, false, true])).expect("filtered").rows(), 2);
        assert_eq!(batch.slice(1, 2).rows(), 2);
        let kinds = ScalarBuffer::from(vec![RowKind::Delete as u8; 3]);
        let deleted = Batch::changelog(batch.columns().clone(), kinds);
        let both = Batch::concat(&schema, &[batch.clone(), deleted]).expect("joined");
        assert_eq!((both.rows(), both.kind(2), both.kind(3)), (6, RowKind::Insert, RowKind::Delete));
        let encoded = row::encode_batch(batch.columns()).expect("encoded");
        assert_eq!(row::decode(&schema, encoded.iter()).expect("decoded").num_rows(), 3);
    }
}
