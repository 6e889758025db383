//! Comparisons, `IN`, `BETWEEN`, `LIKE`.

#![expect(clippy::cast_sign_loss, reason = "SQL arithmetic wraps as Java's; positions are bounded by a batch")]

use std::sync::Arc;

use arrow::{
    array::{
        Array, ArrayRef, ArrowPrimitiveType, AsArray, BooleanArray, Int8Array, ListArray, MapArray, StringArray,
        StructArray, UInt64Array, make_comparator,
    },
    buffer::NullBuffer,
    compute::{SortOptions, kernels::cmp, take},
    datatypes::{DataType as Arrow, Decimal128Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type},
};
use model::{DataType, Failure};

use super::regexp::{ANY_CHARACTER, ANY_CHARACTERS};
use crate::{
    arg::{Arg, Inputs},
    cast,
    coercion::{comparison_type, is_text},
    function::{
        Arguments,
        Body::Bound,
        Function, Kernel,
        Parameter::{Any, Text},
        operator, returns,
    },
    number,
};

pub(crate) const FUNCTIONS: &[Function] = &[
    operator("<", &[Any, Any], ordered, Bound(|arguments| compare(arguments, cmp::lt))),
    operator("<=", &[Any, Any], ordered, Bound(|arguments| compare(arguments, cmp::lt_eq))),
    operator("<>", &[Any, Any], equal, Bound(|arguments| compare(arguments, cmp::neq))).aliases(&["!="]),
    operator("=", &[Any, Any], equal, Bound(|arguments| compare(arguments, cmp::eq))),
    operator(">", &[Any, Any], ordered, Bound(|arguments| compare(arguments, cmp::gt))),
    operator(">=", &[Any, Any], ordered, Bound(|arguments| compare(arguments, cmp::gt_eq))),
    operator("BETWEEN", &[Any, Any, Any], returns::boolean, Bound(between)),
    operator("IN", &[Any, Any], returns::boolean, Bound(is_in)).variadic(),
    operator("IS DISTINCT FROM", &[Any, Any], returns::boolean, Bound(|arguments| compare(arguments, cmp::distinct)))
        .never_null(),
    operator(
        "IS NOT DISTINCT FROM",
        &[Any, Any],
        returns::boolean,
        Bound(|arguments| compare(arguments, cmp::not_distinct)),
    )
    .never_null(),
    operator("LIKE", &[Text, Text, Text], returns::boolean, Bound(like)).optional(1),
    operator("NOT IN", &[Any, Any], returns::boolean, Bound(is_not_in)).variadic(),
    operator("NOT LIKE", &[Text, Text, Text], returns::boolean, Bound(not_like)).optional(1),
];

fn comparable(arguments: &Arguments<'_>) -> Result<DataType, Failure> {
    let (left, right) = (arguments.get(0), arguments.get(1));
    let common = comparison_type(left, right);
    common.ok_or_else(|| Failure::user(format!("values of types {left} and {right} cannot be compared")))
}

/// Rows, arrays and maps are equal or not, but have no order.
fn ordered(arguments: &Arguments<'_>) -> Result<DataType, Failure> {
    match comparable(arguments)? {
        nested @ (DataType::Row(_) | DataType::Array(_) | DataType::Map(..)) => {
            Err(Failure::user(format!("values of type {nested} have no order")))
        }
        _ => Ok(DataType::Boolean),
    }
}

/// Flink casts a text that is less or greater than a number, but not one that is equal to it.
pub(super) fn equal(arguments: &Arguments<'_>) -> Result<DataType, Failure> {
    comparable(arguments)?;
    let (left, right) = (arguments.get(0), arguments.get(1));
    if (is_text(left) && right.is_numeric()) || (left.is_numeric() && is_text(right)) {
        return Err(Failure::user(format!("values of types {left} and {right} are equal only after a CAST")));
    }
    Ok(DataType::Boolean)
}

type Compare = fn(&dyn arrow::array::Datum, &dyn arrow::array::Datum) -> Result<BooleanArray, arrow::error::ArrowError>;

/// A kernel that brings two arguments to one type and compares them.
fn compare(arguments: &Arguments<'_>, kernel: Compare) -> Result<Kernel, Failure> {
    if let Some(exact) = exact(arguments, kernel)? {
        return Ok(exact);
    }
    let both = pair(arguments.get(0), arguments.get(1))?;
    Ok(Arc::new(move |inputs| {
        let left = both.left(inputs.arg(0)?)?;
        let right = both.right(inputs.arg(1)?)?;
        Ok(Arc::new(compared(kernel, &left, &right, inputs.rows)?))
    }))
}

