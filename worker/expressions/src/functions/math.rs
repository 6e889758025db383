//! Mathematics.

#![expect(
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    clippy::cast_sign_loss,
    reason = "SQL arithmetic wraps as Java's; positions are bounded by a batch"
)]
#![expect(clippy::disallowed_methods, reason = "RAND, UUID")]

use std::sync::Arc;

use arrow::{
    array::{
        Array, ArrayRef, ArrowPrimitiveType, AsArray, Decimal128Array, Float64Array, Int32Array, PrimitiveArray,
        StringArray,
    },
    datatypes::{Decimal128Type, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type},
};
use model::{DataType, Failure};
use rand::Rng;

use crate::{
    arg::Inputs,
    function::{
        Arguments,
        Body::{self, Bound, Plain},
        Function, Kernel,
        Parameter::{BigInt, Double, Int, Number},
        function, returns,
    },
    number,
};

macro_rules! unary {
    ($op:expr) => {
        Body::Plain(|inputs| {
            let values = inputs.arg(0)?.array.as_primitive::<Float64Type>();
            Ok(Arc::new(values.unary::<_, Float64Type>($op)))
        })
    };
}

macro_rules! binary {
    ($op:expr) => {
        Body::Plain(|inputs| {
            let (left, right) = (inputs.primitive::<Float64Type>(0)?, inputs.primitive::<Float64Type>(1)?);
            let op: fn(f64, f64) -> f64 = $op;
            let values: Float64Array = (0..inputs.rows).map(|row| Some(op(left.get(row)?, right.get(row)?))).collect();
            Ok(Arc::new(values))
        })
    };
}

const DOUBLE: &[crate::function::Parameter] = &[Double];
const DOUBLES: &[crate::function::Parameter] = &[Double, Double];

/// Java multiplies by these.
const RADIANS_PER_DEGREE: f64 = 0.017_453_292_519_943_295;
const DEGREES_PER_RADIAN: f64 = 57.295_779_513_082_32;

pub(crate) const FUNCTIONS: &[Function] = &[
    function("ABS", &[Number], returns::first, Bound(abs)),
    function("ACOS", DOUBLE, returns::double, unary!(f64::acos)),
    function("ASIN", DOUBLE, returns::double, unary!(f64::asin)),
    function("ATAN", DOUBLE, returns::double, unary!(f64::atan)),
    function("ATAN2", DOUBLES, returns::double, binary!(f64::atan2)),
    function("BIN", &[BigInt], returns::string, Plain(bin)),
    function("COS", DOUBLE, returns::double, unary!(f64::cos)),
    function("COSH", DOUBLE, returns::double, unary!(f64::cosh)),
    function("COT", DOUBLE, returns::double, unary!(|value: f64| 1.0 / value.tan())),
    function("DEGREES", DOUBLE, returns::double, unary!(|value: f64| value * DEGREES_PER_RADIAN)),
    function("E", &[], returns::double, Plain(|inputs| constant(inputs, std::f64::consts::E))),
    function("EXP", DOUBLE, returns::double, unary!(f64::exp)),
    function("LN", DOUBLE, returns::double, unary!(f64::ln)),
    function("LOG", DOUBLES, returns::double, Plain(log)).optional(1),
    function("LOG10", DOUBLE, returns::double, unary!(f64::log10)),
    function("LOG2", DOUBLE, returns::double, unary!(|value: f64| value.ln() / std::f64::consts::LN_2)),
    function("PI", &[], returns::double, Plain(|inputs| constant(inputs, std::f64::consts::PI))),
    function("POWER", DOUBLES, returns::double, binary!(f64::powf)).aliases(&["POW"]),
    function("RADIANS", DOUBLE, returns::double, unary!(|value: f64| value * RADIANS_PER_DEGREE)),
    function("RAND", &[Int], returns::double, Plain(rand)).optional(1).volatile(),
    function("RAND_INTEGER", &[Int, Int], returns::int, Plain(rand_integer)).optional(1).volatile(),
    function("ROUND", &[Number, Int], rounded_type, Bound(|arguments| round(arguments, true))).optional(1),
    function("SIGN", &[Number], returns::first, Bound(sign)),
    function("SIN", DOUBLE, returns::double, unary!(f64::sin)),
    function("SINH", DOUBLE, returns::double, unary!(f64::sinh)),
    function("SQRT", DOUBLE, returns::double, unary!(f64::sqrt)),
    function("TAN", DOUBLE, returns::double, unary!(f64::tan)),
    function("TANH", DOUBLE, returns::double, unary!(f64::tanh)),
    function("TRUNCATE", &[Number, Int], rounded_type, Bound(|arguments| round(arguments, false))).optional(1),
    function("UUID", &[], |_| Ok(DataType::Char(36)), Plain(uuid)).volatile(),
];

