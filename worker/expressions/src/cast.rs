//! `CAST` and `TRY_CAST` with Flink's values. A value that cannot be cast fails with class `Data`, or becomes null
//! under `TRY_CAST`; numbers out of range wrap around (integers) or become null (decimals), as in Flink.

use std::sync::Arc;

use arrow::{
    array::{Array, ArrayRef, AsArray, make_array, new_null_array},
    compute,
};
use model::{DataType, Failure};

use crate::{
    coercion::{is_binary, is_text},
    function::Kernel,
};

mod nested;
mod numeric;
mod parse;
mod temporal;
mod text;

pub(crate) use nested::kernel as of_parts;
pub(crate) use temporal::units_per_second;
pub(crate) use text::write_value;

/// A kernel with one argument, or none if the types have the same values.
///
/// # Errors
/// Class `User` if Flink does not cast between the types.
pub(crate) fn kernel(from: &DataType, to: &DataType, safe: bool) -> Result<Option<Kernel>, Failure> {
    if from == to {
        return Ok(None);
    }
    if *from == DataType::Null {
        let to = to.to_arrow();
        return Ok(Some(Arc::new(move |inputs| Ok(new_null_array(&to, inputs.rows)))));
    }
    if is_text(to) {
        return text::kernel(from, to);
    }
    if is_text(from) {
        return parse::kernel(to, safe).map(Some);
    }
    if is_binary(from) && is_binary(to) {
        return Ok(text::bytes_kernel(from, to));
    }
    let numeric = |data_type: &DataType| data_type.is_numeric() || *data_type == DataType::Boolean;
    if numeric(from) && numeric(to) {
        return Ok(Some(numeric::kernel(from, to)?));
    }
    if let Some(kernel) = temporal::kernel(from, to) {
        return Ok(Some(kernel));
    }
    if let Some(kernel) = nested::kernel(from, to, &|from, to| kernel(from, to, safe))? {
        return Ok(Some(kernel));
    }
    if from.to_arrow() == to.to_arrow() {
        return Ok(None);
    }
    Err(Failure::user(format!("a value of type {from} cannot be cast to {to}")))
}

/// Whether a value of one type may have no counterpart in the other.
pub(crate) fn is_fallible(from: &DataType, to: &DataType) -> bool {
    (is_text(from) && !is_text(to) && !is_binary(to))
        || matches!(from, DataType::Array(_) | DataType::Map(..) | DataType::Row(_)) && !is_text(to)
}

/// The same bytes under another type.
fn reinterpret(array: &ArrayRef, to: &DataType) -> Result<ArrayRef, Failure> {
    Ok(make_array(array.to_data().into_builder().data_type(to.to_arrow()).build()?))
}

/// Applies a kernel to all values of an array.
fn apply(kernel: Option<&Kernel>, array: &ArrayRef, to: &DataType) -> Result<ArrayRef, Failure> {
    let Some(kernel) = kernel else { return Ok(Arc::clone(array)) };
    let args = [crate::arg::Arg::array(Arc::clone(array))];
    kernel(&crate::arg::Inputs { args: &args, rows: array.len(), result: to })
}

/// The array of the only argument.
fn argument<'a>(inputs: &crate::arg::Inputs<'a>) -> Result<&'a ArrayRef, Failure> {
    Ok(&inputs.arg(0)?.array)
}

/// Text that is true or false in `array`, which is boolean.
fn to_integers(array: &ArrayRef, to: &DataType) -> Result<ArrayRef, Failure> {
    let array = array.as_boolean_opt().ok_or_else(|| Failure::internal("a boolean is expected"))?;
    Ok(compute::cast(array, &to.to_arrow())?)
}
