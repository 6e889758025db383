//! Signatures as builds before version 2 wrote them: texts with positions of columns, and specifications as their
//! debug output was then. Frozen: they are only compared with what is in old snapshots.

use std::fmt::Write as _;

use graph::{
    Expr, Value,
    operator::{SortColumn, WindowKind},
};
use model::DataType;

pub(crate) use super::types::{types, types_at};

/// Positions of columns.
pub(crate) fn positions(columns: &[usize]) -> String {
    list(columns.iter().map(usize::to_string))
}

/// Windows.
pub(crate) fn window(window: &WindowKind) -> String {
    match window {
        WindowKind::Tumble { size, offset } => format!("Tumble {{ size: {size}, offset: {offset} }}"),
        WindowKind::Hop { size, slide, offset } => {
            format!("Hop {{ size: {size}, slide: {slide}, offset: {offset} }}")
        }
        WindowKind::Cumulate { size, step, offset } => {
            format!("Cumulate {{ size: {size}, step: {step}, offset: {offset} }}")
        }
        WindowKind::Session { gap } => format!("Session {{ gap: {gap} }}"),
    }
}

/// The columns of an order.
pub(crate) fn order(columns: &[SortColumn]) -> String {
    list(columns.iter().map(|SortColumn { column, descending, nulls_first }| {
        format!("SortColumn {{ column: {column}, descending: {descending}, nulls_first: {nulls_first} }}")
    }))
}

/// A condition.
pub(crate) fn expression(expr: &Expr) -> String {
    match expr {
        Expr::Column(column) => format!("Column({column})"),
        Expr::Literal { value, data_type } => {
            format!("Literal {{ value: {}, data_type: {} }}", literal(value), data_type_text(data_type))
        }
        Expr::Field { of, name } => format!("Field {{ of: {}, name: {} }}", expression(of), quoted(name)),
        Expr::Call { function, args, data_type } => format!(
            "Call {{ function: {}, args: {}, data_type: {} }}",
            quoted(function),
            list(args.iter().map(expression)),
            data_type_text(data_type)
        ),
        Expr::Cast { of, to, safe } => {
            format!("Cast {{ of: {}, to: {}, safe: {safe} }}", expression(of), data_type_text(to))
        }
        Expr::Case { branches, otherwise } => {
            let branches = branches
                .iter()
                .map(|(condition, result)| format!("({}, {})", expression(condition), expression(result)));
            let otherwise =
                otherwise.as_ref().map_or("None".to_owned(), |otherwise| format!("Some({})", expression(otherwise)));
            format!("Case {{ branches: {}, otherwise: {otherwise} }}", list(branches))
        }
    }
}

fn list(items: impl Iterator<Item = String>) -> String {
    format!("[{}]", items.collect::<Vec<_>>().join(", "))
}

fn literal(value: &Value) -> String {
    match value {
        Value::Null => "Null".to_owned(),
        Value::Boolean(value) => format!("Boolean({value})"),
        Value::Integer(value) => format!("Integer({value})"),
        Value::Float(value) => format!("Float({value:?})"),
        Value::Decimal(value) => format!("Decimal({})", quoted(value)),
        Value::String(value) => format!("String({})", quoted(value)),
        Value::Bytes(value) => format!("Bytes({})", list(value.iter().map(u8::to_string))),
    }
}

fn quoted(text: &str) -> String {
    format!("{text:?}")
}

fn data_type_text(data_type: &DataType) -> String {
    let fixed = match data_type {
        DataType::Null => "Null",
        DataType::Boolean => "Boolean",
        DataType::TinyInt => "TinyInt",
        DataType::SmallInt => "SmallInt",
        DataType::Int => "Int",
        DataType::BigInt => "BigInt",
        DataType::Float => "Float",
        DataType::Double => "Double",
        DataType::String => "String",
        DataType::Bytes => "Bytes",
        DataType::Date => "Date",
        DataType::IntervalDayTime => "IntervalDayTime",
        DataType::IntervalYearMonth => "IntervalYearMonth",
        DataType::Decimal(precision, scale) => return format!("Decimal({precision}, {scale})"),
        DataType::Char(length) => return format!("Char({length})"),
        DataType::Varchar(length) => return format!("Varchar({length})"),
        DataType::Binary(length) => return format!("Binary({length})"),
        DataType::Varbinary(length) => return format!("Varbinary({length})"),
        DataType::Time(precision) => return format!("Time({precision})"),
        DataType::Timestamp(precision) => return format!("Timestamp({precision})"),
        DataType::TimestampLtz(precision) => return format!("TimestampLtz({precision})"),
        DataType::Array(item) => return format!("Array({})", data_type_text(item)),
        DataType::Map(key, value) => return format!("Map({}, {})", data_type_text(key), data_type_text(value)),
        DataType::Multiset(element) => return format!("Multiset({})", data_type_text(element)),
        DataType::NotNull(inner) => return format!("NotNull({})", data_type_text(inner)),
        DataType::Row(fields) => {
            let mut text = "Row([".to_owned();
            for (index, field) in fields.iter().enumerate() {
                let separator = if index > 0 { ", " } else { "" };
                let (name, data_type) = (quoted(&field.name), data_type_text(&field.data_type));
                let nullable = field.nullable;
                let _ =
                    write!(text, "{separator}Field {{ name: {name}, data_type: {data_type}, nullable: {nullable} }}");
            }
            return text + "])";
        }
    };
    fixed.to_owned()
}
