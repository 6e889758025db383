//! Windows over instants, in a zone whose clock is changed.

use std::sync::Arc;

use arrow::array::{Int64Array, RecordBatch, TimestampMillisecondArray};
use graph::{
    ChangelogMode, Node, OperatorSpec,
    operator::{
        AggregateCall, AggregateFunction, LocalAggregateSpec, WindowAggregateSpec, WindowAssignSpec, WindowKind,
    },
};
use model::{Batch, DataType, Field, Schema};

use super::harness::{Cluster, On};

const MINUTE: i64 = 60_000;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;
/// In Berlin it is then 2021-03-28, midnight; at 2 o'clock the clock is set to 3.
const SPRING: i64 = 1_616_886_000_000;
/// In Berlin it is then 2021-10-31, midnight; at 3 o'clock the clock is set to 2.
const AUTUMN: i64 = 1_635_631_200_000;

fn schema() -> Schema {
    Schema::new(vec![Field::new("k", DataType::BigInt), Field::new("t", DataType::TimestampLtz(3))])
}

fn batch(times: &[i64]) -> Batch {
    let times = TimestampMillisecondArray::from(times.to_vec()).with_data_type(DataType::TimestampLtz(3).to_arrow());
    let keys = Int64Array::from(vec![1; times.len()]);
    Batch::append(RecordBatch::try_new(schema().to_arrow(), vec![Arc::new(keys), Arc::new(times)]).expect("rows"))
}

fn count() -> AggregateCall {
    AggregateCall {
        function: AggregateFunction::Count,
        argument: None,
        second: None,
        filter: None,
        distinct: false,
        argument_type: DataType::Null,
        data_type: DataType::BigInt,
    }
}

fn bounds() -> [Field; 3] {
    [
        Field::new("window_start", DataType::Timestamp(3)),
        Field::new("window_end", DataType::Timestamp(3)),
        Field::new("window_time", DataType::TimestampLtz(3)),
    ]
}

/// An operator that gives these columns and those of a window.
fn node(fields: Vec<Field>, operator: OperatorSpec) -> Node {
    plain(fields.into_iter().chain(bounds()).collect(), operator)
}

fn plain(fields: Vec<Field>, operator: OperatorSpec) -> Node {
    Node {
        uid: "window".to_owned(),
        name: "Window".to_owned(),
        parallelism: None,
        schema: Schema::new(fields),
        changelog: ChangelogMode::APPEND,
        operator,
    }
}

fn spec(window: WindowKind, processing: bool) -> WindowAggregateSpec {
    WindowAggregateSpec {
        keys: vec![0],
        aggregates: vec![count()],
        time: 1,
        window,
        zone: Some("Europe/Berlin".to_owned()),
        processing,
        input: ChangelogMode::APPEND,
        partial: None,
    }
}

fn aggregation(window: WindowKind, processing: bool) -> Cluster {
    let fields = vec![schema().fields[0].clone(), Field::new("n", DataType::BigInt)];
    let node = node(fields, OperatorSpec::WindowAggregate(spec(window, processing)));
    Cluster::new(node, vec![schema()], vec![vec![0]])
}

/// Without the key.
fn windows(cluster: &mut Cluster) -> Vec<String> {
    cluster.take().into_iter().map(|(_, row)| row[1..].join(" ")).collect()
}

#[test]
fn a_day_in_which_the_clock_is_set_forward_has_23_hours() {
    let mut cluster = aggregation(WindowKind::Tumble { size: DAY, offset: 0 }, false);
    cluster.process(0, batch(&[SPRING - 1, SPRING, SPRING + 23 * HOUR - 1, SPRING + 23 * HOUR]));
    cluster.watermark(SPRING + 23 * HOUR - 2);
    assert_eq!(windows(&mut cluster), ["1 2021-03-27T00:00:00 2021-03-28T00:00:00 2021-03-27T22:59:59.999Z"]);
    cluster.restart(2, On::RocksDb);
    cluster.watermark(SPRING + 23 * HOUR - 1);
    assert_eq!(windows(&mut cluster), ["2 2021-03-28T00:00:00 2021-03-29T00:00:00 2021-03-28T21:59:59.999Z"]);
    cluster.process(0, batch(&[SPRING + 23 * HOUR - 1]));
    assert_eq!(cluster.late_rows, 1);
}

#[test]
fn a_day_in_which_the_clock_is_set_back_has_25_hours() {
    let mut cluster = aggregation(WindowKind::Tumble { size: DAY, offset: 0 }, false);
    cluster.process(0, batch(&[AUTUMN, AUTUMN + 25 * HOUR - 1, AUTUMN + 25 * HOUR]));
    cluster.watermark(AUTUMN + 25 * HOUR - 2);
    assert_eq!(windows(&mut cluster), Vec::<String>::new());
    cluster.watermark(AUTUMN + 25 * HOUR - 1);
    assert_eq!(windows(&mut cluster), ["2 2021-10-31T00:00:00 2021-11-01T00:00:00 2021-10-31T22:59:59.999Z"]);
}

