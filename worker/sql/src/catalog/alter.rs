//! `ALTER TABLE`: a declaration changed.

use std::ops::ControlFlow;

use sqlparser::ast::{Expr, Ident};

use crate::{
    SqlError,
    statement::{AlterTable, ColumnDefinition, ColumnKind, CreateTable, Elements, Position},
    visit,
};

/// Changes what a table declares; whether it still makes sense is checked when it is declared again.
pub(super) fn apply(table: &mut CreateTable, change: AlterTable) -> Result<(), SqlError> {
    match change {
        AlterTable::Rename(name) => table.name = name,
        AlterTable::RenameColumn { from, to } => rename(table, &from, to)?,
        AlterTable::Set(options) => {
            for (key, value) in options {
                table.options.retain(|(other, _)| *other != key);
                table.options.push((key, value));
            }
        }
        AlterTable::Reset(keys) => {
            for (key, place) in keys {
                if key == "connector" {
                    return Err(SqlError::at_span("the option 'connector' cannot be reset", place));
                }
                table.options.retain(|(other, _)| *other != key);
            }
        }
        AlterTable::Add(elements) => add(table, elements)?,
        AlterTable::Modify(elements) => modify(table, elements)?,
        AlterTable::DropColumns(mut names) => {
            // Those that are computed from others go first.
            names.sort_by_key(|name| !is_computed(table, name));
            names.iter().try_for_each(|name| drop_column(table, name))?;
        }
        AlterTable::DropConstraint(name) => {
            if table.primary_key_name.as_ref().is_none_or(|key| key.value != name.value) {
                let message = format!("the table has no constraint '{}'", name.value);
                return Err(SqlError::at_ident(message, &name));
            }
            apply(table, AlterTable::DropPrimaryKey(name.span))?;
        }
        AlterTable::DropPrimaryKey(place) => {
            if table.primary_key.is_empty() {
                return Err(SqlError::at_span("the table has no PRIMARY KEY", place));
            }
            table.primary_key.clear();
            table.primary_key_name = None;
        }
        AlterTable::DropWatermark(place) => {
            if table.watermark.take().is_none() {
                return Err(SqlError::at_span("the table has no WATERMARK", place));
            }
        }
    }
    Ok(())
}

fn position(table: &CreateTable, name: &Ident) -> Result<usize, SqlError> {
    let found = table.columns.iter().position(|column| column.name.value == name.value);
    found.ok_or_else(|| SqlError::at_ident(format!("column '{}' not found in '{}'", name.value, table.name), name))
}

fn place(table: &mut CreateTable, column: ColumnDefinition, at: Option<Position>, end: usize) -> Result<(), SqlError> {
    let index = match at {
        None => end,
        Some(Position::First) => 0,
        Some(Position::After(name)) => position(table, &name)? + 1,
    };
    table.columns.insert(index, column);
    Ok(())
}

fn add(table: &mut CreateTable, Elements { of, positions }: Elements) -> Result<(), SqlError> {
    for (column, at) in of.columns.into_iter().zip(positions) {
        if position(table, &column.name).is_ok() {
            let message = format!("column '{}' is already in the table '{}'", column.name.value, table.name);
            return Err(SqlError::at_ident(message, &column.name));
        }
        let end = table.columns.len();
        place(table, column, at, end)?;
    }
    if let Some(mark) = of.watermark {
        if table.watermark.is_some() {
            return Err(SqlError::at_ident("the table has a WATERMARK; MODIFY changes it", &mark.column));
        }
        table.watermark = Some(mark);
    }
    if let Some(first) = of.primary_key.first() {
        if !table.primary_key.is_empty() {
            return Err(SqlError::at_ident("the table has a PRIMARY KEY; MODIFY changes it", first));
        }
        table.primary_key = of.primary_key;
        table.primary_key_name = of.primary_key_name;
    }
    Ok(())
}

