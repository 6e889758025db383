//! Numbers that each subtask keeps in operator state: 8 bytes, big endian.

#![expect(
    clippy::cast_possible_wrap,
    clippy::cast_sign_loss,
    reason = "positions are bounded by a batch; hashes and times are reinterpreted bit by bit"
)]

use dataflow::{OpenContext, Snapshot};
use model::{EventTime, Failure, Watermark};

/// The operator state that holds the watermark of each subtask.
const WATERMARK: &str = "watermark";

/// The numbers that the subtasks of the snapshot have under a name.
pub(crate) fn restored_numbers(name: &str, context: &OpenContext) -> Result<Vec<u64>, Failure> {
    let numbers = context.restored(name).iter().map(|item| item.0.as_slice().try_into().map(u64::from_be_bytes));
    let numbers = numbers.collect::<Result<_, _>>();
    numbers.map_err(|_| Failure::data(format!("the stored number '{name}' does not have 8 bytes")))
}

/// Keeps the number of a subtask.
pub(crate) fn put_number(name: &str, number: u64, snapshot: &mut Snapshot) {
    snapshot.add(name, number.to_be_bytes().to_vec());
}

/// The least watermark that a subtask of the snapshot had: rows are late only if they were late for every subtask.
pub(crate) fn restored_watermark(context: &OpenContext) -> Result<EventTime, Failure> {
    let watermarks = restored_numbers(WATERMARK, context)?;
    Ok(watermarks.into_iter().map(|watermark| watermark as EventTime).min().unwrap_or(Watermark::MIN.0))
}

/// Keeps the watermark of a subtask.
pub(crate) fn put_watermark(watermark: EventTime, snapshot: &mut Snapshot) {
    put_number(WATERMARK, watermark as u64, snapshot);
}

#[cfg(test)]
mod frozen;
