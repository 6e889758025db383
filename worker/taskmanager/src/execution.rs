//! One task on its slot: assembles it, runs it, and reports its end, a panic included.

use std::{panic::AssertUnwindSafe, sync::Arc};

use dataflow::{JobContext, TaskEvent, TaskMetrics, Wiring, assemble};
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

/// Tells the JobManager of one task.
pub(crate) struct Reporter {
    pub(crate) id: SubtaskId,
    pub(crate) metrics: Arc<TaskMetrics>,
    pub(crate) outbound: mpsc::Sender<ToJobManager>,
}

impl Reporter {
    /// Passes the task's events on, its end last.
    pub(crate) async fn report(
        self,
        mut events: mpsc::Receiver<TaskEvent>,
        mut ended: oneshot::Receiver<Result<(), Failure>>,
    ) {
        let result = loop {
            tokio::select! {
                biased;
                Some(event) = events.recv() => self.send(event).await,
                result = &mut ended => break result,
            }
        };
        while let Ok(event) = events.try_recv() {
            self.send(event).await;
        }
        let last = match result {
            Ok(Ok(())) => self.status(TaskState::Canceled, None),
            Ok(Err(failure)) => {
                let SubtaskId { vertex, subtask, .. } = self.id;
                tracing::warn!(vertex, subtask, class = %failure.class, "task failed: {failure}");
                self.status(TaskState::Failed, Some(failure))
            }
            Err(_) => self.status(TaskState::Failed, Some(Failure::internal("a slot's thread has ended"))),
        };
        // The JobManager is gone: it will learn from the lost connection.
        let _ = self.outbound.send(last).await;
    }

    async fn send(&self, event: TaskEvent) {
        let message = match event {
            TaskEvent::Running => self.status(TaskState::Running, None),
            TaskEvent::Finished => self.status(TaskState::Finished, None),
            TaskEvent::Checkpointed(report) => messages::ack(self.id.clone(), report),
            TaskEvent::Declined(checkpoint_id, failure) => messages::declined(self.id.clone(), checkpoint_id, failure),
        };
        // As above.
        let _ = self.outbound.send(message).await;
    }

    fn status(&self, state: TaskState, failure: Option<Failure>) -> ToJobManager {
        messages::status(self.id.clone(), state, failure, Some(&self.metrics))
    }
}