/// A float and a decimal compare by the exact value of the float: 0.1 is a little more than the decimal.
fn exact(arguments: &Arguments<'_>, kernel: Compare) -> Result<Option<Kernel>, Failure> {
    let is_float = |data_type: &DataType| matches!(data_type, DataType::Float | DataType::Double);
    let (left, right) = (arguments.get(0), arguments.get(1));
    let (float, decimal, scale) = match (left, right) {
        (float, DataType::Decimal(_, scale)) if is_float(float) => (0, 1, *scale),
        (DataType::Decimal(_, scale), float) if is_float(float) => (1, 0, *scale),
        _ => return Ok(None),
    };
    let widened = cast::kernel(arguments.get(float), &DataType::Double, false)?;
    Ok(Some(Arc::new(move |inputs| {
        let widen = Pair { common: DataType::Double, left: widened.clone(), right: None };
        let floats = widen.left(inputs.arg(float)?)?;
        let decimals = inputs.arg(decimal)?;
        let (values, units) =
            (floats.array.as_primitive::<Float64Type>(), decimals.array.as_primitive::<Decimal128Type>());
        // The decimal as 0, and the float as what it is to that.
        let zeros: Int8Array =
            (0..inputs.rows).map(|row| decimals.array.is_valid(decimals.index(row)).then_some(0)).collect();
        let orders: Int8Array = (0..inputs.rows)
            .map(|row| {
                let index = floats.index(row);
                if values.is_null(index) {
                    return None;
                }
                let unit = decimals.index(row);
                if units.is_null(unit) {
                    return Some(0);
                }
                Some(number::compare_double(values.value(index), units.value(unit), scale) as i8)
            })
            .collect();
        let (orders, zeros) = (Arg::array(Arc::new(orders)), Arg::array(Arc::new(zeros)));
        let (left, right) = if float == 0 { (orders, zeros) } else { (zeros, orders) };
        Ok(Arc::new(compared(kernel, &left, &right, inputs.rows)?))
    })))
}

/// Whether two arguments are equal.
pub(super) fn equality(arguments: &Arguments<'_>) -> Result<Kernel, Failure> {
    compare(arguments, cmp::eq)
}

/// Floats compare as in Java: -0.0 equals 0.0 there but not in arrow's total order, so zeros are made positive.
fn compared(kernel: Compare, left: &Arg, right: &Arg, rows: usize) -> Result<BooleanArray, Failure> {
    let (left, right) = if left.array.data_type().is_nested() {
        nested(left, right, rows)?
    } else {
        (unsigned_zeros(left), unsigned_zeros(right))
    };
    let result = kernel(&left, &right)?;
    if result.len() == rows {
        return Ok(result);
    }
    // Arrow compares two scalars to one value.
    let array: ArrayRef = Arc::new(result);
    let array = Arg::scalar(array).into_array(rows)?;
    array.as_boolean_opt().cloned().ok_or_else(|| Failure::internal("a comparison is not boolean"))
}

/// Two columns that are equal where nested values are, with their nulls.
fn nested(left: &Arg, right: &Arg, rows: usize) -> Result<(Arg, Arg), Failure> {
    let compare = make_comparator(&by_key(&left.array)?, &by_key(&right.array)?, SortOptions::default())?;
    let valid = |arg: &Arg| (0..rows).map(|row| arg.array.is_valid(arg.index(row))).collect::<Vec<_>>();
    let equal = (0..rows).map(|row| compare(left.index(row), right.index(row)).is_eq()).collect::<Vec<_>>();
    let column = |values: Vec<bool>, arg: &Arg| -> ArrayRef {
        Arc::new(BooleanArray::new(values.into(), Some(NullBuffer::from(valid(arg)))))
    };
    Ok((Arg::array(column(equal, left)), Arg::array(column(vec![true; rows], right))))
}

