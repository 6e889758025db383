//! `GROUP BY TUMBLE(…)`, `HOP(…)` and `SESSION(…)`: the same as grouping by the columns of a window table function.

use std::sync::Arc;

use datafusion_common::{DataFusionError, Result, ScalarValue, tree_node::Transformed};
use datafusion_expr::{Aggregate, Expr, Extension, LogicalPlan, expr::ScalarFunction};
use graph::Value;
use model::DataType;
use sqlparser::ast::Ident;

use crate::{
    SqlError, functions,
    lower::scalar::Scope,
    nodes::{GROUP_WINDOW_COLUMNS, WindowNode, Windowing},
    time_attribute::find_time_attribute,
    window_function::{time_of_window, window_kind},
};

/// The plan with a window below each aggregation that groups by one.
pub(crate) fn expand(plan: LogicalPlan) -> Result<LogicalPlan> {
    let expanded = plan.transform_up_with_subqueries(|plan| match plan {
        LogicalPlan::Aggregate(aggregate) if aggregate.group_expr.iter().any(|expr| part(expr).is_some()) => {
            Ok(Transformed::yes(LogicalPlan::Aggregate(expand_aggregate(aggregate)?)))
        }
        other => Ok(Transformed::no(other)),
    })?;
    Ok(expanded.data)
}

/// A part of a window: which one, and the window with its time and lengths.
fn part(expr: &Expr) -> Option<(&str, &str, &[Expr])> {
    let Expr::ScalarFunction(ScalarFunction { func, args }) = expr else { return None };
    match args.as_slice() {
        [
            Expr::Literal(ScalarValue::Utf8(Some(part)), _),
            Expr::Literal(ScalarValue::Utf8(Some(window)), _),
            rest @ ..,
        ] if func.name() == functions::GROUP_WINDOW => Some((part, window, rest)),
        _ => None,
    }
}

fn expand_aggregate(aggregate: Aggregate) -> Result<Aggregate> {
    let Some((_, window, args)) = aggregate.group_expr.iter().find_map(part) else { return Ok(aggregate) };
    if aggregate.group_expr.iter().filter_map(part).any(|(_, other, rest)| other != window || rest != args) {
        return Err(SqlError::new("GROUP BY takes one window only").into());
    }
    let windowing = windowing(window, args, &aggregate)?;
    let node = WindowNode::try_new((*aggregate.input).clone(), windowing)?;
    let groups = aggregate.group_expr.iter().map(|expr| match part(expr) {
        Some((part, ..)) => {
            let position = functions::PARTS.iter().position(|known| *known == part).unwrap_or_default();
            let column = datafusion_common::Column::new_unqualified(GROUP_WINDOW_COLUMNS[position]);
            // What is above knows the part by this name.
            Expr::Column(column).alias(expr.schema_name().to_string())
        }
        None => expr.clone(),
    });
    let groups = groups.collect();
    let input = LogicalPlan::Extension(Extension { node: Arc::new(node) });
    Aggregate::try_new(Arc::new(input), groups, aggregate.aggr_expr)
}

fn windowing(window: &str, args: &[Expr], aggregate: &Aggregate) -> Result<Windowing> {
    let [Expr::Column(time), lengths @ ..] = args else {
        return Err(SqlError::new(format!("the time of {window} in GROUP BY must be a column")).into());
    };
    let processing = time_of_window(find_time_attribute(&aggregate.input, time), &time.name)?;
    let scope = Scope { schema: aggregate.input.schema(), exprs: &[] };
    let ident = Ident::new(window);
    let lengths = lengths.iter().map(|length| match scope.lower(length)? {
        graph::Expr::Literal { value: Value::Integer(value), data_type: DataType::IntervalDayTime } => {
            Ok((value, ident.span))
        }
        _ => Err(SqlError::new(format!("the lengths of {window} are constant intervals of days to seconds"))),
    });
    let mut lengths = lengths.map(|length| length.map(Some)).collect::<Result<Vec<_>, SqlError>>()?;
    if window != "SESSION" {
        lengths.push(None);
    }
    let expected = match window {
        "HOP" => 3,
        "TUMBLE" => 2,
        _ => 1,
    };
    if lengths.len() != expected {
        return Err(SqlError::new(format!("{window} in GROUP BY has a time and {} lengths", lengths.len())).into());
    }
    let window = window_kind(window, &lengths, &ident, true).map_err(DataFusionError::from)?;
    Ok(Windowing { time: time.clone(), window, processing, partition: None, names: GROUP_WINDOW_COLUMNS })
}
