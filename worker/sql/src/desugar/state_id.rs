//! The hint `STATE_ID`: a query with it becomes a derived table, whose name has the id.

use sqlparser::{
    ast::{Ident, Select, SetExpr, Statement, TableFactor},
    parser::Parser,
};

use crate::{
    SqlError,
    dialect::FlinkDialect,
    statement::{StateId, take_state_id},
};

/// Replaces the queries with the hint that a body is made of.
pub(super) fn apply(body: &mut SetExpr) -> Result<(), SqlError> {
    match body {
        SetExpr::SetOperation { left, right, .. } => {
            apply(left)?;
            apply(right)
        }
        SetExpr::Select(select) => match take_state_id(select) {
            Some(id) => derived(select, &id),
            None => Ok(()),
        },
        _ => Ok(()),
    }
}

/// `SELECT * FROM (…) AS id`
fn derived(select: &mut Box<Select>, id: &StateId) -> Result<(), SqlError> {
    let broken = || SqlError::internal("the hint STATE_ID has no place in the query");
    let template = Parser::parse_sql(&FlinkDialect, "SELECT * FROM (SELECT 1) AS t").map_err(|_| broken())?;
    let Some(Statement::Query(outer)) = template.into_iter().next() else { return Err(broken()) };
    let SetExpr::Select(outer) = *outer.body else { return Err(broken()) };
    let inner = std::mem::replace(select, outer);
    match select.from.first_mut().map(|from| &mut from.relation) {
        Some(TableFactor::Derived { subquery, alias: Some(alias), .. }) => {
            *subquery.body = SetExpr::Select(inner);
            alias.name = Ident::with_quote('`', id.alias());
            Ok(())
        }
        _ => Err(broken()),
    }
}
