//! Properties of all decoders on bytes that anyone may have written: no panic, no more memory than the bytes are worth.

mod oracle;
mod parquet;

use arrow::{array::RecordBatch, compute::concat_batches};
use model::{DataType, Field, Schema};
use proptest::{
    collection::vec,
    prelude::*,
    sample::{Index, select},
};

use crate::{
    Column, Decoder, TimestampStyle,
    csv::{CsvDecoder, CsvOptions},
    json::{JsonDecoder, JsonOptions},
    raw::{Charset, Endianness, RawDecoder, RawOptions},
    testing::check,
};

/// A change of bytes.
#[derive(Clone, Debug)]
enum Change {
    Set(Index, u8),
    Insert(Index, Vec<u8>),
    Remove(Index, usize),
    Repeat(Index, usize),
}

fn changes(fragments: &'static [&'static str]) -> impl Strategy<Value = Vec<Change>> {
    let fragment = prop_oneof![select(fragments).prop_map(|text| text.as_bytes().to_vec()), vec(any::<u8>(), 1..4)];
    let change = prop_oneof![
        (any::<Index>(), any::<u8>()).prop_map(|(at, byte)| Change::Set(at, byte)),
        (any::<Index>(), fragment).prop_map(|(at, bytes)| Change::Insert(at, bytes)),
        (any::<Index>(), 1usize..20).prop_map(|(at, count)| Change::Remove(at, count)),
        (any::<Index>(), 1usize..40).prop_map(|(at, count)| Change::Repeat(at, count)),
    ];
    vec(change, 0..8)
}

fn apply(mut bytes: Vec<u8>, changes: &[Change]) -> Vec<u8> {
    for change in changes {
        let length = bytes.len();
        let part = |at: &Index, count: usize| at.index(length + 1)..(at.index(length + 1) + count).min(length);
        match change {
            Change::Set(at, byte) if length > 0 => bytes[at.index(length)] = *byte,
            Change::Set(..) => {}
            Change::Insert(at, inserted) => {
                let at = at.index(length + 1);
                bytes.splice(at..at, inserted.iter().copied());
            }
            Change::Remove(at, count) => drop(bytes.drain(part(at, *count))),
            Change::Repeat(at, count) => {
                let part = part(at, *count);
                let repeated = bytes[part.clone()].to_vec();
                bytes.splice(part.end..part.end, repeated);
            }
        }
    }
    bytes
}

/// Bytes without any form, and samples with changes.
fn bytes(samples: &'static [&'static str], fragments: &'static [&'static str]) -> impl Strategy<Value = Vec<u8>> {
    let sample = vec(select(samples), 0..4).prop_map(|samples| samples.concat().into_bytes());
    prop_oneof![
        1 => vec(any::<u8>(), 0..200),
        4 => (sample, changes(fragments)).prop_map(|(sample, changes)| apply(sample, &changes)),
    ]
}

/// What is done with malformed records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Policy {
    Fail,
    Ignore,
    Keep,
}

fn policies() -> impl Strategy<Value = Policy> {
    select(vec![Policy::Fail, Policy::Ignore, Policy::Keep])
}

/// What came of some bytes.
#[derive(Debug, PartialEq)]
struct Outcome {
    rows: RecordBatch,
    losses: u64,
    lines: u64,
    /// The bytes and the problems of malformed records, and where in all of the bytes a failure was.
    malformed: Vec<(Vec<u8>, String)>,
    failed_at: Option<usize>,
}

/// Decodes bytes that come in two parts.
fn decode(decoder: &mut dyn Decoder, data: &[u8], cut: usize, rows_max: usize) -> Outcome {
    let (mut at, mut batches, mut malformed, mut failed_at) = (0, Vec::new(), Vec::new(), None);
    'parts: for (end, last) in [(cut, false), (data.len(), true)] {
        loop {
            let part = &data[at..end];
            let taken = match decoder.decode(part, last, rows_max) {
                Ok(taken) => taken,
                Err(problem) => {
                    assert!(problem.offset <= part.len());
                    failed_at = Some(at + problem.offset);
                    0
                }
            };
            assert!(taken <= part.len());
            at += taken;
            let rows = decoder.rows();
            let batch = decoder.take().unwrap();
            assert_eq!((batch.num_rows(), decoder.rows()), (rows, 0));
            // A row has at least two bytes, and a value at most some sixteen, and the offsets and bits beside them.
            let bound = (64 << 10) + data.len() * (1 + batch.num_columns()) * 64;
            assert!(batch.get_array_memory_size() < bound, "{} bytes", batch.get_array_memory_size());
            let kept = decoder.losses().take();
            malformed.extend(kept.into_iter().map(|rejected| (rejected.record, rejected.message)));
            let is_stuck = taken == 0 && batch.num_rows() == 0;
            batches.push(batch);
            if failed_at.is_some() {
                break 'parts;
            }
            if at == end || is_stuck {
                break;
            }
        }
        assert!(!last || at == data.len(), "all is taken in the end");
    }
    let rows = concat_batches(&batches[0].schema(), &batches).unwrap();
    Outcome { rows, losses: decoder.losses().count(), lines: decoder.lines(), malformed, failed_at }
}

