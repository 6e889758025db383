mod values;

use arrow::array::{Array, AsArray, RecordBatch, StringArray};
use arrow::datatypes::Int32Type;
use arrow::util::display::array_value_to_string;
use model::{Field, Schema};

use super::*;
use crate::{Column, Decoder, Encoder};

fn schema(types: &[(&str, DataType)]) -> Schema {
    Schema::new(types.iter().map(|(name, data_type)| Field::new(*name, data_type.clone())).collect())
}

fn columns(schema: &Schema) -> Vec<Column> {
    schema.fields.iter().map(|field| Column::new(&field.name, field.data_type.clone())).collect()
}

fn decode(schema: &Schema, options: &CsvOptions, text: &[u8]) -> RecordBatch {
    let mut decoder = CsvDecoder::new(schema, &columns(schema), options.clone()).unwrap();
    assert_eq!(decoder.decode(text, true, usize::MAX).unwrap(), text.len());
    decoder.take().unwrap()
}

fn two() -> Schema {
    schema(&[("a", DataType::Int), ("b", DataType::String)])
}

#[test]
fn quotes_hold_delimiters_newlines_and_quotes() {
    let text = b"1,\"x,\"\"y\"\"\nz\"\r\n2,plain\r\n\n3,\n,\"\"";
    let batch = decode(&two(), &CsvOptions::default(), text);
    let texts: Vec<_> = batch.column(1).as_string::<i32>().iter().collect();
    assert_eq!(texts, [Some("x,\"y\"\nz"), Some("plain"), Some(""), Some("")]);
    let numbers: Vec<_> = batch.column(0).as_primitive::<Int32Type>().iter().collect();
    assert_eq!(numbers, [Some(1), Some(2), Some(3), None]);
}

#[test]
fn records_are_left_until_they_are_whole_wherever_they_are_cut() {
    let text = b"1,\"x,\"\"y\"\"\nz\"\r\n22,plain\r\n3,\"\"\n";
    let whole = decode(&two(), &CsvOptions::default(), text);
    for cut in 0..text.len() {
        let mut decoder = CsvDecoder::new(&two(), &columns(&two()), CsvOptions::default()).unwrap();
        let taken = decoder.decode(&text[..cut], false, usize::MAX).unwrap();
        assert!(taken <= cut);
        decoder.decode(&text[taken..], true, usize::MAX).unwrap();
        assert_eq!(decoder.lines(), 4);
        assert_eq!(decoder.take().unwrap(), whole, "{cut}");
    }
}

#[test]
fn malformed_records_are_named_or_skipped() {
    let cases = [
        ("x,y\n", "field 1: 'x' is not a INT"),
        ("1\n", "1 fields instead of 2"),
        ("1,2,3\n", "more than 2 fields"),
        ("1,\"a\"b\n", "'b' follows a closing quote"),
        ("1,\"a", "a quoted field does not end"),
    ];
    for (text, expected) in cases {
        let mut decoder = CsvDecoder::new(&two(), &columns(&two()), CsvOptions::default()).unwrap();
        let text = format!("7,ok\n{text}");
        let malformed = decoder.decode(text.as_bytes(), true, 100).unwrap_err();
        assert_eq!((malformed.offset, malformed.message.as_str()), (5, expected));
        let mut decoder = CsvDecoder::new(&two(), &columns(&two()), CsvOptions::default()).unwrap();
        decoder.losses().keep();
        decoder.decode(text.as_bytes(), true, 100).unwrap();
        assert_eq!((decoder.rows(), decoder.losses().count()), (1, 1), "{text}");
        assert_eq!(decoder.losses().take()[0].message, expected);
    }
}

