//! Two JobManagers want the same job at once, on a real S3 server: in each round one wins and the other exits with the
//! code for it; whoever works last, the rows are exact.

use std::{fs::File, path::Path, process::Child, time::Duration};

use anyhow::{Context, Result, ensure};
use tests::{
    binary::{self, Running},
    changelog,
    nexmark_generated::{self, read_result},
    s3::Server,
};

const JOB_ID: &str = "fedcba9876543210fedcba9876543210";
const ROUNDS: usize = 5;
const DEADLINE: Duration = Duration::from_secs(60);
/// A JobManager that a newer one has replaced.
const EXIT_FENCED: i32 = 3;

/// A JobManager with the job, and a TaskManager of its own.
struct Rival {
    jobmanager: Running,
    _taskmanager: Running,
    rest: String,
}

impl Rival {
    fn start(folder: &Path, name: &str, options: &[String]) -> Result<Self> {
        let (rest, rpc) = (binary::free_port()?, binary::free_port()?);
        let process = |role: &str, more: &[String]| -> Result<Child> {
            let mut command = binary::command(&[role])?;
            for option in options.iter().chain(more) {
                command.args(["--set", option]);
            }
            if role == "jobmanager" {
                command.arg("--job").arg(folder.join("job.sql")).args(["--job-id", JOB_ID]);
            }
            let log = File::create(folder.join(format!("{name}-{role}.log")))?;
            Ok(command.stdout(log.try_clone()?).stderr(log).spawn()?)
        };
        let ports = [format!("rest.port={rest}"), format!("jobmanager.rpc.port={rpc}")];
        let jobmanager = Running(process("jobmanager", &ports)?);
        let taskmanager = Running(process("taskmanager", &ports)?);
        Ok(Self { jobmanager, _taskmanager: taskmanager, rest: format!("http://127.0.0.1:{rest}") })
    }

    fn exit_code(&mut self) -> Result<Option<i32>> {
        Ok(self.jobmanager.0.try_wait()?.and_then(|status| status.code()))
    }

    fn finished(&self) -> Result<bool> {
        let jobs = binary::output(&["list", "--jobmanager", &self.rest])?;
        Ok(String::from_utf8_lossy(&jobs.stdout).contains("FINISHED"))
    }
}

/// Starts two, and gives the one that stays.
fn round(folder: &Path, number: usize, options: &[String]) -> Result<Rival> {
    let start = |name| Rival::start(folder, &format!("{number}{name}"), options);
    let (mut one, mut two) = (start("a")?, start("b")?);
    let (code, first_lost) = binary::wait_for("one of two to give way", DEADLINE, || {
        Ok(match (one.exit_code()?, two.exit_code()?) {
            (Some(code), _) => Some((code, true)),
            (None, Some(code)) => Some((code, false)),
            (None, None) => None,
        })
    })?;
    ensure!(code == EXIT_FENCED, "round {number}: the one that lost exited with {code}");
    let mut winner = if first_lost { two } else { one };
    ensure!(winner.exit_code()?.is_none(), "round {number}: both gave way");
    Ok(winner)
}

#[test]
fn one_of_two_jobmanagers_wins() -> Result<()> {
    let Some(server) = Server::from_environment()? else { return Ok(()) };
    let folder = tempfile::tempdir()?;
    let place = server.folder("fencing");
    let job = nexmark_generated::windowed_job(&format!("{place}/out"), 60_000, 5_000);
    std::fs::write(folder.path().join("job.sql"), job)?;
    let mut options = server.options();
    options.extend([
        "execution.checkpointing.interval=100 ms".to_owned(),
        format!("execution.checkpointing.dir={place}/checkpoints"),
        format!("state.backend.local-dir={}", folder.path().display()),
        "taskmanager.numberOfTaskSlots=2".to_owned(),
    ]);
    for number in 1..ROUNDS {
        drop(round(folder.path(), number, &options)?);
    }
    let last = round(folder.path(), ROUNDS, &options)?;
    binary::wait_for("the job's end", DEADLINE, || Ok(last.finished()?.then_some(())))?;
    compare(folder.path(), &format!("{place}/out"), &server)
}

/// The rows on the server against those of an undisturbed run in one process.
fn compare(folder: &Path, out: &str, server: &Server) -> Result<()> {
    let calm = folder.join("calm");
    let script = folder.join("calm.sql");
    std::fs::write(&script, nexmark_generated::windowed_job(&calm.display().to_string(), 60_000, 0))?;
    binary::run(&["run", &script.display().to_string()])?;
    let expected = read_result(folder, &calm.display().to_string(), &[])?;
    let actual = read_result(folder, out, &server.options()).context("what was written to the server")?;
    ensure!(!expected.is_empty(), "the undisturbed run wrote nothing");
    let difference = changelog::difference(&actual, &expected);
    ensure!(difference.is_none(), "{}", difference.unwrap_or_default());
    Ok(())
}
