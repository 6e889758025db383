//! Files that are written: staged, committed, rolled, in folders.

use commit::{Prepared, StagedFile};

use super::*;
use crate::testing::HandClock;

#[tokio::test]
async fn nothing_is_visible_before_the_commit_and_all_after_however_often() {
    let directory = tempfile::tempdir().unwrap();
    let table = table(directory.path(), "json", &[]);
    let environment = environment();
    let mut first = super::sink(&table, &environment);
    first.write(batch(0..10)).await.unwrap();
    let prepared = first.prepare().await.unwrap();
    first.write(batch(10..20)).await.unwrap();
    let lost = first.prepare().await.unwrap();
    assert_eq!((prepared.len(), lost.len()), (1, 1));
    assert!(visible(directory.path()).is_empty());
    drop(first);

    // Killed between prepare and commit: the restored attempt commits what the checkpoint holds, more than once.
    let mut second = super::sink(&table, &environment);
    for _ in 0..3 {
        second.commit(&prepared).await.unwrap();
        assert_eq!(visible(directory.path()).len(), 1);
    }
    second.write(batch(10..30)).await.unwrap();
    let again = second.prepare().await.unwrap();
    second.commit(&again).await.unwrap();
    assert_eq!(rows(&source_of_all(table), 1).await, lines(0..30));
    assert!(second.prepare().await.unwrap().is_empty());
}

fn prepared_files(prepared: &[dataflow::sink::Committable]) -> Vec<StagedFile> {
    prepared.iter().flat_map(|item| Prepared::from_item(item).unwrap().files).collect()
}

#[tokio::test]
async fn a_commit_that_was_cut_short_is_finished_and_not_repeated() {
    let directory = tempfile::tempdir().unwrap();
    let table = table(directory.path(), "json", &[]);
    let environment = environment();
    let mut sink = super::sink(&table, &environment);
    sink.write(batch(0..10)).await.unwrap();
    let prepared = sink.prepare().await.unwrap();
    let file = prepared_files(&prepared).remove(0);
    // Killed behind the copy.
    environment.storage.copy(&file.staged, &file.target).await.unwrap();
    super::sink(&table, &environment).commit(&prepared).await.unwrap();
    assert_eq!(rows(&source_of_all(table.clone()), 1).await, lines(0..10));
    assert!(!environment.storage.exists(&file.staged).await.unwrap());

    // Killed behind the mark, and the file is moved away meanwhile: it is not made again.
    environment.storage.copy(&file.target, &file.staged).await.unwrap();
    environment.storage.delete(&file.target).await.unwrap();
    super::sink(&table, &environment).commit(&prepared).await.unwrap();
    assert!(visible(directory.path()).is_empty());
    assert!(!environment.storage.exists(&file.staged).await.unwrap());
}

#[tokio::test]
async fn a_file_that_is_nowhere_is_lost_unless_it_was_committed() {
    let directory = tempfile::tempdir().unwrap();
    let table = table(directory.path(), "json", &[]);
    let environment = environment();
    let mut sink = super::sink(&table, &environment);
    let mut prepared = Vec::new();
    for n in 0..2 {
        sink.write(batch(n * 10..(n + 1) * 10)).await.unwrap();
        prepared.push(sink.prepare().await.unwrap());
    }
    sink.commit(&prepared[0]).await.unwrap();
    for file in prepared_files(&prepared.concat()) {
        environment.storage.delete(&file.staged).await.unwrap();
        environment.storage.delete(&file.target).await.unwrap();
    }
    for mut sink in [sink, super::sink(&table, &environment)] {
        sink.commit(&prepared[0]).await.unwrap();
        let failure = sink.commit(&prepared[1]).await.unwrap_err();
        assert_eq!(failure.class, ErrorClass::Data);
        let lost = &prepared_files(&prepared[1])[0];
        let expected = format!("{}: the prepared file is gone, and {} was never made", lost.staged, lost.target);
        assert!(failure.message.starts_with(&expected), "{failure}");
    }
    // Snapshots of engines that left no marks hold files alone, and cannot tell.
    let old = serde_json::to_vec(&prepared_files(&prepared[1])[0]).unwrap();
    super::sink(&table, &environment).commit(&[checkpoint::Item(old)]).await.unwrap();
    let newer = checkpoint::Item(b"{\"version\":2,\"files\":[]}".to_vec());
    let failure = super::sink(&table, &environment).commit(&[newer]).await.unwrap_err();
    assert_eq!(failure.message, "prepared files in the snapshot: version 2 is newer than this build's 1");
}

