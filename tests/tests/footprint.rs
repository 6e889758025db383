//! What an idle cluster costs: resident memory of a JobManager and a TaskManager, with the pages of the program.

#![allow(clippy::print_stderr, reason = "a test panics, prints and waits as it likes")]
#![cfg(target_os = "linux")]

use std::{fs::File, path::Path, time::Duration};

use anyhow::{Context, Result, ensure};
use tests::binary::{self, Running};

const DEADLINE: Duration = Duration::from_secs(30);
const RESIDENT_BYTES_MAX: u64 = 100_000_000;

fn start(folder: &Path, role: &str) -> Result<Running> {
    let config = folder.join("config.yaml").display().to_string();
    let log = File::create(folder.join(role))?;
    Ok(Running(binary::command(&[role, "--config", &config])?.stdout(log.try_clone()?).stderr(log).spawn()?))
}

fn resident_bytes(process: &Running) -> Result<u64> {
    let status = std::fs::read_to_string(format!("/proc/{}/status", process.0.id()))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("VmRSS")?;
    let kilobytes: u64 = line.trim().trim_end_matches(" kB").parse()?;
    Ok(kilobytes * 1024)
}

#[test]
fn an_idle_cluster_is_small() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let (rest, rpc) = (binary::free_port()?, binary::free_port()?);
    let config = format!("rest.port: {rest}\njobmanager.rpc.port: {rpc}\ntaskmanager.numberOfTaskSlots: 2\n");
    std::fs::write(folder.path().join("config.yaml"), config)?;
    let jobmanager = start(folder.path(), "jobmanager")?;
    let taskmanager = start(folder.path(), "taskmanager")?;
    binary::wait_for("the TaskManager's registration", DEADLINE, || {
        let log = std::fs::read_to_string(folder.path().join("taskmanager"))?;
        Ok(log.contains("connected to the JobManager").then_some(()))
    })?;
    let (first, second) = (resident_bytes(&jobmanager)?, resident_bytes(&taskmanager)?);
    eprintln!("resident: JobManager {} MB, TaskManager {} MB", first / 1_000_000, second / 1_000_000);
    ensure!(first + second < RESIDENT_BYTES_MAX, "JobManager {first} and TaskManager {second} bytes");
    Ok(())
}