/// Decodes bytes in one part and in two; what comes of them is the same.
fn same_wherever_cut(
    decoder: impl Fn() -> Box<dyn Decoder>,
    policy: Policy,
    data: &[u8],
    cut: Index,
    rows_max: usize,
) -> Result<(), TestCaseError> {
    let read = |cut: usize, rows_max: usize| {
        let mut decoder = decoder();
        if policy == Policy::Keep {
            decoder.losses().keep();
        }
        decode(decoder.as_mut(), data, cut, rows_max)
    };
    let whole = read(0, usize::MAX);
    prop_assert_eq!(policy == Policy::Fail || whole.failed_at.is_none(), true);
    prop_assert_eq!(&read(cut.index(data.len() + 1), rows_max), &whole);
    Ok(())
}

/// Columns of all types that text formats have.
fn scalars() -> Vec<(&'static str, DataType)> {
    vec![
        ("b", DataType::Boolean),
        ("t", DataType::TinyInt),
        ("n", DataType::SmallInt),
        ("i", DataType::Int),
        ("l", DataType::BigInt),
        ("f", DataType::Float),
        ("d", DataType::Double),
        ("c", DataType::Decimal(10, 3)),
        ("s", DataType::String),
        ("y", DataType::Bytes),
        ("day", DataType::Date),
        ("time", DataType::Time(0)),
        ("stamp", DataType::Timestamp(6)),
        ("instant", DataType::TimestampLtz(3)),
    ]
}

const JSON: [&str; 6] = [
    "{\"b\":true,\"t\":-128,\"n\":\" 7 \",\"i\":1e2,\"l\":9223372036854775807,\"f\":0.1,\"d\":-1.5E300,\"c\":\"12.345\"}\n",
    "{\"s\":\"\\u00e9\\ud83d\\ude00 \\\"x\\\"\",\"y\":\"AP8Q\",\"day\":\"2020-02-29\",\"time\":\"12:00:00.5\"}\n",
    "{\"stamp\":\"2020-07-23 12:00:00.123456\",\"instant\":\"2020-07-23 12:00:00.5Z\",\"unknown\":[1,{\"x\":\"]}\"}]}\r\n",
    "[{\"r\":{\"x\":[1,2,null],\"m\":{\"k\":1.5,\"k\":2}}},{\"r\":null,\"s\":{\"a\": [1.50, {}]}},{}]\n",
    "{\"r\":{\"m\":{},\"x\":[]},\"r\":{\"x\":[3]},\"s\":12}\n\n",
    "{\"s\":{\"a\":1,\"a\":-0,\"b\":[true,null,1e5,\"\\u0001\"]},\"d\":\"Infinity\"}",
];
const JSON_PARTS: [&str; 20] = [
    "{",
    "}",
    "[",
    "]",
    "\"",
    ":",
    ",",
    "\\",
    "\\u",
    "\\ud800",
    "null",
    "true",
    "1e999",
    "-",
    "0",
    "\n",
    " ",
    "[[[[[[[[[[[[",
    "{\"s\":",
    "2020-02-30",
];

