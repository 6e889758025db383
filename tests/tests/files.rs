//! Files as tables: what they tell of themselves, and what their folders tell their readers.

use std::path::Path;

use anyhow::{Result, ensure};
use tests::binary;

/// Runs a script; gives what it prints.
fn run(folder: &Path, script: &str) -> Result<String> {
    let job = folder.join("job.sql");
    std::fs::write(&job, script)?;
    binary::run(&["run", "--output", "jsonl", &job.display().to_string()])
}

/// Files of days, read with their names and sizes.
fn days(folder: &Path) -> Result<String> {
    std::fs::create_dir(folder.join("days"))?;
    std::fs::write(folder.join("days/1.json"), "{\"n\":1,\"dt\":\"2026-01-01\",\"ts\":\"2026-01-01 12:00:00\"}\n")?;
    let second = "{\"n\":2,\"dt\":\"2026-01-02\",\"ts\":\"2026-01-02 12:00:00\"}\n";
    std::fs::write(folder.join("days/2.json"), second.repeat(2))?;
    Ok(format!(
        "CREATE TABLE days (n INT, dt STRING, ts TIMESTAMP(3), file STRING METADATA FROM 'file.name' VIRTUAL,
            `file.size` INT METADATA VIRTUAL, halves AS `file.size` / 2, WATERMARK FOR ts AS ts)
         WITH ('connector' = 'filesystem', 'path' = '{}/days', 'format' = 'json');",
        folder.display()
    ))
}

#[test]
fn files_tell_of_themselves() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let rows = run(
        folder.path(),
        &format!(
            "{} SELECT n, file, halves FROM days WHERE `file.size` < 60 OR file = '2.json';",
            days(folder.path())?
        ),
    )?;
    let mut rows: Vec<&str> = rows.lines().collect();
    rows.sort_unstable();
    let row = |n: u32, halves: u32| {
        format!("{{\"op\":\"+I\",\"row\":{{\"n\":{n},\"file\":\"{n}.json\",\"halves\":{halves}}}}}")
    };
    ensure!(rows == [row(1, 26), row(2, 53), row(2, 53)], "{rows:?}");
    Ok(())
}

#[test]
fn complete_partitions_are_told_of() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let script = format!(
        "{} CREATE TABLE out (n INT, dt STRING) PARTITIONED BY (dt) WITH ('connector' = 'filesystem', 'path' = '{}/out',
            'format' = 'csv', 'sink.partition-commit.policy.kind' = 'success-file',
            'sink.partition-commit.trigger' = 'partition-time', 'sink.partition-commit.delay' = '1 d');
         SET 'parallelism.default' = '2';
         INSERT INTO out SELECT n, dt FROM days;",
        days(folder.path())?,
        folder.path().display()
    );
    run(folder.path(), &script)?;
    for (day, expected) in [("2026-01-01", "1\n"), ("2026-01-02", "2\n2\n")] {
        let partition = folder.path().join(format!("out/dt={day}"));
        ensure!(std::fs::read(partition.join("_SUCCESS"))?.is_empty());
        let mut rows = String::new();
        for entry in std::fs::read_dir(partition)? {
            rows += &std::fs::read_to_string(entry?.path())?;
        }
        ensure!(rows == expected, "{day}: {rows:?}");
    }
    Ok(())
}

#[test]
fn nothing_is_overwritten() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let failure = run(folder.path(), &format!("{}\nINSERT OVERWRITE days SELECT 1, 'x', NULL;", days(folder.path())?));
    let message = failure.err().map(|error| error.to_string()).unwrap_or_default();
    ensure!(message.contains("line 4, column 8: INSERT OVERWRITE is not supported on streams"), "{message}");
    Ok(())
}
