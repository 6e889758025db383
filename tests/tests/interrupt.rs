//! Ctrl-C while the consumer of the output is slow: the job stops with a savepoint all the same, and goes on from there.

use std::{
    io::{BufRead, BufReader, Read},
    process::{Command, Stdio},
};

use anyhow::{Context, Result, ensure};
use tests::binary;

const ROWS: usize = 20_000;

#[test]
fn an_interrupt_is_heard_while_the_output_is_blocked() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let script = format!(
        "CREATE TABLE numbers (n BIGINT, text STRING) WITH ('connector' = 'datagen', 'rows-per-second' = '10000', \
         'number-of-rows' = '{ROWS}', 'fields.n.kind' = 'sequence', 'fields.n.start' = '1', 'fields.n.end' = '{ROWS}', \
         'fields.text.length' = '200');\nSELECT n, text FROM numbers;"
    );
    std::fs::write(folder.path().join("job.sql"), script)?;
    let savepoints = folder.path().join("savepoints");
    let setting = format!("execution.checkpointing.savepoint-dir={}", savepoints.display());
    let arguments = ["run", "--output", "jsonl", "--set", &setting, "job.sql"];
    let mut command = binary::command(&arguments)?;
    let mut run = command.current_dir(folder.path()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
    let mut output = BufReader::new(run.stdout.take().context("a pipe")?);
    let mut first = String::new();
    output.read_line(&mut first)?;

    // From here on the pipe is full, until it is read to the end.
    ensure!(Command::new("kill").args(["-INT", &run.id().to_string()]).status()?.success(), "no signal was sent");
    let mut rest = String::new();
    output.read_to_string(&mut rest)?;
    let mut said = String::new();
    run.stderr.take().context("a pipe")?.read_to_string(&mut said)?;
    ensure!(run.wait()?.success() && said.contains("stopped with savepoint"), "{said}");
    let before = 1 + rest.lines().count();
    ensure!(before < ROWS, "the job came to its end");

    let savepoint = std::fs::read_dir(&savepoints)?.next().context("a savepoint")??.path().display().to_string();
    let mut command = binary::command(&["run", "--output", "jsonl", "--from", &savepoint, "job.sql"])?;
    let restored = command.current_dir(folder.path()).output()?;
    ensure!(restored.status.success(), "{}", String::from_utf8_lossy(&restored.stderr));
    let after = String::from_utf8_lossy(&restored.stdout).lines().count();
    ensure!(before + after == ROWS, "{before} rows and {after} are not {ROWS}");
    Ok(())
}
