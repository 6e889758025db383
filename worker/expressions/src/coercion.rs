//! Flink's rules for the types of results: the common type of several, and decimals' precision and scale.

#![expect(
    clippy::cast_possible_truncation,
    reason = "SQL arithmetic wraps as Java's; positions are bounded by a batch"
)]

use model::DataType;

use crate::number::PRECISION_MAX;

/// Digits of a number as a `DECIMAL`; none for floats and what is not a number.
pub(crate) fn as_decimal(data_type: &DataType) -> Option<(u8, u8)> {
    Some(match data_type {
        DataType::TinyInt => (3, 0),
        DataType::SmallInt => (5, 0),
        DataType::Int => (10, 0),
        DataType::BigInt => (19, 0),
        DataType::Decimal(precision, scale) => (*precision, *scale),
        _ => return None,
    })
}

/// The size of an integer type, for finding the wider.
pub(crate) fn integer_rank(data_type: &DataType) -> Option<u8> {
    Some(match data_type {
        DataType::TinyInt => 1,
        DataType::SmallInt => 2,
        DataType::Int => 3,
        DataType::BigInt => 4,
        _ => return None,
    })
}

/// Cuts a computed precision and scale down to what a decimal can hold, keeping at least six digits of fraction.
fn adjusted(precision: u16, scale: u16) -> DataType {
    let limit = u16::from(PRECISION_MAX);
    if precision <= limit {
        return DataType::Decimal(precision as u8, scale as u8);
    }
    let whole = precision - scale;
    let kept = limit.saturating_sub(whole).max(scale.min(6));
    DataType::Decimal(PRECISION_MAX, kept as u8)
}

/// The type of `+ - * / %` on two numbers.
pub(crate) fn arithmetic_type(operator: &str, left: &DataType, right: &DataType) -> Option<DataType> {
    if *left == DataType::Null || *right == DataType::Null {
        return Some(if *left == DataType::Null { right.clone() } else { left.clone() });
    }
    if let (Some(l), Some(r)) = (integer_rank(left), integer_rank(right)) {
        // Flink's MOD has the type of the divisor.
        let takes_left = operator != "%" && l >= r;
        return Some(if takes_left { left.clone() } else { right.clone() });
    }
    if let (Some((p1, s1)), Some((p2, s2))) = (as_decimal(left), as_decimal(right)) {
        let (p1, s1, p2, s2) = (u16::from(p1), u16::from(s1), u16::from(p2), u16::from(s2));
        return Some(match operator {
            "*" => adjusted(p1 + p2 + 1, s1 + s2),
            "/" => {
                let scale = (s1 + p2 + 1).max(6);
                adjusted(p1 - s1 + s2 + scale, scale)
            }
            "%" => adjusted((p1 - s1).min(p2 - s2) + s1.max(s2), s1.max(s2)),
            _ => adjusted((p1 - s1).max(p2 - s2) + s1.max(s2) + 1, s1.max(s2)),
        });
    }
    // The remainder is of exact numbers.
    if !left.is_numeric() || !right.is_numeric() || operator == "%" {
        return None;
    }
    // Of two approximate types the first is taken.
    Some(match (left, right) {
        (DataType::Float, DataType::Double) => DataType::Float,
        _ => common_numeric(left, right),
    })
}

fn common_numeric(left: &DataType, right: &DataType) -> DataType {
    if let (Some(l), Some(r)) = (integer_rank(left), integer_rank(right)) {
        return if l >= r { left.clone() } else { right.clone() };
    }
    if let (Some((p1, s1)), Some((p2, s2))) = (as_decimal(left), as_decimal(right)) {
        let scale = s1.max(s2);
        let precision = ((p1 - s1).max(p2 - s2) + scale).min(PRECISION_MAX);
        return DataType::Decimal(precision, scale);
    }
    let mixes_decimal = matches!(left, DataType::Decimal(..)) || matches!(right, DataType::Decimal(..));
    let has_double = *left == DataType::Double || *right == DataType::Double;
    if mixes_decimal || has_double { DataType::Double } else { DataType::Float }
}

/// The length of a character type; none if it is not one.
fn text_length(data_type: &DataType) -> Option<u32> {
    match data_type {
        DataType::Char(length) | DataType::Varchar(length) => Some(*length),
        DataType::String => Some(i32::MAX as u32),
        _ => None,
    }
}

fn binary_length(data_type: &DataType) -> Option<u32> {
    match data_type {
        DataType::Binary(length) | DataType::Varbinary(length) => Some(*length),
        DataType::Bytes => Some(i32::MAX as u32),
        _ => None,
    }
}

/// Whether values are character strings.
pub(crate) fn is_text(data_type: &DataType) -> bool {
    text_length(data_type).is_some()
}

/// Whether values are byte strings.
pub(crate) fn is_binary(data_type: &DataType) -> bool {
    binary_length(data_type).is_some()
}

