//! `UNNEST`.

use graph::{Expr, OperatorSpec, Partitioning, operator::UnnestSpec};
use model::{DataType, Field, Schema};

use super::{Base, Lowering, Relation, Scope, scalar};
use crate::{
    SqlError,
    unnest::{UnnestNode, columns},
};

impl Lowering<'_> {
    pub(super) fn unnest(&mut self, unnest: &UnnestNode) -> Result<Relation, SqlError> {
        let mut input = self.computed_once(&unnest.input)?;
        let collection = Scope { schema: unnest.input.schema(), exprs: &input.exprs }.lower(&unnest.collection)?;
        let data_type = scalar::type_of(&collection, &self.base_schema(&input.base)?)?;
        let (collection, data_type) = match data_type {
            DataType::Multiset(element) => {
                let array = DataType::Array(element);
                (Expr::call(expressions::ELEMENTS, vec![collection], array.clone()), array)
            }
            other => (collection, other),
        };
        let width = input.exprs.len();
        let column = input.exprs.iter().position(|expr| *expr == collection).unwrap_or_else(|| {
            input.exprs.push(collection);
            input.names.push("$collection".to_owned());
            width
        });
        let below = input.exprs.len();
        let (input, window) = self.materialize(input)?;
        let all = unnest_names(unnest);
        let elements = columns(&data_type, unnest.ordinality)?;
        let elements =
            elements.into_iter().zip(&all[width..]).map(|(field, name)| Field { name: name.clone(), ..field });
        let mut fields = self.graph.nodes[input].schema.fields.clone();
        fields.extend(elements);
        let spec = UnnestSpec { column, keep: true, outer: unnest.outer, ordinality: unnest.ordinality };
        let exprs = (0..width).chain(below..fields.len()).map(Expr::Column).collect();
        let node = self.add(OperatorSpec::Unnest(spec), Schema::new(fields));
        self.connect(input, node, 0, Partitioning::Forward);
        Ok(Relation { base: Base::Node { node, window }, exprs, names: all, filter: None })
    }
}

fn unnest_names(unnest: &UnnestNode) -> Vec<String> {
    use datafusion_expr::UserDefinedLogicalNodeCore;
    unnest.schema().fields().iter().map(|field| field.name().clone()).collect()
}