#[test]
fn what_the_clock_shows_twice_is_in_one_window() {
    let mut cluster = aggregation(WindowKind::Tumble { size: HOUR, offset: 0 }, false);
    let twice = [AUTUMN + 2 * HOUR, AUTUMN + 3 * HOUR];
    cluster.process(0, batch(&[AUTUMN + 2 * HOUR - 1, twice[0] + 5]));
    // The hour before ends when the doubled one begins, and this when it is over the second time.
    cluster.watermark(twice[0] - 1);
    assert_eq!(windows(&mut cluster), ["1 2021-10-31T01:00:00 2021-10-31T02:00:00 2021-10-30T23:59:59.999Z"]);
    cluster.watermark(twice[1] + 30 * MINUTE);
    assert_eq!(windows(&mut cluster), Vec::<String>::new());
    cluster.process(0, batch(&[twice[0] + 7, twice[1] + 5]));
    assert_eq!(cluster.late_rows, 0);
    cluster.watermark(twice[1] + HOUR - 1);
    assert_eq!(windows(&mut cluster), ["3 2021-10-31T02:00:00 2021-10-31T03:00:00 2021-10-31T00:59:59.999Z"]);
}

#[test]
fn windows_that_end_in_skipped_time_fire_at_the_change() {
    let mut cluster = aggregation(WindowKind::Hop { size: 90 * MINUTE, slide: 30 * MINUTE, offset: 0 }, false);
    cluster.process(0, batch(&[SPRING + 2 * HOUR - 1]));
    cluster.watermark(SPRING + 2 * HOUR - 1);
    assert_eq!(windows(&mut cluster), ["1 2021-03-28T00:30:00 2021-03-28T02:00:00 2021-03-28T00:59:59.999Z"]);
    cluster.watermark(SPRING + 2 * HOUR);
    assert_eq!(
        windows(&mut cluster),
        [
            "1 2021-03-28T01:00:00 2021-03-28T02:30:00 2021-03-28T01:29:59.999Z",
            "1 2021-03-28T01:30:00 2021-03-28T03:00:00 2021-03-28T01:59:59.999Z",
        ]
    );
}

#[test]
fn sessions_are_told_by_the_local_clock() {
    let mut cluster = aggregation(WindowKind::Session { gap: HOUR }, false);
    // A minute lies between them, or an hour and one by the clock.
    cluster.process(0, batch(&[SPRING + 2 * HOUR - MINUTE, SPRING + 2 * HOUR]));
    cluster.watermark(i64::MAX);
    assert_eq!(
        windows(&mut cluster),
        [
            "1 2021-03-28T01:59:00 2021-03-28T02:59:00 2021-03-28T01:58:59.999Z",
            "1 2021-03-28T03:00:00 2021-03-28T04:00:00 2021-03-28T01:59:59.999Z",
        ]
    );
}

#[test]
fn with_processing_time_a_day_ends_when_the_clock_says_so() {
    let mut cluster = aggregation(WindowKind::Tumble { size: DAY, offset: 0 }, true);
    cluster.set_clock(AUTUMN + HOUR);
    cluster.process(0, batch(&[0]));
    cluster.processing_time(AUTUMN + 25 * HOUR - 1);
    assert_eq!(windows(&mut cluster), Vec::<String>::new());
    cluster.processing_time(AUTUMN + 25 * HOUR);
    assert_eq!(windows(&mut cluster), ["1 2021-10-31T00:00:00 2021-11-01T00:00:00 2021-10-31T22:59:59.999Z"]);
}

#[test]
fn rows_get_the_windows_of_the_zone() {
    let spec = WindowAssignSpec {
        time: 1,
        window: WindowKind::Cumulate { size: DAY, step: 12 * HOUR, offset: 0 },
        zone: Some("Europe/Berlin".to_owned()),
        processing: false,
        keys: vec![],
    };
    let node = node(schema().fields, OperatorSpec::WindowAssign(spec));
    let mut cluster = Cluster::new(node, vec![schema()], vec![vec![]]);
    cluster.process(0, batch(&[SPRING + 11 * HOUR - 1]));
    assert_eq!(
        windows(&mut cluster),
        [
            "2021-03-28T09:59:59.999Z 2021-03-28T00:00:00 2021-03-29T00:00:00 2021-03-28T21:59:59.999Z",
            "2021-03-28T09:59:59.999Z 2021-03-28T00:00:00 2021-03-28T12:00:00 2021-03-28T09:59:59.999Z",
        ]
    );
}

#[test]
fn two_phases_agree_on_the_windows() {
    let window = WindowKind::Tumble { size: DAY, offset: 0 };
    let WindowAggregateSpec { keys, aggregates, zone, .. } = spec(window, false);
    let partial = [Field::new("$slice_end", DataType::BigInt), Field::new("$accumulators", DataType::Bytes)];
    let fields: Vec<Field> = schema().fields[..1].iter().cloned().chain(partial).collect();
    let spec_of_local = LocalAggregateSpec { keys, aggregates, window: Some((1, window)), zone };
    let local = plain(fields.clone(), OperatorSpec::LocalAggregate(spec_of_local));
    let mut first = Cluster::new(local, vec![schema()], vec![vec![0]]);
    first.process(0, batch(&[SPRING, SPRING + 23 * HOUR - 1, SPRING + 23 * HOUR]));
    first.watermark(SPRING);
    let global = WindowAggregateSpec { partial: Some(schema()), ..spec(window, false) };
    let results = vec![schema().fields[0].clone(), Field::new("n", DataType::BigInt)];
    let node = node(results, OperatorSpec::WindowAggregate(global));
    let mut second = Cluster::new(node, vec![Schema::new(fields)], vec![vec![0]]);
    for batch in std::mem::take(&mut first.emitted) {
        second.process(0, batch);
    }
    second.watermark(SPRING + 23 * HOUR - 1);
    assert_eq!(windows(&mut second), ["2 2021-03-28T00:00:00 2021-03-29T00:00:00 2021-03-28T21:59:59.999Z"]);
}
