//! Records that cannot be read: they are an error, or counted, or counted and kept.

/// Malformed records that are kept at a time, and their bytes; decoding waits until they are taken.
const KEPT_MAX: usize = 1000;
const KEPT_BYTES_MAX: usize = 1 << 20;

/// A record that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Malformed {
    /// Where it begins in the data that was given.
    pub offset: usize,
    /// What is wrong with it.
    pub message: String,
}

/// A malformed record that was kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rejected {
    /// Lines before it, as [`crate::Decoder::lines`] counts them.
    pub lines: u64,
    /// Where it begins in the data that was given.
    pub offset: usize,
    /// What is wrong with it.
    pub message: String,
    /// All of it.
    pub record: Vec<u8>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Policy {
    Fail,
    Count,
    Keep,
}

/// What a decoder does with malformed records, and what it did.
#[derive(Debug)]
pub struct Losses {
    policy: Policy,
    pub(crate) count: u64,
    rejected: Vec<Rejected>,
    /// Of the records in `rejected`.
    bytes: usize,
}

impl Losses {
    pub(crate) fn new(ignored: bool) -> Self {
        let policy = if ignored { Policy::Count } else { Policy::Fail };
        Self { policy, count: 0, rejected: Vec::new(), bytes: 0 }
    }

    /// Whether a field that cannot be read is null, and the rest of its record a row.
    pub(crate) fn spare_records(&self) -> bool {
        self.policy == Policy::Count
    }

    /// Whether those that were kept are to be taken before more is decoded.
    pub fn is_full(&self) -> bool {
        self.rejected.len() >= KEPT_MAX || self.bytes >= KEPT_BYTES_MAX
    }

    /// Keeps malformed records from now on, as a whole.
    pub fn keep(&mut self) {
        self.policy = Policy::Keep;
    }

    /// Takes a malformed record that begins at `offset`.
    pub(crate) fn add(&mut self, record: &[u8], offset: usize, lines: u64, message: String) -> Result<(), Malformed> {
        match self.policy {
            Policy::Fail => return Err(Malformed { offset, message }),
            Policy::Count => {}
            Policy::Keep => {
                let record = record.trim_ascii_end().to_vec();
                self.bytes += record.len();
                self.rejected.push(Rejected { lines, offset, message, record });
            }
        }
        self.count += 1;
        Ok(())
    }

    /// Malformed records so far, those with a malformed field among them.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// Takes those that were kept.
    pub fn take(&mut self) -> Vec<Rejected> {
        self.bytes = 0;
        std::mem::take(&mut self.rejected)
    }
}
