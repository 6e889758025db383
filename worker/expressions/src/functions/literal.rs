//! Constants as arrays of length one.

#![expect(
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    reason = "SQL arithmetic wraps as Java's; positions are bounded by a batch"
)]

use std::sync::Arc;

use arrow::array::{
    ArrayRef, BinaryArray, BooleanArray, Date32Array, Decimal128Array, DurationMillisecondArray, Float32Array,
    Float64Array, Int8Array, Int16Array, Int32Array, Int64Array, IntervalYearMonthArray, StringArray,
    Time32MillisecondArray, new_null_array,
};
use graph::Value;
use model::{DataType, Failure};

/// The value of a literal.
pub(crate) fn array(value: &Value, data_type: &DataType) -> Result<ArrayRef, Failure> {
    let wrong = || Failure::internal(format!("literal {value:?} is not a value of type {data_type}"));
    Ok(match (value, data_type) {
        (Value::Null, _) => new_null_array(&data_type.to_arrow(), 1),
        (Value::Boolean(value), DataType::Boolean) => Arc::new(BooleanArray::from(vec![*value])),
        (Value::Integer(value), _) => integer(*value, data_type)?.ok_or_else(wrong)?,
        (Value::Float(value), DataType::Double) => Arc::new(Float64Array::from(vec![*value])),
        (Value::Float(value), DataType::Float) => Arc::new(Float32Array::from(vec![*value as f32])),
        (Value::Decimal(digits), DataType::Decimal(precision, scale)) => {
            let unscaled: i128 = digits.parse().map_err(|_| wrong())?;
            Arc::new(Decimal128Array::from(vec![unscaled]).with_precision_and_scale(*precision, *scale as i8)?)
        }
        (Value::String(text), DataType::Char(_) | DataType::Varchar(_) | DataType::String) => {
            Arc::new(StringArray::from(vec![text.as_str()]))
        }
        (Value::Bytes(bytes), DataType::Binary(_) | DataType::Varbinary(_) | DataType::Bytes) => {
            Arc::new(BinaryArray::from(vec![bytes.as_slice()]))
        }
        _ => return Err(wrong()),
    })
}

fn integer(value: i64, data_type: &DataType) -> Result<Option<ArrayRef>, Failure> {
    let narrow = |_| Failure::internal(format!("literal {value} is out of range of {data_type}"));
    Ok(Some(match data_type {
        DataType::TinyInt => Arc::new(Int8Array::from(vec![i8::try_from(value).map_err(narrow)?])),
        DataType::SmallInt => Arc::new(Int16Array::from(vec![i16::try_from(value).map_err(narrow)?])),
        DataType::Int => Arc::new(Int32Array::from(vec![i32::try_from(value).map_err(narrow)?])),
        DataType::BigInt => Arc::new(Int64Array::from(vec![value])),
        DataType::Double => Arc::new(Float64Array::from(vec![value as f64])),
        DataType::Float => Arc::new(Float32Array::from(vec![value as f32])),
        DataType::Decimal(precision, scale) => {
            let unscaled = i128::from(value) * crate::number::power_of_ten(*scale);
            Arc::new(Decimal128Array::from(vec![unscaled]).with_precision_and_scale(*precision, *scale as i8)?)
        }
        DataType::Date => Arc::new(Date32Array::from(vec![i32::try_from(value).map_err(narrow)?])),
        DataType::Time(_) => Arc::new(Time32MillisecondArray::from(vec![i32::try_from(value).map_err(narrow)?])),
        DataType::IntervalDayTime => Arc::new(DurationMillisecondArray::from(vec![value])),
        DataType::IntervalYearMonth => {
            Arc::new(IntervalYearMonthArray::from(vec![i32::try_from(value).map_err(narrow)?]))
        }
        DataType::Timestamp(7..) | DataType::TimestampLtz(7..) => {
            Arc::new(Decimal128Array::from(vec![i128::from(value)]).with_data_type(data_type.to_arrow()))
        }
        DataType::Timestamp(_) | DataType::TimestampLtz(_) => {
            let values = Int64Array::from(vec![value]);
            arrow::array::make_array(
                arrow::array::Array::to_data(&values).into_builder().data_type(data_type.to_arrow()).build()?,
            )
        }
        _ => return Ok(None),
    }))
}
