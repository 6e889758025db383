//! Window table functions in `FROM`: `TUMBLE`, `HOP`, `CUMULATE` and `SESSION`, with positional and named arguments.

use std::sync::Arc;

use datafusion_common::{Column, DataFusionError, Result};
use datafusion_expr::{
    Expr, Extension, LogicalPlan,
    planner::{PlannedRelation, RelationPlanner, RelationPlannerContext, RelationPlanning},
};
use graph::operator::WindowKind;
use model::DataType;
use sqlparser::{
    ast::{
        Expr as Syntax, FunctionArg, FunctionArgExpr, FunctionArguments, Ident, ObjectName, Spanned, TableFactor,
        TableFunctionArgs,
    },
    tokenizer::Span,
};

use crate::{
    SqlError,
    desugar::{self, WINDOW_FUNCTIONS, last_ident},
    escape::{self, Escape},
    nodes::{self, WindowNode, Windowing},
    time_attribute::{TimeAttribute, find_time_attribute},
};

/// Window table functions in `FROM`.
#[derive(Debug)]
pub(crate) struct WindowFunctionPlanner;

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
    let window = window_kind(&function, &lengths, &ident, false)?;
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

/// In how many windows of `HOP` or `CUMULATE` a row may be: each is kept and emitted by itself.
const WINDOWS_MAX: i64 = 100_000;

/// The windows of a function with these lengths. Those that `GROUP BY` names may overlap in part, or leave gaps.
pub(crate) fn window_kind(
    function: &str,
    lengths: &[Option<(i64, Span)>],
    ident: &Ident,
    in_group_by: bool,
) -> Result<WindowKind, SqlError> {
    let missing = || SqlError::at_ident("a length is missing", ident);
    let positive = |length: Option<(i64, Span)>| match length {
        Some((value, _)) if value > 0 => Ok(value),
        Some((_, span)) => Err(SqlError::at_span("a window's length must be positive", span)),
        None => Err(missing()),
    };
    let offset = |length: Option<(i64, Span)>| length.map_or(0, |(offset, _)| offset);
    match (function, lengths) {
        ("TUMBLE", [size, shift]) => Ok(WindowKind::Tumble { size: positive(*size)?, offset: offset(*shift) }),
        ("HOP", [distance, length, shift]) => {
            let (slide, size) = (positive(*distance)?, positive(*length)?);
            let span = length.map_or(ident.span, |(_, span)| span);
            check_windows(function, size, (slide, "slide"), !in_group_by, span)?;
            Ok(WindowKind::Hop { size, slide, offset: offset(*shift) })
        }
        ("CUMULATE", [distance, length, shift]) => {
            let (step, size) = (positive(*distance)?, positive(*length)?);
            check_windows(function, size, (step, "step"), true, length.map_or(ident.span, |(_, span)| span))?;
            Ok(WindowKind::Cumulate { size, step, offset: offset(*shift) })
        }
        ("SESSION", [gap]) => Ok(WindowKind::Session { gap: positive(*gap)? }),
        _ => Err(missing()),
    }
}

/// Refuses windows that do not consist of whole steps, and so many that a row would be in too many.
fn check_windows(
    function: &str,
    size: i64,
    (step, name): (i64, &str),
    whole: bool,
    place: Span,
) -> Result<(), SqlError> {
    if whole && size % step != 0 {
        return Err(SqlError::at_span(format!("the size of {function} must be a multiple of its {name}"), place));
    }
    let count = size / step + i64::from(size % step != 0);
    if count > WINDOWS_MAX {
        let message = format!(
            "{function} puts each row into {count} windows, more than the {WINDOWS_MAX} that are supported: its size is \
             {size} ms and its {name} {step} ms"
        );
        return Err(SqlError::at_span(message, place));
    }
    Ok(())
}
