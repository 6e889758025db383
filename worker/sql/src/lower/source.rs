//! Sources: one for each table of a job, reading only what the job uses.

use std::collections::BTreeMap;

use graph::{
    Expr, NodeId, OperatorSpec, TableSpec,
    operator::{Keep, SourceColumn, SourceSpec},
};
use model::{DataType, Field, Schema};

use super::{
    Base, Lowering, Relation,
    scalar::{conjuncts, is_volatile, substitute},
};
use crate::SqlError;

impl Lowering<'_> {
    /// The source of a table, with all its columns until the graph is finished.
    pub(super) fn scan(&mut self, table: &TableSpec, projection: Option<&[usize]>) -> Result<Relation, SqlError> {
        let key = (table.name.clone(), table.options.clone());
        let node = match self.sources.get(&key) {
            Some(&node) => node,
            None => {
                self.catalog.source(table).map_err(|failure| SqlError::from(failure.context_table(&table.name)))?;
                let readable = table.readable();
                let columns = readable.fields.iter();
                let columns = columns
                    .map(|field| SourceColumn { path: vec![field.name.clone()], data_type: field.data_type.clone() });
                let spec = SourceSpec {
                    table: table.clone(),
                    columns: columns.collect(),
                    filters: Vec::new(),
                    watermark: None,
                };
                let node = self.add(OperatorSpec::Source(spec), readable);
                self.sources.insert(key, node);
                node
            }
        };
        let fields = table.readable().fields;
        let all: Vec<usize> = (0..fields.len()).collect();
        let columns = projection.unwrap_or(&all);
        Ok(Relation {
            base: Base::Node { node, window: None },
            exprs: columns.iter().map(|&column| Expr::Column(column)).collect(),
            names: columns.iter().map(|&column| fields[column].name.clone()).collect(),
            filter: None,
        })
    }

    /// Cuts each source down to the columns and fields that the operators behind it read.
    pub(super) fn prune_sources(&mut self) -> Result<(), SqlError> {
        for node in self.sources.values().copied().collect::<Vec<_>>() {
            self.prune_source(node)?;
        }
        Ok(())
    }

    fn prune_source(&mut self, node: NodeId) -> Result<(), SqlError> {
        let table = self.graph.nodes[node].schema.clone();
        let consumers: Vec<NodeId> = self.graph.outputs(node).map(|edge| edge.to).collect();
        let watermark = self.watermarks.get(&node).filter(|_| self.needs_event_time(node)).cloned();
        let mut paths = Paths::default();
        if let Some(watermark) = &watermark {
            paths.add_from(watermark, &table);
        }
        for &consumer in &consumers {
            let OperatorSpec::Calc(calc) = &self.graph.nodes[consumer].operator else {
                return Err(SqlError::internal("a source is read by a Calc"));
            };
            calc.filter.iter().chain(&calc.projection).for_each(|expr| paths.add_from(expr, &table));
        }
        let columns = paths.columns(&table);
        for &consumer in &consumers {
            if let OperatorSpec::Calc(calc) = &mut self.graph.nodes[consumer].operator {
                calc.filter = calc.filter.as_ref().map(|filter| columns.rewrite(filter, &table));
                calc.projection = calc.projection.iter().map(|expr| columns.rewrite(expr, &table)).collect();
            }
        }
        let filters = self.common_filters(&consumers);
        self.graph.nodes[node].schema = columns.schema();
        if let OperatorSpec::Source(source) = &mut self.graph.nodes[node].operator {
            source.watermark = watermark.map(|watermark| columns.rewrite(&watermark, &table));
            source.columns = columns.columns;
            source.filters = filters;
        }
        Ok(())
    }

    /// Whether an operator that works in event time follows.
    fn needs_event_time(&self, node: NodeId) -> bool {
        let takes_time = match &self.graph.nodes[node].operator {
            OperatorSpec::Deduplicate(spec) => spec.keep == Keep::First && !spec.processing,
            OperatorSpec::Rank(spec) => spec.window_end.is_some(),
            OperatorSpec::WindowAssign(spec) => !spec.processing,
            OperatorSpec::WindowAggregate(spec) => !spec.processing,
            OperatorSpec::WindowJoin(_) | OperatorSpec::IntervalJoin(_) => true,
            OperatorSpec::Sink(spec) => self.catalog.sink(&spec.table).is_ok_and(|sink| sink.event_time),
            _ => false,
        };
        takes_time || self.graph.outputs(node).any(|edge| self.needs_event_time(edge.to))
    }

    /// Conditions without which no consumer takes a row.
    fn common_filters(&self, consumers: &[NodeId]) -> Vec<Expr> {
        let mut filters = Vec::new();
        for &consumer in consumers {
            match &self.graph.nodes[consumer].operator {
                OperatorSpec::Calc(calc) => match &calc.filter {
                    Some(filter) if !is_volatile(filter) => filters.push(filter),
                    _ => return Vec::new(),
                },
                _ => return Vec::new(),
            }
        }
        match filters.as_slice() {
            [] => Vec::new(),
            [only] => {
                let mut parts = Vec::new();
                conjuncts(only, &mut parts);
                parts.into_iter().cloned().collect()
            }
            [first, rest @ ..] => {
                let mut distinct = vec![(*first).clone()];
                for filter in rest {
                    if !distinct.contains(filter) {
                        distinct.push((*filter).clone());
                    }
                }
                let any = distinct.into_iter().reduce(|l, r| Expr::call("OR", vec![l, r], DataType::Boolean));
                any.into_iter().collect()
            }
        }
    }
}