/// The same values with the entries of maps in the order of their keys: maps are equal however they are written.
fn by_key(array: &ArrayRef) -> Result<ArrayRef, Failure> {
    Ok(match array.data_type() {
        Arrow::Map(field, _) => {
            let map = array.as_map();
            let (keys, values) = (by_key(map.keys())?, by_key(map.values())?);
            let compare = make_comparator(&keys, &keys, SortOptions::default())?;
            let mut order: Vec<usize> = (0..keys.len()).collect();
            for entries in map.offsets().windows(2) {
                let entries = entries[0] as usize..entries[1] as usize;
                order[entries].sort_by(|left, right| compare(*left, *right));
            }
            let order: UInt64Array = order.into_iter().map(|index| index as u64).collect();
            let columns = vec![take(&keys, &order, None)?, take(&values, &order, None)?];
            let entries = StructArray::try_new(map.entries().fields().clone(), columns, None)?;
            let (field, nulls) = (Arc::clone(field), map.nulls().cloned());
            Arc::new(MapArray::try_new(field, map.offsets().clone(), entries, nulls, false)?)
        }
        Arrow::List(field) => {
            let list = array.as_list::<i32>();
            let (items, nulls) = (by_key(list.values())?, list.nulls().cloned());
            Arc::new(ListArray::try_new(Arc::clone(field), list.offsets().clone(), items, nulls)?)
        }
        Arrow::Struct(fields) => {
            let row = array.as_struct();
            let columns = row.columns().iter().map(by_key).collect::<Result<Vec<_>, _>>()?;
            Arc::new(StructArray::try_new_with_length(fields.clone(), columns, row.nulls().cloned(), row.len())?)
        }
        _ => Arc::clone(array),
    })
}

fn unsigned_zeros(arg: &Arg) -> Arg {
    use arrow::datatypes::Float32Type;
    let array: ArrayRef = match arg.array.data_type() {
        Arrow::Float64 => {
            let floats = arg.array.as_primitive::<Float64Type>();
            if !floats.values().iter().any(|value| value.to_bits() == (-0.0_f64).to_bits()) {
                return arg.clone();
            }
            Arc::new(floats.unary::<_, Float64Type>(|value| value + 0.0))
        }
        Arrow::Float32 => {
            let floats = arg.array.as_primitive::<Float32Type>();
            if !floats.values().iter().any(|value| value.to_bits() == (-0.0_f32).to_bits()) {
                return arg.clone();
            }
            Arc::new(floats.unary::<_, Float32Type>(|value| value + 0.0))
        }
        _ => return arg.clone(),
    };
    Arg { array, scalar: arg.scalar }
}

/// How two arguments come to one type.
struct Pair {
    common: DataType,
    left: Option<Kernel>,
    right: Option<Kernel>,
}

fn pair(left: &DataType, right: &DataType) -> Result<Pair, Failure> {
    let common = comparison_type(left, right)
        .ok_or_else(|| Failure::user(format!("values of types {left} and {right} cannot be compared")))?;
    let cast = |from: &DataType| {
        if from.to_arrow() == common.to_arrow() { Ok(None) } else { cast::kernel(from, &common, false) }
    };
    Ok(Pair { left: cast(left)?, right: cast(right)?, common })
}

impl Pair {
    fn left(&self, arg: &Arg) -> Result<Arg, Failure> {
        self.cast(self.left.as_ref(), arg)
    }

    fn right(&self, arg: &Arg) -> Result<Arg, Failure> {
        self.cast(self.right.as_ref(), arg)
    }

    fn cast(&self, kernel: Option<&Kernel>, arg: &Arg) -> Result<Arg, Failure> {
        let Some(kernel) = kernel else { return Ok(arg.clone()) };
        let args = [arg.clone()];
        let array = kernel(&Inputs { args: &args, rows: arg.array.len(), result: &self.common })?;
        Ok(Arg { array, scalar: arg.scalar })
    }
}

fn between(arguments: &Arguments<'_>) -> Result<Kernel, Failure> {
    let (low, high) = (with_first(arguments, 1, cmp::gt_eq)?, with_first(arguments, 2, cmp::lt_eq)?);
    Ok(Arc::new(move |inputs| {
        let (low, high) = (low(inputs)?, high(inputs)?);
        Ok(Arc::new(arrow::compute::and_kleene(low.as_boolean(), high.as_boolean())?))
    }))
}

/// A kernel that compares the first argument with another one, as the operator does.
fn with_first(arguments: &Arguments<'_>, other: usize, kernel: Compare) -> Result<Kernel, Failure> {
    let types = [arguments.get(0).clone(), arguments.get(other).clone()];
    let compare = compare(&Arguments { types: &types, constants: &[None, None], ..*arguments }, kernel)?;
    Ok(Arc::new(move |inputs| {
        let args = [inputs.arg(0)?.clone(), inputs.arg(other)?.clone()];
        compare(&Inputs { args: &args, ..*inputs })
    }))
}

