mod compressed;
mod kinds;
mod listed;
mod malformed;
mod sink;
mod told;

use std::{
    collections::{BTreeMap, BTreeSet},
    io::Write as _,
    path::Path,
    sync::Arc,
};

use arrow::array::{Int64Array, RecordBatch, StringArray};
use dataflow::{Sink, Source, SourceEvent};
use graph::{
    Expr, TableSpec, Value,
    operator::{SinkSpec, SourceSpec},
};
use model::{Batch, DataType, ErrorClass, Field};

use super::*;
use crate::{
    Environment,
    testing::{context, environment, read, read_with_restores, snapshot, source_of, source_of_all, table_of},
};

fn columns() -> Vec<(&'static str, DataType)> {
    vec![("n", DataType::BigInt), ("s", DataType::String)]
}

fn table(path: &Path, format: &str, options: &[(&str, &str)]) -> TableSpec {
    let mut table = table_of(&columns(), options);
    for (name, value) in [("connector", "filesystem"), ("path", path.to_str().unwrap()), ("format", format)] {
        table.options.insert(name.to_owned(), value.to_owned());
    }
    table
}

fn batch(rows: std::ops::Range<i64>) -> Batch {
    let texts = rows.clone().map(|n| (n % 7 != 0).then(|| format!("text {n}, \"q\"\n{}", "x".repeat(n as usize % 50))));
    let texts = StringArray::from_iter(texts);
    let numbers = Int64Array::from_iter_values(rows);
    let schema = table_of(&columns(), &[]).schema.to_arrow();
    Batch::append(RecordBatch::try_new(schema, vec![Arc::new(numbers), Arc::new(texts)]).unwrap())
}

fn lines(rows: std::ops::Range<i64>) -> Vec<String> {
    let mut lines = crate::testing::lines(batch(rows).columns());
    lines.sort();
    lines
}

fn sink(table: &TableSpec, environment: &Environment) -> Box<dyn Sink> {
    let spec = SinkSpec { table: table.clone(), input: ChangelogMode::APPEND };
    crate::build_sink(&spec, &mut context(0, 1), environment).unwrap()
}

/// All files below a directory that readers see.
fn visible(directory: &Path) -> Vec<String> {
    let mut files = Vec::new();
    let mut directories = vec![directory.to_owned()];
    while let Some(next) = directories.pop() {
        for entry in std::fs::read_dir(next).into_iter().flatten() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                directories.push(path);
            } else {
                files.push(path.strip_prefix(directory).unwrap().to_str().unwrap().to_owned());
            }
        }
    }
    files.retain(|file| !file.starts_with("_staging/"));
    files.sort();
    files
}

async fn write(table: &TableSpec, files: i64, rows: i64) {
    let mut sink = sink(table, &environment());
    for file in 0..files {
        sink.write(batch(file * rows..(file + 1) * rows)).await.unwrap();
        let prepared = sink.prepare().await.unwrap();
        sink.commit(&prepared).await.unwrap();
    }
}

async fn rows(spec: &SourceSpec, parallelism: u32) -> Vec<String> {
    read_with_restores(spec, &environment(), &[], parallelism).await
}

#[tokio::test]
async fn every_format_comes_back_and_restores_lose_nothing() {
    for format in ["json", "csv", "parquet"] {
        let directory = tempfile::tempdir().unwrap();
        // Texts that are null come back so.
        let options: &[(&str, &str)] = if format == "csv" { &[("csv.null-literal", "NULL")] } else { &[] };
        let table = table(directory.path(), format, options);
        write(&table, 5, 3000).await;
        assert_eq!(visible(directory.path()).len(), 5);
        let spec = source_of_all(table);
        let expected = lines(0..15_000);
        assert_eq!(rows(&spec, 1).await, expected, "{format}");
        assert_eq!(rows(&spec, 3).await, expected, "{format}");
        for stops in [vec![(1, 0)], vec![(3, 2500), (2, 1000)], vec![(2, 4000), (4, 1), (1, 0), (2, 3000)]] {
            assert_eq!(read_with_restores(&spec, &environment(), &stops, 3).await, expected, "{format} {stops:?}");
        }
    }
}

