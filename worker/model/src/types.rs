//! Flink SQL's data types and their arrow layout.

#![expect(clippy::cast_possible_wrap, clippy::cast_sign_loss, reason = "the stored form fixes these widths")]

use std::{fmt, sync::Arc};

use arrow::datatypes::{DataType as Arrow, Field as ArrowField, Fields, IntervalUnit, TimeUnit};
use serde::{Deserialize, Serialize};

use crate::{Failure, Field, timestamp};

/// A Flink SQL type. Part of the stored job graph: add variants, never change one.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DataType {
    /// The type of a bare `NULL`.
    Null,
    /// `BOOLEAN`
    Boolean,
    /// `TINYINT`, 8 bits
    TinyInt,
    /// `SMALLINT`, 16 bits
    SmallInt,
    /// `INT`, 32 bits
    Int,
    /// `BIGINT`, 64 bits
    BigInt,
    /// `FLOAT`, 32 bits
    Float,
    /// `DOUBLE`, 64 bits
    Double,
    /// `DECIMAL(precision, scale)`, precision at most 38
    Decimal(u8, u8),
    /// `CHAR(n)`
    Char(u32),
    /// `VARCHAR(n)`
    Varchar(u32),
    /// `STRING`, that is `VARCHAR(2147483647)`
    String,
    /// `BINARY(n)`
    Binary(u32),
    /// `VARBINARY(n)`
    Varbinary(u32),
    /// `BYTES`
    Bytes,
    /// `DATE`
    Date,
    /// `TIME(p)`, held in milliseconds
    Time(u8),
    /// `TIMESTAMP(p)` without zone
    Timestamp(u8),
    /// `TIMESTAMP_LTZ(p)`, an instant
    TimestampLtz(u8),
    /// `INTERVAL DAY TO SECOND`, held in milliseconds
    IntervalDayTime,
    /// `INTERVAL YEAR TO MONTH`, held in months
    IntervalYearMonth,
    /// `ROW<…>`
    Row(Vec<Field>),
    /// `ARRAY<…>`
    Array(Box<DataType>),
    /// `MAP<key, value>`
    Map(Box<DataType>, Box<DataType>),
    /// `MULTISET<…>`, held as a map from elements to how often they occur
    Multiset(Box<DataType>),
    /// What is inside an array, map or row and never null. The planner's, to print types; a job graph has none.
    NotNull(Box<DataType>),
}

impl DataType {
    /// The arrow type that columns of this type have. Lengths of `CHAR` and `VARCHAR` are not part of it.
    pub fn to_arrow(&self) -> Arrow {
        self.arrow(timestamp::arrow)
    }

    /// The arrow type by which a planner that knows arrow's types alone thinks of this type: as [`DataType::to_arrow`], but
    /// all timestamps are such. No column of times finer than a microsecond has it.
    pub fn to_planned_arrow(&self) -> Arrow {
        self.arrow(timestamp::planned_arrow)
    }

