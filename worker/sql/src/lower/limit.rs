//! `LIMIT`.

use datafusion_common::DFSchema;
use datafusion_expr::{Expr as Logical, Limit, LogicalPlan};
use graph::{Expr, OperatorSpec, Value, operator::LimitSpec};

use super::{Base, Lowering, Relation, Scope};
use crate::SqlError;

impl Lowering<'_> {
    pub(super) fn limit(&mut self, limit: &Limit) -> Result<Relation, SqlError> {
        let none = DFSchema::empty();
        let scope = Scope { schema: &none, exprs: &[] };
        let constant = || SqlError::new("LIMIT and OFFSET are constant numbers of rows");
        let rows = |expr: &Option<Box<Logical>>| match expr.as_deref().map(|expr| scope.lower(expr)) {
            None => Ok(None),
            Some(Ok(Expr::Literal { value: Value::Integer(rows), .. })) => {
                u64::try_from(rows).map(Some).map_err(|_| constant())
            }
            Some(_) => Err(constant()),
        };
        let offset = rows(&limit.skip)?.unwrap_or(0);
        let fetch = rows(&limit.fetch)?.unwrap_or(u64::MAX);
        if is_sorted(&limit.input) {
            let first = i64::try_from(offset).map_err(|_| constant())?;
            let last = first.checked_add(i64::try_from(fetch).map_err(|_| constant())?).ok_or_else(constant)?;
            self.limits = Some((first, last));
            return self.relation(&limit.input);
        }
        let relation = self.relation(&limit.input)?;
        let names = relation.names.clone();
        let (input, window) = self.materialize(relation)?;
        let schema = self.graph.nodes[input].schema.clone();
        let node = self.add(OperatorSpec::Limit(LimitSpec { limit: fetch, offset }), schema);
        self.connect_by_key(input, node, 0, &[]);
        let exprs = (0..names.len()).map(Expr::Column).collect();
        Ok(Relation { base: Base::Node { node, window }, exprs, names, filter: None })
    }
}

/// Whether an `ORDER BY` stands directly below.
fn is_sorted(plan: &LogicalPlan) -> bool {
    match plan {
        LogicalPlan::Sort(_) => true,
        LogicalPlan::Projection(projection) => is_sorted(&projection.input),
        _ => false,
    }
}
