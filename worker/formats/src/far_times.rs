//! Times of the years 1 to 9999, to the nanosecond, in every format that has times.

use arrow::{array::RecordBatch, compute::concat_batches, datatypes::TimeUnit};
use bytes::Bytes;
use model::{Batch, DataType, ErrorClass, Failure, Field, Schema};

use crate::{
    Column, Decoder, Encoder,
    csv::{CsvDecoder, CsvEncoder, CsvOptions},
    json::{JsonDecoder, JsonEncoder, JsonOptions},
    parquet::{Footer, ParquetEncoder, ParquetOptions},
};

const FAR: &str = r#"{"t":"0001-01-01 00:00:00.000000001","l":"9999-12-31 23:59:59.999999999Z","m":"0001-01-01 00:00:00.001"}
{"t":null,"l":null,"m":null}
{"t":"9999-12-31 23:59:59.999999999","l":"0001-01-01 00:00:00.0000001Z","m":"9999-12-31 23:59:59.999"}
"#;

const NEAR: &str = r#"{"t":"1677-09-21 00:12:44.000000001","l":"2262-04-11 23:47:16.854775807Z","m":"2024-02-29 12:00:00.5"}
{"t":null,"l":null,"m":null}
"#;

fn schema() -> Schema {
    Schema::new(vec![
        Field::new("t", DataType::Timestamp(9)),
        Field::new("l", DataType::TimestampLtz(9)),
        Field::new("m", DataType::Timestamp(3)),
    ])
}

fn columns(schema: &Schema) -> Vec<Column> {
    schema.fields.iter().map(|field| Column::new(&field.name, field.data_type.clone())).collect()
}

fn read(schema: &Schema, text: &str) -> RecordBatch {
    let mut decoder = JsonDecoder::new(&columns(schema), JsonOptions::default()).unwrap();
    decoder.decode(text.as_bytes(), true, usize::MAX).unwrap();
    decoder.take().unwrap()
}

fn written(encoder: &mut dyn Encoder, rows: &RecordBatch) -> Result<Vec<u8>, Failure> {
    let mut out = Vec::new();
    encoder.encode(&Batch::append(rows.clone()), &mut out)?;
    encoder.finish(&mut out)?;
    Ok(out)
}

fn read_parquet(file: &[u8], schema: &Schema) -> RecordBatch {
    let footer = Footer::parse(file, file.len() as u64, &columns(schema)).unwrap().ok().unwrap();
    let mut group = footer.row_group(0);
    for range in group.ranges() {
        group.add(range.clone(), Bytes::copy_from_slice(&file[range.start as usize..range.end as usize]));
    }
    let mut rows = group.open(0).unwrap();
    let mut batches = Vec::new();
    while let Some(batch) = rows.next(usize::MAX).unwrap() {
        batches.push(batch);
    }
    concat_batches(&crate::schema_of(&columns(schema)), &batches).unwrap()
}

#[test]
fn json_gives_them_back() {
    let rows = read(&schema(), FAR);
    let text = written(&mut JsonEncoder::new(&schema(), JsonOptions::default()).unwrap(), &rows).unwrap();
    assert_eq!(String::from_utf8(text).unwrap(), FAR);
}

#[test]
fn json_gives_them_back_from_rows_and_arrays() {
    let row = DataType::Row(vec![Field::new("x", DataType::TimestampLtz(7))]);
    let array = DataType::Array(Box::new(DataType::Timestamp(8)));
    let schema = Schema::new(vec![Field::new("r", row), Field::new("a", array)]);
    let text = "{\"r\":{\"x\":\"0001-01-01 00:00:00.0000001Z\"},\"a\":[\"9999-12-31 23:59:59.99999999\",null]}\n";
    let rows = read(&schema, text);
    let back = written(&mut JsonEncoder::new(&schema, JsonOptions::default()).unwrap(), &rows).unwrap();
    assert_eq!(String::from_utf8(back).unwrap(), text);
}

#[test]
fn csv_gives_them_back() {
    let rows = read(&schema(), FAR);
    let text = written(&mut CsvEncoder::new(&schema(), CsvOptions::default()).unwrap(), &rows).unwrap();
    let mut decoder = CsvDecoder::new(&schema(), &columns(&schema()), CsvOptions::default()).unwrap();
    decoder.decode(&text, true, usize::MAX).unwrap();
    assert_eq!(decoder.take().unwrap(), rows, "{}", String::from_utf8_lossy(&text));
}

#[test]
fn parquet_gives_them_back_or_says_that_it_cannot() {
    let near = read(&schema(), NEAR);
    let file = written(&mut ParquetEncoder::new(&schema(), ParquetOptions::default()).unwrap(), &near).unwrap();
    assert_eq!(read_parquet(&file, &schema()), near);

    let far = read(&schema(), FAR);
    let refused = written(&mut ParquetEncoder::new(&schema(), ParquetOptions::default()).unwrap(), &far).unwrap_err();
    assert_eq!(refused.class, ErrorClass::Data);
    assert!(refused.message.contains("column t: 0001-01-01T00:00:00.000000001 is out of range"), "{refused}");

    let micros = ParquetOptions { time_unit: Some(TimeUnit::Microsecond), ..ParquetOptions::default() };
    let file = written(&mut ParquetEncoder::new(&schema(), micros).unwrap(), &far).unwrap();
    let cut = FAR.replace("00.000000001", "00").replace("59.999999999", "59.999999").replace("00.0000001Z", "00Z");
    assert_eq!(read_parquet(&file, &schema()), read(&schema(), &cut), "microseconds are kept");
}
