//! Fields of columns of outer queries: `t.row.field` in a subquery.

use std::ops::ControlFlow;

use sqlparser::ast::{Expr, Ident, Query, Select, TableFactor, TableWithJoins, VisitorMut, With};

use super::last_ident;
use crate::{
    catalog::Tables,
    dialect::{call, string},
    functions, scope, visit,
};

/// The value of a field in a column, by the parts of the column's name and of the field's.
pub(super) fn read(column: Vec<Ident>, fields: Vec<Ident>) -> Expr {
    fields.into_iter().fold(scope::column(column), |of, field| {
        let name = string(&field.value, field.span);
        call(functions::FIELD, field.span, vec![of, name])
    })
}

/// Reads fields of columns of outer queries by calls: the library's planner knows only whole outer columns.
pub(super) fn read_by_calls(query: &mut Query, tables: &Tables) {
    let _: ControlFlow<()> = visit::walk_mut(query, &mut OuterFields { tables, with: Vec::new(), selects: Vec::new() });
}

struct OuterFields<'a> {
    tables: &'a Tables,
    with: Vec<Option<With>>,
    selects: Vec<Select>,
}

impl VisitorMut for OuterFields<'_> {
    type Break = ();

    fn pre_visit_query(&mut self, query: &mut Query) -> ControlFlow<()> {
        self.with.push(query.with.clone());
        ControlFlow::Continue(())
    }

    fn post_visit_query(&mut self, _query: &mut Query) -> ControlFlow<()> {
        self.with.pop();
        ControlFlow::Continue(())
    }

    fn pre_visit_select(&mut self, select: &mut Select) -> ControlFlow<()> {
        self.selects.push(select.clone());
        ControlFlow::Continue(())
    }

    fn post_visit_select(&mut self, _select: &mut Select) -> ControlFlow<()> {
        self.selects.pop();
        ControlFlow::Continue(())
    }

    fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        if let Expr::CompoundIdentifier(parts) = expr
            && let Some(length) = self.outer_column(parts)
            && length < parts.len()
        {
            let fields = parts.split_off(length);
            *expr = read(std::mem::take(parts), fields);
        }
        ControlFlow::Continue(())
    }
}

impl OuterFields<'_> {
    /// How many parts of a name are that of a column of an outer query; none if it is of the innermost one.
    fn outer_column(&self, name: &[Ident]) -> Option<usize> {
        let (own, outer) = self.selects.split_last()?;
        let first = name.first().filter(|_| !outer.is_empty())?;
        if is_table(first, &own.from) {
            return None;
        }
        let is_column = |name: &[Ident], select: &Select| scope::resolves(name, select, &self.with, self.tables);
        if outer.iter().any(|select| is_table(first, &select.from)) {
            return (name.len() > 2 && !is_column(name, own)).then_some(2);
        }
        let is_outer = outer.iter().any(|select| is_column(&name[..1], select)) && !is_column(name, own);
        is_outer.then_some(1)
    }
}

/// Whether `FROM` calls a table so.
fn is_table(name: &Ident, from: &[TableWithJoins]) -> bool {
    let mut factors = from
        .iter()
        .flat_map(|table| std::iter::once(&table.relation).chain(table.joins.iter().map(|join| &join.relation)));
    factors.any(|factor| match factor {
        TableFactor::NestedJoin { table_with_joins, alias: None } => {
            is_table(name, std::slice::from_ref(&**table_with_joins))
        }
        factor => name_of(factor).is_some_and(|of| of == name.value),
    })
}

/// What a table or query in `FROM` is called.
pub(super) fn name_of(factor: &TableFactor) -> Option<String> {
    match factor {
        TableFactor::Table { alias: Some(alias), .. }
        | TableFactor::Derived { alias: Some(alias), .. }
        | TableFactor::UNNEST { alias: Some(alias), .. }
        | TableFactor::NestedJoin { alias: Some(alias), .. } => Some(alias.name.value.clone()),
        TableFactor::Table { name, .. } => Some(last_ident(name).ok()?.value),
        _ => None,
    }
}
