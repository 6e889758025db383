//! What the state of an operator is about, kept beside it, so that a snapshot of another query is refused with a clear
//! error instead of being misread.

use dataflow::{OpenContext, Snapshot};
use model::{DataType, Failure, Schema};

/// The name of the operator state.
const NAME: &str = "signature";

/// A text that is equal for operators whose state is exchangeable.
pub(crate) struct Signature(String);

impl Signature {
    /// Compares the text with that of the snapshot the operator starts from.
    pub(crate) fn new(text: String, context: &OpenContext) -> Result<Self, Failure> {
        match context.restored(NAME).iter().find(|item| item.0 != text.as_bytes()) {
            None => Ok(Self(text)),
            Some(other) => Err(Failure::user(format!(
                "the snapshot holds state of another query: '{}' instead of '{text}'",
                String::from_utf8_lossy(&other.0)
            ))),
        }
    }

    /// Puts it into a snapshot.
    pub(crate) fn snapshot(&self, snapshot: &mut Snapshot) {
        snapshot.add(NAME, self.0.clone().into_bytes());
    }
}

/// Types as in SQL.
pub(crate) fn types<'a>(types: impl IntoIterator<Item = &'a DataType>) -> String {
    types.into_iter().map(DataType::to_string).collect::<Vec<_>>().join(", ")
}

/// The types of some columns.
pub(crate) fn types_at(schema: &Schema, columns: &[usize]) -> String {
    types(columns.iter().filter_map(|&column| schema.fields.get(column)).map(|field| &field.data_type))
}
