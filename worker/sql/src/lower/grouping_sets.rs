//! `GROUPING SETS`, `ROLLUP` and `CUBE`: each row is repeated for each set, without the groups that the set leaves out
//! and with the number of the set as one more group.

#![expect(clippy::cast_possible_wrap, reason = "numbers of a plan are small")]

use datafusion_expr::{Aggregate, Expr as Logical, GroupingSet, utils::grouping_set_to_exprlist};
use graph::{Expr, OperatorSpec, Partitioning, Value, operator::CalcSpec};
use model::{DataType, Schema};

use super::{
    Base, Lowering, Relation, Scope,
    scalar::{self, substitute},
};
use crate::SqlError;

/// A relation whose rows are repeated.
pub(super) struct Expanded {
    pub(super) relation: Relation,
    /// The groups, then the set.
    pub(super) groups: Vec<Expr>,
    /// By how much columns behind the input's moved, and where those began.
    moved: (usize, usize),
}

impl Expanded {
    /// An expression over the base as it was, as one over the base as it is.
    pub(super) fn over(&self, expr: &Expr) -> Expr {
        over(expr, self.moved)
    }
}

fn over(expr: &Expr, (by, from): (usize, usize)) -> Expr {
    substitute(expr, &|column| Expr::Column(if column >= from { column + by } else { column }))
}

/// The grouping sets of an aggregation, as lists of expressions.
pub(super) fn sets(group_expr: &[Logical]) -> Result<Option<Vec<Vec<&Logical>>>, SqlError> {
    let [Logical::GroupingSet(sets)] = group_expr else { return Ok(None) };
    Ok(Some(match sets {
        GroupingSet::GroupingSets(sets) => sets.iter().map(|set| set.iter().collect()).collect(),
        GroupingSet::Rollup(exprs) => (0..=exprs.len()).rev().map(|length| exprs[..length].iter().collect()).collect(),
        GroupingSet::Cube(exprs) if exprs.len() > 12 => {
            return Err(SqlError::new("CUBE of so many columns is not supported"));
        }
        GroupingSet::Cube(exprs) => (0..1_usize << exprs.len())
            .map(|left_out| {
                exprs
                    .iter()
                    .enumerate()
                    .filter(|(index, _)| left_out & (1 << index) == 0)
                    .map(|(_, expr)| expr)
                    .collect()
            })
            .collect(),
    }))
}

/// The arguments of `GROUPING`, `GROUPING_ID` or `GROUP_ID`, which say of a row what its set is.
pub(super) fn grouping(expr: &Logical) -> Option<&[Logical]> {
    match expr {
        Logical::Alias(alias) => grouping(&alias.expr),
        Logical::AggregateFunction(call) if ["GROUPING", "GROUPING_ID", "GROUP_ID"].contains(&call.func.name()) => {
            Some(&call.params.args)
        }
        _ => None,
    }
}

/// The columns of an aggregation that is planned without its `GROUPING` and kin.
pub(super) fn without_groupings(aggregate: &Aggregate, names: Vec<String>) -> Vec<String> {
    let first = names.len() - aggregate.aggr_expr.len();
    let is_left = |index: usize| index < first || grouping(&aggregate.aggr_expr[index - first]).is_none();
    names.into_iter().enumerate().filter(|(index, _)| is_left(*index)).map(|(_, name)| name).collect()
}

/// Puts `GROUPING` and kin back, as what is known of each set.
pub(super) fn with_groupings(
    aggregate: &Aggregate,
    sets: Option<&[Vec<&Logical>]>,
    mut relation: Relation,
) -> Result<Relation, SqlError> {
    let calls = &aggregate.aggr_expr;
    let first = aggregate.schema.fields().len() - calls.len();
    let set = relation.exprs.get(first.wrapping_sub(1)).cloned();
    for (index, args) in calls.iter().enumerate().filter_map(|(index, call)| Some((index, grouping(call)?))) {
        let value = match (sets, &set) {
            (Some(sets), Some(set)) => number_of(args, sets, set),
            _ => number(0),
        };
        let groups = grouping_set_to_exprlist(&aggregate.group_expr);
        let groups = groups.map_err(|error| SqlError::from_planner(&error, &|_| None))?;
        if let Some(other) = args.iter().find(|arg| !groups.contains(arg)) {
            return Err(SqlError::new(format!("GROUPING is asked of {other}, which is no group")));
        }
        relation.exprs.insert(first + index, value);
        relation.names.insert(first + index, format!("$a{}", first + index));
    }
    Ok(relation)
}

fn number(value: i64) -> Expr {
    Expr::Literal { value: Value::Integer(value), data_type: DataType::BigInt }
}

/// A bit for each argument that is left out; without arguments, how many equal sets came before.
fn number_of(args: &[Logical], sets: &[Vec<&Logical>], set: &Expr) -> Expr {
    let value = |at: usize| {
        if args.is_empty() {
            return sets[..at].iter().filter(|other| **other == sets[at]).count() as i64;
        }
        args.iter().fold(0, |bits, arg| bits << 1 | i64::from(!sets[at].contains(&arg)))
    };
    let branches = (0..sets.len()).map(|at| {
        let is_it = Expr::call("=", vec![set.clone(), number(at as i64)], DataType::Boolean);
        (is_it, number(value(at)))
    });
    Expr::Case { branches: branches.collect(), otherwise: None }
}

