//! How the runtime turns specifications into running operators, sources and sinks.

use graph::{
    Node,
    operator::{SinkSpec, SourceSpec},
};
use model::Failure;

use crate::{OpenContext, Operator, Sink, Source};

/// Builds what the graph's nodes specify. The engine's implementation combines the operators and the connectors.
pub trait Registry: Send + Sync {
    /// Builds an operator that is neither source nor sink. `inputs` are the schemas of its input ports.
    ///
    /// # Errors
    /// Class `User` or `Internal` if the specification cannot be built; `Data` if restored state does not fit.
    fn operator(
        &self,
        node: &Node,
        inputs: &[model::Schema],
        context: &mut OpenContext,
    ) -> Result<Box<dyn Operator>, Failure>;

    /// Builds a source.
    ///
    /// # Errors
    /// As [`Registry::operator`].
    fn source(&self, spec: &SourceSpec, context: &mut OpenContext) -> Result<Box<dyn Source>, Failure>;

    /// Builds a sink.
    ///
    /// # Errors
    /// As [`Registry::operator`].
    fn sink(&self, spec: &SinkSpec, context: &mut OpenContext) -> Result<Box<dyn Sink>, Failure>;
}
