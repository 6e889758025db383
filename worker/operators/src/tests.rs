//! The operators, driven directly and compared with naive models: under random splits into batches, retractions, and
//! restores at another parallelism and on another backend.

mod calc;
mod changelog;
mod collected;
mod emission;
mod expiry;
mod fine_times;
mod frozen;
pub(crate) mod frozen_value;
mod group_aggregate;
pub(crate) mod harness;
mod hashed;
mod interval_join;
mod join;
mod limit;
mod misfit;
mod rank;
pub(crate) mod rows;
mod semi_join;
mod session_aggregate;
mod session_assign;
mod unnest;
mod window_aggregate;
mod window_assign;
mod window_join;
mod window_rank;
mod window_zone;
