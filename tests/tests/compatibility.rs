//! Savepoints that earlier builds wrote are restored by this one, on both backends and at another parallelism, and go
//! on exactly. Where one cannot be, the refusal names the operators and says why.
//!
//! `tests/fixtures/savepoints/make.sh` makes them, and says what is in a folder.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::Output,
};

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;
use tests::{binary, flink_text::java_timestamp, folder::copy};

/// Where the inputs are in every build's savepoints: positions name the files.
const INPUT: &str = "/tmp/sluice-compat-input";
/// Where everything else was when the savepoints were taken.
const WORK: &str = "/tmp/sluice-compat-work";

/// The build that numbered operators by their position.
const NUMBERED: &str = "0c1285b";

/// Rows and how often they are there.
type Rows = BTreeMap<String, i64>;

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/savepoints")
}

fn names(folder: &Path) -> Result<Vec<String>> {
    let entries = fs::read_dir(folder).with_context(|| folder.display().to_string())?;
    let mut names: Vec<_> =
        entries.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned())).collect::<Result<_>>()?;
    names.sort();
    Ok(names)
}

/// The folders of builds.
fn builds() -> Result<Vec<String>> {
    let all = names(&fixtures())?;
    let is_build = |name: &String| fixtures().join(name).is_dir() && name != "jobs" && name != "input";
    Ok(all.into_iter().filter(is_build).collect())
}

/// Puts the inputs where the savepoints say that they are. Other runs of this test may do the same at this time.
fn place_input() -> Result<()> {
    fs::create_dir_all(INPUT)?;
    for name in names(&fixtures().join("input"))? {
        let (from, to) = (fixtures().join("input").join(&name), Path::new(INPUT).join(&name));
        if fs::read(&to).ok() != Some(fs::read(&from)?) {
            let part = Path::new(INPUT).join(format!("{name}.{}", std::process::id()));
            fs::copy(&from, &part)?;
            fs::rename(&part, &to)?;
        }
    }
    Ok(())
}

