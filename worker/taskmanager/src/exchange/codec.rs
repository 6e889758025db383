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
use model::{Batch, Failure};
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
pub(super) fn decode(data: Data, schema: &SchemaRef) -> Result<Batch, Failure> {
    let message = root_as_message(&data.header).map_err(|error| Failure::data(format!("a frame's header: {error}")))?;
    let header = message.header_as_record_batch().ok_or_else(|| Failure::data("a frame without a record batch"))?;
    let body = Buffer::from(data.body);
    let schema = if data.has_kinds { with_kinds(schema) } else { Arc::clone(schema) };
    let columns = read_record_batch(&body, header, schema, &Default::default(), None, &message.version())?;
    if !data.has_kinds {
        return Ok(Batch::append(columns));
    }
    let last = columns.num_columns() - 1;
    let kinds = columns.column(last).as_primitive::<UInt8Type>().values().clone();
    let indices: Vec<usize> = (0..last).collect();
    Ok(Batch::changelog(columns.project(&indices)?, kinds))
}

#[cfg(test)]
mod tests {
    use arrow::array::{Int64Array, StringArray};
    use arrow::buffer::ScalarBuffer;

    use super::*;

    #[test]
    fn a_batch_arrives_as_it_was_sent() {
        let columns = RecordBatch::try_from_iter([
            ("a", Arc::new(Int64Array::from(vec![Some(1), None, Some(3)])) as ArrayRef),
            ("b", Arc::new(StringArray::from(vec!["x", "", "zz"])) as ArrayRef),
        ])
        .expect("columns");
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
