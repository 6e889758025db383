//! The output of `sluice run --output jsonl` as the table that its changes make.

use std::collections::BTreeMap;

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::flink_text::java_timestamp;

/// Rows as tab-separated text with their multiplicity.
pub type Table = BTreeMap<String, i64>;

/// Applies the changes to an empty table, in order.
///
/// # Errors
/// If a line is no change, or takes away a row that is not there.
pub fn materialize(jsonl: &str, columns: &[String]) -> Result<Table> {
    let mut table = Table::new();
    for line in jsonl.lines() {
        let change: Value = serde_json::from_str(line).with_context(|| line.to_owned())?;
        let row = columns.iter().map(|column| text(&change["row"][column])).collect::<Vec<_>>().join("\t");
        let count = table.entry(row.clone()).or_default();
        match change["op"].as_str() {
            Some("+I" | "+U") => *count += 1,
            Some("-D" | "-U") if *count > 0 => *count -= 1,
            other => bail!("{other:?} for a row that is not there: {row}"),
        }
        if *count == 0 {
            table.remove(&row);
        }
    }
    Ok(table)
}

/// The rows that are left of the changes, in order.
///
/// # Errors
/// As [`materialize`].
pub fn rows(jsonl: &str) -> Result<Vec<Value>> {
    let mut rows: Vec<Value> = Vec::new();
    for line in jsonl.lines() {
        let mut change: Value = serde_json::from_str(line).with_context(|| line.to_owned())?;
        let row = change["row"].take();
        if matches!(change["op"].as_str(), Some("+I" | "+U")) {
            rows.push(row);
        } else {
            let at = rows.iter().position(|known| *known == row).with_context(|| format!("{row} was never there"))?;
            rows.swap_remove(at);
        }
    }
    rows.sort_by_key(Value::to_string);
    Ok(rows)
}

/// A value as text, in the form in which Flink's answers were recorded; null is `\N`.
pub fn text(value: &Value) -> String {
    match value {
        Value::Null => "\\N".to_owned(),
        Value::String(text) => java_timestamp(text).unwrap_or_else(|| text.clone()),
        other => other.to_string(),
    }
}

/// The first difference between two tables, if any.
pub fn difference(actual: &Table, expected: &Table) -> Option<String> {
    let missing = expected.iter().find(|(row, count)| actual.get(*row) != Some(count));
    let extra = actual.iter().find(|(row, count)| expected.get(*row) != Some(count));
    let rows = |table: &Table| table.values().sum::<i64>();
    match (missing, extra) {
        (None, None) => None,
        (missing, extra) => Some(format!(
            "{} rows instead of {}; first expected and not (so often) there: {missing:?}; first not expected: {extra:?}",
            rows(actual),
            rows(expected)
        )),
    }
}
