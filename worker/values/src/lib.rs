//! Dates, times and numbers without their columns: the arithmetic of the calendar, and values as text, both ways.
//!
//! Each exists here once, for expressions, formats and the planner. It must not know arrow, SQL or who calls.

#![cfg_attr(test, allow(clippy::cast_possible_truncation, reason = "tests"))]

pub mod calendar;
pub mod datetime;
pub mod number;
