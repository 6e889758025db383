//! A sink's process is killed (`kill -9`) before each step of its commits to a local folder, one step after the other: at
//! no time do readers see more than committed files, and in the end each row is there once.

#![allow(clippy::cast_possible_truncation, reason = "a test panics, prints and waits as it likes")]

use std::{
    path::{Path, PathBuf},
    process::{Command, ExitStatus},
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use tests::binary::{self, Running};

const JOB_ID: &str = "0123456789abcdef0123456789abcdef";
const ROWS: usize = 200;
/// Steps of the first commits: a commit has about five.
const STEPS: u32 = 12;
const DEADLINE: Duration = Duration::from_secs(60);

/// Stands before the C library's functions that change a folder, counts the calls for one folder, and ends the process
/// before one of them.
const SHIM: &str = r#"
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
static int steps;
static void step(const char *path) {
  const char *below = getenv("KILL_BELOW"), *at = getenv("KILL_AT");
  if (below && at && strstr(path, below) && __atomic_add_fetch(&steps, 1, __ATOMIC_SEQ_CST) == atoi(at)) kill(getpid(), SIGKILL);
}
#define NEXT(name, type) ((type)dlsym(RTLD_NEXT, name))
static int opened(const char *name, const char *path, int flags, mode_t mode) {
  if (flags & O_CREAT) step(path);
  return NEXT(name, int (*)(const char *, int, ...))(path, flags, mode);
}
int open(const char *path, int flags, ...) {
  va_list list; va_start(list, flags); mode_t mode = flags & O_CREAT ? va_arg(list, mode_t) : 0; va_end(list);
  return opened("open", path, flags, mode);
}
int open64(const char *path, int flags, ...) {
  va_list list; va_start(list, flags); mode_t mode = flags & O_CREAT ? va_arg(list, mode_t) : 0; va_end(list);
  return opened("open64", path, flags, mode);
}
int link(const char *from, const char *to) { step(to); return NEXT("link", int (*)(const char *, const char *))(from, to); }
int linkat(int a, const char *from, int b, const char *to, int flags) {
  step(to); return NEXT("linkat", int (*)(int, const char *, int, const char *, int))(a, from, b, to, flags);
}
int rename(const char *from, const char *to) { step(to); return NEXT("rename", int (*)(const char *, const char *))(from, to); }
int unlink(const char *path) { step(path); return NEXT("unlink", int (*)(const char *))(path); }
"#;

fn shim(folder: &Path) -> Result<PathBuf> {
    let (source, library) = (folder.join("shim.c"), folder.join("shim.so"));
    std::fs::write(&source, SHIM)?;
    let status =
        Command::new("cc").args(["-shared", "-fPIC", "-w", "-o"]).args([&library, &source]).arg("-ldl").status();
    let status = status.context("a C compiler, which RocksDB needs too")?;
    ensure!(status.success(), "cc: {status}");
    Ok(library)
}

/// Runs the job to its end, or to its step `kill_at`.
fn run(folder: &Path, kill_at: Option<(u32, &Path)>) -> Result<ExitStatus> {
    let (input, out, job) = (folder.join("in.jsonl"), folder.join("out"), folder.join("job.sql"));
    let (input, out) = (input.display(), out.display());
    let script = format!(
        "CREATE TABLE t (v INT) WITH ('connector' = 'filesystem', 'path' = '{input}', 'format' = 'json',
            'scan.rows-per-second' = '400');
         CREATE TABLE o (v INT) WITH ('connector' = 'filesystem', 'path' = '{out}', 'format' = 'json');
         INSERT INTO o SELECT v FROM t;"
    );
    std::fs::write(&job, script)?;
    let mut command =
        binary::command(&["run", "--job-id", JOB_ID, "--set", "execution.checkpointing.interval=100 ms"])?;
    let checkpoints = format!("execution.checkpointing.dir={}", folder.join("checkpoints").display());
    command.args(["--set", &checkpoints]).arg(&job);
    if let Some((step, shim)) = kill_at {
        command.env("LD_PRELOAD", shim).env("KILL_AT", step.to_string()).env("KILL_BELOW", format!("{out}/"));
    }
    let mut child = Running(command.stderr(std::process::Stdio::null()).spawn()?);
    binary::wait_for("the end", DEADLINE, || Ok(child.0.try_wait()?))
}

/// The rows that readers see, sorted.
fn visible(out: &Path) -> Result<Vec<usize>> {
    let mut rows = Vec::new();
    for entry in std::fs::read_dir(out).into_iter().flatten() {
        let path = entry?.path();
        let name = path.file_name().context("a name")?.to_string_lossy().into_owned();
        if name.starts_with(['.', '_']) {
            continue;
        }
        ensure!(name.starts_with("part-") && name.ends_with(".json"), "readers see {name}");
        for line in std::fs::read_to_string(&path)?.lines() {
            let row: serde_json::Value = serde_json::from_str(line).with_context(|| format!("{name}: {line}"))?;
            rows.push(row["v"].as_u64().context("a number")? as usize);
        }
    }
    rows.sort_unstable();
    Ok(rows)
}

#[test]
fn killed_at_every_step() -> Result<()> {
    let tools = tempfile::tempdir()?;
    let shim = shim(tools.path())?;
    let mut killed = 0;
    for step in 1..=STEPS {
        let folder = tempfile::tempdir()?;
        let rows: String = (0..ROWS).map(|v| format!("{{\"v\":{v}}}\n")).collect();
        std::fs::write(folder.path().join("in.jsonl"), rows)?;
        let out = folder.path().join("out");
        killed += u32::from(!run(folder.path(), Some((step, &shim)))?.success());
        let seen = visible(&out).with_context(|| format!("killed before step {step}"))?;
        ensure!(seen.iter().copied().eq(0..seen.len()), "killed before step {step}: {seen:?}");
        ensure!(run(folder.path(), None)?.success(), "killed before step {step}: it does not go on");
        let seen = visible(&out).with_context(|| format!("after a kill before step {step}"))?;
        ensure!(seen.iter().copied().eq(0..ROWS), "after a kill before step {step}: {} rows: {seen:?}", seen.len());
    }
    ensure!(killed >= STEPS - 2, "only {killed} of {STEPS} runs were killed");
    Ok(())
}
