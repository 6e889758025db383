//! Conversions between the wire's messages and what tasks say.

use dataflow::{Barrier, BarrierKind, CheckpointReport, TaskMetrics};
use model::Failure;
use std::sync::atomic::Ordering::Relaxed;
use wire::v1::{
    self, CheckpointAck, CheckpointDeclined, SnapshotType, SubtaskId, SubtaskMetrics, TaskState, TaskStatus,
    ToJobManager, to_job_manager::Body,
};

pub(crate) fn message(body: Body) -> ToJobManager {
    ToJobManager { body: Some(body) }
}

pub(crate) fn status(
    id: SubtaskId,
    state: TaskState,
    failure: Option<Failure>,
    task: Option<&TaskMetrics>,
) -> ToJobManager {
    let metrics = task.map(|task| metrics(id.clone(), task));
    let failure = failure.map(Into::into);
    message(Body::TaskStatus(TaskStatus { id: Some(id), state: state.into(), failure, metrics }))
}

pub(crate) fn ack(id: SubtaskId, report: CheckpointReport) -> ToJobManager {
    let states = report.states.into_iter().map(|(uid, state)| (uid, vec![state])).collect();
    message(Body::CheckpointAck(CheckpointAck {
        id: Some(id),
        checkpoint_id: report.checkpoint_id,
        state_bytes: report.bytes,
        alignment_ms: report.alignment_ms,
        sync_ms: report.sync_ms,
        async_ms: report.async_ms,
        states: wire::states::to_message(states),
    }))
}

pub(crate) fn declined(id: SubtaskId, checkpoint_id: u64, failure: Failure) -> ToJobManager {
    message(Body::CheckpointDeclined(CheckpointDeclined { id: Some(id), checkpoint_id, failure: Some(failure.into()) }))
}

pub(crate) fn metrics(id: SubtaskId, metrics: &TaskMetrics) -> SubtaskMetrics {
    SubtaskMetrics {
        id: Some(id),
        records_in: metrics.records_in.load(Relaxed),
        records_out: metrics.records_out.load(Relaxed),
        bytes_in: metrics.bytes_in.load(Relaxed),
        bytes_out: metrics.bytes_out.load(Relaxed),
        watermark_ms: metrics.watermark_ms.load(Relaxed),
        late_rows_dropped: metrics.late_rows.load(Relaxed),
        rows_skipped: metrics.skipped_rows.load(Relaxed),
        busy_ms: metrics.busy_us.load(Relaxed) / 1000,
        back_pressured_ms: metrics.back_pressured_us.load(Relaxed) / 1000,
        idle_ms: metrics.idle_us.load(Relaxed) / 1000,
    }
}

fn kind(code: i32) -> Result<BarrierKind, Failure> {
    match SnapshotType::try_from(code) {
        Ok(SnapshotType::Checkpoint) => Ok(BarrierKind::Checkpoint),
        Ok(SnapshotType::Savepoint) => Ok(BarrierKind::Savepoint),
        Ok(SnapshotType::None) => Ok(BarrierKind::CommitOnly),
        Ok(SnapshotType::Unspecified) | Err(_) => Err(Failure::internal(format!("unknown snapshot type {code}"))),
    }
}

pub(crate) fn barrier(trigger: v1::TriggerCheckpoint) -> Result<Barrier, Failure> {
    Ok(Barrier {
        checkpoint_id: trigger.checkpoint_id,
        kind: kind(trigger.r#type)?,
        directory: trigger.directory,
        shared_directory: trigger.shared_directory,
        stop: trigger.stop,
        drain: trigger.drain,
        last_completed: trigger.last_completed,
    })
}

pub(crate) fn barrier_frame(barrier: &Barrier) -> v1::Barrier {
    let kind = match barrier.kind {
        BarrierKind::Checkpoint => SnapshotType::Checkpoint,
        BarrierKind::Savepoint => SnapshotType::Savepoint,
        BarrierKind::CommitOnly => SnapshotType::None,
    };
    v1::Barrier {
        checkpoint_id: barrier.checkpoint_id,
        r#type: kind.into(),
        directory: barrier.directory.clone(),
        shared_directory: barrier.shared_directory.clone(),
        stop: barrier.stop,
        last_completed: barrier.last_completed,
    }
}

pub(crate) fn barrier_of(frame: v1::Barrier) -> Result<Barrier, Failure> {
    Ok(Barrier {
        checkpoint_id: frame.checkpoint_id,
        kind: kind(frame.r#type)?,
        directory: frame.directory,
        shared_directory: frame.shared_directory,
        stop: frame.stop,
        // Only sources act on it, and they are told directly.
        drain: false,
        last_completed: frame.last_completed,
    })
}
