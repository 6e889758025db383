//! Expressions that the syntax tree of sqlparser or the literals of DataFusion have no exact form for: typed literals
//! and casts to Flink types. They travel through the library's planner as dictionary literals, whose meaning the
//! planner leaves to us.

#![expect(clippy::cast_possible_truncation, clippy::cast_possible_wrap, reason = "numbers of a plan are small")]

use std::collections::HashMap;

use arrow::datatypes::{Field as ArrowField, FieldRef};
use datafusion_common::{ScalarValue, metadata::FieldMetadata};
use datafusion_expr::{Cast, Expr as Logical, TryCast};
use expressions::Typed;
use graph::Value;
use model::DataType;
use serde::{Deserialize, Serialize};
use sqlparser::{
    ast::{DictionaryField, Expr, Ident, Spanned, Value as SqlValue, ValueWithSpan},
    tokenizer::Span,
};

use crate::SqlError;

/// Where a field's Flink type is kept when its arrow type does not say all.
const TYPE_KEY: &str = "sluice.type";

/// Where it is kept that a field is never null, or that it may be.
const NULL_KEY: &str = "sluice.nullable";

/// What an escaped expression stands for.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Escape {
    /// A typed constant.
    Literal {
        /// Its value.
        value: Value,
        /// Its type.
        data_type: DataType,
    },
    /// A cast of the dictionary's value.
    Cast {
        /// To which type.
        to: DataType,
        /// `TRY_CAST`
        safe: bool,
    },
    /// An operator between the dictionary's two values, and its place.
    Operator {
        /// `+`, `-`, `*`, `/`, `%`
        sign: String,
        /// 1-based.
        line: u64,
        /// 1-based.
        column: u64,
    },
}

impl Escape {
    fn expr(&self, of: Expr, span: Span) -> Expr {
        let key = serde_json::to_string(self).unwrap_or_default();
        Expr::Dictionary(vec![DictionaryField { key: Ident::with_span(span, key), value: Box::new(of) }])
    }

    /// The escape that a dictionary's key holds.
    pub(crate) fn parse(key: &str) -> Option<Self> {
        serde_json::from_str(key).ok()
    }
}

/// A typed constant.
pub(crate) fn literal(value: Value, data_type: &DataType, span: Span) -> Expr {
    let none = Expr::Value(ValueWithSpan { value: SqlValue::Null, span });
    Escape::Literal { value, data_type: data_type.clone() }.expr(none, span)
}

/// A constant held as an integer: numbers, times, intervals.
pub(crate) fn integer(value: i64, data_type: &DataType, span: Span) -> Expr {
    literal(Value::Integer(value), data_type, span)
}

/// `CAST` or `TRY_CAST`.
pub(crate) fn cast(to: &DataType, safe: bool, of: Expr, span: Span) -> Expr {
    Escape::Cast { to: to.clone(), safe }.expr(of, span)
}

/// An operator between two operands.
pub(crate) fn operator(sign: &str, left: Expr, right: Expr) -> Expr {
    let span = [place(&left), place(&right)].into_iter().find(|span| span.start.line > 0).unwrap_or_else(Span::empty);
    let escape = Escape::Operator { sign: sign.to_owned(), line: span.start.line, column: span.start.column };
    let mut whole = escape.expr(left, span);
    if let Expr::Dictionary(fields) = &mut whole {
        fields.push(DictionaryField { key: Ident::with_span(span, ""), value: Box::new(right) });
    }
    whole
}

/// Where an expression stands.
pub(crate) fn place(expr: &Expr) -> Span {
    match expr {
        Expr::Dictionary(fields) => fields.first().map_or_else(Span::empty, |field| field.key.span),
        Expr::Nested(inner) => place(inner),
        other => other.span(),
    }
}

/// The escape that a syntax node is, if it is one.
pub(crate) fn of_syntax(expr: &Expr) -> Option<(Escape, Span)> {
    match expr {
        Expr::Dictionary(fields) if fields.len() == 1 => {
            Some((Escape::parse(&fields[0].key.value)?, fields[0].key.span))
        }
        _ => None,
    }
}

/// The type of an expression that says it itself: a literal or a cast.
pub(crate) fn known_type(expr: &Expr) -> Option<DataType> {
    if let Some((Escape::Literal { data_type, .. } | Escape::Cast { to: data_type, .. }, _)) = of_syntax(expr) {
        return Some(data_type);
    }
    match expr {
        Expr::Nested(inner) => known_type(inner),
        Expr::Value(value) => match &value.value {
            SqlValue::SingleQuotedString(text) => Some(DataType::Char(u32::try_from(text.chars().count()).ok()?)),
            SqlValue::Boolean(_) => Some(DataType::Boolean),
            SqlValue::Null => Some(DataType::Null),
            _ => None,
        },
        _ => None,
    }
}

