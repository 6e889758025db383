//! Window table functions.

use graph::{
    ChangelogMode, Node, OperatorSpec,
    operator::{WindowAssignSpec, WindowKind},
};
use model::{
    DataType, Field,
    RowKind::{Insert, UpdateAfter, UpdateBefore},
    Schema,
};

use super::{
    harness::Cluster,
    rows::{K, Row, T, batch, schema},
};

fn cluster(window: WindowKind) -> Cluster {
    let mut fields = schema().fields;
    for name in ["window_start", "window_end", "window_time"] {
        fields.push(Field::new(name, DataType::Timestamp(3)));
    }
    let node = Node {
        uid: "assign".to_owned(),
        name: "WindowAssign".to_owned(),
        parallelism: None,
        schema: Schema::new(fields),
        changelog: ChangelogMode::APPEND,
        operator: OperatorSpec::WindowAssign(WindowAssignSpec {
            time: T,
            window,
            zone: None,
            processing: false,
            keys: vec![],
        }),
    };
    Cluster::new(node, vec![schema()], vec![vec![]])
}

fn row(k: i64, t: impl Into<Option<i64>>) -> Row {
    Row { k: Some(k), t: t.into(), ..Row::default() }
}

/// Kind, key and window of what came out.
fn windows(cluster: &mut Cluster) -> Vec<(String, String, String, String)> {
    let short = |time: &str| time.trim_start_matches("1970-01-01T").trim_start_matches("1969-12-31T").to_owned();
    let changes = cluster.take().into_iter();
    changes
        .map(|(kind, row)| (format!("{} {}", kind.short(), row[K]), short(&row[8]), short(&row[9]), short(&row[10])))
        .collect()
}

fn expected(kind_and_key: &str, start: &str, end: &str, time: &str) -> (String, String, String, String) {
    (kind_and_key.to_owned(), start.to_owned(), end.to_owned(), time.to_owned())
}

#[test]
fn tumbling_windows_are_aligned_downwards_and_take_an_offset() {
    let mut cluster = cluster(WindowKind::Tumble { size: 10_000, offset: 1_000 });
    cluster.process(0, batch(&[(Insert, row(1, 1_000)), (Insert, row(2, 999)), (Insert, row(3, -9_001))]));
    assert_eq!(
        windows(&mut cluster),
        [
            expected("+I 1", "00:00:01", "00:00:11", "00:00:10.999"),
            expected("+I 2", "23:59:51", "00:00:01", "00:00:00.999"),
            expected("+I 3", "23:59:41", "23:59:51", "23:59:50.999"),
        ]
    );
}

#[test]
fn a_row_without_a_time_is_dropped_and_counted() {
    let mut cluster = cluster(WindowKind::Tumble { size: 10_000, offset: 0 });
    cluster.process(0, batch(&[(Insert, row(1, None)), (Insert, row(2, 0))]));
    assert_eq!(windows(&mut cluster), [expected("+I 2", "00:00:00", "00:00:10", "00:00:09.999")]);
    assert_eq!(cluster.late_rows, 1);
}

#[test]
fn hopping_windows_repeat_rows_and_keep_pairs_together() {
    let mut cluster = cluster(WindowKind::Hop { size: 10_000, slide: 5_000, offset: 0 });
    cluster.process(0, batch(&[(UpdateBefore, row(1, 7_000)), (UpdateAfter, row(1, 8_000)), (Insert, row(2, 4_999))]));
    assert_eq!(
        windows(&mut cluster),
        [
            expected("-U 1", "00:00:05", "00:00:15", "00:00:14.999"),
            expected("+U 1", "00:00:05", "00:00:15", "00:00:14.999"),
            expected("-U 1", "00:00:00", "00:00:10", "00:00:09.999"),
            expected("+U 1", "00:00:00", "00:00:10", "00:00:09.999"),
            expected("+I 2", "00:00:00", "00:00:10", "00:00:09.999"),
            expected("+I 2", "23:59:55", "00:00:05", "00:00:04.999"),
        ]
    );
}

#[test]
fn many_windows_for_many_rows_come_in_pieces() {
    let mut cluster = cluster(WindowKind::Hop { size: 20_000, slide: 1_000, offset: 0 });
    let rows: Vec<_> = (0..4096).map(|k| (Insert, row(k, k))).collect();
    cluster.process(0, batch(&rows));
    assert_eq!(cluster.take().len(), 4096 * 20);
}

#[test]
fn a_row_between_windows_is_in_none_and_many_windows_of_one_row_fill_many_batches() {
    let mut cluster = cluster(WindowKind::Hop { size: 5_000, slide: 10_000, offset: 0 });
    cluster.process(0, batch(&[(Insert, row(1, 7_000)), (Insert, row(2, 12_000))]));
    assert_eq!(windows(&mut cluster), [expected("+I 2", "00:00:10", "00:00:15", "00:00:14.999")]);
    cluster.process(0, batch(&[(Insert, row(3, 5_000))]));
    assert_eq!((windows(&mut cluster), cluster.late_rows), (vec![], 0));
    let mut cluster = self::cluster(WindowKind::Hop { size: 20_000, slide: 1, offset: 0 });
    cluster.process(0, batch(&[(UpdateBefore, row(1, 0)), (UpdateAfter, row(1, 0)), (Insert, row(2, 0))]));
    assert!(cluster.emitted.iter().all(|batch| batch.rows() <= 4097));
    assert_eq!(cluster.take().len(), 60_000);
}
