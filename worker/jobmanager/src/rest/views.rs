//! JSON bodies of `GET`, made from what the service tells.

use std::collections::BTreeMap;

use checkpoint::SnapshotKind;
use serde_json::{Map, Value, json};

use crate::api::{
    CheckpointConfig, CheckpointDetail, CheckpointStats, CheckpointStatus, JobDetail, JobStatus, RestoreDetail,
    SubtaskFigures, TaskManagerDetail, VertexDetail,
};

/// The Flink version whose interfaces these are.
const FLINK_VERSION: &str = "2.3";
const TASK_STATES: [&str; 10] = [
    "CREATED",
    "SCHEDULED",
    "DEPLOYING",
    "INITIALIZING",
    "RUNNING",
    "FINISHED",
    "CANCELING",
    "CANCELED",
    "FAILED",
    "RECONCILING",
];

pub(super) fn overview(jobs: &[JobDetail], taskmanagers: &[TaskManagerDetail]) -> Value {
    let count = |is: fn(JobStatus) -> bool| jobs.iter().filter(|job| is(job.status)).count();
    json!({
        "taskmanagers": taskmanagers.len(),
        "slots-total": taskmanagers.iter().map(|taskmanager| taskmanager.slots).sum::<u32>(),
        "slots-available": taskmanagers.iter().map(|taskmanager| taskmanager.free_slots).sum::<u32>(),
        "jobs-running": count(|status| !status.is_terminal()),
        "jobs-finished": count(|status| matches!(status, JobStatus::Finished | JobStatus::Suspended)),
        "jobs-cancelled": count(|status| status == JobStatus::Canceled),
        "jobs-failed": count(|status| status == JobStatus::Failed),
        "flink-version": FLINK_VERSION,
        "flink-commit": "",
        "sluice-version": env!("CARGO_PKG_VERSION"),
    })
}

pub(super) fn config() -> Value {
    json!({
        "refresh-interval": 3000,
        "timezone-name": "UTC",
        "timezone-offset": 0,
        "flink-version": FLINK_VERSION,
        "flink-revision": "",
        "sluice-version": env!("CARGO_PKG_VERSION"),
        "features": { "web-submit": false, "web-cancel": false, "web-rescale": true, "web-history": false },
    })
}

fn now_and_end(job: &JobDetail) -> (i64, i64) {
    let alive = job.status_ms.values().sum::<u64>();
    let now = job.start_ms.saturating_add_unsigned(alive);
    (now, job.end_ms.unwrap_or(-1))
}

pub(super) fn summary(job: &JobDetail) -> Value {
    let (now, end) = now_and_end(job);
    let all = job.vertices.iter().flat_map(|vertex| &vertex.subtasks).map(|subtask| subtask.status);
    let mut tasks = counts(all, str::to_ascii_lowercase);
    let total: u64 = tasks.values().filter_map(Value::as_u64).sum();
    tasks.insert("total".to_owned(), total.into());
    json!({
        "jid": job.id,
        "name": job.name,
        "state": job.status.name(),
        "start-time": job.start_ms,
        "end-time": end,
        "duration": now - job.start_ms,
        "last-modification": job.status_since_ms.values().max(),
        "tasks": tasks,
        "pending-operators": 0,
    })
}

fn counts<'a>(statuses: impl Iterator<Item = &'a str>, name: fn(&str) -> String) -> Map<String, Value> {
    let mut counts: BTreeMap<&str, u64> = TASK_STATES.iter().map(|state| (*state, 0)).collect();
    for status in statuses {
        *counts.entry(status).or_insert(0) += 1;
    }
    counts.into_iter().map(|(state, count)| (name(state), count.into())).collect()
}

