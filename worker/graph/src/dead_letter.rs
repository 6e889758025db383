//! The table of records that no result has: malformed ones, and rows that came too late.

use model::{DataType, Failure};

use crate::TableSpec;

/// What a column of the table may hold, and its name. All are `STRING`; the table has those it wants, in any order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Column {
    /// `malformed` or `late`.
    Reason,
    /// The operator that did not take it.
    Operator,
    /// Where a malformed record is.
    Place,
    /// What is wrong with it.
    Message,
    /// The record: its text, or a late row as JSON.
    Record,
}

const COLUMNS: [(&str, Column); 5] = [
    ("reason", Column::Reason),
    ("operator", Column::Operator),
    ("place", Column::Place),
    ("message", Column::Message),
    ("record", Column::Record),
];

/// What each column of a table holds.
///
/// # Errors
/// Class `User` if a column is none of these.
pub fn columns(table: &TableSpec) -> Result<Vec<Column>, Failure> {
    let names = COLUMNS.map(|(name, _)| name).join(", ");
    let column = |field: &model::Field| match COLUMNS.iter().find(|(name, _)| *name == field.name) {
        Some((_, column)) if field.data_type == DataType::String => Ok(*column),
        Some(_) => Err(Failure::user(format!(
            "table {}: column {} of dead letters is a STRING, not a {}",
            table.name, field.name, field.data_type
        ))),
        None => Err(Failure::user(format!(
            "table {}: dead letters have no column {}; they have: {names}",
            table.name, field.name
        ))),
    };
    table.schema.fields.iter().map(column).collect()
}
