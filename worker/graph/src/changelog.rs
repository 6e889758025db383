//! Which row kinds an edge carries, or a consumer accepts.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The row kinds beside +I that may occur. Default: append-only.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(default)]
pub struct ChangelogMode {
    /// −U
    pub update_before: bool,
    /// +U
    pub update_after: bool,
    /// −D
    pub delete: bool,
}

impl ChangelogMode {
    /// +I only.
    pub const APPEND: Self = Self { update_before: false, update_after: false, delete: false };
    /// +I, +U, −D: rows replace each other by an upsert key.
    pub const UPSERT: Self = Self { update_before: false, update_after: true, delete: true };
    /// All kinds.
    pub const ALL: Self = Self { update_before: true, update_after: true, delete: true };

    /// Whether only inserts occur.
    pub fn is_append(self) -> bool {
        self == Self::APPEND
    }

    /// Whether a consumer that accepts `self` may be given `produced`.
    pub fn accepts(self, produced: Self) -> bool {
        (self.update_before || !produced.update_before)
            && (self.update_after || !produced.update_after)
            && (self.delete || !produced.delete)
    }
}

impl fmt::Display for ChangelogMode {
    /// As Flink's EXPLAIN prints it: `I,UB,UA,D`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("I")?;
        for (present, name) in [(self.update_before, ",UB"), (self.update_after, ",UA"), (self.delete, ",D")] {
            if present {
                f.write_str(name)?;
            }
        }
        Ok(())
    }
}
