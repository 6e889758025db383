use std::sync::{Arc, Mutex};

use arrow::{
    array::{
        ArrayRef, BooleanArray, Decimal128Array, Float32Array, Float64Array, Int64Array, ListArray, RecordBatch,
        StringArray, StructArray, TimestampMillisecondArray,
    },
    buffer::ScalarBuffer,
    datatypes::Int32Type,
};
use model::Batch;

use super::*;
use crate::testing::{context, environment, table};

fn batch() -> Batch {
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("a", Arc::new(Int64Array::from(vec![Some(1), None]))),
        ("b", Arc::new(StringArray::from(vec!["a", "b"]))),
        ("c", Arc::new(Float64Array::from(vec![1.5, 12_345_678.0]))),
        ("d", Arc::new(Float32Array::from(vec![0.1, 0.00012]))),
        ("e", Arc::new(TimestampMillisecondArray::from(vec![0, 1_123]))),
        ("f", Arc::new(TimestampMillisecondArray::from(vec![0, 1_100]).with_timezone("UTC"))),
        ("g", Arc::new(Decimal128Array::from(vec![-5, 12_345]).with_precision_and_scale(10, 2).unwrap())),
        ("h", Arc::new(BooleanArray::from(vec![true, false]))),
        ("i", Arc::new(ListArray::from_iter_primitive::<Int32Type, _, _>(vec![Some(vec![Some(1), None]), None]))),
        (
            "j",
            Arc::new(StructArray::from(vec![(
                Arc::new(arrow::datatypes::Field::new("x", arrow::datatypes::DataType::Int64, true)),
                Arc::new(Int64Array::from(vec![7, 8])) as ArrayRef,
            )])),
        ),
    ];
    let columns = RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|(n, a)| (n, a, true))).unwrap();
    Batch::changelog(columns, ScalarBuffer::from(vec![0, 3]))
}

async fn print(options: &[(&str, &str)], subtask: u32, parallelism: u32) -> String {
    let written = Arc::new(Mutex::new(Vec::<u8>::new()));
    let mut environment = environment();
    if options.contains(&("standard-error", "true")) {
        environment.errors = written.clone();
    } else {
        environment.output = written.clone();
    }
    let spec = SinkSpec { table: table("t", options), input: ChangelogMode::ALL };
    let mut sink = crate::build_sink(&spec, &mut context(subtask, parallelism), &environment).unwrap();
    sink.write(batch()).await.unwrap();
    assert!(sink.prepare().await.unwrap().is_empty());
    String::from_utf8(written.lock().unwrap().clone()).unwrap()
}

#[tokio::test]
async fn rows_look_as_in_flink() {
    assert_eq!(
        print(&[("connector", "print")], 0, 1).await,
        "+I[1, a, 1.5, 0.1, 1970-01-01T00:00, 1970-01-01T00:00:00Z, -0.05, true, [1, null], +I[7]]\n\
         -D[null, b, 1.2345678E7, 1.2E-4, 1970-01-01T00:00:01.123, 1970-01-01T00:00:01.100Z, 123.45, false, null, +I[8]]\n"
    );
}

#[tokio::test]
async fn the_prefix_tells_identifier_and_subtask() {
    assert!(print(&[("connector", "print")], 1, 2).await.starts_with("2> +I[1, "));
    assert!(print(&[("connector", "print"), ("print-identifier", "out")], 0, 1).await.starts_with("out> +I[1, "));
    assert!(print(&[("connector", "print"), ("standard-error", "true")], 0, 1).await.starts_with("+I[1, "));
    assert!(print(&[("connector", "print"), ("print-identifier", "out")], 1, 2).await.starts_with("out:2> +I[1, "));
}
