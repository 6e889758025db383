//! Encoded rows, one after the other, and their hashes.

use crate::key;

/// Encoded rows in one buffer.
#[derive(Clone, Debug, Default)]
pub struct Rows {
    bytes: Vec<u8>,
    /// `offsets[i]..offsets[i + 1]` is row `i`.
    offsets: Vec<usize>,
    /// The hash of each row, once [`Rows::hash_all`] has computed them.
    hashes: Option<Box<[u64]>>,
}

impl Rows {
    /// Rows of which row `i` is `offsets[i]..offsets[i + 1]` of the bytes.
    pub(super) fn new(bytes: Vec<u8>, offsets: Vec<usize>) -> Self {
        Self { bytes, offsets, hashes: None }
    }

    /// Number of rows.
    pub fn len(&self) -> usize {
        self.offsets.len().saturating_sub(1)
    }

    /// Whether there are no rows.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Appends an encoded row.
    pub fn push(&mut self, row: &[u8]) {
        if self.offsets.is_empty() {
            self.offsets.push(0);
        }
        self.bytes.extend_from_slice(row);
        self.offsets.push(self.bytes.len());
        self.hashes = None;
    }

    /// Removes all rows and keeps the memory.
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.offsets.clear();
        self.hashes = None;
    }

    /// Removes a row; those behind it move up.
    pub fn remove(&mut self, index: usize) {
        let (start, end) = (self.offsets[index], self.offsets[index + 1]);
        self.bytes.drain(start..end);
        self.offsets.remove(index + 1);
        self.offsets[index + 1..].iter_mut().for_each(|offset| *offset -= end - start);
        self.hashes = None;
    }

    /// Removes all rows but the first ones.
    pub fn truncate(&mut self, rows: usize) {
        if rows < self.len() {
            self.bytes.truncate(self.offsets[rows]);
            self.offsets.truncate(rows + 1);
            self.hashes = None;
        }
    }

    /// Memory that the rows take.
    pub fn heap_bytes(&self) -> usize {
        let hashes = self.hashes.as_ref().map_or(0, |hashes| size_of_val(&**hashes));
        self.bytes.capacity() + self.offsets.capacity() * size_of::<usize>() + hashes
    }

    /// The bytes of one row.
    #[inline]
    pub fn row(&self, index: usize) -> &[u8] {
        &self.bytes[self.offsets[index]..self.offsets[index + 1]]
    }

    /// Computes the hash of every row, so that [`Rows::hash`] need not: for keys, whose hashes are used several times.
    /// They are forgotten when rows are added or removed.
    pub fn hash_all(&mut self) {
        self.hashes = Some(self.iter().map(key::hash).collect());
    }

    /// The [`key::hash`] of one row.
    #[inline]
    pub fn hash(&self, index: usize) -> u64 {
        match &self.hashes {
            Some(hashes) => hashes[index],
            None => key::hash(self.row(index)),
        }
    }

    /// The bytes of the last row.
    pub fn last(&self) -> Option<&[u8]> {
        self.len().checked_sub(1).map(|last| self.row(last))
    }

    /// All rows in order.
    pub fn iter(&self) -> impl Iterator<Item = &[u8]> {
        self.offsets.windows(2).map(|pair| &self.bytes[pair[0]..pair[1]])
    }
}

impl PartialEq for Rows {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}
