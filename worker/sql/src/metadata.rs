//! `METADATA` columns: the connector's keys that they stand for, and the casts to their declared types.

use arrow::datatypes::FieldRef;
use datafusion_common::TableReference;
use datafusion_expr::{Expr, LogicalPlan, LogicalPlanBuilder};
use expressions::{Evaluator, Typed};
use graph::{Catalog, MetadataColumn, TableSpec};
use model::{DataType, Field, Schema};

use crate::{
    SqlError,
    escape::{self, Escape},
    statement::{ColumnDefinition, ColumnKind},
};

/// The metadata columns of a declaration. Without a connector that can be read there is nothing to hold them against,
/// and reading the table says so.
pub(crate) fn columns(
    table: &TableSpec,
    columns: &[ColumnDefinition],
    catalog: &dyn Catalog,
) -> Result<Vec<MetadataColumn>, SqlError> {
    let known = catalog.metadata(table).ok();
    let mut found = Vec::new();
    for column in columns {
        let ColumnKind::Metadata { data_type, key, is_virtual, .. } = &column.kind else { continue };
        let name = &column.name.value;
        let key = key.as_ref().unwrap_or(name);
        let given = match &known {
            None => data_type.clone(),
            Some(known) => match known.iter().find(|(other, _)| *other == key.as_str()) {
                Some((_, given)) => given.clone(),
                None => return Err(SqlError::at_ident(unknown(table, name, key, known), &column.name)),
            },
        };
        if !can_cast(&given, data_type) {
            let message = format!("column '{name}' cannot be {data_type}: the metadata '{key}' is {given}");
            return Err(SqlError::at_ident(message, &column.name));
        }
        found.push(MetadataColumn { name: name.clone(), key: key.clone(), data_type: given, is_virtual: *is_virtual });
    }
    Ok(found)
}

fn unknown(table: &TableSpec, name: &str, key: &str, known: &[(&str, DataType)]) -> String {
    let connector = table.connector();
    let keys = known.iter().map(|(key, data_type)| format!("'{key}' ({data_type})")).collect::<Vec<_>>();
    match keys.as_slice() {
        [] => format!("column '{name}': connector '{connector}' has no metadata"),
        keys => {
            let keys = keys.join(", ");
            format!("column '{name}': connector '{connector}' has no metadata '{key}'; it has: {keys}")
        }
    }
}

fn can_cast(from: &DataType, to: &DataType) -> bool {
    let cast = graph::Expr::Cast { of: Box::new(graph::Expr::Column(0)), to: to.clone(), safe: false };
    from == to || Evaluator::compile(&cast, &Schema::new(vec![Field::new("metadata", from.clone())])).is_ok()
}

/// The metadata columns of a scan, in the types of the connector.
pub(crate) fn fields(table: &TableSpec, columns: &[ColumnDefinition]) -> Vec<FieldRef> {
    let field = |column: &MetadataColumn| {
        let declared = columns.iter().find(|declared| declared.name.value == column.name);
        let nullable =
            declared.is_some_and(|declared| matches!(declared.kind, ColumnKind::Metadata { nullable: true, .. }));
        escape::typed_arrow_field(&column.name, &Typed { data_type: column.data_type.clone(), nullable })
    };
    table.metadata.iter().map(field).collect()
}

/// A scan with its metadata columns in the types that are declared, which is what computed columns see of them.
pub(crate) fn declared(
    scan: LogicalPlan,
    table: &TableSpec,
    columns: &[ColumnDefinition],
) -> Result<LogicalPlan, SqlError> {
    if table.metadata.is_empty() {
        return Ok(scan);
    }
    let exprs = scan.schema().columns().into_iter().map(|column| {
        let name = column.name.clone();
        let declared = columns.iter().find(|declared| declared.name.value == name);
        let given = table.metadata.iter().find(|column| column.name == name);
        let expr = match (declared.map(|declared| &declared.kind), given) {
            (Some(ColumnKind::Metadata { data_type, .. }), Some(given)) if given.data_type != *data_type => {
                escape::to_logical(Escape::Cast { to: data_type.clone(), safe: false }, Expr::Column(column))?
            }
            _ => Expr::Column(column),
        };
        Ok(expr.alias_qualified(Some(TableReference::bare(table.name.as_str())), name))
    });
    let exprs = exprs.collect::<Result<Vec<_>, SqlError>>()?;
    let projected = LogicalPlanBuilder::from(scan).project(exprs).and_then(LogicalPlanBuilder::build);
    projected.map_err(|error| SqlError::from_planner(&error, &|_| None))
}

/// How a column says that it is metadata.
pub(crate) fn text(key: Option<&str>, is_virtual: bool) -> String {
    let from = key.map(|key| format!(" FROM '{}'", key.replace('\'', "''"))).unwrap_or_default();
    format!("METADATA{from}{}", if is_virtual { " VIRTUAL" } else { "" })
}

/// Whether a table can be written: no connector takes metadata.
pub(crate) fn check_writable(table: &TableSpec) -> Result<(), String> {
    match table.metadata.iter().find(|column| !column.is_virtual) {
        None => Ok(()),
        Some(column) => Err(format!(
            "table '{}' cannot be written: connector '{}' does not take metadata such as column '{}'; \
             if the column is only to be read, declare it VIRTUAL",
            table.name,
            table.connector(),
            column.name
        )),
    }
}
