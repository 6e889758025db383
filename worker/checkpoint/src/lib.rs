//! The checkpoint protocol: manifests, the job's pointer, epochs, fencing, retention and recovery, as pure decisions
//! (facts in, decision out).
//!
//! It must not know I/O, time, async code, operators or state backends.

pub mod manifest;

pub use manifest::{Item, KeyedState, Manifest, SnapshotKind, StateFile, StateFormat, SubtaskState};
