//! Output that waits: batches of the target size that an operator hands out a few at a time.

use std::collections::VecDeque;

use arrow::{array::RecordBatch, buffer::ScalarBuffer};
use dataflow::{Flow, Output};
use model::{Batch, RowKind, batch::ROWS_TARGET};

/// Batches to be emitted, in order.
#[derive(Default)]
pub(crate) struct Pending {
    batches: VecDeque<Batch>,
}

impl Pending {
    /// Adds rows, cut into batches. −U and +U of a pair stay together.
    pub(crate) fn push(&mut self, columns: RecordBatch, kinds: Option<ScalarBuffer<u8>>) {
        let all = Batch::new(columns, kinds);
        let mut start = 0;
        while start < all.rows() {
            let mut end = (start + ROWS_TARGET).min(all.rows());
            if end < all.rows() && all.kind(end - 1) == RowKind::UpdateBefore {
                end -= 1;
            }
            self.batches.push_back(all.slice(start, end - start));
            start = end;
        }
    }

    /// Emits until the output is full or nothing is left.
    pub(crate) fn emit(&mut self, output: &mut Output) -> Flow {
        while !output.is_full() {
            match self.batches.pop_front() {
                Some(batch) => output.emit(batch),
                None => return Flow::Done,
            }
        }
        if self.batches.is_empty() { Flow::Done } else { Flow::More }
    }
}
