//! A job from files to files, in one process of four slots, that is killed (`kill -9`) at random moments and started
//! again: what it writes is what an undisturbed run writes, row for row.
//! `KILLS=100 SEED=7 cargo test --release -p tests --test kill -- --nocapture` repeats a run.

#![allow(
    clippy::cast_possible_truncation,
    clippy::disallowed_methods,
    clippy::print_stderr,
    reason = "a test panics, prints and waits as it likes"
)]

use std::{
    path::{Path, PathBuf},
    process::{Child, ExitStatus},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use rand::{Rng, SeedableRng, rngs::StdRng};
use tests::{binary, changelog, files_job};

const JOB_ID: &str = "0123456789abcdef0123456789abcdef";
const KILLS_DEFAULT: u32 = 8;
/// For the life that is not ended by a kill.
const DEADLINE: Duration = Duration::from_secs(120);
/// Some lives see no checkpoint (there is one each second), some see two.
const LIFE_MS_MAX: u64 = 2400;
const ROWS_PER_SECOND: u64 = 4000;

/// What differs between the tests.
#[derive(Clone, Copy)]
struct Kind {
    backend: &'static str,
    mode: &'static str,
}

fn start(folder: &Path, kind: Kind) -> Result<Child> {
    let set = [
        "parallelism.default=4".to_owned(),
        "pipeline.max-parallelism=128".to_owned(),
        "execution.checkpointing.interval=1 s".to_owned(),
        format!("execution.checkpointing.dir={}", folder.join("checkpoints").display()),
        format!("execution.checkpointing.mode={}", kind.mode),
        format!("state.backend.type={}", kind.backend),
        format!("state.backend.local-dir={}", folder.display()),
    ];
    let mut command = binary::command(&["run", "--job-id", JOB_ID])?;
    for option in set {
        command.args(["--set", &option]);
    }
    Ok(command.arg(folder.join("job.sql")).spawn()?)
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

/// Runs the job to its end after killing it at the end of each of `lives`. Only the last one reads as fast as it can.
fn run(data: &Path, folder: &Path, kind: Kind, lives: &[Duration]) -> Result<()> {
    std::fs::create_dir_all(folder)?;
    let write = |pace| std::fs::write(folder.join("job.sql"), files_job::script(data, &folder.join("out"), pace));
    write(ROWS_PER_SECOND)?;
    for (number, life) in lives.iter().enumerate() {
        let mut child = binary::Running(start(folder, kind)?);
        let status = exit_within(&mut child.0, *life)?;
        ensure!(status.is_none(), "after {number} of {} kills, the job ended: {status:?}", lives.len());
    }
    write(0)?;
    let mut child = binary::Running(start(folder, kind)?);
    let status = exit_within(&mut child.0, DEADLINE)?.context("the job did not end")?;
    ensure!(status.success(), "the job ended with {status}");
    Ok(())
}

/// Runs the job undisturbed, and with kills at the ends of lives drawn from the seed. Gives both folders.
fn run_both(folder: &Path, kind: Kind, kills: u32, seed: u64) -> Result<(PathBuf, PathBuf)> {
    let mut random = StdRng::seed_from_u64(seed);
    let (calm, rough) = (folder.join("calm"), folder.join("rough"));
    let lives: Vec<_> = (0..kills).map(|_| Duration::from_millis(random.random_range(20..LIFE_MS_MAX))).collect();
    // More than can be read in all of them, so that all the kills strike.
    let seconds = lives.iter().sum::<Duration>().as_secs() + 5;
    files_job::write_events(folder, seconds * ROWS_PER_SECOND)?;
    run(folder, &calm, kind, &[]).context("the undisturbed run")?;
    run(folder, &rough, kind, &lives)?;
    Ok((calm.join("out"), rough.join("out")))
}

fn variable(name: &str) -> Option<u64> {
    std::env::var(name).ok().and_then(|value| value.parse().ok())
}

fn seed() -> u64 {
    variable("SEED").unwrap_or_else(|| StdRng::from_os_rng().random_range(0..1_000_000))
}

fn check(backend: &'static str) -> Result<()> {
    let seed = seed();
    let kills = variable("KILLS").map_or(KILLS_DEFAULT, |kills| kills as u32);
    eprintln!("SEED={seed} KILLS={kills} backend {backend}");
    let folder = tempfile::tempdir()?;
    let (calm, rough) = run_both(folder.path(), Kind { backend, mode: "EXACTLY_ONCE" }, kills, seed)
        .with_context(|| format!("SEED={seed} {backend}"))?;
    let (expected, actual) = (files_job::rows(&calm)?, files_job::rows(&rough)?);
    let difference = changelog::difference(&actual, &expected);
    ensure!(difference.is_none(), "SEED={seed} {backend}, {kills} kills: {}", difference.unwrap_or_default());
    eprintln!("{backend}: killed {kills} times, {} rows are equal (SEED={seed})", expected.values().sum::<i64>());
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

#[test]
fn at_least_once_loses_nothing() -> Result<()> {
    let seed = seed();
    eprintln!("SEED={seed} at least once");
    let folder = tempfile::tempdir()?;
    let (calm, rough) = run_both(folder.path(), Kind { backend: "hashmap", mode: "AT_LEAST_ONCE" }, 3, seed)
        .with_context(|| format!("SEED={seed}"))?;
    let (expected, actual) = (files_job::bids(&calm)?, files_job::bids(&rough)?);
    for (window, bids) in &expected {
        let found = actual.get(window).copied().unwrap_or_default();
        ensure!(found >= *bids, "SEED={seed}: {found} bids instead of at least {bids} in {window:?}");
    }
    Ok(())
}
