//! Tables as declared, and what the planner asks of connectors.

use model::{DataType, Failure, Field, Schema};
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
    /// Its `METADATA` columns: what a connector tells about a row beside its fields.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub metadata: Vec<MetadataColumn>,
}

/// A `METADATA` column.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MetadataColumn {
    /// Its name.
    pub name: String,
    /// What it is for the connector.
    pub key: String,
    /// The connector's type of it; that of the column is made by a cast behind the source.
    #[serde(rename = "type")]
    pub data_type: DataType,
    /// Whether it is only read.
    #[serde(default, rename = "virtual")]
    pub is_virtual: bool,
}

impl TableSpec {
    /// The columns that a source can give: the physical ones, then the metadata.
    pub fn readable(&self) -> Schema {
        let metadata = self.metadata.iter().map(|column| Field::new(&column.name, column.data_type.clone()));
        Schema::new(self.schema.fields.iter().cloned().chain(metadata).collect())
    }

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
    /// Whether all rows of a partition, as `PARTITIONED BY` makes them, must come to one subtask.
    pub by_partition: bool,
    /// Whether it is to be told of event time.
    pub event_time: bool,
    /// How many subtasks it is to have; none for as many as come by themselves.
    pub parallelism: Option<u32>,
}

impl SinkCapabilities {
    /// Those of a sink that only takes these row kinds.
    pub fn of(changelog: ChangelogMode) -> Self {
        Self { changelog, by_partition: false, event_time: false, parallelism: None }
    }
}

/// How the planner sees connectors. Each call checks the table's options and names the one that is wrong.
pub trait Catalog: Send + Sync {
    /// # Errors
    /// Class `User` when the connector is unknown, is no source, or an option is missing, unknown or malformed.
    fn source(&self, table: &TableSpec) -> Result<SourceCapabilities, Failure>;

    /// The metadata that a source of this table can give, by key and type; none of it is null.
    ///
    /// # Errors
    /// Class `User` when the connector is unknown or is no source.
    fn metadata(&self, table: &TableSpec) -> Result<Vec<(&'static str, DataType)>, Failure>;

    /// # Errors
    /// As [`Catalog::source`], for sinks.
    fn sink(&self, table: &TableSpec) -> Result<SinkCapabilities, Failure>;
}
