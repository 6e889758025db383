//! The exchange: channels between TaskManagers, multiplexed over one gRPC stream for each attempt, pair and direction.
//!
//! The receiver grants credit in bytes for each channel; rows are sent only within it, watermarks and barriers at any
//! time in their order. So a full channel holds back its own sender and nobody else.

mod client;
mod codec;
mod server;
#[cfg(test)]
mod tests;

pub(crate) use client::Outgoing;
pub use server::ExchangeServer;

use wire::v1::OpenChannel;

/// The largest frame that is accepted, in bytes.
const FRAME_BYTES_MAX: usize = 256 << 20;
/// HTTP/2 windows, in bytes: wide, because flow control is our own.
const WINDOW_BYTES: u32 = 64 << 20;
/// Frames or credits that may wait to be written to a stream.
const FRAMES_MAX: usize = 64;

/// Identity of a channel in the cluster.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct ChannelKey {
    pub(crate) job_id: String,
    pub(crate) attempt: u64,
    pub(crate) edge: u32,
    pub(crate) from_vertex: u32,
    pub(crate) from_subtask: u32,
    pub(crate) to_subtask: u32,
}

/// What both sides know of a channel: the vertex follows from the edge.
type OpenKey = (String, u64, u32, u32, u32);

impl ChannelKey {
    fn open_key(&self) -> OpenKey {
        (self.job_id.clone(), self.attempt, self.edge, self.from_subtask, self.to_subtask)
    }

    fn open_message(&self) -> OpenChannel {
        OpenChannel {
            job_id: self.job_id.clone(),
            attempt: self.attempt,
            edge: self.edge,
            from_subtask: self.from_subtask,
            to_subtask: self.to_subtask,
            schema: bytes::Bytes::new(),
        }
    }
}
