//! Sinks: the check of a query's columns against a table's.

use std::collections::BTreeMap;

use graph::{ChangelogMode, Expr, JobGraph, NodeId, OperatorSpec, Partitioning, TableSpec, Value, operator::SinkSpec};
use model::{DataType, Field, Schema};

use super::{Lowering, Relation, scalar::cast_from, source::ContextTable};
use crate::SqlError;

/// Where a query's rows go.
#[derive(Clone, Debug)]
pub(crate) enum Target<'t> {
    /// A declared table, all columns in order.
    Table(&'t TableSpec),
    /// Some columns of a declared table, by position; the rest are null.
    Columns(&'t TableSpec, Vec<usize>),
    /// The client that asked.
    Collect,
}

impl Lowering<'_> {
    pub(super) fn sink(&mut self, relation: Relation, target: &Target<'_>) -> Result<(), SqlError> {
        let types = self.types(&relation)?;
        let (table, relation) = match target {
            Target::Collect => {
                let fields = relation.names.iter().zip(types);
                let fields = fields.map(|(name, data_type)| Field::new(name.clone(), data_type)).collect();
                let options = [("connector".to_owned(), "collect".to_owned())].into();
                let table =
                    TableSpec { name: "collect".into(), schema: Schema::new(fields), options, ..TableSpec::default() };
                (table, relation)
            }
            Target::Table(table) => {
                let all = (0..table.schema.len()).collect::<Vec<_>>();
                ((*table).clone(), fitted(relation, &types, table, &all)?)
            }
            Target::Columns(table, columns) => ((*table).clone(), fitted(relation, &types, table, columns)?),
        };
        let schema = table.schema.clone();
        let by_partition = !matches!(target, Target::Collect) && {
            let place = |failure: model::Failure| SqlError::from(failure.context_table(&table.name));
            self.catalog.sink(&table).map_err(place)?.by_partition
        };
        let partitioning =
            if by_partition { Partitioning::Hash(table.partitioned_by.clone()) } else { Partitioning::Forward };
        let (input, _) = self.materialize(relation)?;
        let node = self.add(OperatorSpec::Sink(SinkSpec { table, input: ChangelogMode::APPEND }), schema);
        self.connect(input, node, 0, partitioning);
        Ok(())
    }
}

/// Gives sinks the parallelism that their tables want. Inserts are spread in turn; changes come by primary key, so that those
/// of a row stay in order.
pub(super) fn set_parallelism(graph: &mut JobGraph, wanted: &BTreeMap<NodeId, u32>) -> Result<(), SqlError> {
    for (&node, &parallelism) in wanted {
        let OperatorSpec::Sink(SinkSpec { table, .. }) = &graph.nodes[node].operator else { continue };
        let key = table.primary_key.clone();
        let without_key = format!(
            "table '{}': 'sink.parallelism' needs a PRIMARY KEY where rows are updated, to keep their changes in order",
            table.name
        );
        for edge in 0..graph.edges.len() {
            let from = &graph.nodes[graph.edges[edge].from];
            let forward = graph.edges[edge].to == node && graph.edges[edge].partitioning == Partitioning::Forward;
            if !forward || from.parallelism == Some(parallelism) {
                continue;
            }
            graph.edges[edge].partitioning = match parallelism {
                1 => Partitioning::Global,
                _ if from.changelog.is_append() => Partitioning::Rebalance,
                _ if key.is_empty() => return Err(SqlError::new(without_key)),
                _ => Partitioning::Hash(key.clone()),
            };
        }
        graph.nodes[node].parallelism = Some(parallelism);
    }
    Ok(())
}

/// The relation with the columns of the table, cast where Flink casts by itself.
fn fitted(relation: Relation, types: &[DataType], table: &TableSpec, columns: &[usize]) -> Result<Relation, SqlError> {
    let wanted = Schema::new(columns.iter().map(|&column| table.schema.fields[column].clone()).collect());
    let mismatch = |cause: String| {
        let query = relation.names.iter().zip(types).map(|(name, data_type)| format!("{name}: {data_type}"));
        let query = query.collect::<Vec<_>>().join(", ");
        let sink = wanted.fields.iter().map(|field| format!("{}: {}", field.name, field.data_type));
        let sink = sink.collect::<Vec<_>>().join(", ");
        SqlError::new(format!(
            "column types of query result and sink for '{}' do not match: {cause}; query schema: [{query}]; sink schema: [{sink}]",
            table.name
        ))
    };
    if types.len() != wanted.len() {
        return Err(mismatch(format!("different number of columns, {} and {}", types.len(), wanted.len())));
    }
    let mut exprs: Vec<Expr> = table
        .schema
        .fields
        .iter()
        .map(|field| Expr::Literal { value: Value::Null, data_type: field.data_type.clone() })
        .collect();
    for (index, (from, to)) in types.iter().zip(&wanted.fields).enumerate() {
        if !casts_implicitly(from, &to.data_type) {
            return Err(mismatch(format!("incompatible types for sink column '{}' at position {index}", to.name)));
        }
        exprs[columns[index]] = cast_from(relation.exprs[index].clone(), from, &to.data_type, false);
    }
    for (position, field) in table.schema.fields.iter().enumerate() {
        if !field.nullable && !columns.contains(&position) {
            return Err(mismatch(format!("column '{}' is NOT NULL and gets no value", field.name)));
        }
    }
    let names = table.schema.fields.iter().map(|field| field.name.clone()).collect();
    Ok(Relation { exprs, names, ..relation })
}

/// Whether Flink casts without being told to.
fn casts_implicitly(from: &DataType, to: &DataType) -> bool {
    use DataType::*;
    let integer = |data_type: &DataType| match data_type {
        TinyInt => Some(1),
        SmallInt => Some(2),
        Int => Some(3),
        BigInt => Some(4),
        _ => None,
    };
    if from == to || *from == Null {
        return true;
    }
    match (from, to) {
        (Char(_) | Varchar(_) | String, Char(_) | Varchar(_) | String) => true,
        (Binary(_) | Varbinary(_) | Bytes, Binary(_) | Varbinary(_) | Bytes) => true,
        (_, Decimal(..) | Double) => from.is_numeric(),
        (Decimal(..), Float) => true,
        (_, Float) => integer(from).is_some(),
        (_, TinyInt | SmallInt | Int | BigInt) => integer(from).is_some_and(|rank| Some(rank) <= integer(to)),
        (Timestamp(_) | TimestampLtz(_), Timestamp(_) | TimestampLtz(_)) => true,
        (Timestamp(_), Date) | (Time(_) | Timestamp(_), Time(_)) => true,
        (Array(from), Array(to)) => casts_implicitly(from, to),
        (Map(from_key, from_value), Map(to_key, to_value)) => {
            casts_implicitly(from_key, to_key) && casts_implicitly(from_value, to_value)
        }
        (Row(from), Row(to)) => {
            from.len() == to.len()
                && from.iter().zip(to).all(|(from, to)| casts_implicitly(&from.data_type, &to.data_type))
        }
        _ => false,
    }
}
