//! The `collect` sink: sends batches to the client that runs the query in this process.

use async_trait::async_trait;
use dataflow::{OpenContext, Sink, sink::Committable};
use graph::{ChangelogMode, SinkCapabilities, TableSpec, operator::SinkSpec};
use model::{Batch, Failure};

use crate::{
    Collector, Environment,
    options::OptionReader,
    registry::{Descriptor, SinkEntry},
};

pub(crate) const DESCRIPTOR: Descriptor =
    Descriptor { name: "collect", source: None, sink: Some(SinkEntry { capabilities, build }) };

fn capabilities(table: &TableSpec) -> Result<SinkCapabilities, Failure> {
    OptionReader::new(table).finish()?;
    Ok(SinkCapabilities::of(ChangelogMode::ALL))
}

fn build(spec: &SinkSpec, _: &mut OpenContext, environment: &Environment) -> Result<Box<dyn Sink>, Failure> {
    capabilities(&spec.table)?;
    let collector = environment.collector.clone().ok_or_else(|| {
        Failure::user(format!("table {}: there is no client here that collects rows", spec.table.name))
    })?;
    Ok(Box::new(Collect { collector }))
}

struct Collect {
    collector: Collector,
}

#[async_trait]
impl Sink for Collect {
    async fn write(&mut self, batch: Batch) -> Result<(), Failure> {
        self.collector.send(batch).await.map_err(|_| Failure::external("the client that collects rows is gone"))
    }

    async fn prepare(&mut self) -> Result<Vec<Committable>, Failure> {
        Ok(Vec::new())
    }

    async fn commit(&mut self, _: &[Committable]) -> Result<(), Failure> {
        Ok(())
    }
}