#[test]
fn json_takes_any_bytes() {
    let row = DataType::Row(vec![
        Field::new("x", DataType::Array(Box::new(DataType::Int))),
        Field::new("m", DataType::Map(Box::new(DataType::String), Box::new(DataType::Double))),
    ]);
    let mut columns: Vec<_> = scalars().into_iter().map(|(name, data_type)| Column::new(name, data_type)).collect();
    let path =
        |path: &[&str], data_type| Column { path: path.iter().map(|name| (*name).to_owned()).collect(), data_type };
    columns.push(Column::new("r", row));
    columns.push(path(&["r", "x"], DataType::Array(Box::new(DataType::BigInt))));
    columns.push(path(&["r", "m", "k"], DataType::Int));
    let styles = select(vec![TimestampStyle::Sql, TimestampStyle::Iso8601]);
    let strategy = (bytes(&JSON, &JSON_PARTS), any::<Index>(), policies(), styles, any::<bool>(), 1usize..5);
    check(&strategy, |(data, cut, policy, timestamps, fail_on_missing, rows_max)| {
        let options = JsonOptions {
            timestamps,
            ignore_parse_errors: policy == Policy::Ignore,
            fail_on_missing_field: fail_on_missing && policy != Policy::Ignore,
            ..JsonOptions::default()
        };
        let decoder = || Box::new(JsonDecoder::new(&columns, options.clone()).unwrap()) as Box<dyn Decoder>;
        same_wherever_cut(decoder, policy, &data, cut, rows_max)
    });
}

const CSV: [&str; 5] = [
    "true,-128,7,100,9223372036854775807,0.1,-1.5E300,12.345,text,AP8Q,2020-02-29,12:00:00.5,2020-07-23 12:00:00.123456,2020-07-23 12:00:00Z,x;1,1;2;3\n",
    ",,,,,,,,\"a \"\"quoted\"\"\n text\",,2020-1-2,,,,\"x;\",\r\n",
    "# a comment\n\n",
    "NULL,NULL,,,,,,,NULL,,,,,,NULL,NULL\n",
    "false,1,2,3,4,5,6,7,\"open",
];
const CSV_PARTS: [&str; 14] =
    ["\"", "\"\"", ",", ";", "\\", "\\\"", "\n", "\r\n", "\r", "#", "NULL", " ", ",,,,,,,,,,,,,,,", "\"\n"];

#[test]
fn csv_takes_any_bytes() {
    let mut fields: Vec<_> = scalars().into_iter().map(|(name, data_type)| Field::new(name, data_type)).collect();
    let row = DataType::Row(vec![Field::new("x", DataType::String), Field::new("y", DataType::Int)]);
    fields.push(Field::new("r", row));
    fields.push(Field::new("a", DataType::Array(Box::new(DataType::Int))));
    let schema = Schema::new(fields);
    let mut columns: Vec<_> =
        schema.fields.iter().map(|field| Column::new(&field.name, field.data_type.clone())).collect();
    columns.push(Column { path: vec!["r".to_owned(), "y".to_owned()], data_type: DataType::Int });
    let quotes = select(vec![Some(b'"'), None, Some(b'\'')]);
    let escapes = select(vec![None, Some(b'\\'), Some(b'"')]);
    let kinds = (quotes, escapes, any::<bool>(), any::<bool>());
    let strategy = (bytes(&CSV, &CSV_PARTS), any::<Index>(), policies(), kinds, 1usize..5);
    check(&strategy, |(data, cut, policy, (quote, escape, has_null, allow_comments), rows_max)| {
        let options = CsvOptions {
            quote,
            escape,
            null_literal: has_null.then(|| "NULL".to_owned()),
            ignore_parse_errors: policy == Policy::Ignore,
            allow_comments,
            ..CsvOptions::default()
        };
        let decoder = || Box::new(CsvDecoder::new(&schema, &columns, options.clone()).unwrap()) as Box<dyn Decoder>;
        same_wherever_cut(decoder, policy, &data, cut, rows_max)
    });
}

#[test]
fn raw_takes_any_bytes() {
    let types = vec![
        DataType::String,
        DataType::Bytes,
        DataType::Boolean,
        DataType::TinyInt,
        DataType::SmallInt,
        DataType::Int,
        DataType::BigInt,
        DataType::Float,
        DataType::Double,
    ];
    let charsets = select(vec![Charset::Utf8, Charset::Latin1, Charset::Ascii]);
    let ends = select(vec![Endianness::Big, Endianness::Little]);
    let lines = bytes(&["text\n", "\0\0\0\0\r\n", "\u{e9}\n\n", "12345678\n"], &["\n", "\r", "\0", "\u{e9}"]);
    let policies = select(vec![Policy::Fail, Policy::Keep]);
    let strategy = (lines, any::<Index>(), policies, select(types), charsets, ends, 1usize..5);
    check(&strategy, |(data, cut, policy, data_type, charset, endianness, rows_max)| {
        let columns = [Column::new("c", data_type)];
        let options = RawOptions { charset, endianness };
        let decoder = || Box::new(RawDecoder::new(&columns, options)) as Box<dyn Decoder>;
        same_wherever_cut(decoder, policy, &data, cut, rows_max)
    });
}
