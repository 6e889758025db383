//! Tells the program its version: the package's, and the commit that it is built from where that is known.

#![expect(clippy::disallowed_methods, reason = "a build script reads its environment")]

use std::process::Command;

fn main() {
    println!("cargo:rerun-if-env-changed=SLUICE_COMMIT");
    let given = std::env::var("SLUICE_COMMIT").ok().filter(|commit| !commit.is_empty());
    let commit = given.or_else(|| {
        // Written by each commit and checkout.
        let log = git(&["rev-parse", "--git-path", "logs/HEAD"])?;
        if std::path::Path::new(&log).exists() {
            println!("cargo:rerun-if-changed={log}");
        }
        git(&["rev-parse", "--short=12", "HEAD"])
    });
    let version = std::env::var("CARGO_PKG_VERSION").unwrap_or_default();
    let version = commit.map_or_else(|| version.clone(), |commit| format!("{version} ({commit})"));
    println!("cargo:rustc-env=SLUICE_VERSION={version}");
}

/// What git answers; none outside of a repository.
fn git(arguments: &[&str]) -> Option<String> {
    let output = Command::new("git").args(arguments).output().ok().filter(|output| output.status.success())?;
    let text = String::from_utf8(output.stdout).ok()?.trim().to_owned();
    (!text.is_empty()).then_some(text)
}
