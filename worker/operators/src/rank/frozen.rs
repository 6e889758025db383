//! The stored forms of ranks are as they were, byte by byte.

use std::sync::Arc;

use arrow::array::{ArrayRef, Float64Array, Int64Array, RecordBatch, StringArray};
use graph::operator::SortColumn;
use model::{DataType, Field, Schema};

use super::{Order, RankedRows, below::Stored, rows::Rest};
use crate::{
    fixtures::{self, Fixture},
    tests::frozen_value,
};

#[test]
fn ranked_rows_are_stored_as_ever() {
    let mut fixture = Fixture::open("ranked-rows", 1);
    frozen_value::check(&mut fixture, "none", &RankedRows::default());
    let mut rows = RankedRows::default();
    rows.insert(b"\x01sort", b"a row", false);
    rows.insert(b"\x02", b"", false);
    frozen_value::check(&mut fixture, "two", &rows);
    rows.set_rest(Some(Rest::default()));
    let rest = rows.rest_mut().unwrap();
    rest.rows = 0x0102;
    let numbers = (rest.before_first(), rest.after_last(), rest.after_last());
    assert_eq!(numbers, (-1, 1, 2));
    frozen_value::check(&mut fixture, "two, and some below", &rows);
    frozen_value::survives::<RankedRows>(&fixture.finish());
}

#[test]
fn rows_below_are_stored_as_ever() {
    let mut fixture = Fixture::open("rows-below", 1);
    for (name, sort, row, number) in
        [("a row", b"\x01sort".as_slice(), b"row".as_slice(), 0x0102), ("empty", b"", b"", -1)]
    {
        let frozen = fixture.written(name, &Stored::new(sort, row, number).0);
        assert_eq!(Stored::parts(&frozen), Some((sort, row, number)), "{name}");
    }
    fixtures::survives(&fixture.finish(), |bytes| Stored::parts(bytes).map(|(sort, row, _)| sort.len() + row.len()));
}

#[test]
fn sort_keys_are_stored_as_ever() {
    let mut fixture = Fixture::open("sort-key", 1);
    let schema = Schema::new(vec![
        Field::new("i", DataType::BigInt),
        Field::new("f", DataType::Double),
        Field::new("s", DataType::String),
    ]);
    let columns: Vec<ArrayRef> = vec![
        Arc::new(Int64Array::from(vec![Some(0x0102), Some(-1), None])),
        Arc::new(Float64Array::from(vec![Some(1.5), Some(-1.5), None])),
        Arc::new(StringArray::from(vec![Some("a\0b"), Some(""), None])),
    ];
    let batch = RecordBatch::try_new(schema.to_arrow(), columns).unwrap();
    for (name, descending, nulls_first) in
        [("up", false, false), ("down", true, false), ("up, nulls first", false, true)]
    {
        let columns: Vec<_> = (0..3).map(|column| SortColumn { column, descending, nulls_first }).collect();
        let keys = Order::new(&columns, &schema).unwrap().encode(&batch).unwrap();
        (0..3).for_each(|row| {
            fixture.written(&format!("{name} {row}"), keys.row(row));
        });
    }
    fixture.finish();
}
