//! What the connector tells about the file that a row is from: the keys of `METADATA` columns.

use model::DataType;
use serde::{Deserialize, Serialize};

/// Keys and types, as Flink's connector has them.
pub(super) const KEYS: &[(&str, DataType)] = &[
    ("file.path", DataType::String),
    ("file.name", DataType::String),
    ("file.size", DataType::BigInt),
    ("file.modification-time", DataType::TimestampLtz(3)),
];

/// What is known of a file beside its name since it was listed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) struct FileFacts {
    pub(super) size: u64,
    pub(super) modified_ms: i64,
}

/// One of [`KEYS`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Key {
    Path,
    Name,
    Size,
    ModificationTime,
}

impl Key {
    pub(super) fn of(key: &str) -> Option<Self> {
        match key {
            "file.path" => Some(Self::Path),
            "file.name" => Some(Self::Name),
            "file.size" => Some(Self::Size),
            "file.modification-time" => Some(Self::ModificationTime),
            _ => None,
        }
    }

    /// Whether it takes more than the name of the file.
    pub(super) fn needs_facts(self) -> bool {
        matches!(self, Self::Size | Self::ModificationTime)
    }

    /// The value for a file, as text that is read as the key's type.
    pub(super) fn text(self, file: &str, facts: Option<FileFacts>) -> Option<String> {
        match self {
            Self::Path => Some(path(file).to_owned()),
            Self::Name => file.rsplit('/').next().map(str::to_owned),
            Self::Size => facts.map(|facts| facts.size.to_string()),
            Self::ModificationTime => facts.map(|facts| values::datetime::instant_text(facts.modified_ms)),
        }
    }
}

/// The path of a URI, without its scheme and bucket.
fn path(file: &str) -> &str {
    match file.split_once("://") {
        None => file,
        Some((_, rest)) => rest.find('/').map_or("", |slash| &rest[slash..]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_has_a_value() {
        let facts = Some(FileFacts { size: 7, modified_ms: -1 });
        let values = |file: &str| -> Vec<String> {
            KEYS.iter().map(|(key, _)| Key::of(key).unwrap().text(file, facts).unwrap()).collect()
        };
        assert_eq!(values("/a/b.json"), ["/a/b.json", "b.json", "7", "1969-12-31 23:59:59.999Z"]);
        assert_eq!(values("s3://bucket/a/b.json")[..2], ["/a/b.json", "b.json"]);
        assert_eq!(values("file:///a/b.json")[..2], ["/a/b.json", "b.json"]);
    }
}
