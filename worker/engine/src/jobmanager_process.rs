//! `sluice jobmanager`: a JobManager process, alone (session mode) or with its one job (application mode).

#![expect(clippy::disallowed_methods, reason = "starts the parts of a process")]

use std::{net::SocketAddr, sync::Arc};

use connectors::Environment;
use jobmanager::{Handle, JobManager, JobSubmission};
use model::{ErrorClass, Failure};
use settings::{Settings, keys};
use tokio::net::TcpListener;
use tokio_stream::wrappers::TcpListenerStream;

use crate::{arguments::JobmanagerOptions, cluster, display, programs::Programs, script};

/// Runs the process.
pub(crate) async fn run(options: JobmanagerOptions) -> Result<(), Failure> {
    let (file, problems) = options.process.settings_with_problems()?;
    let given = options.process.given()?;
    // A JobManager with a job of its own starts all the same: the user sees the problem where the job would be, and a
    // restart of the process would change nothing.
    let problem = problems.into_iter().next();
    if let (Some(problem), None) = (&problem, &options.job) {
        return Err(problem.clone());
    }
    let environment = Environment::new(cluster::storage(&file), tokio::runtime::Handle::current());
    let (handle, service) = JobManager::new(cluster::jobmanager_options(&file, environment));
    serve_rest(&handle, &file, given.clone()).await?;
    let rpc = serve_rpc(&handle, &file).await?;
    if let Some(path) = &options.job {
        let submission = problem.map_or_else(|| application(path, &options, &file, &given), Err);
        match submission {
            Ok(submission) => start(&handle, submission),
            Err(failure) if failure.class == ErrorClass::User => {
                tracing::error!("the job cannot be planned: {failure}");
                reject(&handle, options.job_id.clone(), failure);
            }
            Err(failure) => return Err(failure),
        }
    }
    tokio::select! {
        result = service.run() => result,
        result = rpc => result.map_err(|error| Failure::internal(format!("RPC server: {error}")))?,
        () = terminated() => Ok(()),
    }
}

// The service answers once it runs, so nothing waits for its answers here.

fn reject(handle: &Handle, job_id: Option<String>, failure: Failure) {
    let handle = handle.clone();
    tokio::spawn(async move {
        if let Err(failure) = handle.reject(job_id, failure).await {
            tracing::error!("the job cannot be rejected: {failure}");
        }
    });
}

fn start(handle: &Handle, submission: JobSubmission) {
    let handle = handle.clone();
    tokio::spawn(async move {
        match handle.submit(submission).await {
            Ok(id) => tracing::info!(job = %id, "submitted"),
            Err(failure) => tracing::error!("the job cannot be started: {failure}"),
        }
    });
}

fn application(
    path: &std::path::Path,
    options: &JobmanagerOptions,
    file: &Settings,
    given: &Settings,
) -> Result<JobSubmission, Failure> {
    let text = script::read(path)?;
    let name = path.file_stem().map_or_else(String::new, |stem| stem.to_string_lossy().into_owned());
    let job = script::application(&text, &name, file, given)?;
    Ok(JobSubmission {
        job_id: options.job_id.clone(),
        name: Some(job.name),
        restore_from: job.settings.get(&keys::SAVEPOINT_PATH),
        graph: job.graph,
        settings: job.settings,
    })
}

/// Listens for REST calls and serves them in the background.
pub(crate) async fn serve_rest(handle: &Handle, settings: &Settings, given: Settings) -> Result<SocketAddr, Failure> {
    let listener = listen(&settings.get(&keys::REST_BIND_ADDRESS), settings.get(&keys::REST_PORT)).await?;
    let address = listener.local_addr().map_err(|error| Failure::external(format!("REST: {error}")))?;
    display::note(&format!("REST: http://{address}"));
    let (handle, programs) = (handle.clone(), Arc::new(Programs { given }));
    tokio::spawn(async move {
        if let Err(failure) = jobmanager::serve_rest(handle, listener, programs).await {
            tracing::error!("REST: {failure}");
        }
    });
    Ok(address)
}

type Served = tokio::task::JoinHandle<Result<(), Failure>>;

async fn serve_rpc(handle: &Handle, settings: &Settings) -> Result<Served, Failure> {
    let listener = listen(&settings.get(&keys::BIND_HOST), settings.get(&keys::JOBMANAGER_PORT)).await?;
    let service = jobmanager::grpc_service(handle.clone());
    Ok(tokio::spawn(async move {
        tonic::transport::Server::builder()
            .add_service(service)
            .serve_with_incoming(TcpListenerStream::new(listener))
            .await
            .map_err(|error| Failure::external(format!("RPC server: {error}")))
    }))
}

/// Listens on a port.
pub(crate) async fn listen(host: &str, port: u32) -> Result<TcpListener, Failure> {
    let address = format!("{host}:{port}");
    TcpListener::bind(&address).await.map_err(|error| Failure::external(format!("cannot listen on {address}: {error}")))
}

/// Waits for SIGTERM or Ctrl-C.
pub(crate) async fn terminated() {
    let mut terminate = match tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()) {
        Ok(signal) => signal,
        Err(error) => {
            tracing::warn!("SIGTERM cannot be caught: {error}");
            return std::future::pending().await;
        }
    };
    tokio::select! {
        _ = terminate.recv() => {}
        _ = tokio::signal::ctrl_c() => {}
    }
}