/// The status of a vertex: that of its tasks, or the one that says most.
fn vertex_status(vertex: &VertexDetail) -> &'static str {
    let all = |status| vertex.subtasks.iter().all(|subtask| subtask.status == status);
    let any = |status| vertex.subtasks.iter().any(|subtask| subtask.status == status);
    let decisive = ["FAILED", "CANCELED", "DEPLOYING", "SCHEDULED"].into_iter().find(|&status| any(status));
    if all("FINISHED") { "FINISHED" } else { decisive.unwrap_or("RUNNING") }
}

fn vertex(job: &JobDetail, vertex: &VertexDetail) -> Value {
    let figures = SubtaskFigures::sum(vertex.subtasks.iter().map(|subtask| subtask.metrics));
    let (now, end) = now_and_end(job);
    json!({
        "id": vertex.id,
        "name": vertex.name,
        "maxParallelism": job.max_parallelism,
        "parallelism": vertex.parallelism,
        "status": vertex_status(vertex),
        "start-time": job.start_ms,
        "end-time": end,
        "duration": now - job.start_ms,
        "tasks": counts(vertex.subtasks.iter().map(|subtask| subtask.status), str::to_owned),
        "metrics": {
            "read-bytes": figures.bytes_in,
            "read-bytes-complete": true,
            "write-bytes": figures.bytes_out,
            "write-bytes-complete": true,
            "read-records": figures.records_in,
            "read-records-complete": true,
            "write-records": figures.records_out,
            "write-records-complete": true,
            "accumulated-backpressured-time": figures.back_pressured_ms,
            "accumulated-idle-time": figures.idle_ms,
            "accumulated-busy-time": figures.busy_ms,
            "current-watermark": figures.watermark_ms,
            "late-records-dropped": figures.late_rows_dropped,
            "records-skipped": figures.rows_skipped,
        },
        "subtasks": vertex.subtasks.iter().enumerate().map(|(number, subtask)| json!({
            "subtask": number,
            "status": subtask.status,
            "taskmanager-id": subtask.taskmanager,
            "metrics": subtask.metrics,
        })).collect::<Vec<_>>(),
    })
}

pub(super) fn plan(job: &JobDetail) -> Value {
    let node = |vertex: &VertexDetail| {
        let input = |(number, (from, ship)): (usize, &(usize, &str))| {
            json!({
                "num": number,
                "id": job.vertices.get(*from).map(|vertex| &vertex.id),
                "ship_strategy": ship,
                "exchange": "pipelined_bounded",
            })
        };
        json!({
            "id": vertex.id,
            "parallelism": vertex.parallelism,
            "operator": "",
            "operator_strategy": "",
            "description": vertex.name,
            "inputs": vertex.inputs.iter().enumerate().map(input).collect::<Vec<_>>(),
            "optimizer_properties": {},
        })
    };
    json!({
        "jid": job.id,
        "name": job.name,
        "type": "STREAMING",
        "nodes": job.vertices.iter().map(node).collect::<Vec<_>>(),
    })
}

pub(super) fn job(job: &JobDetail) -> Value {
    let (now, end) = now_and_end(job);
    let timestamps: Map<String, Value> = JobStatus::ALL
        .iter()
        .map(|status| status.name())
        .map(|name| (name.to_owned(), job.status_since_ms.get(name).copied().unwrap_or(0).into()))
        .collect();
    json!({
        "jid": job.id,
        "name": job.name,
        "isStoppable": false,
        "state": job.status.name(),
        "job-type": "STREAMING",
        "start-time": job.start_ms,
        "end-time": end,
        "duration": now - job.start_ms,
        "maxParallelism": job.max_parallelism,
        "now": now,
        "timestamps": timestamps,
        "vertices": job.vertices.iter().map(|one| vertex(job, one)).collect::<Vec<_>>(),
        "status-counts": counts(job.vertices.iter().map(vertex_status), str::to_owned),
        "plan": plan(job),
        "sluice": sluice(job),
    })
}

