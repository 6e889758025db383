//! A checkpoint with a damaged, shortened or missing file: the job ends and names it, the checkpoint before it restores,
//! and whole again it restores too. Nothing is lost.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use tests::{
    binary::{self, Running},
    changelog::Table,
    folder::copy,
    nexmark_generated::{self, read_result},
};

const JOB_ID: &str = "00112233445566778899aabbccddeeff";
const EVENTS: u64 = 60_000;
const DEADLINE: Duration = Duration::from_secs(60);

#[derive(Clone, Copy, Debug)]
enum Damage {
    Changed,
    Shortened,
    Missing,
}

impl Damage {
    fn to(self, file: &Path) -> Result<()> {
        match self {
            Self::Missing => return Ok(std::fs::remove_file(file)?),
            Self::Shortened => {
                let length = file.metadata()?.len();
                std::fs::OpenOptions::new().write(true).open(file)?.set_len(length - 1)?;
            }
            Self::Changed => {
                let mut content = std::fs::read(file)?;
                let middle = content.len() / 2;
                content[middle] ^= 1;
                std::fs::write(file, content)?;
            }
        }
        Ok(())
    }
}

struct Job<'a> {
    folder: &'a Path,
    backend: &'a str,
}

impl Job<'_> {
    fn command(&self, from: Option<&Path>) -> Result<std::process::Command> {
        let mut command = binary::command(&["run", "--job-id", JOB_ID])?;
        for option in [
            format!("state.backend.type={}", self.backend),
            format!("state.backend.local-dir={}", self.folder.display()),
            format!("execution.checkpointing.dir={}", self.checkpoints().display()),
            "execution.checkpointing.interval=100 ms".to_owned(),
            "execution.checkpointing.num-retained=2".to_owned(),
            "restart-strategy.exponential-delay.initial-backoff=10 ms".to_owned(),
        ] {
            command.args(["--set", &option]);
        }
        if let Some(from) = from {
            command.arg("--from").arg(from);
        }
        command.arg(self.folder.join("job.sql"));
        Ok(command)
    }

    fn checkpoints(&self) -> PathBuf {
        self.folder.join("checkpoints")
    }

    /// The retained checkpoints, oldest first.
    fn retained(&self) -> Result<Vec<PathBuf>> {
        let root = self.checkpoints().join(JOB_ID);
        if !root.exists() {
            return Ok(Vec::new());
        }
        let mut found = Vec::new();
        for entry in std::fs::read_dir(root)? {
            let path = entry?.path();
            let name = name_of(&path).unwrap_or_default().to_owned();
            let number = name.strip_prefix("chk-").and_then(|rest| rest.split('-').next()?.parse::<u64>().ok());
            if let Some(number) = number.filter(|_| path.join("_metadata").exists()) {
                found.push((number, path));
            }
        }
        found.sort();
        Ok(found.into_iter().map(|(_, path)| path).collect())
    }

    /// Runs at `rows_per_second`, and is killed once there are checkpoints and results.
    fn killed(&self) -> Result<()> {
        let out = self.folder.join("out").display().to_string();
        std::fs::write(self.folder.join("job.sql"), nexmark_generated::windowed_job(&out, EVENTS, 20_000))?;
        let mut child = Running(self.command(None)?.spawn()?);
        binary::wait_for("checkpoints and results", DEADLINE, || {
            ensure!(child.0.try_wait()?.is_none(), "the job has ended");
            let has_results = Path::new(&out).is_dir() && !files(Path::new(&out))?.is_empty();
            Ok((has_results && self.retained()?.len() == 2).then_some(()))
        })?;
        Ok(())
    }

    fn rows(&self, out: &Path) -> Result<Table> {
        read_result(self.folder, &out.display().to_string(), &[])
    }
}

fn files(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.metadata()?.len() > 0 {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

fn name_of(file: &Path) -> Option<&str> {
    file.file_name().and_then(|name| name.to_str())
}

/// Every file of the last checkpoint is damaged in one way, then the job started: it must end and name the file.
fn damage_each(job: &Job<'_>, whole: &Path, last: &Path) -> Result<()> {
    let ways = [Damage::Changed, Damage::Shortened, Damage::Missing];
    let shared = job.checkpoints().join(JOB_ID).join("shared");
    let mut all = files(last)?;
    if shared.exists() {
        let metadata = String::from_utf8_lossy(&std::fs::read(last.join("_metadata"))?).into_owned();
        let is_of_last = |file: &PathBuf| name_of(file).is_some_and(|name| metadata.contains(name));
        let used: Vec<_> = files(&shared)?.into_iter().filter(is_of_last).collect();
        ensure!(!used.is_empty(), "the last checkpoint uses shared files");
        all.extend(used);
    }
    for (number, file) in all.iter().enumerate() {
        let metadata = file.ends_with("_metadata");
        for way in ways.iter().enumerate().filter(|(at, _)| metadata || number % ways.len() == *at).map(|(_, way)| way)
        {
            way.to(file)?;
            let output = job.command(None)?.output()?;
            let said = String::from_utf8_lossy(&output.stderr);
            ensure!(output.status.code() == Some(1), "{way:?} {}: {}: {said}", file.display(), output.status);
            let name = name_of(file).context("a name")?;
            ensure!(said.contains(name), "{way:?} {}: {said}", file.display());
            std::fs::remove_dir_all(job.checkpoints())?;
            copy(whole, &job.checkpoints())?;
        }
    }
    Ok(())
}

fn check(backend: &str) -> Result<()> {
    let folder = tempfile::tempdir()?;
    let job = Job { folder: folder.path(), backend };
    job.killed()?;
    let whole = folder.path().join("whole");
    copy(&job.checkpoints(), &whole)?;
    let retained = job.retained()?;
    let [earlier, last] = retained.as_slice() else { anyhow::bail!("two checkpoints were to be kept: {retained:?}") };
    damage_each(&job, &whole, last)?;

    let (out, committed) = (folder.path().join("out"), folder.path().join("committed"));
    copy(&out, &committed)?;
    ensure!(job.command(None)?.status()?.success(), "the undamaged checkpoint restores");
    let exact = job.rows(&out)?;
    ensure!(exact == calm(&job)?, "whole again, it goes on as if nothing had been");

    for (from, to) in [(&whole, &job.checkpoints()), (&committed, &out)] {
        std::fs::remove_dir_all(to)?;
        copy(from, to)?;
    }
    Damage::Changed.to(&last.join("_metadata"))?;
    ensure!(job.command(Some(earlier))?.status()?.success(), "the one before restores");
    // What was committed since comes twice, which is why nobody goes back by himself.
    let repeated = job.rows(&out)?;
    ensure!(exact.keys().eq(repeated.keys()), "{} rows instead of {}", repeated.len(), exact.len());
    Ok(())
}

/// The rows of an undisturbed run.
fn calm(job: &Job<'_>) -> Result<Table> {
    let (script, out) = (job.folder.join("calm.sql"), job.folder.join("calm"));
    std::fs::write(&script, nexmark_generated::windowed_job(&out.display().to_string(), EVENTS, 0))?;
    binary::run(&["run", &script.display().to_string()])?;
    job.rows(&out)
}

#[test]
fn a_damaged_checkpoint_in_memory() -> Result<()> {
    check("hashmap")
}

#[test]
fn a_damaged_checkpoint_in_rocksdb() -> Result<()> {
    check("rocksdb")
}
