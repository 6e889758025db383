//! Joins.

use datafusion_common::NullEquality;
use datafusion_expr::Join;
use graph::{
    ChangelogMode, Expr, NodeId, OperatorSpec,
    operator::{IntervalJoinSpec, JoinSpec, WindowJoinKind, WindowJoinSpec},
};
use model::{Field, Schema};

use super::{
    Base, Lowering, Relation, Scope, WindowColumns,
    scalar::{self, cast_from},
};
use crate::{SqlError, interval};

/// One input of a join: its operator has the fields of the relation first, then keys that are no fields.
pub(super) struct Side {
    pub(super) node: NodeId,
    pub(super) width: usize,
    pub(super) keys: Vec<usize>,
    /// Where it has the columns of a window.
    pub(super) window: Option<WindowColumns>,
}

impl Lowering<'_> {
    pub(super) fn join(&mut self, join: &Join) -> Result<Relation, SqlError> {
        let left = self.computed_once(&join.left)?;
        let right = self.computed_once(&join.right)?;
        let (left_schema, right_schema) = (self.base_schema(&left.base)?, self.base_schema(&right.base)?);
        let (mut left_keys, mut right_keys) = (Vec::new(), Vec::new());
        for (l, r) in &join.on {
            let l = Scope { schema: join.left.schema(), exprs: &left.exprs }.lower(l)?;
            let r = Scope { schema: join.right.schema(), exprs: &right.exprs }.lower(r)?;
            let (left_type, right_type) = (scalar::type_of(&l, &left_schema)?, scalar::type_of(&r, &right_schema)?);
            // Keys are compared by their bytes.
            let common = expressions::common_type(&left_type, &right_type).ok_or_else(|| {
                SqlError::new(format!("a join compares {left_type} with {right_type}, which have no common type"))
            })?;
            left_keys.push(cast_from(l, &left_type, &common, false));
            right_keys.push(cast_from(r, &right_type, &common, false));
        }
        let mut names = left.names.clone();
        names.extend(right.names.iter().cloned());
        let left = self.side(left, left_keys)?;
        let right = self.side(right, right_keys)?;
        let left_columns = self.graph.nodes[left.node].schema.clone();
        let right_columns = self.graph.nodes[right.node].schema.clone();
        // The fields of the join are the fields of both sides; keys that were added are left out.
        let exprs: Vec<Expr> =
            (0..left.width).chain(left_columns.len()..left_columns.len() + right.width).map(Expr::Column).collect();
        let condition = match &join.filter {
            Some(filter) => Some(Scope { schema: &join_schema(join)?, exprs: &exprs }.lower(filter)?),
            None => None,
        };
        // `IS NOT DISTINCT FROM` gives keys, too.
        let nulls_equal = join.null_equality == NullEquality::NullEqualsNull;
        if let Some(windows) = self.same_window(&left, &right) {
            return Ok(self.window_join(&left, &right, windows, nulls_equal, condition, names));
        }
        let mut fields = left_columns.fields.clone();
        fields.extend(right_columns.fields.iter().cloned());
        if let Some(times) = interval::of_join(join, None) {
            let spec = IntervalJoinSpec {
                left_keys: left.keys.clone(),
                right_keys: right.keys.clone(),
                nulls_equal,
                left_time: times.left_time,
                right_time: times.right_time,
                lower: times.lower,
                upper: times.upper,
                condition,
                left_schema: left_columns,
                right_schema: right_columns,
            };
            return Ok(self.joined(OperatorSpec::IntervalJoin(spec), &left, &right, fields, exprs, names));
        }
        let spec = JoinSpec {
            left_keys: left.keys.clone(),
            right_keys: right.keys.clone(),
            nulls_equal,
            condition,
            left_input: ChangelogMode::APPEND,
            right_input: ChangelogMode::APPEND,
            left_schema: left_columns,
            right_schema: right_columns,
        };
        Ok(self.joined(OperatorSpec::Join(spec), &left, &right, fields, exprs, names))
    }

    pub(super) fn joined(
        &mut self,
        operator: OperatorSpec,
        left: &Side,
        right: &Side,
        fields: Vec<Field>,
        exprs: Vec<Expr>,
        names: Vec<String>,
    ) -> Relation {
        let node = self.add(operator, Schema::new(fields));
        self.connect_by_key(left.node, node, 0, &left.keys);
        self.connect_by_key(right.node, node, 1, &right.keys);
        Relation { base: Base::Node { node, window: None }, exprs, names, filter: None }
    }

    /// The windows of both sides, if the join is one of windows in event time that nothing updates.
    pub(super) fn same_window(&self, left: &Side, right: &Side) -> Option<(WindowColumns, WindowColumns)> {
        let (left_window, right_window) = (left.window?, right.window?);
        let keys = left.keys.iter().zip(&right.keys);
        let compared = |l: usize, r: usize| keys.clone().any(|(left, right)| (*left, *right) == (l, r));
        let same = left_window.window == right_window.window
            && left_window.of_instants == right_window.of_instants
            && !(left_window.processing || right_window.processing)
            && compared(left_window.start, right_window.start)
            && compared(left_window.end, right_window.end);
        (same && self.is_append(left.node) && self.is_append(right.node)).then_some((left_window, right_window))
    }

    /// Whether an operator surely gives inserts only.
    pub(super) fn is_append(&self, node: NodeId) -> bool {
        match &self.graph.nodes[node].operator {
            OperatorSpec::Source(source) => {
                source.table.connector() == "values"
                    || self.catalog.source(&source.table).is_ok_and(|source| source.changelog.is_append())
            }
            OperatorSpec::WindowAggregate(_) | OperatorSpec::WindowJoin(_) => true,
            OperatorSpec::Rank(spec) => spec.window_end.is_some(),
            OperatorSpec::Calc(_) | OperatorSpec::WindowAssign(_) | OperatorSpec::Join(_) => {
                self.graph.inputs(node).all(|edge| self.is_append(edge.from))
            }
            _ => false,
        }
    }

    fn window_join(
        &mut self,
        left: &Side,
        right: &Side,
        windows: (WindowColumns, WindowColumns),
        nulls_equal: bool,
        condition: Option<Expr>,
        names: Vec<String>,
    ) -> Relation {
        let spec = self.window_join_spec(WindowJoinKind::Inner, left, right, windows, nulls_equal, condition);
        let fields = spec.left_schema.fields.iter().chain(&spec.right_schema.fields).cloned().collect();
        let shift = spec.left_schema.len();
        let exprs = (0..left.width).chain(shift..shift + right.width).map(Expr::Column).collect();
        let joined = self.joined(OperatorSpec::WindowJoin(spec), left, right, fields, exprs, names);
        joined.in_window(windows.0)
    }

    /// The join of what both sides have in the same window.
    pub(super) fn window_join_spec(
        &self,
        kind: WindowJoinKind,
        left: &Side,
        right: &Side,
        (left_window, right_window): (WindowColumns, WindowColumns),
        nulls_equal: bool,
        condition: Option<Expr>,
    ) -> WindowJoinSpec {
        WindowJoinSpec {
            kind,
            left_keys: left.keys.clone(),
            right_keys: right.keys.clone(),
            nulls_equal,
            left_end: left_window.end,
            right_end: right_window.end,
            zone: self.zone_of(left_window.of_instants),
            condition,
            left_schema: self.graph.nodes[left.node].schema.clone(),
            right_schema: self.graph.nodes[right.node].schema.clone(),
        }
    }

    pub(super) fn side(&mut self, relation: Relation, keys: Vec<Expr>) -> Result<Side, SqlError> {
        let width = relation.exprs.len();
        let mut exprs = relation.exprs.clone();
        let mut names = relation.names.clone();
        let mut positions = Vec::with_capacity(keys.len());
        for key in keys {
            let position = exprs.iter().position(|expr| *expr == key).unwrap_or_else(|| {
                names.push(format!("$k{}", exprs.len()));
                exprs.push(key);
                exprs.len() - 1
            });
            positions.push(position);
        }
        let (node, window) = self.materialize(Relation { exprs, names, ..relation })?;
        Ok(Side { node, width, keys: positions, window })
    }
}

/// The columns that a join's condition may read.
pub(super) fn join_schema(join: &Join) -> Result<datafusion_common::DFSchema, SqlError> {
    join.left.schema().join(join.right.schema()).map_err(|error| SqlError::from_planner(&error, &|_| None))
}
