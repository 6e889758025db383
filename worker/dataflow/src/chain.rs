//! The chain: the operators of one task, called directly one after the other, depth first.
//!
//! Pending work is a stack, so that the task can wait for room in a channel between any two calls and an operator with
//! much output is asked for more only when what it gave has been passed on.

#![expect(clippy::cast_possible_truncation, reason = "counts are bounded by a batch, times by 292 million years")]

use std::sync::Arc;

use checkpoint::SubtaskState;
use model::{Batch, Failure, Watermark};
use state::{KeyedStore, PendingSnapshot};

use crate::{
    Barrier, EdgeWriter, Element, Flow, Operator, Output, Sink, Snapshot,
    dead_letter::DeadLetters,
    element::BarrierKind,
    metrics::{TaskMetrics, add},
    not_null::NotNull,
    sink::Committable,
};

/// Where a chained operator's output goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// To the operator at this position of the chain, on port 0.
    Operator(usize),
    /// Over the edge writer at this position.
    Edge(usize),
    /// Into the sink at this position.
    Sink(usize),
}

/// An operator in its chain.
pub struct Link {
    /// Its uid.
    pub uid: String,
    /// The operator.
    pub operator: Box<dyn Operator>,
    /// Its keyed state.
    pub store: KeyedStore,
    /// Where its output goes.
    pub targets: Vec<Target>,
}

/// A sink at the end of a chain.
pub struct SinkLink {
    /// Its uid.
    pub uid: String,
    /// The sink.
    pub sink: Box<dyn Sink>,
    /// What holds for the rows that it takes.
    pub not_null: NotNull,
    /// Prepared and not yet committed, oldest first, each with the checkpoint that prepared it.
    pub pending: Vec<(u64, Committable)>,
    /// The name of the operator state that holds what is not yet committed.
    pub list: &'static str,
}

/// The name of the operator state that holds a sink's uncommitted committables.
pub const COMMITTABLES: &str = "committables";

/// The operators, edges and sinks of one task.
pub struct Chain {
    /// Where rows enter: the head operator, or the targets of a source.
    pub entry: Vec<Target>,
    /// The operators, each before those it feeds.
    pub links: Vec<Link>,
    /// The edges to other tasks.
    pub writers: Vec<EdgeWriter>,
    /// The sinks.
    pub sinks: Vec<SinkLink>,
    /// Where records go that no result has.
    pub dead_letters: Option<DeadLetters>,
    /// Counters of the task.
    pub metrics: Arc<TaskMetrics>,
    work: Vec<Work>,
    output: Output,
}

/// Something every operator of the chain is told, each before those behind it.
#[derive(Clone, Copy, Debug)]
enum Signal {
    Watermark(Watermark),
    Flush,
}

enum Work {
    Rows(Target, usize, Batch),
    Signal(Target, Signal),
    /// Rows that came too late for the operator.
    Late(usize, Batch),
    /// Ask the operator for more, then pass the signal on that it was called for.
    Resume(usize, Option<Signal>),
}

/// The state of one operator that is still to be written.
pub struct OperatorSnapshot {
    /// The operator's uid.
    pub uid: String,
    /// Its operator state.
    pub state: SubtaskState,
    /// Its keyed state.
    pub keyed: Option<PendingSnapshot>,
}

impl Chain {
    /// A chain of these parts.
    pub fn new(
        entry: Vec<Target>,
        links: Vec<Link>,
        writers: Vec<EdgeWriter>,
        sinks: Vec<SinkLink>,
        metrics: Arc<TaskMetrics>,
    ) -> Self {
        Self { entry, links, writers, sinks, dead_letters: None, metrics, work: Vec::new(), output: Output::default() }
    }

    /// Sends records that no result has to a table from now on.
    pub fn keep_dead_letters(&mut self, dead_letters: DeadLetters) {
        self.output.keep_late();
        self.dead_letters = Some(dead_letters);
    }

    /// Processes rows that entered on a port.
    ///
    /// # Errors
    /// The first error of an operator, sink or edge.
    pub async fn rows(&mut self, port: usize, batch: Batch) -> Result<(), Failure> {
        let Some((last, others)) = self.entry.split_last() else { return Ok(()) };
        self.work.push(Work::Rows(*last, port, batch.clone()));
        self.work.extend(others.iter().rev().map(|target| Work::Rows(*target, port, batch.clone())));
        drop(batch);
        self.work().await
    }

    /// Passes a watermark through all operators and out of the task.
    ///
    /// # Errors
    /// As [`Chain::rows`].
    pub async fn watermark(&mut self, watermark: Watermark) -> Result<(), Failure> {
        self.metrics.watermark_ms.store(watermark.0, std::sync::atomic::Ordering::Relaxed);
        self.signal(Signal::Watermark(watermark)).await
    }

