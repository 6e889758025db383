//! Turns [`graph::Expr`] into evaluators over arrow record batches, and owns Flink's scalar function library: names,
//! result types and values as in Flink 2.3.
//!
//! It must not know SQL text, plans, state or operators.

#![cfg_attr(test, allow(clippy::cast_possible_truncation, reason = "tests"))]

mod arg;
mod case;
mod cast;
mod coercion;
mod evaluator;
mod function;
mod functions;
mod named;
mod number;
mod pattern;
mod registry;
mod typed;

pub use coercion::common_type;
pub use evaluator::{Evaluator, data_type_of};
pub use functions::maps::ELEMENTS;
pub use functions::temporal::zone::{
    CEIL_IN_ZONE, FLOOR_IN_ZONE, TO_INSTANT, TO_LOCAL, UNIX_TIMESTAMP_IN_ZONE, Zone, is_time_zone,
};
pub use named::{Argument, NamedFunction, named_function, named_functions};
pub use registry::{call_type, is_function};
pub use typed::{Typed, typed_call};

#[cfg(test)]
mod tests;
