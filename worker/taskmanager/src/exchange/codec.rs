//! Batches as frames: arrow IPC bodies, row kinds as a last column. Both sides know the schema from the job graph.

use std::sync::Arc;

use arrow::{
    array::{ArrayRef, AsArray, RecordBatch, RecordBatchOptions, UInt8Array},
    buffer::Buffer,
    datatypes::{DataType, Field, Schema, SchemaRef, UInt8Type},
    ipc::{
        reader::read_record_batch,
        root_as_message,
        writer::{DictionaryTracker, IpcDataGenerator, IpcWriteContext, IpcWriteOptions},
    },
};
use model::{Batch, Failure, RowKind};
use wire::v1::Data;

const KINDS: &str = "$kind";

fn with_kinds(schema: &Schema) -> SchemaRef {
    let mut fields: Vec<_> = schema.fields().iter().cloned().collect();
    fields.push(Arc::new(Field::new(KINDS, DataType::UInt8, true)));
    Arc::new(Schema::new(fields))
}

/// A batch as it is sent.
pub(super) fn encode(batch: Batch) -> Result<Data, Failure> {
    let (columns, kinds) = batch.into_parts();
    let has_kinds = kinds.is_some();
    let columns = match kinds {
        None => columns,
        Some(kinds) => {
            let mut arrays = columns.columns().to_vec();
            arrays.push(Arc::new(UInt8Array::new(kinds, None)) as ArrayRef);
            let options = RecordBatchOptions::new().with_row_count(Some(columns.num_rows()));
            RecordBatch::try_new_with_options(with_kinds(&columns.schema()), arrays, &options)?
        }
    };
    let mut dictionaries = DictionaryTracker::new(false);
    let (_, encoded) = IpcDataGenerator::default().encode(
        &columns,
        &mut dictionaries,
        &IpcWriteOptions::default(),
        &mut IpcWriteContext::default(),
    )?;
    Ok(Data { header: encoded.ipc_message.into(), body: encoded.arrow_data.into(), has_kinds })
}

/// A received batch.
///
/// # Errors
/// Class `Data` for a frame that does not hold a batch of this schema.
pub(super) fn decode(data: Data, schema: &SchemaRef) -> Result<Batch, Failure> {
    let damaged = |error: &dyn std::fmt::Display| Failure::data(format!("a frame between TaskManagers: {error}"));
    let message = root_as_message(&data.header).map_err(|error| damaged(&error))?;
    let header = message.header_as_record_batch().ok_or_else(|| damaged(&"has no record batch"))?;
    let schema = if data.has_kinds { with_kinds(schema) } else { Arc::clone(schema) };
    check_extents(&header, &schema, data.body.len()).map_err(|error| damaged(&error))?;
    let body = Buffer::from(data.body);
    let columns = read_record_batch(&body, header, schema, &Default::default(), None, &message.version())
        .map_err(|error| damaged(&error))?;
    if !data.has_kinds {
        return Ok(Batch::append(columns));
    }
    let last = columns.num_columns() - 1;
    let kinds = columns.column(last).as_primitive::<UInt8Type>().values().clone();
    if kinds.iter().any(|&kind| RowKind::from_code(kind).is_none()) {
        return Err(damaged(&"has an unknown row kind"));
    }
    let indices: Vec<usize> = (0..last).collect();
    Ok(Batch::changelog(columns.project(&indices)?, kinds))
}

/// Arrow's reader takes lengths and buffers as the header gives them, and panics where they do not fit.
fn check_extents(
    header: &arrow::ipc::RecordBatch<'_>,
    schema: &Schema,
    body_length: usize,
) -> Result<(), &'static str> {
    let fits = |offset: i64, length: i64| {
        let end = offset.checked_add(length)?;
        (offset >= 0 && length >= 0 && usize::try_from(end).ok()? <= body_length).then_some(())
    };
    if header.compression().is_some() {
        return Err("is compressed");
    }
    let mut lengths = Vec::new();
    for buffer in header.buffers().into_iter().flatten() {
        fits(buffer.offset(), buffer.length()).ok_or("has a buffer outside of its body")?;
        lengths.push(buffer.length());
    }
    let mut extents = Extents { nodes: header.nodes().into_iter().flatten(), buffers: lengths.into_iter() };
    if !is_length(header.length()) || !schema.fields().iter().all(|field| extents.fit(field.data_type()).is_some()) {
        return Err("has a column of an impossible length");
    }
    Ok(())
}

/// What a batch's header says of its columns, in the order of a walk through the schema.
struct Extents<N, B> {
    nodes: N,
    /// Lengths in bytes.
    buffers: B,
}

