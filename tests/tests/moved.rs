//! A savepoint that is moved or copied restores exactly; so does the whole folder of a job with its checkpoints, and a
//! savepoint of a query whose columns had other names.

#![allow(clippy::cast_possible_wrap, reason = "a test panics, prints and waits as it likes")]

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use tests::{
    binary::{self, Running},
    folder::copy,
};

const JOB_ID: &str = "0123456789abcdef0123456789abcdef";
const DEADLINE: Duration = Duration::from_secs(60);
const ROWS: i64 = 4_000;
const KEYS: i64 = 7;
const QUERY: &str = "SELECT k, COUNT(*) AS n, SUM(v) AS s FROM t GROUP BY k";

struct Job<'a> {
    folder: &'a Path,
    backend: &'a str,
    query: &'a str,
}

impl Job<'_> {
    fn write(&self, rows_per_second: i64) -> Result<()> {
        let input = self.folder.join("in.jsonl");
        let rows: Vec<String> = (0..ROWS).map(|row| format!("{{\"k\": {}, \"v\": {row}}}\n", row % KEYS)).collect();
        std::fs::write(&input, rows.concat())?;
        let pace = if rows_per_second == 0 {
            String::new()
        } else {
            format!(", 'scan.rows-per-second' = '{rows_per_second}'")
        };
        let script = format!(
            "CREATE TABLE t (k INT, v BIGINT) WITH ('connector' = 'filesystem', 'path' = '{}', 'format' = 'json'{pace});
             {};",
            input.display(),
            self.query
        );
        Ok(std::fs::write(self.folder.join("job.sql"), script)?)
    }

    fn command(&self, checkpoints: &str, more: &[&str]) -> Result<std::process::Command> {
        let mut command = binary::command(&["run", "--output", "jsonl"])?;
        command.args(more);
        let own = [
            format!("state.backend.type={}", self.backend),
            format!("state.backend.local-dir={}", self.folder.display()),
            format!("execution.checkpointing.dir={checkpoints}"),
            "execution.checkpointing.interval=200 ms".to_owned(),
            "pipeline.max-parallelism=128".to_owned(),
        ];
        for option in &own {
            command.args(["--set", option]);
        }
        command.arg(self.folder.join("job.sql"));
        Ok(command)
    }

    /// Runs slowly, takes a savepoint into `savepoints` once there are results and a checkpoint, and is killed. Gives the
    /// savepoint.
    fn killed(&self, checkpoints: &str, savepoints: &str) -> Result<String> {
        self.write(500)?;
        let (port, out) = (binary::free_port()?, self.folder.join("killed.jsonl"));
        let port_option = format!("rest.port={port}");
        let mut command = self.command(checkpoints, &["--job-id", JOB_ID, "--rest", "--set", &port_option])?;
        let mut child = Running(command.stdout(std::fs::File::create(&out)?).spawn()?);
        binary::wait_for("results", DEADLINE, || {
            ensure!(child.0.try_wait()?.is_none(), "the job has ended");
            Ok((std::fs::read_to_string(&out)?.lines().count() > 50).then_some(()))
        })?;
        let before = last_checkpoint(Path::new(checkpoints))?;
        binary::wait_for("a checkpoint of all keys", DEADLINE, || {
            ensure!(child.0.try_wait()?.is_none(), "the job has ended");
            // The next one may have been begun before.
            Ok((last_checkpoint(Path::new(checkpoints))? >= before + 2).then_some(()))
        })?;
        let server = format!("http://127.0.0.1:{port}");
        binary::wait_for("a savepoint", DEADLINE, || {
            ensure!(child.0.try_wait()?.is_none(), "the job has ended");
            let output = binary::output(&["savepoint", "--jobmanager", &server, JOB_ID, savepoints])?;
            Ok(output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned()))
        })
    }

    /// Goes on to the end, and has the sums of all rows without having begun anew.
    fn goes_on(&self, what: &str, checkpoints: &str, more: &[&str]) -> Result<()> {
        self.write(0)?;
        let output = self.command(checkpoints, more)?.output()?;
        let said = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "{what}: {}: {said}", output.status);
        let mut last = BTreeMap::new();
        for line in String::from_utf8(output.stdout)?.lines() {
            let change: Value = serde_json::from_str(line).with_context(|| line.to_owned())?;
            ensure!(change["op"] != "+I", "{what}: it began anew: {line}");
            if change["op"] == "+U" {
                let number = |name: &str| change["row"][name].as_i64().context(name.to_owned());
                last.insert(number("k")?, (number("n")?, number("s")?));
            }
        }
        let of_key = |key: i64| (0..ROWS).filter(move |row| row % KEYS == key);
        let expected = (0..KEYS).map(|key| (key, (of_key(key).count() as i64, of_key(key).sum::<i64>()))).collect();
        ensure!(last == expected, "{what}: {last:?} instead of {expected:?}");
        Ok(())
    }
}

