//! Prepares a parsed query for the library's planner: names what Flink names, types literals as Flink does, turns
//! special syntax into calls, and refuses what is not supported, each at its place.

mod expression;
mod named_window;
mod refused;
mod scalar_subquery;
mod unnest;

use std::{collections::HashSet, ops::ControlFlow};

use sqlparser::ast::{
    Expr, FunctionArg, FunctionArgExpr, FunctionArguments, GroupByExpr, Ident, JoinOperator, LimitClause, ObjectName,
    Query, Select, SelectItem, SetExpr, SetOperator, SetQuantifier, Spanned, TableAlias, TableFactor,
    TableFunctionArgs, Value as SqlValue, VisitMut, VisitorMut,
};

use crate::{
    SqlError,
    catalog::Tables,
    dialect::string,
    escape, functions,
    statement::{DEFAULT_CATALOG, DEFAULT_DATABASE, Name, options_of},
};
use expression::rewrite;

/// Window table functions that are planned.
pub(crate) const WINDOW_FUNCTIONS: [&str; 4] = ["TUMBLE", "HOP", "CUMULATE", "SESSION"];

/// Prepares a query over the tables, views and functions of the session.
pub(crate) fn query(query: &mut Query, tables: &Tables) -> Result<(), SqlError> {
    let mut desugar = Desugar { tables, with: HashSet::new(), is_table_next: false, in_queries: Vec::new(), named: 0 };
    match query.visit(&mut desugar) {
        ControlFlow::Break(error) => Err(error),
        ControlFlow::Continue(()) => Ok(()),
    }
}

/// Prepares an expression of DDL.
pub(crate) fn expression(expr: &mut Expr, tables: &Tables) -> Result<(), SqlError> {
    let mut desugar = Desugar { tables, with: HashSet::new(), is_table_next: false, in_queries: Vec::new(), named: 0 };
    match expr.visit(&mut desugar) {
        ControlFlow::Break(error) => Err(error),
        ControlFlow::Continue(()) => Ok(()),
    }
}

struct Desugar<'a> {
    tables: &'a Tables,
    /// Names from `WITH`.
    with: HashSet<String>,
    /// Whether the next query in an expression stands for a table.
    is_table_next: bool,
    /// For each query in an expression that is being visited, whether it stands for a table.
    in_queries: Vec<bool>,
    /// How many queries in `FROM` were given a name.
    named: usize,
}