/// What the operator puts into a job's status.
fn sluice(job: &JobDetail) -> Value {
    let checkpoint = job.checkpoints.latest_completed.as_ref().map(|checkpoint| {
        json!({
            "id": checkpoint.id,
            "path": checkpoint.path,
            "size": checkpoint.state_bytes,
            "trigger-timestamp": checkpoint.triggered_ms,
            "completed-timestamp": ended_ms(checkpoint),
            "duration": checkpoint.duration_ms,
        })
    });
    let failure = job.failure.as_ref().map(|failure| {
        json!({
            "class": failure.class,
            "message": failure.message,
            "position": failure.position,
            "timestamp": failure.time_ms,
            "task": failure.task,
            "taskmanager-id": failure.taskmanager,
        })
    });
    json!({
        "epoch": job.epoch,
        "restarts": job.restarts,
        "rescales": job.rescales,
        "parallelism": job.parallelism,
        "desired-parallelism": job.desired_parallelism,
        "missing-slots": job.missing_slots,
        "last-downtime-ms": job.last_downtime_ms,
        "down-since": job.down_since_ms,
        "last-checkpoint": checkpoint,
        "savepoint": job.savepoint,
        "failure": failure,
    })
}

/// A job's metrics by Flink's names.
pub(super) fn metrics(job: &JobDetail) -> Vec<(&'static str, i64)> {
    let number = |value: u64| i64::try_from(value).unwrap_or(i64::MAX);
    let last = job.checkpoints.latest_completed.as_ref();
    let in_progress = u64::from(job.checkpoints.in_progress.is_some());
    let (now, _) = now_and_end(job);
    let mut all = vec![
        ("numRestarts", number(job.restarts)),
        ("numRescales", number(job.rescales)),
        ("uptime", if job.down_since_ms.is_none() { now - job.start_ms } else { 0 }),
        ("downtime", job.down_since_ms.map_or(0, |since| now - since)),
        ("numberOfCompletedCheckpoints", number(job.checkpoints.completed)),
        ("numberOfFailedCheckpoints", number(job.checkpoints.failed)),
        ("numberOfInProgressCheckpoints", number(in_progress)),
        ("totalNumberOfCheckpoints", number(job.checkpoints.completed + job.checkpoints.failed + in_progress)),
    ];
    all.extend(last.into_iter().flat_map(|last| {
        [
            ("lastCompletedCheckpointId", number(last.id)),
            ("lastCheckpointDuration", number(last.duration_ms)),
            ("lastCheckpointSize", number(last.state_bytes)),
        ]
    }));
    all
}

pub(super) fn exceptions(job: &JobDetail) -> Value {
    let entry = |failure: &crate::api::FailureDetail| {
        json!({
            "exceptionName": failure.class,
            "stacktrace": failure.message,
            "position": failure.position,
            "timestamp": failure.time_ms,
            "failureLabels": { "class": failure.class },
            "taskName": failure.task,
            "taskManagerId": failure.taskmanager,
            "concurrentExceptions": [],
        })
    };
    json!({
        "root-exception": job.failure.as_ref().map(|failure| &failure.message),
        "root-position": job.failure.as_ref().and_then(|failure| failure.position),
        "timestamp": job.failure.as_ref().map(|failure| failure.time_ms),
        "all-exceptions": [],
        "truncated": false,
        "exceptionHistory": { "entries": job.failures.iter().map(entry).collect::<Vec<_>>(), "truncated": false },
    })
}

fn ended_ms(checkpoint: &CheckpointDetail) -> i64 {
    checkpoint.triggered_ms.saturating_add_unsigned(checkpoint.duration_ms)
}

