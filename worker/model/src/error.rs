//! The classes of error, and `Failure`: what crosses a crate boundary when something went wrong.

use std::fmt;

use arrow::error::ArrowError;
use serde::{Deserialize, Serialize};

/// What may be done about an error. Restart strategy, status conditions and metric labels follow from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ErrorClass {
    /// The job or its configuration is wrong: shown at once, never retried.
    User,
    /// Something outside (object store, network, process) failed: retried with backoff.
    External,
    /// Input or state is corrupt or incompatible: retried only when a restart could read something else.
    Data,
    /// A newer owner exists: stop at once and touch nothing.
    Fenced,
    /// A bug in Sluice.
    Internal,
}

impl fmt::Display for ErrorClass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::User => "user",
            Self::External => "external",
            Self::Data => "data",
            Self::Fenced => "fenced",
            Self::Internal => "internal",
        })
    }
}

/// A place in a text that a user wrote.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Position {
    /// Counted from 1.
    pub line: u64,
    /// In characters, counted from 1.
    pub column: u64,
}

/// An error with its class, as it is passed between crates and processes.
///
/// The message names the place (file, line, column, key, path). Crates with several kinds of error keep a
/// `thiserror` enum of their own and convert it at their boundary.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{message}")]
pub struct Failure {
    /// What may be done about it.
    pub class: ErrorClass,
    /// Lower-case, without a full stop; causes are appended after a colon.
    pub message: String,
    /// Where in the user's script the mistake is, if that is known; the message says it, too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub position: Option<Position>,
}

impl Failure {
    /// A failure of the given class.
    pub fn new(class: ErrorClass, message: impl Into<String>) -> Self {
        Self { class, message: message.into(), position: None }
    }

    /// The same failure with its position in the user's script; line 0 if that is not known.
    #[must_use]
    pub fn at_position(mut self, line: u64, column: u64) -> Self {
        self.position = (line > 0).then_some(Position { line, column });
        self
    }

    /// The user's mistake.
    pub fn user(message: impl Into<String>) -> Self {
        Self::new(ErrorClass::User, message)
    }

    /// A failure of something outside.
    pub fn external(message: impl Into<String>) -> Self {
        Self::new(ErrorClass::External, message)
    }

    /// Corrupt or incompatible data.
    pub fn data(message: impl Into<String>) -> Self {
        Self::new(ErrorClass::Data, message)
    }

    /// A newer owner exists.
    pub fn fenced(message: impl Into<String>) -> Self {
        Self::new(ErrorClass::Fenced, message)
    }

    /// A bug.
    pub fn internal(message: impl Into<String>) -> Self {
        Self::new(ErrorClass::Internal, message)
    }

    /// The same failure with the place put in front: `place: message`.
    #[must_use]
    pub fn at(mut self, place: impl fmt::Display) -> Self {
        self.message = format!("{place}: {}", self.message);
        self
    }
}

impl From<ArrowError> for Failure {
    /// Values that a kernel cannot compute with are of class `Data`, a lack of memory or a failed read is `External`. All
    /// else means that a kernel was called wrongly, which is a bug.
    fn from(error: ArrowError) -> Self {
        let class = match &error {
            ArrowError::CastError(_)
            | ArrowError::ParseError(_)
            | ArrowError::ComputeError(_)
            | ArrowError::DivideByZero
            | ArrowError::ArithmeticOverflow(_)
            | ArrowError::CsvError(_)
            | ArrowError::JsonError(_)
            | ArrowError::AvroError(_)
            | ArrowError::IpcError(_)
            | ArrowError::ParquetError(_) => ErrorClass::Data,
            ArrowError::MemoryError(_) | ArrowError::IoError(..) | ArrowError::ExternalError(_) => ErrorClass::External,
            ArrowError::NotYetImplemented(_)
            | ArrowError::SchemaError(_)
            | ArrowError::InvalidArgumentError(_)
            | ArrowError::CDataInterface(_)
            | ArrowError::DictionaryKeyOverflowError
            | ArrowError::RunEndIndexOverflowError
            | ArrowError::OffsetOverflowError(_) => ErrorClass::Internal,
        };
        Self::new(class, error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_values_cause_is_blamed_on_the_data() {
        let class = |error| Failure::from(error).class;
        assert_eq!(class(ArrowError::DivideByZero), ErrorClass::Data);
        assert_eq!(class(ArrowError::ParseError("'x' is not a date".to_owned())), ErrorClass::Data);
        assert_eq!(class(ArrowError::MemoryError("out of memory".to_owned())), ErrorClass::External);
        let full = std::io::Error::from(std::io::ErrorKind::StorageFull);
        assert_eq!(class(ArrowError::IoError("spill".to_owned(), full)), ErrorClass::External);
        assert_eq!(class(ArrowError::InvalidArgumentError("lengths differ".to_owned())), ErrorClass::Internal);
        assert_eq!(class(ArrowError::OffsetOverflowError(1)), ErrorClass::Internal);
    }
}
