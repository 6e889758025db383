//! The order of rows as bytes: a row comes before another if its sort key is less.
//!
//! Version 1, part of what is stored. Each column is a tag byte (0 or 2 for null, 1 for a value) and its value: fixed
//! widths as in the row encoding, floats with their bits turned so that they sort, strings and bytes with `00` written
//! `00 FF` and ended by `00 00`. In descending order the value's bytes are inverted.

use arrow::{array::RecordBatch, datatypes::DataType as Arrow};
use graph::operator::SortColumn;
use model::{
    Failure, Schema,
    row::{self, Rows},
};

const NULL_FIRST: u8 = 0;
const VALUE: u8 = 1;
const NULL_LAST: u8 = 2;
/// The tag and the length before a string in the row encoding.
const TEXT_HEADER: usize = 1 + size_of::<u32>();

/// The columns of an `ORDER BY`.
pub(crate) struct Order {
    columns: Vec<(SortColumn, Shape)>,
}

/// How a value's bytes in the row encoding become bytes that sort.
#[derive(Clone, Copy)]
enum Shape {
    Sorted,
    Float,
    Text,
}

impl Order {
    pub(crate) fn new(columns: &[SortColumn], input: &Schema) -> Result<Self, Failure> {
        let columns = columns.iter().map(|column| {
            let field = input.fields.get(column.column);
            let field = field.ok_or_else(|| Failure::internal(format!("there is no column {}", column.column)))?;
            let shape = match field.data_type.to_arrow() {
                Arrow::Float32 | Arrow::Float64 => Shape::Float,
                Arrow::Utf8 | Arrow::Binary => Shape::Text,
                Arrow::Struct(_) | Arrow::List(_) | Arrow::Map(..) => {
                    return Err(Failure::user(format!("rows cannot be sorted by a {}", field.data_type)));
                }
                _ => Shape::Sorted,
            };
            Ok((*column, shape))
        });
        Ok(Self { columns: columns.collect::<Result<_, _>>()? })
    }

    /// The sort keys of a batch's rows.
    pub(crate) fn encode(&self, batch: &RecordBatch) -> Result<Rows, Failure> {
        let encoded = self
            .columns
            .iter()
            .map(|(column, _)| row::encode(std::slice::from_ref(batch.column(column.column)), batch.num_rows()));
        let encoded = encoded.collect::<Result<Vec<_>, _>>()?;
        let mut keys = Rows::default();
        let mut key = Vec::new();
        for row in 0..batch.num_rows() {
            key.clear();
            for ((column, shape), values) in self.columns.iter().zip(&encoded) {
                push(&mut key, *column, *shape, values.row(row));
            }
            keys.push(&key);
        }
        Ok(keys)
    }
}

/// Appends a value; `encoded` is its tag and bytes in the row encoding.
fn push(key: &mut Vec<u8>, column: SortColumn, shape: Shape, encoded: &[u8]) {
    if encoded[0] == 0 {
        key.push(if column.nulls_first { NULL_FIRST } else { NULL_LAST });
        return;
    }
    key.push(VALUE);
    let start = key.len();
    match shape {
        Shape::Sorted => key.extend_from_slice(&encoded[1..]),
        Shape::Float => {
            let negative = encoded[1] & 0x80 != 0;
            key.extend_from_slice(&encoded[1..]);
            match &mut key[start..] {
                value if negative => invert(value),
                value => value[0] ^= 0x80,
            }
        }
        Shape::Text => {
            for &byte in &encoded[TEXT_HEADER..] {
                key.push(byte);
                if byte == 0 {
                    key.push(0xFF);
                }
            }
            key.extend_from_slice(&[0, 0]);
        }
    }
    if column.descending {
        invert(&mut key[start..]);
    }
}

fn invert(bytes: &mut [u8]) {
    bytes.iter_mut().for_each(|byte| *byte = !*byte);
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{ArrayRef, Float64Array, Int64Array, StringArray};
    use model::{DataType, Field};

    use super::*;

    /// Whether sort keys of values that are given in order are in that order, and the other way round if descending.
    fn sorts(data_type: DataType, values: ArrayRef) {
        let schema = Schema::new(vec![Field::new("c", data_type)]);
        let batch = RecordBatch::try_new(schema.to_arrow(), vec![values]).unwrap();
        for descending in [false, true] {
            let column = SortColumn { column: 0, descending, nulls_first: !descending };
            let keys = Order::new(&[column], &schema).unwrap().encode(&batch).unwrap();
            let keys: Vec<&[u8]> = keys.iter().collect();
            assert!(keys.windows(2).all(|pair| (pair[0] < pair[1]) != descending), "{keys:?}");
        }
    }

    #[test]
    fn keys_sort_as_values_do() {
        sorts(DataType::BigInt, Arc::new(Int64Array::from(vec![None, Some(i64::MIN), Some(-1), Some(0), Some(7)])));
        let floats = [f64::NEG_INFINITY, -2.5, -1e-300, 0.0, 1e-300, 3.5, f64::INFINITY, f64::NAN];
        sorts(DataType::Double, Arc::new(Float64Array::from(floats.to_vec())));
        let texts = ["", "\0", "\0\0", "\0a", "a", "a\0", "aa", "b", "é"];
        sorts(DataType::String, Arc::new(StringArray::from(texts.to_vec())));
    }

    #[test]
    fn nulls_stand_where_they_are_told_to() {
        let schema = Schema::new(vec![Field::new("c", DataType::BigInt)]);
        let values: ArrayRef = Arc::new(Int64Array::from(vec![Some(5), None]));
        let batch = RecordBatch::try_new(schema.to_arrow(), vec![values]).unwrap();
        for (descending, nulls_first) in [(false, false), (false, true), (true, false), (true, true)] {
            let column = SortColumn { column: 0, descending, nulls_first };
            let keys = Order::new(&[column], &schema).unwrap().encode(&batch).unwrap();
            assert_eq!(keys.row(1) < keys.row(0), nulls_first);
        }
    }
}
