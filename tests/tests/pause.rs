//! Processes paused (SIGSTOP, then SIGCONT) for longer than `heartbeat.timeout`, like a suspended laptop or virtual machine:
//! the job resumes and its results are exact, in one process and in several.

#![allow(clippy::disallowed_methods, reason = "a test panics, prints and waits as it likes")]

use std::{
    collections::BTreeSet,
    fs::File,
    path::{Path, PathBuf},
    process::{Child, Command},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use tests::{
    binary::{self, Running},
    folder,
};

const JOB_ID: &str = "0123456789abcdef0123456789abcdef";
const DEADLINE: Duration = Duration::from_secs(120);
const HEARTBEAT_TIMEOUT: Duration = Duration::from_secs(3);
const PAUSE: Duration = Duration::from_secs(6);
const ROWS: u64 = 4_000;

/// Options of all jobs here.
fn options(folder: &Path, parallelism: u32) -> Vec<String> {
    vec![
        format!("heartbeat.timeout={} ms", HEARTBEAT_TIMEOUT.as_millis()),
        "heartbeat.interval=100 ms".to_owned(),
        format!("parallelism.default={parallelism}"),
        "execution.checkpointing.interval=200 ms".to_owned(),
        format!("execution.checkpointing.dir={}", folder.join("checkpoints").display()),
        format!("state.backend.local-dir={}", folder.display()),
        "restart-strategy.exponential-delay.initial-backoff=50 ms".to_owned(),
    ]
}

/// Writes the input and the script of a job that takes some seconds.
fn write_job(folder: &Path) -> Result<PathBuf> {
    let rows: String = (1..=ROWS).map(|row| format!("{{\"v\": {row}}}\n")).collect();
    let (input, out, script) = (folder.join("in.jsonl"), folder.join("out"), folder.join("job.sql"));
    std::fs::write(&input, rows)?;
    std::fs::write(
        &script,
        format!(
            "CREATE TABLE t (v BIGINT) WITH ('connector' = 'filesystem', 'path' = '{}', 'format' = 'json',
                'scan.rows-per-second' = '1000');
             CREATE TABLE o (v BIGINT) WITH ('connector' = 'filesystem', 'path' = '{}', 'format' = 'json');
             INSERT INTO o SELECT v FROM t;",
            input.display(),
            out.display()
        ),
    )?;
    Ok(script)
}

/// All rows are there, each once.
fn check_rows(folder: &Path) -> Result<()> {
    let (mut rows, mut count) = (BTreeSet::new(), 0);
    for line in folder::lines(&folder.join("out"))? {
        let row: Value = serde_json::from_str(&line).with_context(|| line.clone())?;
        rows.insert(row["v"].as_u64().context("a number")?);
        count += 1;
    }
    ensure!(count == ROWS && rows.len() as u64 == ROWS, "{} rows, {count} of them, instead of {ROWS}", rows.len());
    Ok(())
}

fn signal(name: &str, children: &[&Child]) -> Result<()> {
    for child in children {
        let status = Command::new("kill").args([format!("-{name}"), child.id().to_string()]).status()?;
        ensure!(status.success(), "kill -{name}: {status}");
    }
    Ok(())
}

/// Stops processes for a while that no timeout outlasts.
fn pause(children: &[&Child]) -> Result<()> {
    signal("STOP", children)?;
    let since = Instant::now();
    binary::wait_for("the pause's end", DEADLINE, || Ok((since.elapsed() >= PAUSE).then_some(())))?;
    signal("CONT", children)
}

fn has_committed(folder: &Path) -> bool {
    let is_result = |entry: std::fs::DirEntry| entry.path().is_file();
    std::fs::read_dir(folder.join("out")).is_ok_and(|mut entries| entries.any(|entry| entry.is_ok_and(is_result)))
}

#[test]
fn one_process_that_is_stopped_for_a_while_goes_on() -> Result<()> {
    for parallelism in [1, 2] {
        let folder = tempfile::tempdir()?;
        let script = write_job(folder.path())?;
        let mut command = binary::command(&["run", "--job-id", JOB_ID])?;
        for option in options(folder.path(), parallelism) {
            command.args(["--set", &option]);
        }
        let log = folder.path().join("log");
        let mut child = Running(command.arg(&script).stderr(File::create(&log)?).spawn()?);
        binary::wait_for("the first results", DEADLINE, || {
            ensure!(child.0.try_wait()?.is_none(), "the job has ended");
            Ok(has_committed(folder.path()).then_some(()))
        })?;
        pause(&[&child.0])?;
        let ended = binary::wait_for("the job's end", DEADLINE, || Ok(child.0.try_wait()?));
        let log = std::fs::read_to_string(&log)?;
        let status = ended.with_context(|| log.clone())?;
        ensure!(status.success(), "{status}: {log}");
        ensure!(!log.contains("is lost"), "nobody was lost: {log}");
        check_rows(folder.path())?;
    }
    Ok(())
}

