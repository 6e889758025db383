//! A JobManager with a job of its own answers for the job's configuration: it stays up, and the job has failed with what is
//! wrong, so that whoever started the pods can show it.

use std::{process::Stdio, time::Duration};

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use tests::binary::{self, Running};

const DEADLINE: Duration = Duration::from_secs(60);
const JOB: &str = "0123456789abcdef0123456789abcdef";

#[test]
fn an_option_that_the_engine_does_not_know_fails_the_job_and_not_the_process() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let (rest, rpc) = (binary::free_port()?, binary::free_port()?);
    let (config, script) = (folder.path().join("config.yaml"), folder.path().join("job.sql"));
    let ports = format!("rest.port: {rest}\njobmanager.rpc.port: {rpc}\n");
    std::fs::write(&config, format!("{ports}state.backend.typ: rocksdb\n"))?;
    std::fs::write(&script, "CREATE TABLE o (a INT) WITH ('connector' = 'blackhole'); INSERT INTO o VALUES (1);")?;
    let (config, script) = (config.display().to_string(), script.display().to_string());
    let start = |arguments: &[&str]| -> Result<Running> {
        let mut command = binary::command(arguments)?;
        Ok(Running(command.stdout(Stdio::null()).stderr(Stdio::null()).spawn()?))
    };
    let mut jobmanager = start(&["jobmanager", "--config", &config, "--job", &script, "--job-id", JOB])?;
    let mut taskmanager = start(&["taskmanager", "--config", &config])?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let get = |path: &str| -> Result<Value> {
        let url = format!("http://127.0.0.1:{rest}{path}");
        let text = runtime.block_on(async { reqwest::get(&url).await?.error_for_status()?.text().await })?;
        Ok(serde_json::from_str(&text)?)
    };
    binary::wait_for("the job to fail", DEADLINE, || {
        let status = get(&format!("/jobs/{JOB}/status")).ok();
        Ok(status.is_some_and(|status| status["status"] == "FAILED").then_some(()))
    })?;
    let exceptions = get(&format!("/jobs/{JOB}/exceptions"))?.to_string();
    let says = "unknown option state.backend.typ, did you mean state.backend.type?";
    ensure!(exceptions.contains(says), "{exceptions}");
    binary::wait_for("the TaskManager", DEADLINE, || {
        Ok(get("/taskmanagers")?["taskmanagers"].as_array().is_some_and(|all| !all.is_empty()).then_some(()))
    })?;
    ensure!(jobmanager.0.try_wait()?.is_none() && taskmanager.0.try_wait()?.is_none(), "both processes go on");
    // A session cluster has no job that could show it.
    let output = binary::output(&["jobmanager", "--config", &config])?;
    let code = output.status.code().context("an exit code")?;
    ensure!(code == 2 && String::from_utf8_lossy(&output.stderr).contains(says), "{code}");
    Ok(())
}
