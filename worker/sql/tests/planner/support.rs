//! A catalog for tests: every connector exists, and some cannot take or give all row kinds.

use std::sync::Arc;

use graph::{Catalog, ChangelogMode, SinkCapabilities, SourceCapabilities, TableSpec};
use model::{DataType, Failure};
use sql::{Outcome, PlannedJob, Session, SqlError};

pub struct TestCatalog;

impl Catalog for TestCatalog {
    fn source(&self, table: &TableSpec) -> Result<SourceCapabilities, Failure> {
        let changelog = match table.connector() {
            "cdc" => ChangelogMode::ALL,
            "upsert" => ChangelogMode::UPSERT,
            "blackhole" | "print" => return Err(Failure::user("connector 'blackhole' is no source")),
            _ => ChangelogMode::APPEND,
        };
        Ok(SourceCapabilities { bounded: false, changelog })
    }

    fn metadata(&self, table: &TableSpec) -> Result<Vec<(&'static str, DataType)>, Failure> {
        self.source(table)?;
        let files = vec![
            ("file.path", DataType::String),
            ("file.name", DataType::String),
            ("file.size", DataType::BigInt),
            ("file.modification-time", DataType::TimestampLtz(3)),
        ];
        Ok(if table.connector() == "files" { files } else { Vec::new() })
    }

    fn sink(&self, table: &TableSpec) -> Result<SinkCapabilities, Failure> {
        let changelog = match table.connector() {
            "blackhole" | "upsert" => ChangelogMode::UPSERT,
            "print" => ChangelogMode::ALL,
            _ => ChangelogMode::APPEND,
        };
        let has = |option: &str| table.options.contains_key(option);
        let parallelism = table.options.get("sink.parallelism").map(|text| text.parse().unwrap());
        let (by_partition, event_time) = (has("by-partition"), has("event-time"));
        Ok(SinkCapabilities { changelog, by_partition, event_time, parallelism })
    }
}

pub fn session() -> Session {
    Session::new(Arc::new(TestCatalog))
}

pub const DDL: &str = include_str!("plans/ddl.sql");

/// A session with the tables and views of Nexmark.
pub fn nexmark() -> Session {
    let mut session = session();
    session.run(DDL).unwrap();
    session
}

/// The job of the last statement.
pub fn job(session: &mut Session, script: &str) -> PlannedJob {
    match session.run(script).unwrap_or_else(|error| panic!("{error}\n{script}")).pop() {
        Some(Outcome::Job(job)) => job,
        other => panic!("no job: {other:?}"),
    }
}

/// The mistake in a script.
pub fn error(session: &mut Session, script: &str) -> SqlError {
    match session.run(script) {
        Err(error) => error,
        Ok(outcomes) => panic!("no error but {outcomes:?}\n{script}"),
    }
}

/// The text of the last statement.
pub fn text(session: &mut Session, script: &str) -> String {
    match session.run(script).unwrap_or_else(|error| panic!("{error}\n{script}")).pop() {
        Some(Outcome::Text(text)) => text,
        other => panic!("no text: {other:?}"),
    }
}
