//! What people see when something is wrong: the place is named, the exit code tells whose mistake it is.

use std::path::Path;

use anyhow::{Result, ensure};
use tests::{binary, s3::Server};

const USER: i32 = 2;
const FAILURE: i32 = 1;

/// Runs a script in a folder and holds its exit code and what it says (pieces of it, in order) against the given.
fn check(folder: &Path, script: &str, options: &[&str], code: i32, says: &[&str]) -> Result<()> {
    std::fs::write(folder.join("job.sql"), script)?;
    let mut command = binary::command(&["run"])?;
    let output = command.args(options).arg("job.sql").current_dir(folder).output()?;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    ensure!(output.status.code() == Some(code), "{script}: {} instead of {code}: {said}", output.status);
    let mut rest = said.as_str();
    for piece in says {
        let Some(at) = rest.find(piece) else { anyhow::bail!("{script}: no {piece:?} in {rest:?} of {said:?}") };
        rest = &rest[at + piece.len()..];
    }
    Ok(())
}

/// A table `t` over a file, with more options.
fn table(path: &str, more: &str) -> String {
    format!(
        "CREATE TABLE t (a BIGINT, b STRING)\n  WITH ('connector' = 'filesystem', 'path' = '{path}', 'format' = 'csv'{more});\n"
    )
}

#[test]
fn bad_sql_names_line_and_column() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let check = |script: &str, says: &[&str]| check(folder.path(), script, &[], USER, says);
    check("SELECT 1;\nSELEC 2;", &["job.sql: line 2, column 1", "SELEC"])?;
    check("SELECT 1 +\n  FROM t", &["job.sql: line 2, column 3"])?;
    check("SELECT *\nFROM missing;", &["job.sql: line 2, column 6", "missing"])?;
    let typed = |select: &str| format!("{}{select};", table("t.csv", ""));
    check(&typed("SELECT a\n  + b FROM t"), &["job.sql: line 3, column 8", "BIGINT and STRING"])?;
    check(&typed("SELECT a,\n  nothing FROM t"), &["job.sql: line 4, column 3", "nothing"])?;
    check(&typed("SELECT no_such_function(a) FROM t"), &["line 3, column 8", "no_such_function"])?;
    check(&typed("INSERT INTO t SELECT a FROM t"), &["line 3, column"])
}

#[test]
fn options_that_do_not_exist_or_have_the_wrong_type_are_named() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let check = |script: &str, options: &[&str], says: &[&str]| check(folder.path(), script, options, USER, says);
    let used = |more: &str| format!("{}SELECT * FROM t;", table("t.csv", more));
    check(&used(", 'no.option' = '1'"), &[], &["job.sql: line 3, column", "table 't'", "'no.option'"])?;
    check(&used(", 'csv.ignore-parse-errors' = 'perhaps'"), &[], &["table 't'", "csv.ignore-parse-errors", "perhaps"])?;
    check(&used(", 'csv.field-delimiter' = ''"), &[], &["table 't'", "csv.field-delimiter"])?;
    let set = "SET 'parallelism.defualt' = '1';\nSELECT 1;";
    check(set, &[], &["job.sql", "unknown option parallelism.defualt, did you mean parallelism.default?"])?;
    check(
        "SELECT 1;",
        &["--set", "execution.checkpointing.interval=soon"],
        &["execution.checkpointing.interval", "soon"],
    )?;
    check("SELECT 1;", &["--set", "parallelism.default"], &["KEY=VALUE"])?;
    check("CREATE TABLE t (a INT) WITH ('connector' = 'telepathy');\nSELECT * FROM t;", &[], &["line 2", "telepathy"])
}

#[test]
fn what_is_missing_is_named() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let missing = format!("{}SELECT * FROM t;", table("missing.csv", ""));
    check(folder.path(), &missing, &[], USER, &["missing.csv", "no such file"])?;
    check(
        folder.path(),
        "SELECT 1;",
        &["--from", "no/savepoint"],
        USER,
        &["no/savepoint", "no savepoint or checkpoint"],
    )?;
    check(folder.path(), "SELECT 1;", &["--config", "no.yaml"], USER, &["no.yaml"])?;
    let output = binary::output(&["run", "no/such/job.sql"])?;
    ensure!(output.status.code() == Some(USER));
    ensure!(String::from_utf8_lossy(&output.stderr).contains("no/such/job.sql"));
    Ok(())
}