/// The text with another folder in place of [`WORK`]; also within operator state, which is base16.
fn moved(value: &mut Value, to: &str) {
    match value {
        Value::String(text) => {
            let bytes = unhex(text).and_then(|bytes| String::from_utf8(bytes).ok());
            match bytes.filter(|state| state.contains(WORK)) {
                Some(state) => *text = hex(state.replace(WORK, to).as_bytes()),
                None => *text = text.replace(WORK, to),
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| moved(item, to)),
        Value::Object(fields) => fields.values_mut().for_each(|field| moved(field, to)),
        _ => {}
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    let is_hex = !text.is_empty() && text.len().is_multiple_of(2) && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    let digits = |at: usize| u8::from_str_radix(&text[at..at + 2], 16).ok();
    is_hex.then(|| (0..text.len()).step_by(2).map(digits).collect::<Option<Vec<u8>>>()).flatten()
}

/// Rewrites the paths in a savepoint's metadata, whose first line has its version, checksum and length.
fn move_savepoint(savepoint: &Path, work: &Path) -> Result<()> {
    let file = savepoint.join("_metadata");
    let text = fs::read_to_string(&file)?;
    let (header, body) = text.split_once('\n').context("a header")?;
    let mut manifest: Value = serde_json::from_str(body)?;
    moved(&mut manifest, &work.display().to_string());
    let body = serde_json::to_string(&manifest)?;
    let words: Vec<&str> = header.split(' ').take(2).collect();
    let header = format!("{} {:08x} {}", words.join(" "), crc32fast::hash(body.as_bytes()), body.len());
    fs::write(&file, format!("{header}\n{body}"))?;
    Ok(())
}

/// A row as text that does not depend on how numbers and times are written: earlier builds wrote times as Java does.
fn canonical(row: &Value) -> String {
    match row {
        Value::String(text) => Value::from(java_timestamp(text).unwrap_or_else(|| text.clone())).to_string(),
        Value::Number(number) => number.as_f64().map_or_else(|| number.to_string(), |number| number.to_string()),
        Value::Object(fields) => {
            let fields: BTreeMap<_, _> = fields.iter().map(|(name, value)| (name, canonical(value))).collect();
            format!("{fields:?}")
        }
        other => other.to_string(),
    }
}

/// The rows in a fixture: how often, and the row.
fn listed(file: &Path) -> Result<Rows> {
    let text = fs::read_to_string(file).with_context(|| file.display().to_string())?;
    let mut rows = Rows::new();
    for line in text.lines() {
        let (count, row) = line.split_once('\t').context("a count and a row")?;
        *rows.entry(canonical(&serde_json::from_str(row)?)).or_default() += count.parse::<i64>()?;
    }
    Ok(rows)
}

/// What a job's output comes to, added to rows.
fn add_changes(output: &str, rows: &mut Rows) -> Result<()> {
    for line in output.lines() {
        // A print sink with several subtasks says which it is: `2> +U[…]`.
        let line = match line.split_once("> ") {
            Some((subtask, rest)) if subtask.bytes().all(|byte| byte.is_ascii_digit()) => rest,
            _ => line,
        };
        let (op, row) = match line.starts_with('{') {
            true => {
                let change: Value = serde_json::from_str(line)?;
                (change["op"].as_str().unwrap_or_default().to_owned(), canonical(&change["row"]))
            }
            false => (line.get(..2).unwrap_or_default().to_owned(), Value::from(line.get(2..)).to_string()),
        };
        *rows.entry(row).or_default() += if matches!(op.as_str(), "+I" | "+U") { 1 } else { -1 };
    }
    rows.retain(|_, count| *count != 0);
    Ok(())
}

/// The rows in all files below a folder that a sink has committed.
fn committed(folder: &Path, rows: &mut Rows) -> Result<()> {
    for name in names(folder)? {
        let path = folder.join(&name);
        if path.is_dir() && name != "_staging" {
            committed(&path, rows)?;
        } else if name.starts_with("part-") {
            for line in fs::read_to_string(&path)?.lines() {
                *rows.entry(canonical(&serde_json::from_str(line)?)).or_default() += 1;
            }
        }
    }
    Ok(())
}

/// A savepoint of a build, placed in a folder of its own.
struct Case {
    name: String,
    fixture: PathBuf,
    folder: tempfile::TempDir,
    script: String,
}

impl Case {
    fn new(build: &str, name: &str) -> Result<Self> {
        let fixture = fixtures().join(build).join(name);
        let folder = tempfile::tempdir()?;
        let work = folder.path();
        // It goes where its files say that they are, below the folder.
        let was_at = fs::read_to_string(fixture.join("was-at.txt"))?;
        let place = was_at.trim().strip_prefix(WORK).context("below the folder")?.trim_start_matches('/');
        copy(&fixture.join("savepoint"), &work.join(place))?;
        move_savepoint(&work.join(place), work)?;
        fs::write(work.join("from"), work.join(place).display().to_string())?;
        if fixture.join("out").is_dir() {
            copy(&fixture.join("out"), &work.join("out"))?;
        }
        let script = fs::read_to_string(fixtures().join("jobs").join(format!("{name}.sql")))?;
        let script = script.replace("${IN}", INPUT).replace("${RATE}", "1000000");
        let script = script.replace("${OUT}", &work.join("out").display().to_string());
        Ok(Self { name: name.to_owned(), fixture, folder, script })
    }

    /// Runs the job from the savepoint to its end.
    fn run(&self, script: &str, backend: &str, parallelism: u32) -> Result<Output> {
        let work = self.folder.path();
        fs::write(work.join("job.sql"), script)?;
        let settings = [
            format!("state.backend.type={backend}"),
            format!("parallelism.default={parallelism}"),
            format!("execution.checkpointing.dir={}", work.join("checkpoints").display()),
            "execution.checkpointing.interval=1 s".to_owned(),
        ];
        let from = fs::read_to_string(work.join("from"))?;
        let mut command = binary::command(&["run", "--output", "jsonl", "--from", &from])?;
        settings.iter().for_each(|setting| {
            command.args(["--set", setting]);
        });
        Ok(command.arg(work.join("job.sql")).output()?)
    }

    /// Checks that the output after the restore is exactly what the savepoint had not yet emitted.
    fn goes_on_exactly(&self, script: &str, backend: &str, parallelism: u32) -> Result<()> {
        let output = self.run(script, backend, parallelism)?;
        let errors = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "{}: {errors}", output.status);
        let mut rows = Rows::new();
        if self.fixture.join("out").is_dir() {
            committed(&self.folder.path().join("out"), &mut rows)?;
        } else {
            rows = listed(&self.fixture.join("before.txt"))?;
            add_changes(&String::from_utf8(output.stdout)?, &mut rows)?;
        }
        let expected = listed(&fixtures().join("jobs").join(format!("{}.expected", self.name)))?;
        let differing =
            |(row, count): (&String, &i64)| (expected.get(row) != Some(count)).then(|| format!("{count} {row}"));
        let extra: Vec<String> = rows.iter().filter_map(differing).collect();
        let missing: Vec<&String> = expected.keys().filter(|row| !rows.contains_key(*row)).collect();
        ensure!(extra.is_empty() && missing.is_empty(), "not exact: {extra:?} instead of {missing:?}");
        Ok(())
    }
}

fn at(build: &str, name: &str, backend: &str, parallelism: u32) -> String {
    format!("{build}/{name} on {backend} at parallelism {parallelism}")
}

/// All cases of a build whose number has this remainder.
fn restore_some(remainder: usize, of: usize) -> Result<()> {
    place_input()?;
    let mut found = 0;
    for build in builds()? {
        let all = names(&fixtures().join(&build))?;
        for (_, name) in all.iter().enumerate().filter(|(index, _)| index % of == remainder) {
            if name == "two_alike" && build == NUMBERED {
                continue;
            }
            for (backend, parallelism) in [("hashmap", 1), ("rocksdb", 3), ("hashmap", 3), ("rocksdb", 1)] {
                let case = Case::new(&build, name)?;
                let result = case.goes_on_exactly(&case.script, backend, parallelism);
                result.with_context(|| at(&build, name, backend, parallelism))?;
                found += 1;
            }
        }
    }
    ensure!(found > 0, "no savepoint was found");
    Ok(())
}

// In parts, so that they run beside each other.
#[test]
fn savepoints_of_earlier_builds_go_on_exactly_first_part() -> Result<()> {
    restore_some(0, 3)
}

#[test]
fn savepoints_of_earlier_builds_go_on_exactly_second_part() -> Result<()> {
    restore_some(1, 3)
}

#[test]
fn savepoints_of_earlier_builds_go_on_exactly_third_part() -> Result<()> {
    restore_some(2, 3)
}

#[test]
fn each_job_has_a_savepoint_of_each_build() -> Result<()> {
    let jobs = names(&fixtures().join("jobs"))?;
    let jobs: Vec<&str> = jobs.iter().filter_map(|name| name.strip_suffix(".sql")).collect();
    let builds = builds()?;
    ensure!(builds.len() > 1, "this build has no savepoints: {builds:?}");
    for build in builds {
        let found = names(&fixtures().join(&build))?;
        let missing: Vec<_> = jobs.iter().filter(|job| !found.iter().any(|name| name == *job)).collect();
        ensure!(missing.is_empty(), "{build} has no savepoints of {missing:?}");
    }
    Ok(())
}

/// The script with its two INSERTs in the other order.
fn swapped(script: &str) -> Result<String> {
    let mut lines: Vec<&str> = script.lines().collect();
    let inserts: Vec<usize> = (0..lines.len()).filter(|&line| lines[line].starts_with("INSERT")).collect();
    let [first, second] = inserts[..] else { bail!("two INSERTs") };
    lines.swap(first, second);
    Ok(lines.join("\n"))
}

#[test]
fn operators_that_are_alike_and_change_places_keep_their_state() -> Result<()> {
    place_input()?;
    for build in builds()?.iter().filter(|build| *build != NUMBERED) {
        for (backend, parallelism) in [("hashmap", 1), ("rocksdb", 3)] {
            let case = Case::new(build, "two_alike")?;
            let result = case.goes_on_exactly(&swapped(&case.script)?, backend, parallelism);
            result.with_context(|| at(build, "two_alike, swapped,", backend, parallelism))?;
        }
    }
    Ok(())
}

/// Before operators were known by what they compute, they were numbered.
#[test]
fn numbered_operators_that_are_alike_are_refused_by_name_until_they_are_given_their_ids() -> Result<()> {
    place_input()?;
    let case = Case::new(NUMBERED, "two_alike")?;
    let output = case.run(&case.script, "hashmap", 1)?;
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    ensure!(!output.status.success(), "restored");
    for part in ["group-aggregate-1, group-aggregate-2", "may have changed places", "STATE_ID('group-aggregate-1')"] {
        ensure!(errors.contains(part), "{part} is not in: {errors}");
    }
    let hint = |number: u32| format!("SELECT /*+ STATE_ID('group-aggregate-{number}') */");
    let pinned = case.script.replace("SELECT 't'", &format!("{} 't'", hint(1)));
    let pinned = pinned.replace("SELECT 'r'", &format!("{} 'r'", hint(2)));
    for (backend, parallelism) in [("hashmap", 1), ("rocksdb", 3)] {
        let case = Case::new(NUMBERED, "two_alike")?;
        case.goes_on_exactly(&pinned, backend, parallelism)?;
        // The INSERTs change places, the ids do not.
        let case = Case::new(NUMBERED, "two_alike")?;
        case.goes_on_exactly(&swapped(&pinned)?, backend, parallelism)?;
    }
    Ok(())
}