fn modify(table: &mut CreateTable, Elements { of, positions }: Elements) -> Result<(), SqlError> {
    for (column, at) in of.columns.into_iter().zip(positions) {
        let index = position(table, &column.name)?;
        let old = table.columns.remove(index);
        let column = ColumnDefinition { comment: column.comment.or(old.comment), ..column };
        place(table, column, at, index)?;
    }
    if let Some(mark) = of.watermark {
        if table.watermark.is_none() {
            return Err(SqlError::at_ident("the table has no WATERMARK; ADD gives it one", &mark.column));
        }
        table.watermark = Some(mark);
    }
    if let Some(first) = of.primary_key.first() {
        if table.primary_key.is_empty() {
            return Err(SqlError::at_ident("the table has no PRIMARY KEY; ADD gives it one", first));
        }
        table.primary_key = of.primary_key;
        table.primary_key_name = of.primary_key_name;
    }
    Ok(())
}

fn rename(table: &mut CreateTable, from: &Ident, to: Ident) -> Result<(), SqlError> {
    let index = position(table, from)?;
    if position(table, &to).is_ok() {
        let message = format!("column '{}' is already in the table '{}'", to.value, table.name);
        return Err(SqlError::at_ident(message, &to));
    }
    check_not_computed_from(table, from)?;
    if let Some(mark) = &mut table.watermark
        && mark.column.value == from.value
    {
        return Err(SqlError::at_ident(format!("the WATERMARK is that of column '{}'", from.value), from));
    }
    let distribution = table.distribution.iter_mut().flat_map(|distribution| &mut distribution.columns);
    let names = table.primary_key.iter_mut().chain(&mut table.partitioned_by).chain(distribution);
    names.filter(|name| name.value == from.value).for_each(|name| *name = to.clone());
    let column = &mut table.columns[index];
    // Metadata of the same name stays what it is.
    if let ColumnKind::Metadata { key: key @ None, .. } = &mut column.kind {
        *key = Some(from.value.clone());
    }
    column.name = to;
    Ok(())
}

fn is_computed(table: &CreateTable, name: &Ident) -> bool {
    let mut computed = table.columns.iter().filter(|column| matches!(column.kind, ColumnKind::Computed(..)));
    computed.any(|column| column.name.value == name.value)
}

fn drop_column(table: &mut CreateTable, name: &Ident) -> Result<(), SqlError> {
    let index = position(table, name)?;
    let in_use = |what: &str| SqlError::at_ident(format!("column '{}' is used by {what}", name.value), name);
    let has = |names: &[Ident]| names.iter().any(|other| other.value == name.value);
    if has(&table.primary_key) {
        return Err(in_use("the PRIMARY KEY"));
    }
    if has(&table.partitioned_by) {
        return Err(in_use("PARTITIONED BY"));
    }
    if table.distribution.iter().any(|distribution| has(&distribution.columns)) {
        return Err(in_use("DISTRIBUTED BY"));
    }
    if table.watermark.iter().any(|mark| mark.column.value == name.value) {
        return Err(in_use("the WATERMARK"));
    }
    check_not_computed_from(table, name)?;
    table.columns.remove(index);
    Ok(())
}

/// Refuses a column that the expressions of others read.
fn check_not_computed_from(table: &CreateTable, name: &Ident) -> Result<(), SqlError> {
    let used = |what: &str| SqlError::at_ident(format!("column '{}' is used by {what}", name.value), name);
    for column in &table.columns {
        if let ColumnKind::Computed(expr, _) = &column.kind
            && reads(expr, name)
        {
            return Err(used(&format!("the computed column '{}'", column.name.value)));
        }
    }
    match &table.watermark {
        Some(mark) if reads(&mark.expression, name) => Err(used("the WATERMARK")),
        _ => Ok(()),
    }
}

fn reads(expr: &Expr, name: &Ident) -> bool {
    let found = visit::expressions(expr, |part| {
        let first = match part {
            Expr::Identifier(ident) => Some(ident),
            Expr::CompoundIdentifier(parts) => parts.first(),
            _ => None,
        };
        match first {
            Some(ident) if ident.value == name.value => ControlFlow::Break(()),
            _ => ControlFlow::Continue(()),
        }
    });
    found.is_break()
}
