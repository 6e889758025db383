//! Which of several rows that are equal in the order is kept, as in Apache Flink: the one that arrived last if a query
//! selects the latest row by a time attribute, otherwise the one that arrived first. The result must not depend on how rows
//! are cut into batches, on the parallelism or on the backend.

use std::path::Path;

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use tests::{
    changelog,
    matrix::{self, Setup},
};

/// Rows of equal time and of equal score, in this order; the times of `w` are of one window.
const ROWS: &[(&str, &str, u32, &str)] = &[
    ("x", "first", 5, "00:00:01"),
    ("y", "first", 7, "00:00:02"),
    ("x", "second", 5, "00:00:01"),
    ("y", "second", 7, "00:00:02"),
    ("x", "third", 5, "00:00:01"),
    ("x", "less", 4, "00:00:00"),
    ("y", "less", 6, "00:00:01"),
];

/// Queries, and which of the rows of `x` and `y` each keeps.
const QUERIES: &[(&str, &str, &[&str])] = &[
    (
        "the latest row by event time",
        "SELECT k, v FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY k ORDER BY ts DESC) AS rn FROM t) WHERE rn = 1",
        &["x third", "y second"],
    ),
    (
        "the first row by event time",
        "SELECT k, v FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY k ORDER BY ts ASC) AS rn FROM t WHERE v <> 'less')
         WHERE rn = 1",
        &["x first", "y first"],
    ),
    (
        "the latest row by arrival",
        "SELECT k, v FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY k ORDER BY pt DESC) AS rn
         FROM (SELECT *, PROCTIME() AS pt FROM t)) WHERE rn = 1",
        &["x less", "y less"],
    ),
    (
        "the first row by arrival",
        "SELECT k, v FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY k ORDER BY pt ASC) AS rn
         FROM (SELECT *, PROCTIME() AS pt FROM t)) WHERE rn = 1",
        &["x first", "y first"],
    ),
    (
        "the row with the best score",
        "SELECT k, v FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY k ORDER BY score DESC) AS rn FROM t) WHERE rn = 1",
        &["x first", "y first"],
    ),
    (
        "the two latest rows by event time",
        "SELECT k, v FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY k ORDER BY ts DESC) AS rn FROM t) WHERE rn <= 2",
        &["x first", "x second", "y first", "y second"],
    ),
    (
        "the second latest row by event time",
        "SELECT k, v FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY k ORDER BY ts DESC) AS rn FROM t) WHERE rn = 2",
        &["x second", "y second"],
    ),
    (
        "the latest row of a tumbling window",
        "SELECT k, v FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY window_start, window_end, k ORDER BY ts DESC) AS rn
         FROM TABLE(TUMBLE(TABLE t, DESCRIPTOR(ts), INTERVAL '1' MINUTE))) WHERE rn = 1",
        &["x third", "y second"],
    ),
    (
        "the first row of a tumbling window",
        "SELECT k, v FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY window_start, window_end, k ORDER BY ts) AS rn
         FROM TABLE(TUMBLE(TABLE t, DESCRIPTOR(ts), INTERVAL '1' MINUTE)) WHERE v <> 'less') WHERE rn = 1",
        &["x first", "y first"],
    ),
    (
        "the two latest rows of a tumbling window",
        "SELECT k, v FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY window_start, window_end, k ORDER BY ts DESC) AS rn
         FROM TABLE(TUMBLE(TABLE t, DESCRIPTOR(ts), INTERVAL '1' MINUTE))) WHERE rn <= 2",
        &["x first", "x second", "y first", "y second"],
    ),
    (
        "the row with the best score of a tumbling window",
        "SELECT k, v FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY window_start, window_end, k ORDER BY score DESC) AS rn
         FROM TABLE(TUMBLE(TABLE t, DESCRIPTOR(ts), INTERVAL '1' MINUTE))) WHERE rn = 1",
        &["x first", "y first"],
    ),
    (
        "the latest row of windows that overlap",
        "SELECT k, v FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY window_start, window_end, k ORDER BY ts DESC) AS rn
         FROM TABLE(HOP(TABLE t, DESCRIPTOR(ts), INTERVAL '30' SECOND, INTERVAL '1' MINUTE))) WHERE rn = 1",
        &["x third", "x third", "y second", "y second"],
    ),
    (
        "the latest row of windows that grow",
        "SELECT k, v FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY window_start, window_end, k ORDER BY ts DESC) AS rn
         FROM TABLE(CUMULATE(TABLE t, DESCRIPTOR(ts), INTERVAL '30' SECOND, INTERVAL '1' MINUTE))) WHERE rn = 1",
        &["x third", "x third", "y second", "y second"],
    ),
    (
        "the latest row of a session",
        "SELECT k, v FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY window_start, window_end, k ORDER BY ts DESC) AS rn
         FROM TABLE(SESSION(TABLE t PARTITION BY k, DESCRIPTOR(ts), INTERVAL '1' MINUTE))) WHERE rn = 1",
        &["x third", "y second"],
    ),
    (
        "the latest row by event time, whatever its window",
        "SELECT k, v FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY k ORDER BY ts DESC) AS rn
         FROM TABLE(TUMBLE(TABLE t, DESCRIPTOR(ts), INTERVAL '1' MINUTE))) WHERE rn = 1",
        &["x third", "y second"],
    ),
    (
        "the latest row of windows that are joined",
        "SELECT k, v FROM (SELECT a.*, ROW_NUMBER() OVER (PARTITION BY a.window_start, a.window_end, a.k ORDER BY a.ts DESC)
         AS rn FROM TABLE(TUMBLE(TABLE t, DESCRIPTOR(ts), INTERVAL '1' MINUTE)) a
         JOIN TABLE(TUMBLE(TABLE t, DESCRIPTOR(ts), INTERVAL '1' MINUTE)) b
         ON a.window_start = b.window_start AND a.window_end = b.window_end AND a.k = b.k AND b.v = 'less') WHERE rn = 1",
        &["x third", "y second"],
    ),
    (
        "the first and the last value",
        "SELECT k, FIRST_VALUE(v) || ' to ' || LAST_VALUE(v) AS v FROM t WHERE v <> 'less' GROUP BY k",
        &["x first to third", "y first to second"],
    ),
    (
        "the first and the last value of a window",
        "SELECT k, FIRST_VALUE(v) || ' to ' || LAST_VALUE(v) AS v
         FROM TABLE(TUMBLE(TABLE t, DESCRIPTOR(ts), INTERVAL '1' MINUTE)) WHERE v <> 'less'
         GROUP BY k, window_start, window_end",
        &["x first to third", "y first to second"],
    ),
];