/// A sink whose clock is set by hand.
fn sink_at(table: &TableSpec) -> (Box<dyn Sink>, Arc<HandClock>) {
    let (clock, mut context) = (Arc::<HandClock>::default(), context(0, 1));
    context.clock = clock.clone();
    let spec = SinkSpec { table: table.clone(), input: ChangelogMode::APPEND };
    (crate::build_sink(&spec, &mut context, &environment()).unwrap(), clock)
}

#[tokio::test]
async fn files_roll_by_age() {
    let directory = tempfile::tempdir().unwrap();
    let (mut sink, clock) =
        sink_at(&table(directory.path(), "json", &[("sink.rolling-policy.rollover-interval", "10 s")]));
    for now_ms in [0, 9_999, 10_000, 10_001, 20_001] {
        clock.set(now_ms);
        sink.write(batch(0..10)).await.unwrap();
    }
    // The third write closes the first file, the fifth the second.
    assert_eq!(prepared_files(&sink.prepare().await.unwrap()).len(), 2);
}

/// Rows of a table that is partitioned by `s`.
fn partitioned(table: &TableSpec, partitions: &[&str]) -> Batch {
    let values = StringArray::from_iter_values(partitions);
    let numbers = Int64Array::from_iter_values(0..partitions.len() as i64);
    Batch::append(RecordBatch::try_new(table.schema.to_arrow(), vec![Arc::new(numbers), Arc::new(values)]).unwrap())
}

/// A table that is partitioned by `s` and tells of partitions a minute after their first file.
fn telling(path: &Path) -> TableSpec {
    let options = [("sink.partition-commit.policy.kind", "success-file"), ("sink.partition-commit.delay", "1 min")];
    TableSpec { partitioned_by: vec![1], ..table(path, "json", &options) }
}

/// The partitions that readers are told of.
fn told(directory: &Path) -> Vec<String> {
    let files = visible(directory).into_iter();
    files.filter_map(|file| file.strip_suffix("/_SUCCESS").map(str::to_owned)).collect()
}

#[tokio::test]
async fn partitions_that_a_savepoint_holds_are_told_of_by_the_next_checkpoint() {
    let directory = tempfile::tempdir().unwrap();
    let table = telling(directory.path());
    let (mut sink, clock) = sink_at(&table);
    sink.write(partitioned(&table, &["a"])).await.unwrap();
    // A savepoint is not committed but with the checkpoint behind it.
    let mut prepared = sink.prepare().await.unwrap();
    clock.set(60_001);
    prepared.extend(sink.prepare().await.unwrap());
    sink.commit(&prepared).await.unwrap();
    assert_eq!(told(directory.path()), ["s=a"]);
    assert!(sink.prepare().await.unwrap().is_empty(), "and not again");

    // A file that comes between a checkpoint and its commit is told of with its own.
    sink.write(partitioned(&table, &["b"])).await.unwrap();
    clock.set(120_002);
    let first = sink.prepare().await.unwrap();
    sink.write(partitioned(&table, &["b"])).await.unwrap();
    sink.commit(&first).await.unwrap();
    assert_eq!(told(directory.path()), ["s=a", "s=b"]);
    std::fs::remove_file(directory.path().join("s=b/_SUCCESS")).unwrap();
    sink.watermark(model::Watermark::MAX);
    let last = sink.prepare().await.unwrap();
    sink.commit(&last).await.unwrap();
    assert_eq!(told(directory.path()), ["s=a", "s=b"]);
}

#[tokio::test]
async fn readers_are_told_of_partitions_behind_their_files() {
    let directory = tempfile::tempdir().unwrap();
    let table = telling(directory.path());
    assert!(crate::catalog().sink(&table).unwrap().by_partition);
    let told = || told(directory.path());
    let (mut sink, clock) = sink_at(&table);
    sink.write(partitioned(&table, &["a", "b"])).await.unwrap();
    clock.set(30_000);
    sink.write(partitioned(&table, &["c"])).await.unwrap();
    let first = sink.prepare().await.unwrap();
    sink.commit(&first).await.unwrap();
    assert!(told().is_empty());
    clock.set(60_001);
    let second = sink.prepare().await.unwrap();
    assert!(told().is_empty(), "not before the checkpoint is complete");

    // Killed here: what waits is in the snapshot.
    let (mut restored, clock) = sink_at(&table);
    clock.set(60_002);
    restored.commit(&second).await.unwrap();
    assert_eq!(told(), ["s=a", "s=b"]);
    restored.watermark(model::Watermark::MAX);
    let last = restored.prepare().await.unwrap();
    restored.commit(&last).await.unwrap();
    assert_eq!(told(), ["s=a", "s=b", "s=c"], "all, at the end");
    assert!(restored.prepare().await.unwrap().is_empty());
    assert_eq!(rows(&source_of_all(table), 1).await, ["0|a", "0|c", "1|b"]);
}

