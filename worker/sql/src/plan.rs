//! Queries and expressions through the library's planner, analyser and optimiser.

use std::{ops::ControlFlow, sync::Arc};

use datafusion_common::{DataFusionError, config::ConfigOptions};
use datafusion_expr::{Expr, ExprSchemable, LogicalPlan};
use datafusion_optimizer::{
    Analyzer, Optimizer, OptimizerContext, analyzer::type_coercion::TypeCoercion,
    decorrelate_predicate_subquery::DecorrelatePredicateSubquery, eliminate_cross_join::EliminateCrossJoin,
    extract_equijoin_predicate::ExtractEquijoinPredicate, optimize_projections::OptimizeProjections,
    push_down_filter::PushDownFilter,
};
use datafusion_sql::planner::{NullOrdering, ParserOptions, PlannerContext, SqlToRel};
use model::DataType;
use sqlparser::{
    ast::{Expr as Syntax, Query, Spanned, Statement, Visit, Visitor},
    tokenizer::Span,
};

use crate::{
    SqlError, catalog::Tables, context::Context, correlated, functions, group_window, statement::Name, typing, unnest,
    visit,
};

fn parser_options() -> ParserOptions {
    ParserOptions::new()
        .with_enable_ident_normalization(false)
        .with_map_string_types_to_utf8view(false)
        .with_parse_float_as_decimal(true)
        .with_collect_spans(true)
        // Null is less than all values.
        .with_default_null_ordering(NullOrdering::NullsMin)
}

/// The logical plan of a prepared query, before analysis.
pub(crate) fn query(tables: &Tables, query: &Query) -> Result<LogicalPlan, SqlError> {
    within(tables, query, &[])
}

/// The logical plan of a prepared query that is the innermost of these views.
pub(crate) fn within(tables: &Tables, query: &Query, views: &[Name]) -> Result<LogicalPlan, SqlError> {
    let planned = planned(tables, query, views)
        .map_err(|error| correlated::of_joined_values(query, tables).unwrap_or_else(|| locate(&error, query)))?;
    match correlated::unsupported(&planned) {
        Some(unsupported) => Err(correlated::find(&unsupported, query).or_at(query.span())),
        None => Ok(planned),
    }
}

/// The logical plan of a query that is asked for only to know what its names mean.
pub(crate) fn unchecked(tables: &Tables, query: &Query) -> Result<LogicalPlan, DataFusionError> {
    planned(tables, query, &[])
}

fn planned(tables: &Tables, query: &Query, views: &[Name]) -> Result<LogicalPlan, DataFusionError> {
    let context = Context::new(tables, views);
    let planner = SqlToRel::new_with_options(&context, parser_options());
    let planned = planner.sql_statement_to_plan(Statement::Query(Box::new(query.clone())))?;
    let at_window = |error: DataFusionError| {
        let found = SqlError::from_planner(&error, &|name| find_name(query, name));
        find_name(query, functions::GROUP_WINDOW).map_or(error, |place| found.or_at(place).into())
    };
    let expanded = unnest::expand(planned).and_then(|plan| group_window::expand(plan).map_err(at_window));
    expanded.and_then(typing::annotate)
}

/// An expression of DDL over the columns of a plan.
pub(crate) fn expression(syntax: &Syntax, input: &LogicalPlan) -> Result<Expr, SqlError> {
    let tables = Tables::default();
    let context = Context::new(&tables, &[]);
    let planner = SqlToRel::new_with_options(&context, parser_options());
    let planned = planner
        .sql_to_expr(syntax.clone(), input.schema(), &mut PlannerContext::new())
        .and_then(|expr| expr.to_field(input.schema()).map(|_| expr));
    planned.map_err(|error| locate(&error, syntax))
}

/// The Flink type of an expression over a plan's columns.
pub(crate) fn type_of(expr: &Expr, input: &LogicalPlan) -> Result<DataType, SqlError> {
    Ok(typing::typed(expr, input.schema()).map_err(|error| SqlError::from_planner(&error, &|_| None))?.data_type)
}

/// Type coercion, then the rules whose results can be lowered.
pub(crate) fn optimize(plan: LogicalPlan, place: &(impl Visit + Spanned)) -> Result<LogicalPlan, SqlError> {
    let options = ConfigOptions::default();
    let analyzer = Analyzer::with_rules(vec![Arc::new(TypeCoercion::new())]);
    let optimizer = Optimizer::with_rules(vec![
        Arc::new(DecorrelatePredicateSubquery::new()),
        Arc::new(ExtractEquijoinPredicate::new()),
        Arc::new(EliminateCrossJoin::new()),
        Arc::new(PushDownFilter::new()),
        Arc::new(OptimizeProjections::new()),
    ]);
    let config = OptimizerContext::new().filter_null_keys(false).with_skip_failing_rules(false);
    let analyzed = analyzer.execute_and_check(plan, &options, |_, _| {}).map_err(|error| locate(&error, place))?;
    let first = correlated::any(&analyzed);
    let is_at = |of: correlated::Unsupported| correlated::find(&of, place).or_at(place.span());
    let optimized = optimizer.optimize(analyzed, &config, |_, _| {});
    let optimized = optimized.map_err(|error| first.map_or_else(|| locate(&error, place), is_at))?;
    // What the rules leave as it is cannot be lowered.
    correlated::any(&optimized).map_or(Ok(optimized), |unsupported| Err(is_at(unsupported)))
}

/// An error of the library with the place of the name it complains about, or else of the whole syntax node.
fn locate(error: &DataFusionError, node: &(impl Visit + Spanned)) -> SqlError {
    SqlError::from_planner(error, &|name| find_name(node, name)).or_at(node.span())
}

/// The first identifier of this name, whatever its case.
fn find_name(node: &impl Visit, name: &str) -> Option<Span> {
    struct Find<'a>(&'a str);
    impl Visitor for Find<'_> {
        type Break = Span;

        fn pre_visit_expr(&mut self, expr: &Syntax) -> ControlFlow<Span> {
            let idents = match expr {
                Syntax::Identifier(ident) => std::slice::from_ref(ident),
                Syntax::CompoundIdentifier(idents) => idents.as_slice(),
                Syntax::Function(function) => match function.name.0.last().and_then(|part| part.as_ident()) {
                    Some(ident) => std::slice::from_ref(ident),
                    None => &[],
                },
                _ => &[],
            };
            match idents.iter().find(|ident| ident.value.eq_ignore_ascii_case(self.0)) {
                Some(ident) => ControlFlow::Break(ident.span),
                None => ControlFlow::Continue(()),
            }
        }
    }
    match visit::walk(node, &mut Find(name)) {
        ControlFlow::Break(span) => Some(span),
        ControlFlow::Continue(()) => None,
    }
}
