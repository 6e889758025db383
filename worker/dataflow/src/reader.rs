//! The input of a source task: polls the source and makes watermarks for each of its splits.

#![expect(clippy::disallowed_methods, reason = "measures idle time and waits for the source")]

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use arrow::{
    array::{Array, ArrayRef, AsArray},
    compute::max,
    datatypes::TimestampMillisecondType,
};
use expressions::Evaluator;
use model::{Batch, Failure, Watermark, timestamp::Timestamps};

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
    /// Whether it was idle for lack of splits.
    is_waiting: bool,
    /// Not yet given to the task.
    change: Change,
    interval: Duration,
    idle_timeout: Option<Duration>,
    /// How long the source was waited for. Time in which the task was busy is not idle time.
    waiting: Waiting,
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
    /// [`Waiting::total`] at its last row.
    waited: Duration,
    idle: bool,
}

/// The longest single wait for a source: a part of the idle timeout, and no more than a bound.
const WAIT_PART: u32 = 4;
const WAIT_MAX: Duration = Duration::from_secs(1);

/// Adds up the time in which a source had nothing to give although this process asked it. It is asked again at least every
/// `step`, so what a wait takes longer is a pause of the process, in which nothing could arrive.
struct Waiting {
    total: Duration,
    /// The total at the source's last answer.
    answered: Duration,
    since: Option<Instant>,
    step: Duration,
}

impl Waiting {
    fn new(idle_timeout: Option<Duration>) -> Self {
        let step = idle_timeout.map_or(WAIT_MAX, |timeout| (timeout / WAIT_PART).min(WAIT_MAX));
        Self { total: Duration::ZERO, answered: Duration::ZERO, since: None, step: step.max(Duration::from_millis(1)) }
    }

    /// The source is asked, perhaps anew.
    fn begin(&mut self, now: Instant) {
        self.total = self.total(now);
        self.since = Some(now);
    }

    /// The source has answered.
    fn end(&mut self, now: Instant) {
        self.total = self.total(now);
        self.answered = self.total;
        self.since = None;
    }