/// The number of the last complete checkpoint; 0 without one.
fn last_checkpoint(checkpoints: &Path) -> Result<u64> {
    let root = checkpoints.join(JOB_ID);
    let mut last = 0;
    for entry in root.exists().then(|| std::fs::read_dir(&root)).transpose()?.into_iter().flatten() {
        let path = entry?.path();
        let name = path.file_name().and_then(|name| name.to_str()).and_then(|name| name.strip_prefix("chk-"));
        let number = name.and_then(|rest| rest.split('-').next()?.parse::<u64>().ok());
        if let Some(number) = number.filter(|_| path.join("_metadata").exists()) {
            last = last.max(number);
        }
    }
    Ok(last)
}

fn text(path: &Path) -> String {
    path.display().to_string()
}

fn local_path(uri: &str) -> PathBuf {
    PathBuf::from(uri.strip_prefix("file://").unwrap_or(uri))
}

fn check(backend: &str, other_backend: &str) -> Result<()> {
    let folder = tempfile::tempdir()?;
    let at = |name: &str| folder.path().join(name);
    let job = Job { folder: folder.path(), backend, query: QUERY };
    let savepoint = local_path(&job.killed(&text(&at("checkpoints")), &text(&at("savepoints")))?);

    // The folder of the job as it was when it was killed, and the savepoint, are both elsewhere now.
    std::fs::rename(at("checkpoints"), at("moved-checkpoints"))?;
    std::fs::create_dir(at("deep"))?;
    std::fs::rename(&savepoint, at("deep").join("moved"))?;
    copy(&at("deep").join("moved"), &at("copied"))?;
    std::fs::remove_dir_all(at("savepoints"))?;

    let moved = at("deep").join("moved");
    job.goes_on("a moved savepoint", &text(&at("new-1")), &["--from", &text(&moved)])?;
    std::fs::remove_dir_all(moved)?;
    let copied = format!("file://{}/_metadata", at("copied").display());
    job.goes_on("a copy whose original is gone", &text(&at("new-2")), &["--from", &copied])?;
    let other = Job { backend: other_backend, ..job };
    other.goes_on("the copy, on the other backend", &text(&at("new-3")), &["--from", &text(&at("copied"))])?;
    let parallel = ["--from", &text(&at("copied")), "--set", "parallelism.default=3"];
    other.goes_on("the copy, at another parallelism", &text(&at("new-4")), &parallel)?;
    let job = Job { backend, ..other };
    job.goes_on("the moved folder of the job", &text(&at("moved-checkpoints")), &["--job-id", JOB_ID])
}

#[test]
fn a_moved_savepoint_in_memory() -> Result<()> {
    check("hashmap", "rocksdb")
}

#[test]
fn a_moved_savepoint_in_rocksdb() -> Result<()> {
    check("rocksdb", "hashmap")
}

/// A relative path is one of the process that was given it.
#[test]
fn a_savepoint_by_a_relative_path() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let job = Job { folder: folder.path(), backend: "rocksdb", query: QUERY };
    let at = |name: &str| text(&folder.path().join(name));
    let savepoint = local_path(&job.killed(&at("checkpoints"), &at("savepoints"))?);
    std::fs::rename(savepoint, folder.path().join("here"))?;
    job.write(0)?;
    let mut command = job.command("new", &["--from", "here"])?;
    let output = command.current_dir(folder.path()).output()?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    ensure!(!String::from_utf8_lossy(&output.stdout).contains("+I"), "it began anew");
    Ok(())
}

/// The ids of operators do not depend on the names of columns, and neither does what is compared when they restore.
#[test]
fn a_savepoint_of_a_query_whose_columns_had_other_names() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let named = |key: &str| {
        format!("SELECT {key} AS k, COUNT(*) AS n, SUM(v) AS s FROM (SELECT k + 0 AS {key}, v FROM t) GROUP BY {key}")
    };
    let at = |name: &str| text(&folder.path().join(name));
    let (before, after) = (named("old_name"), named("new_name"));
    let job = Job { folder: folder.path(), backend: "rocksdb", query: &before };
    let savepoint = job.killed(&at("checkpoints"), &at("savepoints"))?;
    let job = Job { query: &after, ..job };
    job.goes_on("other names of columns", &at("new"), &["--from", &savepoint])
}
