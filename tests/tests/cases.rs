//! Scripts with their files in `data/cases` give the same rows, the same files or the same error in every setup.
//!
//! `job.sql` reads from `${DIR}`, the case's folder, and may write to `${OUT}`. Of what comes of it: `rows.jsonl` has the
//! rows that are left of the last query, `written.txt` the lines below `${OUT}` (`folder: line`), both in any order, and
//! `error.txt` what is said of a script that is refused, a piece a line.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Output,
};

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use tests::{
    binary, changelog, folder,
    matrix::{self, Setup},
};

/// The exit code of a script that is refused.
const USER: i32 = 2;

fn cases() -> Result<Vec<PathBuf>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("data/cases");
    let mut cases = Vec::new();
    for entry in fs::read_dir(folder)? {
        cases.push(entry?.path());
    }
    cases.sort();
    Ok(cases)
}

/// Runs a case's script, with `out` for what it writes.
fn run(case: &Path, out: &Path, setup: Setup) -> Result<Output> {
    let script = fs::read_to_string(case.join("job.sql"))?;
    let paths = [("${DIR}", case), ("${OUT}", out)];
    let script = paths.iter().fold(script, |script, (name, path)| script.replace(name, &path.display().to_string()));
    let job = out.with_file_name("job.sql");
    fs::write(&job, script)?;
    let job = job.display().to_string();
    Ok(binary::command(&["run", "--output", "jsonl"])?.args(setup.arguments()).arg(job).output()?)
}

/// The lines of all files in the folders below `out`, and whose they are.
fn written(out: &Path) -> Result<Vec<String>> {
    let mut all = Vec::new();
    for entry in fs::read_dir(out)? {
        let entry = entry?;
        let name = entry.file_name();
        all.extend(folder::lines(&entry.path())?.into_iter().map(|line| format!("{}: {line}", name.display())));
    }
    all.sort();
    Ok(all)
}

fn check_rows(output: &Output, expected: &str) -> Result<()> {
    let mut expected: Vec<Value> = expected.lines().map(serde_json::from_str).collect::<Result<_, _>>()?;
    expected.sort_by_key(Value::to_string);
    let found = changelog::rows(std::str::from_utf8(&output.stdout)?)?;
    ensure!(found == expected, "{found:#?}\ninstead of\n{expected:#?}");
    Ok(())
}

fn check_error(output: &Output, pieces: &str) -> Result<()> {
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.code() == Some(USER), "{} instead of {USER}: {said}", output.status);
    for piece in pieces.lines() {
        ensure!(said.contains(piece), "no {piece:?} in {said:?}");
    }
    Ok(())
}

fn check(case: &Path, setup: Setup) -> Result<()> {
    let folder = tempfile::tempdir()?;
    let out = folder.path().join("out");
    fs::create_dir(&out)?;
    let output = run(case, &out, setup)?;
    if let Ok(pieces) = fs::read_to_string(case.join("error.txt")) {
        return check_error(&output, &pieces);
    }
    ensure!(output.status.success(), "{}: {}", output.status, String::from_utf8_lossy(&output.stderr));
    let (rows, lines) = (case.join("rows.jsonl"), case.join("written.txt"));
    ensure!(rows.exists() || lines.exists(), "it is not said what comes of {}", case.display());
    if rows.exists() {
        check_rows(&output, &fs::read_to_string(rows)?)?;
    }
    if lines.exists() {
        let lines = fs::read_to_string(lines)?;
        let mut expected: Vec<&str> = lines.lines().collect();
        expected.sort_unstable();
        let found = written(&out)?;
        ensure!(found == expected, "{found:#?}\ninstead of\n{expected:#?}");
    }
    Ok(())
}

#[test]
fn each_gives_the_same_in_every_setup() -> Result<()> {
    let cases = cases()?;
    ensure!(cases.len() > 8, "only {} cases were found", cases.len());
    let mut wrong = Vec::new();
    for case in &cases {
        let name = case.file_name().context("a case has a name")?.display();
        for setup in matrix::setups() {
            if let Err(error) = check(case, setup) {
                wrong.push(format!("{name}, {setup}: {error:#}"));
            }
        }
    }
    ensure!(wrong.is_empty(), "{}", wrong.join("\n"));
    Ok(())
}
