//! A prefix notation for expressions: `NAME(argument, …)`, columns, `1`, `1L`, `1.5` (decimal), `1E0`, `'text'`,
//! `TRUE`, `NULL`, `CAST(x, 'TYPE')`, `CASE(condition, result, …, otherwise)`.

use std::sync::Arc;

use arrow::{
    array::{ArrayRef, Int32Array, Int32Builder, ListBuilder, MapBuilder, MapFieldNames, StringBuilder, StructArray},
    buffer::NullBuffer,
    datatypes::{DataType as Arrow, Field as ArrowField, Int32Type},
};
use graph::{Expr, Value};
use model::{DataType, Schema};

/// A type by its SQL name.
pub(super) fn data_type(text: &str) -> DataType {
    let (name, arguments) = text.split_once('(').unwrap_or((text, ")"));
    let arguments: Vec<u8> =
        arguments.trim_end_matches(')').split(',').filter_map(|argument| argument.trim().parse().ok()).collect();
    let first = arguments.first().copied();
    match name {
        "BOOLEAN" => DataType::Boolean,
        "TINYINT" => DataType::TinyInt,
        "SMALLINT" => DataType::SmallInt,
        "INT" => DataType::Int,
        "BIGINT" => DataType::BigInt,
        "FLOAT" => DataType::Float,
        "DOUBLE" => DataType::Double,
        "DECIMAL" => DataType::Decimal(first.unwrap_or(10), arguments.get(1).copied().unwrap_or(0)),
        "CHAR" => DataType::Char(first.unwrap_or(1).into()),
        "VARCHAR" => DataType::Varchar(first.unwrap_or(1).into()),
        "STRING" => DataType::String,
        "BYTES" => DataType::Bytes,
        "DATE" => DataType::Date,
        "TIME" => DataType::Time(first.unwrap_or(0)),
        "TIMESTAMP" => DataType::Timestamp(first.unwrap_or(6)),
        "TIMESTAMP_LTZ" => DataType::TimestampLtz(first.unwrap_or(6)),
        "DAY TO SECOND" => DataType::IntervalDayTime,
        "YEAR TO MONTH" => DataType::IntervalYearMonth,
        "ARRAY<INT>" => DataType::Array(Box::new(DataType::Int)),
        other => panic!("no type {other}"),
    }
}

/// Parses an expression.
pub(super) fn expression(text: &str, schema: &Schema) -> Expr {
    let mut rest = text;
    let expr = parse(&mut rest, schema);
    assert!(rest.is_empty(), "{rest} is left of {text}");
    expr
}

fn literal(value: Value, data_type: DataType) -> Expr {
    Expr::Literal { value, data_type }
}

fn parse(rest: &mut &str, schema: &Schema) -> Expr {
    *rest = rest.trim_start();
    if let Some(after) = rest.strip_prefix('\'') {
        let end = after.find('\'').expect("a closing quote");
        *rest = &after[end + 1..];
        let text = &after[..end];
        return literal(Value::String(text.to_owned()), DataType::Char(text.chars().count() as u32));
    }
    let digits = rest.strip_prefix('-').unwrap_or(rest);
    if digits.starts_with(|next: char| next.is_ascii_digit()) {
        return number(rest);
    }
    let end = rest.find(['(', ',', ')']).unwrap_or(rest.len());
    let name = &rest[..end];
    *rest = &rest[end..];
    if !rest.starts_with('(') {
        return match name {
            "NULL" => literal(Value::Null, DataType::Null),
            "TRUE" => literal(Value::Boolean(true), DataType::Boolean),
            "FALSE" => literal(Value::Boolean(false), DataType::Boolean),
            _ => Expr::Column(schema.index_of(name).unwrap_or_else(|| panic!("no column {name}"))),
        };
    }
    *rest = &rest[1..];
    let mut args = Vec::new();
    while !rest.starts_with(')') {
        args.push(parse(rest, schema));
        *rest = rest.trim_start();
        *rest = rest.strip_prefix(',').unwrap_or(rest);
    }
    *rest = &rest[1..];
    call(name, args)
}

fn call(name: &str, mut args: Vec<Expr>) -> Expr {
    match name {
        "CAST" | "TRY_CAST" => {
            let Some(Expr::Literal { value: Value::String(to), .. }) = args.pop() else { panic!("a type") };
            let of = Box::new(args.pop().expect("a value"));
            Expr::Cast { of, to: data_type(&to), safe: name == "TRY_CAST" }
        }
        "CASE" => {
            let otherwise = (args.len() % 2 == 1).then(|| Box::new(args.pop().expect("a result")));
            let branches = args.chunks(2).map(|pair| (pair[0].clone(), pair[1].clone())).collect();
            Expr::Case { branches, otherwise }
        }
        _ => Expr::call(name, args, DataType::Null),
    }
}

fn number(rest: &mut &str) -> Expr {
    let end = rest[1..].find([',', ')', ' ']).map_or(rest.len(), |end| end + 1);
    let text = &rest[..end];
    *rest = &rest[end..];
    if text.contains('E') {
        return literal(Value::Float(text.parse().expect("a double")), DataType::Double);
    }
    if let Some(long) = text.strip_suffix('L') {
        return literal(Value::Integer(long.parse().expect("a number")), DataType::BigInt);
    }
    match text.split_once('.') {
        None => literal(Value::Integer(text.parse().expect("a number")), DataType::Int),
        Some((whole, fraction)) => {
            let data_type = DataType::Decimal((whole.len() + fraction.len()) as u8, fraction.len() as u8);
            literal(Value::Decimal(format!("{whole}{fraction}")), data_type)
        }
    }
}

/// Columns of arrays, maps and rows.
pub(super) fn nested() -> Vec<(&'static str, ArrayRef)> {
    let item = ArrowField::new("item", Arrow::Int32, true);
    let mut lists = ListBuilder::new(Int32Builder::new()).with_field(item);
    for list in [Some(&[1, 2, 3][..]), Some(&[2, 2]), Some(&[7]), Some(&[1]), None, Some(&[5, 4])] {
        if let Some(list) = list {
            lists.values().append_slice(list);
        }
        lists.append(list.is_some());
    }
    let names = MapFieldNames { entry: "entries".into(), key: "key".into(), value: "value".into() };
    let mut maps = MapBuilder::new(Some(names), StringBuilder::new(), Int32Builder::new())
        .with_keys_field(ArrowField::new("key", Arrow::Utf8, false))
        .with_values_field(ArrowField::new("value", Arrow::Int32, true));
    let entries: [Option<&[(&str, i32)]>; 6] = [
        Some(&[("a", 1), ("b", 2)]),
        Some(&[("z", 26)]),
        Some(&[("a", 0)]),
        Some(&[("k", 4)]),
        None,
        Some(&[("a", 6)]),
    ];
    for map in entries {
        for (key, value) in map.unwrap_or_default() {
            maps.keys().append_value(key);
            maps.values().append_value(*value);
        }
        maps.append(map.is_some()).expect("keys and values agree");
    }
    let numbers: Int32Array =
        [1, 2, 3, 4, 5, 6].into_iter().map(Some).collect::<arrow::array::PrimitiveArray<Int32Type>>();
    let rows = StructArray::try_new(
        vec![ArrowField::new("x", Arrow::Int32, true)].into(),
        vec![Arc::new(numbers)],
        Some(NullBuffer::from(vec![true, false, true, true, false, true])),
    );
    vec![("arr", Arc::new(lists.finish())), ("m", Arc::new(maps.finish())), ("r", Arc::new(rows.expect("one field")))]
}
