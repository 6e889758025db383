//! Expressions as the plan shows them, in SQL.

use std::fmt::Write;

use graph::{Expr, Value};
use model::{DataType, Schema};

use super::{column_name, length};

/// An expression over named columns.
pub(super) fn expression(expr: &Expr, input: &Schema) -> String {
    let part = |expr: &Expr| expression(expr, input);
    match expr {
        Expr::Column(column) => column_name(input, *column),
        Expr::Literal { value, data_type } => literal(value, data_type),
        Expr::Field { of, name } => format!("{}.{name}", part(of)),
        Expr::Cast { of, to, safe } => {
            format!("{}({} AS {to})", if *safe { "TRY_CAST" } else { "CAST" }, part(of))
        }
        Expr::Case { branches, otherwise } => {
            let mut text = "CASE".to_owned();
            for (condition, result) in branches {
                let _ = write!(text, " WHEN {} THEN {}", part(condition), part(result));
            }
            if let Some(otherwise) = otherwise {
                let _ = write!(text, " ELSE {}", part(otherwise));
            }
            text.push_str(" END");
            text
        }
        Expr::Call { function, args, .. } => {
            let args: Vec<String> = args.iter().map(part).collect();
            call(function, &args)
        }
    }
}

fn call(function: &str, args: &[String]) -> String {
    let word = function.chars().next().is_some_and(char::is_alphabetic);
    match (function, args) {
        ("NOT", [of]) => format!("NOT {of}"),
        ("IN" | "NOT IN", [of, list @ ..]) => format!("{of} {function} ({})", list.join(", ")),
        ("BETWEEN", [of, low, high]) => format!("{of} BETWEEN {low} AND {high}"),
        (_, [of]) if function.starts_with("IS ") => format!("{of} {function}"),
        ("AND" | "OR" | "LIKE" | "NOT LIKE", args) => format!("({})", args.join(&format!(" {function} "))),
        (_, [left, right]) if !word || function.starts_with("IS ") => format!("({left} {function} {right})"),
        _ => format!("{function}({})", args.join(", ")),
    }
}

pub(super) fn literal(value: &Value, data_type: &DataType) -> String {
    match (value, data_type) {
        (Value::Null, _) => format!("CAST(NULL AS {data_type})"),
        (Value::Boolean(value), _) => value.to_string().to_uppercase(),
        (Value::Integer(value), DataType::IntervalDayTime) => format!("INTERVAL {}", length(*value)),
        (Value::Integer(value), DataType::IntervalYearMonth) => format!("INTERVAL {value} month"),
        (
            Value::Integer(value),
            DataType::Date | DataType::Time(_) | DataType::Timestamp(_) | DataType::TimestampLtz(_),
        ) => {
            format!("{value}:{data_type}")
        }
        (Value::Integer(value), _) => value.to_string(),
        (Value::Float(value), _) => format!("{value:?}"),
        (Value::Decimal(digits), DataType::Decimal(_, scale)) => decimal(digits, usize::from(*scale)),
        (Value::Decimal(digits), _) => digits.clone(),
        (Value::String(text), _) => format!("'{}'", text.replace('\'', "''")),
        (Value::Bytes(bytes), _) => {
            let digits: String = bytes.iter().map(|byte| format!("{byte:02X}")).collect();
            format!("x'{digits}'")
        }
    }
}

fn decimal(digits: &str, scale: usize) -> String {
    let (sign, digits) = digits.strip_prefix('-').map_or(("", digits), |rest| ("-", rest));
    if scale == 0 {
        return format!("{sign}{digits}");
    }
    let padded = format!("{digits:0>width$}", width = scale + 1);
    let (whole, fraction) = padded.split_at(padded.len() - scale);
    format!("{sign}{whole}.{fraction}")
}
