//! Joins.

use datafusion_expr::Join;
use graph::{
    ChangelogMode, Expr, NodeId, OperatorSpec,
    operator::{IntervalJoinSpec, JoinSpec},
};
use model::{Field, Schema};

use super::{
    Base, Lowering, Relation, Scope,
    scalar::{self, cast_from},
};
use crate::{SqlError, interval};

/// An input with keys, as of a join: its operator has the fields of the relation first, then keys that are no fields.
pub(super) struct Side {
    pub(super) node: NodeId,
    width: usize,
    pub(super) keys: Vec<usize>,
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
        let mut fields = left_columns.fields.clone();
        fields.extend(right_columns.fields.iter().cloned());
        if let Some(times) = interval::of_join(join, None) {
            let spec = IntervalJoinSpec {
                left_keys: left.keys.clone(),
                right_keys: right.keys.clone(),
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
            condition,
            left_input: ChangelogMode::APPEND,
            right_input: ChangelogMode::APPEND,
            left_schema: left_columns,
            right_schema: right_columns,
        };
        Ok(self.joined(OperatorSpec::Join(spec), &left, &right, fields, exprs, names))
    }

    fn joined(
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
        let (node, _) = self.materialize(Relation { exprs, names, ..relation })?;
        Ok(Side { node, width, keys: positions })
    }
}

/// The columns that a join's condition may read.
fn join_schema(join: &Join) -> Result<datafusion_common::DFSchema, SqlError> {
    join.left.schema().join(join.right.schema()).map_err(|error| SqlError::from_planner(&error, &|_| None))
}
