//! Notices that this process did not run for a while: it was stopped, its machine slept or was paused.
//!
//! The service looks at the clock at least every so often. If the clock has moved further between two looks, the rest is time
//! in which it could neither hear nor answer anybody, and in which nobody may be judged. A clock that was set looks alike,
//! and is treated so.

/// Looks at the clock, one after the other.
#[derive(Debug)]
pub(crate) struct Pauses {
    step_ms: i64,
    last_ms: Option<i64>,
}

impl Pauses {
    /// Looks are at most `step_ms` apart while the process runs.
    pub(crate) fn new(step_ms: i64) -> Self {
        Self { step_ms, last_ms: None }
    }

    /// Looks at the clock; how far it has moved beyond what running explains, negative if it went back.
    pub(crate) fn look(&mut self, now_ms: i64) -> Option<i64> {
        let moved = now_ms - self.last_ms.replace(now_ms)?;
        let paused = if moved < 0 { moved } else { (moved - self.step_ms).max(0) };
        (paused != 0).then_some(paused)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_goes_beyond_the_longest_step_is_a_pause() {
        let mut pauses = Pauses::new(500);
        let looks = [10_000, 10_000, 10_500, 11_100, 71_100, 71_200, 61_200, 61_300];
        let found = looks.map(|now| pauses.look(now));
        assert_eq!(found, [None, None, None, Some(100), Some(59_500), None, Some(-10_000), None]);
    }
}
