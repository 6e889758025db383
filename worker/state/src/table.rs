//! The keyed-state table that operators use.

use model::Failure;

/// A value kept for each key.
pub trait StateValue: Clone + Send + Sync + 'static {
    /// Appends the value's stored form. Equal values have equal bytes; the form is versioned by the table's name.
    fn encode(&self, out: &mut Vec<u8>);

    /// Reads the stored form.
    ///
    /// # Errors
    /// Class `Data` if the bytes are not such a value.
    fn decode(bytes: &[u8]) -> Result<Self, Failure>;

    /// Memory the value takes, itself included, in bytes.
    fn size_bytes(&self) -> usize;
}

/// The position of an entry in memory. Valid until the next [`Table::end_batch`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EntryId(pub u32);