/// A table with the rows; slow ones come one by one, each in a batch of its own.
fn table(folder: &Path, is_slow: bool) -> Result<String> {
    let line = |(k, v, score, time): &(&str, &str, u32, &str)| {
        format!("{{\"k\":\"{k}\",\"v\":\"{v}\",\"score\":{score},\"ts\":\"2024-01-01 {time}\"}}\n")
    };
    let input = folder.join("rows.json");
    std::fs::write(&input, ROWS.iter().map(line).collect::<String>())?;
    let pace = if is_slow { ", 'scan.rows-per-second' = '100'" } else { "" };
    Ok(format!(
        "CREATE TABLE t (k STRING, v STRING, score INT, ts TIMESTAMP(3), WATERMARK FOR ts AS ts - INTERVAL '1' SECOND)
         WITH ('connector' = 'filesystem', 'path' = '{}', 'format' = 'json'{pace});",
        input.display()
    ))
}

/// The rows that are left after all changes: a query's name, key and value.
fn rows(output: &str) -> Result<changelog::Table> {
    let mut table = changelog::Table::new();
    for line in output.lines() {
        let change: Value = serde_json::from_str(line)?;
        let text = |field: &str| change["row"][field].as_str().map(str::to_owned).with_context(|| line.to_owned());
        let sign = if change["op"].as_str().is_some_and(|op| op.starts_with('+')) { 1 } else { -1 };
        *table.entry(format!("{}: {} {}", text("name")?, text("k")?, text("v")?)).or_default() += sign;
    }
    table.retain(|_, count| *count != 0);
    Ok(table)
}

fn check(setup: Setup, is_slow: bool) -> Result<()> {
    let folder = tempfile::tempdir()?;
    let named = |(name, query, _): &(&str, &str, &[&str])| format!("SELECT '{name}' AS name, k, v FROM ({query})");
    let script = format!(
        "{} {};",
        table(folder.path(), is_slow)?,
        QUERIES.iter().map(named).collect::<Vec<_>>().join("\nUNION ALL ")
    );
    let job = folder.path().join("job.sql");
    std::fs::write(&job, script)?;
    let actual = rows(&setup.run(&job)?)?;
    let mut expected = changelog::Table::new();
    for (name, _, kept) in QUERIES {
        kept.iter().for_each(|row| *expected.entry(format!("{name}: {row}")).or_default() += 1);
    }
    let difference = changelog::difference(&actual, &expected).unwrap_or_default();
    ensure!(difference.is_empty(), "{setup}, slow {is_slow}\n{difference}");
    Ok(())
}

#[test]
fn in_one_batch() -> Result<()> {
    matrix::setups().try_for_each(|setup| check(setup, false))
}

#[test]
fn in_batches_of_a_row() -> Result<()> {
    matrix::setups().try_for_each(|setup| check(setup, true))
}
