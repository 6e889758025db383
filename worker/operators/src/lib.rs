//! The concrete operators: what each [`graph::OperatorSpec`] does to the rows it is given, a file each.
//!
//! It must not know connectors, SQL, channels, nor where state is kept.

#![cfg_attr(
    test,
    allow(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::disallowed_methods,
        clippy::print_stderr,
        clippy::too_many_lines,
        reason = "tests"
    )
)]

mod accumulator;
mod buckets;
mod calc;
mod deduplicate;
mod emission;
mod first_arrival;
#[cfg(test)]
#[path = "../../../tests/fixtures/stored.rs"]
mod fixtures;
mod group_aggregate;
mod grouping;
mod hashed;
mod join;
mod limit;
mod limits;
mod local_aggregate;
mod projection;
mod rank;
mod registry;
mod restored;
mod semi_join;
mod session_aggregate;
mod session_assign;
mod sessions;
mod signature;
mod unnest;
mod window;
mod window_aggregate;
mod window_assign;
mod window_join;
mod window_output;
mod window_rank;
mod window_time;

pub use registry::build;

#[cfg(test)]
mod tests;
