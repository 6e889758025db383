//! What the state of an operator is about, kept beside it, so that a snapshot of another query is refused with a clear
//! error instead of being misread.

use dataflow::{OpenContext, Snapshot};
use model::{DataType, Failure, Schema};

/// The name of the operator state.
const NAME: &str = "signature";

/// A text that is equal for operators whose state is exchangeable.
pub(crate) struct Signature(String);

impl Signature {
    /// Compares the text with that of the snapshot the operator starts from.
    pub(crate) fn new(text: String, context: &OpenContext) -> Result<Self, Failure> {
        context.restored(NAME).iter().try_for_each(|item| compare(&item.0, &text))?;
        Ok(Self(text))
    }

    /// Puts it into a snapshot.
    pub(crate) fn snapshot(&self, snapshot: &mut Snapshot) {
        snapshot.add(NAME, self.0.clone().into_bytes());
    }
}

/// Checks that a stored text is of the same state.
fn compare(stored: &[u8], text: &str) -> Result<(), Failure> {
    if stored == text.as_bytes() {
        return Ok(());
    }
    let shown = String::from_utf8_lossy(stored);
    if text.contains(WIDE) && stored == text.replace(WIDE, "").as_bytes() {
        return Err(Failure::user(format!(
            "the snapshot holds timestamps of more than six digits in 64 bits, as earlier builds kept them; they have 128 \
             bits now, and this state cannot be read: '{shown}'"
        )));
    }
    Err(Failure::user(format!("the snapshot holds state of another query: '{shown}' instead of '{text}'")))
}

/// How the names of types end whose values are held in 128 bits now.
const WIDE: &str = " OF 128 BITS";

/// The names of types, as [`type_name`] has them.
pub(crate) fn types<'a>(types: impl IntoIterator<Item = &'a DataType>) -> String {
    types.into_iter().map(type_name).collect::<Vec<_>>().join(", ")
}

/// The types of some columns.
pub(crate) fn types_at(schema: &Schema, columns: &[usize]) -> String {
    types(columns.iter().filter_map(|&column| schema.fields.get(column)).map(|field| &field.data_type))
}

/// A type as signatures name it. Frozen, since state of earlier builds has these names; what users see may change.
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
        // These were held in 64 bits once, under their names alone.
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

    #[test]
    fn state_of_timestamps_in_64_bits_is_refused_by_its_reason() {
        let now = types([&DataType::Int, &DataType::Timestamp(9)]);
        assert!(compare(now.as_bytes(), &now).is_ok());
        let refused = compare(b"INT, TIMESTAMP(9)", &now).unwrap_err().to_string();
        assert!(refused.contains("in 64 bits, as earlier builds kept them") && refused.contains("INT, TIMESTAMP(9)"));
        let other = compare(b"INT, TIMESTAMP(6)", &now).unwrap_err().to_string();
        assert!(other.contains("state of another query"));
    }
}
