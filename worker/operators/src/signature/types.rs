//! The names of types in signatures.

use model::{DataType, Schema};

/// How the names of types end whose values are held in 128 bits now. Builds that held them in 64 bits had the bare names.
pub(super) const WIDE: &str = " OF 128 BITS";

/// The names of types, as [`type_name`] has them.
pub(crate) fn types<'a>(types: impl IntoIterator<Item = &'a DataType>) -> String {
    types.into_iter().map(type_name).collect::<Vec<_>>().join(", ")
}

/// The types of some columns.
pub(crate) fn types_at(schema: &Schema, columns: &[usize]) -> String {
    types(columns.iter().filter_map(|&column| schema.fields.get(column)).map(|field| &field.data_type))
}

/// A type as signatures name it. Frozen, since stored state has these names; what users see may change.
pub(crate) fn type_name(data_type: &DataType) -> String {
    let fixed = match data_type {
        DataType::Null => "NULL",
        DataType::Boolean => "BOOLEAN",
        DataType::TinyInt => "TINYINT",
        DataType::SmallInt => "SMALLINT",
        DataType::Int => "INT",
        DataType::BigInt => "BIGINT",
        DataType::Float => "FLOAT",
        DataType::Double => "DOUBLE",
        DataType::String => "STRING",
        DataType::Bytes => "BYTES",
        DataType::Date => "DATE",
        DataType::IntervalDayTime => "INTERVAL DAY TO SECOND(3)",
        DataType::IntervalYearMonth => "INTERVAL YEAR TO MONTH",
        DataType::Decimal(precision, scale) => return format!("DECIMAL({precision}, {scale})"),
        DataType::Char(length) => return format!("CHAR({length})"),
        DataType::Varchar(length) => return format!("VARCHAR({length})"),
        DataType::Binary(length) => return format!("BINARY({length})"),
        DataType::Varbinary(length) => return format!("VARBINARY({length})"),
        DataType::Time(precision) => return format!("TIME({precision})"),
        DataType::Timestamp(precision @ 7..) => return format!("TIMESTAMP({precision}){WIDE}"),
        DataType::TimestampLtz(precision @ 7..) => return format!("TIMESTAMP_LTZ({precision}){WIDE}"),
        DataType::Timestamp(precision) => return format!("TIMESTAMP({precision})"),
        DataType::TimestampLtz(precision) => return format!("TIMESTAMP_LTZ({precision})"),
        DataType::Array(item) => return format!("ARRAY<{}>", type_name(item)),
        DataType::Map(key, value) => return format!("MAP<{}, {}>", type_name(key), type_name(value)),
        DataType::Multiset(element) => return format!("MULTISET<{}>", type_name(element)),
        DataType::NotNull(inner) => return format!("{} NOT NULL", type_name(inner)),
        DataType::Row(fields) => {
            let fields = fields.iter().map(|field| {
                let not_null = if field.nullable { "" } else { " NOT NULL" };
                format!("`{}` {}{not_null}", field.name, type_name(&field.data_type))
            });
            return format!("ROW<{}>", fields.collect::<Vec<_>>().join(", "));
        }
    };
    fixed.to_owned()
}

#[cfg(test)]
mod tests {
    use model::Field;

    use super::*;

    #[test]
    fn the_names_of_types_in_state_never_change() {
        let boxed = |data_type: DataType| Box::new(data_type);
        let names = [
            (DataType::Null, "NULL"),
            (DataType::Boolean, "BOOLEAN"),
            (DataType::TinyInt, "TINYINT"),
            (DataType::SmallInt, "SMALLINT"),
            (DataType::Int, "INT"),
            (DataType::BigInt, "BIGINT"),
            (DataType::Float, "FLOAT"),
            (DataType::Double, "DOUBLE"),
            (DataType::Decimal(10, 2), "DECIMAL(10, 2)"),
            (DataType::Char(3), "CHAR(3)"),
            (DataType::Varchar(4), "VARCHAR(4)"),
            (DataType::String, "STRING"),
            (DataType::Binary(5), "BINARY(5)"),
            (DataType::Varbinary(6), "VARBINARY(6)"),
            (DataType::Bytes, "BYTES"),
            (DataType::Date, "DATE"),
            (DataType::Time(0), "TIME(0)"),
            (DataType::Timestamp(3), "TIMESTAMP(3)"),
            (DataType::TimestampLtz(6), "TIMESTAMP_LTZ(6)"),
            (DataType::Timestamp(9), "TIMESTAMP(9) OF 128 BITS"),
            (DataType::TimestampLtz(7), "TIMESTAMP_LTZ(7) OF 128 BITS"),
            (DataType::IntervalDayTime, "INTERVAL DAY TO SECOND(3)"),
            (DataType::IntervalYearMonth, "INTERVAL YEAR TO MONTH"),
            (DataType::Array(boxed(DataType::IntervalDayTime)), "ARRAY<INTERVAL DAY TO SECOND(3)>"),
            (DataType::Map(boxed(DataType::Int), boxed(DataType::Date)), "MAP<INT, DATE>"),
            (DataType::Multiset(boxed(DataType::IntervalYearMonth)), "MULTISET<INTERVAL YEAR TO MONTH>"),
            (DataType::NotNull(boxed(DataType::Int)), "INT NOT NULL"),
            (
                DataType::Row(vec![Field::new("a", DataType::Int), Field::new("b c", DataType::IntervalDayTime)]),
                "ROW<`a` INT, `b c` INTERVAL DAY TO SECOND(3)>",
            ),
        ];
        for (data_type, name) in names {
            assert_eq!(type_name(&data_type), name);
        }
    }
}
