//! Ids that a user gives to state: they become the uid of the last operator with state in a query.

use datafusion_expr::LogicalPlan;
use graph::{Expr, OperatorSpec};

use super::{Base, Lowering, Relation};
use crate::{SqlError, statement::StateId};

impl Lowering<'_> {
    /// A query whose state has an id.
    pub(super) fn with_state_id(&mut self, plan: &LogicalPlan, id: StateId) -> Result<Relation, SqlError> {
        let before = self.graph.nodes.len();
        let relation = self.relation(plan)?;
        if matches!(relation.base, Base::Numbered(_)) && relation.filter.is_none() {
            let message = format!("STATE_ID('{}') belongs to the query that filters the numbers of rows", id.0);
            return Err(SqlError::new(message));
        }
        let names = relation.names.clone();
        let (node, window) = self.materialize(relation)?;
        let keeps_state = |node: &usize| {
            let operator = &self.graph.nodes[*node].operator;
            operator.keeps_state() && !matches!(operator, OperatorSpec::Source(_))
        };
        let Some(last) = (before..self.graph.nodes.len()).rev().find(keeps_state) else {
            return Err(SqlError::new(format!("STATE_ID('{}'): the query keeps no state", id.0)));
        };
        let uid = &mut self.graph.nodes[last].uid;
        if !uid.is_empty() {
            // It is the state of a query in `FROM`.
            let message = format!("STATE_ID('{}'): the query keeps no state but that with the id '{uid}'", id.0);
            return Err(SqlError::new(message));
        }
        *uid = id.0;
        let exprs = (0..names.len()).map(Expr::Column).collect();
        Ok(Relation { base: Base::Node { node, window }, exprs, names, filter: None })
    }
}
