//! Timestamps of more than six digits between tables, which have 128 bits for them, and files, which have 64.

use arrow::{
    array::{Array, ArrayRef},
    compute::cast,
    datatypes::{DataType as Arrow, TimeUnit},
};
use model::{
    Failure,
    timestamp::{self, Timestamps},
};
use values::datetime::timestamp_text;

/// The type that a file has for a table's type of timestamps in 128 bits; none for other types.
pub(super) fn stored(arrow: &Arrow, unit: Option<TimeUnit>) -> Option<Arrow> {
    let is_instant = timestamp::is_wide(arrow)?;
    Some(Arrow::Timestamp(unit.unwrap_or(TimeUnit::Nanosecond), is_instant.then(|| "UTC".into())))
}

/// Whether one of two types is of timestamps in 128 bits.
pub(super) fn is_between(from: &Arrow, to: &Arrow) -> bool {
    timestamp::is_wide(from).is_some() || timestamp::is_wide(to).is_some()
}

/// Such timestamps from or to other ones, or dates; what is finer than the new type is cut off.
///
/// # Errors
/// Class `Data` if a value is out of range of 64 bits, or the types are others.
pub(super) fn convert(array: &dyn Array, to: &Arrow, column: &str) -> Result<ArrayRef, Failure> {
    let dates = match array.data_type() {
        Arrow::Date32 | Arrow::Date64 => Some(cast(array, &Arrow::Timestamp(TimeUnit::Millisecond, None))?),
        _ => None,
    };
    let array = dates.as_ref().map_or(array, AsRef::as_ref);
    let times = Timestamps::new(array).filter(|_| timestamp::is_instant(to).is_some());
    let Some(times) = times else {
        return Err(Failure::data(format!("column {column}: values of type {} are no timestamps", array.data_type())));
    };
    let instants = || (0..array.len()).map(|row| times.get(row));
    if timestamp::is_wide(to).is_none()
        && let Some(far) = instants().flatten().find(|instant| timestamp::units(*instant, to).is_none())
    {
        return Err(Failure::data(format!(
            "column {column}: {} is out of range of nanoseconds in 64 bits; a file that has microseconds can hold it",
            timestamp_text(far, false)
        )));
    }
    timestamp::column(instants(), to)
}
