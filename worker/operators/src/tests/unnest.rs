//! `UNNEST`.

use std::sync::Arc;

use arrow::{
    array::{ArrayRef, Int64Builder, ListBuilder, MapBuilder, MapFieldNames, RecordBatch, StringBuilder, StructArray},
    buffer::{NullBuffer, OffsetBuffer},
};
use graph::{ChangelogMode, Node, OperatorSpec, operator::UnnestSpec};
use model::{
    Batch, DataType, Field, RowKind,
    RowKind::{Delete, Insert, UpdateAfter, UpdateBefore},
    Schema,
};

use super::harness::Cluster;

fn cluster(collection: &DataType, elements: &[(&str, DataType)], outer: bool, ordinality: bool) -> Cluster {
    let input = Schema::new(vec![Field::new("all", collection.clone())]);
    let mut fields = input.fields.clone();
    fields.extend(elements.iter().map(|(name, data_type)| Field::new(*name, data_type.clone())));
    let node = Node {
        uid: "unnest".to_owned(),
        name: "Correlate".to_owned(),
        parallelism: None,
        schema: Schema::new(fields),
        changelog: ChangelogMode::ALL,
        operator: OperatorSpec::Unnest(UnnestSpec { column: 0, keep: false, outer, ordinality }),
    };
    Cluster::new(node, vec![input], vec![vec![]])
}

fn batch(collection: &DataType, column: ArrayRef, kinds: Option<&[RowKind]>) -> Batch {
    let schema = Schema::new(vec![Field::new("all", collection.clone())]).to_arrow();
    let column = arrow::compute::cast(&column, schema.field(0).data_type()).expect("the same but for names");
    let kinds = kinds.map(|kinds| kinds.iter().map(|kind| *kind as u8).collect());
    Batch::new(RecordBatch::try_new(schema, vec![column]).expect("fits"), kinds)
}

/// Lists of numbers; `None` is a null list.
fn lists(lists: &[Option<Vec<Option<i64>>>]) -> ArrayRef {
    let mut builder = ListBuilder::new(Int64Builder::new());
    for list in lists {
        match list {
            Some(list) => builder.append_value(list.iter().copied()),
            None => builder.append_null(),
        }
    }
    Arc::new(builder.finish())
}

/// Kind and the columns behind the collection.
fn elements(cluster: &mut Cluster) -> Vec<String> {
    let changes = cluster.take().into_iter();
    changes.map(|(kind, row)| format!("{} {}", kind.short(), row[1..].join(" "))).collect()
}

#[test]
fn each_element_is_a_row() {
    let numbers = DataType::Array(Box::new(DataType::BigInt));
    let column = || lists(&[Some(vec![Some(7), None]), None, Some(vec![]), Some(vec![Some(8)])]);
    let mut inner = cluster(&numbers, &[("n", DataType::BigInt)], false, false);
    inner.process(0, batch(&numbers, column(), None));
    assert_eq!(elements(&mut inner), ["+I 7", "+I NULL", "+I 8"]);
    let mut outer = cluster(&numbers, &[("n", DataType::BigInt), ("nr", DataType::Int)], true, true);
    outer.process(0, batch(&numbers, column(), None));
    assert_eq!(elements(&mut outer), ["+I 7 1", "+I NULL 2", "+I NULL NULL", "+I NULL NULL", "+I 8 1"]);
}

#[test]
fn updates_are_deletes_and_inserts_of_elements() {
    let numbers = DataType::Array(Box::new(DataType::BigInt));
    let mut cluster = cluster(&numbers, &[("n", DataType::BigInt)], false, false);
    let column = lists(&[Some(vec![Some(1), Some(2)]), Some(vec![Some(3)]), Some(vec![Some(4)])]);
    cluster.process(0, batch(&numbers, column, Some(&[UpdateBefore, UpdateAfter, Delete])));
    assert_eq!(elements(&mut cluster), ["-D 1", "-D 2", "+I 3", "-D 4"]);
}

#[test]
fn the_fields_of_rows_are_columns() {
    let fields = vec![Field::new("a", DataType::BigInt), Field::new("s", DataType::String)];
    let rows = DataType::Array(Box::new(DataType::Row(fields)));
    let arrow::datatypes::DataType::List(item) = rows.to_arrow() else { panic!("a list") };
    let arrow::datatypes::DataType::Struct(of) = item.data_type().clone() else { panic!("rows") };
    let (mut a, mut s) = (Int64Builder::new(), StringBuilder::new());
    for (number, text) in [(1, "x"), (2, "y"), (3, "z")] {
        a.append_value(number);
        s.append_value(text);
    }
    let nulls = NullBuffer::from(vec![true, false, true]);
    let values = StructArray::new(of, vec![Arc::new(a.finish()), Arc::new(s.finish())], Some(nulls));
    let offsets = OffsetBuffer::from_lengths([2, 1]);
    let column = arrow::array::ListArray::new(item, offsets, Arc::new(values), None);
    let mut cluster = cluster(&rows, &[("a", DataType::BigInt), ("s", DataType::String)], false, false);
    cluster.process(0, batch(&rows, Arc::new(column), None));
    assert_eq!(elements(&mut cluster), ["+I 1 x", "+I NULL NULL", "+I 3 z"]);
}

#[test]
fn the_entries_of_maps_are_keys_and_values() {
    let map = DataType::Map(Box::new(DataType::String), Box::new(DataType::BigInt));
    let [entry, key, value] = ["entries", "key", "value"].map(str::to_owned);
    let names = MapFieldNames { entry, key, value };
    let mut builder = MapBuilder::new(Some(names), StringBuilder::new(), Int64Builder::new());
    builder.keys().append_value("k");
    builder.values().append_value(1);
    builder.append(true).expect("an entry");
    builder.append(false).expect("none");
    let column: ArrayRef = Arc::new(builder.finish());
    let mut cluster = cluster(&map, &[("k", DataType::String), ("v", DataType::BigInt)], false, false);
    cluster.process(0, batch(&map, column, None));
    assert_eq!(elements(&mut cluster), ["+I k 1"]);
}

#[test]
fn many_elements_come_in_pieces() {
    let numbers = DataType::Array(Box::new(DataType::BigInt));
    let mut cluster = cluster(&numbers, &[("n", DataType::BigInt), ("nr", DataType::Int)], false, true);
    let long: Vec<Option<i64>> = (0..50_000).map(Some).collect();
    cluster.process(0, batch(&numbers, lists(&[Some(long.clone()), Some(long)]), None));
    let found: Vec<String> = cluster
        .take()
        .into_iter()
        .map(|(kind, row)| {
            assert_eq!(kind, Insert);
            row[2].clone()
        })
        .collect();
    assert_eq!((found.len(), found[49_999].as_str(), found[50_000].as_str()), (100_000, "50000", "1"));
}
