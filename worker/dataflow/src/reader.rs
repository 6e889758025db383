//! The input of a source task: polls the source and makes watermarks for each of its splits.

use std::{
    collections::HashMap,
    sync::Arc,
    time::{Duration, Instant},
};

use arrow::{
    array::{Array, ArrayRef},
    compute::{cast, max},
    datatypes::{DataType as Arrow, TimeUnit, TimestampMillisecondType},
};
use expressions::Evaluator;
use model::{Batch, Failure, Watermark};

use crate::{
    Source, SourceEvent, SplitId,
    watermark::{Change, WatermarkMerger},
};

/// What a reader gives its task.
#[derive(Debug)]
pub enum ReaderEvent {
    /// Rows.
    Rows(Batch),
    /// The merged watermark or idleness of the splits has changed.
    Time(Change),
    /// All input was read and the final watermark given.
    End,
}

/// A source with the watermarks of its splits.
pub struct Reader {
    source: Box<dyn Source>,
    watermark: Option<Evaluator>,
    splits: HashMap<SplitId, Split>,
    merger: WatermarkMerger,
    /// Not yet given to the task.
    change: Change,
    interval: Duration,
    idle_timeout: Option<Duration>,
    last_given: Option<Instant>,
    stage: Stage,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    Reading,
    /// The final watermark was given.
    Draining,
    Ended,
}

struct Split {
    input: usize,
    last_row: Instant,
    idle: bool,
}

impl Reader {
    /// A reader that gives watermarks at most every `interval`, and leaves splits out that had no rows for `idle_timeout`.
    pub fn new(
        source: Box<dyn Source>,
        watermark: Option<Evaluator>,
        interval: Duration,
        idle_timeout: Option<Duration>,
    ) -> Self {
        let mut reader = Self {
            source,
            watermark,
            splits: HashMap::new(),
            merger: WatermarkMerger::new(0),
            change: Change::default(),
            interval,
            idle_timeout,
            last_given: None,
            stage: Stage::Reading,
        };
        reader.find_splits();
        reader
    }

    /// Waits for the next event. Cancel-safe.
    ///
    /// # Errors
    /// If the source cannot read or the watermark expression fails.
    pub async fn next(&mut self) -> Result<ReaderEvent, Failure> {
        loop {
            match self.stage {
                Stage::Reading => {}
                Stage::Draining => {
                    self.stage = Stage::Ended;
                    return Ok(ReaderEvent::End);
                }
                Stage::Ended => return std::future::pending().await,
            }
            if self.is_time_due() {
                self.last_given = Some(Instant::now());
                return Ok(ReaderEvent::Time(std::mem::take(&mut self.change)));
            }
            match self.poll().await? {
                Some(SourceEvent::Batch { split, batch }) => {
                    self.observe(&split, &batch)?;
                    return Ok(ReaderEvent::Rows(batch));
                }
                Some(SourceEvent::SplitFinished(split)) => self.finish_split(&split),
                Some(SourceEvent::End) => {
                    self.stage = Stage::Draining;
                    return Ok(ReaderEvent::Time(Change { watermark: Some(Watermark::MAX), idle: None }));
                }
                None => self.find_idle(),
            }
        }
    }

    /// Polls the source, but not beyond the time at which watermarks or idleness are due.
    async fn poll(&mut self) -> Result<Option<SourceEvent>, Failure> {
        let pending = self.change != Change::default();
        if pending || self.idle_timeout.is_some() {
            let wait = if pending { self.interval } else { self.idle_timeout.unwrap_or(self.interval) };
            match tokio::time::timeout(wait.max(Duration::from_millis(1)), self.source.poll()).await {
                Ok(event) => event.map(Some),
                Err(_) => Ok(None),
            }
        } else {
            self.source.poll().await.map(Some)
        }
    }

    fn is_time_due(&self) -> bool {
        self.change != Change::default() && self.last_given.is_none_or(|last| last.elapsed() >= self.interval)
    }

    fn find_splits(&mut self) {
        for split in self.source.splits() {
            if !self.splits.contains_key(&split) {
                let input = self.merger.add();
                self.splits.insert(split, Split { input, last_row: Instant::now(), idle: false });
            }
        }
    }

    fn finish_split(&mut self, split: &SplitId) {
        // New splits first, so that the end of the last known one does not let time run ahead of them.
        self.find_splits();
        if let Some(split) = self.splits.remove(split) {
            let change = self.merger.end(split.input);
            self.note(change);
        }
    }

    fn find_idle(&mut self) {
        let Some(timeout) = self.idle_timeout else { return };
        let mut idle = Vec::new();
        for split in self.splits.values_mut().filter(|split| !split.idle && split.last_row.elapsed() >= timeout) {
            split.idle = true;
            idle.push(split.input);
        }
        for input in idle {
            let change = self.merger.set_idle(input, true);
            self.note(change);
        }
    }

    fn observe(&mut self, split: &SplitId, batch: &Batch) -> Result<(), Failure> {
        let Some(expression) = &self.watermark else { return Ok(()) };
        let values = expression.evaluate(batch.columns()).map_err(|error| error.at("watermark"))?;
        let Some(highest) = highest_ms(&values)? else { return Ok(()) };
        if !self.splits.contains_key(split) {
            self.find_splits();
        }
        let Some(state) = self.splits.get_mut(split) else {
            return Err(Failure::internal(format!("rows of the unknown split {split}")));
        };
        let input = state.input;
        state.last_row = Instant::now();
        if std::mem::take(&mut state.idle) {
            let change = self.merger.set_idle(input, false);
            self.note(change);
        }
        let change = self.merger.advance(input, Watermark(highest));
        self.note(change);
        Ok(())
    }

    fn note(&mut self, change: Change) {
        if change.watermark.is_some() {
            self.change.watermark = change.watermark;
        }
        if change.idle.is_some() {
            self.change.idle = change.idle;
        }
    }

    /// The source, for its snapshot and counters.
    pub fn source(&mut self) -> &mut dyn Source {
        self.source.as_mut()
    }
}

/// The latest of a column of timestamps, in milliseconds, rounded down.
fn highest_ms(values: &ArrayRef) -> Result<Option<i64>, Failure> {
    let millis = match values.data_type() {
        Arrow::Timestamp(TimeUnit::Millisecond, _) => Arc::clone(values),
        Arrow::Timestamp(_, zone) => cast(values, &Arrow::Timestamp(TimeUnit::Millisecond, zone.clone()))?,
        other => return Err(Failure::internal(format!("a watermark of type {other}"))),
    };
    Ok(millis.as_any().downcast_ref::<arrow::array::PrimitiveArray<TimestampMillisecondType>>().and_then(max))
}