    /// The earliest processing time that an operator waits for.
    pub fn timer(&self) -> Option<i64> {
        self.links.iter().filter_map(|link| link.operator.timer()).min()
    }

    /// Tells the operators that wait for it that processing time has come this far.
    ///
    /// # Errors
    /// As [`Chain::rows`].
    pub async fn processing_time(&mut self, now_ms: i64) -> Result<(), Failure> {
        for index in 0..self.links.len() {
            let operator = &mut self.links[index].operator;
            if operator.timer().is_some_and(|timer| timer <= now_ms) {
                let flow = operator.processing_time(now_ms, &mut self.output)?;
                self.follow(index, flow, None);
                self.work().await?;
            }
        }
        Ok(())
    }

    /// Makes all operators and edges emit what they hold back.
    ///
    /// # Errors
    /// As [`Chain::rows`].
    pub async fn flush(&mut self) -> Result<(), Failure> {
        self.signal(Signal::Flush).await
    }

    /// Sends what edges have collected, without asking the operators.
    ///
    /// # Errors
    /// As [`Chain::rows`].
    pub async fn flush_edges(&mut self) -> Result<(), Failure> {
        for writer in &mut self.writers {
            writer.flush().await?;
        }
        Ok(())
    }

    /// Whether edges have collected rows.
    pub fn has_collected(&self) -> bool {
        self.writers.iter().any(EdgeWriter::has_collected)
    }

    /// Sends a control element out of the task.
    ///
    /// # Errors
    /// As [`Chain::rows`].
    pub async fn broadcast(&mut self, element: &Element) -> Result<(), Failure> {
        for writer in &mut self.writers {
            writer.broadcast(element.clone()).await?;
        }
        Ok(())
    }

    async fn signal(&mut self, signal: Signal) -> Result<(), Failure> {
        self.work.extend(self.entry.iter().rev().map(|target| Work::Signal(*target, signal)));
        self.work().await
    }

    async fn work(&mut self) -> Result<(), Failure> {
        while let Some(work) = self.work.pop() {
            match work {
                Work::Rows(Target::Operator(index), port, batch) => {
                    let flow = self.links[index].operator.process(port, batch, &mut self.output)?;
                    self.follow(index, flow, None);
                }
                Work::Rows(Target::Edge(index), _, batch) => {
                    add(&self.metrics.records_out, batch.rows() as u64);
                    add(&self.metrics.bytes_out, batch.size_bytes() as u64);
                    self.writers[index].write(batch).await?;
                    add(&self.metrics.back_pressured_us, self.writers[index].take_waited().as_micros() as u64);
                }
                Work::Rows(Target::Sink(index), _, batch) => {
                    add(&self.metrics.records_out, batch.rows() as u64);
                    let batch = self.sinks[index].not_null.enforce(batch)?;
                    self.sinks[index].sink.write(batch).await?;
                }
                Work::Signal(Target::Operator(index), signal) => {
                    let operator = &mut self.links[index].operator;
                    let flow = match signal {
                        Signal::Watermark(watermark) => operator.watermark(watermark, &mut self.output)?,
                        Signal::Flush => operator.flush(&mut self.output)?,
                    };
                    self.follow(index, flow, Some(signal));
                }
                Work::Signal(Target::Edge(index), Signal::Watermark(watermark)) => {
                    self.writers[index].broadcast(Element::Watermark(watermark)).await?;
                }
                Work::Signal(Target::Edge(index), Signal::Flush) => self.writers[index].flush().await?,
                Work::Signal(Target::Sink(index), Signal::Watermark(watermark)) => {
                    self.sinks[index].sink.watermark(watermark);
                }
                Work::Signal(Target::Sink(_), Signal::Flush) => {}
                Work::Late(index, batch) => {
                    if let Some(dead_letters) = &mut self.dead_letters {
                        dead_letters.late(&self.links[index].uid, &batch).await?;
                    }
                }
                Work::Resume(index, then) => {
                    let flow = self.links[index].operator.resume(&mut self.output)?;
                    self.follow(index, flow, then);
                }
            }
        }
        Ok(())
    }