/// The least type that values of both types can be cast to without loss, as for the branches of a `CASE`.
pub fn common_type(left: &DataType, right: &DataType) -> Option<DataType> {
    use DataType::*;
    match (left, right) {
        (NotNull(l), NotNull(r)) => return Some(NotNull(Box::new(common_type(l, r)?))),
        (NotNull(l), r) => return common_type(l, r),
        (l, NotNull(r)) => return common_type(l, r),
        _ => {}
    }
    if left == right || *right == Null {
        return Some(left.clone());
    }
    if *left == Null {
        return Some(right.clone());
    }
    if left.is_numeric() && right.is_numeric() {
        return Some(common_numeric(left, right));
    }
    if let (Some(l), Some(r)) = (text_length(left), text_length(right)) {
        let length = l.max(r);
        return Some(if length == i32::MAX as u32 { String } else { Varchar(length) });
    }
    if let (Some(l), Some(r)) = (binary_length(left), binary_length(right)) {
        let length = l.max(r);
        return Some(if length == i32::MAX as u32 { Bytes } else { Varbinary(length) });
    }
    Some(match (left, right) {
        (Date, other @ (Timestamp(_) | TimestampLtz(_))) | (other @ (Timestamp(_) | TimestampLtz(_)), Date) => {
            other.clone()
        }
        (Timestamp(l), Timestamp(r)) => Timestamp(*l.max(r)),
        (TimestampLtz(l) | Timestamp(l), TimestampLtz(r) | Timestamp(r)) => TimestampLtz(*l.max(r)),
        (Time(l), Time(r)) => Time(*l.max(r)),
        (Array(l), Array(r)) => Array(Box::new(common_type(l, r)?)),
        (Map(lk, lv), Map(rk, rv)) => Map(Box::new(common_type(lk, rk)?), Box::new(common_type(lv, rv)?)),
        (Row(l), Row(r)) if l.len() == r.len() => Row(l
            .iter()
            .zip(r)
            .map(|(l, r)| {
                let data_type = common_type(&l.data_type, &r.data_type)?;
                Some(model::Field { name: l.name.clone(), data_type, nullable: l.nullable || r.nullable })
            })
            .collect::<Option<_>>()?),
        _ => return None,
    })
}

/// What two compared values are both cast to: the common type, or a text's counterpart.
pub(crate) fn comparison_type(left: &DataType, right: &DataType) -> Option<DataType> {
    // A date is no time: Flink wants one of them to be cast.
    if (*left == DataType::Date) != (*right == DataType::Date) && !is_text(left) && !is_text(right) {
        return [left, right].contains(&&DataType::Null).then_some(DataType::Date);
    }
    if let Some(common) = common_type(left, right) {
        return Some(common);
    }
    // Flink casts the text when it is compared with a number or a time.
    let castable = |other: &DataType| {
        other.is_numeric()
            || matches!(
                other,
                DataType::Boolean
                    | DataType::Date
                    | DataType::Time(_)
                    | DataType::Timestamp(_)
                    | DataType::TimestampLtz(_)
            )
    };
    if is_text(left) && castable(right) {
        return Some(if right.is_numeric() { DataType::Double } else { right.clone() });
    }
    if is_text(right) && castable(left) {
        return Some(if left.is_numeric() { DataType::Double } else { left.clone() });
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use DataType::*;

    #[test]
    fn arithmetic_has_flinks_types() {
        let dc = Decimal(10, 2);
        for (operator, left, right, result) in [
            ("+", Int, BigInt, BigInt),
            ("+", Int, Double, Double),
            ("+", dc.clone(), dc.clone(), Decimal(11, 2)),
            ("+", dc.clone(), BigInt, Decimal(22, 2)),
            ("*", dc.clone(), Int, Decimal(21, 2)),
            ("*", Decimal(4, 3), BigInt, Decimal(24, 3)),
            ("/", dc.clone(), Int, Decimal(21, 13)),
            ("+", Decimal(2, 1), Int, Decimal(12, 1)),
            ("*", Decimal(38, 10), Decimal(38, 10), Decimal(38, 6)),
            ("%", BigInt, Int, Int),
        ] {
            assert_eq!(arithmetic_type(operator, &left, &right), Some(result), "{left} {operator} {right}");
        }
        assert_eq!(arithmetic_type("+", &String, &Int), None);
    }

    #[test]
    fn branches_have_a_common_type() {
        for (left, right, result) in [
            (Char(3), Char(5), Some(Varchar(5))),
            (Char(3), String, Some(String)),
            (Decimal(10, 2), BigInt, Some(Decimal(21, 2))),
            (Null, Int, Some(Int)),
            (Date, Timestamp(3), Some(Timestamp(3))),
            (Int, String, None),
        ] {
            assert_eq!(common_type(&left, &right), result);
        }
    }
}
