//! The column that an aggregate function is applied to, in the form its accumulator works on.

#![expect(
    clippy::cast_possible_wrap,
    clippy::cast_sign_loss,
    reason = "positions are bounded by a batch; hashes and times are reinterpreted bit by bit"
)]

use arrow::{
    array::{Array, ArrayRef, AsArray},
    buffer::{NullBuffer, ScalarBuffer},
    datatypes::{
        ArrowPrimitiveType, DataType as Arrow, Date32Type, Decimal128Type, DurationMillisecondType, Float32Type,
        Float64Type, Int8Type, Int16Type, Int32Type, Int64Type, IntervalUnit, IntervalYearMonthType,
        Time32MillisecondType, TimeUnit, TimestampMicrosecondType, TimestampMillisecondType, TimestampNanosecondType,
        TimestampSecondType,
    },
};
use model::{DataType, Failure, row};

/// How values are held in accumulators.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// Integers, booleans, dates and times.
    Int,
    /// Floats as numbers, to be added.
    Float,
    /// Floats as integers that sort alike, to be compared.
    OrderedFloat,
    /// Numbers of any kind as floats.
    Real,
    /// Unscaled decimals, and nanoseconds in 128 bits.
    Decimal,
    /// The bytes of strings.
    Text,
    /// Nested values in the row encoding: equality only.
    Nested,
}

impl Form {
    /// The form in which values of a type are compared.
    pub(crate) fn compared(data_type: &DataType) -> Self {
        match data_type {
            DataType::Float | DataType::Double => Self::OrderedFloat,
            // Timestamps of more than six digits are held as such.
            DataType::Decimal(..) | DataType::Timestamp(7..) | DataType::TimestampLtz(7..) => Self::Decimal,
            DataType::Char(_)
            | DataType::Varchar(_)
            | DataType::String
            | DataType::Binary(_)
            | DataType::Varbinary(_)
            | DataType::Bytes => Self::Text,
            DataType::Row(_) | DataType::Array(_) | DataType::Map(..) | DataType::Multiset(_) => Self::Nested,
            _ => Self::Int,
        }
    }

    /// The form in which values of a type are added up, if they can be.
    pub(crate) fn added(data_type: &DataType) -> Option<Self> {
        match data_type {
            DataType::Float | DataType::Double => Some(Self::Float),
            DataType::Decimal(..) => Some(Self::Decimal),
            DataType::IntervalDayTime | DataType::IntervalYearMonth | DataType::Null => Some(Self::Int),
            other => other.is_numeric().then_some(Self::Int),
        }
    }

    /// How many words a value takes.
    pub(crate) fn words(self) -> usize {
        if self == Self::Decimal { 2 } else { 1 }
    }
}

/// A column's values; those at nulls are arbitrary.
pub(crate) enum Argument {
    /// [`Form::Int`] and [`Form::OrderedFloat`]
    Int(ScalarBuffer<i64>),
    /// [`Form::Float`] and [`Form::Real`]
    Float(ScalarBuffer<f64>),
    /// [`Form::Decimal`]
    Decimal(ScalarBuffer<i128>),
    /// [`Form::Text`]
    Text(ArrayRef),
    /// [`Form::Nested`]
    Nested(row::Rows),
}

impl Argument {
    pub(crate) fn new(column: &ArrayRef, form: Form) -> Result<Self, Failure> {
        Ok(match form {
            Form::Int => Self::Int(integers(column)?),
            Form::Float => Self::Float(floats(column)?),
            Form::Real => Self::Float(numbers(column)?),
            Form::OrderedFloat => Self::Int(floats(column)?.iter().map(|&value| ordered(value)).collect()),
            Form::Decimal => match column.as_primitive_opt::<Decimal128Type>() {
                Some(array) => Self::Decimal(array.values().clone()),
                None => return Err(unexpected(column)),
            },
            Form::Text => match column.data_type() {
                Arrow::Utf8 | Arrow::Binary => Self::Text(ArrayRef::clone(column)),
                _ => return Err(unexpected(column)),
            },
            Form::Nested => Self::Nested(row::encode(std::slice::from_ref(column), column.len())?),
        })
    }