#[tokio::test]
async fn files_roll_by_size_and_partitions_are_folders() {
    let directory = tempfile::tempdir().unwrap();
    let rolling = table(&directory.path().join("rolling"), "csv", &[("sink.rolling-policy.file-size", "10 kb")]);
    let environment = environment();
    let mut sink = super::sink(&rolling, &environment);
    for n in 0..10 {
        sink.write(batch(n * 100..(n + 1) * 100)).await.unwrap();
    }
    let prepared = sink.prepare().await.unwrap();
    let count = prepared_files(&prepared).len();
    assert!((3..8).contains(&count), "{count}");
    sink.commit(&prepared).await.unwrap();
    assert_eq!(rows(&source_of_all(rolling), 2).await.len(), 1000);

    let folders = directory.path().join("folders");
    let mut table = table(&folders, "json", &[]);
    table.partitioned_by = vec![1];
    let values = StringArray::from(vec![Some("12:30"), None, Some("a"), Some("a")]);
    let numbers = Int64Array::from(vec![1, 2, 3, 4]);
    let columns = RecordBatch::try_new(table.schema.to_arrow(), vec![Arc::new(numbers), Arc::new(values)]).unwrap();
    let mut sink = super::sink(&table, &environment);
    sink.write(Batch::append(columns)).await.unwrap();
    let prepared = sink.prepare().await.unwrap();
    sink.commit(&prepared).await.unwrap();
    let files = visible(&folders);
    let names: Vec<_> = files.iter().map(|file| file.split('/').next().unwrap()).collect();
    assert_eq!(names, ["s=12%3A30", "s=__DEFAULT_PARTITION__", "s=a"]);
    assert_eq!(std::fs::read_to_string(folders.join(&files[2])).unwrap(), "{\"n\":3}\n{\"n\":4}\n");
    assert_eq!(rows(&source_of_all(table.clone()), 2).await, ["1|12:30", "2|null", "3|a", "4|a"]);
    let mut only = source_of(table, &[("s", DataType::String)]);
    assert_eq!(rows(&only, 1).await, ["12:30", "a", "a", "null"]);

    // A condition on folders alone keeps others from being opened.
    std::fs::write(folders.join(&files[0]), "not JSON").unwrap();
    std::fs::write(folders.join(&files[1]), "not JSON").unwrap();
    let text = Expr::Literal { value: Value::String("a".to_owned()), data_type: DataType::String };
    only.filters = vec![Expr::call("=", vec![Expr::Column(0), text], DataType::Boolean)];
    assert_eq!(rows(&only, 2).await, ["a", "a"]);
}

#[tokio::test]
async fn what_a_killed_attempt_did_not_finish_is_deleted_by_the_next() {
    let directory = tempfile::tempdir().unwrap();
    let table = table(directory.path(), "json", &[]);
    let environment = environment();
    let mut first = super::sink(&table, &environment);
    first.start("job");
    first.write(batch(0..10)).await.unwrap();
    let staged = prepared_files(&first.prepare().await.unwrap()).remove(0).staged;
    let (folder, name) = staged.rsplit_once('/').unwrap();
    let left = |name: &str| format!("{folder}/.{name}.0123456789ab.unfinished");
    let another = name.replacen("-0-", "-1-", 1);
    // As if its process had been killed; the second is of a subtask that the next attempt has, too.
    for name in [left(name), left("part-of-another")] {
        std::fs::write(name, "{").unwrap();
    }
    assert_ne!(another, name);
    let spec = SinkSpec { table: table.clone(), input: ChangelogMode::APPEND };
    let mut second = crate::build_sink(&spec, &mut context(0, 2), &environment).unwrap();
    std::fs::write(left(&another), "{").unwrap();
    second.start("job");
    let deadline = std::time::Instant::now() + Duration::from_secs(20);
    while Path::new(&left(name)).exists() {
        assert!(std::time::Instant::now() < deadline, "it stays");
        tokio::task::yield_now().await;
    }
    for kept in [staged.clone(), left(&another), left("part-of-another")] {
        assert!(Path::new(&kept).exists(), "{kept}");
    }
}