#[test]
fn a_malformed_record_fails_or_is_skipped() -> Result<()> {
    let folder = tempfile::tempdir()?;
    std::fs::write(folder.path().join("t.csv"), "1,a\n2,b\nx,c\n4,d\n")?;
    std::fs::write(folder.path().join("t.json"), "{\"a\":1,\"b\":\"a\"}\n{\"a\":\n{\"a\":4,\"b\":\"d\"}\n")?;
    let csv = |more: &str| format!("{}SELECT * FROM t;", table("t.csv", more));
    check(folder.path(), &csv(""), &[], FAILURE, &["t.csv, line 3", "'x' is not a BIGINT"])?;
    let json = |more: &str| csv(more).replace("csv", "json");
    check(folder.path(), &json(""), &[], FAILURE, &["t.json, line 2"])?;
    check(folder.path(), &json(", 'json.ignore-parse-errors' = 'true'"), &[], 0, &[])?;
    std::fs::write(folder.path().join("job.sql"), csv(", 'csv.ignore-parse-errors' = 'true'"))?;
    let path = folder.path().join("job.sql").display().to_string();
    let mut command = binary::command(&["run", "--output", "jsonl", &path])?;
    let output = command.current_dir(folder.path()).output()?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let rows = String::from_utf8_lossy(&output.stdout).into_owned();
    ensure!(rows.lines().count() == 4 && rows.contains("\"a\":null,\"b\":\"c\""), "the bad field is null: {rows}");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    ensure!(said.contains("1 malformed records"), "the record is counted: {said:?}");
    Ok(())
}

#[test]
fn a_null_does_not_reach_a_column_that_takes_none() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let script = "CREATE TABLE o (a INT NOT NULL, b STRING) WITH ('connector' = 'print');
        INSERT INTO o VALUES (1, 'x'), (CAST(NULL AS INT), 'y');";
    let says = ["table 'o': column 'a' is NOT NULL", "'table.exec.sink.not-null-enforcer' = 'DROP'"];
    check(folder.path(), script, &[], FAILURE, &says)?;
    let path = folder.path().join("job.sql").display().to_string();
    let dropped = binary::run(&["run", "--set", "table.exec.sink.not-null-enforcer=DROP", &path])?;
    ensure!(dropped.trim() == "+I[1, x]", "{dropped}");
    Ok(())
}

#[test]
fn a_server_that_is_not_there_is_named() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let nobody = format!("s3.endpoint=http://127.0.0.1:{}", binary::free_port()?);
    let keys = ["--set", &nobody, "--set", "s3.access-key=a", "--set", "s3.secret-key=hidden"];
    let source = format!("{}SELECT * FROM t;", table("s3://bucket/t.csv", ""));
    check(folder.path(), &source, &keys, FAILURE, &["s3://bucket/t.csv", "127.0.0.1", "refused"])?;
    let mut options = keys.to_vec();
    options.extend(["--set", "execution.checkpointing.dir=s3://bucket/checkpoints"]);
    options.extend(["--set", "restart-strategy.type=none"]);
    check(folder.path(), "SELECT 1;", &options, FAILURE, &["s3://bucket/checkpoints", "127.0.0.1", "refused"])
}

#[test]
fn a_bucket_or_key_that_does_not_exist_is_named() -> Result<()> {
    let Some(server) = Server::from_environment()? else { return Ok(()) };
    let folder = tempfile::tempdir()?;
    let given = server.options();
    let mut options: Vec<&str> = given.iter().flat_map(|option| ["--set", option]).collect();
    let source = format!("{}SELECT * FROM t;", table("s3://no-such-bucket/t.csv", ""));
    check(
        folder.path(),
        &source,
        &options,
        USER,
        &["s3://no-such-bucket/t.csv", "bucket no-such-bucket does not exist"],
    )?;
    let checkpoints = ["--set", "execution.checkpointing.dir=s3://no-such-bucket/checkpoints"];
    let with_checkpoints: Vec<&str> = options.iter().chain(&checkpoints).copied().collect();
    check(folder.path(), "SELECT 1;", &with_checkpoints, USER, &["bucket no-such-bucket does not exist"])?;
    let missing = format!("{}SELECT * FROM t;", table(&format!("{}/t.csv", server.folder("errors")), ""));
    check(folder.path(), &missing, &options, USER, &["t.csv", "no such file"])?;
    options.extend(["--set", "s3.access-key=nobody"]);
    check(folder.path(), &missing, &options, USER, &["access key"])
}