fn constant(inputs: &Inputs<'_>, value: f64) -> Result<ArrayRef, Failure> {
    Ok(Arc::new(Float64Array::from_value(value, inputs.rows)))
}

/// The natural logarithm of one argument, or of the second to the base of the first.
fn log(inputs: &Inputs<'_>) -> Result<ArrayRef, Failure> {
    let first = inputs.primitive::<Float64Type>(0)?;
    if inputs.len() == 1 {
        let values: Float64Array = (0..inputs.rows).map(|row| Some(first.get(row)?.ln())).collect();
        return Ok(Arc::new(values));
    }
    let second = inputs.primitive::<Float64Type>(1)?;
    let values: Float64Array = (0..inputs.rows).map(|row| Some(second.get(row)?.ln() / first.get(row)?.ln())).collect();
    Ok(Arc::new(values))
}

fn map<T: ArrowPrimitiveType>(inputs: &Inputs<'_>, op: impl Fn(T::Native) -> T::Native) -> Result<ArrayRef, Failure> {
    let array = inputs.arg(0)?.array.as_primitive::<T>();
    let mapped: PrimitiveArray<T> = array.unary(op);
    Ok(Arc::new(mapped.with_data_type(array.data_type().clone())))
}

fn abs(arguments: &Arguments<'_>) -> Result<Kernel, Failure> {
    Ok(match arguments.get(0) {
        DataType::TinyInt => Arc::new(|inputs| map::<Int8Type>(inputs, i8::wrapping_abs)),
        DataType::SmallInt => Arc::new(|inputs| map::<Int16Type>(inputs, i16::wrapping_abs)),
        DataType::Int => Arc::new(|inputs| map::<Int32Type>(inputs, i32::wrapping_abs)),
        DataType::BigInt => Arc::new(|inputs| map::<Int64Type>(inputs, i64::wrapping_abs)),
        DataType::Float => Arc::new(|inputs| map::<Float32Type>(inputs, f32::abs)),
        DataType::Double => Arc::new(|inputs| map::<Float64Type>(inputs, f64::abs)),
        _ => Arc::new(|inputs| map::<Decimal128Type>(inputs, i128::wrapping_abs)),
    })
}

fn sign(arguments: &Arguments<'_>) -> Result<Kernel, Failure> {
    fn of(value: f64) -> f64 {
        if value == 0.0 || value.is_nan() { value } else { value.signum() }
    }
    Ok(match arguments.get(0) {
        DataType::TinyInt => Arc::new(|inputs| map::<Int8Type>(inputs, i8::signum)),
        DataType::SmallInt => Arc::new(|inputs| map::<Int16Type>(inputs, i16::signum)),
        DataType::Int => Arc::new(|inputs| map::<Int32Type>(inputs, i32::signum)),
        DataType::BigInt => Arc::new(|inputs| map::<Int64Type>(inputs, i64::signum)),
        DataType::Float => Arc::new(|inputs| map::<Float32Type>(inputs, |value| of(f64::from(value)) as f32)),
        DataType::Double => Arc::new(|inputs| map::<Float64Type>(inputs, of)),
        DataType::Decimal(_, scale) => {
            let unit = number::power_of_ten(*scale);
            Arc::new(move |inputs| map::<Decimal128Type>(inputs, |value| value.signum() * unit))
        }
        other => return Err(Failure::user(format!("a value of type {other} has no sign"))),
    })
}

/// More digits than any number has, before or after its point.
const DIGITS_MAX: i32 = 400;

