//! `sluice taskmanager`: a TaskManager process. It looks for its JobManager for as long as it lives.

#![expect(clippy::disallowed_methods, reason = "starts the parts of a process")]

use std::time::Duration;

use connectors::Environment;
use model::Failure;
use settings::{Settings, keys};
use taskmanager::{Contact, ExchangeServer, TaskManager};
use tokio::sync::mpsc;
use tokio_stream::wrappers::{ReceiverStream, TcpListenerStream};
use wire::v1::{ToJobManager, ToTaskManager, job_manager_client::JobManagerClient};

use crate::{
    arguments::ProcessOptions,
    cluster::{self, MESSAGES_MAX},
    jobmanager_process::{listen, terminated},
};

/// The largest message: a job graph with its state handles.
const MESSAGE_BYTES_MAX: usize = 256 << 20;

/// Runs the process.
pub(crate) async fn run(options: ProcessOptions) -> Result<(), Failure> {
    let (settings, problems) = options.settings_with_problems()?;
    // The JobManager reports them to the user. Its own options may be among them, of a file that both share.
    for problem in problems {
        tracing::error!("option ignored: {problem}");
    }
    cluster::clear_local_directory(&settings);
    let listener =
        listen(&settings.get(&keys::TASKMANAGER_BIND_HOST), settings.get(&keys::TASKMANAGER_DATA_PORT)).await?;
    let port = listener.local_addr().map_err(|error| Failure::external(format!("exchange: {error}")))?.port();
    let data_address = format!("{}:{port}", settings.get(&keys::TASKMANAGER_HOST));
    let exchange = ExchangeServer::default();
    let server = tonic::transport::Server::builder()
        .initial_stream_window_size(64 << 20)
        .initial_connection_window_size(64 << 20)
        .tcp_nodelay(true)
        .add_service(exchange.service())
        .serve_with_incoming(TcpListenerStream::new(listener));
    let environment = Environment::new(cluster::storage(&settings), tokio::runtime::Handle::current());
    let slots = settings.get(&keys::TASKMANAGER_SLOTS);
    let id = format!("{data_address}-{}", &uuid::Uuid::new_v4().simple().to_string()[..6]);
    tracing::info!(id, slots, "TaskManager");
    let options = cluster::taskmanager_options(&settings, id, slots, data_address, environment);
    let taskmanager = TaskManager::new(options, exchange)?;
    let result = tokio::select! {
        result = serve(taskmanager, &settings) => result,
        result = server => result.map_err(|error| Failure::external(format!("exchange server: {error}"))),
        () = terminated() => Ok(()),
    };
    cluster::clear_local_directory(&settings);
    result
}

async fn serve(mut taskmanager: TaskManager, settings: &Settings) -> Result<(), Failure> {
    let url = format!("http://{}:{}", settings.get(&keys::JOBMANAGER_ADDRESS), settings.get(&keys::JOBMANAGER_PORT));
    let contact = || async {
        match connect(&url).await {
            Ok((inbound, outbound)) => {
                tracing::info!(url, "connected to the JobManager");
                Contact::Link(inbound, outbound)
            }
            Err(error) => Contact::NotYet(format!("{url}: {error}")),
        }
    };
    taskmanager.serve(contact).await
}

type Link = (mpsc::Receiver<ToTaskManager>, mpsc::Sender<ToJobManager>);

async fn connect(url: &str) -> Result<Link, Box<dyn std::error::Error>> {
    let transport = tonic::transport::Endpoint::from_shared(url.to_owned())?
        .connect_timeout(Duration::from_secs(2))
        .http2_keep_alive_interval(Duration::from_secs(5))
        .keep_alive_timeout(Duration::from_secs(5))
        .tcp_nodelay(true)
        .connect()
        .await?;
    let mut client = JobManagerClient::new(transport)
        .max_decoding_message_size(MESSAGE_BYTES_MAX)
        .max_encoding_message_size(MESSAGE_BYTES_MAX);
    let (outbound, outgoing) = mpsc::channel(MESSAGES_MAX);
    let (incoming, inbound) = mpsc::channel(MESSAGES_MAX);
    let response = client.attach(ReceiverStream::new(outgoing)).await?;
    let mut stream = response.into_inner();
    tokio::spawn(async move {
        while let Ok(Some(message)) = stream.message().await {
            if incoming.send(message).await.is_err() {
                break;
            }
        }
    });
    Ok((inbound, outbound))
}
