//! What a `CREATE TABLE` declares: its columns in three kinds, its time attribute, and the plan that computes them.

use std::sync::Arc;

use arrow::datatypes::Schema as ArrowSchema;
use datafusion_common::{Column, ExprSchema, TableReference};
use datafusion_expr::{Expr, Extension, LogicalPlan, LogicalPlanBuilder};
use expressions::Typed;
use graph::{Catalog, TableSpec};
use model::{DataType, Field, Schema};
use sqlparser::ast::{Expr as Syntax, Ident};

use super::{PhysicalTable, Table, Tables, schema_of};
use crate::{
    SqlError,
    context::PlannedTable,
    desugar, escape, metadata,
    nodes::WatermarkNode,
    plan,
    statement::{ColumnKind, CreateTable},
};

pub(super) fn declare(create: CreateTable, tables: &Tables, catalog: &dyn Catalog) -> Result<Table, SqlError> {
    let mut physical = Vec::new();
    let mut names: Vec<&Ident> = Vec::new();
    for column in &create.columns {
        if names.iter().any(|name| name.value == column.name.value) {
            return Err(SqlError::at_ident(format!("column '{}' is declared twice", column.name.value), &column.name));
        }
        names.push(&column.name);
        if let ColumnKind::Physical { data_type, nullable } = &column.kind {
            let field = Field { name: column.name.value.clone(), data_type: data_type.clone(), nullable: *nullable };
            physical.push(field);
        }
    }
    let schema = Schema::new(physical);
    let position = |name: &Ident, what: &str| {
        let missing = || SqlError::at_ident(format!("{what} column '{}' is no physical column", name.value), name);
        schema.index_of(&name.value).ok_or_else(missing)
    };
    let primary_key =
        create.primary_key.iter().map(|name| position(name, "primary key")).collect::<Result<Vec<_>, _>>()?;
    let partitioned_by =
        create.partitioned_by.iter().map(|name| position(name, "partition")).collect::<Result<Vec<_>, _>>()?;
    let mut spec = TableSpec {
        name: create.name.to_string(),
        options: create.options.iter().cloned().collect(),
        primary_key,
        partitioned_by,
        schema,
        metadata: Vec::new(),
    };
    spec.metadata = metadata::columns(&spec, &create.columns, catalog)?;
    let planned = plan_table(&spec, &create, tables)?;
    let origins = create.columns.iter().map(|column| match &column.kind {
        ColumnKind::Computed(_, text) => Some(format!("AS {text}")),
        ColumnKind::Metadata { key, is_virtual, .. } => Some(metadata::text(key.as_deref(), *is_virtual)),
        ColumnKind::Physical { .. } => None,
    });
    Ok(Table {
        origins: origins.collect(),
        watermark: create.watermark.as_ref().map(|mark| (mark.column.value.clone(), mark.text.clone())),
        columns: schema_of(&planned)?,
        source: Arc::new(PlannedTable { schema: Arc::new(planned.schema().as_arrow().clone()), plan: planned }),
        definition: create,
        spec,
    })
}

/// The scan with computed columns and the watermark.
pub(super) fn plan_table(spec: &TableSpec, create: &CreateTable, tables: &Tables) -> Result<LogicalPlan, SqlError> {
    let place =
        |error: &datafusion_common::DataFusionError| SqlError::from_planner(error, &|_| None).or_at(create.name.span);
    let fields = spec.schema.fields.iter().enumerate().map(|(index, field)| {
        let nullable = field.nullable && !spec.primary_key.contains(&index);
        escape::typed_arrow_field(&field.name, &Typed { data_type: field.data_type.clone(), nullable })
    });
    let fields: Vec<_> = fields.chain(metadata::fields(spec, &create.columns)).collect();
    let source = PhysicalTable { spec: Arc::new(spec.clone()), schema: Arc::new(ArrowSchema::new(fields)) };
    let scan = LogicalPlanBuilder::scan(TableReference::bare(spec.name.as_str()), Arc::new(source), None)
        .and_then(LogicalPlanBuilder::build)
        .map_err(|error| place(&error))?;
    let scan = metadata::declared(scan, spec, &create.columns)?;
    let columns = create.columns.iter().map(|column| {
        let expr = match &column.kind {
            ColumnKind::Physical { .. } | ColumnKind::Metadata { .. } => {
                Expr::Column(Column::new(Some(TableReference::bare(spec.name.as_str())), &column.name.value))
            }
            ColumnKind::Computed(syntax, _) => expression((**syntax).clone(), &scan, tables)?,
        };
        Ok(expr.alias(column.name.value.as_str()))
    });
    let columns = columns.collect::<Result<Vec<_>, SqlError>>()?;
    let projected = LogicalPlanBuilder::from(scan)
        .project(columns)
        .and_then(LogicalPlanBuilder::build)
        .map_err(|error| place(&error))?;
    let Some(mark) = &create.watermark else { return Ok(projected) };
    let time = Column::new_unqualified(&mark.column.value);
    let field = projected.schema().field_from_column(&time).map_err(|_| {
        SqlError::at_ident(format!("watermark column '{}' is no column of the table", mark.column.value), &mark.column)
    })?;
    let time_type = escape::flink_type(field)?;
    if !time_type.can_be_rowtime() {
        let message = format!(
            "watermark column '{}' is {time_type}; it must be TIMESTAMP or TIMESTAMP_LTZ of precision 3 at most",
            mark.column.value
        );
        return Err(SqlError::at_ident(message, &mark.column));
    }
    let watermark = expression(mark.expression.clone(), &projected, tables)?;
    let watermark_type = plan::type_of(&watermark, &projected)?;
    if !matches!(watermark_type, DataType::Timestamp(_) | DataType::TimestampLtz(_)) {
        let message = format!("the watermark is {watermark_type}; it must be a timestamp");
        return Err(SqlError::at(message, &mark.expression));
    }
    let node = WatermarkNode { input: projected, time, watermark };
    Ok(LogicalPlan::Extension(Extension { node: Arc::new(node) }))
}

fn expression(mut syntax: Syntax, input: &LogicalPlan, tables: &Tables) -> Result<Expr, SqlError> {
    desugar::expression(&mut syntax, tables)?;
    plan::expression(&syntax, input)
}
