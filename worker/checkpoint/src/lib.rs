//! The checkpoint protocol: manifests, the job's pointer, epochs, fencing, retention and recovery, as pure decisions
//! (facts in, decision out).
//!
//! It must not know I/O, time, async code, operators or state backends.

#![cfg_attr(test, allow(clippy::disallowed_methods, reason = "tests"))]

#[cfg(test)]
mod frozen;
pub mod layout;
pub mod manifest;
pub mod metadata;
mod paths;
pub mod pointer;
pub mod restore;
pub mod retention;

pub use manifest::{Item, KeyedState, Manifest, SnapshotKind, StateFile, StateFormat, SubtaskState};
pub use pointer::{Intent, JobState, Record, Resolution, SnapshotRef, Start};
