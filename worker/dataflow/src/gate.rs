//! The input of a task: its channels, read in turn, with barriers aligned and watermarks merged.
//!
//! Without alignment (at least once) no channel waits: what comes on it between its barrier and the last one is in the
//! snapshot, and is read again after a restore.
//!
//! Alignment (exactly once): a channel whose barrier has arrived is not read until the barriers of all channels have.
//! Rows in it wait and hold their sender back; all rows before the barriers are processed first. Channels that have
//! ended still deliver barriers, so a checkpoint is the same before and after the end of some inputs.

#![expect(clippy::cast_possible_truncation, reason = "counts are bounded by a batch, times by 292 million years")]
#![expect(clippy::disallowed_methods, reason = "measures idle time")]

use std::{collections::VecDeque, sync::Arc, time::Instant};

use model::Batch;
use tokio::sync::Notify;

use crate::{
    Barrier, ChannelReceiver, Element,
    watermark::{Change, WatermarkMerger},
};

/// What a gate gives its task.
#[derive(Debug)]
pub enum GateEvent {
    /// Rows on an input port.
    Batch(usize, Batch),
    /// The merged watermark or idleness has changed.
    Time(Change),
    /// The barriers of all channels have arrived.
    Aligned(Arc<Barrier>, Alignment),
    /// All channels have ended.
    End,
}

/// How long an alignment took.
#[derive(Clone, Copy, Debug, Default)]
pub struct Alignment {
    /// Milliseconds between the first and the last barrier.
    pub duration_ms: u64,
}

struct Input {
    channel: ChannelReceiver,
    port: usize,
    blocked: bool,
    ended: bool,
}

/// All channels into a task.
pub struct Gate {
    inputs: Vec<Input>,
    arrived: Arc<Notify>,
    watermarks: WatermarkMerger,
    is_aligned: bool,
    /// Barriers that have not arrived on all channels, oldest first; with alignment there is one at most.
    pending: VecDeque<Pending>,
    /// All channels have ended, which is still to be told.
    end_due: bool,
    next: usize,
}

struct Pending {
    barrier: Arc<Barrier>,
    since: Instant,
    arrived: usize,
}

impl Gate {
    /// A gate over channels with their ports; all of them must notify `arrived`.
    pub fn new(channels: Vec<(usize, ChannelReceiver)>, arrived: Arc<Notify>) -> Self {
        let watermarks = WatermarkMerger::new(channels.len());
        let inputs =
            channels.into_iter().map(|(port, channel)| Input { channel, port, blocked: false, ended: false }).collect();
        let pending = VecDeque::new();
        Self { inputs, arrived, watermarks, is_aligned: true, pending, end_due: false, next: 0 }
    }

    /// The same gate, without alignment.
    #[must_use]
    pub fn at_least_once(mut self) -> Self {
        self.is_aligned = false;
        self
    }

    /// Waits for the next event. Cancel-safe.
    pub async fn next(&mut self) -> GateEvent {
        loop {
            let arrived = Arc::clone(&self.arrived);
            let notified = arrived.notified();
            if let Some(event) = self.poll() {
                return event;
            }
            notified.await;
        }
    }

    fn poll(&mut self) -> Option<GateEvent> {
        if std::mem::take(&mut self.end_due) {
            return Some(GateEvent::End);
        }
        let count = self.inputs.len();
        let mut without = 0;
        while without < count {
            let index = self.next % count;
            let input = &self.inputs[index];
            let element = if input.blocked { None } else { input.channel.pop() };
            match element {
                None => {
                    self.next = (index + 1) % count;
                    without += 1;
                }
                Some(element) => {
                    without = 0;
                    if let Some(event) = self.take(index, element) {
                        self.next = (index + 1) % count;
                        return Some(event);
                    }
                }
            }
        }
        None
    }

    fn take(&mut self, index: usize, element: Element) -> Option<GateEvent> {
        let time = |change: Change| (change != Change::default()).then_some(GateEvent::Time(change));
        match element {
            Element::Batch(batch) => Some(GateEvent::Batch(self.inputs[index].port, batch)),
            Element::Watermark(watermark) => time(self.watermarks.advance(index, watermark)),
            Element::Idle(idle) => time(self.watermarks.set_idle(index, idle)),
            Element::Barrier(barrier) => self.align(index, barrier),
            Element::End => {
                self.inputs[index].ended = true;
                let change = time(self.watermarks.end(index));
                if self.inputs.iter().any(|input| !input.ended) {
                    return change;
                }
                self.end_due = change.is_some();
                change.or(Some(GateEvent::End))
            }
        }
    }

