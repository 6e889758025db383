//! Queries of one value in `WHERE`: `a > (SELECT MAX(b) FROM t)` is a join with the one row of the query.
//!
//! An aggregation without groups has exactly one row. What may have none or several is left, and refused where it stands.

use std::ops::ControlFlow;

use sqlparser::ast::{
    Expr, GroupByExpr, Ident, JoinConstraint, JoinOperator, ObjectName, Query, Select, SelectItem,
    SelectItemQualifiedWildcardKind, SetExpr, Spanned, TableAlias, TableAliasColumnDef, TableFactor, TableWithJoins,
    Visitor, VisitorMut, WildcardAdditionalOptions,
};

use super::last_ident;
use crate::{SqlError, functions, scope::JOINED_VALUE, visit};

/// Joins the queries of one value in `WHERE`, named from the number `named` on; tells how many there are.
pub(super) fn join(select: &mut Select, named: usize) -> Result<usize, SqlError> {
    let Some(condition) = &mut select.selection else { return Ok(0) };
    let mut taken = Taken { depth: 0, named, queries: Vec::new() };
    if let ControlFlow::Break(error) = visit::walk_mut(condition, &mut taken) {
        return Err(error);
    }
    let count = taken.queries.len();
    select.from.extend(taken.queries);
    Ok(count)
}

/// The name of the one column of a query.
fn value() -> Ident {
    Ident::with_quote('`', "$value")
}

/// Takes queries out of an expression, and puts columns of them in.
struct Taken {
    /// How many queries that stay are around.
    depth: usize,
    named: usize,
    queries: Vec<TableWithJoins>,
}

impl VisitorMut for Taken {
    type Break = SqlError;

    fn pre_visit_query(&mut self, _query: &mut Query) -> ControlFlow<SqlError> {
        self.depth += 1;
        ControlFlow::Continue(())
    }

    fn post_visit_query(&mut self, _query: &mut Query) -> ControlFlow<SqlError> {
        self.depth -= 1;
        ControlFlow::Continue(())
    }

    fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<SqlError> {
        if let Err(error) = super::expression::quantified(expr) {
            return ControlFlow::Break(error);
        }
        if let Expr::Subquery(query) = expr
            && self.depth == 0
            && has_one_row(query)
        {
            let name = Ident::with_quote('`', format!("{JOINED_VALUE}{}", self.named));
            self.named += 1;
            let column = Expr::CompoundIdentifier(vec![name.clone(), value()]);
            let Expr::Subquery(subquery) = std::mem::replace(expr, column) else { return ControlFlow::Continue(()) };
            let columns = vec![TableAliasColumnDef { name: value(), data_type: None }];
            let alias = Some(TableAlias { explicit: true, name, columns, at: None });
            let relation = TableFactor::Derived { lateral: false, subquery, alias, sample: None };
            self.queries.push(TableWithJoins { relation, joins: vec![] });
        }
        ControlFlow::Continue(())
    }
}

/// Whether a query is an aggregation without groups, with one column.
fn has_one_row(query: &Query) -> bool {
    let SetExpr::Select(select) = &*query.body else { return false };
    let is_grouped = !matches!(&select.group_by, GroupByExpr::Expressions(groups, _) if groups.is_empty());
    let [SelectItem::UnnamedExpr(item) | SelectItem::ExprWithAlias { expr: item, .. }] = select.projection.as_slice()
    else {
        return false;
    };
    let is_cut = select.having.is_some() || select.qualify.is_some() || query.limit_clause.is_some();
    !is_grouped && !is_cut && query.fetch.is_none() && visit::walk(item, &mut FindAggregate { depth: 0 }).is_break()
}

struct FindAggregate {
    depth: usize,
}

impl Visitor for FindAggregate {
    type Break = ();

    fn pre_visit_query(&mut self, _query: &Query) -> ControlFlow<()> {
        self.depth += 1;
        ControlFlow::Continue(())
    }

    fn post_visit_query(&mut self, _query: &Query) -> ControlFlow<()> {
        self.depth -= 1;
        ControlFlow::Continue(())
    }

    fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<()> {
        match expr {
            Expr::Function(call) if self.depth == 0 && call.over.is_none() => match last_ident(&call.name) {
                Ok(name) if functions::aggregate(&name.value).is_some() => ControlFlow::Break(()),
                _ => ControlFlow::Continue(()),
            },
            _ => ControlFlow::Continue(()),
        }
    }
}

/// Writes `*` out, so that it leaves out the last `count` tables, which are ours.
pub(super) fn expand_stars(select: &mut Select, count: usize) -> Result<(), SqlError> {
    let is_star = |item: &SelectItem| matches!(item, SelectItem::Wildcard(_));
    let Some(place) = select.projection.iter().find(|item| is_star(item)).map(Spanned::span) else {
        return Ok(());
    };
    let own = select.from.len().saturating_sub(count);
    let mut stars = Vec::new();
    for table in &select.from[..own] {
        let mut joins = table.joins.iter().map(|join| &join.join_operator);
        let merges = joins.any(|join| match join {
            JoinOperator::Join(by) | JoinOperator::Inner(by) => {
                matches!(by, JoinConstraint::Using(_) | JoinConstraint::Natural)
            }
            _ => false,
        });
        let factors = std::iter::once(&table.relation).chain(table.joins.iter().map(|join| &join.relation));
        for factor in factors {
            let name = match factor {
                TableFactor::Table { alias: Some(alias), .. }
                | TableFactor::Derived { alias: Some(alias), .. }
                | TableFactor::TableFunction { alias: Some(alias), .. }
                | TableFactor::UNNEST { alias: Some(alias), .. } => alias.name.clone(),
                TableFactor::Table { name, args: None, .. } => last_ident(name)?,
                _ => return Err(SqlError::at_span("* beside a query of one value needs tables with names", place)),
            };
            if merges {
                return Err(SqlError::at_span(
                    "* of a join by USING beside a query of one value is not supported",
                    place,
                ));
            }
            let kind = SelectItemQualifiedWildcardKind::ObjectName(ObjectName::from(vec![name]));
            stars.push(SelectItem::QualifiedWildcard(kind, WildcardAdditionalOptions::default()));
        }
    }
    let items = std::mem::take(&mut select.projection);
    select.projection =
        items.into_iter().flat_map(|item| if is_star(&item) { stars.clone() } else { vec![item] }).collect();
    Ok(())
}
