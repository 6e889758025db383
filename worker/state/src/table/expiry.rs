//! Entries that expire: a lookup gives nothing for them, and they are removed little by little.

use super::{
    EntryId, StateValue, Table,
    arena::{self, PERSISTED},
};
use crate::retention::Retention;

/// For each entry that was looked up so many are looked at for expired ones.
const SWEPT_FOR_TOUCHED: usize = 2;

/// What a table needs for entries that expire.
pub(crate) struct Timing {
    retention: Retention,
    /// The time of this batch.
    pub(super) now: i64,
    /// The cell at which the next sweep begins.
    hand: usize,
}

impl Timing {
    pub(crate) fn new(retention: Retention) -> Self {
        Self { now: retention.now(), retention, hand: 0 }
    }

    pub(crate) fn now(&self) -> i64 {
        self.now
    }

    pub(super) fn advance(&mut self) {
        self.now = self.now.max(self.retention.now());
    }

    #[inline]
    pub(super) fn horizon(&self) -> i64 {
        self.retention.horizon(self.now)
    }
}

impl<V: StateValue> Table<V> {
    /// What was last changed then or before has expired in this batch; none if nothing expires.
    #[inline]
    pub fn horizon(&self) -> Option<i64> {
        self.timing.as_ref().map(Timing::horizon)
    }

    /// The time of this batch, of which its changes are; none if nothing expires.
    #[inline]
    pub fn now(&self) -> Option<i64> {
        self.timing.as_ref().map(|timing| timing.now)
    }

    pub(super) fn forget_expired(&mut self, entries: &[EntryId], horizon: i64) {
        for &id in entries {
            if self.arena.stamp(id) <= horizon && self.arena.get(id).value.is_some() {
                *self.edit(id) = None;
            }
        }
    }

    /// Removes expired entries among some of those in memory: so many that no entry is left alone for long.
    pub(super) fn sweep(&mut self, touched: usize) {
        let Some((timing, cells)) = self.timing.as_mut().zip(Some(self.arena.cells()).filter(|cells| *cells > 0))
        else {
            return;
        };
        let horizon = timing.horizon();
        let mut expired = Vec::new();
        for _ in 0..cells.min(touched / arena::CHUNK_ENTRIES * SWEPT_FOR_TOUCHED + 1) {
            timing.hand = if timing.hand + 1 < cells { timing.hand + 1 } else { 0 };
            self.arena.expired(timing.hand, horizon, &mut expired);
        }
        for id in expired {
            *self.edit(id) = None;
            if self.arena.flags(id).is_some_and(|flags| flags & PERSISTED == 0) {
                self.remove(id);
            }
        }
    }

    /// When an entry was last changed, if entries expire.
    pub fn changed_at(&self, entry: EntryId) -> Option<i64> {
        self.timing.as_ref().map(|_| self.arena.stamp(entry))
    }
}
