//! Tables as declared, and what the planner asks of connectors.

use model::{Failure, Schema};
use serde::{Deserialize, Serialize};

use crate::{ChangelogMode, operator::Options};

/// A declared table, as far as a connector is concerned.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct TableSpec {
    /// Its name.
    pub name: String,
    /// Its physical columns (no computed ones).
    pub schema: Schema,
    /// All of `WITH (…)`, the connector's name under `connector` included.
    pub options: Options,
    /// Positions of the `PRIMARY KEY … NOT ENFORCED` columns.
    #[serde(default)]
    pub primary_key: Vec<usize>,
    /// Positions of the `PARTITIONED BY` columns.
    #[serde(default)]
    pub partitioned_by: Vec<usize>,
}

impl TableSpec {
    /// The connector's name; empty if none was given.
    pub fn connector(&self) -> &str {
        self.options.get("connector").map_or("", String::as_str)
    }
}

/// What a source can do with its options.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SourceCapabilities {
    /// Whether it ends.
    pub bounded: bool,
    /// The row kinds it gives.
    pub changelog: ChangelogMode,
}

/// What a sink can do with its options.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SinkCapabilities {
    /// The row kinds it takes.
    pub changelog: ChangelogMode,
}

/// How the planner sees connectors. Each call checks the table's options and names the one that is wrong.
pub trait Catalog: Send + Sync {
    /// # Errors
    /// Class `User` when the connector is unknown, is no source, or an option is missing, unknown or malformed.
    fn source(&self, table: &TableSpec) -> Result<SourceCapabilities, Failure>;

    /// # Errors
    /// As [`Catalog::source`], for sinks.
    fn sink(&self, table: &TableSpec) -> Result<SinkCapabilities, Failure>;
}
