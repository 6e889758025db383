//! State of timestamps of more than six digits: kept exactly from the year 1 to 9999, stored as ever, and refused where an
//! earlier build kept them in 64 bits.

use std::sync::Arc;

use arrow::{
    array::{Int64Array, RecordBatch},
    buffer::ScalarBuffer,
};
use graph::{
    ChangelogMode, Node, OperatorSpec,
    operator::{AggregateCall, AggregateFunction, GroupAggregateSpec, RankSpec, SortColumn},
};
use model::{
    Batch, DataType, ErrorClass, Field, Instant,
    RowKind::{self, Delete, Insert},
    Schema, timestamp,
};

use super::harness::{Change, Cluster, On};
use crate::fixtures::Fixture;

/// The version of the fixture with the state of operators.
const VERSION: u32 = 1;

const FIRST: Instant = Instant { millis: -62_135_596_800_000, nanos: 1 };
const LAST: Instant = Instant { millis: 253_402_300_799_999, nanos: 999_999 };
const BETWEEN: Instant = Instant { millis: 1_700_000_000_000, nanos: 1 };

/// A key, a value and a number.
type Row = (Instant, Option<Instant>, i64);

fn schema() -> Schema {
    Schema::new(vec![
        Field::new("k", DataType::Timestamp(9)),
        Field::new("l", DataType::TimestampLtz(9)),
        Field::new("v", DataType::BigInt),
    ])
}

fn batch(rows: &[(RowKind, Row)]) -> Batch {
    let types: Vec<_> = schema().fields.iter().map(|field| field.data_type.to_arrow()).collect();
    let keys = timestamp::column(rows.iter().map(|(_, row)| Some(row.0)), &types[0]).unwrap();
    let values = timestamp::column(rows.iter().map(|(_, row)| row.1), &types[1]).unwrap();
    let numbers = Arc::new(rows.iter().map(|(_, row)| row.2).collect::<Int64Array>());
    let kinds: ScalarBuffer<u8> = rows.iter().map(|(kind, _)| *kind as u8).collect();
    Batch::changelog(RecordBatch::try_new(schema().to_arrow(), vec![keys, values, numbers]).unwrap(), kinds)
}

fn before() -> Batch {
    batch(&[
        (Insert, (FIRST, Some(FIRST), 1)),
        (Insert, (FIRST, Some(LAST), 2)),
        (Insert, (FIRST, Some(BETWEEN), 3)),
        (Insert, (LAST, None, 4)),
        (Insert, (LAST, Some(BETWEEN), 5)),
        (Delete, (LAST, Some(BETWEEN), 5)),
    ])
}

fn after() -> Batch {
    batch(&[(Delete, (FIRST, Some(LAST), 2)), (Insert, (LAST, Some(FIRST), 6)), (Insert, (BETWEEN, Some(LAST), 7))])
}

fn aggregated() -> (OperatorSpec, Schema) {
    let call = |function, distinct, data_type| AggregateCall {
        function,
        argument: Some(1),
        second: None,
        filter: None,
        distinct,
        argument_type: DataType::TimestampLtz(9),
        data_type,
    };
    let aggregates = vec![
        call(AggregateFunction::Min, false, DataType::TimestampLtz(9)),
        call(AggregateFunction::Max, false, DataType::TimestampLtz(9)),
        call(AggregateFunction::Count, true, DataType::BigInt),
    ];
    let results = aggregates.iter().map(|call| Field::new(call.function.name(), call.data_type.clone()));
    let output = Schema::new(std::iter::once(schema().fields[0].clone()).chain(results).collect());
    let spec = GroupAggregateSpec {
        keys: vec![0],
        aggregates,
        input: ChangelogMode::ALL,
        emit_update_before: true,
        partial: None,
    };
    (OperatorSpec::GroupAggregate(spec), output)
}

fn ranked() -> (OperatorSpec, Schema) {
    let spec = RankSpec {
        partition: vec![0],
        order: vec![SortColumn { column: 1, descending: true, nulls_first: false }],
        from: 1,
        to: 1,
        latest_first: false,
        window_end: None,
        zone: None,
        with_number: false,
        input: ChangelogMode::ALL,
        emit_update_before: true,
    };
    (OperatorSpec::Rank(spec), schema())
}

fn cluster((operator, output): (OperatorSpec, Schema)) -> Cluster {
    let node = Node {
        uid: "operator".to_owned(),
        name: "Operator".to_owned(),
        parallelism: None,
        schema: output,
        changelog: ChangelogMode::ALL,
        operator,
    };
    Cluster::new(node, vec![schema()], vec![vec![0]])
}

/// What comes out of a batch; the order of keys depends on the parallelism.
fn changes(cluster: &mut Cluster, batch: Batch) -> Vec<Change> {
    cluster.take();
    cluster.process(0, batch);
    cluster.flush();
    let mut changes = cluster.take();
    changes.sort_by(|a, b| format!("{a:?}").cmp(&format!("{b:?}")));
    changes
}

#[test]
fn they_are_stored_as_ever_and_go_on_exactly() {
    let mut fixture = Fixture::open("operators/fine-times", VERSION);
    for (name, operator) in [("aggregate", aggregated()), ("first rows", ranked())] {
        let mut running = cluster(operator.clone());
        running.process(0, before());
        running.flush();
        let stored = running.stored();
        for ((table, namespace, key), value) in &stored.entries {
            let key: String = key.iter().map(|byte| format!("{byte:02x}")).collect();
            fixture.written(&format!("{name}, {table} {namespace} {key}"), value);
        }
        for (index, item) in stored.lists["signature"].iter().enumerate() {
            fixture.written(&format!("{name}, list signature {index}"), &item.0);
        }
        let expected = changes(&mut running, after());
        assert!(!expected.is_empty());
        for (parallelism, on) in [(1, On::HashMap), (3, On::RocksDb)] {
            let mut restored = cluster(operator.clone());
            restored.restore(&stored, parallelism, on).expect("restored");
            assert_eq!(changes(&mut restored, after()), expected, "{name} on {on:?}");
        }
    }
    fixture.finish();
}

#[test]
fn values_are_kept_to_the_nanosecond() {
    let mut running = cluster(aggregated());
    running.process(0, before());
    running.flush();
    let mut rows = Vec::new();
    for batch in &running.emitted {
        let at = |column: usize, row| timestamp::instant_at(batch.column(column).as_ref(), row);
        rows.extend((0..batch.rows()).map(|row| [at(0, row), at(1, row), at(2, row)]));
    }
    assert!(rows.contains(&[Some(FIRST), Some(FIRST), Some(LAST)]), "{rows:?}");
    assert!(rows.contains(&[Some(LAST), None, None]), "{rows:?}");
}

#[test]
fn state_with_64_bits_is_refused_by_its_reason() {
    for operator in [aggregated(), ranked()] {
        let mut running = cluster(operator.clone());
        running.process(0, before());
        running.flush();
        let mut stored = running.stored();
        for item in stored.lists.get_mut("signature").expect("a signature") {
            let text = String::from_utf8(item.0.clone()).unwrap();
            assert!(text.contains(" OF 128 BITS"), "{text}");
            item.0 = text.replace(" OF 128 BITS", "").into_bytes();
        }
        let refused = cluster(operator).restore(&stored, 1, On::HashMap).expect_err("refused");
        assert_eq!(refused.class, ErrorClass::User);
        assert!(refused.message.contains("in 64 bits, as earlier builds kept them"), "{refused}");
    }
}
