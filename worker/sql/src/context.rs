//! What the library's planner asks us: tables, functions, operators, literals and table functions.

use std::{borrow::Cow, sync::Arc};

use arrow::datatypes::{DataType as Arrow, Field as ArrowField, SchemaRef};
use datafusion_common::{
    Column, DFSchema, DataFusionError, Result, ScalarValue, TableReference, config::ConfigOptions, plan_err,
};
use datafusion_expr::{
    AggregateUDF, Expr, ExprSchemable, HigherOrderUDF, LogicalPlan, ScalarUDF, TableSource, WindowUDF,
    expr::ScalarFunction,
    lit,
    planner::{
        ContextProvider, ExprPlanner, PlannerResult, RawAggregateExpr, RawBinaryExpr, RawDictionaryExpr,
        RelationPlanner,
    },
};
use sqlparser::{
    ast::BinaryOperator,
    tokenizer::{Location, Span},
};

use crate::{
    SqlError, aggregates,
    catalog::Tables,
    escape::{self, Escape},
    functions, row_number,
    statement::Name,
    unnest::UnnestPlanner,
    window_function::WindowFunctionPlanner,
};

/// The planner's view of a session.
pub(crate) struct Context<'a> {
    tables: &'a Tables,
    /// The views that the query is in.
    views: &'a [Name],
    options: ConfigOptions,
    expr_planners: Vec<Arc<dyn ExprPlanner>>,
    relation_planners: Vec<Arc<dyn RelationPlanner>>,
}

impl<'a> Context<'a> {
    pub(crate) fn new(tables: &'a Tables, views: &'a [Name]) -> Self {
        Self {
            tables,
            views,
            options: ConfigOptions::default(),
            expr_planners: vec![Arc::new(FlinkExprPlanner)],
            relation_planners: vec![Arc::new(WindowFunctionPlanner), Arc::new(UnnestPlanner)],
        }
    }
}

impl ContextProvider for Context<'_> {
    fn get_table_source(&self, name: TableReference) -> Result<Arc<dyn TableSource>> {
        Ok(self.tables.source(&name, self.views)?)
    }

    fn get_expr_planners(&self) -> &[Arc<dyn ExprPlanner>] {
        &self.expr_planners
    }

    fn get_relation_planners(&self) -> &[Arc<dyn RelationPlanner>] {
        &self.relation_planners
    }

    fn get_function_meta(&self, name: &str) -> Option<Arc<ScalarUDF>> {
        functions::scalar(name)
    }

    fn get_higher_order_meta(&self, _name: &str) -> Option<Arc<HigherOrderUDF>> {
        None
    }

    fn get_aggregate_meta(&self, name: &str) -> Option<Arc<AggregateUDF>> {
        functions::aggregate(name)
    }

    fn get_window_meta(&self, name: &str) -> Option<Arc<WindowUDF>> {
        row_number::named(name)
    }

    fn get_variable_type(&self, _names: &[String]) -> Option<Arrow> {
        None
    }

    fn options(&self) -> &ConfigOptions {
        &self.options
    }

    fn udf_names(&self) -> Vec<String> {
        functions::names()
    }

    fn higher_order_function_names(&self) -> Vec<String> {
        Vec::new()
    }

    fn udaf_names(&self) -> Vec<String> {
        Vec::new()
    }

    fn udwf_names(&self) -> Vec<String> {
        Vec::new()
    }
}

/// A table as a plan over what its connector reads.
#[derive(Debug)]
pub(crate) struct PlannedTable {
    pub(crate) schema: SchemaRef,
    pub(crate) plan: LogicalPlan,
}

