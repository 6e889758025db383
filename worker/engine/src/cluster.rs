//! A whole cluster in this process: a JobManager and one TaskManager, joined by queues instead of a network.

#![expect(clippy::cast_possible_truncation, reason = "figures for people")]
#![expect(clippy::disallowed_methods, reason = "starts the parts of a cluster")]

use std::{path::PathBuf, sync::Arc};

use connectors::Environment;
use dataflow::SystemClock;
use jobmanager::{Handle, JobManager, WeakHandle};
use model::Failure;
use settings::{Settings, keys};
use storage::{Storage, StorageOptions};
use taskmanager::{Contact, ExchangeServer, TaskManager};
use tokio::sync::mpsc;

use crate::registry::EngineRegistry;

/// Messages that may wait between JobManager and TaskManager.
pub(crate) const MESSAGES_MAX: usize = 1024;

/// The build's version: processes of one cluster must agree.
pub(crate) const BUILD: &str = env!("CARGO_PKG_VERSION");

/// Object storage with the settings' S3 options.
pub(crate) fn storage(settings: &Settings) -> Storage {
    Storage::new(StorageOptions {
        s3_endpoint: settings.get(&keys::S3_ENDPOINT),
        s3_region: settings.get(&keys::S3_REGION),
        s3_access_key: settings.get(&keys::S3_ACCESS_KEY).or_else(|| variable("AWS_ACCESS_KEY_ID")),
        s3_secret_key: settings.get(&keys::S3_SECRET_KEY).or_else(|| variable("AWS_SECRET_ACCESS_KEY")),
        s3_path_style: settings.get(&keys::S3_PATH_STYLE),
    })
}

fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// The folder for working state of this process.
pub(crate) fn local_directory(settings: &Settings) -> PathBuf {
    let base = settings.get(&keys::STATE_DIRECTORY).map_or_else(std::env::temp_dir, PathBuf::from);
    base.join(format!("sluice-{}", std::process::id()))
}

/// Removes what a process of the same number has left there: in a container it is always the same.
pub(crate) fn clear_local_directory(settings: &Settings) {
    let directory = local_directory(settings);
    if let Err(error) = std::fs::remove_dir_all(&directory)
        && error.kind() != std::io::ErrorKind::NotFound
    {
        tracing::warn!("{}: {error}", directory.display());
    }
}

/// What a JobManager of this build is made of.
pub(crate) fn jobmanager_options(settings: &Settings, environment: Environment) -> jobmanager::Options {
    jobmanager::Options {
        settings: settings.clone(),
        storage: environment.storage.clone(),
        enumerator: Arc::new(EngineRegistry { environment }),
        build: BUILD.to_owned(),
    }
}

/// What a TaskManager of this build is made of.
pub(crate) fn taskmanager_options(
    settings: &Settings,
    id: String,
    slots: u32,
    data_address: String,
    environment: Environment,
) -> taskmanager::Options {
    taskmanager::Options {
        id,
        slots,
        data_address,
        storage: environment.storage.clone(),
        registry: Arc::new(EngineRegistry { environment }),
        runtime: tokio::runtime::Handle::current(),
        clock: Arc::new(SystemClock),
        directory: local_directory(settings),
        managed_memory_bytes: settings.get(&keys::MANAGED_MEMORY).0 as usize,
        channel_bytes: settings.get(&keys::NETWORK_BUFFER).0 as usize,
        build: BUILD.to_owned(),
    }
}

/// Starts a cluster with so many slots in this process.
pub(crate) fn start(settings: &Settings, slots: u32, environment: Environment) -> Result<Handle, Failure> {
    clear_local_directory(settings);
    let (handle, service) = JobManager::new(jobmanager_options(settings, environment.clone()));
    tokio::spawn(async move {
        if let Err(failure) = service.run().await {
            tracing::error!("JobManager: {failure}");
        }
    });
    let options = taskmanager_options(settings, "local".to_owned(), slots, String::new(), environment);
    let mut taskmanager = TaskManager::new(options, ExchangeServer::default())?;
    let jobmanager = handle.downgrade();
    tokio::spawn(async move {
        // What it did not understand has cost it the connection and its tasks; the JobManager decides what becomes of them.
        while let Err(failure) = taskmanager.serve(|| std::future::ready(attach(&jobmanager))).await {
            tracing::error!("TaskManager: {failure}");
        }
    });
    Ok(handle)
}

/// Connects this process' TaskManager to its JobManager.
fn attach(jobmanager: &WeakHandle) -> Contact {
    let Some(handle) = jobmanager.upgrade() else { return Contact::Gone };
    let (to_jobmanager, from_taskmanager) = mpsc::channel(MESSAGES_MAX);
    let (to_taskmanager, from_jobmanager) = mpsc::channel(MESSAGES_MAX);
    handle.attach(from_taskmanager, to_taskmanager);
    Contact::Link(from_jobmanager, to_jobmanager)
}
