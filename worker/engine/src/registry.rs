//! The registry of this build: all operators and connectors.

use std::{collections::BTreeMap, sync::Arc};

use async_trait::async_trait;
use checkpoint::{Item, Manifest};
use dataflow::{OpenContext, Operator, Registry, Sink, Source};
use graph::{
    JobGraph, Node, OperatorSpec,
    operator::{SinkSpec, SourceSpec},
};
use jobmanager::{SplitEnumerator, Splits};
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

#[async_trait]
impl SplitEnumerator for EngineRegistry {
    async fn enumerate(&self, graph: Arc<JobGraph>, restored: Option<Arc<Manifest>>) -> Result<Splits, Failure> {
        let mut splits = Splits::new();
        for node in &graph.nodes {
            let OperatorSpec::Source(spec) = &node.operator else { continue };
            let states = restored.iter().flat_map(|manifest| manifest.operators.get(&node.uid)).flatten();
            let mut lists: BTreeMap<String, Vec<Item>> = BTreeMap::new();
            for (name, items) in states.flat_map(|state| &state.lists) {
                lists.entry(name.clone()).or_default().extend(items.iter().cloned());
            }
            let listed = connectors::enumerate_splits(spec, &lists, &self.environment).await;
            if let Some(listed) = listed.map_err(|failure| failure.at(&node.name))? {
                splits.insert(node.uid.clone(), listed);
            }
        }
        Ok(splits)
    }
}
