//! The loop with a JobManager that a test plays.

use graph::{
    Node,
    operator::{SinkSpec, SourceSpec},
};
use storage::StorageOptions;
use tokio::sync::mpsc;

use super::*;

const DEADLINE: Duration = Duration::from_secs(20);

/// Builds nothing: no job is deployed here.
struct Nothing;

impl Nothing {
    fn refused<T>() -> Result<T, Failure> {
        Err(Failure::internal("no operators here"))
    }
}

impl Registry for Nothing {
    fn operator(
        &self,
        _: &Node,
        _: &[model::Schema],
        _: &mut dataflow::OpenContext,
    ) -> Result<Box<dyn dataflow::Operator>, Failure> {
        Self::refused()
    }

    fn source(&self, _: &SourceSpec, _: &mut dataflow::OpenContext) -> Result<Box<dyn dataflow::Source>, Failure> {
        Self::refused()
    }

    fn sink(&self, _: &SinkSpec, _: &mut dataflow::OpenContext) -> Result<Box<dyn dataflow::Sink>, Failure> {
        Self::refused()
    }
}

fn taskmanager() -> TaskManager {
    let options = Options {
        id: "tm".to_owned(),
        slots: 2,
        data_address: String::new(),
        registry: Arc::new(Nothing),
        storage: Storage::new(StorageOptions::default()),
        runtime: Handle::current(),
        clock: Arc::new(dataflow::SystemClock),
        directory: std::env::temp_dir(),
        managed_memory_bytes: 1 << 20,
        channel_bytes: 1 << 20,
        build: "test".to_owned(),
    };
    TaskManager::new(options, ExchangeServer::default()).expect("slots")
}

/// The JobManager's end of a connection.
type End = (Sender<ToTaskManager>, Receiver<ToJobManager>);

async fn registered_slots(end: &mut End) -> u32 {
    let first = tokio::time::timeout(DEADLINE, end.1.recv()).await.expect("in time").and_then(|message| message.body);
    match first {
        Some(to_job_manager::Body::Register(register)) => register.slots,
        other => panic!("a registration comes first, not {other:?}"),
    }
}

#[tokio::test]
async fn one_that_was_given_up_registers_again_with_all_its_slots() {
    let (ends, mut accepted) = mpsc::channel::<End>(1);
    let mut left = 3;
    let connect = move || {
        left -= 1;
        let (ends, is_gone) = (ends.clone(), left == 0);
        async move {
            if is_gone {
                return Contact::Gone;
            }
            let (outbound, from_taskmanager) = mpsc::channel(16);
            let (to_taskmanager, inbound) = mpsc::channel(16);
            ends.send((to_taskmanager, from_taskmanager)).await.expect("the test accepts");
            Contact::Link(inbound, outbound)
        }
    };
    let served = tokio::spawn(async move { taskmanager().serve(connect).await });
    for time in ["first", "again"] {
        let mut end = tokio::time::timeout(DEADLINE, accepted.recv()).await.expect("in time").expect(time);
        assert_eq!(registered_slots(&mut end).await, 2, "{time}");
        // The JobManager gives it up: it drops its end.
    }
    let ended = tokio::time::timeout(DEADLINE, served).await.expect("in time");
    assert_eq!(ended.expect("no panic"), Ok(()));
}

#[test]
fn the_resident_set_does_not_depend_on_the_size_of_a_page() {
    let status = "Name:\tsluice\nVmHWM:\t    9000 kB\nVmRSS:\t    8192 kB\nRssAnon:\t     100 kB\n";
    assert_eq!(resident_of(status), Some(8 << 20));
    assert_eq!(resident_of("Name:\tsluice\n"), None);
    assert!(resident_bytes() > 1 << 20, "a process takes more than a mebibyte");
}
