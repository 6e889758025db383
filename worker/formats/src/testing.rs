//! What tests of formats share: values as text, and properties with a seed.

use arrow::{
    array::{Array, AsArray},
    datatypes::{DataType as Arrow, TimeUnit, TimestampMillisecondType},
    util::display::array_value_to_string,
};

#[path = "../../../tests/fixtures/property.rs"]
mod property;
pub(crate) use property::check;

/// A value as text, nothing for null. Arrow knows no zones by name, so instants are shown without one.
pub(crate) fn shown(array: &dyn Array, row: usize) -> String {
    match array.data_type() {
        Arrow::Timestamp(TimeUnit::Millisecond, Some(_)) if array.is_valid(row) => {
            let instants = array.as_primitive::<TimestampMillisecondType>().clone().with_timezone_opt(None::<String>);
            format!("{}Z", array_value_to_string(&instants, row).unwrap())
        }
        _ => array_value_to_string(array, row).unwrap(),
    }
}
