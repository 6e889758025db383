mod values;

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Int64Array, ListArray, RecordBatch, StringArray, StructArray};
use arrow::datatypes::{Int32Type, Int64Type};
use arrow::util::display::array_value_to_string;
use model::{Field, Schema};
use proptest::prelude::*;

use super::*;
use crate::{Column, Decoder, Encoder};

fn decode(columns: &[Column], options: JsonOptions, text: &str) -> RecordBatch {
    let mut decoder = JsonDecoder::new(columns, options).unwrap();
    assert_eq!(decoder.decode(text.as_bytes(), true, usize::MAX).unwrap(), text.len());
    decoder.take().unwrap()
}

fn problem(data_type: DataType, text: &str) -> String {
    let mut decoder = JsonDecoder::new(&[Column::new("a", data_type)], JsonOptions::default()).unwrap();
    decoder.decode(text.as_bytes(), true, usize::MAX).unwrap_err().message
}

fn column(path: &str, data_type: DataType) -> Column {
    Column { path: path.split('.').map(str::to_owned).collect(), data_type }
}

#[test]
fn only_wanted_paths_are_decoded() {
    let text = concat!(
        r#"{"x":[1,{"y":"}\""}],"bid":{"other":{"price":1},"price":7,"channel":"a\u00e9\n"},"n":1}"#,
        "\n\n",
        r#"{"bid":null,"n":2} "#,
        "\n",
        r#"{ "n" : 3 , "bid" : { "channel" : "b" } }"#
    );
    let columns =
        [column("bid.channel", DataType::String), column("n", DataType::BigInt), column("bid.price", DataType::BigInt)];
    let batch = decode(&columns, JsonOptions::default(), text);
    let channels = batch.column(0).as_string::<i32>();
    assert_eq!(channels.iter().collect::<Vec<_>>(), [Some("aé\n"), None, Some("b")]);
    assert_eq!(batch.column(1).as_primitive::<Int64Type>().values(), &[1, 2, 3]);
    assert_eq!(batch.column(2).as_primitive::<Int64Type>().iter().collect::<Vec<_>>(), [Some(7), None, None]);
}

#[test]
fn a_row_and_a_field_inside_it_can_both_be_wanted() {
    let row = DataType::Row(vec![Field::new("a", DataType::Int), Field::new("b", DataType::String)]);
    let columns = [column("r", row), column("r.a", DataType::Int)];
    let batch = decode(&columns, JsonOptions::default(), "{\"r\":{\"b\":\"x\",\"a\":5}}\n{}");
    let rows = batch.column(0).as_struct();
    assert_eq!(rows.column(0).as_primitive::<Int32Type>().value(0), 5);
    assert!(rows.is_null(1));
    assert_eq!(batch.column(1).as_primitive::<Int32Type>().value(0), 5);
}

