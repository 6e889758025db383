//! Correlated subqueries: which of them become semi and anti joins with the same rows, and where the others stand.
//!
//! The library turns `EXISTS` and `IN` into joins by moving conditions on outer columns up to the join. That changes
//! the rows of some queries, so they are refused before it is tried.

mod place;

use datafusion_common::{Column, JoinType, Result, tree_node::TreeNodeRecursion};
use datafusion_expr::{Aggregate, Distinct, Expr, Limit, LogicalPlan, Subquery};

pub(crate) use place::{find, of_joined_values};

/// The kinds of subqueries in expressions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Exists,
    In,
    Scalar,
}

/// A correlated subquery that is not supported.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Unsupported {
    pub(crate) kind: Kind,
    /// The name of a column that it reads of the query around it.
    pub(crate) column: String,
    /// How many correlated subqueries of the kind that read a column of this name come before it.
    pub(crate) before: usize,
}

/// The first correlated subquery that cannot become a join with the same rows.
pub(crate) fn unsupported(plan: &LogicalPlan) -> Option<Unsupported> {
    first(plan, |node, kind, subquery, negated| !is_supported(node, kind, subquery, negated))
}

/// The first correlated subquery at all.
pub(crate) fn any(plan: &LogicalPlan) -> Option<Unsupported> {
    first(plan, |_, _, _, _| true)
}

fn first(
    plan: &LogicalPlan,
    mut is_wanted: impl FnMut(&LogicalPlan, Kind, &LogicalPlan, bool) -> bool,
) -> Option<Unsupported> {
    let mut seen: Vec<(Kind, String)> = Vec::new();
    let mut found = None;
    // The closure never fails.
    let _: Result<TreeNodeRecursion> = plan.apply_with_subqueries(|node| {
        for (kind, subquery, negated) in subqueries(node) {
            let Some(column) = outer_columns(&subquery.subquery).into_iter().next() else { continue };
            let before = seen.iter().filter(|(of, name)| *of == kind && *name == column.name).count();
            if is_wanted(node, kind, &subquery.subquery, negated) {
                found = Some(Unsupported { kind, column: column.name, before });
                return Ok(TreeNodeRecursion::Stop);
            }
            seen.push((kind, column.name));
        }
        Ok(TreeNodeRecursion::Continue)
    });
    found
}

/// The subqueries in the expressions of a node, and whether they are negated.
fn subqueries(node: &LogicalPlan) -> Vec<(Kind, Subquery, bool)> {
    let mut found = Vec::new();
    let _: Result<TreeNodeRecursion> = node.apply_expressions(|expr| {
        datafusion_common::tree_node::TreeNode::apply(expr, |part| {
            match part {
                Expr::Exists(exists) => found.push((Kind::Exists, exists.subquery.clone(), exists.negated)),
                Expr::InSubquery(of) => found.push((Kind::In, of.subquery.clone(), of.negated)),
                Expr::ScalarSubquery(subquery) => found.push((Kind::Scalar, subquery.clone(), false)),
                // `NOT (a IN (…))`
                Expr::Not(inner) => {
                    if let Expr::InSubquery(of) = &**inner {
                        found.push((Kind::In, of.subquery.clone(), !of.negated));
                        return Ok(TreeNodeRecursion::Jump);
                    }
                }
                _ => {}
            }
            Ok(TreeNodeRecursion::Continue)
        })
    });
    found
}

/// The columns that a subquery reads of the query around it, those of subqueries in it left out.
fn outer_columns(subquery: &LogicalPlan) -> Vec<Column> {
    let exprs = subquery.all_out_ref_exprs().into_iter();
    exprs
        .filter_map(|expr| match expr {
            Expr::OuterReferenceColumn(_, column) => Some(column),
            _ => None,
        })
        .collect()
}

fn is_supported(node: &LogicalPlan, kind: Kind, subquery: &LogicalPlan, negated: bool) -> bool {
    let LogicalPlan::Filter(filter) = node else { return false };
    let around = filter.input.schema();
    // A column of a query farther out would be looked for in the next one.
    let reads_next = outer_columns(subquery).iter().all(|column| around.index_of_column(column).is_ok());
    kind != Kind::Scalar && reads_next && Movable { kind, negated }.through(subquery)
}

/// Whether conditions on outer columns may be moved out of a subquery.
struct Movable {
    kind: Kind,
    negated: bool,
}

impl Movable {
    fn through(&self, plan: &LogicalPlan) -> bool {
        if plan.all_out_ref_exprs().is_empty() {
            return true;
        }
        let reads_outer = plan.contains_outer_reference();
        match plan {
            LogicalPlan::Filter(filter) => self.through(&filter.input),
            _ if reads_outer => false,
            LogicalPlan::Projection(projection) => {
                let is_column = |expr: &Expr| matches!(expr.clone().unalias(), Expr::Column(_));
                // What is computed from a null may be in a list.
                let is_same = projection.expr.iter().all(is_column) || !is_global(&projection.input);
                is_same && self.through(&projection.input)
            }
            LogicalPlan::SubqueryAlias(alias) => self.through(&alias.input),
            LogicalPlan::Distinct(Distinct::All(input)) => self.through(input),
            LogicalPlan::Join(join) => {
                join.join_type == JoinType::Inner && self.through(&join.left) && self.through(&join.right)
            }
            LogicalPlan::Aggregate(aggregate) => self.through_aggregate(aggregate),
            LogicalPlan::Limit(limit) => self.through_limit(limit),
            _ => false,
        }
    }

    /// An aggregation without groups has a row though it has no input; the join would have none.
    fn through_aggregate(&self, aggregate: &Aggregate) -> bool {
        let has_sets = aggregate.group_expr.iter().any(|group| matches!(group, Expr::GroupingSet(_)));
        let is_empty_null =
            || self.kind == Kind::In && !self.negated && aggregate.aggr_expr.iter().all(is_null_if_empty);
        let same_rows = !aggregate.group_expr.is_empty() || is_empty_null();
        !has_sets && same_rows && self.through(&aggregate.input)
    }

    /// `EXISTS` asks only whether there is a row.
    fn through_limit(&self, limit: &Limit) -> bool {
        self.kind == Kind::Exists && limit.skip.is_none() && self.through(&limit.input)
    }
}

/// Whether it is an aggregation without groups, perhaps with a condition on its row.
fn is_global(plan: &LogicalPlan) -> bool {
    match plan {
        LogicalPlan::Aggregate(aggregate) => aggregate.group_expr.is_empty(),
        LogicalPlan::Filter(filter) => is_global(&filter.input),
        LogicalPlan::SubqueryAlias(alias) => is_global(&alias.input),
        LogicalPlan::Projection(projection) => is_global(&projection.input),
        _ => false,
    }
}

/// Whether an aggregate of no rows is null, which is in no list.
fn is_null_if_empty(aggregate: &Expr) -> bool {
    match aggregate.clone().unalias() {
        Expr::AggregateFunction(call) => ["MIN", "MAX", "SUM", "AVG"].contains(&call.func.name()),
        _ => false,
    }
}
