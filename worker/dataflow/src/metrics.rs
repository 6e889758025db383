//! Counters of one task, written by its thread and read by others.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering::Relaxed};

/// Counters of one task.
#[derive(Debug)]
pub struct TaskMetrics {
    /// Rows read.
    pub records_in: AtomicU64,
    /// Rows emitted to other tasks, or by a source.
    pub records_out: AtomicU64,
    /// Bytes of rows read.
    pub bytes_in: AtomicU64,
    /// Bytes of rows emitted.
    pub bytes_out: AtomicU64,
    /// The current watermark, in milliseconds.
    pub watermark_ms: AtomicI64,
    /// Rows dropped because they came too late.
    pub late_rows: AtomicU64,
    /// Rows skipped because they could not be read.
    pub skipped_rows: AtomicU64,
    /// Time spent processing, in microseconds.
    pub busy_us: AtomicU64,
    /// Time spent waiting for room downstream, in microseconds.
    pub back_pressured_us: AtomicU64,
    /// Time spent waiting for input, in microseconds.
    pub idle_us: AtomicU64,
}

impl Default for TaskMetrics {
    fn default() -> Self {
        Self {
            records_in: AtomicU64::new(0),
            records_out: AtomicU64::new(0),
            bytes_in: AtomicU64::new(0),
            bytes_out: AtomicU64::new(0),
            watermark_ms: AtomicI64::new(i64::MIN),
            late_rows: AtomicU64::new(0),
            skipped_rows: AtomicU64::new(0),
            busy_us: AtomicU64::new(0),
            back_pressured_us: AtomicU64::new(0),
            idle_us: AtomicU64::new(0),
        }
    }
}

/// Adds to a counter.
pub fn add(counter: &AtomicU64, value: u64) {
    counter.fetch_add(value, Relaxed);
}
