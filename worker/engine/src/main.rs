//! `sluice`: one binary for the laptop, the JobManager, the TaskManager and the client. The only crate that knows all.

mod arguments;
mod bench;
mod client;
mod cluster;
mod display;
mod jobmanager_process;
mod logging;
mod programs;
mod progress;
mod registry;
mod rows;
mod run;
mod script;
mod taskmanager_process;
mod time_zone;

use std::process::ExitCode;

use arguments::{Arguments, Command};
use clap::Parser;
use model::{ErrorClass, Failure};

/// RocksDB uses it too.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// The exit code for the user's mistakes; other failures give 1.
const EXIT_USER_ERROR: u8 = 2;
/// The exit code of a JobManager that a newer one has replaced.
const EXIT_FENCED: u8 = 3;

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    logging::start(&arguments.command);
    // Only one TLS provider is built in; a second call would mean it is installed already.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let result = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .thread_name("sluice")
        .enable_all()
        .build()
        .map_err(|error| Failure::external(format!("cannot start: {error}")))
        .and_then(|runtime| {
            let result = runtime.block_on(execute(arguments));
            // Slots may still be busy with what was cancelled; nothing waits for them.
            runtime.shutdown_background();
            result
        });
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            display::error(&failure);
            ExitCode::from(match failure.class {
                ErrorClass::User => EXIT_USER_ERROR,
                ErrorClass::Fenced => EXIT_FENCED,
                ErrorClass::External | ErrorClass::Data | ErrorClass::Internal => 1,
            })
        }
    }
}

async fn execute(arguments: Arguments) -> Result<(), Failure> {
    match arguments.command {
        Command::Run(options) => run::run(options).await,
        Command::Jobmanager(options) => jobmanager_process::run(options).await,
        Command::Taskmanager(options) => taskmanager_process::run(options).await,
        Command::Bench(options) => bench::run(options).await,
        Command::List(options) => client::list(&options).await,
        Command::Cancel(options) => client::cancel(&options).await,
        Command::Stop(options) => client::stop(&options).await,
        Command::Savepoint(options) => client::savepoint(&options).await,
        Command::Rescale(options) => client::rescale(&options).await,
    }
}
