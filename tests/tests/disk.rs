//! A full disk: the job ends and says so and where, and once there is room again it goes on from its last checkpoint.

#![allow(clippy::print_stderr, reason = "a test panics, prints and waits as it likes")]
#![cfg(target_os = "linux")]

use std::{
    fs::File,
    io::{BufRead, BufReader, Write},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use tests::{
    binary::{self, Running},
    changelog,
    nexmark_generated::{self, read_result},
};

const EVENTS: u64 = 40_000;
const ROWS_PER_SECOND: u64 = 10_000;
const DEADLINE: Duration = Duration::from_secs(60);
const SIZE: &str = "64m";

/// A small disk, which is seen in the mount namespace of a process that holds it. It goes with the process.
struct Disk {
    holder: Running,
    /// Where processes in the namespace see it.
    inside: PathBuf,
}

impl Disk {
    /// None where disks may not be mounted, which is said on standard error.
    fn mount(inside: PathBuf) -> Result<Option<Self>> {
        std::fs::create_dir_all(&inside)?;
        let script = format!("mount -t tmpfs -o size={SIZE} tmpfs '{}' && echo mounted && exec cat", inside.display());
        let mut command = Command::new("unshare");
        command.args(["--mount", "--map-root-user", "sh", "-c", &script]);
        let Ok(child) = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn() else {
            eprintln!("skipped: there is no 'unshare' to mount a small disk with");
            return Ok(None);
        };
        let mut holder = Running(child);
        let mut said = String::new();
        BufReader::new(holder.0.stdout.take().context("a pipe")?).read_line(&mut said)?;
        if said.trim() != "mounted" {
            eprintln!("skipped: a small disk cannot be mounted here");
            return Ok(None);
        }
        Ok(Some(Self { holder, inside }))
    }

    /// Where this process sees it.
    fn outside(&self) -> PathBuf {
        PathBuf::from(format!("/proc/{}/root{}", self.holder.0.id(), self.inside.display()))
    }

    /// Takes all the room that is left.
    fn fill(&self) -> Result<PathBuf> {
        let path = self.outside().join("ballast");
        let mut file = File::create(&path)?;
        for block in [1 << 20, 1 << 10, 1] {
            while file.write_all(&vec![0; block]).is_ok() {}
        }
        Ok(path)
    }

    /// The job beside the disk, with its checkpoints on it.
    fn command(&self, local: &Path, backend: &str) -> Result<Command> {
        let mut command = Command::new("nsenter");
        command.args(["--target", &self.holder.0.id().to_string(), "--user", "--mount", "--preserve-credentials"]);
        command.arg(binary::path()?).args(["run", "--job-id", "0123456789abcdef0123456789abcdef"]);
        for option in [
            format!("state.backend.type={backend}"),
            format!("state.backend.local-dir={}", local.display()),
            format!("execution.checkpointing.dir={}/checkpoints", self.inside.display()),
            "execution.checkpointing.interval=100 ms".to_owned(),
            "restart-strategy.type=none".to_owned(),
        ] {
            command.args(["--set", &option]);
        }
        command.arg(self.inside.with_file_name("job.sql")).stdin(Stdio::null()).stderr(Stdio::piped());
        Ok(command)
    }

    fn has_checkpoint(&self) -> Result<bool> {
        let found = Command::new("find").arg(self.outside()).args(["-name", "_metadata"]).output()?;
        Ok(!found.stdout.is_empty())
    }
}

fn check(backend: &str) -> Result<()> {
    let folder = tempfile::tempdir()?;
    let Some(disk) = Disk::mount(folder.path().join("disk"))? else { return Ok(()) };
    let out = folder.path().join("out").display().to_string();
    let write = |out: &str, pace| {
        let job = nexmark_generated::windowed_job(out, EVENTS, pace);
        std::fs::write(folder.path().join("job.sql"), job)
    };
    write(&out, ROWS_PER_SECOND)?;
    let mut child = disk.command(folder.path(), backend)?.spawn()?;
    binary::wait_for("a checkpoint", DEADLINE, || {
        ensure!(child.try_wait()?.is_none(), "the job has ended early");
        Ok(disk.has_checkpoint()?.then_some(()))
    })?;
    let ballast = disk.fill()?;
    let output = child.wait_with_output()?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.code() == Some(1), "{}: {said}", output.status);
    for piece in ["No space left on device", "disk/checkpoints"] {
        ensure!(said.contains(piece), "no {piece:?} in {said:?}");
    }

    std::fs::remove_file(ballast)?;
    let output = disk.command(folder.path(), backend)?.output()?;
    ensure!(output.status.success(), "with room again: {}", String::from_utf8_lossy(&output.stderr));
    let rows = read_result(folder.path(), &out, &[])?;
    let calm = folder.path().join("calm").display().to_string();
    write(&calm, 0)?;
    binary::run(&["run", &folder.path().join("job.sql").display().to_string()])?;
    let difference = changelog::difference(&rows, &read_result(folder.path(), &calm, &[])?);
    ensure!(difference.is_none(), "{}", difference.unwrap_or_default());
    Ok(())
}

#[test]
fn a_full_disk_in_memory() -> Result<()> {
    check("hashmap")
}

#[test]
fn a_full_disk_in_rocksdb() -> Result<()> {
    check("rocksdb")
}

#[test]
fn a_full_disk_of_local_state_or_results_is_named() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let Some(disk) = Disk::mount(folder.path().join("disk"))? else { return Ok(()) };
    let ballast = disk.fill()?;
    std::fs::File::options().write(true).open(&ballast)?.set_len(50 << 20)?;
    let job = |result: &str| {
        let script = format!(
            "CREATE TABLE numbers (k BIGINT, s STRING) WITH ('connector' = 'datagen', 'number-of-rows' = '400000',
                'fields.k.kind' = 'sequence', 'fields.k.start' = '1', 'fields.k.end' = '400000',
                'fields.s.length' = '100');
            {result}"
        );
        std::fs::write(folder.path().join("job.sql"), script)
    };
    let inside = disk.inside.display().to_string();
    job("CREATE TABLE result (k BIGINT, n BIGINT, s STRING) WITH ('connector' = 'blackhole');
        INSERT INTO result SELECT k, COUNT(*), MAX(s) FROM numbers GROUP BY k;")?;
    // There is room for the checkpoints, so that it is not they that fail.
    let elsewhere = |name: &str| format!("execution.checkpointing.dir={}", folder.path().join(name).display());
    let mut command = disk.command(&disk.inside, "rocksdb")?;
    command.args(["--set", "taskmanager.memory.managed.size=16 mb", "--set", &elsewhere("first")]);
    says(&mut command, &[&inside, "No space left on device"])?;

    let result = format!("'connector' = 'filesystem', 'path' = '{inside}/result', 'format' = 'json'");
    job(&format!(
        "CREATE TABLE result (k BIGINT, s STRING) WITH ({result}); INSERT INTO result SELECT k, s FROM numbers;"
    ))?;
    let mut command = disk.command(folder.path(), "hashmap")?;
    command.args(["--set", &elsewhere("second")]);
    says(&mut command, &[&format!("{inside}/result"), "No space left on device"])
}

/// Runs to the end, which is a failure that says this.
fn says(command: &mut Command, pieces: &[&str]) -> Result<()> {
    let output = command.output()?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.code() == Some(1), "{}: {said}", output.status);
    for piece in pieces {
        ensure!(said.contains(piece), "no {piece:?} in {said:?}");
    }
    Ok(())
}