    fn arrow(&self, timestamp: fn(u8, bool) -> Arrow) -> Arrow {
        let field = |name: &str, data_type: &Self, nullable: bool| {
            Arc::new(ArrowField::new(name, data_type.arrow(timestamp), nullable))
        };
        match self {
            Self::Null => Arrow::Null,
            Self::Boolean => Arrow::Boolean,
            Self::TinyInt => Arrow::Int8,
            Self::SmallInt => Arrow::Int16,
            Self::Int => Arrow::Int32,
            Self::BigInt => Arrow::Int64,
            Self::Float => Arrow::Float32,
            Self::Double => Arrow::Float64,
            Self::Decimal(precision, scale) => Arrow::Decimal128(*precision, *scale as i8),
            Self::Char(_) | Self::Varchar(_) | Self::String => Arrow::Utf8,
            Self::Binary(_) | Self::Varbinary(_) | Self::Bytes => Arrow::Binary,
            Self::Date => Arrow::Date32,
            Self::Time(_) => Arrow::Time32(TimeUnit::Millisecond),
            Self::Timestamp(precision) => timestamp(*precision, false),
            Self::TimestampLtz(precision) => timestamp(*precision, true),
            Self::IntervalDayTime => Arrow::Duration(TimeUnit::Millisecond),
            Self::IntervalYearMonth => Arrow::Interval(IntervalUnit::YearMonth),
            Self::Row(fields) => {
                Arrow::Struct(fields.iter().map(|of| field(&of.name, &of.data_type, true)).collect::<Fields>())
            }
            Self::Array(item) => Arrow::List(field("item", item, true)),
            Self::Map(key, value) => {
                let entries = Fields::from(vec![field("key", key, false), field("value", value, true)]);
                Arrow::Map(Arc::new(ArrowField::new("entries", Arrow::Struct(entries), false)), false)
            }
            Self::Multiset(element) => Self::counts_of(element).arrow(timestamp),
            Self::NotNull(inner) => inner.arrow(timestamp),
        }
    }

    /// The map that a multiset of such elements is held as.
    #[must_use]
    pub fn counts_of(element: &Self) -> Self {
        Self::Map(Box::new(element.clone()), Box::new(Self::Int))
    }

    /// The Flink type of an arrow column.
    ///
    /// # Errors
    /// Class `Internal` for arrow types no Flink type maps to.
    pub fn from_arrow(arrow: &Arrow) -> Result<Self, Failure> {
        if let Some(is_instant) = timestamp::is_wide(arrow) {
            return Ok(if is_instant { Self::TimestampLtz(9) } else { Self::Timestamp(9) });
        }
        Ok(match arrow {
            Arrow::Null => Self::Null,
            Arrow::Boolean => Self::Boolean,
            Arrow::Int8 => Self::TinyInt,
            Arrow::Int16 | Arrow::UInt8 => Self::SmallInt,
            Arrow::Int32 | Arrow::UInt16 => Self::Int,
            Arrow::Int64 | Arrow::UInt32 | Arrow::UInt64 => Self::BigInt,
            Arrow::Float16 | Arrow::Float32 => Self::Float,
            Arrow::Float64 => Self::Double,
            Arrow::Decimal32(precision, scale)
            | Arrow::Decimal64(precision, scale)
            | Arrow::Decimal128(precision, scale)
                if *scale >= 0 =>
            {
                Self::Decimal(*precision, *scale as u8)
            }
            Arrow::Utf8 | Arrow::LargeUtf8 | Arrow::Utf8View => Self::String,
            Arrow::Binary | Arrow::LargeBinary | Arrow::BinaryView | Arrow::FixedSizeBinary(_) => Self::Bytes,
            Arrow::Date32 | Arrow::Date64 => Self::Date,
            Arrow::Time32(_) | Arrow::Time64(_) => Self::Time(3),
            Arrow::Timestamp(unit, zone) => {
                let precision = match unit {
                    TimeUnit::Second => 0,
                    TimeUnit::Millisecond => 3,
                    TimeUnit::Microsecond => 6,
                    TimeUnit::Nanosecond => 9,
                };
                if zone.is_some() { Self::TimestampLtz(precision) } else { Self::Timestamp(precision) }
            }
            Arrow::Duration(_) | Arrow::Interval(IntervalUnit::DayTime | IntervalUnit::MonthDayNano) => {
                Self::IntervalDayTime
            }
            Arrow::Interval(IntervalUnit::YearMonth) => Self::IntervalYearMonth,
            Arrow::Struct(fields) => Self::Row(
                fields
                    .iter()
                    .map(|field| Ok(Field::new(field.name(), Self::from_arrow(field.data_type())?)))
                    .collect::<Result<_, Failure>>()?,
            ),
            Arrow::List(item) | Arrow::LargeList(item) => Self::Array(Box::new(Self::from_arrow(item.data_type())?)),
            Arrow::Map(entries, _) => match entries.data_type() {
                Arrow::Struct(fields) if fields.len() == 2 => Self::Map(
                    Box::new(Self::from_arrow(fields[0].data_type())?),
                    Box::new(Self::from_arrow(fields[1].data_type())?),
                ),
                other => return Err(Failure::internal(format!("map entries of type {other}"))),
            },
            other => return Err(Failure::internal(format!("no Flink type for arrow type {other}"))),
        })
    }

