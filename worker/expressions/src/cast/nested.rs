//! Casts of rows, arrays and maps, part by part.

use std::sync::Arc;

use arrow::{
    array::{Array, AsArray, ListArray, MapArray, StructArray},
    datatypes::DataType as Arrow,
};
use model::{DataType, Failure};

use super::{apply, argument};
use crate::function::Kernel;

/// A kernel that does what `part` says to each part, or none if these are not of one shape.
pub(crate) fn kernel(
    from: &DataType,
    to: &DataType,
    part: &dyn Fn(&DataType, &DataType) -> Result<Option<Kernel>, Failure>,
) -> Result<Option<Kernel>, Failure> {
    match (from, to) {
        (DataType::Row(old), DataType::Row(new)) if old.len() == new.len() => {
            let kernels = old
                .iter()
                .zip(new)
                .map(|(old, new)| part(&old.data_type, &new.data_type))
                .collect::<Result<Vec<_>, _>>()?;
            let types: Vec<DataType> = new.iter().map(|field| field.data_type.clone()).collect();
            let to = to.to_arrow();
            Ok(Some(Arc::new(move |inputs| {
                let row = argument(inputs)?.as_struct();
                let columns = row
                    .columns()
                    .iter()
                    .zip(&kernels)
                    .zip(&types)
                    .map(|((column, kernel), to)| apply(kernel.as_ref(), column, to))
                    .collect::<Result<Vec<_>, _>>()?;
                let Arrow::Struct(fields) = &to else { return Err(Failure::internal("a row is expected")) };
                Ok(Arc::new(StructArray::try_new_with_length(
                    fields.clone(),
                    columns,
                    row.nulls().cloned(),
                    row.len(),
                )?))
            })))
        }
        (DataType::Array(old), DataType::Array(new)) => {
            let kernel = part(old, new)?;
            let (item, to) = ((**new).clone(), to.to_arrow());
            Ok(Some(Arc::new(move |inputs| {
                let list = argument(inputs)?.as_list::<i32>();
                let values = apply(kernel.as_ref(), list.values(), &item)?;
                let Arrow::List(field) = &to else { return Err(Failure::internal("an array is expected")) };
                let nulls = list.nulls().cloned();
                Ok(Arc::new(ListArray::try_new(Arc::clone(field), list.offsets().clone(), values, nulls)?))
            })))
        }
        (DataType::Map(old_key, old_value), DataType::Map(new_key, new_value)) => {
            let key = part(old_key, new_key)?;
            let value = part(old_value, new_value)?;
            let (key_type, value_type, to) = ((**new_key).clone(), (**new_value).clone(), to.to_arrow());
            Ok(Some(Arc::new(move |inputs| {
                let map = argument(inputs)?.as_map();
                let keys = apply(key.as_ref(), map.keys(), &key_type)?;
                let values = apply(value.as_ref(), map.values(), &value_type)?;
                let Arrow::Map(field, _) = &to else { return Err(Failure::internal("a map is expected")) };
                let Arrow::Struct(fields) = field.data_type() else {
                    return Err(Failure::internal("a map's entries are rows"));
                };
                let entries = StructArray::try_new(fields.clone(), vec![keys, values], None)?;
                let (field, nulls) = (Arc::clone(field), map.nulls().cloned());
                Ok(Arc::new(MapArray::try_new(field, map.offsets().clone(), entries, nulls, false)?))
            })))
        }
        _ => Ok(None),
    }
}
