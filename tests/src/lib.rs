//! Rings of tests.
