//! Times far from 1970, finer than a millisecond, where the clock is set back, and texts that are nearly times: each folder
//! of `data/times` has a script, what it reads, and its final rows.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use tests::binary;

/// Rows as JSON and how often they occur.
type Rows = BTreeMap<String, i64>;

fn folders() -> Result<Vec<PathBuf>> {
    let all = Path::new(env!("CARGO_MANIFEST_DIR")).join("data/times");
    let folders = std::fs::read_dir(all)?.map(|entry| Ok(entry?.path()));
    folders.collect()
}

/// What is left of the rows that a script's query gives and takes back.
fn rows_of(folder: &Path, settings: &[&str]) -> Result<Rows> {
    let text = std::fs::read_to_string(folder.join("job.sql"))?;
    let work = tempfile::tempdir()?;
    let script = work.path().join("job.sql");
    std::fs::write(&script, text.replace("${DIR}", &folder.display().to_string()))?;
    let script = script.display().to_string();
    let mut arguments = vec!["run", "--output", "jsonl"];
    arguments.extend(settings.iter().flat_map(|setting| ["--set", setting]));
    arguments.push(&script);
    let mut rows = Rows::new();
    for line in binary::run(&arguments)?.lines() {
        let change: Value = serde_json::from_str(line).with_context(|| line.to_owned())?;
        let op = change["op"].as_str().context("a change without a kind")?;
        *rows.entry(change["row"].to_string()).or_default() += if op.starts_with('+') { 1 } else { -1 };
    }
    rows.retain(|_, count| *count != 0);
    Ok(rows)
}

fn expected(folder: &Path) -> Result<Rows> {
    let mut rows = Rows::new();
    for line in std::fs::read_to_string(folder.join("expected.jsonl"))?.lines() {
        *rows.entry(serde_json::from_str::<Value>(line)?.to_string()).or_default() += 1;
    }
    Ok(rows)
}

fn check_all(settings: &[&str]) -> Result<()> {
    let mut wrong = Vec::new();
    for folder in folders()? {
        let name = folder.file_name().context("a name")?.to_string_lossy().into_owned();
        match rows_of(&folder, settings) {
            Ok(rows) if rows == expected(&folder)? => {}
            Ok(rows) => wrong.push(format!("{name}: {rows:#?}")),
            Err(error) => wrong.push(format!("{name}: {error:#}")),
        }
    }
    ensure!(wrong.is_empty(), "{settings:?}\n{}", wrong.join("\n"));
    Ok(())
}

#[test]
fn parallelism_1_in_memory() -> Result<()> {
    check_all(&["parallelism.default=1", "state.backend.type=hashmap"])
}

#[test]
fn parallelism_3_in_rocksdb_with_mini_batches() -> Result<()> {
    check_all(&[
        "parallelism.default=3",
        "state.backend.type=rocksdb",
        "table.exec.mini-batch.enabled=true",
        "table.exec.mini-batch.allow-latency=100 ms",
        "table.exec.mini-batch.size=100",
    ])
}
