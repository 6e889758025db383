//! Checkpoints and results on a real S3 server whose connections break: nothing is lost or repeated, and a server that
//! is not there is named. `SEED=7 cargo test --release -p tests --test faults` repeats a run.

#![allow(clippy::disallowed_methods, clippy::print_stderr, reason = "a test panics, prints and waits as it likes")]

use std::time::Duration;

use anyhow::{Result, ensure};
use rand::{Rng, SeedableRng, rngs::StdRng};
use tests::{
    binary, changelog,
    nexmark_generated::{self, read_result},
    proxy::Proxy,
    s3::Server,
};

const EVENTS: u64 = 40_000;
const DEADLINE: Duration = Duration::from_secs(120);

fn check(backend: &str) -> Result<()> {
    let Some(server) = Server::from_environment()? else { return Ok(()) };
    let seed = std::env::var("SEED").ok().and_then(|seed| seed.parse().ok());
    let seed = seed.unwrap_or_else(|| StdRng::from_os_rng().random_range(0..1_000_000));
    eprintln!("SEED={seed} backend {backend}");
    let folder = tempfile::tempdir()?;
    let proxy = Proxy::start(server.address(), seed)?;
    let place = server.folder(&format!("faults-{backend}"));
    let out = format!("{place}/out");
    let script = folder.path().join("job.sql");
    std::fs::write(&script, nexmark_generated::windowed_job(&out, EVENTS, 8_000))?;
    let mut command = binary::command(&["run", "--job-id", "0123456789abcdef0123456789abcdef"])?;
    let more = [
        "parallelism.default=2".to_owned(),
        "execution.checkpointing.interval=200 ms".to_owned(),
        "restart-strategy.exponential-delay.initial-backoff=50 ms".to_owned(),
        "restart-strategy.exponential-delay.max-backoff=200 ms".to_owned(),
        format!("execution.checkpointing.dir={place}/checkpoints"),
        format!("state.backend.type={backend}"),
        format!("state.backend.local-dir={}", folder.path().display()),
    ];
    for option in server.options_at(&proxy.url()).iter().chain(&more) {
        command.args(["--set", option]);
    }
    let log = std::fs::File::create(folder.path().join("log"))?;
    let mut child = binary::Running(command.arg(&script).stderr(log).spawn()?);
    let status = binary::wait_for("the job's end", DEADLINE, || Ok(child.0.try_wait()?))?;
    let log = std::fs::read_to_string(folder.path().join("log"))?;
    ensure!(status.success(), "SEED={seed}: the job ended with {status}:\n{log}");
    let faults = proxy.faults();
    ensure!(faults > 0, "SEED={seed}: no connection was hurt");

    let calm = folder.path().join("calm").display().to_string();
    std::fs::write(&script, nexmark_generated::windowed_job(&calm, EVENTS, 0))?;
    binary::run(&["run", &script.display().to_string()])?;
    let expected = read_result(folder.path(), &calm, &[])?;
    let actual = read_result(folder.path(), &out, &server.options())?;
    ensure!(!expected.is_empty(), "the undisturbed run wrote nothing");
    let difference = changelog::difference(&actual, &expected);
    ensure!(difference.is_none(), "SEED={seed}: {}\n{log}", difference.unwrap_or_default());
    eprintln!("{faults} connections hurt, {} restarts: {} rows are equal", log.lines().count(), expected.len());
    Ok(())
}

#[test]
fn connections_break_in_memory() -> Result<()> {
    check("hashmap")
}

#[test]
fn connections_break_in_rocksdb() -> Result<()> {
    check("rocksdb")
}
