//! `+ - * / %` on numbers, and on times and intervals. Integers wrap around, decimals that do not fit become null.

#![expect(
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    clippy::cast_sign_loss,
    reason = "SQL arithmetic wraps as Java's; positions are bounded by a batch"
)]

use std::sync::Arc;

use arrow::{
    array::{Array, ArrayRef, ArrowPrimitiveType, AsArray, Decimal128Array, PrimitiveArray},
    buffer::{NullBuffer, ScalarBuffer},
    datatypes::{
        ArrowNativeTypeOp, Decimal128Type, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type, i256,
    },
};
use model::{DataType, Failure};

use super::temporal::interval;
use crate::{
    arg::{Arg, Inputs},
    cast,
    coercion::{arithmetic_type, as_decimal},
    function::{
        Arguments,
        Body::{self, Bound},
        Function, Kernel,
        Parameter::{Any, Number},
        function, operator,
    },
    number,
};

pub(crate) const FUNCTIONS: &[Function] = &[
    operator("%", &[Number, Number], |arguments| result_type("%", arguments), body::<'%'>()).fallible(),
    operator("*", &[Any, Any], |arguments| result_type("*", arguments), body::<'*'>()),
    operator("+", &[Any, Any], |arguments| result_type("+", arguments), body::<'+'>()),
    operator("-", &[Any, Any], |arguments| result_type("-", arguments), body::<'-'>()).optional(1),
    operator("/", &[Any, Any], |arguments| result_type("/", arguments), body::<'/'>()).fallible(),
    function("MOD", &[Number, Number], |arguments| result_type("%", arguments), body::<'%'>()).fallible(),
];

const fn body<const OPERATOR: char>() -> Body {
    Bound(|arguments| bind(OPERATOR, arguments))
}

fn result_type(operator: &'static str, arguments: &Arguments<'_>) -> Result<DataType, Failure> {
    let (left, right) = (arguments.get(0), arguments.get(1));
    if arguments.types.len() == 1 {
        return Ok(left.clone());
    }
    arithmetic_type(operator, left, right)
        .or_else(|| interval::arithmetic_type(operator, left, right))
        .ok_or_else(|| Failure::user(format!("{left} {operator} {right} is not defined")))
}

fn bind(operator: char, arguments: &Arguments<'_>) -> Result<Kernel, Failure> {
    if arguments.types.len() == 1 {
        return negate(arguments);
    }
    let (left, right) = (arguments.get(0), arguments.get(1));
    let natural = result_type(sign(operator), arguments)?;
    if !natural.is_numeric() || !left.is_numeric() && *left != DataType::Null {
        return interval::bind(operator, left, right, &natural);
    }
    let declared = if *arguments.result == DataType::Null { &natural } else { arguments.result };
    match (as_decimal(left), as_decimal(right), declared) {
        (Some((_, s1)), Some((_, s2)), DataType::Decimal(..)) => decimal_kernel(operator, s1, s2, declared),
        _ => primitive_kernel(operator, left, right, &natural),
    }
}

fn sign(operator: char) -> &'static str {
    match operator {
        '+' => "+",
        '-' => "-",
        '*' => "*",
        '/' => "/",
        _ => "%",
    }
}

fn primitive_kernel(operator: char, left: &DataType, right: &DataType, natural: &DataType) -> Result<Kernel, Failure> {
    // The remainder has the divisor's type, but is computed in the wider one.
    let computed = if operator == '%' && natural.is_numeric() {
        arithmetic_type("+", left, right).unwrap_or_else(|| natural.clone())
    } else {
        natural.clone()
    };
    Ok(match computed {
        DataType::TinyInt => integer::<Int8Type>(operator, left, right, computed)?,
        DataType::SmallInt => integer::<Int16Type>(operator, left, right, computed)?,
        DataType::Int => integer::<Int32Type>(operator, left, right, computed)?,
        DataType::BigInt => integer::<Int64Type>(operator, left, right, computed)?,
        DataType::Float => float::<Float32Type>(operator, left, right, computed)?,
        DataType::Double => float::<Float64Type>(operator, left, right, computed)?,
        other => return Err(Failure::internal(format!("arithmetic of type {other}"))),
    })
}

/// Both arguments as arrays of one type.
struct Operands {
    casts: [Option<Kernel>; 2],
    data_type: DataType,
}

