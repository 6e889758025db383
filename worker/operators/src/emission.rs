//! Output that waits: batches of the target size that an operator hands out a few at a time.

use std::{collections::VecDeque, ops::Range};

use arrow::{array::RecordBatch, buffer::ScalarBuffer};
use dataflow::{Flow, Output};
use model::{Batch, Failure, RowKind, batch::ROWS_TARGET};

use crate::limits::Limits;

/// Batches to be emitted, in order.
pub(crate) struct Pending {
    batches: VecDeque<Batch>,
    /// Bytes of rows that are decoded at a time.
    decoded_bytes: usize,
}

impl Default for Pending {
    fn default() -> Self {
        Self::within(Limits::default())
    }
}

impl Pending {
    /// With these limits.
    pub(crate) fn within(limits: Limits) -> Self {
        Self { batches: VecDeque::new(), decoded_bytes: limits.decoded_bytes }
    }

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

    /// Adds rows in the row encoding, with a kind each or none, some at a time; `columns` decodes those at some positions.
    pub(crate) fn push_rows<'r>(
        &mut self,
        rows: impl Iterator<Item = &'r [u8]>,
        kinds: &[u8],
        mut columns: impl FnMut(Range<usize>, Vec<&'r [u8]>) -> Result<RecordBatch, Failure>,
    ) -> Result<(), Failure> {
        let (mut part, mut bytes, mut start) = (Vec::new(), 0, 0);
        let mut rows = rows.peekable();
        while let Some(row) = rows.next() {
            part.push(row);
            bytes += row.len();
            let end = start + part.len();
            let is_half = kinds.get(end - 1) == Some(&(RowKind::UpdateBefore as u8));
            if rows.peek().is_none() || bytes >= self.decoded_bytes && !is_half {
                let kinds = kinds.get(start..end).filter(|kinds| kinds.iter().any(|kind| *kind != 0));
                self.push(columns(start..end, std::mem::take(&mut part))?, kinds.map(|kinds| kinds.to_vec().into()));
                (start, bytes) = (end, 0);
            }
        }
        Ok(())
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
