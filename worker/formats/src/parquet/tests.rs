mod values;

use arrow::array::{Array, AsArray, RecordBatch, TimestampMillisecondArray};
use arrow::compute::concat_batches;
use arrow::datatypes::{Int64Type, TimeUnit};
use bytes::Bytes;
use model::{Field, Schema};
use parquet::arrow::arrow_reader::ArrowReaderOptions;

use super::*;
use crate::{
    Decoder, Encoder,
    json::{JsonDecoder, JsonOptions},
};

fn schema() -> Schema {
    let row = DataType::Row(vec![Field::new("x", DataType::BigInt), Field::new("y", DataType::String)]);
    Schema::new(vec![
        Field::new("n", DataType::BigInt),
        Field::new("r", row),
        Field::new("t", DataType::Timestamp(3)),
        Field::new("a", DataType::Array(Box::new(DataType::String))),
        Field::new("d", DataType::Decimal(10, 2)),
    ])
}

fn rows(schema: &Schema, count: usize) -> RecordBatch {
    let columns: Vec<_> = schema.fields.iter().map(|field| Column::new(&field.name, field.data_type.clone())).collect();
    let mut decoder = JsonDecoder::new(&columns, JsonOptions::default()).unwrap();
    for n in 0..count {
        let row = if n % 3 == 0 { "null".to_owned() } else { format!(r#"{{"x":{n},"y":"y{n}"}}"#) };
        let line = format!(r#"{{"n":{n},"r":{row},"t":"2026-01-01 00:00:{:02}","a":["{n}",null],"d":{n}.25}}"#, n % 60);
        decoder.decode(line.as_bytes(), true, usize::MAX).unwrap();
    }
    decoder.take().unwrap()
}

fn file(batch: &RecordBatch) -> Vec<u8> {
    file_with(batch, ParquetOptions::default())
}

fn file_with(batch: &RecordBatch, options: ParquetOptions) -> Vec<u8> {
    let mut encoder = ParquetEncoder::new(&schema(), options).unwrap();
    let mut file = Vec::new();
    encoder.encode(&model::Batch::append(batch.clone()), &mut file).unwrap();
    encoder.encode(&model::Batch::append(batch.clone()), &mut file).unwrap();
    encoder.finish(&mut file).unwrap();
    file
}

fn read(file: &[u8], columns: &[Column], done: usize, rows_max: usize) -> RecordBatch {
    let size = file.len() as u64;
    let needed = Footer::parse(&file[file.len() - 8..], size, columns).unwrap().err().unwrap();
    let footer = Footer::parse(&file[file.len() - needed as usize..], size, columns).unwrap().ok().unwrap();
    assert_eq!(footer.row_groups(), 1);
    let mut group = footer.row_group(0);
    for range in group.ranges() {
        let bytes = Bytes::copy_from_slice(&file[range.start as usize..range.end as usize]);
        group.add(range, bytes);
    }
    let mut rows = group.open(done).unwrap();
    let mut batches = Vec::new();
    while let Some(batch) = rows.next(rows_max).unwrap() {
        assert!(batch.num_rows() <= rows_max);
        batches.push(batch);
    }
    concat_batches(&crate::schema_of(columns), &batches).unwrap()
}

#[test]
fn rows_come_back_whole_pruned_and_from_the_middle() {
    let batch = rows(&schema(), 5000);
    let file = file(&batch);
    let columns: Vec<_> =
        schema().fields.iter().map(|field| Column::new(&field.name, field.data_type.clone())).collect();
    let back = read(&file, &columns, 0, 4096);
    assert_eq!(back, concat_batches(&back.schema(), [&batch, &batch]).unwrap());

    let path = |path: &str| path.split('.').map(str::to_owned).collect();
    let pruned = [
        Column { path: path("r.x"), data_type: DataType::BigInt },
        Column { path: path("missing"), data_type: DataType::String },
        Column { path: path("n"), data_type: DataType::Int },
    ];
    let back = read(&file, &pruned, 4999, 100);
    assert_eq!(back.num_rows(), 5001);
    let inside = back.column(0).as_primitive::<Int64Type>();
    assert_eq!((inside.value(0), inside.is_null(1), inside.value(2)), (4999, true, 1));
    assert_eq!(back.column(1).null_count(), 5001);
    assert_eq!(read(&file, &[], 0, 4096).num_rows(), 10_000);
}

#[test]
fn timestamps_are_written_in_any_unit_and_pages_by_any_codec() {
    let batch = rows(&schema(), 100);
    let columns: Vec<_> =
        schema().fields.iter().map(|field| Column::new(&field.name, field.data_type.clone())).collect();
    let cases = [
        (Codec::Snappy, None),
        (Codec::Zstd, Some(TimeUnit::Nanosecond)),
        (Codec::Lz4, Some(TimeUnit::Microsecond)),
        (Codec::Uncompressed, Some(TimeUnit::Millisecond)),
    ];
    for (codec, time_unit) in cases {
        let file = file_with(&batch, ParquetOptions { codec, time_unit });
        let stored = ArrowReaderMetadata::load(&Bytes::from(file.clone()), ArrowReaderOptions::new()).unwrap();
        let unit = time_unit.unwrap_or(TimeUnit::Millisecond);
        let wanted = arrow::datatypes::DataType::Timestamp(unit, None);
        assert_eq!(*stored.schema().field_with_name("t").unwrap().data_type(), wanted);
        let back = read(&file, &columns, 0, 4096);
        assert_eq!(back, concat_batches(&back.schema(), [&batch, &batch]).unwrap(), "{codec:?} {time_unit:?}");
    }
}

#[test]
fn values_that_do_not_fit_are_named_and_not_null() {
    let schema = Schema::new(vec![Field::new("t", DataType::Timestamp(3))]);
    let times = TimestampMillisecondArray::from(vec![None, Some(32_503_680_000_000)]);
    let batch = RecordBatch::try_new(schema.to_arrow(), vec![Arc::new(times)]).unwrap();
    let options = ParquetOptions { time_unit: Some(TimeUnit::Nanosecond), ..ParquetOptions::default() };
    let mut encoder = ParquetEncoder::new(&schema, options).unwrap();
    let failure = encoder.encode(&model::Batch::append(batch), &mut Vec::new()).unwrap_err();
    assert_eq!(failure.class, model::ErrorClass::Data);
    assert!(failure.message.starts_with("column t: "), "{failure}");

    let file = file(&rows(&self::schema(), 200));
    let column = [Column::new("n", DataType::TinyInt)];
    let footer = Footer::parse(&file, file.len() as u64, &column).unwrap().ok().unwrap();
    let mut group = footer.row_group(0);
    for range in group.ranges() {
        let bytes = Bytes::copy_from_slice(&file[range.start as usize..range.end as usize]);
        group.add(range, bytes);
    }
    let failure = group.open(0).unwrap().next(1000).unwrap_err();
    assert_eq!(failure.class, model::ErrorClass::Data);
    assert!(failure.message.starts_with("column n: ") && failure.message.contains("128"), "{failure}");
}

#[test]
fn a_damaged_footer_puts_no_column_outside_the_file() {
    let file = file(&rows(&schema(), 10));
    let size = file.len() as u64;
    let columns = [Column::new("n", DataType::BigInt), Column::new("r.x", DataType::BigInt)];
    let footer = Footer::parse(&file[file.len() - 8..], size, &columns).unwrap().err().unwrap() as usize;
    let mut refused = 0;
    // What arrow says of the types follows the places.
    let types = file.windows(12).rposition(|window| window == b"ARROW:schema").unwrap();
    for at in file.len() - footer..types {
        for flip in [0x01, 0x80, 0xFF] {
            let mut file = file.clone();
            file[at] ^= flip;
            match Footer::parse(&file, size, &columns) {
                Ok(Ok(footer)) => {
                    for group in 0..footer.row_groups() {
                        assert!(footer.row_group(group).ranges().iter().all(|range| range.end <= size));
                    }
                }
                Ok(Err(_)) => {}
                Err(failure) => {
                    assert_eq!(failure.class, model::ErrorClass::Data);
                    refused += usize::from(failure.message.contains("lies outside the file"));
                }
            }
        }
    }
    assert!(refused > 0);
}

#[test]
fn other_files_are_refused() {
    let text = b"{\"a\":1}\n{\"a\":1}\n";
    let failure = Footer::parse(text, 16, &[]).err().unwrap();
    assert_eq!((failure.class, failure.message.as_str()), (model::ErrorClass::Data, "is not a parquet file"));
}
