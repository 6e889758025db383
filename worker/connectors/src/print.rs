//! The `print` sink: a line for each row, `+I[1, a, null]`, as Flink writes it.

mod text;

pub use text::value_text;

use std::sync::PoisonError;

use async_trait::async_trait;
use dataflow::{OpenContext, Sink, sink::Committable};
use graph::{ChangelogMode, SinkCapabilities, TableSpec, operator::SinkSpec};
use model::{Batch, Failure};

use crate::{
    Environment, PrintOutput,
    options::OptionReader,
    registry::{Descriptor, SinkEntry},
};

pub(crate) const DESCRIPTOR: Descriptor =
    Descriptor { name: "print", source: None, sink: Some(SinkEntry { capabilities, build }) };

/// The table's options.
struct Options {
    identifier: String,
    to_errors: bool,
    parallelism: Option<u32>,
}

impl Options {
    fn read(table: &TableSpec) -> Result<Self, Failure> {
        let mut reader = OptionReader::new(table);
        let identifier = reader.get("print-identifier", String::new())?;
        let to_errors = reader.get("standard-error", false)?;
        let parallelism = reader.sink_parallelism()?;
        reader.finish()?;
        Ok(Self { identifier, to_errors, parallelism })
    }
}

fn capabilities(table: &TableSpec) -> Result<SinkCapabilities, Failure> {
    let parallelism = Options::read(table)?.parallelism;
    Ok(SinkCapabilities { parallelism, ..SinkCapabilities::of(ChangelogMode::ALL) })
}

fn build(spec: &SinkSpec, context: &mut OpenContext, environment: &Environment) -> Result<Box<dyn Sink>, Failure> {
    let Options { identifier, to_errors, .. } = Options::read(&spec.table)?;
    let prefix = match (identifier.as_str(), context.parallelism) {
        ("", 0..=1) => String::new(),
        (name, 0..=1) => format!("{name}> "),
        ("", _) => format!("{}> ", context.subtask + 1),
        (name, _) => format!("{name}:{}> ", context.subtask + 1),
    };
    let output = if to_errors { &environment.errors } else { &environment.output };
    Ok(Box::new(Print { prefix, output: output.clone() }))
}

struct Print {
    prefix: String,
    output: PrintOutput,
}

#[async_trait]
impl Sink for Print {
    async fn write(&mut self, batch: Batch) -> Result<(), Failure> {
        let mut lines = Vec::with_capacity(batch.rows() * 64);
        for row in 0..batch.rows() {
            lines.extend_from_slice(self.prefix.as_bytes());
            text::push_row(&mut lines, &batch, row);
            lines.push(b'\n');
        }
        let mut output = self.output.lock().unwrap_or_else(PoisonError::into_inner);
        output
            .write_all(&lines)
            .and_then(|()| output.flush())
            .map_err(|error| Failure::external(format!("printing rows: {error}")))
    }

    async fn prepare(&mut self) -> Result<Vec<Committable>, Failure> {
        Ok(Vec::new())
    }

    async fn commit(&mut self, _: &[Committable]) -> Result<(), Failure> {
        Ok(())
    }
}

#[cfg(test)]
mod tests;
