//! Rows as a Parquet file.

use std::{
    io::Write,
    sync::{Arc, Mutex, PoisonError},
};

use arrow::{
    array::RecordBatch,
    datatypes::{DataType as Arrow, Field, SchemaRef, TimeUnit},
};
use model::{Batch, Failure, Schema};
use parquet::{
    arrow::ArrowWriter,
    basic::{Compression, ZstdLevel},
    file::properties::WriterProperties,
};

use super::{cast::exact_cast, damaged, wide};
use crate::Encoder;

/// A row group is closed at this size, so that writing takes bounded memory.
const ROW_GROUP_BYTES: usize = 64 << 20;

/// How pages are compressed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Codec {
    /// Snappy.
    #[default]
    Snappy,
    /// Zstandard.
    Zstd,
    /// LZ4 in blocks.
    Lz4,
    /// Not at all.
    Uncompressed,
}

/// How files are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ParquetOptions {
    /// Of pages.
    pub codec: Codec,
    /// The unit of all timestamps; none for that of each one's precision.
    pub time_unit: Option<TimeUnit>,
}

/// Encodes rows as a Parquet file.
pub struct ParquetEncoder {
    /// None once finished.
    writer: Option<ArrowWriter<Written>>,
    written: Written,
    /// The columns of the table, and as they are written.
    schema: SchemaRef,
    stored: SchemaRef,
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
    pub fn new(schema: &Schema, options: ParquetOptions) -> Result<Self, Failure> {
        for field in &schema.fields {
            super::check_type(&field.data_type).map_err(|failure| failure.at(format_args!("column {}", field.name)))?;
        }
        let (written, schema) = (Written::default(), schema.to_arrow());
        let codec = match options.codec {
            Codec::Snappy => Compression::SNAPPY,
            Codec::Zstd => Compression::ZSTD(ZstdLevel::default()),
            Codec::Lz4 => Compression::LZ4_RAW,
            Codec::Uncompressed => Compression::UNCOMPRESSED,
        };
        let fields = schema.fields().iter().map(|field| stored(field, options.time_unit));
        let stored = SchemaRef::new(arrow::datatypes::Schema::new(fields.collect::<Vec<_>>()));
        let properties = WriterProperties::builder().set_compression(codec).build();
        let writer = ArrowWriter::try_new(written.clone(), stored.clone(), Some(properties)).map_err(damaged)?;
        Ok(Self { writer: Some(writer), written, schema, stored })
    }
}

/// The field as it is written: all timestamps in a unit, if there is one for them.
fn stored(field: &Field, unit: Option<TimeUnit>) -> Field {
    let inner = |field: &Arc<Field>| Arc::new(stored(field, unit));
    let data_type = match field.data_type() {
        Arrow::Timestamp(known, zone) => Arrow::Timestamp(unit.unwrap_or(*known), zone.clone()),
        Arrow::Struct(fields) => Arrow::Struct(fields.iter().map(inner).collect()),
        Arrow::List(item) => Arrow::List(inner(item)),
        Arrow::Map(entry, sorted) => Arrow::Map(inner(entry), *sorted),
        other => wide::stored(other, unit).unwrap_or_else(|| other.clone()),
    };
    field.clone().with_data_type(data_type)
}

impl Encoder for ParquetEncoder {
    fn encode(&mut self, rows: &Batch, out: &mut Vec<u8>) -> Result<(), Failure> {
        let writer = self.writer.as_mut().ok_or_else(|| Failure::internal("a finished parquet file is written to"))?;
        // The names of the table, whatever those of the input are.
        let mut rows = RecordBatch::try_new(self.schema.clone(), rows.columns().columns().to_vec())?;
        if self.stored != self.schema {
            let columns = rows.columns().iter().zip(self.stored.fields());
            let columns = columns.map(|(column, field)| exact_cast(column, field.data_type(), field.name()));
            rows = RecordBatch::try_new(self.stored.clone(), columns.collect::<Result<_, _>>()?)?;
        }
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
