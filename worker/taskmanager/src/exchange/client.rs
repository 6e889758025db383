//! The sending side: one stream to one other TaskManager.

#![expect(
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    reason = "counts of channels and key groups fit 32 bits"
)]

use std::sync::Arc;

use dataflow::{ChannelReceiver, ChannelSender, Element, channel};
use model::Failure;
use tokio::sync::{Notify, mpsc};
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;
use tonic::transport::Endpoint;
use wire::v1::{Frame, exchange_client::ExchangeClient, frame::Body};

use super::{ChannelKey, FRAME_BYTES_MAX, FRAMES_MAX, WINDOW_BYTES, codec};
use crate::messages;

/// All channels of an attempt to one other TaskManager.
pub(crate) struct Outgoing {
    peer: String,
    capacity_bytes: usize,
    channels: Vec<OutgoingChannel>,
    arrived: Arc<Notify>,
}

struct OutgoingChannel {
    key: ChannelKey,
    receiver: ChannelReceiver,
    credit_bytes: i64,
    sequence: u64,
}

impl Outgoing {
    pub(crate) fn new(peer: String, capacity_bytes: usize) -> Self {
        Self { peer, capacity_bytes, channels: Vec::new(), arrived: Arc::default() }
    }

    /// Adds a channel and returns its local end.
    pub(crate) fn add(&mut self, key: ChannelKey) -> ChannelSender {
        // What waits here is beside what is in flight, so half of the capacity each.
        let (sender, receiver) = channel(self.capacity_bytes / 2, Arc::clone(&self.arrived), None);
        let credit_bytes = (self.capacity_bytes / 2) as i64;
        self.channels.push(OutgoingChannel { key, receiver, credit_bytes, sequence: 0 });
        sender
    }

    /// Carries the channels' elements until cancelled; a broken connection is told to `failed`.
    pub(crate) async fn connect(
        mut self,
        cancel: CancellationToken,
        failed: impl FnOnce(&ChannelKey, Failure) + Send + 'static,
    ) {
        let result = tokio::select! {
            () = cancel.cancelled() => return,
            result = self.carry() => result,
        };
        if let (Err(failure), Some(channel)) = (result, self.channels.first())
            && !cancel.is_cancelled()
        {
            failed(&channel.key, failure);
        }
    }

    async fn carry(&mut self) -> Result<(), Failure> {
        let peer = self.peer.clone();
        let lost = move |error: &dyn std::fmt::Display| {
            Failure::external(format!("connection to the TaskManager at {peer} is lost: {error}"))
        };
        let transport = Endpoint::from_shared(format!("http://{}", self.peer))
            .map_err(|error| lost(&error))?
            .initial_stream_window_size(WINDOW_BYTES)
            .initial_connection_window_size(WINDOW_BYTES)
            .tcp_nodelay(true)
            .connect()
            .await
            .map_err(|error| lost(&error))?;
        let (frames, outgoing) = mpsc::channel::<Frame>(FRAMES_MAX);
        let mut client = ExchangeClient::new(transport)
            .max_decoding_message_size(FRAME_BYTES_MAX)
            .max_encoding_message_size(FRAME_BYTES_MAX);
        // The receiver answers once it has the stream, so frames can be sent only beside the call.
        let open = client.open(ReceiverStream::new(outgoing));
        let (response, opened) = tokio::join!(open, self.open_channels(&frames));
        let mut credits = response.map_err(|error| lost(&error))?.into_inner();
        opened.map_err(|failure| lost(&failure))?;
        loop {
            let arrived = Arc::clone(&self.arrived);
            let notified = arrived.notified();
            if self.send_ready(&frames).await.map_err(|failure| lost(&failure))? {
                continue;
            }
            tokio::select! {
                credit = credits.message() => match credit.map_err(|error| lost(&error))? {
                    Some(credit) => {
                        if let Some(channel) = self.channels.get_mut(credit.channel as usize) {
                            channel.credit_bytes += credit.bytes as i64;
                        }
                    }
                    None => return Err(lost(&"closed by the receiver")),
                },
                () = notified => {}
            }
        }
    }

    /// Opens all channels. They are more than fit the queue, and no element of a channel may overtake its opening.
    async fn open_channels(&self, frames: &mpsc::Sender<Frame>) -> Result<(), Failure> {
        for (number, channel) in self.channels.iter().enumerate() {
            let body = Some(Body::Open(channel.key.open_message()));
            send(frames, Frame { channel: number as u32, sequence: 0, body }).await?;
        }
        Ok(())
    }

    /// Sends one element of each channel that may send; whether there was any.
    async fn send_ready(&mut self, frames: &mpsc::Sender<Frame>) -> Result<bool, Failure> {
        let mut any = false;
        for (number, channel) in self.channels.iter_mut().enumerate() {
            let Some(element) = channel.receiver.pop_within(channel.credit_bytes) else { continue };
            any = true;
            let body = body(element)?;
            if let Body::Data(data) = &body {
                channel.credit_bytes -= (data.header.len() + data.body.len()) as i64;
            }
            channel.sequence += 1;
            let frame = Frame { channel: number as u32, sequence: channel.sequence, body: Some(body) };
            send(frames, frame).await?;
        }
        Ok(any)
    }
}

async fn send(frames: &mpsc::Sender<Frame>, frame: Frame) -> Result<(), Failure> {
    frames.send(frame).await.map_err(|_| Failure::external("the stream is closed"))
}

fn body(element: Element) -> Result<Body, Failure> {
    Ok(match element {
        Element::Batch(batch) => Body::Data(codec::encode(batch)?),
        Element::Watermark(watermark) => Body::WatermarkMs(watermark.0),
        Element::Idle(idle) => Body::Idle(idle),
        Element::Barrier(barrier) => Body::Barrier(messages::barrier_frame(&barrier)),
        Element::End => Body::End(true),
    })
}
