//! What the library's planner asks us: tables, functions, operators, literals and table functions.

use std::{borrow::Cow, sync::Arc};

use arrow::datatypes::{DataType as Arrow, Field as ArrowField, SchemaRef};
use datafusion_common::{
    Column, DFSchema, DataFusionError, Result, ScalarValue, TableReference, config::ConfigOptions, plan_err,
};
use datafusion_expr::{
    AggregateUDF, Expr, ExprSchemable, Extension, HigherOrderUDF, LogicalPlan, ScalarUDF, TableSource, WindowUDF,
    expr::ScalarFunction,
    lit,
    planner::{
        ContextProvider, ExprPlanner, PlannedRelation, PlannerResult, RawAggregateExpr, RawBinaryExpr,
        RawDictionaryExpr, RelationPlanner, RelationPlannerContext, RelationPlanning,
    },
};
use graph::operator::WindowKind;
use model::DataType;
use sqlparser::{
    ast::{
        BinaryOperator, Expr as Syntax, FunctionArg, FunctionArgExpr, FunctionArguments, Ident, ObjectName, Spanned,
        TableFactor, TableFunctionArgs,
    },
    tokenizer::{Location, Span},
};

use crate::{
    SqlError, aggregates,
    catalog::Tables,
    desugar::{self, WINDOW_FUNCTIONS, last_ident},
    escape::{self, Escape},
    functions,
    nodes::{self, WindowNode, Windowing},
    row_number,
    time_attribute::{TimeAttribute, find_time_attribute},
    unnest::UnnestPlanner,
};

/// The planner's view of a session.
pub(crate) struct Context<'a> {
    tables: &'a Tables,
    options: ConfigOptions,
    expr_planners: Vec<Arc<dyn ExprPlanner>>,
    relation_planners: Vec<Arc<dyn RelationPlanner>>,
}

impl<'a> Context<'a> {
    pub(crate) fn new(tables: &'a Tables) -> Self {
        Self {
            tables,
            options: ConfigOptions::default(),
            expr_planners: vec![Arc::new(FlinkExprPlanner)],
            relation_planners: vec![Arc::new(WindowFunctionPlanner), Arc::new(UnnestPlanner)],
        }
    }
}

