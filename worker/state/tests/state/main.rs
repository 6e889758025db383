//! Keyed state as operators and checkpoints use it.

#![allow(
    clippy::cast_possible_truncation,
    clippy::disallowed_methods,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    clippy::unwrap_used,
    reason = "a test panics, prints and waits as it likes"
)]

mod damage;
mod expiry;
mod model_check;
mod moved;
mod sharing;
mod support;
