//! `LIMIT`: passes on the first rows that come, and no others.

#![expect(
    clippy::cast_possible_truncation,
    reason = "positions are bounded by a batch; hashes and times are reinterpreted bit by bit"
)]

use dataflow::{Flow, OpenContext, Operator, Output, Snapshot};
use graph::operator::LimitSpec;
use model::{Batch, Failure, Watermark};

use crate::restored::{put_number, restored_numbers};

/// The operator state that holds how many rows have come.
const SEEN: &str = "seen";

pub(crate) struct Limit {
    spec: LimitSpec,
    /// Rows that have come, as far as that matters.
    seen: u64,
}

impl Limit {
    pub(crate) fn new(spec: &LimitSpec, context: &OpenContext) -> Result<Self, Failure> {
        let seen = restored_numbers(SEEN, context)?.into_iter().fold(0, u64::saturating_add);
        Ok(Self { spec: spec.clone(), seen })
    }
}

impl Operator for Limit {
    fn process(&mut self, _port: usize, batch: Batch, output: &mut Output) -> Result<Flow, Failure> {
        let (first, last) = (self.spec.offset, self.spec.offset.saturating_add(self.spec.limit));
        let rows = batch.rows() as u64;
        let begin = first.saturating_sub(self.seen).min(rows) as usize;
        let end = last.saturating_sub(self.seen).min(rows) as usize;
        self.seen = self.seen.saturating_add(rows).min(last);
        if begin < end {
            output.emit(batch.slice(begin, end - begin));
        }
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
        put_number(SEEN, self.seen, snapshot);
        Ok(())
    }
}
