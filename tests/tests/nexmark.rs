//! Nexmark queries give Flink's rows, at any parallelism, on both state backends.

use anyhow::{Context, Result, ensure};
use tests::{binary, changelog, nexmark};

fn check(query: &str, select: &str, parallelism: u32, backend: &str) -> Result<()> {
    let folder = tempfile::tempdir()?;
    let events = nexmark::events(folder.path())?;
    let script = folder.path().join("job.sql");
    std::fs::write(&script, format!("{}\n{select};\n", nexmark::tables(&events, "")))?;
    let output = binary::run(&[
        "run",
        "--output",
        "jsonl",
        "--set",
        &format!("parallelism.default={parallelism}"),
        "--set",
        &format!("state.backend.type={backend}"),
        &script.display().to_string(),
    ])?;
    let (columns, expected) = nexmark::expected(query)?;
    let actual = changelog::materialize(&output, &columns)?;
    let difference = changelog::difference(&actual, &expected);
    ensure!(difference.is_none(), "{query} p={parallelism} {backend}: {}", difference.unwrap_or_default());
    Ok(())
}

fn check_all(parallelism: u32, backend: &str) -> Result<()> {
    let exact = |query: &str| parallelism == 1 || !nexmark::BY_ARRIVAL.contains(&query);
    for (query, select) in nexmark::QUERIES.iter().filter(|(query, _)| exact(query)) {
        check(query, select, parallelism, backend)
            .with_context(|| format!("{query}, parallelism {parallelism}, {backend}"))?;
    }
    Ok(())
}

#[test]
fn parallelism_1_in_memory() -> Result<()> {
    check_all(1, "hashmap")
}

#[test]
fn parallelism_4_in_memory() -> Result<()> {
    check_all(4, "hashmap")
}

#[test]
fn parallelism_1_in_rocksdb() -> Result<()> {
    check_all(1, "rocksdb")
}

#[test]
fn parallelism_4_in_rocksdb() -> Result<()> {
    check_all(4, "rocksdb")
}
