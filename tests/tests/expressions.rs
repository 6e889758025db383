//! Expressions have Flink's types and values, but for the differences that `docs/expressions.md` lists with reasons.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, bail, ensure};
use tests::{binary, flink_text};

/// How many expressions one run evaluates, until one of them is wrong.
const TOGETHER: usize = 64;

/// One line of the recorded results.
#[derive(Clone)]
struct Case {
    expression: String,
    /// As Flink prints it; `ERROR` if Flink refuses the expression or fails on it.
    data_type: String,
    values: Vec<String>,
}

/// Results of Flink's, for the rows of a table.
struct Recorded {
    table: String,
    cases: Vec<Case>,
}

impl Recorded {
    fn read(folder: &Path) -> Result<Self> {
        let table = std::fs::read_to_string(folder.join("table.sql"))?;
        let mut files: Vec<PathBuf> =
            std::fs::read_dir(folder)?.map(|entry| Ok(entry?.path())).collect::<Result<_>>()?;
        files.retain(|file| file.extension().is_some_and(|extension| extension == "tsv"));
        files.sort();
        let mut cases = Vec::new();
        for file in files {
            cases.extend(std::fs::read_to_string(file)?.lines().filter_map(case));
        }
        Ok(Self { table: table.trim_end().trim_end_matches(';').to_owned(), cases })
    }
}

fn case(line: &str) -> Option<Case> {
    let mut fields = line.split('\t').map(unescaped);
    let (expression, data_type) = (fields.next()?, fields.next()?);
    Some(Case { expression, data_type, values: fields.collect() })
}

fn unescaped(text: &str) -> String {
    // Null is written as two characters that stay.
    if text == "\\N" {
        return text.to_owned();
    }
    let mut out = String::with_capacity(text.len());
    let mut rest = text.chars();
    while let Some(next) = rest.next() {
        let meant = if next == '\\' { rest.next() } else { Some(next) };
        out.extend(match (next, meant) {
            ('\\', Some('t')) => Some('\t'),
            ('\\', Some('n')) => Some('\n'),
            ('\\', Some('r')) => Some('\r'),
            (_, meant) => meant,
        });
    }
    out
}

/// Type and values of expressions over the table, or what is said instead.
fn evaluated(table: &str, expressions: &[&str], script: &Path) -> Result<Result<Vec<(String, Vec<String>)>, String>> {
    let columns: Vec<String> =
        expressions.iter().enumerate().map(|(index, expression)| format!("{expression} AS x{index}")).collect();
    let columns = columns.join(", ");
    std::fs::write(
        script,
        format!("{table};\nCREATE TEMPORARY VIEW v AS SELECT {columns} FROM t;\nDESCRIBE v;\nSELECT * FROM v;\n"),
    )?;
    let output = binary::output(&["run", "--output", "jsonl", &script.display().to_string()])?;
    if !output.status.success() {
        return Ok(Err(String::from_utf8_lossy(&output.stderr).into_owned()));
    }
    let text = String::from_utf8(output.stdout)?;
    let (rows, said): (Vec<&str>, Vec<&str>) = text.lines().partition(|line| line.starts_with("{\"op\""));
    let types = (0..expressions.len()).map(|index| described(&said, index)).collect::<Result<Vec<_>>>()?;
    let rows = rows.into_iter().map(|row| flink_text::row(row, &types)).collect::<Result<Vec<_>>>()?;
    let column = |index: usize| rows.iter().map(|row| row.get(index).cloned().unwrap_or_default()).collect();
    Ok(Ok(types.into_iter().enumerate().map(|(index, data_type)| (data_type, column(index))).collect()))
}

/// The type of a column that `DESCRIBE` shows.
fn described(lines: &[&str], index: usize) -> Result<String> {
    let name = format!("x{index} | ");
    let column = lines.iter().find(|line| line.starts_with(&name)).context("DESCRIBE does not show a column")?;
    let mut fields = column.split(" | ").skip(1);
    let (data_type, nullable) = (fields.next().unwrap_or_default(), fields.next().unwrap_or_default());
    Ok(if nullable == "FALSE" { format!("{data_type} NOT NULL") } else { data_type.to_owned() })
}