/// A literal or cast of a type that its arrow form does not tell, as one of the type that it does: the library wants
/// the rows of `VALUES` alike in all they carry.
pub(crate) fn make_plain(expr: &mut Expr) {
    let Some((escape, span)) = of_syntax(expr) else { return };
    let plain = |data_type: DataType| DataType::from_arrow(&data_type.to_planned_arrow()).unwrap_or(data_type);
    let of = match expr {
        Expr::Dictionary(fields) if !fields.is_empty() => *fields.swap_remove(0).value,
        _ => return,
    };
    *expr = match escape {
        Escape::Literal { value, data_type } => Escape::Literal { value, data_type: plain(data_type) }.expr(of, span),
        Escape::Cast { to, safe } => Escape::Cast { to: plain(to), safe }.expr(of, span),
        other => other.expr(of, span),
    };
}

/// The logical expression of an escape.
pub(crate) fn to_logical(escape: Escape, of: Logical) -> Result<Logical, SqlError> {
    Ok(match escape {
        Escape::Literal { value, data_type } => {
            let metadata = type_metadata(&data_type);
            Logical::Literal(scalar(&value, &data_type)?, metadata.map(FieldMetadata::from))
        }
        Escape::Cast { to, safe } => {
            let field = arrow_field("", &to);
            // The library leaves casts out of names, and takes two of one value for one column.
            let of = match of {
                Logical::Literal(..) => of,
                of => {
                    let name = format!("CAST({} AS {to})", of.schema_name());
                    of.alias(name)
                }
            };
            if safe {
                Logical::TryCast(TryCast::new_from_field(Box::new(of), field))
            } else {
                Logical::Cast(Cast::new_from_field(Box::new(of), field))
            }
        }
        Escape::Operator { sign, .. } => return Err(SqlError::internal(format!("{sign} has two operands"))),
    })
}

fn type_metadata(data_type: &DataType) -> Option<HashMap<String, String>> {
    let exact = DataType::from_arrow(&data_type.to_planned_arrow()).is_ok_and(|back| back == *data_type);
    if exact {
        return None;
    }
    let text = serde_json::to_string(data_type).ok()?;
    Some(HashMap::from([(TYPE_KEY.to_owned(), text)]))
}

/// A nullable arrow field that remembers its Flink type.
pub(crate) fn arrow_field(name: &str, data_type: &DataType) -> FieldRef {
    let field = ArrowField::new(name, data_type.to_planned_arrow(), true);
    match type_metadata(data_type) {
        Some(metadata) => field.with_metadata(metadata).into(),
        None => field.into(),
    }
}

/// An arrow field that remembers its Flink type in full; for the library it may be null.
pub(crate) fn typed_arrow_field(name: &str, typed: &Typed) -> FieldRef {
    ArrowField::new(name, typed.data_type.to_planned_arrow(), true).with_metadata(typed_metadata(typed)).into()
}

/// The Flink type of a field.
pub(crate) fn flink_type(field: &ArrowField) -> Result<DataType, SqlError> {
    let remembered = field.metadata().get(TYPE_KEY).and_then(|text| serde_json::from_str::<DataType>(text).ok());
    match remembered {
        Some(data_type) if data_type.to_planned_arrow() == *field.data_type() => Ok(data_type),
        _ => Ok(DataType::from_arrow(field.data_type())?),
    }
}

/// What a field's metadata says of it; a field without any may be null.
pub(crate) fn typed_field(field: &ArrowField) -> Result<Typed, SqlError> {
    let nullable = field.metadata().get(NULL_KEY).is_none_or(|said| said != "false");
    Ok(Typed { data_type: flink_type(field)?, nullable })
}

/// Metadata that says a type in full, whatever metadata it is put over.
pub(crate) fn typed_metadata(typed: &Typed) -> HashMap<String, String> {
    let text = serde_json::to_string(&typed.data_type).unwrap_or_default();
    HashMap::from([(TYPE_KEY.to_owned(), text), (NULL_KEY.to_owned(), typed.nullable.to_string())])
}

