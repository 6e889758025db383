//! The task loop: reads a gate or a source, drives the chain, and answers barriers and commands.
//!
//! A task that has processed all input stays until it is released: it still answers barriers, so that the last
//! checkpoint of a bounded job is like any other and its sinks can commit.

#![expect(clippy::cast_possible_truncation, reason = "counts are bounded by a batch, times by 292 million years")]
#![expect(clippy::disallowed_methods, reason = "owns the loop of a task, its deadlines and its times")]

use std::{
    collections::{BTreeMap, btree_map::Entry},
    sync::Arc,
    time::{Duration, Instant},
};

use checkpoint::SubtaskState;
use model::{Failure, Watermark};
use storage::Storage;
use tokio::{runtime::Handle, sync::mpsc};

use crate::{
    Barrier, Chain, Clock, Element, Gate, GateEvent, Reader, ReaderEvent, Snapshot,
    chain::OperatorSnapshot,
    gate::Alignment,
    metrics::{TaskMetrics, add},
    watermark::Change,
};

/// A command for a task.
#[derive(Clone, Debug)]
pub enum TaskCommand {
    /// Sources put this barrier into their stream.
    Trigger(Arc<Barrier>),
    /// A checkpoint is complete; with `commit`, sinks commit.
    Completed {
        /// The checkpoint.
        checkpoint_id: u64,
        /// Whether sinks commit what they prepared up to it.
        commit: bool,
    },
    /// The task may end.
    Release,
}

/// What a task tells.
#[derive(Debug)]
pub enum TaskEvent {
    /// It is restored and reads.
    Running,
    /// It has processed all input.
    Finished,
    /// Its state of a checkpoint is durable.
    Checkpointed(CheckpointReport),
    /// Its state of a checkpoint could not be written; the task goes on.
    Declined(u64, Failure),
}

/// One task's part of a checkpoint.
#[derive(Debug)]
pub struct CheckpointReport {
    /// The checkpoint.
    pub checkpoint_id: u64,
    /// State by operator uid.
    pub states: BTreeMap<String, SubtaskState>,
    /// Bytes of state files.
    pub bytes: u64,
    /// Milliseconds between the first and the last barrier.
    pub alignment_ms: u64,
    /// Milliseconds for which the slot stood still.
    pub sync_ms: u64,
    /// Milliseconds of writing beside the processing.
    pub async_ms: u64,
}

/// Where a task's rows come from.
pub enum Input {
    /// A source, with its uid.
    Source(String, Reader),
    /// Channels from other tasks.
    Gate(Gate),
}

/// Timers of a task.
#[derive(Clone, Copy, Debug)]
pub struct Timing {
    /// How long rows may wait in edges.
    pub buffer_timeout: Duration,
    /// How long operators may hold rows back; none: until a barrier or the end.
    pub mini_batch_latency: Option<Duration>,
}

/// A task ready to run on its slot's thread.
pub struct Task {
    /// Which subtask of its vertex it is.
    pub subtask: u32,
    /// Its input.
    pub input: Input,
    /// Its operators.
    pub chain: Chain,
    /// Commands of the TaskManager.
    pub commands: mpsc::Receiver<TaskCommand>,
    /// Events for the TaskManager.
    pub events: mpsc::Sender<TaskEvent>,
    /// Where state files go.
    pub storage: Storage,
    /// The runtime for the asynchronous part of snapshots.
    pub runtime: Handle,
    /// Timers.
    pub timing: Timing,
    /// Processing time.
    pub clock: Arc<dyn Clock>,
}

enum Event {
    Command(Option<TaskCommand>),
    Gate(GateEvent),
    Reader(Result<ReaderEvent, Failure>),
    Timer,
}

/// No timer of the operators is waited for longer, should the clock be set.
const TIMER_MS_MAX: u64 = 10_000;

/// What remains between two events.
struct Progress {
    metrics: Arc<TaskMetrics>,
    /// When rows were first collected in an edge since the last flush.
    collected_since: Option<Instant>,
    last_flush: Instant,
    /// No rows follow: a barrier that stops the job has passed.
    stopped: bool,
    /// All input has been processed.
    ended: bool,
}

impl Task {
    /// Runs until released. Drop the future to cancel.
    ///
    /// # Errors
    /// The first error of an operator, source, sink or snapshot.
    pub async fn run(mut self) -> Result<(), Failure> {
        let mut progress = Progress {
            metrics: Arc::clone(&self.chain.metrics),
            collected_since: None,
            last_flush: Instant::now(),
            stopped: false,
            ended: false,
        };
        self.tell(TaskEvent::Running).await;
        loop {
            let waited = Instant::now();
            let event = self.next(&progress).await;
            let started = Instant::now();
            add(&progress.metrics.idle_us, (started - waited).as_micros() as u64);
            if !self.handle(event, &mut progress).await? {
                return Ok(());
            }
            if self.operators_deadline(&progress).is_some_and(|deadline| deadline <= Instant::now()) {
                self.chain.processing_time(self.clock.now_ms()).await?;
            }
            self.flush_when_due(&mut progress).await?;
            add(&progress.metrics.busy_us, started.elapsed().as_micros() as u64);
            // The tasks of a slot share its thread.
            tokio::task::yield_now().await;
        }
    }

