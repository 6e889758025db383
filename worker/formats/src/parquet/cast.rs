//! Casts of columns between the types of a file and those of a table: no value becomes another one.

use std::sync::Arc;

use arrow::{
    array::{Array, ArrayRef, AsArray, ListArray, MapArray, PrimitiveArray, StructArray, new_null_array},
    compute::{CastOptions, cast_with_options, kernels::cmp::distinct},
    datatypes::{
        ArrowPrimitiveType, DataType as Arrow, Decimal128Type, Float32Type, Float64Type, Time32MillisecondType,
        TimeUnit, TimestampMicrosecondType, TimestampMillisecondType,
    },
    util::display::array_value_to_string,
};
use model::{
    DataType, Failure,
    timestamp::{self, Timestamps},
};

use super::wide;

/// The column as another type. The fields of rows are found by name; those that are missing are null.
pub(super) fn exact_cast(array: &ArrayRef, to: &Arrow, column: &str) -> Result<ArrayRef, Failure> {
    match (array.data_type(), to) {
        (from, to) if from == to => Ok(Arc::clone(array)),
        (Arrow::Struct(_), Arrow::Struct(fields)) => {
            let row = array.as_struct();
            let cast = fields.iter().map(|field| match row.column_by_name(field.name()) {
                Some(inside) => exact_cast(inside, field.data_type(), column),
                None => Ok(new_null_array(field.data_type(), row.len())),
            });
            let cast = cast.collect::<Result<Vec<_>, _>>()?;
            Ok(Arc::new(StructArray::try_new_with_length(fields.clone(), cast, row.nulls().cloned(), row.len())?))
        }
        (Arrow::List(_), Arrow::List(item)) => {
            let list = array.as_list::<i32>();
            let items = exact_cast(list.values(), item.data_type(), column)?;
            Ok(Arc::new(ListArray::try_new(Arc::clone(item), list.offsets().clone(), items, list.nulls().cloned())?))
        }
        (Arrow::Map(..), Arrow::Map(entry, sorted)) => {
            let Arrow::Struct(fields) = entry.data_type() else {
                return Err(Failure::internal("map entries that are no struct"));
            };
            let map = array.as_map();
            let parts = [map.keys(), map.values()].into_iter().zip(fields);
            let parts = parts.map(|(part, field)| exact_cast(part, field.data_type(), column));
            let entries = StructArray::try_new(fields.clone(), parts.collect::<Result<_, _>>()?, None)?;
            let (offsets, nulls) = (map.offsets().clone(), map.nulls().cloned());
            Ok(Arc::new(MapArray::try_new(Arc::clone(entry), offsets, entries, nulls, *sorted)?))
        }
        (from, to) => cast_values(array, from, to, column),
    }
}

/// A cast of values without parts.
fn cast_values(array: &ArrayRef, from: &Arrow, to: &Arrow, column: &str) -> Result<ArrayRef, Failure> {
    // Formats have texts of their own for values; Parquet has none.
    if is_text(from) && !is_text(to) && *to != Arrow::Binary {
        return Err(Failure::data(format!("column {column}: the file has text, which is no {to}")));
    }
    if wide::is_between(from, to) {
        return wide::convert(array, to, column);
    }
    let array = &floored(array, from, to)?;
    let options = CastOptions { safe: false, ..CastOptions::default() };
    let cast =
        cast_with_options(array, to, &options).map_err(|error| Failure::data(format!("column {column}: {error}")))?;
    match lossy_row(array, &cast)? {
        None => Ok(cast),
        Some(row) => {
            let value = array_value_to_string(array, row)?;
            Err(Failure::data(format!("column {column}: {value} does not fit into {to}")))
        }
    }
}

/// Timestamps that are to have a coarser unit, in that unit; arrow would round those before 1970 up.
fn floored(array: &ArrayRef, from: &Arrow, to: &Arrow) -> Result<ArrayRef, Failure> {
    let (Arrow::Timestamp(fine, zone), Arrow::Timestamp(coarse, _)) = (from, to) else { return Ok(Arc::clone(array)) };
    if fine <= coarse {
        return Ok(Arc::clone(array));
    }
    let times = Timestamps::new(array).ok_or_else(|| Failure::internal("timestamps are none"))?;
    timestamp::column((0..array.len()).map(|row| times.get(row)), &Arrow::Timestamp(*coarse, zone.clone()))
}

fn is_text(data_type: &Arrow) -> bool {
    matches!(data_type, Arrow::Utf8 | Arrow::LargeUtf8 | Arrow::Utf8View)
}