/// A constant as the library holds it.
pub(crate) fn scalar(value: &Value, data_type: &DataType) -> Result<ScalarValue, SqlError> {
    let wrong = || SqlError::internal(format!("no literal of {data_type}: {value:?}"));
    let arrow = data_type.to_planned_arrow();
    Ok(match (value, data_type) {
        (Value::Null, _) => ScalarValue::try_from(&arrow).map_err(|_| wrong())?,
        (Value::Boolean(value), DataType::Boolean) => ScalarValue::Boolean(Some(*value)),
        (Value::Float(value), DataType::Double) => ScalarValue::Float64(Some(*value)),
        (Value::Float(value), DataType::Float) => ScalarValue::Float32(Some(*value as f32)),
        (Value::Decimal(digits), DataType::Decimal(precision, scale)) => {
            ScalarValue::Decimal128(Some(digits.parse().map_err(|_| wrong())?), *precision, *scale as i8)
        }
        (Value::String(text), DataType::Char(_) | DataType::Varchar(_) | DataType::String) => {
            ScalarValue::Utf8(Some(text.clone()))
        }
        (Value::Bytes(bytes), DataType::Binary(_) | DataType::Varbinary(_) | DataType::Bytes) => {
            ScalarValue::Binary(Some(bytes.clone()))
        }
        (Value::Integer(value), _) => integer_scalar(*value, data_type).ok_or_else(wrong)?,
        _ => return Err(wrong()),
    })
}

fn integer_scalar(value: i64, data_type: &DataType) -> Option<ScalarValue> {
    use arrow::datatypes::{DataType as Arrow, TimeUnit};
    Some(match data_type.to_planned_arrow() {
        Arrow::Int8 => ScalarValue::Int8(Some(value.try_into().ok()?)),
        Arrow::Int16 => ScalarValue::Int16(Some(value.try_into().ok()?)),
        Arrow::Int32 => ScalarValue::Int32(Some(value.try_into().ok()?)),
        Arrow::Int64 => ScalarValue::Int64(Some(value)),
        Arrow::Date32 => ScalarValue::Date32(Some(value.try_into().ok()?)),
        Arrow::Time32(TimeUnit::Millisecond) => ScalarValue::Time32Millisecond(Some(value.try_into().ok()?)),
        Arrow::Timestamp(TimeUnit::Millisecond, zone) => ScalarValue::TimestampMillisecond(Some(value), zone),
        Arrow::Timestamp(TimeUnit::Microsecond, zone) => ScalarValue::TimestampMicrosecond(Some(value), zone),
        Arrow::Timestamp(TimeUnit::Nanosecond, zone) => ScalarValue::TimestampNanosecond(Some(value), zone),
        Arrow::Duration(TimeUnit::Millisecond) => ScalarValue::DurationMillisecond(Some(value)),
        Arrow::Interval(arrow::datatypes::IntervalUnit::YearMonth) => {
            ScalarValue::IntervalYearMonth(Some(value.try_into().ok()?))
        }
        _ => return None,
    })
}

/// A constant as the job graph holds it.
pub(crate) fn value(scalar: &ScalarValue) -> Option<Value> {
    if scalar.is_null() {
        return Some(Value::Null);
    }
    Some(match scalar {
        ScalarValue::Boolean(Some(value)) => Value::Boolean(*value),
        ScalarValue::Float32(Some(value)) => Value::Float(f64::from(*value)),
        ScalarValue::Float64(Some(value)) => Value::Float(*value),
        ScalarValue::Decimal128(Some(value), ..) => Value::Decimal(value.to_string()),
        ScalarValue::Int8(Some(value)) => Value::Integer(i64::from(*value)),
        ScalarValue::Int16(Some(value)) => Value::Integer(i64::from(*value)),
        ScalarValue::Int32(Some(value))
        | ScalarValue::Date32(Some(value))
        | ScalarValue::Time32Millisecond(Some(value))
        | ScalarValue::IntervalYearMonth(Some(value)) => Value::Integer(i64::from(*value)),
        ScalarValue::Int64(Some(value))
        | ScalarValue::TimestampMillisecond(Some(value), _)
        | ScalarValue::TimestampMicrosecond(Some(value), _)
        | ScalarValue::TimestampNanosecond(Some(value), _)
        | ScalarValue::DurationMillisecond(Some(value)) => Value::Integer(*value),
        ScalarValue::Utf8(Some(text)) | ScalarValue::LargeUtf8(Some(text)) | ScalarValue::Utf8View(Some(text)) => {
            Value::String(text.clone())
        }
        ScalarValue::Binary(Some(bytes)) | ScalarValue::LargeBinary(Some(bytes)) => Value::Bytes(bytes.clone()),
        _ => return None,
    })
}
