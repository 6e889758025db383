//! The vocabulary every other crate speaks: types, schemas, columnar batches with row kinds, event time,
//! key groups, the frozen row encoding, and the classes of error.
//!
//! It must not know async code, I/O, wire formats, SQL or how anything runs.

#![cfg_attr(test, allow(clippy::cast_possible_truncation, clippy::disallowed_methods, reason = "tests"))]

pub mod batch;
pub mod error;
pub mod key;
pub mod row;
pub mod schema;
pub mod stored;
pub mod time;
pub mod timestamp;
pub mod types;

pub use batch::{Batch, RowKind};
pub use error::{ErrorClass, Failure, Position};
pub use schema::{Field, Schema};
pub use time::{EventTime, Instant, Watermark};
pub use types::DataType;
