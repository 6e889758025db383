//! Bounded reads of a folder to which files are added all the time: each file that was there at the start is read once, and
//! none twice, at any parallelism, by several sources, in one process and in several, across kills and rescales.

#![allow(clippy::disallowed_methods, clippy::print_stderr, reason = "a test panics, prints and waits as it likes")]

use std::{
    collections::BTreeMap,
    fs::File,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::JoinHandle,
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use rand::{Rng, SeedableRng, rngs::StdRng};
use serde_json::Value;
use tests::{
    binary::{self, Running},
    folder,
};

/// Files that are there at the start; added ones have higher numbers.
const FILES: u64 = 1000;
const DEADLINE: Duration = Duration::from_secs(120);
const JOB_ID: &str = "0123456789abcdef0123456789abcdef";

/// Adds files until it is dropped.
struct Adder {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<Result<u64>>>,
}

/// A name that may come anywhere in the order of names; some look like those of files that a program has not finished.
fn name(random: &mut StdRng, number: u64) -> String {
    let tail = if number.is_multiple_of(3) { format!("#{number}") } else { format!("-{number}.json") };
    format!("f{:09}{tail}", random.random_range(0..1_000_000_000))
}

fn row(number: u64) -> String {
    format!("{{\"id\":{number}}}\n")
}

impl Adder {
    fn start(folder: PathBuf, mut random: StdRng) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let thread = std::thread::spawn(move || {
            let mut number = FILES;
            while !stopped.load(Ordering::Relaxed) {
                let new = folder.join(".new");
                std::fs::write(&new, row(number))?;
                std::fs::rename(&new, folder.join(name(&mut random, number)))?;
                number += 1;
                // About as many at the end as at the start, however long it takes.
                std::thread::park_timeout(Duration::from_micros(300));
            }
            Ok(number - FILES)
        });
        Self { stop, thread: Some(thread) }
    }

    /// How many were added.
    fn end(mut self) -> Result<u64> {
        self.stop.store(true, Ordering::Relaxed);
        let added = self.thread.take().context("it runs")?.join();
        added.map_err(|_| anyhow::anyhow!("it panicked"))?
    }
}

impl Drop for Adder {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

/// Makes the folder with its first files, and adds more from now on.
fn start(folder: &Path) -> Result<Adder> {
    let seed = std::env::var("SEED").ok().and_then(|seed| seed.parse().ok());
    let seed: u64 = seed.unwrap_or_else(|| StdRng::from_os_rng().random_range(0..1_000_000));
    eprintln!("SEED={seed}");
    let mut random = StdRng::seed_from_u64(seed);
    let input = folder.join("in");
    std::fs::create_dir_all(&input)?;
    for number in 0..FILES {
        std::fs::write(input.join(name(&mut random, number)), row(number))?;
    }
    Ok(Adder::start(input, random))
}

/// Counts the occurrences of each number in lines of JSON.
fn count<'a>(lines: impl Iterator<Item = &'a str>) -> Result<BTreeMap<u64, u64>> {
    let mut counts = BTreeMap::new();
    for line in lines {
        let row: Value = serde_json::from_str(line).with_context(|| line.to_owned())?;
        let id = row["id"].as_u64().or_else(|| row["row"]["id"].as_u64()).with_context(|| line.to_owned())?;
        *counts.entry(id).or_default() += 1;
    }
    Ok(counts)
}

fn check(counts: &BTreeMap<u64, u64>, added: u64, what: &str) -> Result<()> {
    let lost = (0..FILES).filter(|id| !counts.contains_key(id)).count();
    let doubled = counts.values().filter(|count| **count > 1).count();
    ensure!(
        lost == 0 && doubled == 0,
        "{what}: {lost} files of {FILES} are lost, {doubled} were read twice ({added} added)"
    );
    ensure!(added > 0, "{what}: nothing was added meanwhile");
    Ok(())
}

/// All rows in a folder that readers see.
fn committed(out: &Path) -> Result<BTreeMap<u64, u64>> {
    count(folder::lines(out)?.iter().map(String::as_str))
}

fn table(name: &str, path: &Path, more: &str) -> String {
    let path = path.display();
    format!(
        "CREATE TABLE {name} (id BIGINT) WITH ('connector' = 'filesystem', 'path' = '{path}', 'format' = 'json'{more});\n"
    )
}

