//! `CREATE TABLE … AS`: a table that has the columns of a query, and is filled by it.

use sqlparser::ast::Ident;

use super::{PlannedJob, Session};
use crate::{
    SqlError,
    catalog::schema_of,
    desugar, plan,
    statement::{ColumnDefinition, ColumnKind, CreateTable, Insert},
};

impl Session {
    /// Declares the table and plans the job that fills it; none if the table is there already.
    pub(super) fn create_as(&mut self, mut create: CreateTable) -> Result<Option<PlannedJob>, SqlError> {
        if create.if_not_exists && self.tables.get(&create.name).is_some() {
            return Ok(None);
        }
        let source = create.query.take().ok_or_else(|| SqlError::internal("a table of no query"))?;
        let mut query = source.clone();
        desugar::query(&mut query, &self.tables)?;
        let mut of_query = schema_of(&plan::query(&self.tables, &query)?)?;
        let names: Vec<String> = of_query.fields.iter().map(|field| field.name.clone()).collect();
        check_names(&create, &names)?;
        if !create.order.is_empty() {
            let place = |name: &str| create.order.iter().position(|ordered| ordered.value == name);
            of_query.fields.sort_by_key(|field| place(&field.name));
        }
        // Columns that are declared come first, those of the query by its names.
        let declares = !create.columns.is_empty() || !create.order.is_empty();
        let columns = names.iter().map(|name| Ident::with_span(create.name.span, name.as_str()));
        let columns: Vec<Ident> = if declares { columns.collect() } else { Vec::new() };
        for field in of_query.fields {
            match create.columns.iter().find(|column| column.name.value == field.name) {
                Some(ColumnDefinition { kind: ColumnKind::Physical { .. }, .. }) => {}
                Some(other) => {
                    let message = format!("column '{}' comes from the query and must be physical", field.name);
                    return Err(SqlError::at_ident(message, &other.name));
                }
                None => create.columns.push(ColumnDefinition {
                    name: Ident::with_span(create.name.span, field.name),
                    kind: ColumnKind::Physical {
                        data_type: field.data_type.without_not_null(),
                        nullable: field.nullable,
                    },
                    comment: None,
                }),
            }
        }
        let before = self.tables.clone();
        let table = create.name.clone();
        let created = self.tables.create_table(create, &*self.catalog).and_then(|()| {
            let (options, partition) = (Vec::new(), Vec::new());
            self.insert(vec![Insert { table, options, partition, columns, source }])
        });
        if created.is_err() {
            self.tables = before;
        }
        created.map(Some)
    }
}

/// Refuses a query two of whose columns have one name, and an order of columns that is not of all of them.
fn check_names(create: &CreateTable, names: &[String]) -> Result<(), SqlError> {
    let twice = names.iter().enumerate().find(|(index, name)| names[..*index].contains(name));
    if let Some((_, name)) = twice {
        let message = format!("the query has two columns '{name}': give one of them an alias");
        return Err(SqlError::at_ident(message, &create.name));
    }
    let Some(first) = create.order.first() else { return Ok(()) };
    for (index, column) in create.order.iter().enumerate() {
        if !names.contains(&column.value) {
            return Err(SqlError::at_ident(format!("the query has no column '{}'", column.value), column));
        }
        if create.order[..index].iter().any(|other| other.value == column.value) {
            return Err(SqlError::at_ident(format!("column '{}' is named twice", column.value), column));
        }
    }
    if create.order.len() < names.len() {
        let message = format!("the query has {} columns, but {} are named", names.len(), create.order.len());
        return Err(SqlError::at_ident(message, first));
    }
    Ok(())
}
