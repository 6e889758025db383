//! The receiving side: takes frames apart and puts them into the gates' channels.

#![expect(clippy::disallowed_methods, reason = "owns the tasks of its connections")]

use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use arrow::datatypes::SchemaRef;
use dataflow::{ChannelReceiver, ChannelSender, Element, channel};
use model::{Failure, Watermark};
use tokio::sync::{Notify, mpsc};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status, Streaming};
use wire::v1::{
    Credit, Frame, OpenChannel,
    exchange_server::{Exchange, ExchangeServer as GrpcServer},
    frame::Body,
};

use super::{ChannelKey, FRAME_BYTES_MAX, FRAMES_MAX, OpenKey, codec};
use crate::messages;

/// How long a sender that was deployed first waits for the receiver to be deployed, in steps: a pause of this process, in
/// which the receiver could not be deployed, counts as one step at most.
const EXPECTATION_STEPS: u32 = 60;
const EXPECTATION_STEP: Duration = Duration::from_secs(1);
/// Credit is returned when so many bytes were consumed, or when the channel is empty.
const CREDIT_STEP_BYTES: u64 = 64 << 10;

/// The channels that others are to send to. Clones share them.
#[derive(Clone, Default)]
pub struct ExchangeServer {
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    expected: Mutex<HashMap<OpenKey, Expected>>,
    changed: Notify,
}

/// A channel whose sender has not opened it yet.
struct Expected {
    sender: ChannelSender,
    schema: SchemaRef,
    consumed: Arc<Consumed>,
}

/// What was consumed and not yet returned as credit. Sizes are the sender's, so both sides count alike.
#[derive(Default)]
struct Consumed {
    state: Mutex<ConsumedState>,
    changed: Mutex<Option<Arc<Notify>>>,
}

#[derive(Default)]
struct ConsumedState {
    sizes: VecDeque<u64>,
    due_bytes: u64,
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    // The guarded values are whole between any two statements.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Consumed {
    fn on_consumed(&self) {
        let due = {
            let mut state = lock(&self.state);
            let size = state.sizes.pop_front().unwrap_or(0);
            state.due_bytes += size;
            state.due_bytes >= CREDIT_STEP_BYTES || state.sizes.is_empty()
        };
        if let (true, Some(changed)) = (due, lock(&self.changed).as_ref()) {
            changed.notify_one();
        }
    }

    fn take_due(&self) -> u64 {
        std::mem::take(&mut lock(&self.state).due_bytes)
    }
}

impl ExchangeServer {
    /// The gRPC service.
    pub fn service(&self) -> GrpcServer<Self> {
        GrpcServer::new(self.clone())
            .max_decoding_message_size(FRAME_BYTES_MAX)
            .max_encoding_message_size(FRAME_BYTES_MAX)
    }

    /// Opens the receiving end of a channel that another TaskManager will send to.
    pub(crate) fn expect(
        &self,
        key: ChannelKey,
        schema: SchemaRef,
        capacity_bytes: usize,
        arrived: Arc<Notify>,
    ) -> ChannelReceiver {
        let consumed = Arc::new(Consumed::default());
        let count = Arc::clone(&consumed);
        let (sender, receiver) = channel(capacity_bytes, arrived, Some(Box::new(move |_| count.on_consumed())));
        let mut expected = lock(&self.shared.expected);
        // What an earlier attempt expected and never got is of no use any more.
        expected.retain(|open, _| open.0 != key.job_id || open.1 >= key.attempt);
        expected.insert(key.open_key(), Expected { sender, schema, consumed });
        drop(expected);
        self.shared.changed.notify_waiters();
        receiver
    }

    async fn take(&self, open: OpenChannel) -> Result<Expected, Status> {
        let key = (open.job_id, open.attempt, open.edge, open.from_subtask, open.to_subtask);
        let wait = async {
            loop {
                let changed = self.shared.changed.notified();
                tokio::pin!(changed);
                changed.as_mut().enable();
                if let Some(expected) = lock(&self.shared.expected).remove(&key) {
                    return expected;
                }
                changed.await;
            }
        };
        tokio::pin!(wait);
        for _ in 0..EXPECTATION_STEPS {
            if let Ok(expected) = tokio::time::timeout(EXPECTATION_STEP, &mut wait).await {
                return Ok(expected);
            }
        }
        Err(Status::not_found(format!("channel {key:?} is not expected here")))
    }
}

#[tonic::async_trait]
impl Exchange for ExchangeServer {
    type OpenStream = ReceiverStream<Result<Credit, Status>>;

    async fn open(&self, request: Request<Streaming<Frame>>) -> Result<Response<Self::OpenStream>, Status> {
        let (credits, stream) = mpsc::channel(FRAMES_MAX);
        let (server, frames) = (self.clone(), request.into_inner());
        tokio::spawn(async move {
            if let Err(status) = server.receive(frames, &credits).await {
                tracing::warn!("exchange: {status}");
                // The sender is gone already if it does not take this.
                let _ = credits.send(Err(status)).await;
            }
        });
        Ok(Response::new(ReceiverStream::new(stream)))
    }
}

impl ExchangeServer {
    async fn receive(
        &self,
        mut frames: Streaming<Frame>,
        credits: &mpsc::Sender<Result<Credit, Status>>,
    ) -> Result<(), Status> {
        let mut channels: HashMap<u32, Expected> = HashMap::new();
        let consumed = Arc::new(Notify::new());
        loop {
            tokio::select! {
                frame = frames.message() => {
                    let Some(frame) = frame? else { return Ok(()) };
                    match frame.body {
                        Some(Body::Open(open)) => {
                            let expected = self.take(open).await?;
                            *lock(&expected.consumed.changed) = Some(Arc::clone(&consumed));
                            channels.insert(frame.channel, expected);
                        }
                        Some(body) => {
                            let channel = channels
                                .get(&frame.channel)
                                .ok_or_else(|| Status::failed_precondition("a frame of a channel that was not opened"))?;
                            channel.push(body).map_err(|failure| Status::data_loss(failure.message))?;
                        }
                        None => return Err(Status::invalid_argument("an empty frame")),
                    }
                }
                () = consumed.notified() => {
                    for (&channel, expected) in &channels {
                        let bytes = expected.consumed.take_due();
                        if bytes > 0 && credits.send(Ok(Credit { channel, bytes })).await.is_err() {
                            return Ok(());
                        }
                    }
                }
            }
        }
    }
}

impl Expected {
    fn push(&self, body: Body) -> Result<(), Failure> {
        let element = match body {
            Body::Data(data) => {
                let size = (data.header.len() + data.body.len()) as u64;
                let batch = codec::decode(data, &self.schema)?;
                lock(&self.consumed.state).sizes.push_back(size);
                Element::Batch(batch)
            }
            Body::WatermarkMs(watermark) => Element::Watermark(Watermark(watermark)),
            Body::Idle(idle) => Element::Idle(idle),
            Body::Barrier(barrier) => Element::Barrier(Arc::new(messages::barrier_of(barrier)?)),
            Body::End(_) => Element::End,
            Body::Open(_) => return Err(Failure::internal("a channel is opened twice")),
        };
        self.sender.push(element);
        Ok(())
    }
}
