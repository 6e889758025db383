//! Turns [`graph::Expr`] into evaluators over arrow record batches, and owns Flink's scalar function library: names,
//! result types and values as in Flink 2.3. Aggregate functions are here by signature only.
//!
//! It must not know SQL text, plans, state or operators.

mod aggregate;
mod arg;
mod calendar;
mod case;
mod cast;
mod coercion;
mod evaluator;
mod function;
mod functions;
mod number;
mod pattern;
mod registry;
mod typed;
mod udf;

pub use aggregate::{aggregate_function, aggregate_functions};
pub use coercion::common_type;
pub use evaluator::{Evaluator, data_type_of};
pub use functions::maps::ELEMENTS;
pub use functions::temporal::zone::{TO_INSTANT, TO_LOCAL, Zone, is_time_zone};
pub use registry::{call_type, is_function};
pub use typed::{Typed, typed_call};
pub use udf::{scalar_function, scalar_functions};

#[cfg(test)]
mod tests;
