//! The task loop and processing time.

use std::sync::atomic::{AtomicI64, Ordering::Relaxed};

use arrow::array::{Int64Array, RecordBatch};
use graph::Partitioning;
use model::Batch;
use state::{Backend, KeyedStore, StoreOptions};
use storage::{Storage, StorageOptions};
use tokio::sync::Notify;

use super::*;
use crate::{
    ChannelReceiver, Clock, EdgeWriter, Flow, Operator, Output,
    chain::{Link, Target},
    channel,
};

struct SetClock(AtomicI64);

impl Clock for SetClock {
    fn now_ms(&self) -> i64 {
        self.0.load(Relaxed)
    }
}

/// Holds rows back until a time.
struct Hold {
    until: i64,
    held: Vec<Batch>,
}

impl Operator for Hold {
    fn process(&mut self, _port: usize, batch: Batch, _output: &mut Output) -> Result<Flow, Failure> {
        self.held.push(batch);
        Ok(Flow::Done)
    }

    fn resume(&mut self, output: &mut Output) -> Result<Flow, Failure> {
        // One batch at a time.
        self.held.pop().into_iter().for_each(|batch| output.emit(batch));
        Ok(if self.held.is_empty() { Flow::Done } else { Flow::More })
    }

    fn watermark(&mut self, _watermark: Watermark, _output: &mut Output) -> Result<Flow, Failure> {
        Ok(Flow::Done)
    }

    fn timer(&self) -> Option<i64> {
        (!self.held.is_empty()).then_some(self.until)
    }

    fn processing_time(&mut self, now_ms: i64, output: &mut Output) -> Result<Flow, Failure> {
        assert!(now_ms >= self.until, "called too early");
        self.resume(output)
    }

    fn flush(&mut self, _output: &mut Output) -> Result<Flow, Failure> {
        Ok(Flow::Done)
    }

    fn snapshot(&mut self, _snapshot: &mut Snapshot) -> Result<(), Failure> {
        Ok(())
    }
}

fn batch() -> Batch {
    let column = Arc::new(Int64Array::from(vec![1, 2])) as arrow::array::ArrayRef;
    Batch::append(RecordBatch::try_from_iter([("n", column)]).unwrap())
}

/// Lets the task have more turns than it has events.
async fn turns() {
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
}

/// Runs a task over some elements, sets the clock then, and gives the rows and ends that come out.
async fn run(elements: Vec<Element>, then_ms: i64) -> Vec<String> {
    let clock = Arc::new(SetClock(AtomicI64::new(0)));
    let time = Arc::clone(&clock);
    let storage = Storage::new(StorageOptions::default());
    let options = StoreOptions { backend: Backend::HashMap, key_groups: 0..=127, max_parallelism: 128 };
    let store = KeyedStore::open(options, Vec::new(), storage.clone()).await.unwrap();
    let (arrived, read) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let (into, from): (_, ChannelReceiver) = channel(1 << 20, Arc::clone(&arrived), None);
    let (out, result) = channel(1 << 20, read, None);
    let metrics = Arc::new(TaskMetrics::default());
    let writer = EdgeWriter::new(Partitioning::Forward, 0, 128, vec![out]);
    let link = Link {
        uid: "hold".to_owned(),
        operator: Box::new(Hold { until: 1000, held: Vec::new() }),
        store,
        targets: vec![Target::Edge(0)],
    };
    let (commands_in, commands) = mpsc::channel(8);
    let (events, mut told) = mpsc::channel(8);
    let task = Task {
        subtask: 0,
        input: Input::Gate(Gate::new(vec![(0, from)], arrived)),
        chain: Chain::new(vec![Target::Operator(0)], vec![link], vec![writer], Vec::new(), metrics),
        commands,
        events,
        storage,
        runtime: Handle::current(),
        timing: Timing { buffer_timeout: Duration::ZERO, mini_batch_latency: None },
        clock,
    };
    let driver = async {
        for element in elements {
            into.send(element).await;
        }
        turns().await;
        time.0.store(then_ms, Relaxed);
        // Any event makes it look at the clock.
        commands_in.send(TaskCommand::Completed { checkpoint_id: 0, commit: false }).await.unwrap();
        turns().await;
        commands_in.send(TaskCommand::Release).await.unwrap();
    };
    let listener = async { while told.recv().await.is_some() {} };
    let (finished, (), ()) = tokio::join!(task.run(), driver, listener);
    finished.unwrap();
    let mut found = Vec::new();
    while let Some(element) = result.pop() {
        match element {
            Element::Batch(batch) => found.push(format!("{} rows", batch.rows())),
            Element::End => found.push("end".to_owned()),
            _ => {}
        }
    }
    found
}

#[tokio::test]
async fn operators_are_told_when_their_time_has_come() {
    let rows = vec![Element::Batch(batch()), Element::Batch(batch())];
    assert_eq!(run(rows.clone(), 999).await, Vec::<String>::new());
    assert_eq!(run(rows, 1000).await, ["4 rows"]);
}

#[tokio::test]
async fn what_waits_for_a_time_is_not_emitted_behind_a_barrier_that_stops_the_job() {
    let barrier = |stop| {
        Element::Barrier(Arc::new(Barrier {
            last_completed: 0,
            checkpoint_id: 1,
            kind: crate::BarrierKind::CommitOnly,
            directory: String::new(),
            shared_directory: String::new(),
            stop,
            drain: false,
        }))
    };
    assert_eq!(run(vec![Element::Batch(batch()), barrier(true)], 2000).await, Vec::<String>::new());
    assert_eq!(run(vec![Element::Batch(batch()), barrier(false)], 2000).await, ["2 rows"]);
}

#[tokio::test]
async fn what_waits_for_a_time_is_not_emitted_behind_the_end_of_the_input() {
    assert_eq!(run(vec![Element::Batch(batch()), Element::End], 2000).await, ["end"]);
}
