//! Both sides of the exchange, over a real connection.

use std::{sync::Arc, time::Duration};

use dataflow::{ChannelReceiver, Element};
use model::{Failure, Watermark};
use tokio::sync::{Notify, oneshot};
use tokio_stream::wrappers::TcpListenerStream;
use tokio_util::sync::CancellationToken;

use super::{ChannelKey, ExchangeServer, Outgoing};

const DEADLINE: Duration = Duration::from_secs(60);
const CAPACITY_BYTES: usize = 1 << 20;

fn key(number: u32) -> ChannelKey {
    ChannelKey { job_id: "job".to_owned(), attempt: 1, edge: 0, from_vertex: 0, from_subtask: number, to_subtask: 0 }
}

async fn serve(server: &ExchangeServer) -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address").to_string();
    let incoming = TcpListenerStream::new(listener);
    tokio::spawn(tonic::transport::Server::builder().add_service(server.service()).serve_with_incoming(incoming));
    address
}

/// The first elements of a channel, as soon as so many are there.
async fn take(receiver: &ChannelReceiver, arrived: &Notify, count: usize) -> Vec<Element> {
    let mut elements = Vec::new();
    while elements.len() < count {
        let notified = arrived.notified();
        match receiver.pop() {
            Some(element) => elements.push(element),
            None => notified.await,
        }
    }
    elements
}

/// Opens so many channels to a server at once, each with elements that wait already, and takes all of them.
async fn carry_all(channels: u32) -> Result<(), Failure> {
    let server = ExchangeServer::default();
    let mut outgoing = Outgoing::new(serve(&server).await, CAPACITY_BYTES);
    let schema = Arc::new(arrow::datatypes::Schema::empty());
    let mut receivers = Vec::new();
    for number in 0..channels {
        let arrived = Arc::new(Notify::new());
        receivers
            .push((server.expect(key(number), Arc::clone(&schema), CAPACITY_BYTES, Arc::clone(&arrived)), arrived));
        let sender = outgoing.add(key(number));
        sender.push(Element::Watermark(Watermark(number.into())));
        sender.push(Element::End);
    }
    let (failed, failure) = oneshot::channel();
    let cancel = CancellationToken::new();
    let connection = outgoing.connect(cancel.clone(), |_: &ChannelKey, failure| {
        // The test has ended otherwise.
        let _ = failed.send(failure);
    });
    tokio::spawn(connection);
    let all = async {
        for (number, (receiver, arrived)) in (0i64..).zip(&receivers) {
            let elements = take(receiver, arrived, 2).await;
            let in_order =
                matches!(elements.as_slice(), [Element::Watermark(first), Element::End] if first.0 == number);
            assert!(in_order, "channel {number}: {elements:?}");
        }
    };
    let result = tokio::select! {
        biased;
        Ok(failure) = failure => Err(failure),
        () = all => Ok(()),
    };
    cancel.cancel();
    result
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn no_element_overtakes_the_opening_of_its_channel() {
    // More channels than frames may wait, and many more.
    for channels in [65, 200, 1_000, 4_000, 4_000, 4_000] {
        let result = tokio::time::timeout(DEADLINE, carry_all(channels)).await.expect("in time");
        assert_eq!(result, Ok(()), "{channels} channels");
    }
}