    /// The type without [`DataType::NotNull`] at any depth.
    #[must_use]
    pub fn without_not_null(&self) -> Self {
        match self {
            Self::NotNull(inner) => inner.without_not_null(),
            Self::Array(item) => Self::Array(Box::new(item.without_not_null())),
            Self::Map(key, value) => Self::Map(Box::new(key.without_not_null()), Box::new(value.without_not_null())),
            Self::Multiset(element) => Self::Multiset(Box::new(element.without_not_null())),
            Self::Row(fields) => Self::Row(
                fields
                    .iter()
                    .map(|field| Field { data_type: field.data_type.without_not_null(), ..field.clone() })
                    .collect(),
            ),
            other => other.clone(),
        }
    }

    /// Whether values are `TIMESTAMP` or `TIMESTAMP_LTZ` of at most millisecond precision, as a time attribute must be.
    pub fn can_be_rowtime(&self) -> bool {
        matches!(self, Self::Timestamp(0..=3) | Self::TimestampLtz(0..=3))
    }

    /// Whether values are numbers.
    pub fn is_numeric(&self) -> bool {
        matches!(
            self,
            Self::TinyInt | Self::SmallInt | Self::Int | Self::BigInt | Self::Float | Self::Double | Self::Decimal(..)
        )
    }
}

impl fmt::Display for DataType {
    /// The type as Flink prints it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => f.write_str("NULL"),
            Self::Boolean => f.write_str("BOOLEAN"),
            Self::TinyInt => f.write_str("TINYINT"),
            Self::SmallInt => f.write_str("SMALLINT"),
            Self::Int => f.write_str("INT"),
            Self::BigInt => f.write_str("BIGINT"),
            Self::Float => f.write_str("FLOAT"),
            Self::Double => f.write_str("DOUBLE"),
            Self::Decimal(precision, scale) => write!(f, "DECIMAL({precision}, {scale})"),
            Self::Char(length) => write!(f, "CHAR({length})"),
            Self::Varchar(length) => write!(f, "VARCHAR({length})"),
            Self::String => f.write_str("STRING"),
            Self::Binary(length) => write!(f, "BINARY({length})"),
            Self::Varbinary(length) => write!(f, "VARBINARY({length})"),
            Self::Bytes => f.write_str("BYTES"),
            Self::Date => f.write_str("DATE"),
            Self::Time(precision) => write!(f, "TIME({precision})"),
            Self::Timestamp(precision) => write!(f, "TIMESTAMP({precision})"),
            Self::TimestampLtz(precision) => write!(f, "TIMESTAMP_LTZ({precision})"),
            Self::IntervalDayTime => f.write_str("INTERVAL SECOND(3)"),
            Self::IntervalYearMonth => f.write_str("INTERVAL MONTH"),
            Self::Row(fields) => {
                f.write_str("ROW<")?;
                for (index, field) in fields.iter().enumerate() {
                    if index > 0 {
                        f.write_str(", ")?;
                    }
                    let not_null = if field.nullable { "" } else { " NOT NULL" };
                    write!(f, "`{}` {}{not_null}", field.name, field.data_type)?;
                }
                f.write_str(">")
            }
            Self::Array(item) => write!(f, "ARRAY<{item}>"),
            Self::Map(key, value) => write!(f, "MAP<{key}, {value}>"),
            Self::Multiset(element) => write!(f, "MULTISET<{element}>"),
            Self::NotNull(inner) => write!(f, "{inner} NOT NULL"),
        }
    }
}