impl ContextProvider for Context<'_> {
    fn get_table_source(&self, name: TableReference) -> Result<Arc<dyn TableSource>> {
        Ok(self.tables.source(&name)?)
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
        if let Some(first) = expr.args.first_mut() {
            *first = told_apart(first.clone());
        }
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

/// Window table functions in `FROM`.
#[derive(Debug)]
struct WindowFunctionPlanner;

impl RelationPlanner for WindowFunctionPlanner {
    fn plan_relation(
        &self,
        relation: TableFactor,
        context: &mut dyn RelationPlannerContext,
    ) -> Result<RelationPlanning> {
        match relation {
            TableFactor::Table { name, alias, args: Some(args), .. } => {
                let plan = plan_window_function(&name, args, context)?;
                Ok(RelationPlanning::Planned(Box::new(PlannedRelation::new(plan, alias))))
            }
            other => Ok(RelationPlanning::Original(Box::new(other))),
        }
    }
}

fn plan_window_function(
    name: &ObjectName,
    args: TableFunctionArgs,
    context: &mut dyn RelationPlannerContext,
) -> Result<LogicalPlan> {
    let ident = last_ident(name)?;
    let function = ident.value.to_ascii_uppercase();
    if !WINDOW_FUNCTIONS.contains(&function.as_str()) {
        return Err(SqlError::at_ident(format!("table function '{}' not found", ident.value), &ident).into());
    }
    let parameters: &[&str] = match function.as_str() {
        "TUMBLE" => &["DATA", "TIMECOL", "SIZE", "OFFSET"],
        "CUMULATE" => &["DATA", "TIMECOL", "STEP", "SIZE", "OFFSET"],
        "SESSION" => &["DATA", "TIMECOL", "GAP"],
        _ => &["DATA", "TIMECOL", "SLIDE", "SIZE", "OFFSET"],
    };
    let required = if function == "SESSION" { parameters.len() } else { parameters.len() - 1 };
    let mut args = bind_arguments(&ident, parameters, required, args)?;
    let lengths = args.split_off(2);
    let (data, time) = (args.swap_remove(0), args.swap_remove(0));
    let (data, partition) = partitioned(data);
    if !partition.is_empty() && function != "SESSION" {
        let message = format!("{function} takes no PARTITION BY");
        return Err(SqlError::at(message, &partition[0]).into());
    }
    let input = plan_data(data, &ident, context)?;
    let partition = partition.into_iter().map(|column| {
        let place = column.span();
        match context.sql_to_expr(column, input.schema())? {
            Expr::Column(column) => Ok(column),
            _ => Err(DataFusionError::from(SqlError::at_span("PARTITION BY takes columns", place))),
        }
    });
    let partition = partition.collect::<Result<Vec<_>>>()?;
    let time_ident = descriptor(time, &ident)?;
    let column = context.sql_to_expr(Syntax::Identifier(time_ident.clone()), input.schema()).map_err(|error| {
        let find = |_: &str| Some(time_ident.span);
        DataFusionError::from(SqlError::from_planner(&error, &find).or_at(time_ident.span))
    })?;
    let Expr::Column(column) = column else {
        return Err(SqlError::at_ident("DESCRIPTOR takes a column", &time_ident).into());
    };
    let processing = is_processing(&input, &column, &time_ident)?;
    let lengths = lengths.into_iter().map(|length| length.map(interval).transpose()).collect::<Result<Vec<_>, _>>()?;
    let window = window_kind(&function, &lengths, &ident)?;
    let partition = Some(partition);
    let names = nodes::window_columns(input.schema());
    let names = names.ok_or_else(|| SqlError::at_ident("so many windows over each other are not supported", &ident))?;
    let node = WindowNode::try_new(input, Windowing { time: column, window, processing, partition, names })?;
    Ok(LogicalPlan::Extension(Extension { node: Arc::new(node) }))
}

/// Arguments by position or name; none for an optional one that is not given.
fn bind_arguments(
    function: &Ident,
    parameters: &[&str],
    required: usize,
    args: TableFunctionArgs,
) -> Result<Vec<Option<Syntax>>, SqlError> {
    let mut bound: Vec<Option<Syntax>> = vec![None; parameters.len()];
    for (position, arg) in args.args.into_iter().enumerate() {
        let place = arg.span();
        let (index, arg) = match arg {
            FunctionArg::Named { name, arg, .. } => {
                let upper = name.value.to_ascii_uppercase();
                let index = parameters.iter().position(|parameter| *parameter == upper).ok_or_else(|| {
                    let message =
                        format!("{} has no parameter {upper}; it has {}", function.value, parameters.join(", "));
                    SqlError::at_ident(message, &name)
                })?;
                (index, arg)
            }
            FunctionArg::Unnamed(arg) => (position, arg),
            FunctionArg::ExprNamed { .. } => return Err(SqlError::at_span("arguments are named by words", place)),
        };
        let FunctionArgExpr::Expr(expr) = arg else {
            return Err(SqlError::at_span(format!("{} does not take *", function.value), place));
        };
        match bound.get_mut(index) {
            Some(slot @ None) => *slot = Some(expr),
            Some(Some(_)) => return Err(SqlError::at_span("this argument is given twice", place)),
            None => return Err(SqlError::at_span(format!("{} takes no more arguments", function.value), place)),
        }
    }
    if let Some(missing) = bound.iter().take(required).position(Option::is_none) {
        let message = format!("{} needs the argument {}", function.value, parameters[missing]);
        return Err(SqlError::at_ident(message, function));
    }
    Ok(bound)
}

/// `TABLE … PARTITION BY …` without the columns behind `PARTITION BY`, and these.
fn partitioned(arg: Option<Syntax>) -> (Option<Syntax>, Vec<Syntax>) {
    let Some(Syntax::Function(mut call)) = arg else { return (arg, Vec::new()) };
    let mut columns = Vec::new();
    if let FunctionArguments::List(list) = &mut call.args
        && call.name.to_string() == "TABLE"
    {
        columns.extend(list.args.drain(1..).filter_map(|arg| match arg {
            FunctionArg::Unnamed(FunctionArgExpr::Expr(column)) => Some(column),
            _ => None,
        }));
    }
    (Some(Syntax::Function(call)), columns)
}

/// The single argument of `TABLE …` or `DESCRIPTOR(…)`.
fn inner(arg: Option<Syntax>, wrapper: &str) -> Option<Syntax> {
    let Some(Syntax::Function(call)) = arg else { return None };
    let FunctionArguments::List(mut list) = call.args else { return None };
    if !call.name.to_string().eq_ignore_ascii_case(wrapper) || list.args.len() != 1 {
        return None;
    }
    match list.args.pop() {
        Some(FunctionArg::Unnamed(FunctionArgExpr::Expr(expr))) => Some(expr),
        _ => None,
    }
}

fn plan_data(arg: Option<Syntax>, function: &Ident, context: &mut dyn RelationPlannerContext) -> Result<LogicalPlan> {
    let factor = match inner(arg, "TABLE") {
        Some(Syntax::Subquery(query)) => {
            TableFactor::Derived { lateral: false, subquery: query, alias: None, sample: None }
        }
        Some(Syntax::CompoundIdentifier(parts)) if !parts.is_empty() => desugar::table(parts),
        _ => {
            let message = format!("the first argument of {} is TABLE and a name", function.value);
            return Err(SqlError::at_ident(message, function).into());
        }
    };
    let place = factor.span();
    context.plan(factor).map_err(|error| {
        let find = |_: &str| Some(place);
        SqlError::from_planner(&error, &find).or_at(place).into()
    })
}

fn descriptor(arg: Option<Syntax>, function: &Ident) -> Result<Ident, SqlError> {
    match inner(arg, "DESCRIPTOR") {
        Some(Syntax::Identifier(ident)) => Ok(ident),
        _ => Err(SqlError::at_ident(
            format!("the time column of {} is written DESCRIPTOR(column)", function.value),
            function,
        )),
    }
}

/// Whether a window's time is that of processing; an error if it is no time attribute.
fn is_processing(input: &LogicalPlan, column: &Column, ident: &Ident) -> Result<bool, SqlError> {
    let kind = find_time_attribute(input, column);
    time_of_window(kind, &ident.value).map_err(|error| error.or_at(ident.span))
}

/// Whether the time of a window is that of processing; an error if it is no time attribute.
pub(crate) fn time_of_window(kind: Option<TimeAttribute>, column: &str) -> Result<bool, SqlError> {
    match kind {
        Some(TimeAttribute::Declared | TimeAttribute::Window) => Ok(false),
        Some(TimeAttribute::Processing) => Ok(true),
        Some(TimeAttribute::ProcessingWindow) => {
            Err(SqlError::new("a window over the windows of processing time is not supported"))
        }
        None => Err(SqlError::new(format!(
            "'{column}' is no time attribute: a window needs a column that a WATERMARK is declared for, or PROCTIME(), \
             passed on unchanged"
        ))),
    }
}

/// A constant interval, in milliseconds.
fn interval(expr: Syntax) -> Result<(i64, Span), SqlError> {
    let place = expr.span();
    match escape::of_syntax(&expr) {
        Some((Escape::Literal { value: graph::Value::Integer(value), data_type: DataType::IntervalDayTime }, span)) => {
            Ok((value, span))
        }
        _ => Err(SqlError::at_span("a constant interval of days to seconds is expected here", place)),
    }
}

pub(crate) fn window_kind(
    function: &str,
    lengths: &[Option<(i64, Span)>],
    ident: &Ident,
) -> Result<WindowKind, SqlError> {
    let missing = || SqlError::at_ident("a length is missing", ident);
    let positive = |length: Option<(i64, Span)>| match length {
        Some((value, _)) if value > 0 => Ok(value),
        Some((_, span)) => Err(SqlError::at_span("a window's length must be positive", span)),
        None => Err(missing()),
    };
    match (function, lengths) {
        ("TUMBLE", [size, offset]) => {
            Ok(WindowKind::Tumble { size: positive(*size)?, offset: offset.map_or(0, |(offset, _)| offset) })
        }
        ("HOP", [slide, size, offset]) => {
            let (slide_length, size_length) = (positive(*slide)?, positive(*size)?);
            if size_length % slide_length != 0 {
                let span = size.map_or(ident.span, |(_, span)| span);
                return Err(SqlError::at_span("the size of HOP must be a multiple of its slide", span));
            }
            let offset = offset.map_or(0, |(offset, _)| offset);
            Ok(WindowKind::Hop { size: size_length, slide: slide_length, offset })
        }
        ("CUMULATE", [step, size, offset]) => {
            let (step_length, size_length) = (positive(*step)?, positive(*size)?);
            if size_length % step_length != 0 {
                let span = size.map_or(ident.span, |(_, span)| span);
                return Err(SqlError::at_span("the size of CUMULATE must be a multiple of its step", span));
            }
            let offset = offset.map_or(0, |(offset, _)| offset);
            Ok(WindowKind::Cumulate { size: size_length, step: step_length, offset })
        }
        ("SESSION", [gap]) => Ok(WindowKind::Session { gap: positive(*gap)? }),
        _ => Err(missing()),
    }
}