/// For each case what is not as in Flink. Cases that fail together are looked at in halves.
fn differences(table: &str, cases: &[Case], script: &Path) -> Result<Vec<Option<String>>> {
    let expressions: Vec<&str> = cases.iter().map(|case| case.expression.as_str()).collect();
    match evaluated(table, &expressions, script)? {
        Ok(results) => Ok(cases.iter().zip(results).map(|(case, result)| difference(case, &result)).collect()),
        Err(said) if cases.len() == 1 => Ok(vec![(cases[0].data_type != "ERROR").then_some(said)]),
        Err(_) => {
            let (left, right) = cases.split_at(cases.len() / 2);
            let mut both = differences(table, left, script)?;
            both.extend(differences(table, right, script)?);
            Ok(both)
        }
    }
}

fn difference(case: &Case, (data_type, values): &(String, Vec<String>)) -> Option<String> {
    if case.data_type == "ERROR" {
        return Some("it is not refused".to_owned());
    }
    if *data_type != case.data_type {
        return Some(format!("the type is {data_type} instead of {}", case.data_type));
    }
    (*values != case.values).then(|| format!("the values are\n  {values:?} instead of\n  {:?}", case.values))
}

/// The expressions that the page lists as different, with their reasons: the code in the first column of its tables.
fn listed(heading: &str) -> Result<BTreeMap<String, String>> {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/expressions.md");
    let text = std::fs::read_to_string(page)?;
    let (_, table) = text.split_once(heading).with_context(|| format!("the page has no {heading}"))?;
    let table = table.split("\n\n").next().unwrap_or_default();
    let mut listed = BTreeMap::new();
    for line in table.lines().filter(|line| line.starts_with("| `")) {
        let (expressions, reason) = line[2..].split_once("` | ").context("a line of the table has two columns")?;
        for expression in format!("{expressions}`").split('`').skip(1).step_by(2) {
            listed.insert(expression.replace("\\|", "|"), reason.to_owned());
        }
    }
    Ok(listed)
}

/// Fails if another expression than the listed ones differs, or if a listed one does not.
fn compare(recorded: &Recorded, listed: &BTreeMap<String, String>) -> Result<()> {
    let folder = tempfile::tempdir()?;
    let script = folder.path().join("case.sql");
    // What fails, or may, would take the others with it.
    let is_alone = |case: &Case| case.data_type == "ERROR" || listed.contains_key(&case.expression);
    let (alone, together): (Vec<Case>, Vec<Case>) = recorded.cases.iter().cloned().partition(is_alone);
    let (mut wrong, mut equal) = (Vec::new(), 0);
    let groups = together.chunks(TOGETHER).chain(alone.chunks(1));
    for cases in groups {
        for (case, difference) in cases.iter().zip(differences(&recorded.table, cases, &script)?) {
            match (difference, listed.contains_key(&case.expression)) {
                (Some(difference), false) => wrong.push(format!("{}: {difference}", case.expression)),
                (None, true) => wrong.push(format!("{}: is listed as a difference, but is equal", case.expression)),
                (Some(_), true) => {}
                (None, false) => equal += 1,
            }
        }
    }
    let is_known = |listed: &String| recorded.cases.iter().any(|case| case.expression == *listed);
    let unknown = listed.keys().filter(|listed| !is_known(listed));
    wrong.extend(unknown.map(|listed| format!("{listed}: is listed as a difference, but was not recorded")));
    if !wrong.is_empty() {
        bail!("{equal} of {} are equal\n{}", recorded.cases.len(), wrong.join("\n"));
    }
    Ok(())
}

#[test]
fn types_and_values_are_flinks() -> Result<()> {
    let recorded = Recorded::read(&Path::new(env!("CARGO_MANIFEST_DIR")).join("data/expressions"))?;
    ensure!(recorded.cases.len() > 1000, "only {} expressions were recorded", recorded.cases.len());
    compare(&recorded, &listed("<!-- differences: data -->")?)
}

/// A smaller collection, of every kind, over rows with nulls, empty texts and numbers that a double cannot hold.
#[test]
fn types_and_values_of_basic_expressions_are_flinks() -> Result<()> {
    let recorded = Recorded::read(&Path::new(env!("CARGO_MANIFEST_DIR")).join("data/basic-expressions"))?;
    ensure!(recorded.cases.len() > 140, "only {} expressions were recorded", recorded.cases.len());
    compare(&recorded, &listed("<!-- differences -->")?)
}
