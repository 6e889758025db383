//! Changes as Debezium writes them: `{"before":…,"after":…,"op":"c"}`. An update is two of them, as Flink writes it.

use model::{Batch, Failure, Schema};

use super::{JsonEncoder, JsonOptions};
use crate::Encoder;

/// Encodes changes, one object a line.
pub struct DebeziumEncoder(JsonEncoder);

impl DebeziumEncoder {
    /// An encoder of changes to rows of this schema.
    ///
    /// # Errors
    /// As [`JsonEncoder::new`].
    pub fn new(schema: &Schema, options: JsonOptions) -> Result<Self, Failure> {
        JsonEncoder::new(schema, options).map(Self)
    }
}

impl Encoder for DebeziumEncoder {
    fn encode(&mut self, rows: &Batch, out: &mut Vec<u8>) -> Result<(), Failure> {
        for row in 0..rows.rows() {
            let taken = rows.kind(row).is_retraction();
            out.extend_from_slice(if taken { b"{\"before\":" } else { b"{\"before\":null,\"after\":" });
            self.0.record(out, rows.columns(), row)?;
            out.extend_from_slice(if taken { b",\"after\":null,\"op\":\"d\"}\n" } else { b",\"op\":\"c\"}\n" });
        }
        Ok(())
    }

    fn finish(&mut self, _: &mut Vec<u8>) -> Result<(), Failure> {
        Ok(())
    }
}
