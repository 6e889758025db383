//! The registry of this build: all operators and connectors.

use dataflow::{OpenContext, Operator, Registry, Sink, Source};
use graph::{
    Node,
    operator::{SinkSpec, SourceSpec},
};
use model::{Failure, Schema};

/// All operators and connectors, with what connectors need of the process.
pub(crate) struct EngineRegistry {
    /// What connectors need of the process.
    pub(crate) environment: connectors::Environment,
}

impl Registry for EngineRegistry {
    fn operator(
        &self,
        node: &Node,
        inputs: &[Schema],
        context: &mut OpenContext,
    ) -> Result<Box<dyn Operator>, Failure> {
        operators::build(node, inputs, context)
    }

    fn source(&self, spec: &SourceSpec, context: &mut OpenContext) -> Result<Box<dyn Source>, Failure> {
        connectors::build_source(spec, context, &self.environment)
    }

    fn sink(&self, spec: &SinkSpec, context: &mut OpenContext) -> Result<Box<dyn Sink>, Failure> {
        connectors::build_sink(spec, context, &self.environment)
    }
}
