//! Parquet files with damage at any place: they are read, or refused as data.

use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, ListArray, RecordBatch, StringArray, StructArray};
use arrow::datatypes::Int32Type;
use bytes::Bytes;
use model::{Batch, ErrorClass, Failure};

use super::*;
use crate::{
    Encoder,
    parquet::{Codec, Footer, ParquetEncoder, ParquetOptions},
};

fn schema() -> Schema {
    let row = DataType::Row(vec![Field::new("x", DataType::BigInt), Field::new("y", DataType::String)]);
    Schema::new(vec![
        Field::new("n", DataType::BigInt),
        Field::new("s", DataType::String),
        Field::new("r", row),
        Field::new("a", DataType::Array(Box::new(DataType::Int))),
    ])
}

fn file(codec: Codec) -> Vec<u8> {
    let rows = 300;
    let numbers: ArrayRef = Arc::new(Int64Array::from_iter((0..rows).map(|n| (n % 7 != 0).then_some(n * n))));
    let texts: ArrayRef =
        Arc::new(StringArray::from_iter((0..rows).map(|n| (n % 5 != 0).then(|| format!("text {}", n % 20)))));
    let arrow::datatypes::DataType::Struct(fields) = schema().fields[2].data_type.to_arrow() else { unreachable!() };
    let valid = (0..rows).map(|n| n % 3 != 0).collect::<Vec<_>>();
    let structs = StructArray::new(fields, vec![Arc::clone(&numbers), Arc::clone(&texts)], Some(valid.into()));
    let lists = (0..rows).map(|n| (n % 4 != 0).then(|| (0..n % 4).map(|item| (item != 2).then_some(item as i32))));
    let lists = ListArray::from_iter_primitive::<Int32Type, _, _>(lists);
    let columns: Vec<ArrayRef> = vec![numbers, texts, Arc::new(structs), Arc::new(lists)];
    let batch = RecordBatch::try_new(schema().to_arrow(), columns).unwrap();
    let mut encoder = ParquetEncoder::new(&schema(), ParquetOptions { codec, time_unit: None }).unwrap();
    let mut file = Vec::new();
    encoder.encode(&Batch::append(batch), &mut file).unwrap();
    encoder.finish(&mut file).unwrap();
    file
}

/// How many rows a file has.
fn read(file: &[u8], columns: &[Column]) -> Result<usize, Failure> {
    let size = file.len() as u64;
    let tail = match Footer::parse(&file[file.len().saturating_sub(8)..], size, columns)? {
        Ok(_) => return Ok(0),
        Err(needed) => &file[file.len() - needed as usize..],
    };
    let Ok(footer) = Footer::parse(tail, size, columns)? else { return Err(Failure::internal("asks for more again")) };
    let mut count = 0;
    for index in 0..footer.row_groups() {
        let mut group = footer.row_group(index);
        for range in group.ranges() {
            let bytes = Bytes::copy_from_slice(&file[range.start as usize..range.end as usize]);
            group.add(range, bytes);
        }
        let mut rows = group.open(0)?;
        while let Some(batch) = rows.next(100)? {
            assert!(batch.num_rows() <= 100);
            count += batch.num_rows();
        }
    }
    Ok(count)
}

#[test]
fn parquet_takes_any_bytes() {
    let columns: Vec<_> =
        schema().fields.iter().map(|field| Column::new(&field.name, field.data_type.clone())).collect();
    let inside = Column { path: vec!["r".to_owned(), "y".to_owned()], data_type: DataType::String };
    let columns: Vec<_> = columns.into_iter().chain([inside]).collect();
    let files = [Codec::Uncompressed, Codec::Snappy, Codec::Zstd, Codec::Lz4].map(file);
    for file in &files {
        assert_eq!(read(file, &columns).unwrap(), 300);
    }
    let changes = vec((any::<Index>(), any::<u8>()), 1..4);
    check(&(0..files.len(), changes), |(file, changes)| {
        let mut file = files[file].clone();
        for (at, byte) in changes {
            let at = at.index(file.len());
            file[at] = byte;
        }
        if let Err(failure) = read(&file, &columns) {
            prop_assert_eq!(failure.class, ErrorClass::Data, "{}", failure);
        }
        Ok(())
    });
    check(&vec(any::<u8>(), 0..100), |mut file| {
        file.extend_from_slice(b"PAR1");
        if let Err(failure) = read(&file, &columns) {
            prop_assert_eq!(failure.class, ErrorClass::Data, "{}", failure);
        }
        Ok(())
    });
}
