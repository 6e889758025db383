//! The `sluice` binary as a child process.

#![expect(clippy::disallowed_methods, reason = "drives processes")]

use std::{
    path::PathBuf,
    process::{Child, Command, Output, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};

/// The binary that was built beside this test.
///
/// # Errors
/// If it was not built: `make test` does that first.
pub fn path() -> Result<PathBuf> {
    let test = std::env::current_exe()?;
    let profile = test.ancestors().nth(2).context("a test lies two levels below its profile's folder")?;
    let binary = profile.join("sluice");
    if !binary.exists() {
        bail!("{} is missing: build it with 'cargo build --release --workspace --bins'", binary.display());
    }
    Ok(binary)
}

/// `sluice` with these arguments, in UTC wherever the machine is.
///
/// # Errors
/// As [`path`].
pub fn command(arguments: &[&str]) -> Result<Command> {
    let mut command = Command::new(path()?);
    command.args(arguments).stdin(Stdio::null()).env("TZ", "UTC");
    Ok(command)
}

/// Runs to the end; fails if the exit code is not 0.
///
/// # Errors
/// With what was written to standard error.
pub fn run(arguments: &[&str]) -> Result<String> {
    let output = output(arguments)?;
    if !output.status.success() {
        bail!("sluice {arguments:?}: {}\n{}", output.status, String::from_utf8_lossy(&output.stderr));
    }
    Ok(String::from_utf8(output.stdout)?)
}

/// Runs to the end, whatever comes of it.
///
/// # Errors
/// If it cannot be started.
pub fn output(arguments: &[&str]) -> Result<Output> {
    Ok(command(arguments)?.output()?)
}

/// A child that is killed when the test ends.
pub struct Running(pub Child);

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Asks again and again until there is an answer.
///
/// # Errors
/// If there is none before the deadline.
pub fn wait_for<T>(what: &str, deadline: Duration, mut ask: impl FnMut() -> Result<Option<T>>) -> Result<T> {
    let started = Instant::now();
    loop {
        if let Some(answer) = ask()? {
            return Ok(answer);
        }
        if started.elapsed() > deadline {
            bail!("{what}: not within {deadline:?}");
        }
        std::thread::yield_now();
        std::thread::park_timeout(Duration::from_millis(10));
    }
}

/// A port that was free a moment ago.
///
/// # Errors
/// If there is none.
pub fn free_port() -> Result<u16> {
    Ok(std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}
