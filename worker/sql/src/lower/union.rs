//! `UNION ALL`: one Calc with several inputs.

use datafusion_expr::Union;
use graph::{Expr, OperatorSpec, Partitioning, operator::CalcSpec};
use model::{DataType, Field, Schema};

use super::{Base, Lowering, ROW, Relation, scalar};
use crate::SqlError;

impl Lowering<'_> {
    /// The rows of all inputs, whose columns get common types.
    pub(super) fn union(&mut self, union: &Union, names: Vec<String>) -> Result<Relation, SqlError> {
        let mut relations = Vec::with_capacity(union.inputs.len());
        let mut types: Vec<DataType> = Vec::new();
        for input in &union.inputs {
            let relation = self.relation(input)?;
            let found = self.types(&relation)?;
            if types.is_empty() {
                types = found;
            } else {
                for (index, (common, other)) in types.iter_mut().zip(&found).enumerate() {
                    *common = expressions::common_type(common, other).ok_or_else(|| {
                        SqlError::new(format!(
                            "column {} of UNION has the types {common} and {other}, which have no common type",
                            index + 1
                        ))
                    })?;
                }
            }
            relations.push(relation);
        }
        let mut inputs = Vec::with_capacity(relations.len());
        let mut windows = Vec::with_capacity(relations.len());
        for relation in relations {
            let found = self.types(&relation)?;
            let exprs = relation.exprs.into_iter().zip(found.iter().zip(&types));
            let exprs = exprs.map(|(expr, (from, to))| scalar::cast_from(expr, from, to, false)).collect();
            let relation = Relation { exprs, names: names.clone(), ..relation };
            let (node, window) = self.materialize(relation)?;
            inputs.push(node);
            windows.push(window);
        }
        // Rows of the same windows stay such.
        let window = windows.first().copied().flatten().filter(|first| windows.iter().all(|of| *of == Some(*first)));
        let fields = names.iter().zip(types).map(|(name, data_type)| Field::new(name.clone(), data_type));
        let mut schema = Schema::new(fields.collect());
        if schema.fields.is_empty() {
            schema.fields.push(Field::new(ROW, DataType::Boolean));
        }
        let projection = (0..schema.len()).map(Expr::Column).collect();
        let node = self.add(OperatorSpec::Calc(CalcSpec { filter: None, projection }), schema);
        for input in inputs {
            self.connect(input, node, 0, Partitioning::Forward);
        }
        let exprs = (0..names.len()).map(Expr::Column).collect();
        Ok(Relation { base: Base::Node { node, window }, exprs, names, filter: None })
    }
}