    fn total(&self, now: Instant) -> Duration {
        self.total + self.since.map_or(Duration::ZERO, |since| now.saturating_duration_since(since).min(self.step))
    }
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
            is_waiting: false,
            change: Change::default(),
            interval,
            idle_timeout,
            waiting: Waiting::new(idle_timeout),
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
                    return Ok(ReaderEvent::Time(Change { watermark: Some(Watermark::MAX), idle: Some(false) }));
                }
                None => self.find_idle(),
            }
        }
    }

    /// Polls the source, but not beyond the time at which watermarks or idleness are due.
    async fn poll(&mut self) -> Result<Option<SourceEvent>, Failure> {
        let until_given = (self.change != Change::default()).then_some(self.interval);
        // Also when the task has dropped this future for a timer of its own, so that waiting adds up.
        self.waiting.begin(Instant::now());
        let until_idle =
            self.idle_timeout.map(|timeout| timeout.saturating_sub(self.longest_wait()).min(self.waiting.step));
        let event = match until_given.into_iter().chain(until_idle).min() {
            None => self.source.poll().await,
            Some(wait) => match tokio::time::timeout(wait.max(Duration::from_millis(1)), self.source.poll()).await {
                Ok(event) => event,
                Err(_) => return Ok(None),
            },
        };
        self.waiting.end(Instant::now());
        event.map(Some)
    }

    fn waited_so_far(&self) -> Duration {
        self.waiting.total(Instant::now())
    }

    /// How long the split has been waited for whose turn it is to become idle. Zero if all are idle.
    fn longest_wait(&self) -> Duration {
        let active = self.splits.values().filter(|split| !split.idle).map(|split| split.waited);
        let since = if self.splits.is_empty() && !self.is_waiting { Some(self.waiting.answered) } else { active.min() };
        since.map_or(Duration::ZERO, |since| self.waited_so_far().saturating_sub(since))
    }

    fn is_time_due(&self) -> bool {
        self.change != Change::default() && self.last_given.is_none_or(|last| last.elapsed() >= self.interval)
    }

    fn find_splits(&mut self) {
        for split in self.source.splits() {
            if !self.splits.contains_key(&split) {
                let input = self.merger.add();
                self.is_waiting = false;
                self.splits.insert(split, Split { input, waited: self.waited_so_far(), idle: false });
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
        let waited = self.waited_so_far();
        if self.splits.is_empty() && !self.is_waiting && self.longest_wait() >= timeout {
            self.is_waiting = true;
            let change = self.merger.wait();
            self.note(change);
        }
        let mut idle = Vec::new();
        for split in self.splits.values_mut().filter(|split| !split.idle && waited - split.waited >= timeout) {
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
        state.waited = self.waiting.total;
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
    if let Some(millis) = values.as_primitive_opt::<TimestampMillisecondType>() {
        return Ok(max(millis));
    }
    let times = Timestamps::new(values);
    let times = times.ok_or_else(|| Failure::internal(format!("a watermark of type {}", values.data_type())))?;
    Ok((0..values.len()).filter_map(|row| times.get(row)).map(|time| time.millis).max())
}

#[cfg(test)]
mod tests {
    use std::{collections::VecDeque, sync::Arc};

    use arrow::array::{RecordBatch, TimestampMillisecondArray};
    use async_trait::async_trait;
    use graph::Expr;
    use model::{DataType, Field, Schema};

    use super::*;
    use crate::Snapshot;

    /// Gives these events in order; knows the splits that have not finished.
    struct Script {
        events: VecDeque<SourceEvent>,
        splits: Vec<SplitId>,
    }

    #[async_trait]
    impl Source for Script {
        async fn poll(&mut self) -> Result<SourceEvent, Failure> {
            let event = self.events.pop_front().unwrap_or(SourceEvent::End);
            if let SourceEvent::SplitFinished(finished) = &event {
                self.splits.retain(|split| split != finished);
            }
            Ok(event)
        }

        fn splits(&self) -> Vec<SplitId> {
            self.splits.clone()
        }

        fn snapshot(&mut self, _: &mut Snapshot) -> Result<(), Failure> {
            Ok(())
        }

        fn skipped_rows(&self) -> u64 {
            0
        }
    }

    fn rows(split: &str, time: i64) -> SourceEvent {
        let times: ArrayRef = Arc::new(TimestampMillisecondArray::from(vec![time]));
        let batch = Batch::append(RecordBatch::try_from_iter([("t", times)]).expect("a column"));
        SourceEvent::Batch { split: Arc::from(split), batch }
    }

    #[test]
    fn a_pause_of_the_process_is_not_time_without_rows() {
        let ms = Duration::from_millis;
        let mut waiting = Waiting::new(Some(ms(400)));
        let mut now = Instant::now();
        for _ in 0..3 {
            waiting.begin(now);
            now += ms(50);
        }
        assert_eq!((waiting.total(now), waiting.answered), (ms(150), ms(0)));
        // Asked again after half a minute, although it is asked every 100 ms: so long it was stopped.
        now += ms(30_000);
        waiting.begin(now);
        assert_eq!(waiting.total(now), ms(200));
        now += ms(10);
        waiting.end(now);
        // Busy with rows.
        now += ms(5_000);
        assert_eq!((waiting.total(now), waiting.answered), (ms(210), ms(210)));
    }

    #[tokio::test]
    async fn each_split_has_a_watermark_and_the_lowest_counts() {
        let events = VecDeque::from([
            rows("a", 100),
            rows("b", 50),
            rows("a", 300),
            rows("b", 200),
            rows("b", 150),
            SourceEvent::SplitFinished(Arc::from("b")),
        ]);
        let source = Script { events, splits: vec![Arc::from("a"), Arc::from("b")] };
        let schema = Schema::new(vec![Field::new("t", DataType::Timestamp(3))]);
        let watermark = Evaluator::compile(&Expr::Column(0), &schema).expect("a column");
        let mut reader = Reader::new(Box::new(source), Some(watermark), Duration::ZERO, None);
        let mut told = Vec::new();
        loop {
            match reader.next().await.expect("events") {
                ReaderEvent::Rows(_) => told.push("rows".to_owned()),
                ReaderEvent::Time(change) => told.push(format!("{:?}", change.watermark.map(|watermark| watermark.0))),
                ReaderEvent::End => break,
            }
        }
        let max = format!("Some({})", Watermark::MAX.0);
        // Nothing before all splits have spoken, and never back.
        let expected = ["rows", "rows", "Some(50)", "rows", "rows", "Some(200)", "rows", "Some(300)", max.as_str()];
        assert_eq!(told, expected);
    }
}
