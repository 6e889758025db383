//! Declarations as text, for `SHOW CREATE`.

use sqlparser::ast::Ident;

use crate::{
    metadata,
    statement::{ColumnDefinition, ColumnKind, CreateTable, CreateView, DEFAULT_CATALOG, Distribution, Name},
};

/// `CREATE TABLE …`, which declares the same table again.
pub(crate) fn of_table(table: &CreateTable) -> String {
    let mut elements: Vec<String> = table.columns.iter().map(|column| of_column(column, table)).collect();
    if let Some(mark) = &table.watermark {
        elements.push(format!("WATERMARK FOR {} AS {}", quoted(&mark.column), mark.text));
    }
    if !table.primary_key.is_empty() {
        let name = table.primary_key_name.as_ref();
        let constraint = name.map(|name| format!("CONSTRAINT {} ", quoted(name))).unwrap_or_default();
        elements.push(format!("{constraint}PRIMARY KEY ({}) NOT ENFORCED", list(&table.primary_key)));
    }
    let temporary = if table.temporary { "TEMPORARY " } else { "" };
    let mut text = format!("CREATE {temporary}TABLE {} (\n  {}\n)", full(&table.name), elements.join(",\n  "));
    if let Some(comment) = &table.comment {
        text.push_str(&format!("\nCOMMENT {}", string(comment)));
    }
    if let Some(distribution) = &table.distribution {
        text.push_str(&of_distribution(distribution));
    }
    if !table.partitioned_by.is_empty() {
        text.push_str(&format!("\nPARTITIONED BY ({})", list(&table.partitioned_by)));
    }
    if !table.options.is_empty() {
        let options = table.options.iter().map(|(key, value)| format!("{} = {}", string(key), string(value)));
        text.push_str(&format!("\nWITH (\n  {}\n)", options.collect::<Vec<_>>().join(",\n  ")));
    }
    text
}

/// `CREATE VIEW …`
pub(crate) fn of_view(view: &CreateView) -> String {
    let temporary = if view.temporary { "TEMPORARY " } else { "" };
    let columns = if view.columns.is_empty() { String::new() } else { format!(" ({})", list(&view.columns)) };
    let comment = view.comment.as_ref().map(|comment| format!(" COMMENT {}", string(comment))).unwrap_or_default();
    format!("CREATE {temporary}VIEW {}{columns}{comment} AS\n{}", full(&view.name), view.text)
}

fn of_column(column: &ColumnDefinition, table: &CreateTable) -> String {
    let name = quoted(&column.name);
    let is_key = table.primary_key.iter().any(|key| key.value == column.name.value);
    let not_null = |nullable: bool| if nullable && !is_key { "" } else { " NOT NULL" };
    let of = match &column.kind {
        ColumnKind::Physical { data_type, nullable } => format!("{data_type}{}", not_null(*nullable)),
        ColumnKind::Computed(_, text) => format!("AS {text}"),
        ColumnKind::Metadata { data_type, nullable, key, is_virtual } => {
            format!("{data_type}{} {}", not_null(*nullable), metadata::text(key.as_deref(), *is_virtual))
        }
    };
    let comment = column.comment.as_ref().map(|comment| format!(" COMMENT {}", string(comment))).unwrap_or_default();
    format!("{name} {of}{comment}")
}

fn of_distribution(distribution: &Distribution) -> String {
    let kind = distribution.kind.map(|kind| format!("{kind} ")).unwrap_or_default();
    let by = if distribution.columns.is_empty() {
        String::new()
    } else {
        format!(" BY {kind}({})", list(&distribution.columns))
    };
    let into = distribution.buckets.as_ref().map(|buckets| format!(" INTO {buckets} BUCKETS")).unwrap_or_default();
    format!("\nDISTRIBUTED{by}{into}")
}

fn full(name: &Name) -> String {
    let database = Ident::new(name.database.as_str());
    format!("{}.{}.{}", quoted(&Ident::new(DEFAULT_CATALOG)), quoted(&database), quoted(&name.ident))
}

fn quoted(name: &Ident) -> String {
    format!("`{}`", name.value.replace('`', "``"))
}

fn list(names: &[Ident]) -> String {
    names.iter().map(quoted).collect::<Vec<_>>().join(", ")
}

fn string(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}
