//! TaskManagers over the network: one stream each.

#![expect(clippy::disallowed_methods, reason = "owns the tasks of its connections")]

use std::pin::Pin;

use futures::Stream;
use tokio::sync::mpsc;
use tokio_stream::{StreamExt, wrappers::ReceiverStream};
use tonic::{Request, Response, Status, Streaming};
use wire::v1::{
    ToJobManager, ToTaskManager,
    job_manager_server::{JobManager, JobManagerServer},
};

use crate::handle::Handle;

/// Messages that may wait for a TaskManager before it counts as lost, and of it before they are read.
const MESSAGES_MAX: usize = 1024;
/// A deployment carries the job graph and the manifest.
const MESSAGE_BYTES_MAX: usize = 256 * 1024 * 1024;

/// The service that TaskManagers attach to.
#[derive(Clone, Debug)]
pub struct AttachService {
    handle: Handle,
}

/// The gRPC service of a JobManager, to be added to a tonic server.
pub fn grpc_service(handle: Handle) -> JobManagerServer<AttachService> {
    JobManagerServer::new(AttachService { handle })
        .max_decoding_message_size(MESSAGE_BYTES_MAX)
        .max_encoding_message_size(MESSAGE_BYTES_MAX)
}

#[tonic::async_trait]
impl JobManager for AttachService {
    type AttachStream = Pin<Box<dyn Stream<Item = Result<ToTaskManager, Status>> + Send>>;

    async fn attach(&self, request: Request<Streaming<ToJobManager>>) -> Result<Response<Self::AttachStream>, Status> {
        let mut stream = request.into_inner();
        let (inbound_sender, inbound) = mpsc::channel(MESSAGES_MAX);
        let (outbound, outbound_receiver) = mpsc::channel(MESSAGES_MAX);
        self.handle.attach(inbound, outbound);
        tokio::spawn(async move {
            while let Some(Ok(message)) = stream.next().await {
                if inbound_sender.send(message).await.is_err() {
                    break;
                }
            }
        });
        Ok(Response::new(Box::pin(ReceiverStream::new(outbound_receiver).map(Ok))))
    }
}
