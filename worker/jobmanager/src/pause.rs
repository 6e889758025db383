//! Notices that this process did not run for a while: it was stopped, or its machine slept or was paused.
//!
//! The service looks at the clock at least every so often. If the clock has moved much further between two looks, the rest is
//! time in which the process could neither hear nor answer, and which counts for no timeout. A clock that was set looks the
//! same, and is treated the same.

/// Looks at the clock, one after the other.
#[derive(Debug)]
pub(crate) struct Pauses {
    step_ms: i64,
    last_ms: Option<i64>,
}

impl Pauses {
    /// Looks are at most `step_ms` apart while the process runs; on a busy machine a look may be late by as much again.
    pub(crate) fn new(step_ms: i64) -> Self {
        Self { step_ms, last_ms: None }
    }

    /// Looks at the clock. Gives how far it has moved beyond a step, if it is more than a late look explains; negative if
    /// the clock went back.
    pub(crate) fn look(&mut self, now_ms: i64) -> Option<i64> {
        let moved = now_ms - self.last_ms.replace(now_ms)?;
        match moved {
            ..0 => Some(moved),
            _ if moved <= self.step_ms.saturating_mul(2) => None,
            _ => Some(moved - self.step_ms),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_late_look_is_no_pause_and_what_goes_beyond_is_one() {
        let mut pauses = Pauses::new(500);
        let looks = [10_000, 10_000, 10_500, 11_001, 12_001, 13_002, 73_002, 73_102, 63_102, 63_202];
        let found = looks.map(|now| pauses.look(now));
        assert_eq!(found, [None, None, None, None, None, Some(501), Some(59_500), None, Some(-10_000), None]);
    }
}
