//! Records that no result has, malformed ones and late ones: an error, or counted, or in a table of their own.

use std::path::Path;

use anyhow::{Result, ensure};
use tests::{binary, folder::lines};

const EVENTS: &str = r#"{"n":1,"t":"2026-01-01 00:00:01"}
{"n":2,"t":"2026-01-01 00:00:30"}
not JSON
{"n":3,"t":"2026-01-01 00:00:02"}
{"n":"four","t":"2026-01-01 00:00:31"}
{"n":5,"t":"2026-01-01 00:00:32"}
"#;

/// Counts events in windows of ten seconds. One is read at a time, so that the watermark comes between them.
fn script(folder: &Path, options: &str, before: &str) -> String {
    format!(
        "CREATE TABLE events (n BIGINT, t TIMESTAMP(3), WATERMARK FOR t AS t) WITH ('connector' = 'filesystem',
            'path' = '{0}/events.json', 'format' = 'json', 'scan.rows-per-second' = '50'{options});
        CREATE TABLE rejected (record STRING, reason STRING, place STRING, message STRING)
            WITH ('connector' = 'filesystem', 'path' = '{0}/rejected', 'format' = 'json');
        CREATE TABLE counts (w TIMESTAMP(3), n BIGINT)
            WITH ('connector' = 'filesystem', 'path' = '{0}/counts', 'format' = 'csv');
        SET 'pipeline.auto-watermark-interval' = '1 ms';
        {before}
        INSERT INTO counts SELECT window_start, COUNT(n)
        FROM TABLE(TUMBLE(TABLE events, DESCRIPTOR(t), INTERVAL '10' SECOND)) GROUP BY window_start, window_end;",
        folder.display()
    )
}

/// Runs the job; gives its exit code and what it says.
fn run(folder: &Path, options: &str, before: &str) -> Result<(Option<i32>, String)> {
    std::fs::write(folder.join("events.json"), EVENTS)?;
    let job = folder.join("job.sql");
    std::fs::write(&job, script(folder, options, before))?;
    let output = binary::output(&["run", &job.display().to_string()])?;
    Ok((output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned()))
}

#[test]
fn malformed_records_fail_the_job_and_are_named() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let (code, said) = run(folder.path(), "", "")?;
    ensure!(code == Some(1) && said.contains("events.json, line 3"), "{code:?}: {said}");
    Ok(())
}

#[test]
fn skipped_and_late_records_are_counted() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let (code, said) = run(folder.path(), ", 'json.ignore-parse-errors' = 'true'", "")?;
    ensure!(code == Some(0), "{code:?}: {said}");
    ensure!(said.contains("2 malformed records"), "{said}");
    ensure!(said.contains("1 late rows were dropped"), "{said}");
    let counts = lines(&folder.path().join("counts"))?;
    ensure!(counts == ["2026-01-01 00:00:00,1", "2026-01-01 00:00:30,2"], "{counts:?}");
    ensure!(!folder.path().join("rejected").exists(), "nobody asked for the records");
    Ok(())
}

#[test]
fn dead_letters_are_in_their_table() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let (code, said) = run(folder.path(), "", "SET 'pipeline.dead-letter-table' = 'rejected';")?;
    ensure!(code == Some(0), "{code:?}: {said}");
    ensure!(said.contains("2 malformed records"), "{said}");
    ensure!(said.contains("1 late rows were dropped"), "{said}");
    let counts = lines(&folder.path().join("counts"))?;
    ensure!(counts == ["2026-01-01 00:00:00,1", "2026-01-01 00:00:30,2"], "{counts:?}");
    let rejected = lines(&folder.path().join("rejected"))?;
    let [no_json, malformed, late] = rejected.as_slice() else { anyhow::bail!("three records: {rejected:?}") };
    for (line, pieces) in [
        (no_json, ["\"record\":\"not JSON\"", "\"malformed\"", "events.json, line 3", "expected '{'"]),
        (malformed, ["\\\"n\\\":\\\"four\\\"", "\"malformed\"", "events.json, line 5", "'four' is not a BIGINT"]),
        (late, ["2026-01-01T00:00:02", "\"late\"", "\"place\":null", "behind the watermark"]),
    ] {
        for piece in pieces {
            ensure!(line.contains(piece), "no {piece:?} in {line} of {rejected:?}");
        }
    }
    Ok(())
}

#[test]
fn a_table_that_is_not_for_dead_letters_is_refused() -> Result<()> {
    let folder = tempfile::tempdir()?;
    for (table, says) in [
        ("nowhere", "there is no table 'nowhere'"),
        ("counts", "table counts: dead letters have no column w; they have: reason, operator, place, message, record"),
    ] {
        let (code, said) = run(folder.path(), "", &format!("SET 'pipeline.dead-letter-table' = '{table}';"))?;
        ensure!(code == Some(2) && said.contains(says), "{code:?}: {said}");
        ensure!(said.contains("'pipeline.dead-letter-table'"), "{said}");
    }
    Ok(())
}

#[test]
fn what_a_query_does_not_use_is_never_decoded() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let good = r#"{"id":1,"person":{"name":"Ada","age":"not a number","address":{"street":7,"zip":"9"}}}"#;
    std::fs::write(folder.path().join("people.json"), format!("{good}\n"))?;
    let job = folder.path().join("job.sql");
    let run = |select: &str| -> Result<_> {
        let script = format!(
            "CREATE TABLE people (id BIGINT, person ROW<name STRING, age INT, address ROW<street BOOLEAN, zip INT>>)
                WITH ('connector' = 'filesystem', 'path' = '{}/people.json', 'format' = 'json');
            SELECT {select} FROM people;",
            folder.path().display()
        );
        std::fs::write(&job, script)?;
        binary::output(&["run", "--output", "jsonl", &job.display().to_string()])
    };
    let output = run("person.name, person.address.zip")?;
    let printed = String::from_utf8(output.stdout)?;
    ensure!(printed.trim() == r#"{"op":"+I","row":{"name":"Ada","zip":9}}"#, "{printed}");
    for (select, says) in [("person.age", "'not a number' is not a INT"), ("person.address.street", "is not a BOOLEAN")]
    {
        let output = run(select)?;
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        ensure!(output.status.code() == Some(1) && said.contains(says), "{select}: {said}");
    }
    Ok(())
}
