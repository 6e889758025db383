//! `VALUES`, and a `SELECT` without `FROM`.

use std::collections::BTreeMap;

use datafusion_common::DFSchema;
use datafusion_expr::Values;
use graph::{
    Expr, NodeId, OperatorSpec, TableSpec, Value,
    operator::{CalcSpec, SourceColumn, SourceSpec},
};
use model::{DataType, Field, Schema};
use serde_json::json;
use values::calendar;

use super::{
    Base, Lowering, Relation, Scope,
    scalar::{self, cast_from},
};
use crate::SqlError;

impl Lowering<'_> {
    /// One row of nothing that is read.
    pub(super) fn one_row(&mut self) -> Result<Relation, SqlError> {
        let schema = Schema::new(vec![Field::new("row", DataType::Int)]);
        let node = self.values_source(schema, vec![vec![json!(0)]]);
        Ok(Relation { base: Base::Node { node, window: None }, exprs: Vec::new(), names: Vec::new(), filter: None })
    }

    pub(super) fn values(&mut self, values: &Values, names: Vec<String>) -> Result<Relation, SqlError> {
        let none = DFSchema::empty();
        let scope = Scope { schema: &none, exprs: &[] };
        let mut rows = Vec::with_capacity(values.values.len());
        for row in &values.values {
            rows.push(row.iter().map(|expr| scope.lower(expr)).collect::<Result<Vec<_>, _>>()?);
        }
        let types = column_types(&rows, names.len())?;
        for row in &mut rows {
            for (expr, to) in row.iter_mut().zip(&types) {
                let from = scalar::type_of(expr, &Schema::default())?;
                *expr = cast_from(expr.clone(), &from, to, false);
            }
        }
        let constant: Option<Vec<Vec<serde_json::Value>>> =
            rows.iter().map(|row| row.iter().zip(&types).map(|(expr, to)| json_of(expr, to)).collect()).collect();
        let fields = names.iter().zip(&types).map(|(name, data_type)| Field::new(name.clone(), data_type.clone()));
        let schema = Schema::new(fields.collect());
        let node = match constant {
            Some(rows) => self.values_source(schema, rows),
            None => self.computed_rows(&schema, rows),
        };
        let exprs = (0..names.len()).map(Expr::Column).collect();
        Ok(Relation { base: Base::Node { node, window: None }, exprs, names, filter: None })
    }

    /// A Calc for each row, all behind a source of one row.
    fn computed_rows(&mut self, schema: &Schema, rows: Vec<Vec<Expr>>) -> NodeId {
        let one = self.values_source(Schema::new(vec![Field::new("row", DataType::Int)]), vec![vec![json!(0)]]);
        let calcs: Vec<NodeId> = rows
            .into_iter()
            .map(|projection| {
                let node = self.add(OperatorSpec::Calc(CalcSpec { filter: None, projection }), schema.clone());
                self.connect(one, node, 0, graph::Partitioning::Forward);
                node
            })
            .collect();
        let projection = (0..schema.len()).map(Expr::Column).collect();
        let all = self.add(OperatorSpec::Calc(CalcSpec { filter: None, projection }), schema.clone());
        for calc in calcs {
            self.connect(calc, all, 0, graph::Partitioning::Forward);
        }
        all
    }

    fn values_source(&mut self, schema: Schema, rows: Vec<Vec<serde_json::Value>>) -> NodeId {
        let columns = schema.fields.iter();
        let columns =
            columns.map(|field| SourceColumn { path: vec![field.name.clone()], data_type: field.data_type.clone() });
        let columns = columns.collect();
        let options = [("connector", "values".to_owned()), ("rows", json!(rows).to_string())];
        let options: BTreeMap<String, String> =
            options.into_iter().map(|(key, value)| (key.to_owned(), value)).collect();
        let table = TableSpec { name: "values".into(), schema: schema.clone(), options, ..TableSpec::default() };
        let spec = SourceSpec { table, columns, filters: Vec::new(), watermark: None };
        let node = self.add(OperatorSpec::Source(spec), schema);
        // The rows are read once.
        self.graph.nodes[node].parallelism = Some(1);
        node
    }
}

fn column_types(rows: &[Vec<Expr>], width: usize) -> Result<Vec<DataType>, SqlError> {
    let mut types = vec![DataType::Null; width];
    for row in rows {
        for (column, (common, expr)) in types.iter_mut().zip(row).enumerate() {
            let other = scalar::type_of(expr, &Schema::default())?;
            *common = expressions::common_type(common, &other).ok_or_else(|| {
                let column = column + 1;
                SqlError::new(format!(
                    "column {column} of VALUES has the types {common} and {other}, which have no common type"
                ))
            })?;
        }
    }
    Ok(types)
}

/// A constant as JSON, if it has a form there that every reader takes alike.
fn json_of(expr: &Expr, data_type: &DataType) -> Option<serde_json::Value> {
    let Expr::Literal { value, .. } = expr else { return None };
    match (value, data_type) {
        (Value::Null, _) => Some(serde_json::Value::Null),
        (Value::Boolean(value), _) => Some(json!(value)),
        (Value::Integer(value), DataType::TinyInt | DataType::SmallInt | DataType::Int | DataType::BigInt) => {
            Some(json!(value))
        }
        (Value::Float(value), _) if value.is_finite() => Some(json!(value)),
        (Value::String(text), DataType::Char(_) | DataType::Varchar(_) | DataType::String) => Some(json!(text)),
        (Value::Integer(days), DataType::Date) => {
            let mut text = String::new();
            calendar::write_date(&mut text, *days).ok()?;
            Some(json!(text))
        }
        (Value::Integer(milliseconds), DataType::Timestamp(0..=3)) => {
            let mut text = String::new();
            calendar::write_timestamp(&mut text, *milliseconds, 0, 3).ok()?;
            Some(json!(text))
        }
        _ => None,
    }
}