/// What is read of a text that comes in two parts: rows, and malformed records.
fn read_in_two(options: &CsvOptions, text: &[u8], cut: usize) -> (RecordBatch, Vec<String>, u64) {
    let mut decoder = CsvDecoder::new(&two(), &columns(&two()), options.clone()).unwrap();
    decoder.losses().keep();
    let taken = decoder.decode(&text[..cut], false, usize::MAX).unwrap();
    assert_eq!(decoder.decode(&text[taken..], true, usize::MAX).unwrap(), text.len() - taken);
    let records = decoder.losses().take().into_iter();
    let records = records.map(|rejected| String::from_utf8(rejected.record).unwrap()).collect();
    let lines = decoder.lines();
    (decoder.take().unwrap(), records, lines)
}

#[test]
fn a_malformed_record_ends_with_its_line_wherever_it_is_cut() {
    let text = b"1,a\n\"9\"x,yBOGUS,row\n2,b\n3,\"m\nn\"y,5\n4,c\nx,d\r\n5,e,f\n6\n7,g\n8,\"\"\"z";
    let options = CsvOptions::default();
    let (rows, records, lines) = read_in_two(&options, text, 0);
    let numbers: Vec<_> = rows.column(0).as_primitive::<Int32Type>().values().to_vec();
    assert_eq!(numbers, [1, 2, 4, 7]);
    assert_eq!(records, ["\"9\"x,yBOGUS,row", "3,\"m\nn\"y,5", "x,d", "5,e,f", "6", "8,\"\"\"z"]);
    for cut in 1..=text.len() {
        assert_eq!(read_in_two(&options, text, cut), (rows.clone(), records.clone(), lines), "{cut}");
    }
}

#[test]
fn ends_of_lines_are_no_part_of_values_that_have_escapes() {
    let options = CsvOptions { escape: Some(b'\\'), ..CsvOptions::default() };
    let batch = decode(&two(), &options, b"1,a\\,b\r\n2,c\\\r\n3,\"d\\\"\"\r\n4,e\r\n");
    let texts: Vec<_> = batch.column(1).as_string::<i32>().iter().flatten().collect();
    assert_eq!(texts, ["a,b", "c\r", "d\"", "e"]);
}

#[test]
fn rows_of_one_text_are_never_empty_lines() {
    let one = schema(&[("s", DataType::String)]);
    let values = [Some("a"), Some(""), Some(" "), None, Some("b")];
    let texts =
        RecordBatch::try_new(one.to_arrow(), vec![std::sync::Arc::new(StringArray::from_iter(values))]).unwrap();
    let rows = model::Batch::append(texts.clone());
    let mut written = Vec::new();
    CsvEncoder::new(&one, CsvOptions::default()).unwrap().encode(&rows, &mut written).unwrap();
    assert_eq!(written, b"a\n\"\"\n\" \"\n\"\"\nb\n");
    let back = decode(&one, &CsvOptions::default(), &written);
    let back: Vec<_> = back.column(0).as_string::<i32>().iter().map(Option::unwrap).collect();
    assert_eq!(back, ["a", "", " ", "", "b"], "a null is an empty text, as in rows of more columns");

    let number = schema(&[("n", DataType::Int)]);
    let batch = decode(&number, &CsvOptions::default(), b"1\n\"\"\n");
    assert_eq!((batch.num_rows(), batch.column(0).null_count()), (2, 1));
    let mut written = Vec::new();
    let numbers = model::Batch::append(batch);
    CsvEncoder::new(&number, CsvOptions::default()).unwrap().encode(&numbers, &mut written).unwrap();
    assert_eq!(written, b"1\n\"\"\n");

    let unquoted = CsvOptions { quote: None, null_literal: Some("NULL".to_owned()), ..CsvOptions::default() };
    let failure = CsvEncoder::new(&one, unquoted).unwrap().encode(&rows, &mut Vec::new()).unwrap_err();
    assert!(failure.message.starts_with("a value needs quotes"), "{failure}");
}

