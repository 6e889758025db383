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
        let of_query = schema_of(&plan::query(&self.tables, &query)?)?;
        // Columns that are declared come first, those of the query by its names.
        let declares = !create.columns.is_empty();
        let columns = of_query.fields.iter().map(|field| Ident::with_span(create.name.span, field.name.as_str()));
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