    /// The bytes of a value of [`Form::Text`] or [`Form::Nested`].
    #[inline]
    pub(crate) fn bytes(&self, row: usize) -> &[u8] {
        match self {
            Self::Text(array) => text(array, row),
            Self::Nested(rows) => rows.row(row),
            Self::Int(_) | Self::Float(_) | Self::Decimal(_) => &[],
        }
    }
}

/// Which rows of a column are not null, if any are.
pub(crate) fn nulls(column: &ArrayRef) -> Option<NullBuffer> {
    column.logical_nulls().filter(|nulls| nulls.null_count() > 0)
}

#[inline]
fn text(array: &ArrayRef, row: usize) -> &[u8] {
    match array.data_type() {
        Arrow::Utf8 => array.as_string::<i32>().value(row).as_bytes(),
        _ => array.as_binary::<i32>().value(row),
    }
}

fn integers(column: &ArrayRef) -> Result<ScalarBuffer<i64>, Failure> {
    fn same<T: ArrowPrimitiveType<Native = i64>>(column: &ArrayRef) -> ScalarBuffer<i64> {
        column.as_primitive::<T>().values().clone()
    }
    fn wider<T: ArrowPrimitiveType<Native: Into<i64>>>(column: &ArrayRef) -> ScalarBuffer<i64> {
        column.as_primitive::<T>().values().iter().map(|&value| value.into()).collect()
    }
    Ok(match column.data_type() {
        Arrow::Null => vec![0; column.len()].into(),
        Arrow::Boolean => column.as_boolean().values().iter().map(i64::from).collect(),
        Arrow::Int8 => wider::<Int8Type>(column),
        Arrow::Int16 => wider::<Int16Type>(column),
        Arrow::Int32 => wider::<Int32Type>(column),
        Arrow::Date32 => wider::<Date32Type>(column),
        Arrow::Time32(TimeUnit::Millisecond) => wider::<Time32MillisecondType>(column),
        Arrow::Interval(IntervalUnit::YearMonth) => wider::<IntervalYearMonthType>(column),
        Arrow::Int64 => same::<Int64Type>(column),
        Arrow::Timestamp(TimeUnit::Second, _) => same::<TimestampSecondType>(column),
        Arrow::Timestamp(TimeUnit::Millisecond, _) => same::<TimestampMillisecondType>(column),
        Arrow::Timestamp(TimeUnit::Microsecond, _) => same::<TimestampMicrosecondType>(column),
        Arrow::Timestamp(TimeUnit::Nanosecond, _) => same::<TimestampNanosecondType>(column),
        Arrow::Duration(TimeUnit::Millisecond) => same::<DurationMillisecondType>(column),
        _ => return Err(unexpected(column)),
    })
}

fn floats(column: &ArrayRef) -> Result<ScalarBuffer<f64>, Failure> {
    Ok(match column.data_type() {
        Arrow::Float32 => column.as_primitive::<Float32Type>().values().iter().map(|&value| f64::from(value)).collect(),
        Arrow::Float64 => column.as_primitive::<Float64Type>().values().clone(),
        _ => return Err(unexpected(column)),
    })
}

/// Numbers of any kind as floats.
fn numbers(column: &ArrayRef) -> Result<ScalarBuffer<f64>, Failure> {
    Ok(match column.data_type() {
        Arrow::Float32 | Arrow::Float64 => floats(column)?,
        Arrow::Decimal128(_, scale) => {
            let unit = 10_f64.powi(i32::from(*scale));
            column.as_primitive::<Decimal128Type>().values().iter().map(|&value| value as f64 / unit).collect()
        }
        _ => integers(column)?.iter().map(|&value| value as f64).collect(),
    })
}

fn unexpected(column: &ArrayRef) -> Failure {
    Failure::internal(format!("an aggregate's argument has the unexpected type {}", column.data_type()))
}

/// A float as an integer that sorts as the float does (one zero, NaN last, as in Java).
#[inline]
pub(crate) fn ordered(value: f64) -> i64 {
    let value = if value == 0.0 {
        0.0
    } else if value.is_nan() {
        f64::NAN.abs()
    } else {
        value
    };
    let bits = value.to_bits() as i64;
    bits ^ (((bits >> 63) as u64) >> 1) as i64
}

/// The inverse of [`ordered`].
#[inline]
pub(crate) fn unordered(value: i64) -> f64 {
    f64::from_bits((value ^ (((value >> 63) as u64) >> 1) as i64) as u64)
}
