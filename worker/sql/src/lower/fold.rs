//! What a filter tells about a projection: `CASE WHEN kind = 1 …` has one outcome for rows where `kind = 2`.

use graph::{Expr, Value};
use model::DataType;

use super::scalar::conjuncts;

/// The projection of rows that passed the filter.
pub(super) fn given(filter: &Expr, projection: Vec<Expr>) -> Vec<Expr> {
    let mut parts = Vec::new();
    conjuncts(filter, &mut parts);
    let known: Vec<(&Expr, &Value)> = parts.into_iter().filter_map(equality).collect();
    if known.is_empty() {
        return projection;
    }
    projection.iter().map(|expr| fold(expr, &known)).collect()
}

/// `x = constant`, for what compares exactly.
fn equality(expr: &Expr) -> Option<(&Expr, &Value)> {
    let Expr::Call { function, args, .. } = expr else { return None };
    let (of, literal) = match (function.as_str(), args.as_slice()) {
        ("=", [of, literal @ Expr::Literal { .. }] | [literal @ Expr::Literal { .. }, of]) => (of, literal),
        _ => return None,
    };
    match (of, literal) {
        (
            Expr::Column(_) | Expr::Field { .. },
            Expr::Literal { value: value @ (Value::Integer(_) | Value::String(_)), data_type },
        ) if !is_fine(data_type) => Some((of, value)),
        _ => None,
    }
}

/// Whether constants of a type are held in another unit than milliseconds, so that equal numbers may be unequal times.
fn is_fine(data_type: &DataType) -> bool {
    matches!(data_type, DataType::Timestamp(4..) | DataType::TimestampLtz(4..))
}

/// The truth of a comparison of something known.
fn decided(expr: &Expr, known: &[(&Expr, &Value)]) -> Option<bool> {
    if let Expr::Literal { value: Value::Boolean(truth), .. } = expr {
        return Some(*truth);
    }
    let (of, value) = equality(expr)?;
    let (_, actual) = known.iter().find(|(known, _)| *known == of)?;
    match (value, actual) {
        (Value::Integer(value), Value::Integer(actual)) => Some(value == actual),
        (Value::String(value), Value::String(actual)) => Some(value == actual),
        _ => None,
    }
}

fn fold(expr: &Expr, known: &[(&Expr, &Value)]) -> Expr {
    if let Some(truth) = decided(expr, known) {
        return Expr::Literal { value: Value::Boolean(truth), data_type: DataType::Boolean };
    }
    match expr {
        Expr::Column(_) | Expr::Literal { .. } | Expr::Field { .. } => expr.clone(),
        Expr::Call { function, args, data_type } => Expr::Call {
            function: function.clone(),
            args: args.iter().map(|arg| fold(arg, known)).collect(),
            data_type: data_type.clone(),
        },
        Expr::Cast { of, to, safe } => Expr::Cast { of: Box::new(fold(of, known)), to: to.clone(), safe: *safe },
        Expr::Case { branches, otherwise } => {
            case(branches, otherwise.as_deref(), known).unwrap_or_else(|| expr.clone())
        }
    }
}

/// A `CASE` without the branches that are never taken; none if its type would change.
fn case(branches: &[(Expr, Expr)], otherwise: Option<&Expr>, known: &[(&Expr, &Value)]) -> Option<Expr> {
    // Branches of several types are cast to a common one, which a single branch would not be.
    let plain = |result: &Expr| matches!(result, Expr::Column(_) | Expr::Field { .. });
    let alike = branches.iter().map(|(_, result)| result).chain(otherwise).all(plain);
    let mut left = Vec::new();
    let mut last = otherwise;
    for (condition, result) in branches {
        match decided(condition, known) {
            Some(false) => {}
            Some(true) => {
                last = Some(result);
                break;
            }
            None => left.push((fold(condition, known), fold(result, known))),
        }
    }
    match (left.is_empty(), last) {
        (true, Some(only)) if alike => Some(fold(only, known)),
        (true, _) => None,
        (false, last) => Some(Expr::Case { branches: left, otherwise: last.map(|last| Box::new(fold(last, known))) }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_numbers_of_different_units_are_different_times() {
        let equals = |value: i64, precision: u8| {
            let literal = Expr::Literal { value: Value::Integer(value), data_type: DataType::Timestamp(precision) };
            Expr::call("=", vec![Expr::Column(0), literal], DataType::Boolean)
        };
        let truth = |expr: Expr| matches!(expr, Expr::Literal { value: Value::Boolean(true), .. });
        let given = |filter: Expr, condition: Expr| given(&filter, vec![condition]).remove(0);
        assert!(truth(given(equals(1000, 0), equals(1000, 3))), "milliseconds both");
        assert!(!truth(given(equals(1000, 0), equals(1000, 6))), "a second is no thousand microseconds");
        assert!(!truth(given(equals(1000, 9), equals(1000, 6))), "nor nanoseconds");
    }
}