impl TableSource for PlannedTable {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn get_logical_plan(&'_ self) -> Option<Cow<'_, LogicalPlan>> {
        Some(Cow::Borrowed(&self.plan))
    }
}

/// Whether the library compares values of these types as Flink does.
fn is_alike(left: &Arrow, right: &Arrow) -> bool {
    let is_exact = |data_type: &Arrow| data_type.is_integer() || data_type.is_decimal();
    left.equals_datatype(right)
        || left.is_null()
        || right.is_null()
        || (is_exact(left) && is_exact(right))
        || (left.is_numeric() && right.is_numeric() && !left.is_decimal() && !right.is_decimal())
        || (left.is_string() && right.is_string())
}

/// Operators, literals, field access and `COUNT(*)` as Flink has them.
#[derive(Debug)]
struct FlinkExprPlanner;

impl ExprPlanner for FlinkExprPlanner {
    fn plan_binary_op(&self, expr: RawBinaryExpr, schema: &DFSchema) -> Result<PlannerResult<RawBinaryExpr>> {
        let sign = match expr.op {
            BinaryOperator::Eq => "=",
            BinaryOperator::NotEq => "<>",
            BinaryOperator::Lt => "<",
            BinaryOperator::LtEq => "<=",
            BinaryOperator::Gt => ">",
            BinaryOperator::GtEq => ">=",
            _ => return Ok(PlannerResult::Original(expr)),
        };
        let types = (expr.left.get_type(schema), expr.right.get_type(schema));
        // The library would bring unlike ones to other types than Flink does.
        let (Ok(left), Ok(right)) = types else { return Ok(PlannerResult::Original(expr)) };
        if let (Arrow::Decimal128(..), Arrow::Float32 | Arrow::Float64)
        | (Arrow::Float32 | Arrow::Float64, Arrow::Decimal128(..)) = (&left, &right)
        {
            return Ok(PlannerResult::Original(RawBinaryExpr {
                left: expr.left.cast_to(&Arrow::Float64, schema)?,
                right: expr.right.cast_to(&Arrow::Float64, schema)?,
                ..expr
            }));
        }
        if is_alike(&left, &right) {
            return Ok(PlannerResult::Original(expr));
        }
        let place = [&expr.left, &expr.right].into_iter().flat_map(|side| side.column_refs()).next();
        let place =
            place.and_then(|column| column.spans.first()).map_or((0, 0), |span| (span.start.line, span.start.column));
        let call = ScalarFunction::new_udf(Arc::new(functions::operator(sign)?), vec![expr.left, expr.right]);
        Ok(PlannerResult::Planned(checked(Expr::ScalarFunction(call), schema, place.0, place.1)?))
    }

    fn plan_dictionary_literal(
        &self,
        expr: RawDictionaryExpr,
        schema: &DFSchema,
    ) -> Result<PlannerResult<RawDictionaryExpr>> {
        if let [Expr::Literal(ScalarValue::Utf8(Some(key)), _), _] = expr.keys.as_slice()
            && let Some(Escape::Operator { sign, line, column }) = Escape::parse(key)
        {
            let call = ScalarFunction::new_udf(Arc::new(functions::operator(&sign)?), expr.values);
            return Ok(PlannerResult::Planned(checked(Expr::ScalarFunction(call), schema, line, column)?));
        }
        let key = match expr.keys.as_slice() {
            [Expr::Literal(ScalarValue::Utf8(Some(key)), _)] => Escape::parse(key),
            _ => None,
        };
        match (key, expr.values.first()) {
            (Some(key), Some(value)) => Ok(PlannerResult::Planned(escape::to_logical(key, value.clone())?)),
            _ => plan_err!("dictionary literals are not supported"),
        }
    }

    fn plan_compound_identifier(
        &self,
        field: &ArrowField,
        qualifier: Option<&TableReference>,
        nested_names: &[String],
    ) -> Result<PlannerResult<Vec<Expr>>> {
        let column = Expr::Column(Column::from((qualifier, &Arc::new(field.clone()))));
        let access = functions::scalar(functions::FIELD)
            .ok_or_else(|| DataFusionError::Internal("field access is missing".into()))?;
        let read = nested_names.iter().fold(column, |of, name| {
            Expr::ScalarFunction(ScalarFunction::new_udf(Arc::clone(&access), vec![of, lit(name.as_str())]))
        });
        Ok(PlannerResult::Planned(read))
    }

    fn plan_aggregate(&self, mut expr: RawAggregateExpr) -> Result<PlannerResult<RawAggregateExpr>> {
        #[expect(deprecated, reason = "the planner still gives it for COUNT(*)")]
        let star = matches!(expr.args.as_slice(), [Expr::Wildcard { .. }]);
        if star {
            expr.args = vec![lit(1_i64)];
        }
        aggregates::check(&expr)?;
        expr.args.iter_mut().for_each(|arg| *arg = told_apart(std::mem::take(arg)));
        Ok(PlannerResult::Original(expr))
    }
}

/// An argument under a name that also has its casts: the library leaves them out, and takes `SUM(CAST(a AS INT))` and
/// `SUM(CAST(a AS DOUBLE))` for one column.
fn told_apart(argument: Expr) -> Expr {
    let (name, text) = (argument.schema_name().to_string(), argument.to_string());
    if name == text { argument } else { argument.alias(format!("${text}")) }
}

/// A call whose mismatched types are reported at its place. What is not found in the schema is reported later.
fn checked(call: Expr, schema: &DFSchema, line: u64, column: u64) -> Result<Expr> {
    if call.column_refs().iter().all(|column| schema.index_of_column(column).is_ok())
        && let Err(error) = call.to_field(schema)
    {
        let span = Span::new(Location::new(line, column), Location::new(line, column));
        return Err(SqlError::from_planner(&error, &|_| None).or_at(span).into());
    }
    Ok(call)
}
