//! The forms of this crate are as they were, bit by bit, and the register is in order.

use std::{collections::BTreeSet, sync::Arc};

use arrow::array::{
    ArrayRef, BinaryArray, BooleanArray, Date32Array, Decimal128Array, DurationMillisecondArray, Float32Array,
    Float64Array, Int8Array, Int16Array, Int32Array, Int64Array, IntervalYearMonthArray, ListArray, MapBuilder,
    MapFieldNames, NullArray, RecordBatch, StringArray, StringBuilder, StructArray, Time32MillisecondArray,
    TimestampMicrosecondArray, TimestampMillisecondArray, TimestampNanosecondArray,
};
use arrow::{
    array::Int32Builder,
    datatypes::{Field as ArrowField, Int16Type, Schema as ArrowSchema},
};

use super::*;
use crate::{DataType, ErrorClass, Instant, key, row, timestamp};

#[path = "../../../../tests/fixtures/stored.rs"]
mod fixtures;
use fixtures::Fixture;

#[test]
fn the_register_is_in_order_and_names_are_unique() {
    assert!(FORMS.is_sorted_by_key(|form| form.number));
    let numbers: BTreeSet<_> = FORMS.iter().map(|form| form.number).collect();
    let names: BTreeSet<_> = FORMS.iter().map(|form| form.name).collect();
    assert_eq!((numbers.len(), names.len()), (FORMS.len(), FORMS.len()));
    let mut stored = BTreeSet::new();
    for form in FORMS {
        assert!(form.versions.is_sorted() && !form.versions.is_empty(), "{}", form.name);
        if let Table(names) | List(names) = form.place {
            names.iter().for_each(|name| assert!(stored.insert(*name), "{name} has two forms"));
        }
    }
}

#[test]
fn a_form_is_found_by_the_name_it_is_stored_under() {
    assert_eq!(of_table("values-12-v1").map(|form| form.name), Some("values"));
    assert_eq!(of_table("groups-v1").map(|form| form.name), Some("accumulators"));
    assert_eq!(of_list("watermark").map(|form| form.name), Some("number"));
    for unknown in ["values--v1", "values-x-v1", "groups-v2", "watermark", ""] {
        assert_eq!(of_table(unknown), None, "{unknown}");
    }
    assert_eq!(of_list("groups-v1"), None);
}

fn list() -> ListArray {
    ListArray::from_iter_primitive::<Int16Type, _, _>([Some(vec![Some(1), None, Some(-3)]), None, Some(vec![])])
}

fn map() -> arrow::array::MapArray {
    let names = MapFieldNames { entry: "entries".into(), key: "key".into(), value: "value".into() };
    let mut map = MapBuilder::new(Some(names), StringBuilder::new(), Int32Builder::new());
    map.keys().append_value("k");
    map.values().append_value(2);
    map.append(true).unwrap();
    map.append(false).unwrap();
    map.append(true).unwrap();
    map.finish()
}

fn nested() -> StructArray {
    let ints: ArrayRef = Arc::new(Int32Array::from(vec![Some(1), None, Some(-1)]));
    let texts: ArrayRef = Arc::new(StringArray::from(vec![None, Some("z"), Some("")]));
    let field = |name: &str, array: &ArrayRef| Arc::new(ArrowField::new(name, array.data_type().clone(), true));
    StructArray::from(vec![(field("x", &ints), ints.clone()), (field("y", &texts), texts.clone())])
}

/// The first moment of the year 1, and the last one of the year 9999.
fn wide(is_instant: bool) -> ArrayRef {
    let first = Instant { millis: -62_135_596_800_000, nanos: 1 };
    let last = Instant { millis: 253_402_300_799_999, nanos: 999_999 };
    let data_type = if is_instant { DataType::TimestampLtz(9) } else { DataType::Timestamp(9) };
    timestamp::column([Some(last), None, Some(first)].into_iter(), &data_type.to_arrow()).unwrap()
}

