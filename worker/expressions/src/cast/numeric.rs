//! Casts between numbers, and between numbers and booleans.

#![expect(
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    reason = "SQL arithmetic wraps as Java's; positions are bounded by a batch"
)]

use std::sync::Arc;

use arrow::{
    array::{Array, ArrayRef, ArrowPrimitiveType, AsArray, BooleanArray, Decimal128Array, PrimitiveArray},
    datatypes::{Decimal128Type, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type},
};
use model::{DataType, Failure};

use super::argument;
use crate::{function::Kernel, number};

pub(super) fn kernel(from: &DataType, to: &DataType) -> Result<Kernel, Failure> {
    let (from, to) = (from.clone(), to.clone());
    Ok(match (&from, &to) {
        (DataType::Boolean, _) => Arc::new(move |inputs| from_boolean(argument(inputs)?, &to)),
        (_, DataType::Boolean) => Arc::new(move |inputs| to_boolean(argument(inputs)?, &from)),
        (DataType::Float | DataType::Double, DataType::Decimal(precision, scale)) => {
            let (precision, scale) = (*precision, *scale);
            Arc::new(move |inputs| float_to_decimal(argument(inputs)?, precision, scale))
        }
        (DataType::Decimal(_, from), DataType::Decimal(precision, scale)) => {
            let (from, precision, scale) = (*from, *precision, *scale);
            Arc::new(move |inputs| {
                let array = argument(inputs)?.as_primitive::<Decimal128Type>();
                decimals(array, precision, scale, |value| number::rescale(value, from, scale, precision))
            })
        }
        (_, DataType::Decimal(precision, scale)) => {
            let (precision, scale) = (*precision, *scale);
            Arc::new(move |inputs| {
                let array = arrow::compute::cast(argument(inputs)?, &arrow::datatypes::DataType::Int64)?;
                let array = array.as_primitive::<Int64Type>();
                decimals(array, precision, scale, |value| number::rescale(i128::from(value), 0, scale, precision))
            })
        }
        (DataType::Decimal(_, scale), DataType::Float | DataType::Double) => {
            let scale = *scale;
            Arc::new(move |inputs| {
                let array = argument(inputs)?.as_primitive::<Decimal128Type>();
                let floats: PrimitiveArray<Float64Type> = array.unary(|value| decimal_to_double(value, scale));
                narrow::<Float64Type>(&floats, &to)
            })
        }
        (DataType::Decimal(_, scale), _) => {
            let unit = number::power_of_ten(*scale);
            Arc::new(move |inputs| {
                let array = argument(inputs)?.as_primitive::<Decimal128Type>();
                let whole: PrimitiveArray<Int64Type> = array.unary(|value| (value / unit) as i64);
                narrow::<Int64Type>(&whole, &to)
            })
        }
        _ => Arc::new(move |inputs| {
            let array = argument(inputs)?;
            match from {
                DataType::TinyInt => narrow::<Int8Type>(array.as_primitive(), &to),
                DataType::SmallInt => narrow::<Int16Type>(array.as_primitive(), &to),
                DataType::Int => narrow::<Int32Type>(array.as_primitive(), &to),
                DataType::BigInt => narrow::<Int64Type>(array.as_primitive(), &to),
                DataType::Float => narrow::<Float32Type>(array.as_primitive(), &to),
                _ => narrow::<Float64Type>(array.as_primitive(), &to),
            }
        }),
    })
}

/// The nearest double to a decimal.
pub(crate) fn decimal_to_double(value: i128, scale: u8) -> f64 {
    const EXACT: i128 = 1 << 53;
    if value.abs() <= EXACT && scale <= 22 {
        // Both are exact, so one division rounds once.
        return value as f64 / number::power_of_ten(scale) as f64;
    }
    let mut text = String::with_capacity(40);
    match values::number::write_decimal(&mut text, value, scale) {
        Ok(()) => text.parse().unwrap_or(f64::NAN),
        Err(_) => f64::NAN,
    }
}

/// Java's primitive casts.
trait Narrow: Copy {
    fn to_i64(self) -> i64;
    fn to_i32(self) -> i32;
    fn to_f32(self) -> f32;
    fn to_f64(self) -> f64;
}