    /// Puts what follows a call of an operator on the stack: its output first, then the rest of the call, then the signal.
    fn follow(&mut self, index: usize, flow: Flow, signal: Option<Signal>) {
        match (flow, signal) {
            (Flow::More, signal) => self.work.push(Work::Resume(index, signal)),
            (Flow::Done, Some(signal)) => {
                let signal = match signal {
                    Signal::Watermark(at) => Signal::Watermark(self.links[index].operator.output_watermark(at)),
                    Signal::Flush => signal,
                };
                let targets = self.links[index].targets.iter().rev();
                self.work.extend(targets.map(|target| Work::Signal(*target, signal)));
            }
            (Flow::Done, None) => {}
        }
        add(&self.metrics.late_rows, self.output.take_late());
        self.work.extend(self.output.take_late_rows().into_iter().map(|batch| Work::Late(index, batch)));
        for batch in self.output.take().into_iter().rev() {
            for target in self.links[index].targets.iter().rev() {
                self.work.push(Work::Rows(*target, 0, batch.clone()));
            }
        }
    }

    /// The synchronous part of a snapshot, after [`Chain::flush`] and after the barrier has been sent on.
    ///
    /// # Errors
    /// If an operator cannot hand over its state or a sink cannot prepare.
    pub async fn snapshot(&mut self, barrier: &Barrier, subtask: u32) -> Result<Vec<OperatorSnapshot>, Failure> {
        let mut snapshots = Vec::with_capacity(self.links.len() + self.sinks.len());
        if barrier.kind != BarrierKind::CommitOnly {
            for link in &mut self.links {
                link.store.checkpoint_completed(barrier.last_completed);
                let mut snapshot = Snapshot::default();
                link.operator.snapshot(&mut snapshot)?;
                let savepoint = barrier.kind == BarrierKind::Savepoint;
                let keyed = link.store.snapshot(snapshot.tables, savepoint)?;
                let state = SubtaskState { subtask, keyed: None, lists: snapshot.lists };
                snapshots.push(OperatorSnapshot { uid: link.uid.clone(), state, keyed: Some(keyed) });
            }
        }
        for link in self.sinks.iter_mut().chain(self.dead_letters.iter_mut().map(|letters| &mut letters.link)) {
            let prepared = link.sink.prepare().await?;
            link.pending.extend(prepared.into_iter().map(|item| (barrier.checkpoint_id, item)));
            let items: Vec<_> = link.pending.iter().map(|(_, item)| item.clone()).collect();
            let mut state = SubtaskState { subtask, ..SubtaskState::default() };
            if !items.is_empty() {
                state.lists.insert(link.list.to_owned(), items);
            }
            snapshots.push(OperatorSnapshot { uid: link.uid.clone(), state, keyed: None });
        }
        Ok(snapshots)
    }

    /// Checkpoint `checkpoint_id` is complete: commits what sinks prepared up to it.
    ///
    /// # Errors
    /// If a commit fails or its outcome is unknown.
    pub async fn completed(&mut self, checkpoint_id: u64, commit: bool) -> Result<(), Failure> {
        if !commit {
            return Ok(());
        }
        for link in &mut self.links {
            link.store.checkpoint_completed(checkpoint_id);
        }
        for link in self.sinks.iter_mut().chain(self.dead_letters.iter_mut().map(|letters| &mut letters.link)) {
            let due: Vec<_> =
                link.pending.iter().filter(|(id, _)| *id <= checkpoint_id).map(|(_, item)| item.clone()).collect();
            if !due.is_empty() {
                link.sink.commit(&due).await?;
                link.pending.retain(|(id, _)| *id > checkpoint_id);
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use async_trait::async_trait;

    use super::*;

    /// Keeps the watermarks it is told of.
    struct Told(Arc<Mutex<Vec<Watermark>>>);

    #[async_trait]
    impl Sink for Told {
        fn watermark(&mut self, watermark: Watermark) {
            self.0.lock().expect("one thread").push(watermark);
        }

        async fn write(&mut self, _: Batch) -> Result<(), Failure> {
            Ok(())
        }

        async fn prepare(&mut self) -> Result<Vec<Committable>, Failure> {
            Ok(Vec::new())
        }

        async fn commit(&mut self, _: &[Committable]) -> Result<(), Failure> {
            Ok(())
        }
    }

    #[tokio::test]
    async fn sinks_are_told_of_event_time() {
        let told = Arc::<Mutex<Vec<Watermark>>>::default();
        let sink = Box::new(Told(Arc::clone(&told)));
        let not_null = NotNull::default();
        let link = SinkLink { uid: "sink".to_owned(), sink, not_null, pending: Vec::new(), list: COMMITTABLES };
        let metrics = Arc::<TaskMetrics>::default();
        let mut chain = Chain::new(vec![Target::Sink(0)], Vec::new(), Vec::new(), vec![link], metrics);
        for watermark in [Watermark(7), Watermark::MAX] {
            chain.watermark(watermark).await.expect("nothing fails");
        }
        assert_eq!(*told.lock().expect("one thread"), [Watermark(7), Watermark::MAX]);
    }
}
