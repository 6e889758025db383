//! Choosing among arguments: `COALESCE`, `NULLIF`, `GREATEST`, `LEAST`, and tests of texts.

use std::sync::Arc;

use arrow::{
    array::{Array, ArrayRef, BooleanArray, make_comparator, new_null_array},
    compute::{self, SortOptions},
};
use model::{DataType, Failure};

use super::comparison;
use crate::{
    arg::{Arg, Inputs},
    coercion::is_text,
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
    function("IS_ALPHA", &[Any], returns::boolean, Bound(|arguments| test(arguments, is_alpha, false))).never_null(),
    function("IS_DECIMAL", &[Any], returns::boolean, Bound(|arguments| test(arguments, is_decimal, true))).never_null(),
    function("IS_DIGIT", &[Any], returns::boolean, Bound(|arguments| test(arguments, is_digit, true))).never_null(),
    function("LEAST", &[Common], returns::first, Bound(|_| extreme(false))).variadic(),
    function("NULLIF", &[Any, Any], null_if_type, Bound(null_if)).nullable(),
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

/// The first type, however the other value has to be cast to be compared.
fn null_if_type(arguments: &Arguments<'_>) -> Result<DataType, Failure> {
    comparison::equal(arguments)?;
    let [first, other] = [arguments.get(0), arguments.get(1)];
    Ok(if *first == DataType::Null { other } else { first }.clone())
}

fn null_if(arguments: &Arguments<'_>) -> Result<Kernel, Failure> {
    let equal = comparison::equality(arguments)?;
    let result = null_if_type(arguments)?.to_arrow();
    Ok(Arc::new(move |inputs| {
        let value = inputs.arg(0)?.clone().into_array(inputs.rows)?;
        if value.data_type() != &result {
            return Ok(new_null_array(&result, inputs.rows));
        }
        Ok(compute::nullif(&value, &crate::case::mask(equal(inputs)?)?)?)
    }))
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

/// Tests each text; null is false. Of other types all values are alike, null too: numbers hold if `numbers` do, but
/// for decimals.
fn test(arguments: &Arguments<'_>, holds: fn(&str) -> bool, numbers: bool) -> Result<Kernel, Failure> {
    let data_type = arguments.get(0);
    if is_text(data_type) {
        return Ok(Arc::new(move |inputs| {
            let texts = inputs.text(0)?;
            Ok(Arc::new((0..inputs.rows).map(|row| Some(texts.get(row).is_some_and(holds))).collect::<BooleanArray>()))
        }));
    }
    let all = numbers && data_type.is_numeric() && !matches!(data_type, DataType::Decimal(..));
    Ok(Arc::new(move |inputs| Ok(Arc::new(BooleanArray::from(vec![all; inputs.rows])))))
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
