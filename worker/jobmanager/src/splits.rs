//! Splits that the subtasks of a source share: listed once for each deployment, and dealt out to the subtasks.
//!
//! Subtasks that made the lists themselves would not make the same ones, since what is listed changes meanwhile. What a
//! subtask was dealt is part of its state from the first checkpoint on, so a restore needs no list.

use std::{collections::BTreeMap, sync::Arc};

use async_trait::async_trait;
use checkpoint::{Item, Manifest};
use graph::{JobGraph, PhysicalGraph};
use model::Failure;
use wire::v1::SourceSplits;

use crate::coordinator::TaskKey;

/// The splits of sources, by operator uid; opaque to the JobManager. Sources whose subtasks share no list are left out.
pub type Splits = BTreeMap<String, Vec<Item>>;

/// Lists the splits of sources. The engine's implementation asks the connectors.
#[async_trait]
pub trait SplitEnumerator: Send + Sync {
    /// The splits to be read by a deployment that goes on from `restored`: those that its states do not hold.
    ///
    /// # Errors
    /// If what is to be listed does not exist or cannot be reached; names the source.
    async fn enumerate(&self, graph: Arc<JobGraph>, restored: Option<Arc<Manifest>>) -> Result<Splits, Failure>;
}

/// The shares of these tasks: the n-th split goes to subtask n modulo the parallelism.
pub(crate) fn deal(
    splits: &Splits,
    graph: &JobGraph,
    physical: &PhysicalGraph,
    tasks: impl Iterator<Item = TaskKey>,
) -> Vec<SourceSplits> {
    let mut shares = Vec::new();
    for (vertex, subtask) in tasks {
        let Some(at) = physical.vertices.get(vertex as usize) else { continue };
        for uid in at.nodes.iter().map(|&node| &graph.nodes[node].uid) {
            let Some(all) = splits.get(uid) else { continue };
            let mine = all.iter().skip(subtask as usize).step_by(at.parallelism.max(1) as usize);
            let splits = mine.map(|item| item.0.clone().into()).collect();
            shares.push(SourceSplits { operator_uid: uid.clone(), subtask, splits });
        }
    }
    shares
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::fake;

    #[test]
    fn each_split_is_dealt_to_one_subtask_and_those_without_get_an_empty_share() {
        let graph = fake::graph();
        for (parallelism, count) in [(1, 5), (4, 9), (4, 3), (3, 0)] {
            let all: Vec<_> = (0..count).map(|number| Item(vec![number])).collect();
            let splits = Splits::from([("source".to_owned(), all.clone())]);
            let physical = PhysicalGraph::new(&graph, parallelism);
            let tasks = (0..2).flat_map(|vertex| (0..parallelism).map(move |subtask| (vertex, subtask)));
            let shares = deal(&splits, &graph, &physical, tasks);
            let subtasks: Vec<_> = shares.iter().map(|share| share.subtask).collect();
            assert_eq!(subtasks, (0..parallelism).collect::<Vec<_>>());
            let mut dealt: Vec<_> =
                shares.into_iter().flat_map(|share| share.splits).map(|split| Item(split.to_vec())).collect();
            dealt.sort_by_key(|item| item.0[0]);
            assert_eq!(dealt, all);
        }
    }
}
