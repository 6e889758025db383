//! Expressions have Flink's types and values, but for the differences that `docs/expressions.md` lists with reasons.

use std::{collections::BTreeSet, path::Path};

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;
use tests::binary;

/// One line of the recorded results.
struct Case {
    expression: String,
    /// As Flink prints it; `ERROR` if Flink refuses the expression or fails on it.
    data_type: String,
    values: Vec<String>,
}

fn cases(text: &str) -> Vec<Case> {
    let case = |line: &str| {
        let mut fields = line.split('\t').map(str::to_owned);
        let (expression, data_type) = (fields.next()?, fields.next()?);
        Some(Case { expression, data_type, values: fields.map(|value| value.replace("\\\\", "\\")).collect() })
    };
    text.lines().filter(|line| !line.is_empty()).filter_map(case).collect()
}

/// What is not as in Flink, and why not.
fn difference(table: &str, case: &Case, folder: &Path) -> Result<Option<String>> {
    let script = folder.join("case.sql");
    let table = table.trim_end().trim_end_matches(';');
    let expression = &case.expression;
    std::fs::write(
        &script,
        format!(
            "{table};\nCREATE TEMPORARY VIEW v AS SELECT {expression} AS x FROM t;\nDESCRIBE v;\nSELECT * FROM v;\n"
        ),
    )?;
    let output = binary::output(&["run", "--output", "jsonl", &script.display().to_string()])?;
    if case.data_type == "ERROR" {
        return Ok(output.status.success().then(|| "it is not refused".to_owned()));
    }
    if !output.status.success() {
        return Ok(Some(String::from_utf8_lossy(&output.stderr).into_owned()));
    }
    let text = String::from_utf8(output.stdout)?;
    let (rows, said): (Vec<&str>, Vec<&str>) = text.lines().partition(|line| line.starts_with("{\"op\""));
    let data_type = described(&said)?;
    if data_type != case.data_type {
        return Ok(Some(format!("the type is {data_type} instead of {}", case.data_type)));
    }
    let values = rows.into_iter().map(|row| value(row, &data_type)).collect::<Result<Vec<_>>>()?;
    Ok((values != case.values).then(|| format!("the values are\n  {values:?} instead of\n  {:?}", case.values)))
}

/// The type of the column that `DESCRIBE` shows.
fn described(lines: &[&str]) -> Result<String> {
    let column = lines.iter().find(|line| line.starts_with("x | ")).context("DESCRIBE shows no column x")?;
    let mut fields = column.split(" | ").skip(1);
    let (data_type, nullable) = (fields.next().unwrap_or_default(), fields.next().unwrap_or_default());
    Ok(if nullable == "FALSE" { format!("{data_type} NOT NULL") } else { data_type.to_owned() })
}

/// The value of a row's only column. A number's digits are compared as they are written.
fn value(row: &str, data_type: &str) -> Result<String> {
    let written = row.strip_prefix("{\"op\":\"+I\",\"row\":{\"x\":").and_then(|rest| rest.strip_suffix("}}"));
    let written = written.with_context(|| format!("an unexpected row: {row}"))?;
    let parsed: Value = serde_json::from_str(written)?;
    Ok(match &parsed {
        Value::Number(_) => written.to_owned(),
        Value::Null => "\\N".to_owned(),
        other => flink_text(other, data_type),
    })
}

/// JSON's collections as Flink writes them in text.
fn flink_text(value: &Value, data_type: &str) -> String {
    let inner = |value: &Value| flink_text(value, "");
    match value {
        Value::String(text) => text.clone(),
        Value::Array(items) => format!("[{}]", items.iter().map(inner).collect::<Vec<_>>().join(", ")),
        Value::Object(fields) if data_type.starts_with("ROW") => {
            format!("+I[{}]", fields.values().map(inner).collect::<Vec<_>>().join(", "))
        }
        Value::Object(entries) => {
            let entries = entries.iter().map(|(key, value)| format!("{key}={}", inner(value)));
            format!("{{{}}}", entries.collect::<Vec<_>>().join(", "))
        }
        other => other.to_string(),
    }
}

/// The expressions that the page lists: the first column of its table.
fn listed() -> Result<BTreeSet<String>> {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/expressions.md");
    let text = std::fs::read_to_string(page)?;
    let (_, table) = text.split_once("<!-- differences -->").context("the page has no list of differences")?;
    let expression = |line: &str| line.strip_prefix("| `")?.split_once("` |").map(|(first, _)| first.to_owned());
    Ok(table.lines().filter_map(expression).collect())
}

#[test]
fn types_and_values_are_flinks() -> Result<()> {
    let recorded = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/flink-sql");
    if !recorded.exists() {
        eprintln!("skipped: there are no recorded results of Flink's at {}", recorded.display());
        return Ok(());
    }
    let table = std::fs::read_to_string(recorded.join("table.sql"))?;
    let cases = cases(&std::fs::read_to_string(recorded.join("expressions.tsv"))?);
    ensure!(cases.len() > 100, "only {} expressions were recorded", cases.len());
    let folder = tempfile::tempdir()?;
    let listed = listed()?;
    let (mut wrong, mut equal) = (Vec::new(), 0);
    for case in &cases {
        let listed = listed.contains(&case.expression);
        match difference(&table, case, folder.path())? {
            Some(difference) if !listed => wrong.push(format!("{}: {difference}", case.expression)),
            None if listed => wrong.push(format!("{}: is listed as a difference, but is equal", case.expression)),
            Some(_) => {}
            None => equal += 1,
        }
    }
    let known: BTreeSet<&str> = cases.iter().map(|case| case.expression.as_str()).collect();
    wrong.extend(
        listed
            .iter()
            .filter(|listed| !known.contains(listed.as_str()))
            .map(|listed| format!("{listed}: is listed as a difference, but was not recorded")),
    );
    if !wrong.is_empty() {
        bail!("{equal} of {} are equal\n{}", cases.len(), wrong.join("\n"));
    }
    Ok(())
}
