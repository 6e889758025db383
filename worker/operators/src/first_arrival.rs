//! The first row of each key in the order of arrival: emitted at once; only the key is kept.

use std::sync::Arc;

use arrow::array::{ArrayRef, UInt32Array};
use dataflow::{Flow, OpenContext, Operator, Output, Snapshot};
use graph::operator::DeduplicateSpec;
use model::{Batch, Failure, Schema, Watermark, row};
use state::{StateValue, Table};

use crate::{
    grouping::Grouper,
    signature::{Description, Signature, former},
};

const TABLE: &str = "arrived-v1";

pub(crate) struct FirstArrival {
    keys: Vec<usize>,
    arrived: Table<Arrived>,
    signature: Signature,
    grouper: Grouper,
}

/// There is nothing to know of a key but that it has come.
#[derive(Clone, Copy, Debug)]
struct Arrived;

impl StateValue for Arrived {
    fn encode(&self, _out: &mut Vec<u8>) {}

    fn decode(_bytes: &[u8]) -> Result<Self, Failure> {
        Ok(Self)
    }

    fn size_bytes(&self) -> usize {
        0
    }
}

impl FirstArrival {
    pub(crate) fn new(spec: &DeduplicateSpec, input: &Schema, context: &mut OpenContext) -> Result<Self, Failure> {
        if let Some(column) = spec.keys.iter().find(|&&column| column >= input.len()) {
            return Err(Failure::internal(format!("column {column} of {} columns", input.len())));
        }
        let description = Description::of("first-arrival").keys(input, &spec.keys);
        let former = format!("first arrival by ({})", former::types_at(input, &spec.keys));
        Ok(Self {
            keys: spec.keys.clone(),
            arrived: context.expiring_table(TABLE)?,
            signature: Signature::new(&description, &former, context)?,
            grouper: Grouper::default(),
        })
    }
}

impl Operator for FirstArrival {
    fn process(&mut self, _port: usize, batch: Batch, output: &mut Output) -> Result<Flow, Failure> {
        let keys: Vec<ArrayRef> = self.keys.iter().map(|&key| Arc::clone(batch.column(key))).collect();
        let keys = row::encode_keys(&keys, batch.rows())?;
        let firsts = self.grouper.group(&keys).first_rows;
        let mut entries = Vec::with_capacity(firsts.len());
        self.arrived.hydrate(0, &keys, Some(&firsts), &mut entries)?;
        let mut new = Vec::new();
        for (row, entry) in firsts.into_iter().zip(entries) {
            if self.arrived.get(entry).is_none() {
                *self.arrived.get_mut(entry) = Some(Arrived);
                new.push(row);
            }
        }
        self.arrived.end_batch()?;
        output.emit(batch.take(&UInt32Array::from(new))?);
        Ok(Flow::Done)
    }

    fn resume(&mut self, _output: &mut Output) -> Result<Flow, Failure> {
        Ok(Flow::Done)
    }

    fn watermark(&mut self, _watermark: Watermark, _output: &mut Output) -> Result<Flow, Failure> {
        Ok(Flow::Done)
    }

    fn flush(&mut self, _output: &mut Output) -> Result<Flow, Failure> {
        Ok(Flow::Done)
    }

    fn snapshot(&mut self, snapshot: &mut Snapshot) -> Result<(), Failure> {
        self.signature.snapshot(snapshot);
        snapshot.table(&mut self.arrived)
    }
}

#[cfg(test)]
mod frozen;