/// The first row whose value a cast has changed. Floating-point numbers are rounded by nature, and timestamps cut off.
fn lossy_row(array: &ArrayRef, cast: &ArrayRef) -> Result<Option<usize>, Failure> {
    let (from, to) = (array.data_type(), cast.data_type());
    let is_decimal = |data_type: &Arrow| matches!(data_type, Arrow::Decimal128(..) | Arrow::Decimal256(..));
    if from.is_floating() && to.is_floating() {
        return Ok((0..array.len()).find(|row| is_infinite(cast, *row) && !is_infinite(array, *row)));
    }
    let may_lose = match (from, to) {
        (from, to) if from.is_floating() || is_decimal(from) => {
            to.is_integer() || is_decimal(to) || *to == Arrow::Boolean
        }
        (from, Arrow::Boolean) => from.is_integer(),
        (Arrow::Timestamp(..), Arrow::Date32 | Arrow::Time32(_)) => true,
        _ => false,
    };
    if !may_lose {
        return Ok(None);
    }
    let back = cast_with_options(cast, from, &CastOptions::default())?;
    if from.is_floating() {
        let value = |array: &ArrayRef, row| float(array, row).map(|value| value + 0.0);
        return Ok((0..array.len()).find(|row| value(array, *row) != value(&back, *row)));
    }
    let lost = distinct(&back, array)?;
    Ok((0..lost.len()).find(|row| lost.value(*row)))
}

fn float(array: &ArrayRef, row: usize) -> Option<f64> {
    if array.is_null(row) {
        return None;
    }
    match array.data_type() {
        Arrow::Float32 => Some(f64::from(array.as_primitive::<Float32Type>().value(row))),
        Arrow::Float64 => Some(array.as_primitive::<Float64Type>().value(row)),
        _ => None,
    }
}

fn is_infinite(array: &ArrayRef, row: usize) -> bool {
    float(array, row).is_some_and(f64::is_infinite)
}

/// Times without the digits that their precision does not have.
pub(super) fn cut_times(array: ArrayRef, data_type: &DataType) -> Result<ArrayRef, Failure> {
    Ok(match (data_type, array.data_type()) {
        (DataType::NotNull(inner), _) => cut_times(array, inner)?,
        (DataType::Row(fields), Arrow::Struct(declared)) => {
            let row = array.as_struct();
            let cut = row.columns().iter().zip(fields);
            let cut = cut.map(|(inside, field)| cut_times(Arc::clone(inside), &field.data_type));
            let cut = cut.collect::<Result<Vec<_>, _>>()?;
            Arc::new(StructArray::try_new_with_length(declared.clone(), cut, row.nulls().cloned(), row.len())?)
        }
        (DataType::Array(inner), Arrow::List(item)) => {
            let list = array.as_list::<i32>();
            let items = cut_times(Arc::clone(list.values()), inner)?;
            Arc::new(ListArray::try_new(Arc::clone(item), list.offsets().clone(), items, list.nulls().cloned())?)
        }
        (DataType::Map(key, value), Arrow::Map(entry, sorted)) => {
            let map = array.as_map();
            let parts = vec![cut_times(Arc::clone(map.keys()), key)?, cut_times(Arc::clone(map.values()), value)?];
            let entries = StructArray::try_new(map.entries().fields().clone(), parts, None)?;
            let (offsets, nulls) = (map.offsets().clone(), map.nulls().cloned());
            Arc::new(MapArray::try_new(Arc::clone(entry), offsets, entries, nulls, *sorted)?)
        }
        (DataType::Time(precision), Arrow::Time32(TimeUnit::Millisecond)) if *precision < 3 => {
            cut::<Time32MillisecondType>(&array, |value| value - value.rem_euclid(10i32.pow(3 - u32::from(*precision))))
        }
        (DataType::Timestamp(7..=8) | DataType::TimestampLtz(7..=8), wide) if timestamp::is_wide(wide).is_some() => {
            let digits = if let DataType::Timestamp(7) | DataType::TimestampLtz(7) = data_type { 2 } else { 1 };
            cut::<Decimal128Type>(&array, |value| value - value.rem_euclid(10i128.pow(digits)))
        }
        (DataType::Timestamp(precision) | DataType::TimestampLtz(precision), Arrow::Timestamp(unit, _)) => {
            let step = |digits: u8| 10i64.pow(u32::from(digits.saturating_sub(*precision)));
            match unit {
                TimeUnit::Millisecond if *precision < 3 => {
                    cut::<TimestampMillisecondType>(&array, |value| value - value.rem_euclid(step(3)))
                }
                TimeUnit::Microsecond if *precision < 6 => {
                    cut::<TimestampMicrosecondType>(&array, |value| value - value.rem_euclid(step(6)))
                }
                _ => array,
            }
        }
        _ => array,
    })
}

fn cut<T: ArrowPrimitiveType>(array: &ArrayRef, cut: impl Fn(T::Native) -> T::Native) -> ArrayRef {
    let values: PrimitiveArray<T> = array.as_primitive::<T>().unary(cut);
    Arc::new(values.with_data_type(array.data_type().clone()))
}
