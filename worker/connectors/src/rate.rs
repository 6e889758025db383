//! Limiting how many rows a source gives in a second.

#![expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "lengths are bounded by a block; generated values wrap on purpose"
)]
#![expect(clippy::disallowed_methods, reason = "limits a rate")]

use std::time::Duration;

use tokio::time::Instant;

/// Rows are let through in portions of at least this time, where the rate allows.
const PORTION: Duration = Duration::from_millis(20);
/// Time that was not used, by back-pressure, is made up for by at most this much.
const BURST_MAX: Duration = Duration::from_secs(1);

/// Lets rows through at a rate.
#[derive(Debug)]
pub(crate) struct RateLimiter {
    per_second: f64,
    /// When the next row is due.
    due: Option<Instant>,
}

impl RateLimiter {
    /// A subtask's share of a table's rate.
    pub(crate) fn shared(per_second: f64, parallelism: u32) -> Self {
        Self { per_second: per_second / f64::from(parallelism.max(1)), due: None }
    }

    fn time_of(&self, rows: f64) -> Duration {
        Duration::try_from_secs_f64(rows / self.per_second).unwrap_or(Duration::MAX / 4)
    }

    /// Waits until rows may pass and says how many, at least one and at most `wanted`. Dropping the future loses nothing.
    pub(crate) async fn acquire(&mut self, wanted: u64) -> u64 {
        let now = Instant::now();
        let due = self.due.unwrap_or(now).max(now.checked_sub(BURST_MAX).unwrap_or(now));
        self.due = Some(due);
        let portion = (self.per_second * PORTION.as_secs_f64()).clamp(1.0, wanted.max(1) as f64);
        let ready = due + self.time_of(portion - 1.0);
        if ready > now {
            tokio::time::sleep_until(ready).await;
        }
        let passed = Instant::now().saturating_duration_since(due).as_secs_f64() * self.per_second;
        let granted = (passed as u64 + 1).min(wanted.max(1));
        self.due = Some(due + self.time_of(granted as f64));
        granted
    }
}