/// Which of the processes are stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stopped {
    JobManager,
    TaskManager,
    All,
}

struct Cluster {
    rest: String,
    runtime: tokio::runtime::Runtime,
    jobmanager: Running,
    taskmanager: Running,
}

impl Cluster {
    fn start(folder: &Path) -> Result<Self> {
        let (rest, rpc) = (binary::free_port()?, binary::free_port()?);
        let mut config = format!("rest.port: {rest}\njobmanager.rpc.port: {rpc}\ntaskmanager.numberOfTaskSlots: 2\n");
        for option in options(folder, 2) {
            let (name, value) = option.split_once('=').context("an option")?;
            config.push_str(&format!("{name}: {value}\n"));
        }
        let path = folder.join("config.yaml");
        std::fs::write(&path, config)?;
        let process = |name: &str| -> Result<Running> {
            let log = File::create(folder.join(format!("{name}.log")))?;
            let mut command = binary::command(&[name, "--config", &path.display().to_string()])?;
            Ok(Running(command.stdout(log.try_clone()?).stderr(log).spawn()?))
        };
        let (jobmanager, taskmanager) = (process("jobmanager")?, process("taskmanager")?);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let cluster = Self { rest: format!("http://127.0.0.1:{rest}"), runtime, jobmanager, taskmanager };
        cluster.wait_for_taskmanagers(1)?;
        Ok(cluster)
    }

    /// None as long as nobody answers.
    fn get(&self, path: &str) -> Option<Value> {
        let url = format!("{}{path}", self.rest);
        let text = self.runtime.block_on(async { reqwest::get(&url).await?.error_for_status()?.text().await });
        text.ok().and_then(|text| serde_json::from_str(&text).ok())
    }

    fn wait_for_taskmanagers(&self, count: usize) -> Result<()> {
        binary::wait_for(&format!("{count} TaskManagers"), DEADLINE, || {
            let found = self.get("/taskmanagers").and_then(|body| Some(body["taskmanagers"].as_array()?.len()));
            Ok((found == Some(count)).then_some(()))
        })
    }

    fn stop(&self, stopped: Stopped) -> Result<()> {
        let (jobmanager, taskmanager) = (&self.jobmanager.0, &self.taskmanager.0);
        match stopped {
            Stopped::JobManager => pause(&[jobmanager]),
            Stopped::All => pause(&[jobmanager, taskmanager]),
            Stopped::TaskManager => {
                signal("STOP", &[taskmanager])?;
                // The JobManager runs, so it gives it up.
                self.wait_for_taskmanagers(0)?;
                signal("CONT", &[taskmanager])
            }
        }
    }
}

fn check(stopped: Stopped) -> Result<()> {
    let folder = tempfile::tempdir()?;
    let script = write_job(folder.path())?;
    let cluster = Cluster::start(folder.path())?;
    let printed = binary::run(&["run", "-d", "--jobmanager", &cluster.rest, &script.display().to_string()])?;
    let id = printed.trim();
    binary::wait_for("the first results", DEADLINE, || Ok(has_committed(folder.path()).then_some(())))?;
    cluster.stop(stopped)?;
    let log = || std::fs::read_to_string(folder.path().join("jobmanager.log")).unwrap_or_default();
    let job = binary::wait_for("the job's end", DEADLINE, || {
        let Some(job) = cluster.get(&format!("/jobs/{id}")) else { return Ok(None) };
        ensure!(job["state"] != "FAILED", "{job}");
        Ok((job["state"] == "FINISHED").then_some(job))
    });
    let job = job.with_context(log)?;
    let restarts = job["sluice"]["restarts"].as_u64().with_context(|| job.to_string())?;
    ensure!((restarts > 0) == (stopped == Stopped::TaskManager), "{restarts} restarts: {}", log());
    check_rows(folder.path())
}

#[test]
fn a_jobmanager_that_was_stopped_does_not_take_its_taskmanagers_for_lost() -> Result<()> {
    check(Stopped::JobManager)
}

#[test]
fn a_taskmanager_that_was_given_up_comes_back_and_is_used_again() -> Result<()> {
    check(Stopped::TaskManager)
}

#[test]
fn all_processes_of_a_machine_that_was_stopped_go_on() -> Result<()> {
    check(Stopped::All)
}