impl Lowering<'_> {
    /// Whether each set has the columns of the windows that any of them has. If not, these are columns like others.
    pub(super) fn are_of_windows(
        &self,
        relation: &Relation,
        aggregate: &Aggregate,
        sets: &[Vec<&Logical>],
    ) -> Result<bool, SqlError> {
        let window = match &relation.base {
            Base::Node { window, .. } => *window,
            Base::Window { input, of } => Some(of.columns(input.exprs.len())),
            Base::Numbered(_) => return Err(SqlError::internal("numbered rows are ranked before they are grouped")),
        };
        let Some(window) = window else { return Ok(true) };
        let of_window = [Some(window.start), Some(window.end), window.time];
        let scope = Scope { schema: aggregate.input.schema(), exprs: &relation.exprs };
        let exprs = grouping_set_to_exprlist(&aggregate.group_expr);
        for expr in exprs.map_err(|error| SqlError::from_planner(&error, &|_| None))? {
            let lowered = scope.lower(expr)?;
            let is_window = matches!(lowered, Expr::Column(column) if of_window.contains(&Some(column)));
            if is_window && !sets.iter().all(|set| set.contains(&expr)) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Repeats the rows of `relation`, whose fields `scope` knows, for each set.
    #[expect(clippy::too_many_lines, reason = "the steps of one rewriting")]
    pub(super) fn expand(
        &mut self,
        relation: Relation,
        scope_schema: &datafusion_common::DFSchema,
        group_expr: &[Logical],
        sets: &[Vec<&Logical>],
    ) -> Result<Expanded, SqlError> {
        let exprs = grouping_set_to_exprlist(group_expr).map_err(|error| SqlError::from_planner(&error, &|_| None))?;
        let scope = Scope { schema: scope_schema, exprs: &relation.exprs };
        let lowered = exprs.iter().map(|expr| scope.lower(expr)).collect::<Result<Vec<_>, _>>()?;
        let base_schema = self.base_schema(&relation.base)?;
        let (node, window) = match &relation.base {
            Base::Node { node, window } => (*node, *window),
            Base::Window { input, .. } => self.materialize((**input).clone())?,
            Base::Numbered(_) => return Err(SqlError::internal("numbered rows are ranked before they are grouped")),
        };
        let columns = self.graph.nodes[node].schema.clone();
        let width = columns.len();
        // What is a column of the window is a group of each set, and stays as it is.
        let is_window = |expr: &Expr| match (&relation.base, expr) {
            (Base::Window { .. }, Expr::Column(column)) => *column >= width,
            (Base::Node { window: Some(window), .. }, Expr::Column(column)) => {
                [Some(window.start), Some(window.end), window.time].contains(&Some(*column))
            }
            _ => false,
        };
        let added: Vec<usize> = (0..lowered.len()).filter(|&group| !is_window(&lowered[group])).collect();
        let reads_window = |expr: &Expr| scalar::columns_of(expr).iter().any(|column| *column >= width);
        if added.iter().any(|&group| reads_window(&lowered[group])) {
            return Err(SqlError::new("grouping sets of what is computed from a window are not supported"));
        }
        let mut names: Vec<String> = columns.fields.iter().map(|field| field.name.clone()).collect();
        names.extend(added.iter().map(|group| format!("$g{group}")));
        names.push("$set".to_owned());
        let mut inputs = Vec::with_capacity(sets.len());
        for (number, set) in sets.iter().enumerate() {
            let is_in = |group: usize| set.iter().any(|expr| **expr == *exprs[group]);
            if (0..lowered.len()).any(|group| is_window(&lowered[group]) && !is_in(group)) {
                return Err(SqlError::internal("a grouping set without the window of the others"));
            }
            let mut projection: Vec<Expr> = (0..width).map(Expr::Column).collect();
            for &group in &added {
                projection.push(if is_in(group) {
                    lowered[group].clone()
                } else {
                    let data_type = scalar::type_of(&lowered[group], &base_schema)?;
                    Expr::Literal { value: Value::Null, data_type }
                });
            }
            projection.push(Expr::Literal { value: Value::Integer(number as i64), data_type: DataType::BigInt });
            inputs.push(self.calc(node, None, projection, names.clone())?);
        }
        let mut fields = columns.fields;
        for &group in &added {
            let data_type = scalar::type_of(&lowered[group], &base_schema)?;
            fields.push(model::Field::new(format!("$g{group}"), data_type));
        }
        fields.push(model::Field::new("$set", DataType::BigInt));
        let projection: Vec<Expr> = (0..fields.len()).map(Expr::Column).collect();
        let union = OperatorSpec::Calc(CalcSpec { filter: None, projection: projection.clone() });
        let union = self.add(union, Schema::new(fields));
        inputs.into_iter().for_each(|input| self.connect(input, union, 0, Partitioning::Forward));
        let moved = match &relation.base {
            Base::Window { .. } => (added.len() + 1, width),
            Base::Node { .. } | Base::Numbered(_) => (0, usize::MAX),
        };
        let mut groups: Vec<Expr> = lowered.iter().map(|group| over(group, moved)).collect();
        for (position, &group) in added.iter().enumerate() {
            groups[group] = Expr::Column(width + position);
        }
        groups.push(Expr::Column(width + added.len()));
        let base = match relation.base {
            Base::Node { .. } | Base::Numbered(_) => Base::Node { node: union, window },
            Base::Window { of, .. } => {
                let input =
                    Relation { base: Base::Node { node: union, window: None }, exprs: projection, names, filter: None };
                Base::Window { input: Box::new(input), of }
            }
        };
        let exprs = relation.exprs.iter().map(|expr| over(expr, moved)).collect();
        let filter = relation.filter.as_ref().map(|filter| over(filter, moved));
        Ok(Expanded { relation: Relation { base, exprs, filter, names: relation.names }, groups, moved })
    }
}