    async fn next(&mut self, progress: &Progress) -> Event {
        let deadline = self.deadline(progress).into_iter().chain(self.operators_deadline(progress)).min();
        let timer = async {
            match deadline {
                Some(deadline) => tokio::time::sleep_until(deadline.into()).await,
                None => std::future::pending().await,
            }
        };
        let input = async {
            match &mut self.input {
                Input::Gate(gate) => Event::Gate(gate.next().await),
                Input::Source(..) if progress.stopped => std::future::pending().await,
                Input::Source(_, reader) => Event::Reader(reader.next().await),
            }
        };
        tokio::select! {
            biased;
            command = self.commands.recv() => Event::Command(command),
            event = input => event,
            () = timer => Event::Timer,
        }
    }

    fn deadline(&self, progress: &Progress) -> Option<Instant> {
        let edges = progress.collected_since.map(|since| since + self.timing.buffer_timeout);
        let operators = self.timing.mini_batch_latency.map(|latency| progress.last_flush + latency);
        edges.into_iter().chain(operators).min()
    }

    /// When an operator wants the processing time next. Rows may not follow the end of the input, nor a barrier that
    /// stops the job.
    fn operators_deadline(&self, progress: &Progress) -> Option<Instant> {
        if progress.ended || progress.stopped {
            return None;
        }
        let left = self.chain.timer()?.saturating_sub(self.clock.now_ms());
        Some(Instant::now() + Duration::from_millis(u64::try_from(left).unwrap_or(0).min(TIMER_MS_MAX)))
    }

    async fn flush_when_due(&mut self, progress: &mut Progress) -> Result<(), Failure> {
        if !self.chain.has_collected() {
            progress.collected_since = None;
        } else if progress.collected_since.is_none() {
            progress.collected_since = Some(Instant::now());
        }
        if self.deadline(progress).is_none_or(|deadline| Instant::now() < deadline) {
            return Ok(());
        }
        if self.timing.mini_batch_latency.is_some_and(|latency| progress.last_flush.elapsed() >= latency) {
            self.chain.flush().await?;
            progress.last_flush = Instant::now();
        }
        self.chain.flush_edges().await?;
        progress.collected_since = None;
        Ok(())
    }

    /// Handles one event; false when the task may end.
    async fn handle(&mut self, event: Event, progress: &mut Progress) -> Result<bool, Failure> {
        match event {
            Event::Timer => {}
            Event::Command(None | Some(TaskCommand::Release)) => return Ok(false),
            Event::Command(Some(TaskCommand::Completed { checkpoint_id, commit })) => {
                self.chain.completed(checkpoint_id, commit).await?;
            }
            Event::Command(Some(TaskCommand::Trigger(barrier))) => {
                if barrier.stop && barrier.drain {
                    self.time(Change { watermark: Some(Watermark::MAX), idle: Some(false) }).await?;
                }
                progress.stopped |= barrier.stop;
                self.checkpoint(&barrier, Alignment::default()).await?;
            }
            Event::Gate(GateEvent::Batch(port, batch)) => self.rows(port, batch, progress).await?,
            Event::Reader(event) => {
                let event = event?;
                self.reject().await?;
                match event {
                    ReaderEvent::Rows(batch) => self.rows(0, batch, progress).await?,
                    ReaderEvent::Time(change) => self.time(change).await?,
                    ReaderEvent::End => self.end(progress).await?,
                }
            }
            Event::Gate(GateEvent::Time(change)) => self.time(change).await?,
            Event::Gate(GateEvent::Aligned(barrier, alignment)) => {
                progress.stopped |= barrier.stop;
                self.checkpoint(&barrier, alignment).await?;
            }
            Event::Gate(GateEvent::End) => self.end(progress).await?,
        }
        Ok(true)
    }

    async fn rows(&mut self, port: usize, batch: model::Batch, progress: &Progress) -> Result<(), Failure> {
        add(&progress.metrics.records_in, batch.rows() as u64);
        add(&progress.metrics.bytes_in, batch.size_bytes() as u64);
        self.count_skipped();
        self.chain.rows(port, batch).await
    }

