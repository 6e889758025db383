//! `UNNEST(…)` behind a comma or `JOIN`: a row for each element of the left side's array or map.

use std::{cmp::Ordering, fmt, sync::Arc};

use datafusion_common::{
    DFSchema, DFSchemaRef, DataFusionError, JoinType, Result, TableReference,
    tree_node::{Transformed, TreeNode},
};
use datafusion_expr::{
    Expr, Extension, Filter, LogicalPlan, UserDefinedLogicalNodeCore,
    planner::{PlannedRelation, RelationPlanner, RelationPlannerContext, RelationPlanning},
};
use model::{DataType, Field};
use sqlparser::ast::{Spanned, TableFactor};

use crate::{SqlError, escape};

/// The input's columns and those of the elements of a collection.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct UnnestNode {
    pub(crate) input: LogicalPlan,
    pub(crate) collection: Expr,
    /// Whether a row without elements comes out once, with nulls.
    pub(crate) outer: bool,
    pub(crate) ordinality: bool,
    /// The qualifier and names of the columns that are added.
    added: Vec<(Option<TableReference>, String)>,
    schema: DFSchemaRef,
}

impl PartialOrd for UnnestNode {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        (self == other).then_some(Ordering::Equal)
    }
}

/// The columns of a collection's elements.
pub(crate) fn columns(collection: &DataType, ordinality: bool) -> Result<Vec<Field>, SqlError> {
    let mut fields = match &collection.without_not_null() {
        DataType::Array(element) | DataType::Multiset(element) => match &**element {
            DataType::Row(fields) => fields.clone(),
            element => vec![Field::new("EXPR$0", element.clone())],
        },
        DataType::Map(key, value) => vec![Field::new("KEY", (**key).clone()), Field::new("VALUE", (**value).clone())],
        other => return Err(SqlError::new(format!("UNNEST takes an array or a map, not {other}"))),
    };
    if ordinality {
        fields.push(Field::new("ORDINALITY", DataType::Int));
    }
    Ok(fields)
}

impl UnnestNode {
    fn try_new(
        input: LogicalPlan,
        collection: Expr,
        collection_type: &DataType,
        flags: (bool, bool),
        added: Vec<(Option<TableReference>, String)>,
    ) -> Result<Self> {
        let (outer, ordinality) = flags;
        let fields = columns(collection_type, ordinality)?;
        let of_input = input.schema().iter().map(|(qualifier, field)| (qualifier.cloned(), Arc::clone(field)));
        let of_elements = added
            .iter()
            .zip(&fields)
            .map(|((qualifier, name), field)| (qualifier.clone(), escape::arrow_field(name, &field.data_type)));
        let schema = DFSchema::new_with_metadata(of_input.chain(of_elements).collect(), Default::default())?;
        Ok(Self { schema: Arc::new(schema), input, collection, outer, ordinality, added })
    }

    fn type_in(&self, input: &LogicalPlan, collection: &Expr) -> Result<DataType> {
        use datafusion_expr::ExprSchemable;
        let (_, field) = collection.to_field(input.schema())?;
        Ok(escape::flink_type(&field)?)
    }

    fn over(&self, input: LogicalPlan, collection: Expr, outer: bool) -> Result<Self> {
        let data_type = self.type_in(&input, &collection)?;
        Self::try_new(input, collection, &data_type, (outer, self.ordinality), self.added.clone())
    }
}

impl UserDefinedLogicalNodeCore for UnnestNode {
    fn name(&self) -> &str {
        "Unnest"
    }

    fn inputs(&self) -> Vec<&LogicalPlan> {
        vec![&self.input]
    }

    fn schema(&self) -> &DFSchemaRef {
        &self.schema
    }

    fn expressions(&self) -> Vec<Expr> {
        vec![self.collection.clone()]
    }

    fn prevent_predicate_push_down_columns(&self) -> std::collections::HashSet<String> {
        self.added.iter().map(|(_, name)| name.clone()).collect()
    }

    fn fmt_for_explain(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Unnest: {}", self.collection)
    }

    fn with_exprs_and_inputs(&self, mut exprs: Vec<Expr>, mut inputs: Vec<LogicalPlan>) -> Result<Self> {
        match (exprs.pop(), inputs.pop()) {
            (Some(collection), Some(input)) => self.over(input, collection, self.outer),
            _ => Err(DataFusionError::Internal("UNNEST has a collection and an input".into())),
        }
    }

    fn necessary_children_exprs(&self, output_columns: &[usize]) -> Option<Vec<Vec<usize>>> {
        let schema = self.input.schema();
        let width = schema.fields().len();
        let mut needed: Vec<usize> = output_columns.iter().copied().filter(|&column| column < width).collect();
        needed.extend(self.collection.column_refs().iter().filter_map(|column| schema.index_of_column(column).ok()));
        needed.sort_unstable();
        needed.dedup();
        Some(vec![needed])
    }
}

