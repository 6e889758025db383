//! Which values are read, and what is written of them.

use super::*;
use crate::testing::shown;

/// What a value is as a column of a type; none if it is malformed.
fn read(data_type: &DataType, options: &JsonOptions, value: &str) -> Option<String> {
    let mut decoder = JsonDecoder::new(&[column("a", data_type.clone())], options.clone()).unwrap();
    let line = format!("{{\"a\":{value}}}");
    let read = decoder.decode(line.as_bytes(), true, usize::MAX);
    // A record that is spared is one whose malformed field is null.
    let mut sparing = JsonDecoder::new(
        &[column("a", data_type.clone())],
        JsonOptions { ignore_parse_errors: true, ..options.clone() },
    )
    .unwrap();
    sparing.decode(line.as_bytes(), true, usize::MAX).unwrap();
    assert_eq!(read.is_err(), sparing.losses().count() == 1, "{data_type} {value}");
    read.ok()?;
    let batch = decoder.take().unwrap();
    let shown = if batch.column(0).is_null(0) { "null".to_owned() } else { shown(batch.column(0), 0) };
    assert_eq!(decoder.losses().count(), 0);
    Some(shown)
}

/// As Flink 2.2 reads them, but for `2.9`, of which Flink makes 2 in an INT and a BIGINT.
#[test]
fn numbers_that_do_not_fit_are_malformed() {
    use DataType::{BigInt, Int, SmallInt, TinyInt};
    let all = [TinyInt, SmallInt, Int, BigInt];
    let cases: [(&str, [Option<&str>; 4]); 21] = [
        ("1", [Some("1"); 4]),
        ("-0", [Some("0"); 4]),
        ("\" 7 \"", [Some("7"); 4]),
        ("\"\\t+7\\u0000\"", [Some("7"); 4]),
        ("1.0", [None, None, Some("1"), Some("1")]),
        ("1e2", [None, None, Some("100"), Some("100")]),
        ("100e-2", [None, None, Some("1"), Some("1")]),
        ("-0.0", [None, None, Some("0"), Some("0")]),
        ("2.9", [None; 4]),
        ("1e-1", [None; 4]),
        ("\"2.9\"", [None; 4]),
        ("\"1.0\"", [None; 4]),
        ("\"1e2\"", [None; 4]),
        ("\"\"", [None; 4]),
        ("true", [None; 4]),
        ("128", [None, Some("128"), Some("128"), Some("128")]),
        ("-32769", [None, None, Some("-32769"), Some("-32769")]),
        ("2147483648", [None, None, None, Some("2147483648")]),
        ("9223372036854775807.0", [None, None, None, Some("9223372036854775807")]),
        ("9223372036854775808", [None; 4]),
        ("1e30", [None; 4]),
    ];
    for (value, expected) in cases {
        for (data_type, expected) in all.iter().zip(expected) {
            assert_eq!(read(data_type, &JsonOptions::default(), value).as_deref(), expected, "{data_type} {value}");
        }
    }
}

#[test]
fn floating_point_numbers_are_those_that_java_reads_and_finite_where_written_so() {
    let cases = [
        ("1", Some("1.0")),
        ("\" 1.5f \"", Some("1.5")),
        ("\"NaN\"", Some("NaN")),
        ("\"-Infinity\"", Some("-inf")),
        ("\"nan\"", None),
        ("\"inf\"", None),
        ("1e999", None),
        ("\"1e999\"", None),
        ("true", None),
        ("\"\"", None),
    ];
    for (value, expected) in cases {
        for data_type in [DataType::Double, DataType::Float] {
            assert_eq!(read(&data_type, &JsonOptions::default(), value).as_deref(), expected, "{data_type} {value}");
        }
    }
    assert_eq!(read(&DataType::Float, &JsonOptions::default(), "1e39"), None);
    assert!(read(&DataType::Double, &JsonOptions::default(), "1e39").is_some());
}

#[test]
fn decimals_are_rounded_and_null_where_they_do_not_fit() {
    let cases = [
        ("1.005", Some("1.01")),
        ("\"+1.5\"", Some("1.50")),
        ("1e2", Some("100.00")),
        ("-0.004", Some("0.00")),
        ("123456789012", Some("null")),
        ("1e999", Some("null")),
        ("\"1_0\"", None),
        ("\"\"", None),
        ("true", None),
    ];
    for (value, expected) in cases {
        let found = read(&DataType::Decimal(10, 2), &JsonOptions::default(), value);
        assert_eq!(found.as_deref(), expected, "{value}");
    }
}