/// A decimal is as long as its rounded values can be.
fn rounded_type(arguments: &Arguments<'_>) -> Result<DataType, Failure> {
    let DataType::Decimal(precision, scale) = *arguments.get(0) else { return Ok(arguments.get(0).clone()) };
    let digits = match arguments.types.len() {
        1 => 0,
        // Of what is not known before, the scale stays.
        _ => arguments.constant_integer(1).unwrap_or(i64::from(scale)),
    };
    Ok(match u8::try_from(digits) {
        Ok(digits) if digits >= scale => DataType::Decimal(precision, scale),
        Ok(digits) => DataType::Decimal((1 + precision - scale + digits).min(number::PRECISION_MAX), digits),
        Err(_) if digits > 0 => DataType::Decimal(precision, scale),
        Err(_) => DataType::Decimal((1 + precision - scale).min(number::PRECISION_MAX), 0),
    })
}

/// A decimal at so many digits after the point, or zeros before it if negative, at the same scale.
fn round_decimal(value: i128, scale: u8, digits: i32, half_up: bool) -> Option<i128> {
    let dropped = i32::from(scale) - digits;
    let Ok(dropped) = u8::try_from(dropped) else {
        return if dropped < 0 { Some(value) } else { Some(0) };
    };
    if dropped > number::PRECISION_MAX {
        return Some(0);
    }
    let unit = number::power_of_ten(dropped);
    let quotient = if half_up { number::divide_half_up(value, unit) } else { value / unit };
    quotient.checked_mul(unit)
}

fn round_double(value: f64, digits: i32, half_up: bool) -> f64 {
    if !value.is_finite() {
        return value;
    }
    // Java rounds the decimal that the double prints as.
    let text = format!("{value:e}");
    let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    let fraction = mantissa.split_once('.').map_or(0, |(_, fraction)| fraction.len() as i32);
    let unscaled: i128 = mantissa.replace('.', "").parse().unwrap_or(0);
    // The value is `unscaled` at this many digits after the point.
    let scale = fraction - exponent;
    if digits >= scale {
        return value;
    }
    let dropped = scale - digits;
    if dropped > 38 {
        return 0.0;
    }
    let unit = number::power_of_ten(dropped as u8);
    let quotient = if half_up { number::divide_half_up(unscaled, unit) } else { unscaled / unit };
    format!("{quotient}e{}", -digits).parse().unwrap_or(value)
}

fn round(arguments: &Arguments<'_>, half_up: bool) -> Result<Kernel, Failure> {
    let result = rounded_type(arguments)?;
    let source = arguments.get(0).clone();
    Ok(Arc::new(move |inputs| {
        let digits = if inputs.len() > 1 { Some(inputs.primitive::<Int32Type>(1)?) } else { None };
        let digits = |row| {
            let digits = digits.as_ref().map_or(Some(0), |digits| digits.get(row))?;
            Some(digits.clamp(-DIGITS_MAX, DIGITS_MAX))
        };
        Ok(match (&source, &result) {
            (DataType::Double, _) => {
                let values = inputs.primitive::<Float64Type>(0)?;
                let round = |row| Some(round_double(values.get(row)?, digits(row)?, half_up));
                Arc::new((0..inputs.rows).map(round).collect::<Float64Array>())
            }
            (DataType::Float, _) => {
                let values = inputs.primitive::<Float32Type>(0)?;
                let round = |row| Some(round_double(f64::from(values.get(row)?), digits(row)?, half_up) as f32);
                Arc::new((0..inputs.rows).map(round).collect::<arrow::array::Float32Array>())
            }
            (DataType::Decimal(_, from), DataType::Decimal(precision, scale)) => {
                let values = inputs.primitive::<Decimal128Type>(0)?;
                let round = |row| {
                    let rounded = round_decimal(values.get(row)?, *from, digits(row)?, half_up)?;
                    number::rescale(rounded, *from, *scale, *precision)
                };
                let rounded: Decimal128Array = (0..inputs.rows).map(round).collect();
                Arc::new(rounded.with_precision_and_scale(*precision, *scale as i8)?)
            }
            _ => {
                let wide = arrow::compute::cast(&inputs.arg(0)?.array, &arrow::datatypes::DataType::Int64)?;
                let wide = crate::arg::Arg { array: wide, scalar: inputs.arg(0)?.scalar };
                let values = wide.array.as_primitive::<Int64Type>();
                let round = |row| {
                    let index = wide.index(row);
                    if values.is_null(index) {
                        return None;
                    }
                    round_decimal(i128::from(values.value(index)), 0, digits(row)?, half_up).map(|value| value as i64)
                };
                let rounded: arrow::array::Int64Array = (0..inputs.rows).map(round).collect();
                // What does not fit wraps around.
                match &source {
                    DataType::TinyInt => Arc::new(rounded.unary::<_, Int8Type>(|value| value as i8)),
                    DataType::SmallInt => Arc::new(rounded.unary::<_, Int16Type>(|value| value as i16)),
                    DataType::Int => Arc::new(rounded.unary::<_, Int32Type>(|value| value as i32)),
                    _ => Arc::new(rounded),
                }
            }
        })
    }))
}

