//! The columns that an `INSERT` fills.

use sqlparser::{
    ast::{Expr, Ident, SelectItem, SetExpr, TableAlias, TableFactor},
    parser::Parser,
};

use crate::{SqlError, catalog::Table, dialect::FlinkDialect, statement::Insert};

/// The positions of the columns that are named.
pub(super) fn columns(insert: &Insert, table: &Table) -> Result<Vec<usize>, SqlError> {
    let mut columns = Vec::with_capacity(insert.columns.len());
    for name in &insert.columns {
        let Some(column) = table.spec.schema.index_of(&name.value) else {
            let message = if table.spec.metadata.iter().any(|column| column.name == name.value) {
                format!("column '{}' is VIRTUAL and cannot be written", name.value)
            } else if table.columns.index_of(&name.value).is_some() {
                format!("column '{}' is computed and cannot be written", name.value)
            } else {
                format!("column '{}' not found in '{}'", name.value, table.spec.name)
            };
            return Err(SqlError::at_ident(message, name));
        };
        if columns.contains(&column) {
            return Err(SqlError::at_ident(format!("column '{}' is given twice", name.value), name));
        }
        columns.push(column);
    }
    Ok(columns)
}

/// `PARTITION (a = 1)`: the values become the last columns of the query.
pub(super) fn give_partition(insert: &mut Insert, table: &Table) -> Result<(), SqlError> {
    let partition = std::mem::take(&mut insert.partition);
    if partition.is_empty() {
        return Ok(());
    }
    let fields = &table.spec.schema.fields;
    for (column, _) in &partition {
        if !table.spec.partitioned_by.iter().any(|&index| fields[index].name == column.value) {
            let message = format!("column '{}' is no partition column of '{}'", column.value, table.spec.name);
            return Err(SqlError::at_ident(message, column));
        }
    }
    if insert.columns.is_empty() {
        let is_given = |name: &str| partition.iter().any(|(column, _)| column.value == name);
        let others = fields.iter().filter(|field| !is_given(&field.name));
        insert.columns = others.map(|field| Ident::with_span(insert.table.span, field.name.as_str())).collect();
    }
    let (columns, values): (Vec<Ident>, Vec<Expr>) = partition.into_iter().unzip();
    insert.columns.extend(columns);
    let outer = Parser::new(&FlinkDialect).try_with_sql("SELECT * FROM t")?.parse_query()?;
    let subquery = std::mem::replace(&mut insert.source, outer);
    let SetExpr::Select(select) = &mut *insert.source.body else { return Err(SqlError::internal("no SELECT")) };
    let alias = TableAlias { explicit: true, name: Ident::new("$query"), columns: vec![], at: None };
    for from in &mut select.from {
        let (subquery, alias) = (subquery.clone(), Some(alias.clone()));
        from.relation = TableFactor::Derived { lateral: false, subquery, alias, sample: None };
    }
    select.projection.extend(values.into_iter().enumerate().map(|(index, expr)| {
        let alias = Ident::with_quote('`', format!("$partition{index}"));
        SelectItem::ExprWithAlias { expr, alias }
    }));
    Ok(())
}
