//! The rows of a session.

#![expect(
    clippy::cast_possible_truncation,
    reason = "positions are bounded by a batch; hashes and times are reinterpreted bit by bit"
)]

use model::{Failure, RowKind};
use state::StateValue;

/// Rows one after the other: each with its number (8 bytes, little endian), kind (1 byte), length (4 bytes) and bytes.
#[derive(Clone, Debug, Default)]
pub(super) struct KeptRows {
    bytes: Vec<u8>,
}

impl KeptRows {
    /// Adds a row.
    pub(super) fn push(&mut self, number: u64, kind: RowKind, row: &[u8]) {
        self.bytes.extend_from_slice(&number.to_le_bytes());
        self.bytes.push(kind as u8);
        self.bytes.extend_from_slice(&(row.len() as u32).to_le_bytes());
        self.bytes.extend_from_slice(row);
    }

    /// Adds the rows of another session.
    pub(super) fn append(&mut self, other: &Self) {
        self.bytes.extend_from_slice(&other.bytes);
    }

    /// The rows with their kinds, by number.
    pub(super) fn in_order(&self) -> Vec<(u8, &[u8])> {
        let mut rows = Vec::new();
        let mut rest = self.bytes.as_slice();
        while let Some((number, kind, row, next)) = first(rest) {
            rows.push((number, kind, row));
            rest = next;
        }
        // Sorted already, unless sessions were merged.
        rows.sort_by_key(|(number, ..)| *number);
        rows.into_iter().map(|(_, kind, row)| (kind, row)).collect()
    }
}

/// The first row and what follows it.
fn first(bytes: &[u8]) -> Option<(u64, u8, &[u8], &[u8])> {
    let (number, rest) = bytes.split_first_chunk()?;
    let (kind, rest) = rest.split_first()?;
    let (length, rest) = rest.split_first_chunk()?;
    let (row, rest) = rest.split_at_checked(u32::from_le_bytes(*length) as usize)?;
    Some((u64::from_le_bytes(*number), *kind, row, rest))
}

impl StateValue for KeptRows {
    fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.bytes);
    }

    fn decode(bytes: &[u8]) -> Result<Self, Failure> {
        let mut rest = bytes;
        while !rest.is_empty() {
            let whole = first(rest).filter(|(_, kind, ..)| RowKind::from_code(*kind).is_some());
            rest = whole.ok_or_else(|| Failure::data("the stored rows of a session are not whole"))?.3;
        }
        Ok(Self { bytes: bytes.to_vec() })
    }

    fn size_bytes(&self) -> usize {
        size_of::<Self>() + self.bytes.capacity()
    }
}