fn bin(inputs: &Inputs<'_>) -> Result<ArrayRef, Failure> {
    let values = inputs.primitive::<Int64Type>(0)?;
    let texts: StringArray = (0..inputs.rows).map(|row| Some(format!("{:b}", values.get(row)?))).collect();
    Ok(Arc::new(texts))
}

/// Java's generator: the same seed gives the same numbers.
struct JavaRandom(u64);

impl JavaRandom {
    const MULTIPLIER: u64 = 0x5_DEEC_E66D;
    const MASK: u64 = (1 << 48) - 1;

    fn new(seed: i32) -> Self {
        Self((i64::from(seed) as u64 ^ Self::MULTIPLIER) & Self::MASK)
    }

    fn bits(&mut self, count: u32) -> i32 {
        self.0 = self.0.wrapping_mul(Self::MULTIPLIER).wrapping_add(0xB) & Self::MASK;
        (self.0 >> (48 - count)) as i32
    }

    fn double(&mut self) -> f64 {
        let high = i64::from(self.bits(26)) << 27;
        (high + i64::from(self.bits(27))) as f64 * (1.0 / (1_i64 << 53) as f64)
    }

    /// From zero and below a bound, which is positive.
    fn below(&mut self, bound: i32) -> i32 {
        let mut bits = self.bits(31);
        if bound & (bound - 1) == 0 {
            return ((i64::from(bound) * i64::from(bits)) >> 31) as i32;
        }
        // What is above the last whole multiple of the bound would not be uniform.
        while (bits - bits % bound).checked_add(bound - 1).is_none() {
            bits = self.bits(31);
        }
        bits % bound
    }
}

fn rand(inputs: &Inputs<'_>) -> Result<ArrayRef, Failure> {
    let values: Float64Array = if inputs.len() == 0 {
        let mut rng = rand::rng();
        (0..inputs.rows).map(|_| Some(rng.random::<f64>())).collect()
    } else {
        let seeds = inputs.primitive::<Int32Type>(0)?;
        (0..inputs.rows).map(|row| Some(JavaRandom::new(seeds.get(row)?).double())).collect()
    };
    Ok(Arc::new(values))
}

/// A whole number from zero and below the last argument.
fn rand_integer(inputs: &Inputs<'_>) -> Result<ArrayRef, Failure> {
    let bounds = inputs.primitive::<Int32Type>(inputs.len() - 1)?;
    let seeds = if inputs.len() > 1 { Some(inputs.primitive::<Int32Type>(0)?) } else { None };
    let mut rng = rand::rng();
    let values = (0..inputs.rows).map(|row| {
        let Some(bound) = bounds.get(row) else { return Ok(None) };
        if bound <= 0 {
            return Err(Failure::data(format!("{bound} is no bound of random numbers")));
        }
        let Some(seeds) = &seeds else { return Ok(Some(rng.random_range(0..bound))) };
        Ok(seeds.get(row).map(|seed| JavaRandom::new(seed).below(bound)))
    });
    Ok(Arc::new(values.collect::<Result<Int32Array, Failure>>()?))
}

fn uuid(inputs: &Inputs<'_>) -> Result<ArrayRef, Failure> {
    let texts: StringArray = (0..inputs.rows).map(|_| Some(uuid::Uuid::new_v4().to_string())).collect();
    Ok(Arc::new(texts))
}
