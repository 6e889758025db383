//! Interval joins: whether the condition of a join bounds how far the event times of its two sides are apart.

use datafusion_common::{Column, NullEquality, ScalarValue};
use datafusion_expr::{BinaryExpr, Expr, Join, JoinType, LogicalPlan, Operator, utils::split_conjunction};

use crate::time_attribute::{TimeAttribute, find_time_attribute};

/// The time attributes of two sides, as columns of them, and how much later the right one may be, in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Interval {
    pub(crate) left_time: usize,
    pub(crate) right_time: usize,
    pub(crate) lower: i64,
    pub(crate) upper: i64,
}

/// A time attribute of one side, and what is added to it.
struct Shifted<'e> {
    column: &'e Column,
    by: i64,
}

/// What a join's condition, and one above the join, say of its times.
pub(crate) fn of_join(join: &Join, above: Option<&Expr>) -> Option<Interval> {
    if join.join_type != JoinType::Inner {
        return None;
    }
    let mut bounds: Vec<(usize, usize, Option<i64>, Option<i64>)> = Vec::new();
    // The optimiser makes keys of equalities. Times that are equal if both are null are not near each other.
    let keys = join.on.iter().filter(|_| join.null_equality == NullEquality::NullEqualsNothing);
    let keys = keys.map(|(left, right)| (left, Operator::Eq, right));
    let conditions = join.filter.iter().chain(above).flat_map(split_conjunction);
    for (left, sign, right) in keys.chain(conditions.flat_map(comparisons)) {
        let Some((left_time, right_time, lower, upper)) = bound(join, left, sign, right) else { continue };
        match bounds.iter_mut().find(|known| (known.0, known.1) == (left_time, right_time)) {
            None => bounds.push((left_time, right_time, lower, upper)),
            Some(known) => {
                // Of two bounds on one side the narrower one.
                known.2 = known.2.max(lower);
                known.3 = [known.3, upper].into_iter().flatten().min();
            }
        }
    }
    bounds.into_iter().find_map(|(left_time, right_time, lower, upper)| {
        let (lower, upper) = (lower?, upper?);
        (lower <= upper).then_some(Interval { left_time, right_time, lower, upper })
    })
}

/// A condition as comparisons that all hold.
fn comparisons(condition: &Expr) -> Vec<(&Expr, Operator, &Expr)> {
    match condition {
        Expr::BinaryExpr(BinaryExpr { left, op, right }) => vec![(left, *op, right)],
        Expr::Between(between) if !between.negated => {
            vec![(&between.expr, Operator::GtEq, &between.low), (&between.expr, Operator::LtEq, &between.high)]
        }
        _ => Vec::new(),
    }
}

/// The times that a comparison is about, and the least and greatest difference, right less left, that it allows.
fn bound(join: &Join, one: &Expr, sign: Operator, other: &Expr) -> Option<(usize, usize, Option<i64>, Option<i64>)> {
    let (one, other) = (shifted(one)?, shifted(other)?);
    // one + a ≥ other + b: other − one ≤ a − b
    let difference = one.by.checked_sub(other.by)?;
    let (lower, upper) = match sign {
        Operator::GtEq => (None, Some(difference)),
        Operator::Gt => (None, Some(difference.checked_sub(1)?)),
        Operator::LtEq => (Some(difference), None),
        Operator::Lt => (Some(difference.checked_add(1)?), None),
        Operator::Eq => (Some(difference), Some(difference)),
        _ => return None,
    };
    let time = |plan: &LogicalPlan, column: &Column| {
        let index = plan.schema().index_of_column(column).ok()?;
        matches!(find_time_attribute(plan, column), Some(TimeAttribute::Declared | TimeAttribute::Window))
            .then_some(index)
    };
    if let (Some(left), Some(right)) = (time(&join.left, one.column), time(&join.right, other.column)) {
        return Some((left, right, lower, upper));
    }
    let (left, right) = (time(&join.left, other.column)?, time(&join.right, one.column)?);
    let negated = |bound: Option<i64>| bound.map(i64::saturating_neg);
    Some((left, right, negated(upper), negated(lower)))
}

/// A column, with a constant interval added or not.
fn shifted(expr: &Expr) -> Option<Shifted<'_>> {
    match expr {
        Expr::Alias(alias) => shifted(&alias.expr),
        Expr::Column(column) => Some(Shifted { column, by: 0 }),
        Expr::ScalarFunction(call) => {
            let [of, interval] = call.args.as_slice() else { return None };
            let (of, interval) = if matches!(of, Expr::Literal(..)) { (interval, of) } else { (of, interval) };
            let Expr::Literal(ScalarValue::DurationMillisecond(Some(interval)), _) = interval else { return None };
            let of = shifted(of)?;
            let by = match call.name() {
                "+" => of.by.checked_add(*interval)?,
                "-" if matches!(call.args[1], Expr::Literal(..)) => of.by.checked_sub(*interval)?,
                _ => return None,
            };
            Some(Shifted { by, ..of })
        }
        _ => None,
    }
}
