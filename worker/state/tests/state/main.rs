//! Keyed state as operators and checkpoints use it.

mod damage;
mod expiry;
mod model_check;
mod sharing;
mod support;
