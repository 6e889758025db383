//! A job from files to files, in one process of four slots, that is killed (`kill -9`) at random moments and started
//! again: what it writes is what an undisturbed run writes, row for row.
//! `KILLS=100 SEED=7 cargo test --release -p tests --test kill -- --nocapture` repeats a run.

use std::{
    path::Path,
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

fn start(folder: &Path, backend: &str) -> Result<Child> {
    let set = [
        "parallelism.default=4".to_owned(),
        "pipeline.max-parallelism=128".to_owned(),
        "execution.checkpointing.interval=1 s".to_owned(),
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
fn run(data: &Path, folder: &Path, backend: &str, lives: &[Duration]) -> Result<()> {
    std::fs::create_dir_all(folder)?;
    let write = |pace| std::fs::write(folder.join("job.sql"), files_job::script(data, &folder.join("out"), pace));
    write(ROWS_PER_SECOND)?;
    for (number, life) in lives.iter().enumerate() {
        let mut child = binary::Running(start(folder, backend)?);
        let status = exit_within(&mut child.0, *life)?;
        ensure!(status.is_none(), "after {number} of {} kills, the job ended: {status:?}", lives.len());
    }
    write(0)?;
    let mut child = binary::Running(start(folder, backend)?);
    let status = exit_within(&mut child.0, DEADLINE)?.context("the job did not end")?;
    ensure!(status.success(), "the job ended with {status}");
    Ok(())
}

fn check(backend: &str) -> Result<()> {
    let variable = |name: &str| std::env::var(name).ok().and_then(|value| value.parse::<u64>().ok());
    let seed = variable("SEED").unwrap_or_else(|| StdRng::from_os_rng().random_range(0..1_000_000));
    let kills = variable("KILLS").map_or(KILLS_DEFAULT, |kills| kills as u32);
    eprintln!("SEED={seed} KILLS={kills} backend {backend}");
    let mut random = StdRng::seed_from_u64(seed);
    let folder = tempfile::tempdir()?;
    let (calm, rough) = (folder.path().join("calm"), folder.path().join("rough"));
    let lives: Vec<_> = (0..kills).map(|_| Duration::from_millis(random.random_range(20..LIFE_MS_MAX))).collect();
    // More than can be read in all of them, so that all the kills strike.
    let seconds = lives.iter().sum::<Duration>().as_secs() + 5;
    files_job::write_events(folder.path(), seconds * ROWS_PER_SECOND)?;
    run(folder.path(), &calm, backend, &[]).context("the undisturbed run")?;
    run(folder.path(), &rough, backend, &lives).with_context(|| format!("SEED={seed} {backend}"))?;
    let (expected, actual) = (files_job::rows(&calm.join("out"))?, files_job::rows(&rough.join("out"))?);
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