#[tokio::test]
async fn a_large_file_is_cut_at_lines() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("large.json");
    let mut file = std::io::BufWriter::new(std::fs::File::create(&path).unwrap());
    let count = 70_000u64;
    for n in 0..count {
        // Lines of all lengths, about 40 MB.
        writeln!(file, r#"{{"n":{n},"s":"{}"}}"#, "y".repeat((n * 7919 % 1200) as usize)).unwrap();
    }
    file.flush().unwrap();
    let spec = source_of(table(&path, "json", &[]), &[("n", DataType::BigInt)]);
    let mut expected: Vec<String> = (0..count).map(|n| n.to_string()).collect();
    expected.sort();
    for parallelism in [1, 2, 5] {
        assert_eq!(rows(&spec, parallelism).await, expected);
    }
    let stops = [(2, 9000), (3, 11_000), (1, 0)];
    assert_eq!(read_with_restores(&spec, &environment(), &stops, 2).await, expected);
}

#[tokio::test]
async fn a_quote_that_never_ends_is_found_in_time() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("rows.csv");
    let mut text = "1,\"x\n".to_owned();
    text.push_str(&"2,y\n".repeat(2_000_000));
    std::fs::write(&path, &text).unwrap();
    let spec = source_of_all(table(&path, "csv", &[]));
    let mut source = crate::testing::open(&spec, context(0, 1), &environment()).await.unwrap();
    let failure = failure_of(source.as_mut()).await;
    assert_eq!(failure.message, format!("{}, line 1 (byte 0): a quoted field does not end", path.display()));
}

async fn failure_of(source: &mut dyn Source) -> Failure {
    loop {
        match source.poll().await {
            Ok(SourceEvent::End) => panic!("the source ended"),
            Ok(_) => {}
            Err(failure) => return failure,
        }
    }
}

#[tokio::test]
async fn patterns_choose_files_and_hidden_ones_are_left_out() {
    let directory = tempfile::tempdir().unwrap();
    for name in ["a/x.json", "a/y.json", "b/x.json", "b/z.txt", "_c/x.json", "a/.x.json"] {
        let path = directory.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, format!("{{\"s\":\"{name}\"}}\n")).unwrap();
    }
    let read = async |pattern: &str| {
        let spec = source_of(table(&directory.path().join(pattern), "json", &[]), &[("s", DataType::String)]);
        rows(&spec, 2).await
    };
    assert_eq!(read("*/x.json").await, ["a/x.json", "b/x.json"]);
    assert_eq!(read("b").await, ["b/x.json", "b/z.txt"]);
    assert_eq!(read("**/*.json").await, ["a/x.json", "a/y.json", "b/x.json"]);
    // Files without rows are files.
    for (name, format) in
        [("e/x.json", "json"), ("e/y.json.gz", "json"), ("e/x.csv", "csv"), ("e/x.parquet", "parquet")]
    {
        let path = directory.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, "").unwrap();
        assert!(rows(&source_of_all(table(&path, format, &[])), 2).await.is_empty(), "{name}");
    }
    assert!(read("e").await.is_empty());
    let spec = source_of_all(table(&directory.path().join("nothing"), "json", &[]));
    let failure = crate::testing::open(&spec, context(0, 1), &environment()).await.err().unwrap();
    assert_eq!(failure.class, ErrorClass::User);
    assert!(failure.message.ends_with("nothing: there is no such file, nor any below it"), "{failure}");
}

#[tokio::test]
async fn watched_directories_give_new_files_once() {
    let directory = tempfile::tempdir().unwrap();
    let add = |n: u32| {
        std::fs::write(directory.path().join(format!("{n}.json")), format!("{{\"n\":{n}}}\n")).unwrap();
    };
    let spec =
        source_of(table(directory.path(), "json", &[("source.monitor-interval", "5 ms")]), &[("n", DataType::BigInt)]);
    assert!(!crate::catalog().source(&spec.table).unwrap().bounded);
    (0..6).for_each(add);
    let mut out = Vec::new();
    let mut lists = None;
    for (parallelism, known) in [(2u32, 6u32), (3, 12), (1, 18)] {
        let mut sources: Vec<Box<dyn Source>> = (0..parallelism)
            .map(|subtask| {
                let mut context = match &lists {
                    None => context(subtask, parallelism),
                    Some(lists) => crate::testing::restored(subtask, parallelism, lists),
                };
                crate::build_source(&spec, &mut context, &environment()).unwrap()
            })
            .collect();
        let mut next = 0;
        while (out.len() as u32) < known {
            // A subtask whose share is read waits for new files.
            let index = next % sources.len();
            next += 1;
            let event = tokio::time::timeout(Duration::from_millis(20), sources[index].poll()).await;
            if let Ok(Ok(SourceEvent::Batch { batch, .. })) = event {
                out.extend(crate::testing::lines(batch.columns()));
            }
        }
        lists = Some(snapshot(&mut sources));
        (known..known + 6).for_each(add);
    }
    let numbers: BTreeSet<u32> = out.iter().map(|line| line.parse().unwrap()).collect();
    assert_eq!((out.len(), numbers), (18, (0..18).collect()));
}

