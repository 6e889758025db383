//! What is asked of queries before they are planned: their clauses and joins are supported, their tables told apart.

use std::{collections::HashSet, ops::ControlFlow};

use sqlparser::{
    ast::{
        BinaryOperator, Expr, GroupByExpr, JoinConstraint, JoinOperator, LimitClause, Query, Select, SetExpr,
        SetOperator, SetQuantifier, Spanned, TableFactor, UnaryOperator, Value as SqlValue, Visit,
    },
    tokenizer::Span,
};

use super::{last_ident, refused, unnest::is_unnest, unsupported};
use crate::{SqlError, visit};

/// How many queries set operations may combine without brackets.
const SETS_MAX: usize = 1000;

/// How many tables one `FROM` may join.
const TABLES_MAX: usize = 500;

/// `FETCH FIRST n ROWS ONLY` is `LIMIT n`.
pub(super) fn fetch_as_limit(query: &mut Query) -> Result<(), SqlError> {
    let Some(fetch) = query.fetch.take() else { return Ok(()) };
    let place = fetch.quantity.as_ref().map_or_else(|| query.body.span(), Spanned::span);
    if fetch.percent || fetch.with_ties {
        let what = if fetch.percent { "FETCH … PERCENT" } else { "FETCH … WITH TIES" };
        return Err(SqlError::at_span(format!("{what} is not supported"), place));
    }
    let one = || Expr::Value(SqlValue::Number("1".to_owned(), false).with_span(place));
    let count = Some(fetch.quantity.unwrap_or_else(one));
    match &mut query.limit_clause {
        None => query.limit_clause = Some(LimitClause::LimitOffset { limit: count, offset: None, limit_by: vec![] }),
        Some(LimitClause::LimitOffset { limit: limit @ None, .. }) => *limit = count,
        Some(_) => return Err(SqlError::at_span("LIMIT and FETCH exclude each other", place)),
    }
    Ok(())
}

/// Refuses what queries cannot have, at its place.
pub(super) fn query(query: &Query) -> Result<(), SqlError> {
    refused::in_query(query)?;
    let (mut first, mut sets) = (&*query.body, 1);
    while let SetExpr::SetOperation { left, .. } = first {
        (first, sets) = (&**left, sets + 1);
    }
    if sets > SETS_MAX {
        return Err(SqlError::at(format!("more than {SETS_MAX} queries are combined by set operations"), first));
    }
    if let Some(order_by) = &query.order_by
        && query.limit_clause.is_none()
    {
        return unsupported("ORDER BY without LIMIT on a stream", order_by);
    }
    if let SetExpr::SetOperation { op, left, set_quantifier, .. } = &*query.body
        && !matches!(op, SetOperator::Union)
        && !matches!(set_quantifier, SetQuantifier::None | SetQuantifier::Distinct)
    {
        return unsupported(&format!("{op} {set_quantifier}"), &**left);
    }
    Ok(())
}

/// Refuses what a `SELECT` cannot have, at its place.
pub(super) fn select(select: &Select) -> Result<(), SqlError> {
    refused::in_select(select)?;
    let tables: usize = select.from.iter().map(|table| 1 + table.joins.len()).sum();
    if tables > TABLES_MAX {
        return Err(SqlError::at_span(format!("FROM joins more than {TABLES_MAX} tables"), select.select_token.0.span));
    }
    check_names(select)?;
    for join in select.from.iter().flat_map(|table| &table.joins) {
        let name = match &join.join_operator {
            JoinOperator::Join(_) | JoinOperator::Inner(_) | JoinOperator::CrossJoin(_) => continue,
            JoinOperator::Left(_) | JoinOperator::LeftOuter(_) if is_unnest(&join.relation) => {
                continue;
            }
            JoinOperator::Left(_) | JoinOperator::LeftOuter(_) => "LEFT JOIN",
            JoinOperator::Right(_) | JoinOperator::RightOuter(_) => "RIGHT JOIN",
            JoinOperator::FullOuter(_) => "FULL JOIN",
            _ => "this kind of join",
        };
        return unsupported(name, &join.relation);
    }
    if let GroupByExpr::All(_) = &select.group_by {
        return unsupported("GROUP BY ALL", select);
    }
    if let Some(sqlparser::ast::Distinct::On(_)) = &select.distinct {
        return unsupported("DISTINCT ON", select);
    }
    Ok(())
}

/// Refuses `IN` and `EXISTS` with a query anywhere but in conditions that `AND` joins in `WHERE` or `HAVING`.
pub(super) fn conditions(select: &Select) -> Result<(), SqlError> {
    select.selection.iter().chain(&select.having).try_for_each(joined)?;
    nowhere_in(&select.projection)?;
    nowhere_in(&select.group_by)?;
    for join in select.from.iter().flat_map(|table| &table.joins) {
        if let JoinOperator::Join(by) | JoinOperator::Inner(by) = &join.join_operator
            && let JoinConstraint::On(condition) = by
        {
            nowhere_in(condition)?;
        }
    }
    Ok(())
}

fn joined(condition: &Expr) -> Result<(), SqlError> {
    match condition {
        Expr::Nested(inner) => joined(inner),
        Expr::BinaryOp { left, op: BinaryOperator::And, right } => joined(left).and_then(|()| joined(right)),
        Expr::Exists { .. } => Ok(()),
        Expr::InSubquery { expr, .. } => nowhere_in(&**expr),
        Expr::UnaryOp { op: UnaryOperator::Not, expr } => match unnested(expr) {
            negated @ (Expr::Exists { .. } | Expr::InSubquery { .. }) => joined(negated),
            other => nowhere_in(other),
        },
        other => nowhere_in(other),
    }
}

fn unnested(expr: &Expr) -> &Expr {
    match expr {
        Expr::Nested(inner) => unnested(inner),
        other => other,
    }
}

/// Whether a query has `IN` or `EXISTS` with a query somewhere.
pub(super) fn has_condition_on_query(query: &Query) -> bool {
    condition_on_query(query).is_break()
}

fn condition_on_query(node: &impl Visit) -> ControlFlow<Span> {
    visit::expressions(node, |expr| match expr {
        Expr::Exists { .. } | Expr::InSubquery { .. } => ControlFlow::Break(expr.span()),
        _ => ControlFlow::Continue(()),
    })
}

fn nowhere_in(node: &impl Visit) -> Result<(), SqlError> {
    match condition_on_query(node) {
        ControlFlow::Break(place) => Err(SqlError::at_span(
            "IN and EXISTS with a query are only supported as conditions joined by AND in WHERE and HAVING",
            place,
        )),
        ControlFlow::Continue(()) => Ok(()),
    }
}

/// Refuses two tables of one name in `FROM`.
fn check_names(select: &Select) -> Result<(), SqlError> {
    let factors = select
        .from
        .iter()
        .flat_map(|table| std::iter::once(&table.relation).chain(table.joins.iter().map(|join| &join.relation)));
    let mut taken: HashSet<String> = HashSet::new();
    for factor in factors {
        let name = match factor {
            TableFactor::Table { alias: Some(alias), .. }
            | TableFactor::TableFunction { alias: Some(alias), .. }
            | TableFactor::Derived { alias: Some(alias), .. } => alias.name.clone(),
            TableFactor::Table { name, args: None, .. } => last_ident(name)?,
            _ => continue,
        };
        if !taken.insert(name.value.clone()) {
            let message = format!("two tables are called '{}' in FROM: give one of them another alias", name.value);
            return Err(SqlError::at_ident(message, &name));
        }
    }
    Ok(())
}