#[test]
fn what_would_be_a_comment_needs_quotes() {
    let batch = decode(&two(), &CsvOptions::default(), b"1,#x\n");
    let turned = schema(&[("b", DataType::String), ("a", DataType::Int)]);
    let rows = batch.project(&[1, 0]).unwrap();
    let write = |quote: Option<u8>| {
        let options = CsvOptions { allow_comments: true, quote, ..CsvOptions::default() };
        let mut written = Vec::new();
        let mut encoder = CsvEncoder::new(&turned, options).unwrap();
        encoder.encode(&model::Batch::append(rows.clone()), &mut written).map(|()| written)
    };
    assert_eq!(write(Some(b'"')).unwrap(), b"\"#x\",1\n");
    assert!(write(None).unwrap_err().message.starts_with("a value needs quotes"));
}

#[test]
fn an_array_without_text_is_no_null() {
    let texts = DataType::Array(Box::new(DataType::String));
    let schema = schema(&[("a", DataType::Int), ("t", texts)]);
    let batch = decode(&schema, &CsvOptions::default(), b"1,\"\"\n2,x;\n3,\n");
    let mut written = Vec::new();
    let rows = model::Batch::append(batch.clone());
    CsvEncoder::new(&schema, CsvOptions::default()).unwrap().encode(&rows, &mut written).unwrap();
    assert_eq!(String::from_utf8_lossy(&written), "1,\"\"\n2,x;\n3,\n");
    let shown: Vec<_> = (0..3).map(|row| array_value_to_string(batch.column(1), row).unwrap()).collect();
    assert_eq!((shown, batch.column(1).null_count()), (vec!["[]".to_owned(), "[x, ]".to_owned(), String::new()], 1));
}

#[test]
fn ignored_problems_are_null_in_the_field_they_are_of() {
    let numbers = DataType::Array(Box::new(DataType::Int));
    let schema = schema(&[("a", DataType::Int), ("b", numbers), ("c", DataType::String)]);
    let text = b"1,1;2,x\ny,3;z;5,ok\n2\n3,,a,too many\n4,\"6\"7,\n5,8,\"open";
    let options = CsvOptions { ignore_parse_errors: true, ..CsvOptions::default() };
    let mut decoder = CsvDecoder::new(&schema, &columns(&schema), options).unwrap();
    assert_eq!(decoder.decode(text, true, 100).unwrap(), text.len());
    assert_eq!((decoder.rows(), decoder.losses().count()), (3, 5));
    let batch = decoder.take().unwrap();
    let shown = |row| batch.columns().iter().map(move |column| array_value_to_string(column, row).unwrap());
    let rows: Vec<String> = (0..3).map(|row| shown(row).collect::<Vec<_>>().join("|")).collect();
    assert_eq!(rows, ["1|[1, 2]|x", "|[3, , 5]|ok", "2||"]);
}

#[test]
fn arrays_and_rows_are_elements_between_delimiters() {
    let row = DataType::Row(vec![Field::new("x", DataType::BigInt), Field::new("y", DataType::String)]);
    let schema = schema(&[("a", DataType::Array(Box::new(DataType::String))), ("r", row)]);
    let options = CsvOptions {
        array_element_delimiter: "||".to_owned(),
        null_literal: Some("-".to_owned()),
        ..CsvOptions::default()
    };
    let text = "one||-||two,1||x\n,-||-\n-,-\n";
    let batch = decode(&schema, &options, text.as_bytes());
    let shown = |column: &dyn Array| (0..3).map(|row| array_value_to_string(column, row).unwrap()).collect::<Vec<_>>();
    assert_eq!(shown(batch.column(0)), ["[one, , two]", "[]", ""]);
    assert_eq!(shown(batch.column(1)), ["{x: 1, y: x}", "{x: , y: }", ""]);
    let write = |options: &CsvOptions| {
        let mut written = Vec::new();
        let mut encoder = CsvEncoder::new(&schema, options.clone()).unwrap();
        encoder.encode(&model::Batch::append(batch.clone()), &mut written).map(|()| written)
    };
    assert_eq!(write(&options).unwrap(), text.as_bytes());
    let failure = write(&CsvOptions { array_element_delimiter: "w".to_owned(), ..options.clone() }).unwrap_err();
    assert!(failure.message.starts_with("'two' cannot be an element"), "{failure}");
    let mut decoder = CsvDecoder::new(&schema, &columns(&schema), options).unwrap();
    let malformed = decoder.decode(b"a,1||x||y\n", true, 1).unwrap_err();
    assert_eq!(malformed.message, "field 2: 3 elements instead of 2");
    let nested = DataType::Array(Box::new(DataType::Array(Box::new(DataType::Int))));
    assert_eq!(check_type(&nested).unwrap_err().message, "format csv has no ARRAY<ARRAY<INT>>");
}