#[test]
fn each_file_is_read_once_by_each_source() -> Result<()> {
    for parallelism in ["1", "4"] {
        let folder = tempfile::tempdir()?;
        let adder = start(folder.path())?;
        let (input, job) = (folder.path().join("in"), folder.path().join("job.sql"));
        let tables = table("t", &input, "") + &table("u", &input, "");
        std::fs::write(&job, format!("{tables}SELECT 't', id FROM t UNION ALL SELECT 'u', id FROM u;"))?;
        let parallelism = format!("parallelism.default={parallelism}");
        let printed = binary::run(&["run", "--output", "jsonl", "--set", &parallelism, &job.display().to_string()])?;
        let added = adder.end()?;
        for source in ["t", "u"] {
            let mark = format!("\"{source}\"");
            let counts = count(printed.lines().filter(|line| line.contains(&mark)))?;
            check(&counts, added, &format!("{parallelism}, {source}"))?;
        }
    }
    Ok(())
}

#[test]
fn the_list_survives_kills_and_rescales() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let adder = start(folder.path())?;
    let (input, out, job) = (folder.path().join("in"), folder.path().join("out"), folder.path().join("job.sql"));
    let checkpoints = format!("execution.checkpointing.dir={}", folder.path().join("checkpoints").display());
    let run = |parallelism: u32, pace: &str| -> Result<Running> {
        let script = table("t", &input, pace) + &table("o", &out, "") + "INSERT INTO o SELECT id FROM t;";
        std::fs::write(&job, script)?;
        let parallelism = format!("parallelism.default={parallelism}");
        let mut command = binary::command(&["run", "--job-id", JOB_ID])?;
        let options =
            ["pipeline.max-parallelism=128", "execution.checkpointing.interval=50 ms", &checkpoints, &parallelism];
        for option in options {
            command.args(["--set", option]);
        }
        Ok(Running(command.arg(&job).spawn()?))
    };
    let pace = ", 'scan.rows-per-second' = '400'";
    let mut seen = 0;
    for parallelism in [4, 1, 3] {
        let killed = run(parallelism, pace)?;
        // The next start resumes from this record until another commit.
        seen = binary::wait_for("a commit", DEADLINE, || {
            let now = if out.exists() { committed(&out)?.len() } else { 0 };
            Ok((now > seen).then_some(now))
        })?;
        drop(killed);
    }
    ensure!((seen as u64) < FILES, "all was read before the last kill");
    let mut last = run(2, "")?;
    let status = binary::wait_for("the end", DEADLINE, || Ok(last.0.try_wait()?))?;
    ensure!(status.success(), "{status}");
    let added = adder.end()?;
    check(&committed(&out)?, added, "killed three times")
}

#[test]
fn processes_share_one_list() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let (rest, rpc) = (binary::free_port()?, binary::free_port()?);
    let config = folder.path().join("config.yaml");
    let settings = format!(
        "rest.port: {rest}\njobmanager.rpc.port: {rpc}\ntaskmanager.numberOfTaskSlots: 2\nheartbeat.interval: 100 ms\n\
         state.backend.local-dir: {}\n",
        folder.path().display()
    );
    std::fs::write(&config, settings)?;
    let process = |name: &str, log: &str| -> Result<Running> {
        let log = File::create(folder.path().join(log))?;
        let mut command = binary::command(&[name, "--config", &config.display().to_string()])?;
        Ok(Running(command.stdout(log.try_clone()?).stderr(log).spawn()?))
    };
    let _processes =
        [process("jobmanager", "jobmanager.log")?, process("taskmanager", "1.log")?, process("taskmanager", "2.log")?];
    let rest = format!("http://127.0.0.1:{rest}");
    binary::wait_for("the JobManager", DEADLINE, || {
        Ok(binary::output(&["list", "--jobmanager", &rest])?.status.success().then_some(()))
    })?;
    let adder = start(folder.path())?;
    let (input, out, job) = (folder.path().join("in"), folder.path().join("out"), folder.path().join("job.sql"));
    let script = "SET 'parallelism.default' = '4';\n".to_owned() + &table("t", &input, "") + &table("o", &out, "");
    std::fs::write(&job, script + "INSERT INTO o SELECT id FROM t;")?;
    let id = binary::run(&["run", "-d", "--jobmanager", &rest, &job.display().to_string()])?.trim().to_owned();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let url = format!("{rest}/jobs/{id}/status");
    binary::wait_for("the end", DEADLINE, || {
        let text = runtime.block_on(async { reqwest::get(&url).await?.error_for_status()?.text().await })?;
        let status: Value = serde_json::from_str(&text)?;
        let status = status["status"].as_str().unwrap_or_default();
        ensure!(!matches!(status, "FAILED" | "CANCELED"), "{status}");
        Ok((status == "FINISHED").then_some(()))
    })?;
    let added = adder.end()?;
    check(&committed(&out)?, added, "processes")
}
