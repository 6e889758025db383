//! Keyed state as operators and checkpoints use it.

mod damage;
mod model_check;
mod sharing;
mod support;
