//! What semi joins keep under a key.

use std::collections::BTreeMap;

use model::Failure;
use state::StateValue;

/// Different rows in the order of their bytes.
#[derive(Clone, Debug, Default)]
pub(super) struct KeptRows {
    rows: BTreeMap<Box<[u8]>, Known>,
    /// Of all rows.
    bytes: usize,
    /// No row was changed before.
    oldest: i64,
}

/// What is known of a row.
#[derive(Clone, Copy, Debug)]
pub(super) struct Known {
    /// How often it has come.
    pub(super) count: u32,
    /// How many rows of the other side it matches.
    pub(super) matches: u64,
    /// When it was last changed; [`UNKNOWN`] where nothing expires.
    pub(super) changed_at: i64,
}

/// Stands for the time at which the key was last changed.
const UNKNOWN: i64 = i64::MIN;

impl KeptRows {
    pub(super) fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Number of different rows.
    pub(super) fn len(&self) -> usize {
        self.rows.len()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&[u8], &Known)> {
        self.rows.iter().map(|(row, known)| (&**row, known))
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = (&[u8], &mut Known)> {
        self.rows.iter_mut().map(|(row, known)| (&**row, known))
    }

    /// Adds a row at a time.
    pub(super) fn push(&mut self, row: &[u8], matches: u64, now: Option<i64>) {
        let changed_at = now.unwrap_or(UNKNOWN);
        self.oldest = if self.rows.is_empty() { changed_at } else { self.oldest.min(changed_at) };
        match self.rows.get_mut(row) {
            Some(known) => {
                known.count += 1;
                known.changed_at = changed_at;
            }
            None => {
                self.bytes += row.len();
                self.rows.insert(row.into(), Known { count: 1, matches, changed_at });
            }
        }
    }

    /// Whether rows may have expired that were last changed then or before.
    pub(super) fn may_have_expired(&self, horizon: i64) -> bool {
        self.oldest <= horizon
    }

    /// Drops rows that were last changed then or before; `key_changed_at` is the key's time.
    pub(super) fn expire(&mut self, horizon: i64, key_changed_at: i64) {
        let (mut bytes, mut oldest) = (0, i64::MAX);
        self.rows.retain(|row, known| {
            if known.changed_at == UNKNOWN {
                known.changed_at = key_changed_at;
            }
            let lives = known.changed_at > horizon;
            if lives {
                bytes += row.len();
                oldest = oldest.min(known.changed_at);
            }
            lives
        });
        (self.bytes, self.oldest) = (bytes, oldest);
    }

    /// Removes a row once; tells how many matches it has, if it was there.
    pub(super) fn remove(&mut self, row: &[u8]) -> Option<u64> {
        let known = self.rows.get_mut(row)?;
        let matches = known.matches;
        known.count -= 1;
        if known.count == 0 {
            self.bytes -= row.len();
            self.rows.remove(row);
        }
        Some(matches)
    }
}

/// What the tree takes for a row, about.
const NODE: usize = 16;

/// Length, count (4 bytes each), matches and time (8 bytes each) before each row, little endian.
const HEADER: usize = 24;

impl StateValue for KeptRows {
    fn encode(&self, out: &mut Vec<u8>) {
        for (row, known) in &self.rows {
            out.extend_from_slice(&(row.len() as u32).to_le_bytes());
            out.extend_from_slice(&known.count.to_le_bytes());
            out.extend_from_slice(&known.matches.to_le_bytes());
            out.extend_from_slice(&known.changed_at.to_le_bytes());
            out.extend_from_slice(row);
        }
    }

    fn decode(mut bytes: &[u8]) -> Result<Self, Failure> {
        let broken = || Failure::data("the stored rows of a join end too early");
        let (mut rows, mut total, mut oldest) = (BTreeMap::new(), 0, i64::MAX);
        while !bytes.is_empty() {
            let (header, rest) = bytes.split_first_chunk::<HEADER>().ok_or_else(broken)?;
            let number = |at: usize| u32::from_le_bytes([header[at], header[at + 1], header[at + 2], header[at + 3]]);
            let wide = |at: usize| u64::from(number(at)) | u64::from(number(at + 4)) << 32;
            let changed_at = wide(16) as i64;
            oldest = oldest.min(changed_at);
            let (row, rest) = rest.split_at_checked(number(0) as usize).ok_or_else(broken)?;
            total += row.len();
            rows.insert(row.into(), Known { count: number(4), matches: wide(8), changed_at });
            bytes = rest;
        }
        Ok(Self { rows, bytes: total, oldest })
    }

    fn size_bytes(&self) -> usize {
        size_of::<Self>() + self.rows.len() * (size_of::<(Box<[u8]>, Known)>() + NODE) + self.bytes
    }
}

/// How many rows there are.
#[derive(Clone, Copy, Debug)]
pub(super) struct Count(pub(super) u64);

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