impl Operands {
    fn new(left: &DataType, right: &DataType, data_type: DataType) -> Result<Self, Failure> {
        let casts = [cast::kernel(left, &data_type, false)?, cast::kernel(right, &data_type, false)?];
        Ok(Self { casts, data_type })
    }

    fn get(&self, inputs: &Inputs<'_>, index: usize) -> Result<Arg, Failure> {
        let arg = inputs.arg(index)?;
        let Some(kernel) = &self.casts[index] else { return Ok(arg.clone()) };
        let args = [arg.clone()];
        let array = kernel(&Inputs { args: &args, rows: arg.array.len(), result: &self.data_type })?;
        Ok(Arg { array, scalar: arg.scalar })
    }
}

/// Applies an operation that is defined for all values to two columns or to a column and a constant.
fn combine<T: ArrowPrimitiveType>(
    left: &Arg,
    right: &Arg,
    inputs: &Inputs<'_>,
    op: impl Fn(T::Native, T::Native) -> T::Native,
) -> Result<ArrayRef, Failure> {
    let (l, r) = (left.array.as_primitive::<T>(), right.array.as_primitive::<T>());
    let nulls = inputs.nulls();
    if (left.scalar && l.is_null(0)) || (right.scalar && r.is_null(0)) {
        return Ok(Arc::new(PrimitiveArray::<T>::new_null(inputs.rows)));
    }
    let values: ScalarBuffer<T::Native> = match (left.scalar, right.scalar) {
        (false, false) => l.values().iter().zip(r.values()).map(|(&l, &r)| op(l, r)).collect(),
        (false, true) => {
            let r = r.value(0);
            l.values().iter().map(|&l| op(l, r)).collect()
        }
        (true, false) => {
            let l = l.value(0);
            r.values().iter().map(|&r| op(l, r)).collect()
        }
        (true, true) => std::iter::repeat_n(op(l.value(0), r.value(0)), inputs.rows).collect(),
    };
    Ok(Arc::new(PrimitiveArray::<T>::new(values, nulls)))
}

fn integer<T>(operator: char, left: &DataType, right: &DataType, data_type: DataType) -> Result<Kernel, Failure>
where
    T: ArrowPrimitiveType<Native: ArrowNativeTypeOp>,
{
    let operands = Operands::new(left, right, data_type)?;
    Ok(Arc::new(move |inputs| {
        let (left, right) = (operands.get(inputs, 0)?, operands.get(inputs, 1)?);
        match operator {
            '+' => combine::<T>(&left, &right, inputs, |l, r| l.add_wrapping(r)),
            '-' => combine::<T>(&left, &right, inputs, |l, r| l.sub_wrapping(r)),
            '*' => combine::<T>(&left, &right, inputs, |l, r| l.mul_wrapping(r)),
            _ => {
                check_divisor::<T>(&left, &right, inputs.rows)?;
                let zero = T::Native::ZERO;
                // A zero that is left stands under a null.
                if operator == '/' {
                    combine::<T>(&left, &right, inputs, |l, r| if r == zero { zero } else { l.div_wrapping(r) })
                } else {
                    combine::<T>(&left, &right, inputs, |l, r| if r == zero { zero } else { l.mod_wrapping(r) })
                }
            }
        }
    }))
}

fn check_divisor<T>(left: &Arg, right: &Arg, rows: usize) -> Result<(), Failure>
where
    T: ArrowPrimitiveType<Native: ArrowNativeTypeOp>,
{
    let divisors = right.array.as_primitive::<T>();
    if !divisors.values().contains(&T::Native::ZERO) {
        return Ok(());
    }
    let fails = (0..rows).any(|row| {
        let (l, r) = (left.index(row), right.index(row));
        left.array.is_valid(l) && divisors.is_valid(r) && divisors.value(r) == T::Native::ZERO
    });
    if fails { Err(Failure::data("division by zero")) } else { Ok(()) }
}

