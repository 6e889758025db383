//! Types as a planner needs them: with whether values may be null, inside collections too.

use std::fmt;

use arrow::array::ArrayRef;
use model::{DataType, Failure};

use crate::{
    coercion::common_type,
    function::{Arguments, Nullability},
    registry,
};

/// A type, and whether values may be null.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Typed {
    /// What it is; items that are never null are [`DataType::NotNull`].
    pub data_type: DataType,
    /// Whether it may be null.
    pub nullable: bool,
}

impl fmt::Display for Typed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.data_type, if self.nullable { "" } else { " NOT NULL" })
    }
}

impl Typed {
    /// A type whose values may be null.
    pub fn nullable(data_type: DataType) -> Self {
        Self { data_type, nullable: true }
    }

    /// A type whose values are never null.
    pub fn not_null(data_type: DataType) -> Self {
        Self { data_type, nullable: false }
    }

    /// What holds values of this type and of another, as the rows of `VALUES`; none if nothing does.
    pub fn common(&self, other: &Self) -> Option<Self> {
        let data_type = common_type(&self.data_type, &other.data_type)?;
        Some(Self { data_type, nullable: self.nullable || other.nullable })
    }
}

/// The type of a call of a function or operator on arguments of these types, of which some are constants (arrays of
/// length one).
///
/// # Errors
/// Class `User` if there is no such function or it does not take such arguments.
pub fn typed_call(name: &str, args: &[Typed], constants: &[Option<ArrayRef>]) -> Result<Typed, Failure> {
    let function = registry::find(name)?;
    let types: Vec<DataType> = args.iter().map(|arg| arg.data_type.clone()).collect();
    let types = function.coerce(&types)?;
    let result = function.returns(&Arguments { types: &types, constants, result: &DataType::Null })?;
    let nullable = match function.nullability {
        Nullability::Any => args.iter().any(|arg| arg.nullable),
        Nullability::All => args.iter().all(|arg| arg.nullable),
        Nullability::Always => true,
        Nullability::Never => false,
    };
    let nullable = nullable || function.reads_times(&types);
    // Rows are compared field by field.
    let has_null = |arg: &Typed| matches!(&arg.data_type, DataType::Row(fields) if fields.iter().any(|it| it.nullable));
    let nullable = nullable || (["=", "<>"].contains(&function.name) && args.iter().any(has_null));
    let result = match args {
        // What is never null is taken as it is.
        [first, _] if function.name == "IFNULL" && !first.nullable => first.data_type.clone(),
        _ => result,
    };
    let data_type = match of_items(function.name, result, args) {
        // An item that is never null is still null where there is no item.
        DataType::NotNull(item) => *item,
        other => other,
    };
    Ok(Typed { data_type, nullable })
}

/// The result with what is known of the items of collections that are made of the arguments.
fn of_items(function: &str, result: DataType, args: &[Typed]) -> DataType {
    let item = |item: Box<DataType>, nullable: bool| match (*item, nullable) {
        (DataType::NotNull(item), true) => item,
        (item @ DataType::NotNull(_), false) => Box::new(item),
        (item, true) => Box::new(item),
        (item, false) => Box::new(DataType::NotNull(Box::new(item))),
    };
    let never = |arg: &Typed| matches!(&arg.data_type, DataType::Array(of) if matches!(**of, DataType::NotNull(_)));
    let any_null = |start: usize, step: usize| args.iter().skip(start).step_by(step).any(|arg| arg.nullable);
    match (function, result) {
        ("ARRAY", DataType::Array(of)) => DataType::Array(item(of, any_null(0, 1))),
        ("MAP", DataType::Map(key, value)) => DataType::Map(item(key, any_null(0, 2)), item(value, any_null(1, 2))),
        ("ROW", DataType::Row(mut fields)) => {
            for (field, arg) in fields.iter_mut().zip(args) {
                field.nullable = arg.nullable;
            }
            DataType::Row(fields)
        }
        ("ARRAY_CONCAT" | "ARRAY_UNION", DataType::Array(of)) => DataType::Array(item(of, !args.iter().all(never))),
        ("ARRAY_APPEND" | "ARRAY_PREPEND", DataType::Array(of)) => {
            let nullable = !args.first().is_some_and(never) || args.iter().skip(1).any(|arg| arg.nullable);
            DataType::Array(item(of, nullable))
        }
        (_, other) => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(name: &str, args: &[Typed]) -> String {
        typed_call(name, args, &vec![None; args.len()]).unwrap().to_string()
    }

    #[test]
    fn calls_are_null_as_flink_says() {
        let (one, maybe) = (Typed::not_null(DataType::Int), Typed::nullable(DataType::Int));
        let text = Typed::not_null(DataType::Char(3));
        for (name, args, expected) in [
            ("+", vec![one.clone(), maybe.clone()], "INT"),
            ("+", vec![one.clone(), one.clone()], "INT NOT NULL"),
            ("COALESCE", vec![maybe.clone(), one.clone()], "INT NOT NULL"),
            ("NULLIF", vec![one.clone(), one.clone()], "INT"),
            ("IS NULL", vec![maybe.clone()], "BOOLEAN NOT NULL"),
            ("REVERSE", vec![text.clone()], "STRING"),
            ("UPPER", vec![text.clone()], "CHAR(3) NOT NULL"),
            ("LEFT", vec![text.clone(), one.clone()], "VARCHAR(3)"),
            ("||", vec![text.clone(), text.clone()], "CHAR(6) NOT NULL"),
            ("ARRAY", vec![one.clone(), one.clone()], "ARRAY<INT NOT NULL> NOT NULL"),
            ("ARRAY", vec![one.clone(), maybe.clone()], "ARRAY<INT> NOT NULL"),
            ("ROW", vec![one.clone(), maybe.clone()], "ROW<`EXPR$0` INT NOT NULL, `EXPR$1` INT> NOT NULL"),
        ] {
            assert_eq!(of(name, &args), expected, "{name}");
        }
        let map = typed_call("MAP", &[text, maybe], &[None, None]).unwrap();
        assert_eq!(map.to_string(), "MAP<CHAR(3) NOT NULL, INT> NOT NULL");
        assert_eq!(of("MAP_KEYS", std::slice::from_ref(&map)), "ARRAY<CHAR(3) NOT NULL> NOT NULL");
        assert_eq!(of("ITEM", &[map, Typed::not_null(DataType::Char(1))]), "INT");
    }
}