fn checkpoint(checkpoint: &CheckpointDetail) -> Value {
    let is_savepoint = checkpoint.kind == SnapshotKind::Savepoint;
    let mut body = json!({
        "id": checkpoint.id,
        "status": checkpoint.status,
        "is_savepoint": is_savepoint,
        "savepointFormat": is_savepoint.then_some("CANONICAL"),
        "trigger_timestamp": checkpoint.triggered_ms,
        "latest_ack_timestamp": ended_ms(checkpoint),
        "checkpointed_size": checkpoint.state_bytes,
        "state_size": checkpoint.state_bytes,
        "end_to_end_duration": checkpoint.duration_ms,
        "alignment_buffered": 0,
        "alignment_duration": checkpoint.alignment_ms,
        "processed_data": 0,
        "persisted_data": 0,
        "num_subtasks": checkpoint.acknowledged.1,
        "num_acknowledged_subtasks": checkpoint.acknowledged.0,
        "checkpoint_type": if is_savepoint { "SAVEPOINT" } else { "CHECKPOINT" },
        "tasks": {},
    });
    if let Value::Object(fields) = &mut body {
        match checkpoint.status {
            CheckpointStatus::Completed => {
                fields.insert("external_path".to_owned(), checkpoint.path.as_str().into());
                fields.insert("discarded".to_owned(), false.into());
            }
            CheckpointStatus::Failed => {
                fields.insert("failure_timestamp".to_owned(), ended_ms(checkpoint).into());
                fields.insert("failure_message".to_owned(), checkpoint.failure.clone().into());
            }
            CheckpointStatus::InProgress => {}
        }
    }
    body
}

pub(super) fn checkpoints(stats: &CheckpointStats) -> Value {
    let in_progress = u64::from(stats.in_progress.is_some());
    let restored = |restored: &RestoreDetail| {
        json!({
            "id": restored.id,
            "restore_timestamp": restored.time_ms,
            "is_savepoint": restored.kind == SnapshotKind::Savepoint,
            "external_path": restored.path,
        })
    };
    json!({
        "counts": {
            "restored": stats.restored,
            "total": stats.completed + stats.failed + in_progress,
            "in_progress": in_progress,
            "completed": stats.completed,
            "failed": stats.failed,
        },
        "latest": {
            "completed": stats.latest_completed.as_ref().map(checkpoint),
            "savepoint": stats.latest_savepoint.as_ref().map(checkpoint),
            "failed": stats.latest_failed.as_ref().map(checkpoint),
            "restored": stats.latest_restored.as_ref().map(restored),
        },
        "history": stats.in_progress.iter().chain(&stats.history).map(checkpoint).collect::<Vec<_>>(),
    })
}

pub(super) fn checkpoint_config(config: &CheckpointConfig) -> Value {
    json!({
        "mode": "exactly_once",
        "interval": config.interval_ms,
        "timeout": config.timeout_ms,
        "min_pause": config.min_pause_ms,
        "max_concurrent": 1,
        "externalization": { "enabled": config.directory.is_some(), "delete_on_cancellation": false },
        "state_backend": config.state_backend,
        "checkpoint_storage": config.directory,
        "unaligned_checkpoints": false,
        "tolerable_failed_checkpoints": config.tolerable_failures,
        "num_retained": config.retained,
        "checkpoints_after_tasks_finish": true,
    })
}

pub(super) fn requirements(job: &JobDetail) -> Value {
    let bounds = |vertex: &VertexDetail| {
        let upper = job.desired_parallelism;
        (vertex.id.clone(), json!({ "parallelism": { "lowerBound": upper, "upperBound": upper } }))
    };
    Value::Object(job.vertices.iter().map(bounds).collect())
}

pub(super) fn taskmanager(taskmanager: &TaskManagerDetail) -> Value {
    let port = taskmanager.data_address.rsplit(':').next().and_then(|port| port.parse::<u16>().ok());
    json!({
        "id": taskmanager.id,
        "path": taskmanager.data_address,
        "dataPort": port,
        "timeSinceLastHeartbeat": taskmanager.last_heartbeat_ms,
        "slotsNumber": taskmanager.slots,
        "freeSlots": taskmanager.free_slots,
        "residentBytes": taskmanager.resident_bytes,
    })
}