#[test]
fn decimals_have_an_exponent_where_java_prints_one() {
    let schema = schema(&[("d", DataType::Decimal(10, 2))]);
    let batch = decode(&schema, &CsvOptions::default(), b"100\n1.50\n");
    for (scientific_decimals, expected) in [(true, "1E+2\n1.5\n"), (false, "100.00\n1.50\n")] {
        let options = CsvOptions { scientific_decimals, ..CsvOptions::default() };
        let mut written = Vec::new();
        let rows = model::Batch::append(batch.clone());
        CsvEncoder::new(&schema, options.clone()).unwrap().encode(&rows, &mut written).unwrap();
        assert_eq!(String::from_utf8_lossy(&written), expected);
        assert_eq!(decode(&schema, &options, &written), batch);
    }
}

#[test]
fn every_type_comes_back_with_any_options() {
    let schema = schema(&[
        ("boolean", DataType::Boolean),
        ("big", DataType::BigInt),
        ("float", DataType::Float),
        ("double", DataType::Double),
        ("decimal", DataType::Decimal(10, 3)),
        ("text", DataType::String),
        ("bytes", DataType::Bytes),
        ("date", DataType::Date),
        ("time", DataType::Time(3)),
        ("timestamp", DataType::Timestamp(3)),
        ("instant", DataType::TimestampLtz(3)),
    ]);
    let text = b"true,-5,0.1,-1e300,-1234.567,\"a;\"\"\\,\n b\",AP8Q,1969-12-31,23:59:59.5,2026-11-22 13:37:02.12,2026-11-22 13:37:02Z\n\
        ,,,,,n/a,,,,,\n";
    let batch = decode(&schema, &CsvOptions::default(), text);
    assert_eq!(batch.column(0).null_count(), 1);
    let all = [
        CsvOptions::default(),
        CsvOptions { delimiter: b';', null_literal: Some("NULL".to_owned()), ..CsvOptions::default() },
        CsvOptions { quote: Some(b'\''), escape: Some(b'\\'), ..CsvOptions::default() },
    ];
    for options in all {
        let mut written = Vec::new();
        CsvEncoder::new(&schema, options.clone())
            .unwrap()
            .encode(&model::Batch::append(batch.clone()), &mut written)
            .unwrap();
        assert_eq!(decode(&schema, &options, &written), batch, "{}", String::from_utf8_lossy(&written));
    }
}

#[test]
fn columns_are_pruned_and_comments_passed_over() {
    let schema = schema(&[("a", DataType::Int), ("b", DataType::Int), ("c", DataType::String)]);
    let options = CsvOptions { allow_comments: true, ..CsvOptions::default() };
    let wanted = [Column::new("c", DataType::String)];
    let mut decoder = CsvDecoder::new(&schema, &wanted, options).unwrap();
    decoder.decode(b"# x\nnot a number,1,z\n", true, 10).unwrap();
    assert_eq!(decoder.take().unwrap().column(0).as_string::<i32>().value(0), "z");
    assert!(check_type(&DataType::Map(Box::new(DataType::String), Box::new(DataType::Int))).is_err());
}
