//! Fields inside rows, and columns whose types in the file are others than in the table.

use arrow::array::{
    ArrayRef, BooleanArray, Decimal128Array, Float64Array, Int64Array, ListArray, MapBuilder, StringArray,
    StringBuilder, StructArray, Time64MicrosecondArray, Time64MicrosecondBuilder, TimestampNanosecondArray,
};
use arrow::datatypes::{DataType as Arrow, Fields, Int32Type, SchemaRef, TimestampNanosecondType};
use arrow::util::display::array_value_to_string;
use parquet::arrow::ArrowWriter;

use super::*;

/// A file of one column, `c`, as another program may have written it.
fn foreign(array: ArrayRef) -> Vec<u8> {
    let field = arrow::datatypes::Field::new("c", array.data_type().clone(), true);
    let batch = RecordBatch::try_new(SchemaRef::new(arrow::datatypes::Schema::new(vec![field])), vec![array]).unwrap();
    let mut file = Vec::new();
    let mut writer = ArrowWriter::try_new(&mut file, batch.schema(), None).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
    file
}

/// What is read of a column, or the message why it is not.
fn read_as(file: &[u8], path: &str, data_type: DataType) -> Result<Vec<String>, String> {
    let column = Column { path: path.split('.').map(str::to_owned).collect(), data_type };
    let footer = Footer::parse(file, file.len() as u64, &[column]).map_err(|failure| failure.message)?.ok().unwrap();
    let mut group = footer.row_group(0);
    for range in group.ranges() {
        let bytes = Bytes::copy_from_slice(&file[range.start as usize..range.end as usize]);
        group.add(range, bytes);
    }
    let batch = group.open(0).unwrap().next(1000).map_err(|failure| {
        assert_eq!(failure.class, model::ErrorClass::Data);
        failure.message
    })?;
    let batch = batch.unwrap();
    let shown = |row| array_value_to_string(batch.column(0), row).unwrap();
    Ok((0..batch.num_rows()).map(shown).collect())
}

#[test]
fn values_that_would_become_others_are_refused() {
    let floats = foreign(Arc::new(Float64Array::from(vec![Some(1.0), None, Some(-0.0), Some(2.9)])));
    let whole = foreign(Arc::new(Float64Array::from(vec![Some(1.0), None, Some(-0.0)])));
    let large = foreign(Arc::new(Float64Array::from(vec![1.5, 1e39])));
    let decimals = Decimal128Array::from(vec![12_300, 12_345]).with_precision_and_scale(10, 4).unwrap();
    let decimals = foreign(Arc::new(decimals));
    let numbers = foreign(Arc::new(Int64Array::from(vec![1, 2])));
    let texts = foreign(Arc::new(StringArray::from(vec!["2020-01-01 00:00:00", "1"])));
    let refused = [
        (&floats, DataType::Int, "column c: 2.9 does not fit into Int32"),
        (&floats, DataType::Decimal(10, 0), "column c: 2.9 does not fit into Decimal128(10, 0)"),
        (&large, DataType::Float, "column c: 1e39 does not fit into Float32"),
        (&decimals, DataType::Decimal(10, 2), "column c: 1.2345 does not fit into Decimal128(10, 2)"),
        (&decimals, DataType::BigInt, "column c: 1.2300 does not fit into Int64"),
        (&numbers, DataType::Boolean, "column c: 2 does not fit into Boolean"),
        (&texts, DataType::Timestamp(3), "column c: the file has text, which is no Timestamp(ms)"),
        (&texts, DataType::Int, "column c: the file has text, which is no Int32"),
    ];
    for (file, data_type, expected) in refused {
        assert_eq!(read_as(file, "c", data_type), Err(expected.to_owned()));
    }
    let taken: [(&[u8], DataType, &[&str]); 5] = [
        (&whole, DataType::Int, &["1", "", "0"]),
        (&floats, DataType::Float, &["1.0", "", "-0.0", "2.9"]),
        (&decimals, DataType::Decimal(20, 6), &["1.230000", "1.234500"]),
        (&numbers, DataType::TinyInt, &["1", "2"]),
        (&numbers, DataType::Decimal(10, 1), &["1.0", "2.0"]),
    ];
    for (file, data_type, expected) in taken {
        assert_eq!(read_as(file, "c", data_type.clone()).unwrap(), expected, "{data_type}");
    }
}

#[test]
fn times_have_the_digits_of_their_precision() {
    let times = foreign(Arc::new(Time64MicrosecondArray::from(vec![43_201_987_654])));
    let stamps = foreign(Arc::new(TimestampNanosecondArray::from(vec![-12_345_678])));
    let cases = [
        (&times, DataType::Time(0), "12:00:01"),
        (&times, DataType::Time(2), "12:00:01.980"),
        (&times, DataType::Time(3), "12:00:01.987"),
        (&stamps, DataType::Timestamp(0), "1969-12-31T23:59:59"),
        (&stamps, DataType::Timestamp(2), "1969-12-31T23:59:59.980"),
        (&stamps, DataType::Timestamp(3), "1969-12-31T23:59:59.987"),
        (&stamps, DataType::Timestamp(6), "1969-12-31T23:59:59.987654"),
        (&stamps, DataType::Timestamp(5), "1969-12-31T23:59:59.987650"),
    ];
    for (file, data_type, expected) in cases {
        assert_eq!(read_as(file, "c", data_type.clone()).unwrap(), [expected], "{data_type}");
    }
}

