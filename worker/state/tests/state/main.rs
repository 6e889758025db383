//! Keyed state as operators and checkpoints use it.

mod damage;
mod expiry;
mod model_check;
mod moved;
mod sharing;
mod support;
