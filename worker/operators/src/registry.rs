//! From specification to running operator.

use dataflow::{OpenContext, Operator};
use graph::{
    Node, OperatorSpec,
    operator::{DeduplicateSpec, Keep, WindowKind},
};
use model::{Failure, Schema};

use crate::{
    calc::Calc,
    deduplicate::Deduplicate,
    first_arrival::FirstArrival,
    group_aggregate::GroupAggregate,
    join::{IntervalJoin, Join},
    limit::Limit,
    limits::Limits,
    local_aggregate::LocalAggregate,
    rank::Rank,
    semi_join::SemiJoin,
    session_aggregate::SessionAggregate,
    session_assign::SessionAssign,
    unnest::Unnest,
    window_aggregate::WindowAggregate,
    window_assign::WindowAssign,
    window_join::WindowJoin,
    window_rank::WindowRank,
};

/// Builds the operator that `node` specifies. `inputs` are the schemas of its input ports.
///
/// # Errors
/// Class `User` or `Internal` if the specification cannot be built; `Data` if restored state does not fit.
pub fn build(node: &Node, inputs: &[Schema], context: &mut OpenContext) -> Result<Box<dyn Operator>, Failure> {
    build_within(Limits::default(), node, inputs, context)
}

/// As [`build`], with other limits.
pub(crate) fn build_within(
    limits: Limits,
    node: &Node,
    inputs: &[Schema],
    context: &mut OpenContext,
) -> Result<Box<dyn Operator>, Failure> {
    let built: Result<Box<dyn Operator>, Failure> = match &node.operator {
        OperatorSpec::Calc(spec) => Calc::new(spec, node, input(inputs, 0)?).map(boxed),
        OperatorSpec::GroupAggregate(spec) => {
            GroupAggregate::new(spec, node, input(inputs, 0)?, limits, context).map(boxed)
        }
        OperatorSpec::LocalAggregate(spec) => {
            LocalAggregate::new(spec, node, input(inputs, 0)?, limits, context).map(boxed)
        }
        OperatorSpec::IntervalJoin(spec) => IntervalJoin::new(spec, node, context).map(boxed),
        OperatorSpec::Join(spec) => Join::new(spec, node, limits, context).map(boxed),
        OperatorSpec::Rank(spec) => match spec.window_end {
            Some(end) => WindowRank::new(spec, end, node, input(inputs, 0)?, context).map(boxed),
            None => Rank::new(spec, node, input(inputs, 0)?, limits, context).map(boxed),
        },
        OperatorSpec::Deduplicate(spec @ DeduplicateSpec { keep: Keep::First, processing: true, .. }) => {
            FirstArrival::new(spec, input(inputs, 0)?, context).map(boxed)
        }
        OperatorSpec::Deduplicate(spec @ DeduplicateSpec { keep: Keep::First, .. }) => {
            Deduplicate::new(spec, node, input(inputs, 0)?, context).map(boxed)
        }
        OperatorSpec::Deduplicate(spec) => Rank::latest(spec, node, input(inputs, 0)?, limits, context).map(boxed),
        OperatorSpec::Limit(spec) => Limit::new(spec, context).map(boxed),
        OperatorSpec::SemiJoin(spec) => SemiJoin::new(spec, node, limits, context).map(boxed),
        OperatorSpec::WindowAggregate(spec) => match spec.window {
            WindowKind::Session { gap } => {
                SessionAggregate::new(spec, gap, node, input(inputs, 0)?, limits, context).map(boxed)
            }
            _ => WindowAggregate::new(spec, node, input(inputs, 0)?, limits, context).map(boxed),
        },
        OperatorSpec::Unnest(spec) => Unnest::new(spec, node, input(inputs, 0)?).map(boxed),
        OperatorSpec::WindowJoin(spec) => WindowJoin::new(spec, node, limits, context).map(boxed),
        OperatorSpec::WindowAssign(spec) => match spec.window {
            WindowKind::Session { gap } => {
                SessionAssign::new(spec, gap, node, input(inputs, 0)?, limits, context).map(boxed)
            }
            _ => WindowAssign::new(spec, node, input(inputs, 0)?, context).map(boxed),
        },
        OperatorSpec::Sink(_) | OperatorSpec::Source(_) => {
            Err(Failure::internal("sources and sinks are not built as operators"))
        }
    };
    built.map_err(|error| error.at(&node.name))
}

fn boxed<O: Operator + 'static>(operator: O) -> Box<dyn Operator> {
    Box::new(operator)
}

fn input(inputs: &[Schema], port: usize) -> Result<&Schema, Failure> {
    inputs.get(port).ok_or_else(|| Failure::internal(format!("input {port} is missing")))
}