    fn align(&mut self, index: usize, barrier: Arc<Barrier>) -> Option<GateEvent> {
        let known = self.pending.iter().position(|pending| pending.barrier.checkpoint_id == barrier.checkpoint_id);
        let at = known.unwrap_or_else(|| {
            self.pending.push_back(Pending { barrier: Arc::clone(&barrier), since: now(), arrived: 0 });
            self.pending.len() - 1
        });
        assert!(!self.is_aligned || at == 0, "barriers keep their order on every channel");
        self.inputs[index].blocked = self.is_aligned;
        let pending = &mut self.pending[at];
        pending.arrived += 1;
        if pending.arrived < self.inputs.len() {
            return None;
        }
        let duration_ms = pending.since.elapsed().as_millis() as u64;
        for input in &mut self.inputs {
            input.blocked = false;
        }
        self.pending.remove(at);
        Some(GateEvent::Aligned(barrier, Alignment { duration_ms }))
    }
}

fn now() -> Instant {
    Instant::now()
}

#[cfg(test)]
mod tests {
    use arrow::array::{Int64Array, RecordBatch};
    use model::Watermark;

    use super::*;
    use crate::{BarrierKind, ChannelSender};

    fn gate(channels: usize) -> (Vec<ChannelSender>, Gate) {
        let arrived = Arc::new(Notify::new());
        let open = |_| crate::channel(1 << 20, Arc::clone(&arrived), None);
        let (senders, receivers): (Vec<_>, Vec<_>) = (0..channels).map(open).unzip();
        (senders, Gate::new(receivers.into_iter().map(|receiver| (0, receiver)).collect(), Arc::clone(&arrived)))
    }

    fn barrier(checkpoint_id: u64) -> Element {
        Element::Barrier(Arc::new(Barrier {
            last_completed: 0,
            checkpoint_id,
            kind: BarrierKind::Checkpoint,
            stop: false,
            drain: false,
            directory: String::new(),
            shared_directory: String::new(),
        }))
    }

    fn row(value: i64) -> Element {
        let column: arrow::array::ArrayRef = Arc::new(Int64Array::from(vec![value]));
        Element::Batch(Batch::append(RecordBatch::try_from_iter([("n", column)]).expect("a column")))
    }

    /// What the gate gives until it has nothing more: rows as their value, barriers as `b` and their number.
    fn given(gate: &mut Gate) -> Vec<String> {
        let event = |event| match event {
            GateEvent::Batch(_, batch) => {
                use arrow::array::AsArray;
                batch.column(0).as_primitive::<arrow::datatypes::Int64Type>().value(0).to_string()
            }
            GateEvent::Aligned(barrier, _) => format!("b{}", barrier.checkpoint_id),
            GateEvent::Time(change) => format!("w{}", change.watermark.map_or(-1, |watermark| watermark.0)),
            GateEvent::End => "end".to_owned(),
        };
        std::iter::from_fn(|| gate.poll()).map(event).collect()
    }

    #[test]
    fn rows_behind_a_barrier_wait_for_the_barriers_of_all() {
        let (senders, mut gate) = gate(2);
        senders[0].push(row(1));
        senders[0].push(barrier(7));
        senders[0].push(row(2));
        senders[1].push(row(3));
        assert_eq!(given(&mut gate), ["1", "3"]);
        senders[1].push(barrier(7));
        assert_eq!(given(&mut gate), ["b7", "2"]);
    }

    #[test]
    fn without_alignment_rows_pass_and_barriers_are_counted() {
        let (senders, gate) = gate(2);
        let mut gate = gate.at_least_once();
        senders[0].push(barrier(7));
        senders[0].push(row(1));
        // The one before was given up, and its barrier is still under way on the other channel.
        senders[0].push(barrier(8));
        senders[0].push(row(2));
        assert_eq!(given(&mut gate), ["1", "2"]);
        senders[1].push(barrier(7));
        senders[1].push(row(3));
        senders[1].push(barrier(8));
        assert_eq!(given(&mut gate), ["b7", "3", "b8"]);
    }

    #[test]
    fn a_change_that_comes_with_the_end_of_the_last_channel_is_told_before_the_end() {
        let (senders, mut gate) = gate(2);
        senders[0].push(Element::Watermark(Watermark(20)));
        senders[1].push(Element::Watermark(Watermark(10)));
        assert_eq!(given(&mut gate), ["w10"]);
        // An idle channel does not hold the other back, but its end does not speak for it either.
        senders[1].push(Element::Idle(true));
        senders[1].push(Element::End);
        senders[0].push(Element::End);
        let told = given(&mut gate);
        assert_eq!(told.last().map(String::as_str), Some("end"));
        assert_eq!(told.iter().filter(|event| *event == "end").count(), 1);
        assert!(told.contains(&"w20".to_owned()), "{told:?}");
    }
}