/// `UNNEST` in `FROM`, until it is put over the left side.
#[derive(Debug)]
pub(crate) struct UnnestPlanner;

impl RelationPlanner for UnnestPlanner {
    fn plan_relation(
        &self,
        relation: TableFactor,
        context: &mut dyn RelationPlannerContext,
    ) -> Result<RelationPlanning> {
        let place = relation.span();
        let TableFactor::UNNEST { mut alias, mut array_exprs, with_offset: false, with_ordinality, .. } = relation
        else {
            return Ok(RelationPlanning::Original(Box::new(relation)));
        };
        let (Some(collection), true) = (array_exprs.pop(), array_exprs.is_empty()) else {
            return Err(SqlError::at_span("UNNEST takes one array or map", place).into());
        };
        let empty = DFSchema::empty();
        let collection = context.sql_to_expr(collection, &empty)?;
        let input = datafusion_expr::LogicalPlanBuilder::empty(true).build()?;
        let data_type = {
            use datafusion_expr::ExprSchemable;
            let (_, field) = collection.to_field(&empty)?;
            escape::flink_type(&field)?
        };
        let fields = columns(&data_type, with_ordinality).map_err(|error| error.or_at(place))?;
        // Named here: what stands between this and the join is taken away.
        let qualifier = alias.as_ref().map(|alias| TableReference::bare(alias.name.value.clone()));
        let named = alias.as_mut().map(|alias| std::mem::take(&mut alias.columns)).unwrap_or_default();
        if !named.is_empty() && named.len() != fields.len() {
            let message = format!("UNNEST gives {} columns, but {} names are given", fields.len(), named.len());
            return Err(SqlError::at_span(message, place).into());
        }
        let name =
            |index: usize| named.get(index).map_or_else(|| fields[index].name.clone(), |name| name.name.value.clone());
        let added = (0..fields.len()).map(|index| (qualifier.clone(), name(index))).collect();
        let node = UnnestNode::try_new(input, collection, &data_type, (false, with_ordinality), added)?;
        let plan = LogicalPlan::Extension(Extension { node: Arc::new(node) });
        Ok(RelationPlanning::Planned(Box::new(PlannedRelation::new(plan, None))))
    }
}

/// The plan with each `UNNEST` over the side whose columns it reads.
pub(crate) fn expand(plan: LogicalPlan) -> Result<LogicalPlan> {
    let expanded = plan.transform_up_with_subqueries(|plan| {
        let LogicalPlan::Join(join) = &plan else { return Ok(Transformed::no(plan)) };
        let Some(node) = unnest_of(&join.right) else { return Ok(Transformed::no(plan)) };
        let outer = match join.join_type {
            JoinType::Inner => false,
            JoinType::Left => true,
            other => return Err(SqlError::new(format!("{other} JOIN with UNNEST is not supported")).into()),
        };
        let filtered = join.filter.is_some() || !join.on.is_empty();
        if outer && (!join.on.is_empty() || !join.filter.as_ref().is_none_or(is_true)) {
            return Err(SqlError::new("LEFT JOIN with UNNEST takes no condition but TRUE").into());
        }
        let collection = node.collection.clone().transform_up(|expr| match expr {
            Expr::OuterReferenceColumn(_, column) => Ok(Transformed::yes(Expr::Column(column))),
            other => Ok(Transformed::no(other)),
        })?;
        let over = node.over((*join.left).clone(), collection.data, outer)?;
        let mut planned = LogicalPlan::Extension(Extension { node: Arc::new(over) });
        if filtered && !outer {
            let on = join.on.iter().map(|(left, right)| left.clone().eq(right.clone()));
            let condition = on.chain(join.filter.clone()).reduce(Expr::and);
            if let Some(condition) = condition {
                planned = LogicalPlan::Filter(Filter::try_new(condition, Arc::new(planned))?);
            }
        }
        Ok(Transformed::yes(planned))
    })?;
    Ok(expanded.data)
}

fn is_true(expr: &Expr) -> bool {
    matches!(expr, Expr::Literal(datafusion_common::ScalarValue::Boolean(Some(true)), _))
}

fn unnest_of(plan: &LogicalPlan) -> Option<&UnnestNode> {
    match plan {
        LogicalPlan::Subquery(subquery) => unnest_of(&subquery.subquery),
        LogicalPlan::SubqueryAlias(alias) => unnest_of(&alias.input),
        LogicalPlan::Extension(extension) => extension.node.as_any().downcast_ref(),
        _ => None,
    }
}
