//! `RETURNING` of `JSON_VALUE`: scalars as values of a type. What the type has no value for is an error of the call.

use arrow::{
    array::{Array, ArrayRef, BooleanArray, StringArray},
    compute,
};
use model::{DataType, Failure};

use super::value::Json;
use crate::{
    arg::{Arg, Inputs},
    cast,
    coercion::{integer_rank, is_text},
    function::Kernel,
};

/// The type of a call's values, and how texts become such.
pub(super) struct Returning {
    to: DataType,
    /// None if texts are such values.
    lenient: Option<Kernel>,
    strict: Option<Kernel>,
}

impl Returning {
    /// Values of `to`.
    ///
    /// # Errors
    /// Class `User` if texts cannot be cast to it.
    pub(super) fn new(to: &DataType) -> Result<Self, Failure> {
        let kernel = |safe| cast::kernel(&DataType::String, to, safe);
        Ok(Self { to: to.clone(), lenient: kernel(true)?, strict: kernel(false)? })
    }

    /// The text of a scalar, to be cast; none if its kind has no counterpart in the type.
    pub(super) fn text(&self, scalar: &Json) -> Option<String> {
        match scalar {
            Json::String(text) => Some(text.clone()),
            Json::Number(number) if integer_rank(&self.to).is_some() => whole(number),
            Json::Number(_) if is_text(&self.to) || self.to.is_numeric() => written(scalar),
            Json::Boolean(_) if is_text(&self.to) || self.to == DataType::Boolean => written(scalar),
            _ => None,
        }
    }

    /// Values of texts; null where a text is none of the type.
    pub(super) fn of_found(&self, texts: StringArray) -> Result<ArrayRef, Failure> {
        self.apply(self.lenient.as_ref(), texts)
    }

    /// Values of texts, which must be of the type.
    pub(super) fn of_defaults(&self, texts: StringArray) -> Result<ArrayRef, Failure> {
        self.apply(self.strict.as_ref(), texts)
    }

    fn apply(&self, kernel: Option<&Kernel>, texts: StringArray) -> Result<ArrayRef, Failure> {
        let rows = texts.len();
        let texts: ArrayRef = std::sync::Arc::new(texts);
        match kernel {
            None => Ok(texts),
            Some(kernel) => kernel(&Inputs { args: &[Arg::array(texts)], rows, result: &self.to }),
        }
    }
}

/// Each value, or where it is null the other one.
pub(super) fn or(values: &ArrayRef, others: &ArrayRef) -> Result<ArrayRef, Failure> {
    if others.null_count() == others.len() {
        return Ok(std::sync::Arc::clone(values));
    }
    let is_value: BooleanArray = (0..values.len()).map(|row| Some(values.is_valid(row))).collect();
    Ok(compute::kernels::zip::zip(&is_value, values, others)?)
}

fn written(scalar: &Json) -> Option<String> {
    let mut text = String::new();
    scalar.write(&mut text).is_ok().then_some(text)
}

/// More digits than any integer has.
const DIGITS_MAX: usize = 40;

/// A number as the digits of an integer, if it is one: `1.50e2` is `150`.
fn whole(number: &str) -> Option<String> {
    let (sign, digits) = number.strip_prefix('-').map_or(("", number), |rest| ("-", rest));
    let (plain, exponent) = match digits.split_once(['e', 'E']) {
        Some((plain, exponent)) => (plain, exponent.parse::<i64>().ok()?),
        None => (digits, 0),
    };
    let (whole, fraction) = plain.split_once('.').unwrap_or((plain, ""));
    let mut all = format!("{whole}{fraction}");
    if all.bytes().all(|digit| digit == b'0') {
        return Some("0".to_owned());
    }
    let scale = i64::try_from(fraction.len()).ok()?.checked_sub(exponent)?;
    match usize::try_from(scale) {
        Ok(scale) => {
            let kept = all.len().checked_sub(scale)?;
            if all.split_off(kept).bytes().any(|digit| digit != b'0') {
                return None;
            }
        }
        Err(_) => {
            let zeros = usize::try_from(scale.checked_neg()?).ok().filter(|zeros| *zeros <= DIGITS_MAX)?;
            all.extend(std::iter::repeat_n('0', zeros));
        }
    }
    Some(format!("{sign}{all}"))
}

#[cfg(test)]
mod tests {
    use super::whole;

    #[test]
    fn a_number_is_an_integer_by_its_value() {
        for (number, digits) in [
            ("0", Some("0")),
            ("-0.0", Some("0")),
            ("0e99999", Some("0")),
            ("12", Some("12")),
            ("-12.0", Some("-12")),
            ("1.50e2", Some("150")),
            ("1200e-2", Some("12")),
            ("1.5", None),
            ("15e-1", None),
            ("5e-1", None),
            ("0.5", None),
            ("1e400", None),
            ("1e-400", None),
            ("1e99999999999999999999", None),
        ] {
            assert_eq!(whole(number).as_deref(), digits, "{number}");
        }
    }
}