impl VisitorMut for Desugar<'_> {
    type Break = SqlError;

    fn pre_visit_query(&mut self, query: &mut Query) -> ControlFlow<SqlError> {
        if let Some(with) = &query.with {
            if with.recursive {
                return ControlFlow::Break(SqlError::at("WITH RECURSIVE is not supported", with));
            }
            self.with.extend(with.cte_tables.iter().map(|table| table.alias.name.value.clone()));
        }
        flow(fetch_as_limit(query).and_then(|()| check_query(query)))
    }

    fn pre_visit_select(&mut self, select: &mut Select) -> ControlFlow<SqlError> {
        unnest::read_fields(select);
        named_window::write_out(select);
        flow(self.join_values(select).and_then(|()| check_select(select)))
    }

    fn post_visit_select(&mut self, select: &mut Select) -> ControlFlow<SqlError> {
        group_windows(select);
        name_columns(&mut select.projection);
        ControlFlow::Continue(())
    }

    fn post_visit_query(&mut self, query: &mut Query) -> ControlFlow<SqlError> {
        if let SetExpr::Values(values) = &mut *query.body {
            values.rows.iter_mut().flat_map(|row| row.iter_mut()).for_each(escape::make_plain);
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_table_factor(&mut self, factor: &mut TableFactor) -> ControlFlow<SqlError> {
        flow(self.table_factor(factor))
    }

    fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<SqlError> {
        if let Err(error) = expression::quantified(expr) {
            return ControlFlow::Break(error);
        }
        match expr {
            Expr::Function(function) => self.is_table_next = function.name.to_string() == "TABLE",
            Expr::Subquery(_) => self.in_queries.push(std::mem::take(&mut self.is_table_next)),
            _ => {}
        }
        ControlFlow::Continue(())
    }

    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<SqlError> {
        if matches!(expr, Expr::Subquery(_)) && self.in_queries.pop() == Some(true) {
            return ControlFlow::Continue(());
        }
        if let Expr::Function(function) = expr
            && function.name.to_string() == "TABLE"
            && let FunctionArguments::List(list) = &mut function.args
            && let Some(FunctionArg::Unnamed(FunctionArgExpr::Expr(Expr::CompoundIdentifier(parts)))) =
                list.args.first_mut()
        {
            match self.resolved(std::mem::take(parts)) {
                Ok(resolved) => *parts = resolved,
                Err(error) => return ControlFlow::Break(error),
            }
        }
        if let Expr::Function(function) = expr
            && let Ok(name) = last_ident(&function.name)
            && let Some(known) = self.tables.function(&name.value)
        {
            function.name = ObjectName::from(vec![Ident::with_span(name.span, known)]);
        }
        flow(rewrite(expr))
    }
}

fn flow(result: Result<(), SqlError>) -> ControlFlow<SqlError> {
    match result {
        Ok(()) => ControlFlow::Continue(()),
        Err(error) => ControlFlow::Break(error),
    }
}

fn unsupported<T>(what: &str, place: &impl Spanned) -> Result<T, SqlError> {
    Err(SqlError::at(format!("{what} is not supported"), place))
}

/// `FETCH FIRST n ROWS ONLY` is `LIMIT n`.
fn fetch_as_limit(query: &mut Query) -> Result<(), SqlError> {
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

fn check_query(query: &Query) -> Result<(), SqlError> {
    refused::in_query(query)?;
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

fn check_select(select: &Select) -> Result<(), SqlError> {
    refused::in_select(select)?;
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

/// A table by the parts of its name; behind other parts it is called by the last one.
pub(crate) fn table(parts: Vec<Ident>) -> TableFactor {
    let alias = match parts.as_slice() {
        [_, .., last] => Some(TableAlias { explicit: true, name: last.clone(), columns: vec![], at: None }),
        _ => None,
    };
    TableFactor::Table {
        name: ObjectName::from(parts),
        alias,
        args: None,
        with_hints: vec![],
        version: None,
        with_ordinality: false,
        partitions: vec![],
        json_path: None,
        sample: None,
        index_hints: vec![],
    }
}

impl Desugar<'_> {
    /// Joins the queries of one value in `WHERE`.
    fn join_values(&mut self, select: &mut Select) -> Result<(), SqlError> {
        let joined = scalar_subquery::join(select, self.named)?;
        self.named += joined;
        self.name_queries(select);
        if joined > 0 { scalar_subquery::expand_stars(select, joined) } else { Ok(()) }
    }

    /// Names the queries without one that are joined, so that equal columns of two of them are told apart.
    fn name_queries(&mut self, select: &mut Select) {
        if select.from.len() < 2 && select.from.iter().all(|table| table.joins.is_empty()) {
            return;
        }
        let joined = select.from.iter_mut().flat_map(|table| {
            std::iter::once(&mut table.relation).chain(table.joins.iter_mut().map(|join| &mut join.relation))
        });
        for factor in joined {
            if let TableFactor::Derived { alias: alias @ None, .. } = factor {
                let name = Ident::with_quote('`', format!("$q{}", self.named));
                *alias = Some(TableAlias { explicit: true, name, columns: vec![], at: None });
                self.named += 1;
            }
        }
    }

    /// The parts of a name as the planner looks for it: the name alone if it is in the default database or from
    /// `WITH`, else the database and the name, behind the options if there are some.
    fn resolved(&self, mut parts: Vec<Ident>) -> Result<Vec<Ident>, SqlError> {
        let options = match parts.first() {
            Some(first) if options_of(&first.value).is_some() => Some(parts.remove(0)),
            _ => None,
        };
        let (ident, database) = match parts.as_slice() {
            [name] if self.with.contains(&name.value) => match options {
                None => return Ok(parts),
                Some(_) => return Err(SqlError::at_ident("the hint OPTIONS belongs behind the name of a table", name)),
            },
            [name] => (name.clone(), Ident::new(self.tables.current_database())),
            [database, name] => (name.clone(), database.clone()),
            [catalog, database, name] if catalog.value == DEFAULT_CATALOG => (name.clone(), database.clone()),
            [first, ..] => {
                let name = parts.iter().map(|part| part.value.as_str()).collect::<Vec<_>>().join(".");
                return Err(SqlError::at_ident(format!("table '{name}' not found"), first));
            }
            [] => return Err(SqlError::internal("a name without parts")),
        };
        self.tables.find(&Name { database: database.value.clone(), ident: ident.clone() })?;
        Ok(match options {
            Some(options) => vec![options, database, ident],
            None if database.value == DEFAULT_DATABASE => vec![ident],
            None => vec![database, ident],
        })
    }

    fn table_factor(&self, factor: &mut TableFactor) -> Result<(), SqlError> {
        // `TABLE(f(…))` and `f(…)` are the same.
        if let TableFactor::TableFunction { expr: Expr::Function(function), alias } = factor
            && let FunctionArguments::List(list) = &function.args
        {
            let arguments = TableFunctionArgs { args: list.args.clone(), settings: None };
            let (named, alias_of) = (function.name.clone(), alias.take());
            *factor = table(vec![]);
            if let TableFactor::Table { name, alias, args, .. } = factor {
                (*name, *alias, *args) = (named, alias_of, Some(arguments));
            }
        }
        if is_unnest(factor)
            && let TableFactor::Table { alias, args: Some(args), with_ordinality, .. } = factor
        {
            let exprs = args.args.drain(..).filter_map(|arg| match arg {
                FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) => Some(expr),
                _ => None,
            });
            *factor = TableFactor::UNNEST {
                array_exprs: exprs.collect(),
                alias: alias.take(),
                with_offset: false,
                with_offset_alias: None,
                with_ordinality: *with_ordinality,
            };
        }
        refused::in_table(factor)?;
        match factor {
            TableFactor::Table { name, args, alias, .. } => {
                if args.is_some() {
                    return check_table_function(&last_ident(name)?);
                }
                let parts = name.0.iter().filter_map(|part| part.as_ident().cloned()).collect();
                let TableFactor::Table { name: resolved, alias: named, .. } = table(self.resolved(parts)?) else {
                    return Ok(());
                };
                *name = resolved;
                if alias.is_none() {
                    *alias = named;
                }
                Ok(())
            }
            TableFactor::Derived { lateral: true, subquery, .. } => {
                unsupported("LATERAL with a query that reads the tables before it", &**subquery)
            }
            TableFactor::Function { name, .. } => {
                unsupported("LATERAL with a table function (but for UNNEST, without LATERAL)", name)
            }
            TableFactor::Derived { .. } | TableFactor::NestedJoin { .. } => Ok(()),
            TableFactor::UNNEST { .. } => Ok(()),
            _ => unsupported("this table expression", factor),
        }
    }
}

/// `GROUP BY TUMBLE(…)` groups by the parts of the window.
fn group_windows(select: &mut Select) {
    let GroupByExpr::Expressions(groups, _) = &mut select.group_by else { return };
    let part_of = |expr: &Expr, part: &str| {
        let Expr::Function(function) = expr else { return None };
        let mut function = function.clone();
        let FunctionArguments::List(list) = &mut function.args else { return None };
        let first = list.args.first_mut()?;
        let FunctionArg::Unnamed(FunctionArgExpr::Expr(Expr::Value(value))) = first else { return None };
        let is_window = function.name.to_string() == functions::GROUP_WINDOW;
        let is_whole = matches!(&value.value, SqlValue::SingleQuotedString(text) if text == functions::WHOLE);
        if !is_window || !is_whole {
            return None;
        }
        *first = FunctionArg::Unnamed(FunctionArgExpr::Expr(string(part, value.span)));
        Some(Expr::Function(function))
    };
    *groups = std::mem::take(groups)
        .into_iter()
        .flat_map(|group| {
            let parts: Vec<Expr> = functions::PARTS.iter().filter_map(|part| part_of(&group, part)).collect();
            if parts.is_empty() { vec![group] } else { parts }
        })
        .collect();
}

fn is_unnest(factor: &TableFactor) -> bool {
    match factor {
        TableFactor::UNNEST { .. } => true,
        TableFactor::Table { name, args: Some(_), .. } => name.to_string().eq_ignore_ascii_case("UNNEST"),
        _ => false,
    }
}

fn check_table_function(name: &Ident) -> Result<(), SqlError> {
    let upper = name.value.to_ascii_uppercase();
    if WINDOW_FUNCTIONS.contains(&upper.as_str()) {
        Ok(())
    } else {
        Err(SqlError::at_ident(format!("table function '{}' not found", name.value), name))
    }
}

pub(crate) fn last_ident(name: &ObjectName) -> Result<Ident, SqlError> {
    name.0
        .last()
        .and_then(|part| part.as_ident())
        .cloned()
        .ok_or_else(|| SqlError::at(format!("'{name}' is no name"), name))
}

/// Gives each item of a select list the name that Flink gives it.
fn name_columns(projection: &mut [SelectItem]) {
    let mut taken: HashSet<String> = HashSet::new();
    for (index, item) in projection.iter_mut().enumerate() {
        let (name, span, plain) = match item {
            SelectItem::UnnamedExpr(Expr::Identifier(ident)) => (ident.value.clone(), ident.span, true),
            SelectItem::UnnamedExpr(Expr::CompoundIdentifier(parts)) => match parts.last() {
                Some(last) => (last.value.clone(), last.span, false),
                None => continue,
            },
            SelectItem::UnnamedExpr(expr) => (format!("EXPR${index}"), expr.span(), false),
            SelectItem::ExprWithAlias { alias, .. } => (alias.value.clone(), alias.span, true),
            _ => continue,
        };
        let mut unique = name.clone();
        let mut suffix = 0;
        while !taken.insert(unique.clone()) {
            unique = format!("{name}{suffix}");
            suffix += 1;
        }
        if plain && unique == name {
            continue;
        }
        let alias = Ident::with_quote_and_span('`', span, unique);
        match item {
            SelectItem::UnnamedExpr(expr) => {
                let expr = std::mem::replace(expr, Expr::Value(SqlValue::Null.into()));
                *item = SelectItem::ExprWithAlias { expr, alias };
            }
            SelectItem::ExprWithAlias { alias: old, .. } => *old = alias,
            _ => {}
        }
    }
}