#[test]
fn times_inside_have_the_digits_of_their_precision_too() {
    let lists: ArrayRef = Arc::new(ListArray::from_iter_primitive::<TimestampNanosecondType, _, _>([
        Some(vec![Some(-12_345_678), None]),
        None,
    ]));
    let mut maps = MapBuilder::new(None, StringBuilder::new(), Time64MicrosecondBuilder::new());
    maps.keys().append_value("k");
    maps.values().append_value(43_201_987_654);
    maps.append(true).unwrap();
    let maps: ArrayRef = Arc::new(maps.finish());
    let list = DataType::Array(Box::new(DataType::Timestamp(2)));
    assert_eq!(read_as(&foreign(lists), "c", list).unwrap(), ["[1969-12-31T23:59:59.980, ]", ""]);
    let map = DataType::Map(Box::new(DataType::String), Box::new(DataType::Time(0)));
    assert_eq!(read_as(&foreign(maps), "c", map).unwrap(), ["{k: 12:00:01}"]);
}

/// `ROW<x BIGINT, s ROW<y STRING, z DOUBLE>>`, the second one null, and of the third one the row inside.
fn nested() -> ArrayRef {
    let nullable = |name: &str, data_type| arrow::datatypes::Field::new(name, data_type, true);
    let fields = Fields::from(vec![nullable("y", Arrow::Utf8), nullable("z", Arrow::Float64)]);
    let inner: ArrayRef = Arc::new(StructArray::new(
        fields.clone(),
        vec![
            Arc::new(StringArray::from(vec![Some("a"), Some("hidden"), Some("hidden")])),
            Arc::new(Float64Array::from(vec![1.0, 2.5, 3.5])),
        ],
        Some(vec![true, true, false].into()),
    ));
    let fields = Fields::from(vec![nullable("x", Arrow::Int64), nullable("s", Arrow::Struct(fields))]);
    let numbers: ArrayRef = Arc::new(Int64Array::from(vec![1, 2, 3]));
    Arc::new(StructArray::new(fields, vec![numbers, inner], Some(vec![true, false, true].into())))
}

#[test]
fn fields_are_found_by_name_however_deep() {
    let file = foreign(nested());
    let row = |fields: Vec<(&str, DataType)>| {
        DataType::Row(fields.into_iter().map(|(name, data_type)| Field::new(name, data_type)).collect())
    };
    let cases = [
        ("c.x", DataType::Int, ["1", "", "3"]),
        ("c.s.y", DataType::String, ["a", "", ""]),
        ("c.s.z", DataType::Int, ["1", "", ""]),
        ("c.s.missing", DataType::Int, ["", "", ""]),
        ("c.missing.y", DataType::Int, ["", "", ""]),
        // In another order, with a field that the file does not have.
        (
            "c.s",
            row(vec![("z", DataType::Double), ("w", DataType::Int), ("y", DataType::String)]),
            ["{z: 1.0, w: , y: a}", "", ""],
        ),
        ("c", row(vec![("s", row(vec![("y", DataType::String)]))]), ["{s: {y: a}}", "", "{s: }"]),
    ];
    for (path, data_type, expected) in cases {
        assert_eq!(read_as(&file, path, data_type).unwrap(), expected, "{path}");
    }
    let failure = read_as(&file, "c.x.y", DataType::Int).unwrap_err();
    assert_eq!(failure, "column c.x.y: x is no row in the file");
}

#[test]
fn items_of_lists_and_maps_are_cast_as_columns_are() {
    let lists: ArrayRef =
        Arc::new(ListArray::from_iter_primitive::<Int32Type, _, _>([Some(vec![Some(1), None, Some(300)]), None]));
    let file = foreign(lists);
    let of = |item: DataType| DataType::Array(Box::new(item));
    assert_eq!(read_as(&file, "c", of(DataType::BigInt)).unwrap(), ["[1, , 300]", ""]);
    let failure = read_as(&file, "c", of(DataType::TinyInt)).unwrap_err();
    assert!(failure.starts_with("column c: ") && failure.contains("300"), "{failure}");
    assert_eq!(read_as(&file, "c", of(DataType::Boolean)).unwrap_err(), "column c: 300 does not fit into Boolean");
    let flags = foreign(Arc::new(BooleanArray::from(vec![true, false])));
    assert_eq!(read_as(&flags, "c", DataType::Int).unwrap(), ["1", "0"]);
}