macro_rules! narrow {
    ($($native:ty),*) => {
        $(impl Narrow for $native {
            #[inline]
            fn to_i64(self) -> i64 {
                self as i64
            }
            #[inline]
            fn to_i32(self) -> i32 {
                self as i32
            }
            #[inline]
            fn to_f32(self) -> f32 {
                self as f32
            }
            #[inline]
            fn to_f64(self) -> f64 {
                self as f64
            }
        })*
    };
}

narrow!(i8, i16, i32, i64, f32, f64);

fn narrow<T>(array: &PrimitiveArray<T>, to: &DataType) -> Result<ArrayRef, Failure>
where
    T: ArrowPrimitiveType<Native: Narrow>,
{
    Ok(match to {
        // Smaller than int goes through int, as in Java.
        DataType::TinyInt => Arc::new(array.unary::<_, Int8Type>(|value| value.to_i32() as i8)),
        DataType::SmallInt => Arc::new(array.unary::<_, Int16Type>(|value| value.to_i32() as i16)),
        DataType::Int => Arc::new(array.unary::<_, Int32Type>(Narrow::to_i32)),
        DataType::BigInt => Arc::new(array.unary::<_, Int64Type>(Narrow::to_i64)),
        DataType::Float => Arc::new(array.unary::<_, Float32Type>(Narrow::to_f32)),
        DataType::Double => Arc::new(array.unary::<_, Float64Type>(Narrow::to_f64)),
        other => return Err(Failure::internal(format!("a number is cast to {other}"))),
    })
}

fn decimals<T: ArrowPrimitiveType>(
    array: &PrimitiveArray<T>,
    precision: u8,
    scale: u8,
    convert: impl Fn(T::Native) -> Option<i128>,
) -> Result<ArrayRef, Failure> {
    let decimals: Decimal128Array = array.unary_opt(convert);
    Ok(Arc::new(decimals.with_precision_and_scale(precision, scale as i8)?))
}

fn float_to_decimal(array: &ArrayRef, precision: u8, scale: u8) -> Result<ArrayRef, Failure> {
    // A float is taken for the decimal that it prints as.
    let mut text = String::new();
    let mut convert = |value: f64| {
        use std::fmt::Write;
        text.clear();
        write!(text, "{value:e}").ok()?;
        number::parse_decimal(&text, precision, scale).ok().flatten()
    };
    let decimals: Decimal128Array = match array.as_primitive_opt::<Float32Type>() {
        // Flink widens a FLOAT before it prints it.
        Some(array) => array.iter().map(|value| convert(f64::from(value?))).collect(),
        None => array.as_primitive::<Float64Type>().iter().map(|value| convert(value?)).collect(),
    };
    Ok(Arc::new(decimals.with_precision_and_scale(precision, scale as i8)?))
}

fn from_boolean(array: &ArrayRef, to: &DataType) -> Result<ArrayRef, Failure> {
    if let DataType::Decimal(precision, scale) = to {
        let integers = super::to_integers(array, &DataType::BigInt)?;
        let (precision, scale) = (*precision, *scale);
        return decimals(integers.as_primitive::<Int64Type>(), precision, scale, |value| {
            number::rescale(i128::from(value), 0, scale, precision)
        });
    }
    super::to_integers(array, to)
}

fn to_boolean(array: &ArrayRef, from: &DataType) -> Result<ArrayRef, Failure> {
    fn nonzero<T: ArrowPrimitiveType<Native: PartialEq + Default>>(array: &ArrayRef) -> BooleanArray {
        let array = array.as_primitive::<T>();
        let zero = T::Native::default();
        let values = arrow::buffer::BooleanBuffer::collect_bool(array.len(), |index| array.value(index) != zero);
        BooleanArray::new(values, array.nulls().cloned())
    }
    Ok(Arc::new(match from {
        DataType::TinyInt => nonzero::<Int8Type>(array),
        DataType::SmallInt => nonzero::<Int16Type>(array),
        DataType::Int => nonzero::<Int32Type>(array),
        DataType::BigInt => nonzero::<Int64Type>(array),
        DataType::Float => nonzero::<Float32Type>(array),
        DataType::Double => nonzero::<Float64Type>(array),
        DataType::Decimal(..) => nonzero::<Decimal128Type>(array),
        other => return Err(Failure::user(format!("a value of type {other} cannot be cast to BOOLEAN"))),
    }))
}
