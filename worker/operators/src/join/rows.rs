//! The rows that one side of a join keeps under a key, in order of arrival; equal rows are kept repeatedly.

use model::Failure;
use state::StateValue;

/// Each row's length (`u32`, little endian) and bytes, one after the other: also the stored form.
#[derive(Clone, Debug, Default)]
pub(crate) struct StoredRows {
    bytes: Vec<u8>,
    count: usize,
}

const HEADER: usize = size_of::<u32>();

impl StoredRows {
    /// Number of rows.
    pub(crate) fn len(&self) -> usize {
        self.count
    }

    /// Whether there are no rows.
    pub(crate) fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// The row at a position in bytes and the position of the next one.
    #[inline]
    pub(crate) fn at(&self, position: usize) -> Option<(&[u8], usize)> {
        frame(&self.bytes, position)
    }

    /// Adds a row.
    pub(crate) fn push(&mut self, row: &[u8]) {
        self.bytes.reserve_exact(if self.is_empty() { HEADER + row.len() } else { 0 });
        self.bytes.extend_from_slice(&(row.len() as u32).to_le_bytes());
        self.bytes.extend_from_slice(row);
        self.count += 1;
    }

    /// Removes the first row equal to `row`. Whether there was one.
    pub(crate) fn remove(&mut self, row: &[u8]) -> bool {
        let mut position = 0;
        while let Some((stored, next)) = self.at(position) {
            if stored == row {
                self.bytes.drain(position..next);
                self.count -= 1;
                return true;
            }
            position = next;
        }
        false
    }
}

#[inline]
fn frame(bytes: &[u8], position: usize) -> Option<(&[u8], usize)> {
    let start = position + HEADER;
    let header = bytes.get(position..start)?;
    let end = start + u32::from_le_bytes([header[0], header[1], header[2], header[3]]) as usize;
    bytes.get(start..end).map(|row| (row, end))
}

impl StateValue for StoredRows {
    fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.bytes);
    }

    fn decode(bytes: &[u8]) -> Result<Self, Failure> {
        let (mut position, mut count) = (0, 0);
        while position < bytes.len() {
            (_, position) =
                frame(bytes, position).ok_or_else(|| Failure::data("the stored rows of a join end too early"))?;
            count += 1;
        }
        Ok(Self { bytes: bytes.to_vec(), count })
    }

    fn size_bytes(&self) -> usize {
        size_of::<Self>() + self.bytes.capacity()
    }
}
