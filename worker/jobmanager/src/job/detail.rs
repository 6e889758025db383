//! What a job shows of itself.

#![expect(clippy::cast_possible_truncation, reason = "times are after 1970")]

use graph::{OperatorSpec, Partitioning};

use settings::{keys, value::StateBackend};

use super::{Job, Phase};
use crate::api::{CheckpointConfig, JobDetail, Progress, SubtaskDetail, SubtaskFigures, VertexDetail};

impl Job {
    pub(crate) fn detail(&self, now_ms: i64, taskmanager: impl Fn(u64) -> String) -> JobDetail {
        let mut status_ms = self.status_ms.clone();
        if !self.status.is_terminal() {
            let since = self.status_since.get(&self.status).copied().unwrap_or(now_ms);
            *status_ms.entry(self.status).or_insert(0) += now_ms.saturating_sub(since).unsigned_abs();
        }
        JobDetail {
            id: self.id.clone(),
            name: self.name.clone(),
            status: self.status,
            epoch: self.epoch,
            start_ms: self.start_ms,
            end_ms: self.end_ms,
            restarts: self.restart_count,
            rescales: self.rescale_count,
            parallelism: self.parallelism,
            desired_parallelism: self.desired_parallelism,
            max_parallelism: self.max_parallelism,
            missing_slots: self.missing_slots,
            last_downtime_ms: self.last_downtime_ms,
            down_since_ms: self.down_since_ms,
            failure: self.failures.front().cloned(),
            failures: self.failures.iter().cloned().collect(),
            savepoint: self.savepoint(),
            vertices: self.vertices(taskmanager),
            checkpoints: self.coordinator.stats(now_ms),
            checkpoint_config: self.checkpoint_config(),
            status_ms: status_ms.into_iter().map(|(status, ms)| (status.name(), ms)).collect(),
            status_since_ms: self.status_since.iter().map(|(status, &ms)| (status.name(), ms)).collect(),
        }
    }

    fn checkpoint_config(&self) -> CheckpointConfig {
        let millis = |duration: std::time::Duration| u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
        CheckpointConfig {
            interval_ms: millis(self.settings.get(&keys::CHECKPOINT_INTERVAL)),
            timeout_ms: millis(self.settings.get(&keys::CHECKPOINT_TIMEOUT)),
            min_pause_ms: millis(self.settings.get(&keys::CHECKPOINT_MIN_PAUSE)),
            tolerable_failures: self.settings.get(&keys::CHECKPOINT_TOLERABLE_FAILURES),
            retained: self.settings.get(&keys::CHECKPOINT_RETAINED),
            directory: self.ledger.checkpoint_dir.clone(),
            state_backend: match self.settings.get(&keys::STATE_BACKEND) {
                StateBackend::HashMap => "hashmap",
                StateBackend::RocksDb => "rocksdb",
            },
        }
    }

    fn savepoint(&self) -> Option<String> {
        match &self.phase {
            Phase::Done(result) => result.savepoint.clone().or_else(|| self.last_savepoint.clone()),
            _ => self.last_savepoint.clone(),
        }
    }

    fn vertices(&self, taskmanager: impl Fn(u64) -> String) -> Vec<VertexDetail> {
        let subtask = |vertex: usize, subtask: u32| {
            let key = (vertex as u32, subtask);
            let metrics = self.figures.get(&key).copied().unwrap_or_default();
            match self.attempt().and_then(|attempt| attempt.tasks.get(&key)) {
                Some(task) => SubtaskDetail { status: task.state.name(), taskmanager: taskmanager(task.link), metrics },
                None => SubtaskDetail {
                    status: if self.is_done() { self.status.name() } else { "SCHEDULED" },
                    taskmanager: String::new(),
                    metrics,
                },
            }
        };
        let vertices = self.physical.vertices.iter().enumerate();
        let detail = |(at, vertex): (usize, &graph::Vertex)| {
            let uid = self.graph.nodes[vertex.nodes[0]].uid.as_bytes();
            let seeded = [b"vertex:".as_slice(), uid].concat();
            let is_sink = |&node: &usize| matches!(self.graph.nodes[node].operator, OperatorSpec::Sink(_));
            let input = |&edge: &usize| {
                let edge = &self.graph.edges[edge];
                (self.physical.vertex_of[edge.from], ship(&edge.partitioning))
            };
            VertexDetail {
                id: format!("{:016x}{:016x}", model::key::hash(uid), model::key::hash(&seeded)),
                name: vertex.name(&self.graph),
                parallelism: vertex.parallelism,
                subtasks: (0..vertex.parallelism).map(|number| subtask(at, number)).collect(),
                inputs: vertex.inputs.iter().map(input).collect(),
                is_source: vertex.is_source(&self.graph),
                is_sink: vertex.nodes.iter().any(is_sink),
            }
        };
        vertices.map(detail).collect()
    }

    pub(crate) fn progress(&self) -> Progress {
        let is = |vertex: u32, source: bool| {
            let vertex = &self.physical.vertices[vertex as usize];
            if source { vertex.inputs.is_empty() } else { vertex.outputs.is_empty() }
        };
        let figures = |source: bool| {
            let wanted = self.figures.iter().filter(|((vertex, _), _)| is(*vertex, source));
            SubtaskFigures::sum(wanted.map(|(_, figures)| *figures))
        };
        Progress {
            status: self.status,
            records_in: figures(true).records_in,
            records_out: figures(false).records_out,
            watermark_ms: SubtaskFigures::sum(self.figures.values().copied()).watermark_ms,
            last_checkpoint: self.coordinator.stats.latest_completed.as_ref().map(|checkpoint| checkpoint.id),
        }
    }
}

fn ship(partitioning: &Partitioning) -> &'static str {
    match partitioning {
        Partitioning::Forward => "FORWARD",
        Partitioning::Hash(_) => "HASH",
        Partitioning::Rebalance => "REBALANCE",
        Partitioning::Broadcast => "BROADCAST",
        Partitioning::Global => "GLOBAL",
    }
}
