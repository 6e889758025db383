//! Rows as a Parquet file.

use std::{
    io::Write,
    sync::{Arc, Mutex, PoisonError},
};

use arrow::array::RecordBatch;
use model::{Batch, Failure, Schema};
use parquet::{arrow::ArrowWriter, basic::Compression, file::properties::WriterProperties};

use super::damaged;
use crate::Encoder;

/// A row group is closed at this size, so that writing takes bounded memory.
const ROW_GROUP_BYTES: usize = 64 << 20;

/// Encodes rows as a Parquet file.
pub struct ParquetEncoder {
    /// None once finished.
    writer: Option<ArrowWriter<Written>>,
    written: Written,
    schema: arrow::datatypes::SchemaRef,
}

/// What was written and not yet taken.
#[derive(Clone, Default)]
struct Written(Arc<Mutex<Vec<u8>>>);

impl Written {
    fn take(&self, out: &mut Vec<u8>) {
        out.append(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

impl Write for Written {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl ParquetEncoder {
    /// An encoder of one file of this schema.
    ///
    /// # Errors
    /// Class `User` if a type has no form in Parquet.
    pub fn new(schema: &Schema) -> Result<Self, Failure> {
        for field in &schema.fields {
            super::check_type(&field.data_type).map_err(|failure| failure.at(format_args!("column {}", field.name)))?;
        }
        let (written, schema) = (Written::default(), schema.to_arrow());
        let properties = WriterProperties::builder().set_compression(Compression::SNAPPY).build();
        let writer = ArrowWriter::try_new(written.clone(), schema.clone(), Some(properties)).map_err(damaged)?;
        Ok(Self { writer: Some(writer), written, schema })
    }
}

impl Encoder for ParquetEncoder {
    fn encode(&mut self, rows: &Batch, out: &mut Vec<u8>) -> Result<(), Failure> {
        let writer = self.writer.as_mut().ok_or_else(|| Failure::internal("a finished parquet file is written to"))?;
        // The names of the table, whatever those of the input are.
        let rows = RecordBatch::try_new(self.schema.clone(), rows.columns().columns().to_vec())?;
        writer.write(&rows).map_err(damaged)?;
        if writer.in_progress_size() >= ROW_GROUP_BYTES {
            writer.flush().map_err(damaged)?;
        }
        self.written.take(out);
        Ok(())
    }

    fn finish(&mut self, out: &mut Vec<u8>) -> Result<(), Failure> {
        if let Some(writer) = self.writer.take() {
            writer.close().map_err(damaged)?;
        }
        self.written.take(out);
        Ok(())
    }
}
