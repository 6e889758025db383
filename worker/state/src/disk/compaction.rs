//! When writes wait for compaction, so that reading has no more runs than it can do with.
//!
//! RocksDB itself never holds up a flush for a compaction: on a full disk it cannot succeed.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use model::Failure;
use rocksdb::properties::{BACKGROUND_ERRORS, NUM_RUNNING_COMPACTIONS, num_files_at_level};

use super::Disk;

/// Sorted runs, which are files of the first level, that reading can do with.
const RUNS_MAX: u64 = 36;
const PAUSE: Duration = Duration::from_millis(1);
/// After so many pauses in which no compaction ran none is waited for.
const IDLE_PAUSES_MAX: u32 = 1000;

/// What is known of compactions.
#[derive(Default)]
pub(super) struct Compactions {
    /// How many errors there had been, of all time, when that was last looked at.
    errors: AtomicU64,
}

impl Compactions {
    /// Whether a write should wait, after so many pauses without a compaction. It does not wait for one that has failed
    /// since the last look: the write says why if the database is of no more use.
    fn is_awaited(&self, runs: u64, errors: u64, idle_pauses: u32) -> bool {
        runs > RUNS_MAX && self.errors.swap(errors, Ordering::Relaxed) >= errors && idle_pauses <= IDLE_PAUSES_MAX
    }
}

impl Disk {
    /// Waits while compaction is far behind and goes on.
    pub(super) fn wait_for_compaction(&self) -> Result<(), Failure> {
        let mut idle_pauses = 0;
        while self.is_compaction_awaited(idle_pauses)? {
            std::thread::park_timeout(PAUSE);
            idle_pauses = if self.property(NUM_RUNNING_COMPACTIONS)? > 0 { 0 } else { idle_pauses + 1 };
        }
        Ok(())
    }

    fn is_compaction_awaited(&self, idle_pauses: u32) -> Result<bool, Failure> {
        let runs = self.property(num_files_at_level(0))?;
        if runs <= RUNS_MAX {
            return Ok(false);
        }
        Ok(self.compactions.is_awaited(runs, self.property(BACKGROUND_ERRORS)?, idle_pauses))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_ends_the_wait_during_which_it_comes_and_no_other() {
        let compactions = Compactions::default();
        let waits = |errors| compactions.is_awaited(RUNS_MAX + 1, errors, 0);
        assert!(waits(0));
        assert!(!waits(1));
        assert!(waits(1));
        assert!(waits(1));
        assert!(!waits(3));
        assert!(waits(3));
    }

    #[test]
    fn what_does_not_run_or_is_not_needed_is_not_waited_for() {
        let compactions = Compactions::default();
        let waits = |runs, idle| compactions.is_awaited(runs, 0, idle);
        assert!(!waits(RUNS_MAX, 0));
        assert!(waits(RUNS_MAX + 1, IDLE_PAUSES_MAX));
        assert!(!waits(RUNS_MAX + 1, IDLE_PAUSES_MAX + 1));
    }
}
