//! Entries that are forgotten when they have not been changed for a time.
//!
//! A table of such entries keeps when each was last changed, and its stored values begin with that time: 8 bytes,
//! milliseconds, big endian. It is stored under a name of its own, so that what is stored says how it is to be read.
//! An entry that has expired is never found. It is removed when it is come across: by a lookup, by the sweep that goes
//! on a little with each batch, by RocksDB's compactions, and by snapshots, which leave it out.

use std::{
    collections::BTreeMap,
    fmt,
    sync::{
        Arc, PoisonError, RwLock,
        atomic::{AtomicBool, Ordering},
    },
};

use model::Failure;

/// Follows the name of a table whose stored values begin with a time.
const TIMED: &str = "+time";
const STAMP_BYTES: usize = size_of::<i64>();

/// How long entries are kept that are not changed.
#[derive(Clone)]
pub struct Retention {
    idle_ms: i64,
    clock: Arc<dyn Fn() -> i64 + Send + Sync>,
}

impl Retention {
    /// Entries are kept for `idle_ms` milliseconds since their last change; `clock` tells the time in milliseconds.
    pub fn new(idle_ms: i64, clock: impl Fn() -> i64 + Send + Sync + 'static) -> Self {
        Self { idle_ms, clock: Arc::new(clock) }
    }

    /// The time now.
    pub(crate) fn now(&self) -> i64 {
        (self.clock)()
    }

    /// What was last changed then or before has expired at `now`.
    pub(crate) fn horizon(&self, now: i64) -> i64 {
        now.saturating_sub(self.idle_ms)
    }
}

impl fmt::Debug for Retention {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ms", self.idle_ms)
    }
}

/// The name under which a table is stored if its values begin with a time.
pub(crate) fn timed_name(name: &str) -> String {
    format!("{name}{TIMED}")
}

/// The inverse of [`timed_name`]; the name itself if its values do not begin with a time.
pub(crate) fn untimed_name(name: &str) -> &str {
    name.strip_suffix(TIMED).unwrap_or(name)
}

/// Appends the time before a value.
#[inline]
pub(crate) fn put_stamp(stamp: i64, out: &mut Vec<u8>) {
    out.extend_from_slice(&stamp.to_be_bytes());
}

/// The time before a stored value, and the value.
pub(crate) fn split_stamp(stored: &[u8]) -> Result<(i64, &[u8]), Failure> {
    match stored.split_first_chunk::<STAMP_BYTES>() {
        Some((stamp, value)) => Ok((i64::from_be_bytes(*stamp), value)),
        None => Err(Failure::data("a stored value ends before its time")),
    }
}

/// The tables of a database whose entries expire, by id: what its compactions and savepoints leave out.
#[derive(Default)]
pub(crate) struct Expiring {
    any: AtomicBool,
    tables: RwLock<BTreeMap<u16, Retention>>,
}

impl Expiring {
    pub(crate) fn add(&self, table: u16, retention: Retention) {
        self.tables.write().unwrap_or_else(PoisonError::into_inner).insert(table, retention);
        self.any.store(true, Ordering::Release);
    }

    /// Whether a stored value of a table has expired.
    #[inline]
    pub(crate) fn is_expired(&self, table: u16, stored: &[u8]) -> bool {
        self.any.load(Ordering::Acquire) && self.has_expired(table, stored)
    }

    fn has_expired(&self, table: u16, stored: &[u8]) -> bool {
        let tables = self.tables.read().unwrap_or_else(PoisonError::into_inner);
        let Some(retention) = tables.get(&table) else { return false };
        split_stamp(stored).is_ok_and(|(stamp, _)| stamp <= retention.horizon(retention.now()))
    }
}