#[tokio::test]
async fn a_restored_job_that_begins_to_watch_reads_no_file_twice() {
    let directory = tempfile::tempdir().unwrap();
    let add = |n: u32| {
        std::fs::write(directory.path().join(format!("{n}.json")), format!("{{\"n\":{n}}}\n")).unwrap();
    };
    let spec = |options| source_of(table(directory.path(), "json", options), &[("n", DataType::BigInt)]);
    (0..3).for_each(add);
    let mut first = crate::testing::open(&spec(&[]), context(0, 1), &environment()).await.unwrap();
    let mut out = Vec::new();
    // Begun with the second file, so done with the first.
    read(first.as_mut(), 2, &mut out).await;
    let lists = snapshot(std::slice::from_mut(&mut first));
    add(3);
    let watching = spec(&[("source.monitor-interval", "5 ms")]);
    let mut restored = crate::testing::restored(0, 1, &lists);
    let mut second = crate::build_source(&watching, &mut restored, &environment()).unwrap();
    read(second.as_mut(), 2, &mut out).await;
    assert_eq!(out, ["0", "1", "2", "3"]);
}

#[tokio::test]
async fn object_stores_are_read_and_written_alike() {
    let mut table = table(Path::new("/"), "parquet", &[]);
    table.options.insert("path".to_owned(), "memory://filesystem-test/dir/".to_owned());
    write(&table, 3, 100).await;
    assert_eq!(rows(&source_of_all(table.clone()), 2).await, lines(0..300));
    for path in ["memory://filesystem-test", "memory://filesystem-test/d*/part-*.parquet"] {
        table.options.insert("path".to_owned(), path.to_owned());
        assert_eq!(rows(&source_of_all(table.clone()), 2).await, lines(0..300), "{path}");
    }
}

#[tokio::test]
async fn event_time_waits_for_all_files_of_a_subtask() {
    let directory = tempfile::tempdir().unwrap();
    for n in 0..3 {
        std::fs::write(directory.path().join(format!("{n}.json")), "{\"n\":1}\n").unwrap();
    }
    let spec = source_of_all(table(directory.path(), "json", &[]));
    let mut source = crate::testing::open(&spec, context(0, 1), &environment()).await.unwrap();
    assert_eq!(source.splits().len(), 3);
    let mut finished = 0;
    loop {
        match source.poll().await.unwrap() {
            SourceEvent::Batch { split, .. } => assert!(source.splits().contains(&split)),
            SourceEvent::SplitFinished(split) => {
                assert!(!source.splits().contains(&split));
                finished += 1;
                assert_eq!(source.splits().len(), 3 - finished);
            }
            SourceEvent::End => break,
        }
    }
    assert_eq!(finished, 3);
}