#[test]
fn values_are_coerced_as_in_flink() {
    let columns = [column("a", DataType::String), column("b", DataType::BigInt), column("c", DataType::Double)];
    let batch = decode(&columns, JsonOptions::default(), r#"{"a":{"x": 1},"b":" 12 ","c":3}{"#.trim_end_matches('{'));
    assert_eq!(batch.column(0).as_string::<i32>().value(0), r#"{"x":1}"#);
    assert_eq!(batch.column(1).as_primitive::<Int64Type>().value(0), 12);
    let batch = decode(&columns[..1], JsonOptions::default(), r#"{"a":1.50}"#);
    assert_eq!(batch.column(0).as_string::<i32>().value(0), "1.50");
}

#[test]
fn the_last_of_a_repeated_field_counts() {
    let batch = decode(&[column("a", DataType::BigInt)], JsonOptions::default(), r#"{"a":1,"a":2}"#);
    assert_eq!(batch.column(0).as_primitive::<Int64Type>().values(), &[2]);
}

#[test]
fn malformed_records_say_what_is_wrong() {
    let cases = [
        (DataType::BigInt, r#"{"a":"x"}"#, "field 'a': 'x' is not a BIGINT"),
        (DataType::TinyInt, r#"{"a":128}"#, "field 'a': '128' is not a TINYINT"),
        (DataType::Boolean, r#"{"a":1}"#, "field 'a': '1' is not a BOOLEAN"),
        (DataType::BigInt, r#"{"a":{"b":1}}"#, "field 'a': '{…}' is not a BIGINT"),
        (DataType::BigInt, r#"{"a":1"#, "expected ',' or '}' but the record ends"),
        (DataType::BigInt, r#"1"#, "expected '{' at byte 0 but found '1'"),
        (DataType::BigInt, r#"[1]"#, "expected '{' at byte 1 but found '1'"),
        (DataType::BigInt, r#"[{"a":1}"#, "expected ',' or ']' but the record ends"),
        (DataType::BigInt, r#"{"a":1} x"#, "expected the end of the record at byte 8 but found 'x'"),
        (DataType::String, r#"{"a":"x}"#, "field 'a': the string at byte 5 does not end"),
        (DataType::String, r#"{"a":"\q"}"#, "field 'a': there is no escape \\q"),
        (DataType::Array(Box::new(DataType::Int)), r#"{"a":[1,"b"]}"#, "field 'a': 'b' is not a INT"),
        (
            DataType::Timestamp(3),
            r#"{"a":"2026-01-01T00:00:00"}"#,
            "field 'a': '2026-01-01T00:00:00' is not a TIMESTAMP(3) in SQL (2026-01-02 03:04:05.678) form",
        ),
    ];
    for (data_type, text, expected) in cases {
        assert_eq!(problem(data_type, text), expected, "{text}");
    }
}

#[test]
fn what_is_no_json_is_no_value() {
    let deep = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
    for text in
        ["garbage", "007", "[1,2}", "[garbage]", "{1}", "{\"x\" 1}", "+4", "1.", ".5", "1e", "tru", "[1 2]", &deep(200)]
    {
        for wanted in [DataType::String, DataType::Double] {
            let mut decoder = JsonDecoder::new(&[column("s", wanted.clone())], JsonOptions::default()).unwrap();
            let read = decoder.decode(format!("{{\"s\":{text}}}").as_bytes(), true, usize::MAX);
            assert!(read.is_err(), "{wanted} {text}");
        }
    }
    for number in ["+4", "[4]", "4x", "04", "-04", "4.", "-"] {
        assert!(problem(DataType::BigInt, &format!("{{\"a\":{number}}}")).contains("is not a BIGINT"), "{number}");
    }
    // Where it is not wanted, brackets still match.
    assert!(problem(DataType::BigInt, "{\"x\":[1,{\"y\":2]},\"a\":1}").starts_with("expected '}' at byte 14"));
    for text in ["-0.5e+3", "true", "[1,{\"x\":[null,\"]\"]}]", "{}", &deep(100)] {
        let batch = decode(&[column("s", DataType::String)], JsonOptions::default(), &format!("{{\"s\":{text}}}"));
        assert_eq!(batch.column(0).as_string::<i32>().value(0), text);
    }
}

#[test]
fn space_around_numbers_in_strings_is_none_of_them_escaped_or_not() {
    let batch = decode(&[column("a", DataType::Int)], JsonOptions::default(), r#"{"a":" 7 "}{"#.trim_end_matches('{'));
    assert_eq!(batch, decode(&[column("a", DataType::Int)], JsonOptions::default(), r#"{"a":"\u0037 "}"#));
}

#[test]
fn the_last_of_a_repeated_key_counts() {
    let counts = DataType::Map(Box::new(DataType::String), Box::new(DataType::Array(Box::new(DataType::Int))));
    let entries = |text: &str| {
        let batch = decode(&[column("m", counts.clone())], JsonOptions::default(), text);
        (0..batch.num_rows()).map(|row| array_value_to_string(batch.column(0), row).unwrap()).collect::<Vec<_>>()
    };
    let text = r#"{"m":{"a":[1],"b":[2],"a":[3,4],"\u0062":null}}
{"m":{"a":[5]}}"#;
    assert_eq!(entries(text), ["{a: [3, 4], b: }", "{a: [5]}"]);
    let many: Vec<String> = (0..40).map(|n| format!("\"{}\":[{n}]", n % 25)).collect();
    let expected: Vec<String> = (15..40).map(|n| format!("{}: [{n}]", n % 25)).collect();
    assert_eq!(entries(&format!("{{\"m\":{{{}}}}}", many.join(","))), [format!("{{{}}}", expected.join(", "))]);
}

#[test]
fn a_malformed_record_leaves_no_trace() {
    let row = DataType::Row(vec![Field::new("x", DataType::Array(Box::new(DataType::BigInt)))]);
    let columns = [column("a", row), column("b", DataType::String)];
    let text =
        "{\"a\":{\"x\":[1]},\"b\":\"one\"}\n{\"b\":\"two\",\"a\":{\"x\":[2,true]}}\nnonsense\n{\"b\":\"three\"}\n";
    let mut decoder = JsonDecoder::new(&columns, JsonOptions::default()).unwrap();
    decoder.losses().keep();
    decoder.decode(text.as_bytes(), true, usize::MAX).unwrap();
    let kept = decoder.losses().take();
    let kept: Vec<_> = kept.iter().map(|rejected| (rejected.lines, rejected.message.as_str())).collect();
    let element = "field 'a': field 'x': 'true' is not a BIGINT";
    assert_eq!(kept, [(1, element), (2, "expected '{' at byte 0 but found 'n'")]);
    assert_eq!((decoder.rows(), decoder.losses().count(), decoder.lines()), (2, 2, 4));
    let batch = decoder.take().unwrap();
    assert_eq!(batch.column(1).as_string::<i32>().iter().flatten().collect::<Vec<_>>(), ["one", "three"]);
    assert_eq!(batch.column(0).as_struct().column(0).as_list::<i32>().values().len(), 1);

    let mut strict = JsonDecoder::new(&columns, JsonOptions::default()).unwrap();
    let malformed = strict.decode(text.as_bytes(), true, usize::MAX).unwrap_err();
    assert_eq!(malformed.offset, text.find("{\"b\":\"two\"").unwrap());
    assert_eq!(strict.rows(), 1);
}

#[test]
fn ignored_problems_are_null_in_the_field_they_are_of() {
    let row = DataType::Row(vec![
        Field::new("x", DataType::Array(Box::new(DataType::BigInt))),
        Field::new("m", DataType::Map(Box::new(DataType::String), Box::new(DataType::Int))),
    ]);
    let columns = [column("n", DataType::Int), column("r", row), column("s.t", DataType::Date)];
    let rows = [
        (r#"{"n":1,"r":{"x":[1],"m":{"k":1}},"s":{"t":"2026-01-02"}}"#, "1|{x: [1], m: {k: 1}}|2026-01-02", 0),
        (r#"{"n":"x","r":{"x":[1,true,3],"m":{"k":1.5,"l":"?"}},"s":7}"#, "|{x: [1, , 3], m: {k: , l: }}|", 1),
        (r#"{"n":{"n":1},"r":{"x":{},"m":[]},"s":{"t":[{}]}}"#, "|{x: , m: }|", 1),
        (r#"{"r":[1,{"x":"}"}],"n":2}"#, "2||", 1),
        (r#"{"s":{"t":"2026-02-30"},"n":99999999999}"#, "||", 1),
    ];
    let lost = ["nonsense", r#"{"n":nul}"#, r#"{"n":1,}"#, r#"{"r":{"x":[1,"#, "7", r#"{"n":1}{"n":2}"#];
    let text: String = rows
        .iter()
        .map(|(text, ..)| *text)
        .chain(lost)
        .map(|line| {
            format!(
                "{line}
"
            )
        })
        .collect();
    let options = JsonOptions { ignore_parse_errors: true, ..JsonOptions::default() };
    let mut decoder = JsonDecoder::new(&columns, options).unwrap();
    assert_eq!(decoder.decode(text.as_bytes(), true, usize::MAX).unwrap(), text.len());
    let count = rows.iter().map(|(.., lost)| lost).sum::<usize>() + lost.len();
    assert_eq!((decoder.rows(), decoder.losses().count()), (rows.len(), count as u64));
    let batch = decoder.take().unwrap();
    for (row, (text, expected, _)) in rows.iter().enumerate() {
        let shown = batch.columns().iter().map(|column| array_value_to_string(column, row).unwrap());
        assert_eq!(shown.collect::<Vec<_>>().join("|"), *expected, "{text}");
    }
}

#[test]
fn an_array_is_a_row_for_each_object() {
    let columns = [column("a", DataType::Int)];
    let text = " [ {\"a\":1} , {\"a\":2,\"b\":[]},{}]\n[]\n{\"a\":3}\n[{\"a\":4},5,{\"a\":\"x\"}]\n[{\"a\":6},\n";
    let options = JsonOptions { ignore_parse_errors: true, ..JsonOptions::default() };
    let mut decoder = JsonDecoder::new(&columns, options).unwrap();
    decoder.decode(text.as_bytes(), true, usize::MAX).unwrap();
    // Lost: the number, the field that is none, and the line that does not end.
    assert_eq!((decoder.lines(), decoder.losses().count()), (5, 3));
    let numbers: Vec<_> = decoder.take().unwrap().column(0).as_primitive::<Int32Type>().iter().collect();
    assert_eq!(numbers, [Some(1), Some(2), None, Some(3), Some(4), None]);

    let mut strict = JsonDecoder::new(&columns, JsonOptions::default()).unwrap();
    let malformed = strict.decode(b"{\"a\":0}\n[{\"a\":4},5]", true, usize::MAX).unwrap_err();
    assert_eq!((malformed.offset, malformed.message.as_str()), (8, "expected '{' at byte 9 but found '5'"));
    assert_eq!(strict.rows(), 1, "nothing of the record");
}

#[test]
fn malformed_records_are_kept_a_bounded_number_at_a_time() {
    let mut decoder = JsonDecoder::new(&[column("a", DataType::Int)], JsonOptions::default()).unwrap();
    decoder.losses().keep();
    for (line, count) in [("x\n".to_owned(), 2500), (format!("{}\n", "y".repeat(1 << 19)), 5)] {
        let text = line.repeat(count);
        let (mut at, mut kept) = (0, 0);
        while at < text.len() {
            at += decoder.decode(&text.as_bytes()[at..], true, usize::MAX).unwrap();
            let rejected = decoder.losses().take();
            assert!(rejected.len() <= 1000 && rejected.iter().map(|one| one.record.len()).sum::<usize>() < 2 << 20);
            kept += rejected.len();
        }
        assert_eq!(kept, count);
    }
}

#[test]
fn missing_fields_are_null_or_refused() {
    let options = JsonOptions { fail_on_missing_field: true, ..JsonOptions::default() };
    let mut decoder = JsonDecoder::new(&[column("a", DataType::Int), column("r.b", DataType::Int)], options).unwrap();
    decoder.decode(b"{\"a\":null,\"r\":null}\n", true, 10).unwrap();
    let malformed = decoder.decode(b"{\"a\":1}\n", true, 10).unwrap_err();
    assert_eq!(malformed.message, "the field 'r.b' is missing");
}

#[test]
fn records_are_left_until_they_are_whole() {
    let mut decoder = JsonDecoder::new(&[column("a", DataType::Int)], JsonOptions::default()).unwrap();
    assert_eq!(decoder.decode(b"{\"a\":1}\n{\"a\":2}\n{\"a\"", false, 100).unwrap(), 16);
    assert_eq!(decoder.decode(b"{\"a\":3}\n{\"a\":4}\n", false, 3).unwrap(), 8);
    assert_eq!(decoder.decode(b"{\"a\":4}", true, 100).unwrap(), 7);
    assert_eq!(decoder.take().unwrap().num_rows(), 4);
    assert_eq!(decoder.rows(), 0);
}

fn all_types() -> Vec<(&'static str, DataType)> {
    vec![
        ("boolean", DataType::Boolean),
        ("tiny", DataType::TinyInt),
        ("int", DataType::Int),
        ("big", DataType::BigInt),
        ("float", DataType::Float),
        ("double", DataType::Double),
        ("decimal", DataType::Decimal(10, 3)),
        ("text \"quoted\"", DataType::String),
        ("bytes", DataType::Bytes),
        ("date", DataType::Date),
        ("time", DataType::Time(3)),
        ("timestamp", DataType::Timestamp(3)),
        ("micros", DataType::Timestamp(6)),
        ("instant", DataType::TimestampLtz(3)),
        ("row", DataType::Row(vec![Field::new("x", DataType::BigInt), Field::new("y", DataType::String)])),
        ("array", DataType::Array(Box::new(DataType::String))),
        ("map", DataType::Map(Box::new(DataType::String), Box::new(DataType::BigInt))),
    ]
}

#[test]
fn every_type_comes_back() {
    let text = concat!(
        r#"{"boolean":true,"tiny":-128,"int":-1,"big":9223372036854775807,"float":0.1,"double":-1.0E300,"#,
        r#""decimal":-1234.567,"text \"quoted\"":"ü \u0001\"\\","bytes":"AP8Q","date":"1969-12-31","#,
        r#""time":"23:59:59.5","timestamp":"2026-11-22 13:37:02.12","micros":"1969-12-31 23:59:59.999999","#,
        r#""instant":"2026-11-22 13:37:02Z","row":{"x":1,"y":null},"array":["a",null],"map":{"k":1,"l":null}}"#,
        "\n{}\n"
    );
    let columns: Vec<_> = all_types().into_iter().map(|(name, data_type)| Column::new(name, data_type)).collect();
    let schema = Schema::new(all_types().into_iter().map(|(name, data_type)| Field::new(name, data_type)).collect());
    let first = decode(&columns, JsonOptions::default(), text);
    let mut written = Vec::new();
    JsonEncoder::new(&schema, JsonOptions::default())
        .unwrap()
        .encode(&model::Batch::append(first.clone()), &mut written)
        .unwrap();
    let written = String::from_utf8(written).unwrap();
    assert_eq!(written.lines().next(), text.lines().next());
    assert_eq!(decode(&columns, JsonOptions::default(), &written), first);
    for style in [crate::TimestampStyle::Iso8601, crate::TimestampStyle::Either] {
        let options = JsonOptions { timestamps: style, ignore_null_fields: true, ..JsonOptions::default() };
        let mut written = Vec::new();
        JsonEncoder::new(&schema, options.clone())
            .unwrap()
            .encode(&model::Batch::append(first.clone()), &mut written)
            .unwrap();
        assert!(written.ends_with(b"}\n{}\n"));
        assert_eq!(decode(&columns, options, std::str::from_utf8(&written).unwrap()), first);
    }
}

#[test]
fn types_without_a_form_are_refused() {
    let failure = JsonDecoder::new(&[column("a", DataType::IntervalDayTime)], JsonOptions::default()).err().unwrap();
    assert_eq!(failure.class, model::ErrorClass::User);
    let map = DataType::Map(Box::new(DataType::BigInt), Box::new(DataType::BigInt));
    assert!(JsonDecoder::new(&[column("a", map)], JsonOptions::default()).is_err());
}

proptest! {
    /// Any text, list and row comes back, whatever other fields stand between and however the data is cut.
    #[test]
    fn any_rows_come_back(
        rows in proptest::collection::vec((any::<Option<String>>(), any::<i64>(), proptest::collection::vec(any::<Option<i32>>(), 0..4)), 0..20),
        cut in 0usize..400,
    ) {
        let texts: ArrayRef = Arc::new(StringArray::from_iter(rows.iter().map(|(text, ..)| text.clone())));
        let numbers: ArrayRef = Arc::new(Int64Array::from_iter(rows.iter().map(|(_, number, _)| Some(*number))));
        let lists: ArrayRef = Arc::new(ListArray::from_iter_primitive::<Int32Type, _, _>(
            rows.iter().map(|(.., list)| Some(list.clone())),
        ));
        let row_type = DataType::Row(vec![Field::new("t", DataType::String), Field::new("n", DataType::BigInt)]);
        let arrow::datatypes::DataType::Struct(fields) = row_type.to_arrow() else { unreachable!() };
        let structs: ArrayRef = Arc::new(StructArray::new(fields, vec![Arc::clone(&texts), Arc::clone(&numbers)], None));
        let list_type = DataType::Array(Box::new(DataType::Int));
        let schema = Schema::new(vec![
            Field::new("l", list_type.clone()),
            Field::new("unwanted", DataType::String),
            Field::new("r", row_type.clone()),
        ]);
        let batch = RecordBatch::try_new(schema.to_arrow(), vec![Arc::clone(&lists), Arc::clone(&texts), Arc::clone(&structs)]).unwrap();
        let mut written = Vec::new();
        JsonEncoder::new(&schema, JsonOptions::default()).unwrap().encode(&model::Batch::append(batch.clone()), &mut written).unwrap();

        let columns = [column("r.t", DataType::String), column("l", list_type), column("r", row_type)];
        let mut decoder = JsonDecoder::new(&columns, JsonOptions::default()).unwrap();
        let cut = cut.min(written.len());
        let taken = decoder.decode(&written[..cut], false, usize::MAX).unwrap();
        prop_assert!(taken <= cut);
        prop_assert_eq!(taken + decoder.decode(&written[taken..], true, usize::MAX).unwrap(), written.len());
        let back = decoder.take().unwrap();
        prop_assert_eq!(back.column(0), &texts);
        prop_assert_eq!(back.column(1), &lists);
        prop_assert_eq!(back.column(2), &structs);
    }
}
