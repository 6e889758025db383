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

/// The synchronous part of a table's snapshot.
pub struct TablePart {}

/// A keyed table, owned by the operator.
pub struct Table<V> {
    values: Vec<Option<V>>,
}

impl<V: StateValue> Table<V> {
    /// Brings the entries of rows into memory, creating empty ones, and appends an id for each row to `entries`.
    ///
    /// Rows are keys; `selection` says which (`None`: all). A namespace separates, for example, windows.
    ///
    /// # Errors
    /// If the backend fails.
    pub fn hydrate(
        &mut self,
        _namespace: i64,
        _keys: &model::row::Rows,
        _selection: Option<&[u32]>,
        _entries: &mut Vec<EntryId>,
    ) -> Result<(), Failure> {
        Ok(())
    }

    /// The value of an entry.
    pub fn get(&self, entry: EntryId) -> Option<&V> {
        self.values[entry.0 as usize].as_ref()
    }

    /// The value of an entry, to be changed. `None` means there is none, or deletes it.
    pub fn get_mut(&mut self, entry: EntryId) -> &mut Option<V> {
        &mut self.values[entry.0 as usize]
    }

    /// The key of an entry.
    pub fn key(&self, _entry: EntryId) -> &[u8] {
        &[]
    }

    /// Ends the work on a batch: ids are no longer valid, and the backend may write back and evict.
    ///
    /// # Errors
    /// If the backend fails.
    pub fn end_batch(&mut self) -> Result<(), Failure> {
        Ok(())
    }

    /// The namespaces that have entries, ascending.
    pub fn namespaces(&self) -> Vec<i64> {
        Vec::new()
    }

    /// Removes a namespace and hands over its entries, at most `rows` in a call; true while there are more.
    ///
    /// # Errors
    /// If the backend fails.
    pub fn drain(&mut self, _namespace: i64, _rows: usize, _each: &mut dyn FnMut(&[u8], V)) -> Result<bool, Failure> {
        Ok(false)
    }

    /// The synchronous part of a snapshot of this table.
    ///
    /// # Errors
    /// If the backend fails.
    pub fn snapshot(&mut self) -> Result<TablePart, Failure> {
        Ok(TablePart {})
    }
}