#[test]
fn an_instant_ends_in_z_and_a_timestamp_does_not() {
    let iso = JsonOptions { timestamps: crate::TimestampStyle::Iso8601, ..JsonOptions::default() };
    let sql = JsonOptions::default();
    let cases = [
        (&sql, "\"2020-07-23 12:00:00\"", Some("2020-07-23T12:00:00"), None),
        (&sql, "\"2020-07-23 12:00:00.123Z\"", None, Some("2020-07-23T12:00:00.123Z")),
        (&sql, "\"2020-07-23 12:00:00+08:00\"", None, None),
        (&sql, "\"2020-07-23T12:00:00\"", None, None),
        (&sql, "\"2020-07-23T12:00:00Z\"", None, None),
        (&sql, "\" 2020-07-23 12:00:00\"", None, None),
        (&sql, "1595505600000", None, None),
        (&iso, "\"2020-07-23T12:00\"", Some("2020-07-23T12:00:00"), None),
        (&iso, "\"2020-07-23T12:00Z\"", None, Some("2020-07-23T12:00:00Z")),
        (&iso, "\"2020-07-23T12:00:00+08:00\"", None, None),
        (&iso, "\"2020-07-23 12:00:00\"", None, None),
        (&iso, "\"2020-07-23 12:00:00Z\"", None, None),
        (&iso, "1595505600000", None, None),
    ];
    for (options, value, local, instant) in cases {
        assert_eq!(read(&DataType::Timestamp(3), options, value).as_deref(), local, "{value}");
        assert_eq!(read(&DataType::TimestampLtz(3), options, value).as_deref(), instant, "{value}");
    }
    let message = problem(DataType::TimestampLtz(3), "{\"a\":\"2020-07-23 12:00:00\"}");
    let expected = "field 'a': '2020-07-23 12:00:00' is not a TIMESTAMP_LTZ(3) in SQL (2026-01-02 03:04:05.678Z) form";
    assert_eq!(message, expected);
}

#[test]
fn times_have_the_digits_of_their_precision() {
    let cases = [
        (DataType::Time(0), "\"12:00:01.987\"", Some("12:00:01")),
        (DataType::Time(1), "\"12:00:01.987\"", Some("12:00:01.900")),
        (DataType::Time(3), "\"12:00:01.987654\"", Some("12:00:01.987")),
        (DataType::Time(0), "\"24:00:00\"", Some("00:00:00")),
        (DataType::Time(0), "\"12:00\"", None),
        (DataType::Time(0), "\"12:00:00Z\"", None),
        (DataType::Time(0), "\" 12:00:00\"", None),
        (DataType::Time(0), "43200", None),
        (DataType::Timestamp(0), "\"1969-12-31 23:59:59.987\"", Some("1969-12-31T23:59:59")),
        (DataType::Timestamp(4), "\"2020-07-23 12:00:00.987654\"", Some("2020-07-23T12:00:00.987600")),
        (DataType::TimestampLtz(1), "\"2020-07-23 12:00:00.987Z\"", Some("2020-07-23T12:00:00.900Z")),
        (DataType::Date, "\"2020-02-30\"", None),
        (DataType::Date, "\"2020-1-2\"", None),
        (DataType::Date, "\" 2020-01-02\"", None),
    ];
    for (data_type, value, expected) in cases {
        let found = read(&data_type, &JsonOptions::default(), value);
        assert_eq!(found.as_deref(), expected, "{data_type} {value}");
    }
}

#[test]
fn bytes_are_padded_base64_and_nothing_else() {
    for (value, expected) in [
        ("\"AP8Q\"", Some("00ff10")),
        ("\" AP8= \"", Some("00ff")),
        ("\"\"", Some("")),
        ("\"AP8\"", None),
        ("\"-_8=\"", None),
        ("true", None),
        ("1234", None),
    ] {
        assert_eq!(read(&DataType::Bytes, &JsonOptions::default(), value).as_deref(), expected, "{value}");
    }
}

