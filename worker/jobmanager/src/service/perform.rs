//! Performs the actions of the core: messages to TaskManagers, and work on storage beside the control loop.

use std::{panic::AssertUnwindSafe, pin::Pin, sync::Arc};

use checkpoint::Manifest;
use futures::FutureExt;
use model::Failure;
use storage::Storage;
use tokio::sync::Mutex;

use super::Service;
use crate::{
    api::JobId,
    event::{Action, Event},
    ledger::Ledger,
};

/// Deletes files after the event of the work has been delivered.
type Deletion = Pin<Box<dyn Future<Output = ()> + Send>>;

impl Service {
    pub(super) fn perform(&mut self, action: Action, fenced: &mut Option<Failure>) {
        match action {
            Action::Send(link, message) => {
                let Some(outbound) = self.links.get(&link).map(|link| &link.outbound) else { return };
                if let Err(error) = outbound.try_send(message) {
                    tracing::warn!(link, "a TaskManager does not read its messages: {error}");
                    self.close(link);
                    let messages = self.messages_sender.clone();
                    self.work.spawn(async move {
                        // The service itself reads them.
                        let _ = messages.send(Event::Detached(link)).await;
                        None
                    });
                }
            }
            Action::Close(link) => self.close(link),
            Action::Open(job, spec) => {
                let ledger = Ledger::new(self.storage.clone(), job.clone(), self.owner.clone(), spec);
                self.ledgers.insert(job, Arc::new(Mutex::new(ledger)));
            }
            Action::Answer(request, answer) => {
                if let Some(sender) = self.answers.remove(&request) {
                    let _ = sender.send(answer);
                }
            }
            Action::Fenced(failure) => *fenced = Some(failure),
            Action::Recover(job) => self.recover(job),
            Action::Enumerate { job, number, graph, restored } => {
                let enumerator = Arc::clone(&self.enumerator);
                self.work.spawn(async move {
                    // A connector that panics costs its job, not the JobManager.
                    let listing = AssertUnwindSafe(enumerator.enumerate(graph, restored)).catch_unwind().await;
                    let listing = listing.unwrap_or_else(|_| Err(Failure::internal("listing splits panicked")));
                    Some(Event::Enumerated(job, number, listing))
                });
            }
            Action::Verify(job) => self.with_ledger(job, |job, ledger, _| async move {
                let result = ledger.lock().await.refresh().await.map(drop);
                (Some(Event::Verified(job, result)), None)
            }),
            Action::Commit { job, manifest, directory, advance } => self.commit(job, manifest, directory, advance),
            Action::End(job, state) => self.with_ledger(job, move |job, ledger, _| async move {
                let result = ledger.lock().await.end(&state).await;
                (Some(Event::Ended(job, result)), None)
            }),
            Action::Discard(job, directory) => self.with_ledger(job, move |job, ledger, storage| async move {
                let garbage = ledger.lock().await.of_checkpoint(&directory).await;
                match garbage {
                    Ok(garbage) => garbage.delete(&storage).await,
                    Err(failure) => tracing::warn!(job, "an unfinished checkpoint stays: {failure}"),
                }
                (None, None)
            }),
        }
    }

    fn commit(&mut self, job: JobId, manifest: Box<Manifest>, directory: String, advance: bool) {
        self.with_ledger(job, move |job, ledger, storage| async move {
            let mut ledger = ledger.lock().await;
            let id = manifest.checkpoint_id;
            let result = ledger.commit(*manifest, &directory, advance).await;
            let records = if advance && result.is_ok() { Some(ledger.obsolete_records().await) } else { None };
            drop(ledger);
            let (garbage, result) = match result {
                Ok(garbage) => ([Some(garbage), records], Ok(())),
                Err(failure) => ([None, None], Err(failure)),
            };
            let deletion = async move {
                for garbage in garbage.into_iter().flatten() {
                    garbage.delete(&storage).await;
                }
            };
            (Some(Event::Committed(job, id, result)), Some(Box::pin(deletion) as Deletion))
        });
    }

    fn recover(&mut self, job: JobId) {
        self.with_ledger(job, |job, ledger, storage| async move {
            let mut guard = ledger.lock().await;
            let result = guard.recover().await;
            drop(guard);
            let is_first = result.as_ref().is_ok_and(|recovery| recovery.ended.is_none());
            let sweep = async move {
                let garbage = ledger.lock().await.leftovers().await;
                match garbage {
                    Ok(garbage) => garbage.delete(&storage).await,
                    Err(failure) => tracing::warn!("leftovers of earlier JobManagers stay: {failure}"),
                }
            };
            (Some(Event::Recovered(job, result)), is_first.then(|| Box::pin(sweep) as Deletion))
        });
    }

    /// Runs storage work of a job: first what yields the event, then, behind it, deletions.
    fn with_ledger<F, W>(&mut self, job: JobId, work: F)
    where
        F: FnOnce(JobId, Arc<Mutex<Ledger>>, Storage) -> W,
        W: Future<Output = (Option<Event>, Option<Deletion>)> + Send + 'static,
    {
        let Some(ledger) = self.ledgers.get(&job) else { return };
        let work = work(job, Arc::clone(ledger), self.storage.clone());
        let messages = self.messages_sender.clone();
        self.work.spawn(async move {
            let (event, deletion) = work.await;
            let Some(deletion) = deletion else { return event };
            if let Some(event) = event {
                // The service has ended: nothing may be deleted any more.
                messages.send(event).await.ok()?;
            }
            deletion.await;
            None
        });
    }
}
