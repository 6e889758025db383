//! Which columns of a plan are time attributes.

use datafusion_common::Column;
use datafusion_expr::{Expr, Join, LogicalPlan, Window};

use crate::{
    functions, interval,
    nodes::{WatermarkNode, WindowNode},
};

/// What makes a column a time attribute: declared by a watermark or `PROCTIME()` and passed on unchanged, or a window's.
pub(crate) fn find_time_attribute(plan: &LogicalPlan, column: &Column) -> Option<TimeAttribute> {
    time_attribute(plan, plan.schema().index_of_column(column).ok()?, Reach::Attribute)
}

/// Whether a column is a time attribute, or was one before windows were assigned: it still says which of two rows is
/// the later one, though rows may come out after its watermark. In a window that also holds behind joins of windows.
pub(crate) fn orders_by_time(plan: &LogicalPlan, column: &Column, in_window: bool) -> bool {
    let reach = if in_window { Reach::WindowJoins } else { Reach::Windows };
    plan.schema().index_of_column(column).is_ok_and(|index| time_attribute(plan, index, reach).is_some())
}

/// How far the way from a time attribute to a column may lead.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Reach {
    /// The column is the attribute.
    Attribute,
    /// Windows may be assigned in between.
    Windows,
    /// Also, rows of windows may be joined.
    WindowJoins,
}

/// A kind of time attribute.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TimeAttribute {
    /// Event time, declared by a watermark.
    Declared,
    /// The `window_time` of windows in event time.
    Window,
    /// Processing time.
    Processing,
    /// The `window_time` of windows in processing time.
    ProcessingWindow,
}

/// Only a join that compares the times of its sides keeps them.
fn joined_time_attribute(join: &Join, above: Option<&Expr>, index: usize, reach: Reach) -> Option<TimeAttribute> {
    if reach != Reach::WindowJoins {
        interval::of_join(join, above)?;
    }
    match index.checked_sub(join.left.schema().fields().len()) {
        None => time_attribute(&join.left, index, reach),
        Some(index) => time_attribute(&join.right, index, reach),
    }
}

/// Rows keep their times when they are numbered. Those of windows in processing time come out later than they say.
fn numbered_time_attribute(numbered: &Window, index: usize, reach: Reach) -> Option<TimeAttribute> {
    time_attribute(&numbered.input, index, reach)
        .filter(|kind| matches!(kind, TimeAttribute::Declared | TimeAttribute::Window))
}

fn time_attribute(plan: &LogicalPlan, index: usize, reach: Reach) -> Option<TimeAttribute> {
    match plan {
        LogicalPlan::Projection(projection) => {
            let mut expr = projection.expr.get(index)?;
            while let Expr::Alias(alias) = expr {
                expr = &alias.expr;
            }
            match expr {
                Expr::Column(column) => {
                    time_attribute(&projection.input, projection.input.schema().index_of_column(column).ok()?, reach)
                }
                Expr::ScalarFunction(call) if call.name() == functions::PROCTIME => Some(TimeAttribute::Processing),
                _ => None,
            }
        }
        LogicalPlan::Filter(filter) => match filter.input.as_ref() {
            LogicalPlan::Join(join) => joined_time_attribute(join, Some(&filter.predicate), index, reach),
            input => time_attribute(input, index, reach),
        },
        LogicalPlan::Join(join) => joined_time_attribute(join, None, index, reach),
        LogicalPlan::Window(window) => numbered_time_attribute(window, index, reach),
        LogicalPlan::SubqueryAlias(alias) => time_attribute(&alias.input, index, reach),
        LogicalPlan::Union(union) => {
            let mut found = union.inputs.iter().map(|input| time_attribute(input, index, reach));
            let first = found.next().flatten()?;
            found.all(|other| other == Some(first)).then_some(first)
        }
        LogicalPlan::Aggregate(aggregate) => {
            let mut expr = aggregate.group_expr.get(index)?;
            while let Expr::Alias(alias) = expr {
                expr = &alias.expr;
            }
            let Expr::Column(column) = expr else { return None };
            let index = aggregate.input.schema().index_of_column(column).ok()?;
            let of_window =
                |kind: &TimeAttribute| matches!(kind, TimeAttribute::Window | TimeAttribute::ProcessingWindow);
            time_attribute(&aggregate.input, index, reach).filter(of_window)
        }
        LogicalPlan::Extension(extension) => {
            let node = extension.node.as_any();
            if let Some(mark) = node.downcast_ref::<WatermarkNode>() {
                let own = mark.input.schema().index_of_column(&mark.time).is_ok_and(|time| time == index);
                if own { Some(TimeAttribute::Declared) } else { time_attribute(&mark.input, index, reach) }
            } else if let Some(window) = node.downcast_ref::<WindowNode>() {
                let columns = window.input.schema().fields().len();
                if index < columns && reach != Reach::Attribute {
                    return time_attribute(&window.input, index, reach);
                }
                // window_time is the last of the three columns.
                let kind = if window.of.processing { TimeAttribute::ProcessingWindow } else { TimeAttribute::Window };
                (index == columns + 2).then_some(kind)
            } else {
                None
            }
        }
        _ => None,
    }
}
