//! A job in one process that is killed (`kill -9`) at random moments and started again: what it writes is what an
//! undisturbed run writes, row for row. `KILLS=50 SEED=7 cargo test --release -p tests --test kill` repeats a run.

use std::{
    collections::BTreeMap,
    path::Path,
    process::{Child, ExitStatus},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail, ensure};
use rand::{Rng, SeedableRng, rngs::StdRng};
use tests::{binary, changelog::Table, nexmark_generated};

const JOB_ID: &str = "0123456789abcdef0123456789abcdef";
const KILLS_DEFAULT: u32 = 12;
const DEADLINE: Duration = Duration::from_secs(300);

fn start(folder: &Path, backend: &str) -> Result<Child> {
    let set = [
        "parallelism.default=2".to_owned(),
        "pipeline.max-parallelism=128".to_owned(),
        "execution.checkpointing.interval=50 ms".to_owned(),
        format!("execution.checkpointing.dir={}", folder.join("checkpoints").display()),
        format!("state.backend.type={backend}"),
        format!("state.backend.local-dir={}", folder.display()),
    ];
    let mut command = binary::command(&["run", "--job-id", JOB_ID])?;
    for option in set {
        command.args(["--set", &option]);
    }
    Ok(command.arg(folder.join("job.sql")).spawn()?)
}

/// The committed rows.
fn rows(folder: &Path) -> Result<Table> {
    let mut table = BTreeMap::new();
    for entry in std::fs::read_dir(folder.join("out"))? {
        let path = entry?.path();
        if !path.is_file() {
            continue;
        }
        for line in std::fs::read_to_string(path)?.lines() {
            *table.entry(line.to_owned()).or_default() += 1;
        }
    }
    Ok(table)
}

fn exit_within(child: &mut Child, time: Duration) -> Result<Option<ExitStatus>> {
    let started = Instant::now();
    while started.elapsed() < time {
        if let Some(status) = child.try_wait()? {
            return Ok(Some(status));
        }
        std::thread::park_timeout(Duration::from_millis(2));
    }
    Ok(None)
}

/// Runs the job to its end, killing it `kills` times on the way; gives how often it was killed.
fn run(folder: &Path, backend: &str, kills: u32, random: &mut StdRng) -> Result<u32> {
    std::fs::create_dir_all(folder)?;
    std::fs::write(folder.join("job.sql"), nexmark_generated::windowed_job(&folder.join("out"), 100_000, 20_000))?;
    let started = Instant::now();
    let mut killed = 0;
    while started.elapsed() < DEADLINE {
        let mut child = binary::Running(start(folder, backend)?);
        let patience = if killed < kills { Duration::from_millis(random.random_range(20..700)) } else { DEADLINE };
        match exit_within(&mut child.0, patience)? {
            Some(status) => {
                ensure!(status.success(), "the job ended with {status}");
                return Ok(killed);
            }
            None => killed += 1,
        }
    }
    bail!("the job did not end within {DEADLINE:?}")
}

fn check(backend: &str) -> Result<()> {
    let variable = |name: &str| std::env::var(name).ok().and_then(|value| value.parse::<u64>().ok());
    let seed = variable("SEED").unwrap_or_else(|| rand::rng().random_range(0..1_000_000));
    let kills = variable("KILLS").map_or(KILLS_DEFAULT, |kills| kills as u32);
    eprintln!("SEED={seed} KILLS={kills} backend {backend}");
    let mut random = StdRng::seed_from_u64(seed);
    let folder = tempfile::tempdir()?;
    let (calm, rough) = (folder.path().join("calm"), folder.path().join("rough"));
    run(&calm, backend, 0, &mut random).context("the undisturbed run")?;
    let killed = run(&rough, backend, kills, &mut random).with_context(|| format!("SEED={seed}"))?;
    let (expected, actual) = (rows(&calm)?, rows(&rough)?);
    ensure!(!expected.is_empty(), "the undisturbed run wrote nothing");
    let difference = tests::changelog::difference(&actual, &expected);
    ensure!(difference.is_none(), "SEED={seed}, killed {killed} times: {}", difference.unwrap_or_default());
    eprintln!("killed {killed} times: {} rows are equal", expected.values().sum::<i64>());
    Ok(())
}

#[test]
fn killed_in_memory() -> Result<()> {
    check("hashmap")
}

#[test]
fn killed_in_rocksdb() -> Result<()> {
    check("rocksdb")
}
