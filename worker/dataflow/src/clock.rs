//! The real clock.

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
