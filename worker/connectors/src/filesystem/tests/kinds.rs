//! Formats that are not for every table: changes, and lines as they are.

use model::RowKind;

use super::*;

#[tokio::test]
async fn changes_are_written_as_debezium_does() {
    let directory = tempfile::tempdir().unwrap();
    let table = table(directory.path(), "debezium-json", &[]);
    assert_eq!(crate::catalog().sink(&table).unwrap().changelog, ChangelogMode::ALL);
    let kinds = [RowKind::Insert, RowKind::UpdateBefore, RowKind::UpdateAfter, RowKind::Delete];
    let rows = batch(1..5);
    let changes = Batch::changelog(rows.columns().clone(), kinds.iter().map(|kind| *kind as u8).collect());
    let mut sink = super::sink(&table, &environment());
    sink.write(changes).await.unwrap();
    let prepared = sink.prepare().await.unwrap();
    sink.commit(&prepared).await.unwrap();
    let file = directory.path().join(&visible(directory.path())[0]);
    let row = |n: i64| format!("{{\"n\":{n},\"s\":\"text {n}, \\\"q\\\"\\n{}\"}}", "x".repeat(n as usize));
    let inserted = |n| format!("{{\"before\":null,\"after\":{},\"op\":\"c\"}}\n", row(n));
    let deleted = |n| format!("{{\"before\":{},\"after\":null,\"op\":\"d\"}}\n", row(n));
    assert_eq!(std::fs::read_to_string(file).unwrap(), inserted(1) + &deleted(2) + &inserted(3) + &deleted(4));

    let failure = crate::catalog().source(&table).unwrap_err();
    assert_eq!(failure.message, "table t: format debezium-json can only be written");
    let append = super::table(directory.path(), "json", &[]);
    assert_eq!(crate::catalog().sink(&append).unwrap().changelog, ChangelogMode::APPEND);
}

#[tokio::test]
async fn raw_lines_are_written_read_and_resumed() {
    let directory = tempfile::tempdir().unwrap();
    let mut table = table(directory.path(), "raw", &[]);
    let failure = crate::catalog().source(&table).unwrap_err();
    assert_eq!(failure.message, "table t: format raw has one column, not 2");
    table.schema.fields.remove(0);
    let texts: Vec<String> = (0..20_000).map(|n| format!("{n:05} {{not json")).collect();
    let columns = StringArray::from_iter_values(&texts);
    let columns = RecordBatch::try_new(table.schema.to_arrow(), vec![Arc::new(columns)]).unwrap();
    let mut sink = super::sink(&table, &environment());
    sink.write(Batch::append(columns)).await.unwrap();
    let prepared = sink.prepare().await.unwrap();
    sink.commit(&prepared).await.unwrap();
    let files = visible(directory.path());
    assert!(files[0].ends_with(".txt"), "{files:?}");
    let spec = source_of_all(table);
    assert_eq!(rows(&spec, 2).await, texts);
    assert_eq!(read_with_restores(&spec, &environment(), &[(2, 5000), (1, 9000)], 3).await, texts);
}
