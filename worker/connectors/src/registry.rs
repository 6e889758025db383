//! The connectors of this build: one entry each, sorted by name.

use std::{collections::BTreeMap, sync::Arc};

use checkpoint::Item;
use dataflow::{OpenContext, Sink, Source};
use futures::future::BoxFuture;
use graph::{
    Catalog, SinkCapabilities, SourceCapabilities, TableSpec,
    operator::{SinkSpec, SourceSpec},
};
use model::{DataType, Failure};

use crate::{Environment, blackhole, collect, datagen, filesystem, nexmark, print, values};

/// A connector: its name in `'connector' = '…'`, and what it can be.
pub(crate) struct Descriptor {
    pub(crate) name: &'static str,
    pub(crate) source: Option<SourceEntry>,
    pub(crate) sink: Option<SinkEntry>,
}

/// The splits of a table beside those that restored states hold; none if there is no list to be made.
pub(crate) type Enumerate = for<'a> fn(
    &'a SourceSpec,
    &'a BTreeMap<String, Vec<Item>>,
    &'a Environment,
) -> BoxFuture<'a, Result<Option<Vec<Item>>, Failure>>;

/// The source side of a connector.
pub(crate) struct SourceEntry {
    /// Checks the table's options.
    pub(crate) capabilities: fn(&TableSpec) -> Result<SourceCapabilities, Failure>,
    /// Lists the splits that its subtasks share; none if they share no list.
    pub(crate) enumerate: Option<Enumerate>,
    pub(crate) build: fn(&SourceSpec, &mut OpenContext, &Environment) -> Result<Box<dyn Source>, Failure>,
    /// Keys and types of what it tells about a row beside its fields.
    pub(crate) metadata: &'static [(&'static str, DataType)],
}

/// The sink side of a connector.
pub(crate) struct SinkEntry {
    /// Checks the table's options.
    pub(crate) capabilities: fn(&TableSpec) -> Result<SinkCapabilities, Failure>,
    pub(crate) build: fn(&SinkSpec, &mut OpenContext, &Environment) -> Result<Box<dyn Sink>, Failure>,
}

/// Sorted by name.
pub(crate) const CONNECTORS: &[Descriptor] = &[
    blackhole::DESCRIPTOR,
    collect::DESCRIPTOR,
    datagen::DESCRIPTOR,
    filesystem::DESCRIPTOR,
    nexmark::DESCRIPTOR,
    print::DESCRIPTOR,
    values::DESCRIPTOR,
];

/// How the planner sees the connectors of this build.
pub fn catalog() -> Arc<dyn Catalog> {
    Arc::new(Connectors)
}

/// Lists the splits that the subtasks of a table's source are to share, beside those that their restored states hold;
/// none if there is no list to be made. It is made once and dealt out, each n-th split to subtask n modulo the
/// parallelism: subtasks that listed by themselves would not find the same.
///
/// # Errors
/// As [`Catalog::source`]; or if what is to be listed does not exist or cannot be reached.
pub async fn enumerate_splits(
    spec: &SourceSpec,
    restored: &BTreeMap<String, Vec<Item>>,
    environment: &Environment,
) -> Result<Option<Vec<Item>>, Failure> {
    match source_entry(&spec.table)?.enumerate {
        Some(enumerate) => enumerate(spec, restored, environment).await,
        None => Ok(None),
    }
}

/// Builds the source of a table.
///
/// # Errors
/// As [`Catalog::source`]; class `Data` if restored positions do not fit.
pub fn build_source(
    spec: &SourceSpec,
    context: &mut OpenContext,
    environment: &Environment,
) -> Result<Box<dyn Source>, Failure> {
    (source_entry(&spec.table)?.build)(spec, context, environment)
}

/// Builds the sink of a table.
///
/// # Errors
/// As [`Catalog::sink`].
pub fn build_sink(
    spec: &SinkSpec,
    context: &mut OpenContext,
    environment: &Environment,
) -> Result<Box<dyn Sink>, Failure> {
    (sink_entry(&spec.table)?.build)(spec, context, environment)
}

struct Connectors;

impl Catalog for Connectors {
    fn source(&self, table: &TableSpec) -> Result<SourceCapabilities, Failure> {
        (source_entry(table)?.capabilities)(table)
    }

    fn metadata(&self, table: &TableSpec) -> Result<Vec<(&'static str, DataType)>, Failure> {
        Ok(source_entry(table)?.metadata.to_vec())
    }

    fn sink(&self, table: &TableSpec) -> Result<SinkCapabilities, Failure> {
        (sink_entry(table)?.capabilities)(table)
    }
}

fn source_entry(table: &TableSpec) -> Result<&'static SourceEntry, Failure> {
    find(table)?.source.as_ref().ok_or_else(|| {
        Failure::user(format!(
            "table {}: connector '{}' can only be written to; these can be read: {}",
            table.name,
            table.connector(),
            names(|connector| connector.source.is_some())
        ))
    })
}

fn sink_entry(table: &TableSpec) -> Result<&'static SinkEntry, Failure> {
    find(table)?.sink.as_ref().ok_or_else(|| {
        Failure::user(format!(
            "table {}: connector '{}' can only be read; these can be written to: {}",
            table.name,
            table.connector(),
            names(|connector| connector.sink.is_some())
        ))
    })
}

fn find(table: &TableSpec) -> Result<&'static Descriptor, Failure> {
    let name = table.connector();
    if name.is_empty() {
        return Err(Failure::user(format!(
            "table {}: the option 'connector' is missing; there are: {}",
            table.name,
            names(|_| true)
        )));
    }
    CONNECTORS.iter().find(|connector| connector.name == name).ok_or_else(|| {
        Failure::user(format!("table {}: there is no connector '{name}'; there are: {}", table.name, names(|_| true)))
    })
}

fn names(which: impl Fn(&Descriptor) -> bool) -> String {
    CONNECTORS
        .iter()
        .filter(|connector| which(connector))
        .map(|connector| connector.name)
        .collect::<Vec<_>>()
        .join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::table;

    #[test]
    fn connectors_are_sorted_and_can_be_something() {
        assert!(CONNECTORS.is_sorted_by_key(|connector| connector.name));
        assert!(CONNECTORS.iter().all(|connector| connector.source.is_some() || connector.sink.is_some()));
    }

    #[test]
    fn mistakes_name_the_table_and_what_there_is() {
        let cases = [
            (table("t", &[]), "table t: the option 'connector' is missing; there are: blackhole"),
            (table("t", &[("connector", "kafke")]), "table t: there is no connector 'kafke'; there are: blackhole"),
            (table("t", &[("connector", "print")]), "table t: connector 'print' can only be written to; these can be"),
            (
                table("t", &[("connector", "nexmark"), ("event.num", "1")]),
                "table t: connector 'nexmark' has no option 'event.num'; it has: ",
            ),
            (
                table("t", &[("connector", "nexmark"), ("events.num", "many")]),
                "table t: option 'events.num': 'many' is not a number",
            ),
        ];
        for (table, expected) in cases {
            let failure = catalog().source(&table).expect_err(expected);
            assert_eq!(failure.class, model::ErrorClass::User);
            assert!(failure.message.starts_with(expected), "{failure}");
        }
        let failure = catalog().sink(&table("t", &[("connector", "nexmark")])).expect_err("no sink");
        assert!(failure.message.starts_with("table t: connector 'nexmark' can only be read; these"), "{failure}");
    }
}