fn float<T>(operator: char, left: &DataType, right: &DataType, data_type: DataType) -> Result<Kernel, Failure>
where
    T: ArrowPrimitiveType<Native: ArrowNativeTypeOp>,
{
    let operands = Operands::new(left, right, data_type)?;
    Ok(Arc::new(move |inputs| {
        let (left, right) = (operands.get(inputs, 0)?, operands.get(inputs, 1)?);
        match operator {
            '+' => combine::<T>(&left, &right, inputs, |l, r| l.add_wrapping(r)),
            '-' => combine::<T>(&left, &right, inputs, |l, r| l.sub_wrapping(r)),
            '*' => combine::<T>(&left, &right, inputs, |l, r| l.mul_wrapping(r)),
            '/' => combine::<T>(&left, &right, inputs, |l, r| l.div_wrapping(r)),
            _ => combine::<T>(&left, &right, inputs, |l, r| l.mod_wrapping(r)),
        }
    }))
}

/// Unscaled values of an integer or decimal argument.
enum Unscaled<'a> {
    Small(ScalarBuffer<i64>),
    Decimal(&'a [i128]),
    Constant(i128),
}

impl<'a> Unscaled<'a> {
    fn new(arg: &'a Arg) -> Result<Self, Failure> {
        if let Some(decimal) = arg.array.as_primitive_opt::<Decimal128Type>() {
            let values = decimal.values();
            return Ok(if arg.scalar { Self::Constant(values[0]) } else { Self::Decimal(values) });
        }
        let array = arrow::compute::cast(&arg.array, &arrow::datatypes::DataType::Int64)?;
        let values = array.as_primitive::<Int64Type>().values().clone();
        Ok(if arg.scalar { Self::Constant(i128::from(values[0])) } else { Self::Small(values) })
    }
}

/// Calls `op` on the operands of each row, in a loop for each form that they have.
fn zip_unscaled(left: &Unscaled<'_>, right: &Unscaled<'_>, rows: usize, mut op: impl FnMut(i128, i128)) {
    macro_rules! with_right {
        ($left:expr) => {
            match right {
                Unscaled::Small(right) => (0..rows).for_each(|row| op($left(row), i128::from(right[row]))),
                Unscaled::Decimal(right) => (0..rows).for_each(|row| op($left(row), right[row])),
                Unscaled::Constant(right) => (0..rows).for_each(|row| op($left(row), *right)),
            }
        };
    }
    match left {
        Unscaled::Small(left) => with_right!(|row: usize| i128::from(left[row])),
        Unscaled::Decimal(left) => with_right!(|row: usize| left[row]),
        Unscaled::Constant(left) => with_right!(|_| *left),
    }
}

fn decimal_kernel(operator: char, s1: u8, s2: u8, declared: &DataType) -> Result<Kernel, Failure> {
    let DataType::Decimal(precision, scale) = *declared else {
        return Err(Failure::internal("decimal arithmetic with another result"));
    };
    let exact = s1 + s2;
    Ok(Arc::new(move |inputs| {
        let (left, right) = (inputs.arg(0)?, inputs.arg(1)?);
        let nulls = inputs.nulls();
        if matches!(operator, '/' | '%') {
            check_decimal_divisor(left, right, inputs.rows)?;
        }
        let (l, r) = (Unscaled::new(left)?, Unscaled::new(right)?);
        let mut values = Vec::with_capacity(inputs.rows);
        // Rows whose result does not fit; mostly there are none.
        let mut overflows: Vec<usize> = Vec::new();
        let mut push = |value: Option<i128>| {
            if value.is_none() {
                overflows.push(values.len());
            }
            values.push(value.unwrap_or(0));
        };
        match operator {
            '+' => zip_unscaled(&l, &r, inputs.rows, |l, r| push(add(l, s1, r, s2, precision, scale))),
            '-' => zip_unscaled(&l, &r, inputs.rows, |l, r| push(add(l, s1, -r, s2, precision, scale))),
            '*' => zip_unscaled(&l, &r, inputs.rows, |l, r| push(multiply(l, r, exact, precision, scale))),
            '/' => zip_unscaled(&l, &r, inputs.rows, |l, r| push(divide(l, s1, r, s2, precision, scale))),
            _ => zip_unscaled(&l, &r, inputs.rows, |l, r| push(remainder(l, s1, r, s2, precision, scale))),
        }
        let nulls = if overflows.is_empty() {
            nulls
        } else {
            let mut valid = vec![true; inputs.rows];
            overflows.into_iter().for_each(|row| valid[row] = false);
            NullBuffer::union(nulls.as_ref(), Some(&NullBuffer::from(valid)))
        };
        let array = Decimal128Array::new(values.into(), nulls).with_precision_and_scale(precision, scale as i8)?;
        Ok(Arc::new(array))
    }))
}

