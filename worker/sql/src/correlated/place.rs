//! Where a correlated subquery stands in the syntax, and what its names mean in the queries around it.

use std::ops::ControlFlow;

use datafusion_common::{Column, DataFusionError, SchemaError, TableReference};
use sqlparser::{
    ast::{Expr, Ident, Query, Select, Spanned, TableFactor, Visit, Visitor, With},
    tokenizer::Span,
};

use super::{Kind, Unsupported};
use crate::{SqlError, catalog::Tables, plan, scope, visit};

fn error(column: &str, place: Span) -> SqlError {
    let message = format!("correlated subquery not supported: it reads the column '{column}' of the outer query");
    SqlError::at_span(message, place)
}

/// The error of an unsupported subquery, at its place in a syntax node.
pub(crate) fn find(of: &Unsupported, node: &impl Visit) -> SqlError {
    let mut places = Vec::new();
    let _: ControlFlow<()> = visit::expressions(node, |expr| {
        let found = match (expr, of.kind) {
            (Expr::Exists { subquery, .. }, Kind::Exists)
            | (Expr::InSubquery { subquery, .. }, Kind::In)
            | (Expr::Subquery(subquery), Kind::Scalar) => Some(subquery),
            _ => None,
        };
        if let Some(subquery) = found.filter(|subquery| names(subquery, &of.column)) {
            places.push(subquery.span());
        }
        ControlFlow::Continue(())
    });
    let place = places.get(of.before).or(places.last()).copied();
    error(&of.column, place.unwrap_or_else(Span::empty))
}

/// Whether a query names a column itself, not only in the queries in its expressions.
fn names(query: &Query, column: &str) -> bool {
    visit::walk(query, &mut Names { column, is_table: false, inside: Vec::new() }).is_break()
}

struct Names<'a> {
    column: &'a str,
    /// Whether the next query stands in `FROM`.
    is_table: bool,
    /// For each query that is being visited, whether it stands in `FROM`.
    inside: Vec<bool>,
}

impl Visitor for Names<'_> {
    type Break = ();

    fn pre_visit_table_factor(&mut self, factor: &TableFactor) -> ControlFlow<()> {
        self.is_table = matches!(factor, TableFactor::Derived { .. });
        ControlFlow::Continue(())
    }

    fn pre_visit_query(&mut self, _query: &Query) -> ControlFlow<()> {
        self.inside.push(std::mem::take(&mut self.is_table));
        ControlFlow::Continue(())
    }

    fn post_visit_query(&mut self, _query: &Query) -> ControlFlow<()> {
        self.inside.pop();
        ControlFlow::Continue(())
    }

    fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<()> {
        let is_named = |ident: &Ident| ident.value == self.column;
        let found = match expr {
            Expr::Identifier(ident) => is_named(ident),
            Expr::CompoundIdentifier(parts) => parts.iter().any(is_named),
            _ => false,
        };
        let is_own = self.inside.iter().skip(1).all(|is_table| *is_table);
        if found && is_own { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }
}

/// Why a query cannot be planned, if it is that a query of one value, which was joined, reads a column of the query
/// around it.
pub(crate) fn of_joined_values(query: &Query, tables: &Tables) -> Option<SqlError> {
    match visit::walk(query, &mut Joined { tables, with: Vec::new(), selects: Vec::new() }) {
        ControlFlow::Break(error) => Some(error),
        ControlFlow::Continue(()) => None,
    }
}

struct Joined<'a> {
    tables: &'a Tables,
    with: Vec<Option<With>>,
    selects: Vec<Select>,
}

impl Visitor for Joined<'_> {
    type Break = SqlError;

    fn pre_visit_query(&mut self, query: &Query) -> ControlFlow<SqlError> {
        self.with.push(query.with.clone());
        ControlFlow::Continue(())
    }

    fn post_visit_query(&mut self, _query: &Query) -> ControlFlow<SqlError> {
        self.with.pop();
        ControlFlow::Continue(())
    }

    fn pre_visit_select(&mut self, select: &Select) -> ControlFlow<SqlError> {
        self.selects.push(select.clone());
        ControlFlow::Continue(())
    }

    fn post_visit_select(&mut self, _select: &Select) -> ControlFlow<SqlError> {
        self.selects.pop();
        ControlFlow::Continue(())
    }

    fn post_visit_table_factor(&mut self, factor: &TableFactor) -> ControlFlow<SqlError> {
        let TableFactor::Derived { subquery, .. } = factor else { return ControlFlow::Continue(()) };
        if scope::is_joined_value(factor)
            && let Some(column) = missing_column(subquery, &self.with, self.tables)
            && self.selects.iter().any(|select| scope::resolves(&idents(&column), select, &self.with, self.tables))
        {
            return ControlFlow::Break(error(&column.name, subquery.span()));
        }
        ControlFlow::Continue(())
    }
}

/// The column that a query by itself does not find.
fn missing_column(query: &Query, with: &[Option<With>], tables: &Tables) -> Option<Column> {
    let mut alone = query.clone();
    let around = with.iter().cloned().chain([alone.with.take()]);
    alone.with = scope::merged(around);
    let failed = plan::unchecked(tables, &alone).err()?;
    match failed.find_root() {
        DataFusionError::SchemaError(error, _) => match error.as_ref() {
            SchemaError::FieldNotFound { field, .. } => Some((**field).clone()),
            _ => None,
        },
        _ => None,
    }
}

/// The parts of a column's name.
fn idents(column: &Column) -> Vec<Ident> {
    let parts = match &column.relation {
        None => Vec::new(),
        Some(TableReference::Bare { table }) => vec![table],
        Some(TableReference::Partial { schema, table }) => vec![schema, table],
        Some(TableReference::Full { catalog, schema, table }) => vec![catalog, schema, table],
    };
    let parts = parts.into_iter().map(|part| &**part).chain([column.name.as_str()]);
    parts.map(|part| Ident::with_quote('`', part)).collect()
}
