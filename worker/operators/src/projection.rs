//! Expressions over only those columns that they use, so that a filter need not copy the others.

use std::collections::BTreeSet;

use arrow::array::RecordBatch;
use expressions::Evaluator;
use graph::Expr;
use model::{Failure, Schema};

/// Expressions compiled over a narrowed input.
pub(crate) struct Projection {
    /// The input columns that are used, ascending.
    pub(crate) used: Vec<usize>,
    evaluators: Vec<Evaluator>,
}

impl Projection {
    /// Compiles `exprs` over `input`.
    pub(crate) fn new(exprs: &[Expr], input: &Schema) -> Result<Self, Failure> {
        let mut used = BTreeSet::new();
        for expr in exprs {
            expr.visit(&mut |expr| {
                if let Expr::Column(index) = expr {
                    used.insert(*index);
                }
            });
        }
        let used: Vec<usize> = used.into_iter().collect();
        if let Some(index) = used.iter().find(|&&index| index >= input.len()) {
            return Err(Failure::internal(format!("column {index} of {} columns", input.len())));
        }
        let narrow = Schema::new(used.iter().map(|&index| input.fields[index].clone()).collect());
        let evaluators =
            exprs.iter().map(|expr| Evaluator::compile(&renumbered(expr, &used), &narrow)).collect::<Result<_, _>>()?;
        Ok(Self { used, evaluators })
    }

    /// The used columns of a batch of the whole input; nothing is copied.
    pub(crate) fn narrow(&self, batch: &RecordBatch) -> Result<RecordBatch, Failure> {
        Ok(batch.project(&self.used)?)
    }

    /// The expressions, in order, over a narrowed batch.
    pub(crate) fn evaluators(&self) -> &[Evaluator] {
        &self.evaluators
    }
}

fn renumbered(expr: &Expr, used: &[usize]) -> Expr {
    let again = |expr: &Expr| renumbered(expr, used);
    match expr {
        Expr::Column(index) => Expr::Column(used.binary_search(index).unwrap_or(*index)),
        Expr::Literal { .. } => expr.clone(),
        Expr::Field { of, name } => Expr::Field { of: Box::new(again(of)), name: name.clone() },
        Expr::Call { function, args, data_type } => Expr::Call {
            function: function.clone(),
            args: args.iter().map(again).collect(),
            data_type: data_type.clone(),
        },
        Expr::Cast { of, to, safe } => Expr::Cast { of: Box::new(again(of)), to: to.clone(), safe: *safe },
        Expr::Case { branches, otherwise } => Expr::Case {
            branches: branches.iter().map(|(condition, result)| (again(condition), again(result))).collect(),
            otherwise: otherwise.as_deref().map(again).map(Box::new),
        },
    }
}
