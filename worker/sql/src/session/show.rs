//! `SHOW` and `DESCRIBE`.

use model::Schema;
use sqlparser::ast::Ident;

use crate::{
    SqlError,
    catalog::{self, Entry, Table, Tables},
    functions,
    statement::{DEFAULT_CATALOG, Dropped, Name, Pattern, Shown, Statement},
};

/// What a statement shows, as lines.
pub(super) fn show(tables: &Tables, statement: &Statement) -> Result<String, SqlError> {
    Ok(match statement {
        Statement::Show(Shown::Columns(name), pattern) => described(tables.find(name)?, pattern.as_ref()),
        Statement::Describe(name) => described(tables.find(name)?, None),
        Statement::Show(shown, pattern) => {
            let mut names = names(tables, shown)?;
            names.retain(|name| pattern.as_ref().is_none_or(|pattern| pattern.lets(name)));
            names.join("\n")
        }
        Statement::ShowCreate(what, name) => match (what, tables.find(name)?) {
            (Dropped::Table, Entry::Table(table)) => catalog::of_table(&table.definition),
            (Dropped::View, Entry::View(view)) => catalog::of_view(&view.definition),
            (_, entry) => return Err(wrong_kind(*what, name, entry)),
        },
        _ => return Err(SqlError::internal("nothing to show")),
    })
}

fn wrong_kind(what: Dropped, name: &Name, entry: &Entry) -> SqlError {
    let kind = entry.kind();
    SqlError::at_ident(
        format!("'{name}' is a {kind}: it is shown by SHOW CREATE {}, not {}", upper(kind), upper(what)),
        name,
    )
}

fn upper(kind: Dropped) -> String {
    kind.to_string().to_uppercase()
}

fn names(tables: &Tables, shown: &Shown) -> Result<Vec<String>, SqlError> {
    let entries = |database: &Option<Ident>, wanted: &dyn Fn(&Entry) -> bool| {
        let database = match database {
            Some(database) => {
                tables.check_database(database)?;
                database.value.as_str()
            }
            None => tables.current_database(),
        };
        let found = tables.names_in(database).filter(|(_, entry)| wanted(entry));
        Ok(found.map(|(name, _)| name.clone()).collect())
    };
    match shown {
        Shown::Tables(database) => entries(database, &|_| true),
        Shown::Views(database) => entries(database, &|entry| entry.kind() == Dropped::View),
        Shown::Functions => {
            let mut names = functions::names();
            names.extend(tables.functions().map(str::to_owned));
            names.sort();
            names.dedup();
            Ok(names)
        }
        Shown::Columns(_) => Ok(Vec::new()),
        Shown::Catalogs | Shown::CurrentCatalog => Ok(vec![DEFAULT_CATALOG.to_owned()]),
        Shown::Databases => Ok(tables.databases().cloned().collect()),
        Shown::CurrentDatabase => Ok(vec![tables.current_database().to_owned()]),
    }
}

/// A line for each column: name, type, nullability, key, where it is from if it is not physical, watermark; and its
/// comment, if any column has one.
fn described(entry: &Entry, pattern: Option<&Pattern>) -> String {
    let columns: &Schema = entry.columns();
    let table = match entry {
        Entry::Table(table) => Some(table.as_ref()),
        Entry::View(_) => None,
    };
    let comments: Vec<Option<&String>> = match table {
        Some(table) => table.definition.columns.iter().map(|column| column.comment.as_ref()).collect(),
        None => Vec::new(),
    };
    let has_comments = comments.iter().any(Option::is_some);
    let mut lines = vec!["name | type | null | key | extras | watermark".to_owned()];
    let listed = |name: &str| pattern.is_none_or(|pattern| pattern.lets(name));
    for (index, field) in columns.fields.iter().enumerate().filter(|(_, field)| listed(&field.name)) {
        let [key, extras, watermark] = table.map(|table| details(table, index, &field.name)).unwrap_or_default();
        let nullable = if field.nullable { "TRUE" } else { "FALSE" };
        lines.push(format!("{} | {} | {nullable} | {key} | {extras} | {watermark}", field.name, field.data_type));
        if has_comments && let Some(line) = lines.last_mut() {
            let comment = comments.get(index).copied().flatten();
            line.push_str(&format!(" | {}", comment.map_or("", String::as_str)));
        }
    }
    if has_comments {
        lines[0].push_str(" | comment");
    }
    lines.join("\n")
}

/// Key, origin and watermark of a column.
fn details(table: &Table, index: usize, name: &str) -> [String; 3] {
    let position = table.spec.schema.index_of(name);
    let is_key = position.is_some_and(|position| table.spec.primary_key.contains(&position));
    let watermark = table.watermark.as_ref().filter(|(column, _)| column == name);
    [
        if is_key { "PRI".to_owned() } else { String::new() },
        table.origins.get(index).cloned().flatten().unwrap_or_default(),
        watermark.map(|(_, expression)| expression.clone()).unwrap_or_default(),
    ]
}
