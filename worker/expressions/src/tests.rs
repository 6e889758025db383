//! Expressions with the values that Flink gives them.