    /// Passes on what the source could not read. Before a barrier too, so that it is on the same side as the source's
    /// position.
    async fn reject(&mut self) -> Result<(), Failure> {
        let Input::Source(uid, reader) = &mut self.input else { return Ok(()) };
        if let Some(dead_letters) = &mut self.chain.dead_letters {
            let rejected = reader.source().take_rejected();
            if !rejected.is_empty() {
                dead_letters.malformed(uid, &rejected).await?;
            }
        }
        Ok(())
    }

    fn count_skipped(&mut self) {
        if let Input::Source(_, reader) = &mut self.input {
            let skipped = reader.source().skipped_rows();
            self.chain.metrics.skipped_rows.store(skipped, std::sync::atomic::Ordering::Relaxed);
        }
    }

    async fn time(&mut self, change: Change) -> Result<(), Failure> {
        // A consumer takes no watermark from an idle input.
        if change.idle == Some(false) {
            self.chain.broadcast(&Element::Idle(false)).await?;
        }
        if let Some(watermark) = change.watermark {
            self.chain.watermark(watermark).await?;
        }
        if change.idle == Some(true) {
            // What operators hold back would be late behind the time that others tell from here on.
            self.chain.flush().await?;
            self.chain.broadcast(&Element::Idle(true)).await?;
        }
        Ok(())
    }

    async fn end(&mut self, progress: &mut Progress) -> Result<(), Failure> {
        progress.ended = true;
        self.count_skipped();
        self.chain.flush().await?;
        self.chain.broadcast(&Element::End).await?;
        self.tell(TaskEvent::Finished).await;
        Ok(())
    }

    async fn checkpoint(&mut self, barrier: &Arc<Barrier>, alignment: Alignment) -> Result<(), Failure> {
        let started = Instant::now();
        self.reject().await?;
        self.chain.flush().await?;
        self.chain.broadcast(&Element::Barrier(Arc::clone(barrier))).await?;
        let mut snapshots = Vec::new();
        if let Input::Source(uid, reader) = &mut self.input
            && barrier.kind != crate::BarrierKind::CommitOnly
        {
            let mut snapshot = Snapshot::default();
            reader.source().snapshot(&mut snapshot)?;
            let state = SubtaskState { subtask: self.subtask, keyed: None, lists: snapshot.lists };
            snapshots.push(OperatorSnapshot { uid: uid.clone(), state, keyed: None });
        }
        snapshots.extend(self.chain.snapshot(barrier, self.subtask).await?);
        let report = CheckpointReport {
            checkpoint_id: barrier.checkpoint_id,
            states: BTreeMap::new(),
            bytes: 0,
            alignment_ms: alignment.duration_ms,
            sync_ms: started.elapsed().as_millis() as u64,
            async_ms: 0,
        };
        let (storage, events, barrier) = (self.storage.clone(), self.events.clone(), Arc::clone(barrier));
        self.runtime.spawn(async move {
            let event = match write(snapshots, &storage, &barrier, report).await {
                Ok(report) => TaskEvent::Checkpointed(report),
                Err(failure) => TaskEvent::Declined(barrier.checkpoint_id, failure),
            };
            // The receiver is gone only when the task was cancelled.
            let _ = events.send(event).await;
        });
        Ok(())
    }

    async fn tell(&self, event: TaskEvent) {
        // The receiver is gone only when the task was cancelled.
        let _ = self.events.send(event).await;
    }
}

/// The asynchronous part of a snapshot.
async fn write(
    snapshots: Vec<OperatorSnapshot>,
    storage: &Storage,
    barrier: &Barrier,
    mut report: CheckpointReport,
) -> Result<CheckpointReport, Failure> {
    let started = Instant::now();
    for OperatorSnapshot { uid, mut state, keyed } in snapshots {
        if let Some(list) = state.lists.keys().find(|list| model::stored::of_list(list).is_none()) {
            return Err(crate::assembly::unregistered("operator state", list).at(format_args!("state of {uid}")));
        }
        if let Some(keyed) = keyed {
            state.keyed = keyed
                .write(storage, &barrier.directory, &barrier.shared_directory, barrier.checkpoint_id)
                .await
                .map_err(|failure| failure.at(format_args!("state of {uid}")))?;
        }
        if let Some(keyed) = &state.keyed {
            report.bytes += keyed.files.iter().map(|file| file.size).sum::<u64>();
        }
        if state.keyed.is_some() || !state.lists.is_empty() {
            match report.states.entry(uid) {
                Entry::Vacant(place) => {
                    place.insert(state);
                }
                // The dead letters of the task are with its first operator.
                Entry::Occupied(place) => place.into_mut().lists.extend(state.lists),
            }
        }
    }
    report.async_ms = started.elapsed().as_millis() as u64;
    Ok(report)
}

#[cfg(test)]
mod tests;
