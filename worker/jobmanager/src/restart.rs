//! Whether and when a job is restarted after a failure.

use std::time::Duration;

use model::{ErrorClass, Failure};
use rand::{Rng, SeedableRng, rngs::SmallRng};
use settings::{Settings, keys, value::RestartStrategy};

/// Part of a delay by which it is varied, so that jobs do not restart in step.
const JITTER: f64 = 0.1;
/// How the exponential delay grows.
const FACTOR: u32 = 2;

/// The restart strategy of one job.
#[derive(Debug)]
pub(crate) struct Restarts {
    strategy: Strategy,
    in_a_row: u32,
    last_failure_ms: Option<i64>,
    /// The message of the last failure, if it was of class `Data`.
    last_data: Option<String>,
    random: SmallRng,
}

#[derive(Clone, Debug)]
enum Strategy {
    Off,
    Fixed { attempts: u32, delay: Duration },
    Exponential { initial: Duration, max: Duration, reset: Duration, attempts: Option<u32> },
}

impl Restarts {
    /// As configured. Like Flink's, the default is off for a job without checkpoints.
    pub(crate) fn new(settings: &Settings, has_checkpoints: bool, seed: u64) -> Self {
        let chosen = settings.get(&keys::RESTART_STRATEGY);
        let strategy = match chosen {
            _ if !has_checkpoints && !settings.is_set(&keys::RESTART_STRATEGY) => Strategy::Off,
            RestartStrategy::Off => Strategy::Off,
            RestartStrategy::FixedDelay => Strategy::Fixed {
                attempts: settings.get(&keys::RESTART_ATTEMPTS),
                delay: settings.get(&keys::RESTART_DELAY),
            },
            RestartStrategy::ExponentialDelay => Strategy::Exponential {
                initial: settings.get(&keys::RESTART_INITIAL_BACKOFF),
                max: settings.get(&keys::RESTART_MAX_BACKOFF),
                reset: settings.get(&keys::RESTART_RESET),
                attempts: settings.get(&keys::RESTART_MAX_ATTEMPTS),
            },
        };
        Self { strategy, in_a_row: 0, last_failure_ms: None, last_data: None, random: SmallRng::seed_from_u64(seed) }
    }

    /// Takes note of a failure; the time until the restart, or none if the job is to fail.
    pub(crate) fn delay_ms(&mut self, failure: &Failure, now_ms: i64) -> Option<i64> {
        if matches!(failure.class, ErrorClass::User | ErrorClass::Fenced) || self.is_read_again(failure) {
            return None;
        }
        let since_last = self.last_failure_ms.replace(now_ms).map(|last| now_ms - last);
        let delay = match &self.strategy {
            Strategy::Off => return None,
            Strategy::Fixed { attempts, delay } => (self.in_a_row < *attempts).then_some(*delay)?,
            Strategy::Exponential { initial, max, reset, attempts } => {
                if since_last.is_some_and(|since| since >= millis(*reset)) {
                    self.in_a_row = 0;
                }
                if attempts.is_some_and(|attempts| self.in_a_row >= attempts) {
                    return None;
                }
                let grown = initial.saturating_mul(FACTOR.saturating_pow(self.in_a_row)).min(*max);
                grown.mul_f64(self.random.random_range(1.0 - JITTER..=1.0 + JITTER)).min(*max)
            }
        };
        self.in_a_row = self.in_a_row.saturating_add(1);
        Some(millis(delay))
    }

    /// Time in which this process did not run does not count as time without a failure.
    pub(crate) fn paused(&mut self, paused_ms: i64) {
        self.last_failure_ms = self.last_failure_ms.map(|last| last + paused_ms);
    }

    /// Whether a restart has read the same corrupt input or state again: the next one would, too.
    fn is_read_again(&mut self, failure: &Failure) -> bool {
        let data = (failure.class == ErrorClass::Data).then(|| failure.message.clone());
        let is_again = data.is_some() && data == self.last_data;
        self.last_data = data;
        is_again
    }
}

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn restarts(options: &[(&str, &str)], has_checkpoints: bool) -> Restarts {
        let mut settings = Settings::default();
        for (name, value) in options {
            settings.set(name, value).expect("an option");
        }
        Restarts::new(&settings, has_checkpoints, 7)
    }

    fn external() -> Failure {
        Failure::external("lost")
    }

    #[test]
    fn the_user_and_a_newer_owner_never_cause_a_restart() {
        let mut restarts = restarts(&[], true);
        assert_eq!(restarts.delay_ms(&Failure::user("wrong"), 0), None);
        assert_eq!(restarts.delay_ms(&Failure::fenced("epoch 3"), 0), None);
        assert!(restarts.delay_ms(&external(), 0).is_some());
    }

    #[test]
    fn corrupt_data_is_read_a_second_time_but_no_third() {
        let mut restarts = restarts(&[], true);
        let corrupt = Failure::data("line 3: no BIGINT");
        assert!(restarts.delay_ms(&corrupt, 0).is_some());
        assert!(restarts.delay_ms(&Failure::data("line 4: no BIGINT"), 1).is_some());
        assert!(restarts.delay_ms(&external(), 2).is_some());
        assert!(restarts.delay_ms(&corrupt, 3).is_some());
        assert_eq!(restarts.delay_ms(&corrupt, 4), None);
    }

    #[test]
    fn without_checkpoints_a_job_restarts_only_with_a_strategy() {
        assert_eq!(restarts(&[], false).delay_ms(&external(), 0), None);
        let fixed = &[("restart-strategy.type", "fixed-delay")];
        assert_eq!(restarts(fixed, false).delay_ms(&external(), 0), Some(1000));
    }

    #[test]
    fn a_fixed_delay_ends() {
        let options = [
            ("restart-strategy.type", "fixed-delay"),
            ("restart-strategy.fixed-delay.attempts", "2"),
            ("restart-strategy.fixed-delay.delay", "3 s"),
        ];
        let mut restarts = restarts(&options, true);
        let delays = [0, 10, 20].map(|now| restarts.delay_ms(&external(), now));
        assert_eq!(delays, [Some(3000), Some(3000), None]);
    }

    #[test]
    fn exponential_delays_grow_to_the_limit_and_start_anew_after_quiet() {
        let mut restarts = restarts(&[], true);
        let mut now = 0;
        let mut delays = Vec::new();
        for _ in 0..10 {
            now += 1000;
            delays.push(restarts.delay_ms(&external(), now).expect("restarts"));
        }
        assert!((900..=1100).contains(&delays[0]), "{delays:?}");
        assert!((1800..=2200).contains(&delays[1]), "{delays:?}");
        assert!(delays[9] <= 60_000 && delays[9] >= 54_000, "{delays:?}");
        let after_quiet = restarts.delay_ms(&external(), now + 3_600_000).expect("restarts");
        assert!((900..=1100).contains(&after_quiet));
    }
}
