//! The `blackhole` sink: takes everything but −U, keeps nothing.

use async_trait::async_trait;
use dataflow::{OpenContext, Sink, sink::Committable};
use graph::{ChangelogMode, SinkCapabilities, TableSpec, operator::SinkSpec};
use model::{Batch, Failure};

use crate::{
    Environment,
    options::OptionReader,
    registry::{Descriptor, SinkEntry},
};

pub(crate) const DESCRIPTOR: Descriptor =
    Descriptor { name: "blackhole", source: None, sink: Some(SinkEntry { capabilities, build }) };

fn capabilities(table: &TableSpec) -> Result<SinkCapabilities, Failure> {
    OptionReader::new(table).finish()?;
    Ok(SinkCapabilities::of(ChangelogMode::UPSERT))
}

fn build(spec: &SinkSpec, _: &mut OpenContext, _: &Environment) -> Result<Box<dyn Sink>, Failure> {
    capabilities(&spec.table)?;
    Ok(Box::new(Blackhole))
}

struct Blackhole;

#[async_trait]
impl Sink for Blackhole {
    async fn write(&mut self, _: Batch) -> Result<(), Failure> {
        Ok(())
    }

    async fn prepare(&mut self) -> Result<Vec<Committable>, Failure> {
        Ok(Vec::new())
    }

    async fn commit(&mut self, _: &[Committable]) -> Result<(), Failure> {
        Ok(())
    }
}
