//! Rows decode to what was encoded, for every type, and corrupt bytes are refused.

use arrow::array::{Int64Array, StringArray};
use proptest::prelude::*;

use super::*;
use crate::{DataType, ErrorClass, Field, Schema, key};

fn sample() -> RecordBatch {
    let json = r#"{"b":true,"i":-5,"d":"12.50","s":"é","t":"2026-11-22T13:37:02.114","r":{"x":1,"y":null},"a":[1,null,3],"m":{"k":2}}
{"b":null,"i":null,"d":null,"s":null,"t":null,"r":null,"a":null,"m":null}
{"b":false,"i":9,"d":"-0.01","s":"","t":"1969-12-31T23:59:59.999","r":{"x":null,"y":"z"},"a":[],"m":{}}"#;
    let schema = Schema::new(vec![
        Field::new("b", DataType::Boolean),
        Field::new("i", DataType::BigInt),
        Field::new("d", DataType::Decimal(10, 2)),
        Field::new("s", DataType::String),
        Field::new("t", DataType::Timestamp(3)),
        Field::new("r", DataType::Row(vec![Field::new("x", DataType::Int), Field::new("y", DataType::String)])),
        Field::new("a", DataType::Array(Box::new(DataType::SmallInt))),
        Field::new("m", DataType::Map(Box::new(DataType::String), Box::new(DataType::Int))),
    ]);
    let mut reader = arrow::json::ReaderBuilder::new(schema.to_arrow()).build(json.as_bytes()).unwrap();
    reader.next().unwrap().unwrap()
}

#[test]
fn every_type_survives() {
    let batch = sample();
    let rows = encode_batch(&batch).unwrap();
    assert_eq!(rows.len(), 3);
    assert_eq!(decode(&batch.schema(), rows.iter()).unwrap(), batch);
}

#[test]
fn encoded_integers_sort_as_numbers() {
    let column: ArrayRef = Arc::new(Int64Array::from(vec![i64::MIN, -1, 0, 1, i64::MAX]));
    let rows = encode(&[column], 5).unwrap();
    assert!(rows.iter().collect::<Vec<_>>().is_sorted());
}

#[test]
fn corrupt_bytes_are_refused() {
    let column: ArrayRef = Arc::new(StringArray::from(vec!["abc"]));
    let schema = Schema::new(vec![Field::new("s", DataType::String)]).to_arrow();
    let rows = encode(&[column], 1).unwrap();
    let good = rows.row(0);
    for end in 0..good.len() {
        assert!(decode(&schema, [&good[..end]]).is_err(), "cut at {end}");
    }
    let mut long = good.to_vec();
    long.push(0);
    assert!(decode(&schema, [long.as_slice()]).is_err());
    let mut tagged = good.to_vec();
    tagged[0] = 7;
    assert!(decode(&schema, [tagged.as_slice()]).is_err());
}

/// Bytes that decode are rows: they encode again, and to the same values. All else is refused as damaged.
fn decode_hostile(bytes: &[&[u8]]) -> Result<(), TestCaseError> {
    let schema = sample().schema();
    match decode(&schema, bytes.iter().copied()) {
        Ok(batch) => {
            let again = decode(&schema, encode_batch(&batch).unwrap().iter()).unwrap();
            prop_assert_eq!(again, batch);
        }
        Err(failure) => prop_assert_eq!(failure.class, ErrorClass::Data, "{}", failure),
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn bytes_that_are_no_rows_are_refused(rows in proptest::collection::vec(proptest::collection::vec(0u8..4, 0..60), 0..4)) {
        decode_hostile(&rows.iter().map(Vec::as_slice).collect::<Vec<_>>())?;
    }

    #[test]
    fn damaged_rows_are_refused(row in 0usize..3, at in any::<proptest::sample::Index>(), to in any::<u8>(), cut in any::<bool>()) {
        let rows = encode_batch(&sample()).unwrap();
        let mut bytes = rows.row(row).to_vec();
        let at = at.index(bytes.len());
        bytes[at] = to;
        if cut {
            bytes.truncate(at);
        }
        decode_hostile(&[&bytes])?;
    }
}

#[test]
fn hashes_are_those_of_the_rows_whatever_becomes_of_them() {
    let column: ArrayRef = Arc::new(StringArray::from(vec!["a", "b", "", "c"]));
    let mut rows = encode_keys(&[column], 4).unwrap();
    let check = |rows: &Rows| {
        for (index, row) in rows.iter().enumerate() {
            assert_eq!(rows.hash(index), key::hash(row));
        }
    };
    check(&rows);
    rows.remove(1);
    check(&rows);
    rows.hash_all();
    rows.push(b"d");
    check(&rows);
    rows.hash_all();
    rows.truncate(2);
    rows.push(b"e");
    check(&rows);
}