#[test]
fn mistakes_are_named() {
    let path = Path::new("/data");
    let cases = [
        (
            table(path, "avro", &[]),
            "table t: option 'format': 'avro' is not one of json, csv, parquet, raw, debezium-json",
        ),
        (
            table(path, "json", &[("csv.null-literal", "x")]),
            "table t: connector 'filesystem' has no option 'csv.null-l",
        ),
        (
            table(path, "json", &[("json.timestamp-format.standard", "ISO")]),
            "table t: option 'json.timestamp-format.standard': 'ISO' is not one of SQL, ISO-8601",
        ),
        (
            table(path, "csv", &[("csv.field-delimiter", "ab")]),
            "table t: option 'csv.field-delimiter': 'ab' is not a single ASCII character",
        ),
        (
            table(path, "csv", &[("csv.quote-character", "'"), ("csv.disable-quote-character", "true")]),
            "table t: option 'csv.quote-character': is not possible with 'csv.disable-quote-character'",
        ),
        (
            table(path, "json", &[("json.ignore-parse-errors", "true"), ("json.fail-on-missing-field", "true")]),
            "table t: option 'json.fail-on-missing-field': is not possible with 'json.ignore-parse-errors'",
        ),
        (
            table(path, "json", &[("json.map-null-key.mode", "KEEP")]),
            "table t: option 'json.map-null-key.mode': 'KEEP' is not one of FAIL, DROP, LITERAL",
        ),
        (
            table(path, "parquet", &[("parquet.write.int64.timestamp", "false")]),
            "table t: option 'parquet.write.int64.timestamp': timestamps are always written as INT64",
        ),
        (
            table(path, "parquet", &[("parquet.timestamp.time.unit", "days")]),
            "table t: option 'parquet.timestamp.time.unit': 'days' is not one of micros, millis, nanos",
        ),
        (
            table(path, "parquet", &[("parquet.compression", "LZO")]),
            "table t: option 'parquet.compression': 'LZO' is not one of SNAPPY, ZSTD, LZ4_RAW, UNCOMPRESSED",
        ),
        (
            table(path, "raw", &[("raw.charset", "UTF-16")]),
            "table t: option 'raw.charset': 'UTF-16' is not one of UTF-8, ISO-8859-1, US-ASCII",
        ),
        (
            table(path, "json", &[("auto-compaction", "true")]),
            "table t: option 'auto-compaction': files are not compacted",
        ),
        (
            table(path, "json", &[("sink.partition-commit.policy.kind", "success-file")]),
            "table t: option 'sink.partition-commit.policy.kind': the table is not PARTITIONED BY anything",
        ),
        (
            table(path, "json", &[("json.map-null-key.mode", "DROP")]),
            "table t: option 'json.map-null-key.mode': maps never have null keys",
        ),
        (
            table(path, "debezium-json", &[("debezium-json.ignore-parse-errors", "true")]),
            "table t: option 'debezium-json.ignore-parse-errors': the format can only be written",
        ),
        (
            table(path, "csv", &[("csv.field-delimiter", "\"")]),
            "table t: option 'csv.field-delimiter': is the quote or escape character, too",
        ),
        (
            table(path, "csv", &[("csv.field-delimiter", "\n")]),
            "table t: option 'csv.field-delimiter': is what ends a line",
        ),
        (
            table(path, "json", &[("scan.rows-per-second", "NaN")]),
            "table t: option 'scan.rows-per-second': must be above 0 and finite",
        ),
        (
            table(path, "json", &[("sink.partition-commit.success-file.name", "a/b")]),
            "table t: option 'sink.partition-commit.success-file.name': 'a/b' is not the name of a file",
        ),
        (
            table(path, "json", &[("source.monitor-interval", "soon")]),
            "table t: option 'source.monitor-interval': 'soon' is not a duration such as",
        ),
    ];
    for (table, expected) in cases {
        let failure = crate::catalog().source(&table).expect_err(expected);
        assert_eq!(failure.class, ErrorClass::User);
        assert!(failure.message.starts_with(expected), "{failure}");
    }
    let partitioned = |name: &str, data_type: DataType| {
        let mut table = table(path, "json", &[]);
        table.schema.fields.push(Field::new(name, data_type));
        TableSpec { partitioned_by: vec![2], ..table }
    };
    let failure = crate::catalog().sink(&partitioned("b", DataType::NotNull(Box::new(DataType::Bytes)))).unwrap_err();
    assert_eq!(failure.message, "table t: partition column b cannot be of type BYTES NOT NULL");
    for name in ["_b", ".b"] {
        let failure = crate::catalog().source(&partitioned(name, DataType::Int)).unwrap_err();
        assert!(failure.message.starts_with(&format!("table t: partition column {name}: its folders")), "{failure}");
    }
    let mut nested = table(path, "csv", &[]);
    nested.schema.fields.push(Field::new("m", DataType::Map(Box::new(DataType::String), Box::new(DataType::Int))));
    let failure = crate::catalog().sink(&nested).unwrap_err();
    assert_eq!(failure.message, "table t: column m: format csv has no MAP<STRING, INT>");
    let failure = crate::catalog().sink(&table(Path::new("/data/*.json"), "json", &[])).unwrap_err();
    assert!(failure.message.starts_with("table t: option 'path': a pattern cannot be written to"), "{failure}");
    let failure = crate::catalog().source(&table_of(&[], &[("connector", "filesystem")])).unwrap_err();
    assert!(
        failure.message.starts_with("table t: connector 'filesystem' needs the option 'path': a file"),
        "{failure}"
    );
}
