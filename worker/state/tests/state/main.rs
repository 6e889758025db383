//! Keyed state as operators and checkpoints use it.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod damage;
mod expiry;
mod model_check;
mod moved;
mod sharing;
mod support;
