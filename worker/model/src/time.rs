//! Event time in milliseconds since the epoch, watermarks, and moments to the nanosecond.

use serde::{Deserialize, Serialize};

/// Milliseconds since the epoch (UTC, or the local time line of a `TIMESTAMP` without zone).
pub type EventTime = i64;

/// A promise that no row with an event time at or below the value follows. Never goes back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Watermark(pub EventTime);

impl Watermark {
    /// Nothing is promised yet.
    pub const MIN: Self = Self(i64::MIN);
    /// No more rows: the end of bounded input.
    pub const MAX: Self = Self(i64::MAX);
}

/// A moment, since 1970 or on the local time line: milliseconds, and nanoseconds within.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Instant {
    /// Milliseconds since 1970, rounded down.
    pub millis: i64,
    /// Nanoseconds within the millisecond, never negative.
    pub nanos: i64,
}

impl Instant {
    /// A whole millisecond.
    pub const fn of_millis(millis: i64) -> Self {
        Self { millis, nanos: 0 }
    }
}
