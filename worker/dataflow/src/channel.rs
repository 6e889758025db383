//! The channel from one subtask to another within a process: a queue bounded in bytes.
//!
//! Rows wait for room; watermarks, barriers and the end never do, so a checkpoint passes a full channel's sender at once.
//! A channel to another process is two of these with the exchange between them.

#![expect(clippy::disallowed_methods, reason = "measures back pressure")]

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use tokio::sync::Notify;

use crate::Element;

/// Called with the bytes that were taken out of a channel; gives credit to a remote sender.
pub type OnConsumed = Box<dyn Fn(usize) + Send + Sync>;

struct Shared {
    queue: Mutex<Queue>,
    capacity_bytes: usize,
    /// The sender waits here for room.
    room: Notify,
    /// The receiver waits here for elements; shared by all channels of a gate.
    arrived: Arc<Notify>,
    on_consumed: Option<OnConsumed>,
}

#[derive(Default)]
struct Queue {
    elements: VecDeque<Element>,
    bytes: usize,
    receiver_gone: bool,
}

impl Shared {
    fn queue(&self) -> MutexGuard<'_, Queue> {
        // A panic while the lock is held cannot leave the queue half changed.
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The sending end.
pub struct ChannelSender(Arc<Shared>);

/// The receiving end.
pub struct ChannelReceiver(Arc<Shared>);

/// Opens a channel that holds about `capacity_bytes` of rows; `arrived` is notified of each element.
pub fn channel(
    capacity_bytes: usize,
    arrived: Arc<Notify>,
    on_consumed: Option<OnConsumed>,
) -> (ChannelSender, ChannelReceiver) {
    let shared =
        Arc::new(Shared { queue: Mutex::default(), capacity_bytes, room: Notify::new(), arrived, on_consumed });
    (ChannelSender(Arc::clone(&shared)), ChannelReceiver(shared))
}

impl ChannelSender {
    /// Waits until there is room for rows and says for how long. The last element may exceed the capacity.
    pub async fn ready(&self) -> Duration {
        let mut since = None;
        loop {
            let notified = self.0.room.notified();
            if self.has_room() {
                return since.map_or(Duration::ZERO, |since: Instant| since.elapsed());
            }
            since.get_or_insert_with(Instant::now);
            notified.await;
        }
    }

    fn has_room(&self) -> bool {
        let queue = self.0.queue();
        queue.bytes < self.0.capacity_bytes || queue.receiver_gone
    }

    /// Appends an element. Rows only after [`ChannelSender::ready`].
    pub fn push(&self, element: Element) {
        {
            let mut queue = self.0.queue();
            if queue.receiver_gone {
                return;
            }
            queue.bytes += element.size_bytes();
            queue.elements.push_back(element);
        }
        self.0.arrived.notify_one();
    }

    /// Waits for room, then appends. Says how long it waited.
    pub async fn send(&self, element: Element) -> Duration {
        let waited = self.ready().await;
        self.push(element);
        waited
    }
}

impl ChannelReceiver {
    /// The next element, if there is one.
    pub fn pop(&self) -> Option<Element> {
        let (element, bytes) = {
            let mut queue = self.0.queue();
            let element = queue.elements.pop_front()?;
            let bytes = element.size_bytes();
            queue.bytes -= bytes;
            (element, bytes)
        };
        if bytes > 0 {
            self.0.room.notify_one();
            if let Some(on_consumed) = &self.0.on_consumed {
                on_consumed(bytes);
            }
        }
        Some(element)
    }

    /// The next element if it is a control element, or any as long as `credit_bytes` is positive.
    pub fn pop_within(&self, credit_bytes: i64) -> Option<Element> {
        let is_rows = matches!(self.0.queue().elements.front()?, Element::Batch(_));
        if is_rows && credit_bytes <= 0 { None } else { self.pop() }
    }
}

impl Drop for ChannelReceiver {
    fn drop(&mut self) {
        let mut queue = self.0.queue();
        queue.receiver_gone = true;
        queue.elements.clear();
        drop(queue);
        self.0.room.notify_one();
    }
}
