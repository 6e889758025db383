//! The planner, from scripts to job graphs.

#![allow(
    clippy::disallowed_methods,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::too_many_lines,
    clippy::unwrap_used,
    reason = "a test panics, prints and waits as it likes"
)]

#[path = "planner/arbitrary.rs"]
mod arbitrary;
#[path = "planner/changelog.rs"]
mod changelog;
#[path = "planner/correlated.rs"]
mod correlated;
#[path = "planner/dialect.rs"]
mod dialect;
#[path = "planner/golden.rs"]
mod golden;
#[path = "planner/graphs.rs"]
mod graphs;
#[path = "planner/identity.rs"]
mod identity;
#[path = "planner/metadata.rs"]
mod metadata;
#[path = "planner/mistakes.rs"]
mod mistakes;
#[path = "planner/refusals.rs"]
mod refusals;
#[path = "planner/sinks.rs"]
mod sinks;
#[path = "planner/statements.rs"]
mod statements;
#[path = "planner/support.rs"]
mod support;
#[path = "planner/types.rs"]
mod types;
