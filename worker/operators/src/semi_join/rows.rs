//! What semi joins and window joins keep under a key.

use model::Failure;
use state::StateValue;

/// Different rows in the order of their bytes.
#[derive(Clone, Debug, Default)]
pub(crate) struct KeptRows {
    rows: Vec<KeptRow>,
    /// Of all rows.
    bytes: usize,
}

#[derive(Clone, Debug)]
pub(crate) struct KeptRow {
    pub(crate) row: Box<[u8]>,
    /// How often it has come.
    pub(crate) count: u32,
    /// How many rows of the other side it matches.
    pub(crate) matches: u64,
}

impl KeptRows {
    pub(crate) fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Number of different rows.
    pub(crate) fn len(&self) -> usize {
        self.rows.len()
    }

    pub(crate) fn iter(&self) -> std::slice::Iter<'_, KeptRow> {
        self.rows.iter()
    }

    pub(crate) fn iter_mut(&mut self) -> std::slice::IterMut<'_, KeptRow> {
        self.rows.iter_mut()
    }

    fn find(&self, row: &[u8]) -> Result<usize, usize> {
        self.rows.binary_search_by(|kept| (*kept.row).cmp(row))
    }

    /// Adds a row.
    pub(crate) fn push(&mut self, row: &[u8], matches: u64) {
        match self.find(row) {
            Ok(found) => self.rows[found].count += 1,
            Err(place) => {
                self.bytes += row.len();
                self.rows.insert(place, KeptRow { row: row.into(), count: 1, matches });
            }
        }
    }

    /// Removes a row once; tells how many matches it has, if it was there.
    pub(crate) fn remove(&mut self, row: &[u8]) -> Option<u64> {
        let found = self.find(row).ok()?;
        let matches = self.rows[found].matches;
        if self.rows[found].count > 1 {
            self.rows[found].count -= 1;
        } else {
            self.bytes -= row.len();
            self.rows.remove(found);
        }
        Some(matches)
    }
}

/// Length, count (4 bytes each) and matches (8 bytes) before each row, little endian.
const HEADER: usize = 16;

impl StateValue for KeptRows {
    fn encode(&self, out: &mut Vec<u8>) {
        for kept in &self.rows {
            out.extend_from_slice(&(kept.row.len() as u32).to_le_bytes());
            out.extend_from_slice(&kept.count.to_le_bytes());
            out.extend_from_slice(&kept.matches.to_le_bytes());
            out.extend_from_slice(&kept.row);
        }
    }

    fn decode(mut bytes: &[u8]) -> Result<Self, Failure> {
        let broken = || Failure::data("the stored rows of a join end too early");
        let (mut rows, mut total) = (Vec::new(), 0);
        while !bytes.is_empty() {
            let (header, rest) = bytes.split_first_chunk::<HEADER>().ok_or_else(broken)?;
            let number = |at: usize| u32::from_le_bytes([header[at], header[at + 1], header[at + 2], header[at + 3]]);
            let matches = u64::from(number(8)) | u64::from(number(12)) << 32;
            let (row, rest) = rest.split_at_checked(number(0) as usize).ok_or_else(broken)?;
            total += row.len();
            rows.push(KeptRow { row: row.into(), count: number(4), matches });
            bytes = rest;
        }
        Ok(Self { rows, bytes: total })
    }

    fn size_bytes(&self) -> usize {
        size_of::<Self>() + self.rows.capacity() * size_of::<KeptRow>() + self.bytes
    }
}

/// How many rows there are.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Count(pub(crate) u64);

impl StateValue for Count {
    fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.0.to_le_bytes());
    }

    fn decode(bytes: &[u8]) -> Result<Self, Failure> {
        let bytes = bytes.try_into().map_err(|_| Failure::data("a stored count does not have 8 bytes"))?;
        Ok(Self(u64::from_le_bytes(bytes)))
    }

    fn size_bytes(&self) -> usize {
        size_of::<Self>()
    }
}
