//! `IN`, `EXISTS`, their negations, `INTERSECT` and `EXCEPT`: semi and anti joins.

use datafusion_common::{JoinType, NullEquality};
use datafusion_expr::Join;
use graph::{
    ChangelogMode, Expr, OperatorSpec,
    operator::{SemiJoinSpec, WindowJoinKind},
};
use model::DataType;

use super::{
    Base, Lowering, Relation, Scope,
    join::{Side, join_schema},
    scalar::{self, cast_from, conjunction},
};
use crate::SqlError;

impl Lowering<'_> {
    pub(super) fn semi_join(&mut self, join: &Join) -> Result<Relation, SqlError> {
        let left = self.computed_once(&join.left)?;
        let right = self.computed_once(&join.right)?;
        let (left_schema, right_schema) = (self.base_schema(&left.base)?, self.base_schema(&right.base)?);
        // `x NOT IN (…)` is not true if x is null or the query has a null, so its comparison is no key.
        let compared = usize::from(join.null_aware);
        if join.on.len() < compared {
            return Err(SqlError::new("this comparison of NOT IN with a query is not supported"));
        }
        let (mut left_keys, mut right_keys) = (Vec::new(), Vec::new());
        for (l, r) in &join.on {
            let l = Scope { schema: join.left.schema(), exprs: &left.exprs }.lower(l)?;
            let r = Scope { schema: join.right.schema(), exprs: &right.exprs }.lower(r)?;
            let (left_type, right_type) = (scalar::type_of(&l, &left_schema)?, scalar::type_of(&r, &right_schema)?);
            let common = expressions::common_type(&left_type, &right_type).ok_or_else(|| {
                SqlError::new(format!("a join compares {left_type} with {right_type}, which have no common type"))
            })?;
            left_keys.push(cast_from(l, &left_type, &common, false));
            right_keys.push(cast_from(r, &right_type, &common, false));
        }
        let (names, widths) = (left.names.clone(), (left.exprs.len(), right.exprs.len()));
        let left = self.side(left, left_keys)?;
        let right = self.side(right, right_keys)?;
        let left_columns = self.graph.nodes[left.node].schema.clone();
        let right_columns = self.graph.nodes[right.node].schema.clone();
        let shift = left_columns.len();
        let exprs: Vec<Expr> = (0..widths.0).chain(shift..shift + widths.1).map(Expr::Column).collect();
        let mut condition = match &join.filter {
            Some(filter) => Some(Scope { schema: &join_schema(join)?, exprs: &exprs }.lower(filter)?),
            None => None,
        };
        for (&l, &r) in left.keys.iter().zip(&right.keys).take(compared) {
            let equal = Expr::call("=", vec![Expr::Column(l), Expr::Column(shift + r)], DataType::Boolean);
            let perhaps = Expr::call("IS NOT FALSE", vec![equal], DataType::Boolean);
            condition = conjunction(Some(perhaps), condition);
        }
        let of_keys = |side: Side| Side { keys: side.keys[compared..].to_vec(), ..side };
        let (left, right) = (of_keys(left), of_keys(right));
        let anti = join.join_type == JoinType::LeftAnti;
        let nulls_equal = join.null_equality == NullEquality::NullEqualsNull;
        if let Some(windows) = self.same_window(&left, &right) {
            let kind = if anti { WindowJoinKind::Anti } else { WindowJoinKind::Semi };
            let spec = self.window_join_spec(kind, &left, &right, windows, nulls_equal, condition);
            let (fields, exprs) = (left_columns.fields, (0..names.len()).map(Expr::Column).collect());
            let joined = self.joined(OperatorSpec::WindowJoin(spec), &left, &right, fields, exprs, names);
            return Ok(joined.in_window(windows.0));
        }
        let (left_keys, right_keys) = (left.keys.clone(), right.keys.clone());
        let spec = SemiJoinSpec {
            anti,
            left_keys: left_keys.clone(),
            right_keys: right_keys.clone(),
            nulls_equal,
            condition,
            left_input: ChangelogMode::APPEND,
            right_input: ChangelogMode::APPEND,
            left_schema: left_columns.clone(),
            right_schema: right_columns,
        };
        let node = self.add(OperatorSpec::SemiJoin(spec), left_columns);
        self.connect_by_key(left.node, node, 0, &left_keys);
        self.connect_by_key(right.node, node, 1, &right_keys);
        let exprs = (0..names.len()).map(Expr::Column).collect();
        Ok(Relation { base: Base::Node { node, window: None }, exprs, names, filter: None })
    }
}
