//! Which values are read, and one field of a `ROW`.

use super::*;
use crate::testing::shown;

fn read(data_type: &DataType, text: &str) -> Option<String> {
    let schema = schema(&[("a", data_type.clone()), ("b", DataType::String)]);
    let mut decoder = CsvDecoder::new(&schema, &columns(&schema), CsvOptions::default()).unwrap();
    decoder.decode(format!("{text},x\n").as_bytes(), true, usize::MAX).ok()?;
    Some(shown(decoder.take().unwrap().column(0), 0))
}

/// As Flink 2.2 reads them, but for empty numbers, which are null here.
#[test]
fn values_are_those_that_flink_reads() {
    let cases = [
        (DataType::Timestamp(3), "2020-01-02 03:04:05.5", Some("2020-01-02T03:04:05.500")),
        (DataType::Timestamp(3), " 2020-01-02 03:04:05 ", Some("2020-01-02T03:04:05")),
        (DataType::Timestamp(3), "2020-02-30 03:04:05", Some("2020-02-29T03:04:05")),
        (DataType::Timestamp(3), "2020-01-02 24:00:00", Some("2020-01-03T00:00:00")),
        (DataType::Timestamp(3), "2020-01-02T03:04:05", None),
        (DataType::Timestamp(3), "2020-01-02 03:04", None),
        (DataType::Timestamp(3), "2020-01-02 03:04:05Z", None),
        (DataType::TimestampLtz(3), " 2020-01-02 03:04:05Z", Some("2020-01-02T03:04:05Z")),
        (DataType::TimestampLtz(3), "2020-01-02 03:04:05", None),
        (DataType::TimestampLtz(3), "2020-01-02T03:04:05Z", None),
        (DataType::TimestampLtz(3), "2020-01-02 03:04:05+01:00", None),
        (DataType::Time(0), "03:04:05.678", Some("03:04:05")),
        (DataType::Time(1), "03:04:05.678", Some("03:04:05.600")),
        (DataType::Time(3), "03:04", Some("03:04:00")),
        (DataType::Time(3), "24:00:00", None),
        (DataType::Time(3), " 03:04:05", None),
        (DataType::Date, "2020-1-2", Some("2020-01-02")),
        (DataType::Date, "2020-02-30", Some("2020-03-01")),
        (DataType::Date, " 2020-01-02", None),
        (DataType::Date, "2020-02-32", None),
        (DataType::Int, " +7 ", Some("7")),
        (DataType::Int, "1.0", None),
        (DataType::BigInt, "2.9", None),
        (DataType::SmallInt, "1e2", None),
        (DataType::TinyInt, "128", None),
        (DataType::Double, "1e5", Some("100000.0")),
        (DataType::Double, "1e999", None),
        (DataType::Float, "1e39", None),
        (DataType::Decimal(10, 2), "1.005", Some("1.01")),
        (DataType::Boolean, " TRUE ", Some("true")),
        (DataType::Bytes, " AP8Q ", Some("00ff10")),
        (DataType::Bytes, "AP8", None),
    ];
    for (data_type, text, expected) in cases {
        assert_eq!(read(&data_type, text).as_deref(), expected, "{data_type} {text}");
    }
}

fn table() -> Schema {
    let row = DataType::Row(vec![Field::new("s", DataType::String), Field::new("n", DataType::Int)]);
    schema(&[("id", DataType::Int), ("r", row)])
}

fn path(path: &[&str], data_type: DataType) -> Column {
    Column { path: path.iter().map(|name| (*name).to_owned()).collect(), data_type }
}

fn rows(batch: &RecordBatch) -> Vec<String> {
    let shown = |row| batch.columns().iter().map(move |column| array_value_to_string(column, row).unwrap());
    (0..batch.num_rows()).map(|row| shown(row).collect::<Vec<_>>().join("|")).collect()
}

#[test]
fn one_field_of_a_row_is_the_element_at_its_place() {
    let wanted = [
        path(&["r", "n"], DataType::Int),
        path(&["id"], DataType::Int),
        path(&["r", "s"], DataType::String),
        path(&["r"], table().fields[1].data_type.clone()),
    ];
    let options = CsvOptions { null_literal: Some("-".to_owned()), ..CsvOptions::default() };
    let text = b"1,x;1\n2,\"y;-\"\n3,-\n4,-;4\n5,\n";
    let mut decoder = CsvDecoder::new(&table(), &wanted, options.clone()).unwrap();
    decoder.decode(text, true, usize::MAX).unwrap();
    let expected = ["1|1|x|{s: x, n: 1}", "|2|y|{s: y, n: }", "|3||", "4|4||{s: , n: 4}", "|5||"];
    let batch = decoder.take().unwrap();
    assert_eq!(rows(&batch), expected);
    assert_eq!(batch.column(2).null_count(), 3);

    // Of one field, only that one is read.
    let mut decoder = CsvDecoder::new(&table(), &wanted[2..3], options.clone()).unwrap();
    decoder.decode(b"x,y;no number\n", true, usize::MAX).unwrap();
    assert_eq!(rows(&decoder.take().unwrap()), ["y"]);
    for (text, expected) in [
        ("1,x\n", "1 elements instead of 2"),
        ("1,x;1;2\n", "3 elements instead of 2"),
        ("1,x;y\n", "'y' is not a INT"),
    ] {
        let mut decoder = CsvDecoder::new(&table(), &wanted[..1], options.clone()).unwrap();
        let malformed = decoder.decode(text.as_bytes(), true, usize::MAX).unwrap_err();
        assert_eq!(malformed.message, format!("field 2: {expected}"));
    }
    for unknown in [path(&["r", "x"], DataType::Int), path(&["id", "n"], DataType::Int), path(&["q"], DataType::Int)] {
        assert!(CsvDecoder::new(&table(), &[unknown], options.clone()).is_err());
    }
}

#[test]
fn a_row_of_another_length_is_read_as_far_as_it_goes_where_problems_are_ignored() {
    let wanted = [path(&["r", "n"], DataType::Int), path(&["r"], table().fields[1].data_type.clone())];
    let options = CsvOptions { ignore_parse_errors: true, ..CsvOptions::default() };
    let mut decoder = CsvDecoder::new(&table(), &wanted, options).unwrap();
    decoder.decode(b"1,x\n2,x;1;2\n3,x;y\n4,\n5\n6,x;6\n", true, usize::MAX).unwrap();
    assert_eq!(decoder.losses().count(), 4);
    let expected = ["|{s: x, n: }", "1|{s: x, n: 1}", "|{s: x, n: }", "|", "|", "6|{s: x, n: 6}"];
    assert_eq!(rows(&decoder.take().unwrap()), expected);
}
