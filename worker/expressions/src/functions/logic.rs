//! Three-valued logic: `AND`, `OR`, `NOT`, `IS …`.

use std::sync::Arc;

use arrow::{
    array::{Array, ArrayRef, AsArray, BooleanArray},
    compute,
};
use model::{DataType, Failure};

use crate::{
    arg::{Arg, Inputs},
    case::{Reaching, mask},
    evaluator::{Kind, Node, Rows},
    function::{
        Body::Plain,
        Function,
        Parameter::{Any, Boolean},
        operator, returns,
    },
};

pub(crate) const FUNCTIONS: &[Function] = &[
    operator("AND", &[Boolean, Boolean], returns::boolean, Plain(unreachable_kernel)),
    operator("IS FALSE", &[Boolean], returns::boolean, Plain(is_false)).never_null(),
    operator("IS NOT FALSE", &[Boolean], returns::boolean, Plain(is_not_false)).never_null(),
    operator("IS NOT NULL", &[Any], returns::boolean, Plain(is_not_null)).never_null(),
    operator("IS NOT TRUE", &[Boolean], returns::boolean, Plain(is_not_true)).never_null(),
    operator("IS NOT UNKNOWN", &[Boolean], returns::boolean, Plain(is_not_null)).never_null(),
    operator("IS NULL", &[Any], returns::boolean, Plain(is_null)).never_null(),
    operator("IS TRUE", &[Boolean], returns::boolean, Plain(is_true)).never_null(),
    operator("IS UNKNOWN", &[Boolean], returns::boolean, Plain(is_null)).never_null(),
    operator("NOT", &[Boolean], returns::boolean, Plain(not)),
    operator("OR", &[Boolean, Boolean], returns::boolean, Plain(unreachable_kernel)),
];

fn unreachable_kernel(_: &Inputs<'_>) -> Result<ArrayRef, Failure> {
    Err(Failure::internal("AND and OR are compiled, not called"))
}

/// A node for `AND` or `OR` of two or more conditions.
pub(crate) fn compile(and: bool, args: Vec<Node>) -> Result<Node, Failure> {
    let mut conditions = Vec::with_capacity(args.len());
    for arg in args {
        if arg.data_type != DataType::Boolean && arg.data_type != DataType::Null {
            let name = if and { "AND" } else { "OR" };
            return Err(Failure::user(format!("function {name} does not take {}", arg.data_type)));
        }
        conditions.push(arg.cast(&DataType::Boolean, false)?);
    }
    let combined = conditions.into_iter().reduce(|left, right| {
        let fallible = left.fallible || right.fallible;
        let kind = Kind::Logic { and, left: Box::new(left), right: Box::new(right) };
        Node { kind, data_type: DataType::Boolean, fallible }
    });
    combined.ok_or_else(|| Failure::internal("a conjunction of nothing"))
}

/// Evaluates `AND` or `OR`. A right side that can fail, or that costs something where the left decides most rows, is
/// evaluated only on the rows that the left does not decide.
pub(crate) fn evaluate(and: bool, left: &Node, right: &Node, rows: &Rows<'_>) -> Result<Arg, Failure> {
    let left = left.evaluate(rows)?.into_array(rows.count)?;
    let left = left.as_boolean_opt().ok_or_else(|| Failure::internal("a condition is not boolean"))?;
    // The left decides where it is false (AND) or true (OR); null decides nothing.
    let open = if and { is_not_false_mask(left) } else { compute::not(&mask(Arc::new(left.clone()))?)? };
    let open_count = open.true_count();
    if open_count == 0 {
        return Ok(Arg::array(Arc::new(left.clone())));
    }
    if open_count < rows.count && right.fallible {
        let mut columns = Vec::new();
        right.reads(&mut columns);
        let reaching = Reaching::filter(rows, None, &open, &columns)?;
        let rest = reaching.rows();
        let right = right.evaluate(&rest)?.into_array(rest.count)?;
        let right = right.as_boolean_opt().ok_or_else(|| Failure::internal("a condition is not boolean"))?;
        let mut all = vec![Some(!and); rows.count];
        for (index, &position) in reaching.positions.values().iter().enumerate() {
            all[position as usize] = right.is_valid(index).then(|| right.value(index));
        }
        return combine(and, left, &BooleanArray::from(all));
    }
    let right = right.evaluate(rows)?.into_array(rows.count)?;
    let right = right.as_boolean_opt().ok_or_else(|| Failure::internal("a condition is not boolean"))?;
    combine(and, left, right)
}

fn combine(and: bool, left: &BooleanArray, right: &BooleanArray) -> Result<Arg, Failure> {
    let both = if and { compute::and_kleene(left, right)? } else { compute::or_kleene(left, right)? };
    Ok(Arg::array(Arc::new(both)))
}

fn is_not_false_mask(array: &BooleanArray) -> BooleanArray {
    match array.nulls() {
        None => array.clone(),
        Some(nulls) => BooleanArray::new(array.values() | &!nulls.inner(), None),
    }
}

fn booleans<'a>(inputs: &Inputs<'a>) -> Result<&'a BooleanArray, Failure> {
    inputs.arg(0)?.array.as_boolean_opt().ok_or_else(|| Failure::internal("an argument is not boolean"))
}

fn is_null(inputs: &Inputs<'_>) -> Result<ArrayRef, Failure> {
    Ok(Arc::new(compute::is_null(&inputs.arg(0)?.array)?))
}

fn is_not_null(inputs: &Inputs<'_>) -> Result<ArrayRef, Failure> {
    Ok(Arc::new(compute::is_not_null(&inputs.arg(0)?.array)?))
}

fn is_true(inputs: &Inputs<'_>) -> Result<ArrayRef, Failure> {
    Ok(Arc::new(mask(Arc::new(booleans(inputs)?.clone()))?))
}

fn is_not_true(inputs: &Inputs<'_>) -> Result<ArrayRef, Failure> {
    Ok(Arc::new(compute::not(&mask(Arc::new(booleans(inputs)?.clone()))?)?))
}

fn is_not_false(inputs: &Inputs<'_>) -> Result<ArrayRef, Failure> {
    Ok(Arc::new(is_not_false_mask(booleans(inputs)?)))
}

fn is_false(inputs: &Inputs<'_>) -> Result<ArrayRef, Failure> {
    Ok(Arc::new(compute::not(&is_not_false_mask(booleans(inputs)?))?))
}

fn not(inputs: &Inputs<'_>) -> Result<ArrayRef, Failure> {
    Ok(Arc::new(compute::not(booleans(inputs)?)?))
}