fn is_not_in(arguments: &Arguments<'_>) -> Result<Kernel, Failure> {
    let is_in = is_in(arguments)?;
    Ok(Arc::new(move |inputs| {
        let found = is_in(inputs)?;
        let found = found.as_boolean_opt().ok_or_else(|| Failure::internal("IN is not boolean"))?;
        Ok(Arc::new(arrow::compute::not(found)?))
    }))
}

/// Longer lists of constants are looked up in a sorted or hashed set; others are compared one by one.
const SET_MIN: usize = 4;

fn is_in(arguments: &Arguments<'_>) -> Result<Kernel, Failure> {
    let constants = arguments.constants[1..].iter().flatten().count() == arguments.types.len() - 1;
    let uniform = arguments.types[1..].iter().all(|list| list.to_arrow() == arguments.get(0).to_arrow());
    if constants
        && uniform
        && arguments.types.len() > SET_MIN
        && let Some(kernel) = in_set(arguments)?
    {
        return Ok(kernel);
    }
    let items = 1..arguments.types.len();
    let items = items.map(|item| with_first(arguments, item, cmp::eq)).collect::<Result<Vec<_>, _>>()?;
    Ok(Arc::new(move |inputs| {
        let mut found = BooleanArray::from(vec![false; inputs.rows]);
        for equal in &items {
            found = arrow::compute::or_kleene(&found, equal(inputs)?.as_boolean())?;
        }
        Ok(Arc::new(found))
    }))
}

fn in_set(arguments: &Arguments<'_>) -> Result<Option<Kernel>, Failure> {
    let items: Vec<&dyn Array> = arguments.constants[1..].iter().flatten().map(AsRef::as_ref).collect();
    let items = arrow::compute::concat(&items)?;
    Ok(match arguments.get(0).to_arrow() {
        Arrow::Int8 => Some(in_primitives::<Int8Type>(&items)),
        Arrow::Int16 => Some(in_primitives::<Int16Type>(&items)),
        Arrow::Int32 => Some(in_primitives::<Int32Type>(&items)),
        Arrow::Int64 => Some(in_primitives::<Int64Type>(&items)),
        Arrow::Decimal128(..) => Some(in_primitives::<Decimal128Type>(&items)),
        Arrow::Utf8 if is_text(arguments.get(0)) => Some(in_texts(&items)),
        _ => None,
    })
}

/// Without a match the answer is null if the list has a null.
fn found(is_match: bool, list_has_null: bool) -> Option<bool> {
    if is_match {
        Some(true)
    } else if list_has_null {
        None
    } else {
        Some(false)
    }
}

fn in_primitives<T: ArrowPrimitiveType<Native: Ord>>(items: &ArrayRef) -> Kernel {
    let has_null = items.null_count() > 0;
    let mut set: Vec<T::Native> = items.as_primitive::<T>().iter().flatten().collect();
    set.sort_unstable();
    Arc::new(move |inputs| {
        let values = inputs.primitive::<T>(0)?;
        let result: BooleanArray =
            (0..inputs.rows).map(|row| found(set.binary_search(&values.get(row)?).is_ok(), has_null)).collect();
        Ok(Arc::new(result))
    })
}

fn in_texts(items: &ArrayRef) -> Kernel {
    let has_null = items.null_count() > 0;
    let set: std::collections::HashSet<String, ahash::RandomState> =
        items.as_string::<i32>().iter().flatten().map(str::to_owned).collect();
    Arc::new(move |inputs| {
        let values = inputs.text(0)?;
        let result: BooleanArray =
            (0..inputs.rows).map(|row| found(set.contains(values.get(row)?), has_null)).collect();
        Ok(Arc::new(result))
    })
}

fn not_like(arguments: &Arguments<'_>) -> Result<Kernel, Failure> {
    let like = like(arguments)?;
    Ok(Arc::new(move |inputs| {
        let matched = like(inputs)?;
        let matched = matched.as_boolean_opt().ok_or_else(|| Failure::internal("LIKE is not boolean"))?;
        Ok(Arc::new(arrow::compute::not(matched)?))
    }))
}

