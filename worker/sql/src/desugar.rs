//! Prepares a parsed query for the library's planner: names what Flink names, types literals as Flink does, turns
//! special syntax into calls, and refuses what is not supported, each at its place.

mod checks;
mod expression;
mod group_window;
mod named_window;
mod outer_field;
mod refused;
mod scalar_subquery;
mod state_id;
mod unnest;
mod values;
mod wildcard;

use std::{collections::HashSet, ops::ControlFlow};

use sqlparser::ast::{
    BinaryOperator, Expr, FunctionArg, FunctionArgExpr, FunctionArguments, Ident, ObjectName, Query, Select,
    SelectItem, SetExpr, Spanned, TableAlias, TableFactor, TableFunctionArgs, Value as SqlValue, VisitorMut, With,
};

use crate::{
    SqlError,
    catalog::Tables,
    escape,
    statement::{DEFAULT_CATALOG, Name, options_of},
    visit,
};
use expression::rewrite;

/// How deep expressions may be nested.
const DEPTH_MAX: usize = 128;

/// How many operands `AND`, `OR` and `||` may join.
const CHAIN_MAX: usize = 2000;

/// Window table functions that are planned.
pub(crate) const WINDOW_FUNCTIONS: [&str; 4] = ["TUMBLE", "HOP", "CUMULATE", "SESSION"];

/// Prepares a query over the tables, views and functions of the session.
pub(crate) fn query(query: &mut Query, tables: &Tables) -> Result<(), SqlError> {
    let mut desugar = Desugar::new(tables);
    flow_back(visit::walk_mut(query, &mut desugar))?;
    if desugar.named > 0 || checks::has_condition_on_query(query) {
        outer_field::read_by_calls(query, tables);
    }
    Ok(())
}

/// Prepares an expression of DDL.
pub(crate) fn expression(expr: &mut Expr, tables: &Tables) -> Result<(), SqlError> {
    flow_back(visit::walk_mut(expr, &mut Desugar::new(tables)))
}

struct Desugar<'a> {
    tables: &'a Tables,
    /// For each query that is being visited, its `WITH`, as far as that was visited.
    with: Vec<Option<With>>,
    /// Whether the next query in an expression stands for a table.
    is_table_next: bool,
    /// For each query in an expression that is being visited, whether it stands for a table.
    in_queries: Vec<bool>,
    /// How many queries in `FROM` were given a name.
    named: usize,
    /// For each expression that is being visited, how many levels it adds.
    nesting: Vec<usize>,
    /// The sum of these.
    depth: usize,
}

impl VisitorMut for Desugar<'_> {
    type Break = SqlError;

    fn pre_visit_query(&mut self, query: &mut Query) -> ControlFlow<SqlError> {
        flow(state_id::apply(&mut query.body))?;
        flow(checks::fetch_as_limit(query).and_then(|()| checks::query(query)))?;
        let Some(mut with) = query.with.take() else {
            self.with.push(None);
            return ControlFlow::Continue(());
        };
        if with.recursive {
            return ControlFlow::Break(SqlError::at("WITH RECURSIVE is not supported", &with));
        }
        // A name is known behind the query that it stands for.
        let tables = std::mem::take(&mut with.cte_tables);
        self.with.push(Some(with));
        for mut table in tables {
            visit::walk_mut(&mut table.query, self)?;
            if let Some(Some(with)) = self.with.last_mut() {
                with.cte_tables.push(table);
            }
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_select(&mut self, select: &mut Select) -> ControlFlow<SqlError> {
        unnest::read_fields(select);
        named_window::write_out(select);
        flow(self.join_values(select).and_then(|()| checks::select(select)))
    }

    fn post_visit_select(&mut self, select: &mut Select) -> ControlFlow<SqlError> {
        flow(checks::conditions(select))?;
        wildcard::expand(select, &self.with, self.tables);
        group_window::expand(select);
        name_columns(&mut select.projection);
        ControlFlow::Continue(())
    }

    fn post_visit_query(&mut self, query: &mut Query) -> ControlFlow<SqlError> {
        if let SetExpr::Values(values) = &mut *query.body {
            flow(values::alike(&mut values.rows))?;
            values.rows.iter_mut().flat_map(|row| row.iter_mut()).for_each(escape::make_plain);
        }
        query.with = self.with.pop().flatten();
        ControlFlow::Continue(())
    }

    fn pre_visit_table_factor(&mut self, factor: &mut TableFactor) -> ControlFlow<SqlError> {
        flow(self.table_factor(factor))
    }

    fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<SqlError> {
        flow(expression::quantified(expr).and_then(|()| self.enter(expr)))?;
        match expr {
            Expr::Function(function) => self.is_table_next = function.name.to_string() == "TABLE",
            Expr::Subquery(_) => self.in_queries.push(std::mem::take(&mut self.is_table_next)),
            _ => {}
        }
        ControlFlow::Continue(())
    }

    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<SqlError> {
        self.depth -= self.nesting.pop().unwrap_or_default();
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

fn flow_back(flow: ControlFlow<SqlError>) -> Result<(), SqlError> {
    match flow {
        ControlFlow::Break(error) => Err(error),
        ControlFlow::Continue(()) => Ok(()),
    }
}

fn unsupported<T>(what: &str, place: &impl Spanned) -> Result<T, SqlError> {
    Err(SqlError::at(format!("{what} is not supported"), place))
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

impl<'a> Desugar<'a> {
    fn new(tables: &'a Tables) -> Self {
        Self {
            tables,
            with: Vec::new(),
            is_table_next: false,
            in_queries: Vec::new(),
            named: 0,
            nesting: Vec::new(),
            depth: 0,
        }
    }

    /// Whether a query around here names a table so by `WITH`.
    fn is_from_with(&self, name: &Ident) -> bool {
        let mut tables = self.with.iter().flatten().flat_map(|with| &with.cte_tables);
        tables.any(|table| table.alias.name.value == name.value)
    }

    /// Refuses an expression that is nested too deep; chains become low trees.
    fn enter(&mut self, expr: &Expr) -> Result<(), SqlError> {
        use BinaryOperator::{And, Or, StringConcat};
        let levels = match expr {
            Expr::BinaryOp { op: And | Or | StringConcat, .. } => 0,
            Expr::CompoundFieldAccess { access_chain, .. } => 1 + access_chain.len(),
            Expr::CompoundIdentifier(parts) => parts.len(),
            _ => 1,
        };
        self.nesting.push(levels);
        self.depth += levels;
        let too = |what: String| Err(SqlError::at_span(what, escape::place(expr)));
        if self.depth > DEPTH_MAX {
            return too(format!("an expression is nested more than {DEPTH_MAX} deep"));
        }
        if self.nesting.len() > CHAIN_MAX + DEPTH_MAX {
            return too(format!("more than {CHAIN_MAX} operands are joined by AND, OR or ||"));
        }
        Ok(())
    }

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

    /// The parts of a name as the planner looks for it: the name alone if it is from `WITH`, else the database and the
    /// name, behind the options if there are some.
    fn resolved(&self, mut parts: Vec<Ident>) -> Result<Vec<Ident>, SqlError> {
        let options = match parts.first() {
            Some(first) if options_of(&first.value).is_some() => Some(parts.remove(0)),
            _ => None,
        };
        let (ident, database) = match parts.as_slice() {
            [name] if self.is_from_with(name) => match options {
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
        if unnest::is_unnest(factor)
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
