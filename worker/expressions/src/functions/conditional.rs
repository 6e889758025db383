//! Choosing among arguments: `COALESCE`, `NULLIF`, `GREATEST`, `LEAST`, and tests of texts.

use std::sync::Arc;

use arrow::{
    array::{Array, ArrayRef, AsArray, BooleanArray, make_comparator},
    compute::{self, SortOptions, kernels::cmp},
};
use model::{DataType, Failure};

use crate::{
    arg::{Arg, Inputs},
    function::{
        Arguments,
        Body::{Bound, Plain},
        Function, Kernel,
        Parameter::{Any, Boolean, Common},
        function, returns,
    },
};

pub(crate) const FUNCTIONS: &[Function] = &[
    function("COALESCE", &[Common], returns::first, Plain(coalesce)).nullable_if_all().variadic(),
    function("CURRENT_DATABASE", &[], returns::string, Plain(current_database)),
    function("GREATEST", &[Common], returns::first, Bound(|_| extreme(true))).variadic(),
    function("IF", &[Boolean, Common, Common], returns::second, Plain(choose)),
    function("IFNULL", &[Common, Common], returns::first, Plain(coalesce)).nullable_if_all().aliases(&["NVL"]),
    function("IS_ALPHA", &[Any], returns::boolean, Plain(|inputs| test(inputs, is_alpha))).never_null(),
    function("IS_DECIMAL", &[Any], returns::boolean, Plain(|inputs| test(inputs, is_decimal))).never_null(),
    function("IS_DIGIT", &[Any], returns::boolean, Plain(|inputs| test(inputs, is_digit))).never_null(),
    function("LEAST", &[Common], returns::first, Bound(|_| extreme(false))).variadic(),
    function("NULLIF", &[Common, Common], returns::first, Plain(null_if)).nullable(),
    function("TYPEOF", &[Any, Boolean], returns::string, Bound(type_of)).nullable().optional(1),
];

/// There is one database.
fn current_database(inputs: &Inputs<'_>) -> Result<ArrayRef, Failure> {
    Ok(Arc::new(arrow::array::StringArray::from(vec!["default_database"; inputs.rows])))
}

fn coalesce(inputs: &Inputs<'_>) -> Result<ArrayRef, Failure> {
    let mut chosen: Option<Arg> = None;
    for index in (0..inputs.len()).rev() {
        let arg = inputs.arg(index)?;
        chosen = Some(match chosen {
            None => arg.clone(),
            Some(_) if !arg.scalar && arg.array.null_count() == 0 => arg.clone(),
            Some(rest) if arg.scalar => {
                if arg.array.is_null(0) {
                    rest
                } else {
                    arg.clone()
                }
            }
            Some(rest) => {
                let mask = compute::is_not_null(&arg.array)?;
                Arg::array(compute::kernels::zip::zip(&mask, &arg.array, &rest)?)
            }
        });
    }
    chosen.ok_or_else(|| Failure::internal("nothing to choose from"))?.into_array(inputs.rows)
}

fn choose(inputs: &Inputs<'_>) -> Result<ArrayRef, Failure> {
    let condition = inputs.arg(0)?.clone().into_array(inputs.rows)?;
    let mask = crate::case::mask(condition)?;
    Ok(compute::kernels::zip::zip(&mask, inputs.arg(1)?, inputs.arg(2)?)?)
}

fn null_if(inputs: &Inputs<'_>) -> Result<ArrayRef, Failure> {
    let value = inputs.arg(0)?.clone().into_array(inputs.rows)?;
    let other = inputs.arg(1)?.clone().into_array(inputs.rows)?;
    Ok(compute::nullif(&value, &crate::case::mask(Arc::new(cmp::eq(&value, &other)?))?)?)
}

/// The greatest or least of all arguments; null if any is.
fn extreme(greatest: bool) -> Result<Kernel, Failure> {
    Ok(Arc::new(move |inputs| {
        let arrays = inputs
            .args
            .iter()
            .map(|arg| arg.clone().into_array(inputs.rows))
            .collect::<Result<Vec<ArrayRef>, Failure>>()?;
        let Some(first) = arrays.first() else { return Err(Failure::internal("nothing to choose from")) };
        let mut best = Arc::clone(first);
        for next in &arrays[1..] {
            let compare = make_comparator(&best, next, SortOptions::default())?;
            let keeps: BooleanArray = (0..inputs.rows)
                .map(|row| {
                    let ordering = compare(row, row);
                    Some(if greatest { ordering.is_ge() } else { ordering.is_le() })
                })
                .collect();
            best = compute::kernels::zip::zip(&keeps, &best, next)?;
        }
        match inputs.nulls() {
            None => Ok(best),
            Some(nulls) => {
                let is_null = BooleanArray::new(!nulls.inner(), None);
                Ok(compute::nullif(&best, &is_null)?)
            }
        }
    }))
}

/// Tests each text; null and what is not text are false.
fn test(inputs: &Inputs<'_>, holds: fn(&str) -> bool) -> Result<ArrayRef, Failure> {
    let array = &inputs.arg(0)?.array;
    let text = compute::cast(array, &arrow::datatypes::DataType::Utf8)?;
    let values: BooleanArray = text.as_string::<i32>().iter().map(|text| Some(text.is_some_and(holds))).collect();
    Ok(Arc::new(values))
}

fn is_alpha(text: &str) -> bool {
    !text.is_empty() && text.chars().all(char::is_alphabetic)
}

fn is_digit(text: &str) -> bool {
    !text.is_empty() && text.chars().all(char::is_numeric)
}

fn is_decimal(text: &str) -> bool {
    !text.is_empty() && crate::number::parse_float(text).is_ok()
}

fn type_of(arguments: &Arguments<'_>) -> Result<Kernel, Failure> {
    let name = match arguments.get(0) {
        DataType::Null => "NULL".to_owned(),
        other => other.to_string(),
    };
    Ok(Arc::new(move |inputs| Ok(Arc::new(arrow::array::StringArray::from(vec![name.as_str(); inputs.rows])))))
}