#[test]
fn any_value_is_a_text() {
    let cases = [
        (r#"{"a": 1, "b": [true, null, "x"]}"#, r#"{"a":1,"b":[true,null,"x"]}"#),
        (r#"[1, {"c": "d\"e\u00e9"}]"#, r#"[1,{"c":"d\"eé"}]"#),
        (r#"{"x": 1.50, "y": 1e5}"#, r#"{"x":1.5,"y":100000.0}"#),
        ("{ }", "{}"),
        ("12", "12"),
        ("true", "true"),
        ("1.50", "1.50"),
        ("1e5", "1e5"),
        ("-0", "-0"),
    ];
    for (value, expected) in cases {
        for data_type in [DataType::String, DataType::Varchar(100)] {
            assert_eq!(read(&data_type, &JsonOptions::default(), value).as_deref(), Some(expected), "{value}");
        }
    }
    let texts = DataType::Map(Box::new(DataType::String), Box::new(DataType::String));
    let found = read(&texts, &JsonOptions::default(), r#"{"k": {"a": [ ]}}"#);
    assert_eq!(found.as_deref(), Some(r#"{k: {"a":[]}}"#));
}

#[test]
fn of_a_repeated_row_the_last_counts_with_all_that_is_inside() {
    let row = DataType::Row(vec![Field::new("x", DataType::Int), Field::new("y", DataType::Int)]);
    let columns =
        [column("n", DataType::Int), column("r.x", DataType::Int), column("r.y", DataType::Int), column("r", row)];
    for (text, expected) in [
        (r#"{"r":{"x":1},"n":5,"r":{"y":2}}"#, "5||2|{x: , y: 2}"),
        (r#"{"n":5,"r":{"x":1,"y":2},"r":null}"#, "5|||"),
        (r#"{"r":null,"r":{"x":1,"x":3},"n":5}"#, "5|3||{x: 3, y: }"),
    ] {
        let batch = decode(&columns, JsonOptions::default(), text);
        let found: Vec<_> = (0..columns.len()).map(|index| shown(batch.column(index), 0)).collect();
        assert_eq!(found.join("|"), expected, "{text}");
    }
}

#[test]
fn decimals_are_written_as_flink_writes_them() {
    let decimal = DataType::Decimal(20, 6);
    let types = [decimal.clone(), DataType::Array(Box::new(decimal))];
    let columns = [column("v", types[0].clone()), column("l", types[1].clone())];
    let schema = Schema::new(vec![Field::new("v", types[0].clone()), Field::new("l", types[1].clone())]);
    let cases = [
        ("10.000000", "1E+1", "10.000000"),
        ("1.50", "1.5", "1.500000"),
        ("0.000001", "0.000001", "0.000001"),
        ("1234567.0", "1234567", "1234567.000000"),
        ("-0.0", "0", "0.000000"),
        ("-1000", "-1E+3", "-1000.000000"),
    ];
    for (value, short, plain) in cases {
        let batch = decode(&columns, JsonOptions::default(), &format!(r#"{{"v":{value},"l":[{value}]}}"#));
        for (plain_decimals, expected) in [(false, short), (true, plain)] {
            let options = JsonOptions { plain_decimals, ..JsonOptions::default() };
            let rows = model::Batch::append(batch.clone());
            let mut written = Vec::new();
            JsonEncoder::new(&schema, options.clone()).unwrap().encode(&rows, &mut written).unwrap();
            let object = format!(r#"{{"v":{expected},"l":[{expected}]}}"#);
            assert_eq!(String::from_utf8_lossy(&written), format!("{object}\n"));
            let mut written = Vec::new();
            DebeziumEncoder::new(&schema, options).unwrap().encode(&rows, &mut written).unwrap();
            let change = format!("{{\"before\":null,\"after\":{object},\"op\":\"c\"}}\n");
            assert_eq!(String::from_utf8_lossy(&written), change);
        }
    }
}

#[test]
fn control_characters_have_the_escapes_of_jackson() {
    let schema = Schema::new(vec![Field::new("s", DataType::String)]);
    let text = "{\"s\":\"\\b\\f\\u001f/\u{7f}\u{2028}é\"}";
    let rows = model::Batch::append(decode(&[column("s", DataType::String)], JsonOptions::default(), text));
    let mut written = Vec::new();
    JsonEncoder::new(&schema, JsonOptions::default()).unwrap().encode(&rows, &mut written).unwrap();
    assert_eq!(String::from_utf8_lossy(&written), "{\"s\":\"\\b\\f\\u001F/\u{7f}\u{2028}é\"}\n");
}
