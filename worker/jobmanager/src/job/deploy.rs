//! How a job's tasks are deployed: at which parallelism, into which slots, and with what state.

use std::{collections::BTreeMap, ops::RangeInclusive};

use checkpoint::{Manifest, SnapshotKind, restore};
use graph::PhysicalGraph;
use model::key;
use settings::keys;
use wire::v1::{Deploy, Restore, to_task_manager::Body};

use super::{Attempt, Context, Job, Phase, check_parallelism, life::send};
use crate::{api::RestoreDetail, coordinator::TaskKey, splits, workers::Layout};

impl Job {
    /// A JobManager that restarts with the same configuration keeps the requested parallelism.
    pub(super) fn remember_rescale(&mut self, manifest: &Manifest) {
        let configured = self.settings.get(&keys::PARALLELISM);
        let is_first =
            self.last_attempt == 0 && manifest.job_id == self.id && manifest.kind == SnapshotKind::Checkpoint;
        if let Some(rescaled) = manifest.rescaled.filter(|rescaled| is_first && rescaled.configured == configured)
            && check_parallelism(rescaled.wanted, manifest.max_parallelism).is_ok()
        {
            self.desired_parallelism = rescaled.wanted;
        }
    }

    /// The parallelism to start with: as it was, if there are slots for that but not yet for what is desired.
    fn deployable(&self, context: &Context<'_>) -> (u32, PhysicalGraph) {
        let available = context.workers.available_to(&self.id);
        let desired = PhysicalGraph::new(&self.graph, self.desired_parallelism);
        if desired.slots() > available && self.parallelism != self.desired_parallelism {
            let as_before = PhysicalGraph::new(&self.graph, self.parallelism);
            if as_before.slots() <= available {
                return (self.parallelism, as_before);
            }
        }
        (self.desired_parallelism, desired)
    }

    /// Deploys if there are enough slots.
    pub(super) fn try_deploy(&mut self, context: &mut Context<'_>) {
        let (parallelism, physical) = self.deployable(context);
        let needed = physical.slots();
        if needed <= context.workers.available_to(&self.id) && self.is_verification_due(context.now_ms) {
            // The job has waited for slots, so the snapshot it would restore may be outdated.
            return self.recover(context);
        }
        if needed <= context.workers.available_to(&self.id) && self.splits.is_none() {
            return self.list_splits(context);
        }
        // Who scales down wants to take TaskManagers away.
        let layout = if self.desired_parallelism < self.parallelism { Layout::Packed } else { Layout::Spread };
        let Some(slots) = context.workers.allocate(&self.id, needed, layout) else {
            let missing = needed.saturating_sub(context.workers.available_to(&self.id));
            if self.missing_slots != missing {
                tracing::info!(job = %self.id, needed, missing, "waiting for slots");
            }
            self.missing_slots = missing;
            // By the time there are slots, it would be old.
            self.splits = None;
            return;
        };
        self.missing_slots = 0;
        let is_first = self.last_attempt == 0;
        self.parallelism = parallelism;
        self.physical = physical;
        self.figures.clear();
        self.last_attempt = (self.last_attempt + 1).max(context.now_ms.unsigned_abs());
        let parallelisms = self.physical.vertices.iter().map(|vertex| vertex.parallelism);
        let attempt = Attempt::new(self.last_attempt, is_first, parallelisms, slots);
        let claimed = match self.restore.as_ref().map(|(_, manifest)| self.claimed(manifest)).transpose() {
            Ok(claimed) => claimed,
            Err(failure) => {
                context.workers.release(&self.id);
                return self.fail(failure, None, context);
            }
        };
        self.note_restore(context.now_ms);
        let deploy = Deploy {
            job_id: self.id.clone(),
            attempt: attempt.number,
            job_name: self.name.clone(),
            graph_json: self.graph_json.clone(),
            settings: self.settings.values().clone().into_iter().collect(),
            parallelism: self.parallelism,
            max_parallelism: self.max_parallelism,
            slots: attempt.assignments(),
            restore: None,
            splits: Vec::new(),
        };
        let listed = self.splits.take().unwrap_or_default();
        tracing::info!(job = %self.id, attempt = attempt.number, parallelism = self.parallelism, "deploying");
        for link in attempt.links() {
            let restore = claimed.as_ref().map(|claimed| self.restore_of(claimed, attempt.tasks_of(link)));
            let splits = splits::deal(&listed, &self.graph, &self.physical, attempt.tasks_of(link));
            context.out.push(send(link, Body::Deploy(Deploy { restore, splits, ..deploy.clone() })));
        }
        self.phase = Phase::Deployed(attempt);
    }

    fn note_restore(&mut self, now_ms: i64) {
        let Some((reference, manifest)) = &self.restore else { return };
        self.coordinator.stats.restored += 1;
        self.coordinator.stats.latest_restored =
            Some(RestoreDetail { id: reference.id, time_ms: now_ms, kind: manifest.kind, path: reference.uri.clone() });
        tracing::info!(job = %self.id, snapshot = %reference.uri, "restoring");
    }

    /// What these tasks need of the state that the job's operators claim, by the job's uids.
    fn restore_of(&self, claimed: &Manifest, tasks: impl Iterator<Item = TaskKey>) -> Restore {
        let mut key_groups: BTreeMap<&str, Vec<RangeInclusive<u16>>> = BTreeMap::new();
        for (vertex, subtask) in tasks {
            let Some(vertex) = self.physical.vertices.get(vertex as usize) else { continue };
            let own = key::range_of(subtask, vertex.parallelism, self.max_parallelism);
            for &node in &vertex.nodes {
                key_groups.entry(&self.graph.nodes[node].uid).or_default().push(own.clone());
            }
        }
        let operators = wire::states::to_message(restore::share(claimed, &key_groups));
        Restore { checkpoint_id: claimed.checkpoint_id, operators }
    }
}