/// The field that an expression reads of a column: `[2, "price"]`.
fn path_of(expr: &Expr, table: &Schema) -> Option<Vec<String>> {
    match expr {
        Expr::Column(index) => Some(vec![table.fields.get(*index)?.name.clone()]),
        Expr::Field { of, name } => {
            let mut path = path_of(of, table)?;
            path.push(name.clone());
            Some(path)
        }
        _ => None,
    }
}

/// The paths that expressions read.
#[derive(Default)]
struct Paths {
    all: Vec<Vec<String>>,
}

impl Paths {
    fn add_from(&mut self, expr: &Expr, table: &Schema) {
        if let Some(path) = path_of(expr, table) {
            self.all.push(path);
            return;
        }
        match expr {
            Expr::Column(_) | Expr::Literal { .. } => {}
            Expr::Field { of, .. } | Expr::Cast { of, .. } => self.add_from(of, table),
            Expr::Call { args, .. } => args.iter().for_each(|arg| self.add_from(arg, table)),
            Expr::Case { branches, otherwise } => {
                for (condition, result) in branches {
                    self.add_from(condition, table);
                    self.add_from(result, table);
                }
                if let Some(otherwise) = otherwise {
                    self.add_from(otherwise, table);
                }
            }
        }
    }

    /// The columns to read: a path is left out when something above it is read whole.
    fn columns(mut self, table: &Schema) -> Columns {
        if self.all.is_empty() {
            // Rows need a column to be counted by: a scalar one, if there is any.
            let scalar = |field: &&Field| !matches!(field.data_type, DataType::Row(_) | DataType::Array(_));
            let field = table.fields.iter().find(scalar).or(table.fields.first());
            self.all.extend(field.map(|field| vec![field.name.clone()]));
        }
        let mut chosen = BTreeMap::new();
        for path in &self.all {
            let covered = (1..path.len()).any(|length| self.all.iter().any(|other| *other == path[..length]));
            if !covered && let Some((order, data_type)) = resolve(path, table) {
                chosen.insert(order, SourceColumn { path: path.clone(), data_type });
            }
        }
        Columns { columns: chosen.into_values().collect() }
    }
}

/// A path's place in the order of declaration, and its type.
fn resolve(path: &[String], table: &Schema) -> Option<(Vec<usize>, DataType)> {
    let (mut fields, mut order, mut found) = (table.fields.as_slice(), Vec::new(), None);
    for name in path {
        let position = fields.iter().position(|field| field.name == *name)?;
        order.push(position);
        let data_type = &fields[position].data_type;
        fields = if let DataType::Row(inner) = data_type { inner.as_slice() } else { &[] };
        found = Some(data_type.clone());
    }
    Some((order, found?))
}

/// The columns of a source.
struct Columns {
    columns: Vec<SourceColumn>,
}

impl Columns {
    fn schema(&self) -> Schema {
        Schema::new(
            self.columns.iter().map(|column| Field::new(column.path.join("."), column.data_type.clone())).collect(),
        )
    }

    /// An expression over the table's columns as one over these.
    fn rewrite(&self, expr: &Expr, table: &Schema) -> Expr {
        if let Some(path) = path_of(expr, table)
            && let Some(position) = self.columns.iter().position(|column| column.path == path)
        {
            return Expr::Column(position);
        }
        match expr {
            Expr::Column(_) | Expr::Literal { .. } => substitute(expr, &Expr::Column),
            Expr::Field { of, name } => Expr::Field { of: Box::new(self.rewrite(of, table)), name: name.clone() },
            Expr::Cast { of, to, safe } => {
                Expr::Cast { of: Box::new(self.rewrite(of, table)), to: to.clone(), safe: *safe }
            }
            Expr::Call { function, args, data_type } => Expr::Call {
                function: function.clone(),
                args: args.iter().map(|arg| self.rewrite(arg, table)).collect(),
                data_type: data_type.clone(),
            },
            Expr::Case { branches, otherwise } => Expr::Case {
                branches: branches
                    .iter()
                    .map(|(condition, result)| (self.rewrite(condition, table), self.rewrite(result, table)))
                    .collect(),
                otherwise: otherwise.as_ref().map(|otherwise| Box::new(self.rewrite(otherwise, table))),
            },
        }
    }
}

pub(super) trait ContextTable {
    fn context_table(self, table: &str) -> Self;
}

impl ContextTable for model::Failure {
    /// The same failure with the table named in front.
    fn context_table(self, table: &str) -> Self {
        // Connectors mostly say it themselves.
        let message = self.message.strip_prefix(&format!("table {table}: ")).unwrap_or(&self.message);
        Self::new(self.class, format!("table '{table}': {message}"))
    }
}