fn check_decimal_divisor(left: &Arg, right: &Arg, rows: usize) -> Result<(), Failure> {
    match right.array.as_primitive_opt::<Decimal128Type>() {
        Some(_) => check_divisor::<Decimal128Type>(left, right, rows),
        None => {
            let array = arrow::compute::cast(&right.array, &arrow::datatypes::DataType::Int64)?;
            check_divisor::<Int64Type>(left, &Arg { array, scalar: right.scalar }, rows)
        }
    }
}

#[inline]
fn add(l: i128, s1: u8, r: i128, s2: u8, precision: u8, scale: u8) -> Option<i128> {
    let common = s1.max(s2);
    let narrow = || {
        let l = l.checked_mul(number::power_of_ten(common - s1))?;
        let r = r.checked_mul(number::power_of_ten(common - s2))?;
        l.checked_add(r)
    };
    match narrow() {
        Some(sum) => number::rescale(sum, common, scale, precision),
        None => {
            let l = i256::from_i128(l).wrapping_mul(number::wide_power_of_ten(u32::from(common - s1)));
            let r = i256::from_i128(r).wrapping_mul(number::wide_power_of_ten(u32::from(common - s2)));
            number::rescale_wide(l.wrapping_add(r), u32::from(common), u32::from(scale), precision)
        }
    }
}

#[inline]
fn multiply(l: i128, r: i128, exact: u8, precision: u8, scale: u8) -> Option<i128> {
    if exact == scale
        && let (Ok(l), Ok(r)) = (i64::try_from(l), i64::try_from(r))
    {
        let product = i128::from(l) * i128::from(r);
        return number::fits(product, precision).then_some(product);
    }
    match l.checked_mul(r) {
        Some(product) if exact <= number::PRECISION_MAX => number::rescale(product, exact, scale, precision),
        _ => {
            let product = i256::from_i128(l).wrapping_mul(i256::from_i128(r));
            number::rescale_wide(product, u32::from(exact), u32::from(scale), precision)
        }
    }
}

fn divide(l: i128, s1: u8, r: i128, s2: u8, precision: u8, scale: u8) -> Option<i128> {
    // l / 10^s1 / (r / 10^s2) at `scale` digits.
    if r == 0 {
        // It stands under a null.
        return None;
    }
    let shift = i32::from(scale) + i32::from(s2) - i32::from(s1);
    if (0..=38).contains(&shift)
        && let Some(dividend) = l.checked_mul(number::power_of_ten(shift as u8))
    {
        let quotient = dividend / r;
        let rest = (dividend % r).unsigned_abs();
        let up = rest != 0 && rest >= r.unsigned_abs() - rest;
        let quotient = if up { quotient + l.signum() * r.signum() } else { quotient };
        return number::fits(quotient, precision).then_some(quotient);
    }
    let (mut dividend, mut divisor) = (i256::from_i128(l), i256::from_i128(r));
    if shift >= 0 {
        dividend = dividend.checked_mul(number::wide_power_of_ten(shift as u32))?;
    } else {
        divisor = divisor.checked_mul(number::wide_power_of_ten(shift.unsigned_abs()))?;
    }
    let quotient = number::divide_half_up_wide(dividend, divisor)?.to_i128()?;
    number::fits(quotient, precision).then_some(quotient)
}

fn remainder(l: i128, s1: u8, r: i128, s2: u8, precision: u8, scale: u8) -> Option<i128> {
    let common = s1.max(s2);
    let l = i256::from_i128(l).wrapping_mul(number::wide_power_of_ten(u32::from(common - s1)));
    let r = i256::from_i128(r).wrapping_mul(number::wide_power_of_ten(u32::from(common - s2)));
    number::rescale_wide(l.checked_rem(r)?, u32::from(common), u32::from(scale), precision)
}

fn negate(arguments: &Arguments<'_>) -> Result<Kernel, Failure> {
    let data_type = arguments.get(0).clone();
    Ok(Arc::new(move |inputs| {
        let array = &inputs.arg(0)?.array;
        if data_type == DataType::Null || data_type.is_numeric() || super::temporal::is_interval(&data_type) {
            return Ok(arrow::compute::kernels::numeric::neg_wrapping(array)?);
        }
        Err(Failure::user(format!("a value of type {data_type} has no sign")))
    }))
}