/// `LIKE` without an escape character, unless one is given.
fn like(arguments: &Arguments<'_>) -> Result<Kernel, Failure> {
    let escape = arguments.constant_text(2).and_then(|text| text.chars().next());
    if let Some(pattern) = arguments.constant_text(1) {
        let matcher = Like::new(pattern, escape)?;
        return Ok(Arc::new(move |inputs| {
            if let Some(matched) = matcher.kernel(&inputs.arg(0)?.array)? {
                return Ok(Arc::new(matched));
            }
            let values = inputs.text(0)?;
            let result: BooleanArray = (0..inputs.rows).map(|row| Some(matcher.matches(values.get(row)?))).collect();
            Ok(Arc::new(result))
        }));
    }
    Ok(Arc::new(move |inputs| {
        let (values, patterns) = (inputs.text(0)?, inputs.text(1)?);
        let mut last: Option<(&str, Like)> = None;
        let mut result = arrow::array::BooleanBuilder::with_capacity(inputs.rows);
        for row in 0..inputs.rows {
            let (Some(value), Some(pattern)) = (values.get(row), patterns.get(row)) else {
                result.append_null();
                continue;
            };
            if last.as_ref().is_none_or(|(known, _)| *known != pattern) {
                last = Some((pattern, Like::new(pattern, escape)?));
            }
            result.append_value(last.as_ref().is_some_and(|(_, matcher)| matcher.matches(value)));
        }
        Ok(Arc::new(result.finish()))
    }))
}

/// A compiled pattern.
enum Like {
    Equals(String),
    StartsWith(String),
    EndsWith(String),
    Contains(String),
    Regex(Box<regex::Regex>),
}

impl Like {
    fn new(pattern: &str, escape: Option<char>) -> Result<Self, Failure> {
        let plain = |text: &str| !text.contains(['%', '_']) && escape.is_none_or(|escape| !text.contains(escape));
        if plain(pattern) {
            return Ok(Self::Equals(pattern.to_owned()));
        }
        if let Some(rest) = pattern.strip_suffix('%') {
            if plain(rest) {
                return Ok(Self::StartsWith(rest.to_owned()));
            }
            if let Some(middle) = rest.strip_prefix('%').filter(|middle| plain(middle)) {
                return Ok(Self::Contains(middle.to_owned()));
            }
        }
        if let Some(rest) = pattern.strip_prefix('%').filter(|rest| plain(rest)) {
            return Ok(Self::EndsWith(rest.to_owned()));
        }
        let mut regex = String::from("^");
        let mut characters = pattern.chars();
        while let Some(character) = characters.next() {
            match character {
                _ if Some(character) == escape => {
                    let escaped = characters.next();
                    let escaped = escaped.filter(|next| ['%', '_'].contains(next) || Some(*next) == escape);
                    let escaped = escaped.ok_or_else(|| {
                        Failure::user(format!("pattern {pattern} has an escape before nothing special"))
                    })?;
                    regex.push_str(&regex::escape(escaped.encode_utf8(&mut [0; 4])));
                }
                '%' => regex.push_str(ANY_CHARACTERS),
                '_' => regex.push_str(ANY_CHARACTER),
                _ => regex.push_str(&regex::escape(character.encode_utf8(&mut [0; 4]))),
            }
        }
        regex.push('$');
        let compiled =
            regex::Regex::new(&regex).map_err(|error| Failure::user(format!("pattern {pattern}: {error}")))?;
        Ok(Self::Regex(Box::new(compiled)))
    }

    /// All values at once, where arrow has a kernel that prepares the search.
    fn kernel(&self, values: &ArrayRef) -> Result<Option<BooleanArray>, Failure> {
        let (text, kernel): (&String, Compare) = match self {
            Self::StartsWith(text) => (text, arrow::compute::starts_with),
            Self::EndsWith(text) => (text, arrow::compute::ends_with),
            Self::Contains(text) => (text, arrow::compute::contains),
            Self::Equals(_) | Self::Regex(_) => return Ok(None),
        };
        let text = StringArray::new_scalar(text.as_str());
        Ok(Some(kernel(values, &text)?))
    }

    fn matches(&self, value: &str) -> bool {
        match self {
            Self::Equals(text) => value == text,
            Self::StartsWith(text) => value.starts_with(text.as_str()),
            Self::EndsWith(text) => value.ends_with(text.as_str()),
            Self::Contains(text) => value.contains(text.as_str()),
            Self::Regex(regex) => regex.is_match(value),
        }
    }
}
