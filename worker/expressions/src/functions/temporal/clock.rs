//! The time of day. Batches are small, so all rows of one have the same time.

#![expect(
    clippy::cast_possible_truncation,
    reason = "SQL arithmetic wraps as Java's; positions are bounded by a batch"
)]
#![expect(clippy::disallowed_methods, reason = "CURRENT_TIMESTAMP and its like")]

use std::sync::Arc;

use arrow::array::{ArrayRef, Date32Array, Time32MillisecondArray, TimestampMillisecondArray};
use model::Failure;
use values::calendar;

use crate::arg::Inputs;

fn now_millis() -> i64 {
    chrono::Utc::now().timestamp_millis()
}

pub(super) fn current_timestamp(inputs: &Inputs<'_>) -> Result<ArrayRef, Failure> {
    let values = TimestampMillisecondArray::from_value(now_millis(), inputs.rows);
    Ok(Arc::new(values.with_data_type(inputs.result.to_arrow())))
}

pub(super) fn current_date(inputs: &Inputs<'_>) -> Result<ArrayRef, Failure> {
    let (days, _) = calendar::split_millis(now_millis());
    Ok(Arc::new(Date32Array::from_value(days as i32, inputs.rows)))
}

pub(super) fn current_time(inputs: &Inputs<'_>) -> Result<ArrayRef, Failure> {
    let (_, time) = calendar::split_millis(now_millis());
    Ok(Arc::new(Time32MillisecondArray::from_value((time - time % calendar::SECOND_MILLIS) as i32, inputs.rows)))
}