impl<'a, N: Iterator<Item = &'a arrow::ipc::FieldNode>, B: Iterator<Item = i64>> Extents<N, B> {
    /// Takes a column's nodes and buffers; none if they cannot be those of a column of this type. Whether the values fit is
    /// left to arrow's own validation.
    fn fit(&mut self, data_type: &DataType) -> Option<()> {
        let node = self.nodes.next()?;
        let (length, nulls) = (node.length(), node.null_count());
        if !is_length(length) || !(0..=length).contains(&nulls) {
            return None;
        }
        if *data_type == DataType::Null {
            return Some(());
        }
        let validity_bytes = self.buffers.next()?;
        if nulls > 0 && validity_bytes < (length + 7) / 8 {
            return None;
        }
        match data_type {
            DataType::Struct(fields) => fields.iter().try_for_each(|field| self.fit(field.data_type())),
            DataType::List(item) | DataType::Map(item, _) => {
                self.offsets()?;
                self.fit(item.data_type())
            }
            DataType::Utf8 | DataType::Binary => {
                self.offsets()?;
                self.buffers.next().map(drop)
            }
            _ => self.buffers.next().map(drop),
        }
    }

    /// Takes a buffer of 32-bit offsets.
    fn offsets(&mut self) -> Option<()> {
        (self.buffers.next()? % 4 == 0).then_some(())
    }
}

/// Whether a batch can have so many rows, or a column so many items.
fn is_length(length: i64) -> bool {
    (0..=i64::from(i32::MAX)).contains(&length)
}

#[cfg(test)]
mod tests {
    use arrow::array::{Int64Array, StringArray};
    use arrow::buffer::ScalarBuffer;
    use model::{ErrorClass, Instant, timestamp};
    use proptest::prelude::*;

    use super::*;

    fn columns() -> RecordBatch {
        RecordBatch::try_from_iter([
            ("a", Arc::new(Int64Array::from(vec![Some(1), None, Some(3)])) as ArrayRef),
            ("b", Arc::new(StringArray::from(vec!["x", "", "zz"])) as ArrayRef),
        ])
        .expect("columns")
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4000))]

        #[test]
        fn a_damaged_frame_is_an_error_and_no_panic(
            in_header in any::<bool>(), at in any::<proptest::sample::Index>(), to in any::<u8>(), cut in any::<bool>(),
        ) {
            let kinds = ScalarBuffer::from(vec![0u8, 1, 2]);
            let sent = encode(Batch::changelog(columns(), kinds)).expect("encoded");
            let (mut header, mut body) = (sent.header.to_vec(), sent.body.to_vec());
            let bytes = if in_header { &mut header } else { &mut body };
            let at = at.index(bytes.len());
            bytes[at] = to;
            if cut {
                bytes.truncate(at);
            }
            let data = Data { header: header.into(), body: body.into(), has_kinds: true };
            if let Err(failure) = decode(data, &columns().schema()) {
                prop_assert_eq!(failure.class, ErrorClass::Data, "{}", failure);
            }
        }
    }

    #[test]
    fn a_batch_arrives_as_it_was_sent() {
        let columns = columns();
        let schema = columns.schema();
        let kinds = ScalarBuffer::from(vec![0u8, 1, 2]);
        for batch in [Batch::append(columns.clone()), Batch::changelog(columns.clone(), kinds)] {
            let sent = batch.slice(1, 2);
            let received = decode(encode(sent.clone()).expect("encoded"), &schema).expect("decoded");
            assert_eq!(received.columns(), sent.columns());
            assert_eq!(received.kinds(), sent.kinds());
        }
    }

    #[test]
    fn times_of_all_years_arrive_to_the_nanosecond() {
        let ends =
            [(-62_135_596_800_000, 1), (253_402_300_799_999, 999_999)].map(|(millis, nanos)| Instant { millis, nanos });
        let types = [model::DataType::Timestamp(9), model::DataType::TimestampLtz(7)];
        let columns = types.map(|of| {
            let values = ends.into_iter().map(Some).chain([None]);
            timestamp::column(values, &of.to_arrow()).expect("timestamps")
        });
        let [local, instants] = columns;
        let columns = RecordBatch::try_from_iter_with_nullable([("t", local, true), ("l", instants, true)]);
        let sent = Batch::append(columns.expect("columns"));
        let schema = sent.columns().schema();
        let received = decode(encode(sent.clone()).expect("encoded"), &schema).expect("decoded");
        assert_eq!(received.columns(), sent.columns());
        assert_eq!(timestamp::instant_at(received.column(1).as_ref(), 0), Some(ends[0]));
    }

    #[test]
    fn rows_without_columns_arrive() {
        let schema = Arc::new(Schema::empty());
        let columns = model::batch::columns_of(Arc::clone(&schema), Vec::new(), 5).expect("rows");
        let kinds = ScalarBuffer::from(vec![0u8, 3, 0, 3, 0]);
        for batch in [Batch::append(columns.clone()), Batch::changelog(columns.clone(), kinds)] {
            let received = decode(encode(batch.clone()).expect("encoded"), &schema).expect("decoded");
            assert_eq!((received.rows(), received.kinds()), (5, batch.kinds()));
        }
    }
}
