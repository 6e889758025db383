//! The real clock.

#![expect(clippy::cast_possible_truncation, reason = "counts are bounded by a batch, times by 292 million years")]
#![expect(clippy::disallowed_methods, reason = "the clock that tasks and operators use")]

use std::time::{SystemTime, UNIX_EPOCH};

use crate::Clock;

/// Processing time of this machine.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now_ms(&self) -> i64 {
        // A clock before 1970 is set wrongly; its time counts as the epoch.
        SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as i64)
    }
}
