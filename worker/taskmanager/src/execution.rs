//! One task on its slot: assembles it, runs it, and reports its end, a panic included.

use std::{panic::AssertUnwindSafe, sync::Arc};

use dataflow::{JobContext, TaskEvent, Wiring, assemble};
use futures::FutureExt;
use model::Failure;
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;
use wire::v1::{SubtaskId, TaskState, ToJobManager};

use crate::messages;

/// Assembles and runs a task until it ends or is cancelled.
pub(crate) async fn execute(
    job: Arc<JobContext>,
    id: SubtaskId,
    wiring: Wiring,
    cancel: CancellationToken,
    ended: oneshot::Sender<Result<(), Failure>>,
) {
    let run = async {
        let task = assemble(&job, id.vertex as usize, id.subtask, wiring).await?;
        task.run().await
    };
    let result = tokio::select! {
        biased;
        () = cancel.cancelled() => Ok(()),
        result = AssertUnwindSafe(run).catch_unwind() => {
            result.unwrap_or_else(|panic| Err(Failure::internal(format!("a task panicked: {}", text_of(&*panic)))))
        }
    };
    // The reporter is gone only when the TaskManager is.
    let _ = ended.send(result);
}

fn text_of(panic: &(dyn std::any::Any + Send)) -> &str {
    panic.downcast_ref::<String>().map(String::as_str).or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("")
}

/// Passes a task's events on to the JobManager, its end last.
pub(crate) async fn report(
    id: SubtaskId,
    mut events: mpsc::Receiver<TaskEvent>,
    mut ended: oneshot::Receiver<Result<(), Failure>>,
    outbound: mpsc::Sender<ToJobManager>,
) {
    let result = loop {
        tokio::select! {
            biased;
            Some(event) = events.recv() => send(&id, event, &outbound).await,
            result = &mut ended => break result,
        }
    };
    while let Ok(event) = events.try_recv() {
        send(&id, event, &outbound).await;
    }
    let last = match result {
        Ok(Ok(())) => messages::status(id, TaskState::Canceled, None),
        Ok(Err(failure)) => {
            tracing::warn!(vertex = id.vertex, subtask = id.subtask, class = %failure.class, "task failed: {failure}");
            messages::status(id, TaskState::Failed, Some(failure))
        }
        Err(_) => messages::status(id, TaskState::Failed, Some(Failure::internal("a slot's thread has ended"))),
    };
    // The JobManager is gone: it will learn from the lost connection.
    let _ = outbound.send(last).await;
}

async fn send(id: &SubtaskId, event: TaskEvent, outbound: &mpsc::Sender<ToJobManager>) {
    let message = match event {
        TaskEvent::Running => messages::status(id.clone(), TaskState::Running, None),
        TaskEvent::Finished => messages::status(id.clone(), TaskState::Finished, None),
        TaskEvent::Checkpointed(report) => messages::ack(id.clone(), report),
        TaskEvent::Declined(checkpoint_id, failure) => messages::declined(id.clone(), checkpoint_id, failure),
    };
    // As above.
    let _ = outbound.send(message).await;
}
