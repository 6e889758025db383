//! Queries over Nexmark's events give the rows that Apache Flink 2.3 gave (`data/queries`, recorded at parallelism 1): one
//! of each kind that the planner knows.

use std::{
    fs::File,
    io::{BufReader, Read},
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, ensure};
use flate2::read::GzDecoder;
use tests::{binary, changelog, flink_text, nexmark};

/// Queries whose rows depend on the order in which rows of several subtasks come.
const BY_ARRIVAL: &[&str] = &[
    "agg_array_agg",
    "agg_array_agg_distinct",
    "agg_first_last",
    "agg_json",
    "agg_listagg",
    "dedup_agg",
    "dedup_first",
    "limit_only",
    "window_filter_aggs",
    "window_listagg",
];

/// What the queries read beside Nexmark's tables. (Of windows over `lastbid` it depends on the pace which have ended before a
/// row is updated, so that query has its watermark at the end only.)
const VIEWS: &str = "
    CREATE VIEW w AS SELECT window_time AS rt, COUNT(*) AS c
    FROM TABLE(TUMBLE(TABLE bid, DESCRIPTOR(dateTime), INTERVAL '2' SECOND))
    GROUP BY window_start, window_end, window_time;
    CREATE VIEW lastbid AS SELECT auction, bidder, price, dateTime FROM (
        SELECT *, ROW_NUMBER() OVER (PARTITION BY bidder ORDER BY dateTime DESC) AS rn FROM bid) WHERE rn = 1;
    CREATE VIEW both_ AS SELECT dateTime, price FROM bid UNION ALL SELECT dateTime, reserve FROM auction;";

struct Query {
    name: String,
    text: String,
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("data/queries")
}

fn queries() -> Result<Vec<Query>> {
    let text = std::fs::read_to_string(folder().join("queries.sql"))?;
    let query = |part: &str| {
        let (name, text) = part.split_once('\n').context("a query without a name")?;
        Ok(Query { name: name.trim().to_owned(), text: text.to_owned() })
    };
    text.split("-- ").skip(1).map(query).collect()
}

/// Types and rows as Flink gave them.
fn expected(name: &str) -> Result<(Vec<String>, changelog::Table)> {
    let path = folder().join(format!("{name}.tsv.gz"));
    let mut text = String::new();
    GzDecoder::new(BufReader::new(File::open(&path).with_context(|| path.display().to_string())?))
        .read_to_string(&mut text)?;
    // Names, types, and the kinds of the changes.
    let mut lines = text.lines().skip(1);
    let types = lines.next().unwrap_or_default().split('\t').map(str::to_owned).collect();
    let mut table = changelog::Table::new();
    for line in lines.skip(1) {
        *table.entry(line.to_owned()).or_default() += 1;
    }
    Ok((types, table))
}

fn check(query: &Query, events: &Path, parallelism: u32, backend: &str) -> Result<()> {
    let script = events.with_file_name(format!("{}.sql", query.name));
    std::fs::write(&script, format!("{}{VIEWS}\n{}", nexmark::tables(events, ""), query.text))?;
    let parallelism = format!("parallelism.default={parallelism}");
    let backend = format!("state.backend.type={backend}");
    let path = script.display().to_string();
    let output = binary::run(&["run", "--output", "jsonl", "--set", &parallelism, "--set", &backend, &path])?;
    let (types, expected) = expected(&query.name)?;
    let mut actual = changelog::Table::new();
    for line in output.lines() {
        let (op, columns) = flink_text::change(line, &types)?;
        *actual.entry(columns.join("\t")).or_default() += if op.starts_with('+') { 1 } else { -1 };
    }
    actual.retain(|_, count| *count != 0);
    let difference = changelog::difference(&actual, &expected);
    ensure!(difference.is_none(), "{}", difference.unwrap_or_default());
    Ok(())
}

fn check_all(parallelism: u32, backend: &str) -> Result<()> {
    let folder = tempfile::tempdir()?;
    let events = nexmark::events(folder.path())?;
    let queries = queries()?;
    ensure!(queries.len() > 100, "only {} queries were recorded", queries.len());
    let mut wrong = Vec::new();
    for query in queries.iter().filter(|query| parallelism == 1 || !BY_ARRIVAL.contains(&query.name.as_str())) {
        if let Err(error) = check(query, &events, parallelism, backend) {
            wrong.push(format!("{}: {error:#}", query.name));
        }
    }
    ensure!(wrong.is_empty(), "parallelism {parallelism}, {backend}\n{}", wrong.join("\n"));
    Ok(())
}

#[test]
fn parallelism_1_in_memory() -> Result<()> {
    check_all(1, "hashmap")
}

#[test]
fn parallelism_4_in_rocksdb() -> Result<()> {
    check_all(4, "rocksdb")
}