/// Three values of each type: a positive or large one, null, a negative or small one.
fn columns() -> Vec<(&'static str, ArrayRef)> {
    vec![
        ("null", Arc::new(NullArray::new(3))),
        ("boolean", Arc::new(BooleanArray::from(vec![Some(true), None, Some(false)]))),
        ("tinyint", Arc::new(Int8Array::from(vec![Some(5), None, Some(i8::MIN)]))),
        ("smallint", Arc::new(Int16Array::from(vec![Some(0x0102), None, Some(-1)]))),
        ("int", Arc::new(Int32Array::from(vec![Some(0x0102_0304), None, Some(-1)]))),
        ("bigint", Arc::new(Int64Array::from(vec![Some(0x0102_0304_0506_0708), None, Some(-1)]))),
        ("float", Arc::new(Float32Array::from(vec![Some(1.5), None, Some(-0.0)]))),
        ("double", Arc::new(Float64Array::from(vec![Some(-2.25), None, Some(f64::NAN)]))),
        (
            "decimal",
            Arc::new(Decimal128Array::from(vec![Some(1250), None, Some(-1)]).with_precision_and_scale(38, 2).unwrap()),
        ),
        ("string", Arc::new(StringArray::from(vec![Some("Straße"), None, Some("")]))),
        ("bytes", Arc::new(BinaryArray::from(vec![Some(b"\x00\xff".as_slice()), None, Some(b"")]))),
        ("date", Arc::new(Date32Array::from(vec![Some(20_000), None, Some(-1)]))),
        ("time", Arc::new(Time32MillisecondArray::from(vec![Some(86_399_999), None, Some(0)]))),
        ("timestamp-3", Arc::new(TimestampMillisecondArray::from(vec![Some(1_700_000_000_123), None, Some(-1)]))),
        ("timestamp-6", Arc::new(TimestampMicrosecondArray::from(vec![Some(1_700_000_000_123_456), None, Some(-1)]))),
        (
            "timestamp-9",
            Arc::new(TimestampNanosecondArray::from(vec![Some(1_700_000_000_123_456_789), None, Some(-1)])),
        ),
        (
            "timestamp-ltz-3",
            Arc::new(TimestampMillisecondArray::from(vec![Some(5), None, Some(-1)]).with_timezone("UTC")),
        ),
        ("interval-day-time", Arc::new(DurationMillisecondArray::from(vec![Some(86_400_000), None, Some(-1)]))),
        ("interval-year-month", Arc::new(IntervalYearMonthArray::from(vec![Some(13), None, Some(-1)]))),
        ("row", Arc::new(nested())),
        ("array", Arc::new(list())),
        ("map", Arc::new(map())),
    ]
}

#[test]
fn rows_are_stored_as_ever() {
    let mut fixture = Fixture::open("row", u32::from(row::ENCODING_VERSION));
    let mut check = |name: &str, columns: Vec<ArrayRef>| {
        let fields = columns.iter().map(|column| ArrowField::new("c", column.data_type().clone(), true));
        let schema = Arc::new(ArrowSchema::new(fields.collect::<Vec<_>>()));
        let rows = row::encode(&columns, 3).unwrap();
        let frozen: Vec<_> = (0..3).map(|index| fixture.written(&format!("{name}-{index}"), rows.row(index))).collect();
        let decoded = row::decode(&schema, frozen.iter().map(Vec::as_slice)).unwrap();
        // -0.0 is stored as 0.0.
        if name != "float" && name != "all" {
            assert_eq!(decoded, RecordBatch::try_new(schema.clone(), columns).unwrap(), "{name}");
        }
        let again = row::encode_batch(&decoded).unwrap();
        (0..3).for_each(|index| assert_eq!(again.row(index), frozen[index], "{name}"));
        let mut single = Vec::new();
        for (index, frozen) in frozen.iter().enumerate() {
            single.clear();
            decoded.columns().iter().for_each(|column| row::encode_value(column, index, &mut single).unwrap());
            assert_eq!(&single, frozen, "{name}, value by value");
        }
        fixtures::survives(&frozen, |bytes| match row::decode(&schema, [bytes]) {
            Ok(row) => Some(row.get_array_memory_size()),
            Err(failure) => {
                assert_eq!(failure.class, ErrorClass::Data, "{failure}");
                None
            }
        });
    };
    for (name, column) in columns() {
        check(name, vec![column]);
    }
    check("all", columns().into_iter().map(|(_, column)| column).collect());
    // Those in 64 bits, above, are what builds before had of the same types.
    check("timestamp-9-of-128-bits", vec![wide(false)]);
    check("timestamp-ltz-9-of-128-bits", vec![wide(true)]);
    fixture.finish();
}

#[test]
fn keys_hash_as_ever() {
    let mut fixture = Fixture::open("key-hash", 1);
    let long: Vec<u8> = (0..=255).collect();
    let mut keys: Vec<Vec<u8>> = (0..=17).map(|length| long[1..=length].to_vec()).collect();
    keys.push(b"the quick brown fox".to_vec());
    keys.push(long);
    keys.push(vec![0xff; 64]);
    for key in keys {
        let name: String = key.iter().map(|byte| format!("{byte:02x}")).collect();
        let hash = fixture.written(&format!("0x{name}"), &key::hash(&key).to_be_bytes());
        let hash = u64::from_be_bytes(hash.try_into().unwrap());
        let groups = [1, 128, 200, 32_768].map(|max| key::key_group(hash, max).to_be_bytes()).concat();
        fixture.written(&format!("groups of 0x{name}"), &groups);
    }
    fixture.finish();
}

#[test]
fn key_groups_are_divided_as_ever() {
    for (parallelism, max, expected) in [
        (3, 8, vec![(0, 2), (3, 5), (6, 7)]),
        (2, 128, vec![(0, 63), (64, 127)]),
        (5, 7, vec![(0, 1), (2, 2), (3, 4), (5, 5), (6, 6)]),
    ] {
        let ranges = (0..parallelism).map(|subtask| key::range_of(subtask, parallelism, max));
        assert_eq!(ranges.map(|range| (*range.start(), *range.end())).collect::<Vec<_>>(), expected);
    }
}
