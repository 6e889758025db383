//! The input of a task: its channels, read in turn, with barriers aligned and watermarks merged.
//!
//! Alignment (exactly once): a channel whose barrier has arrived is not read until the barriers of all channels have.
//! Rows in it wait and hold their sender back; all rows before the barriers are processed first. Channels that have
//! ended still deliver barriers, so a checkpoint is the same before and after the end of some inputs.

use std::{sync::Arc, time::Instant};

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
    pending: Option<(Arc<Barrier>, Instant)>,
    next: usize,
}

impl Gate {
    /// A gate over channels with their ports; all of them must notify `arrived`.
    pub fn new(channels: Vec<(usize, ChannelReceiver)>, arrived: Arc<Notify>) -> Self {
        let watermarks = WatermarkMerger::new(channels.len());
        let inputs =
            channels.into_iter().map(|(port, channel)| Input { channel, port, blocked: false, ended: false }).collect();
        Self { inputs, arrived, watermarks, pending: None, next: 0 }
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
                let change = self.watermarks.end(index);
                if self.inputs.iter().all(|input| input.ended) { Some(GateEvent::End) } else { time(change) }
            }
        }
    }

    fn align(&mut self, index: usize, barrier: Arc<Barrier>) -> Option<GateEvent> {
        let (pending, since) = self.pending.get_or_insert_with(|| (Arc::clone(&barrier), now()));
        assert_eq!(pending.checkpoint_id, barrier.checkpoint_id, "barriers keep their order on every channel");
        let since = *since;
        self.inputs[index].blocked = true;
        if !self.inputs.iter().all(|input| input.blocked) {
            return None;
        }
        for input in &mut self.inputs {
            input.blocked = false;
        }
        self.pending = None;
        Some(GateEvent::Aligned(barrier, Alignment { duration_ms: since.elapsed().as_millis() as u64 }))
    }
}

fn now() -> Instant {
    Instant::now()
}
