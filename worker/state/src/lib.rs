//! Keyed state: one table type over two backends, and the files its snapshots are made of.
//!
//! An operator works on a batch of keys at a time: [`Table::hydrate`] brings their entries into memory, the operator
//! folds rows into them, [`Table::end_batch`] lets the backend write back and evict. It must not know operators, nor
//! who triggers a snapshot.

#![cfg_attr(test, allow(clippy::cast_possible_truncation, clippy::disallowed_methods, reason = "tests"))]

mod disk;
mod files;
#[cfg(test)]
mod frozen;
mod pending;
mod restore;
mod retention;
mod snapshot;
mod store;
mod table;

pub use pending::PendingSnapshot;
pub use retention::Retention;
pub use store::{Backend, KeyedStore, StoreOptions};
pub use table::{EntryId, StateValue, Table, TablePart};
