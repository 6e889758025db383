//! Measures one query in this process: the query itself, and its source alone.

#![expect(clippy::disallowed_methods, reason = "measures")]

use std::{sync::Arc, time::Instant};

use checkpoint::Item;
use connectors::Environment;
use dataflow::{OpenContext, SourceEvent, SystemClock};
use graph::{JobGraph, OperatorSpec};
use jobmanager::JobSubmission;
use model::{Failure, key};
use serde_json::{Value, json};
use settings::{Settings, keys};
use state::{Backend, KeyedStore, StoreOptions};

use super::{events, queries::Query};
use crate::{
    arguments::BenchOptions,
    cluster,
    script::{self, ScriptJob, Step},
};

/// Runs a query and gives its figures as a JSON object.
pub(super) async fn measure(query: &Query, options: &BenchOptions) -> Result<Value, Failure> {
    let mut file = options.process.settings()?;
    file.set(keys::PARALLELISM.name, &options.parallelism.to_string())?;
    file.set(keys::STATE_BACKEND.name, &options.backend)?;
    file.set(keys::MINI_BATCH_ENABLED.name, "true")?;
    file.set(keys::MINI_BATCH_LATENCY.name, "2 s")?;
    file.set(keys::CHECKPOINT_INTERVAL.name, &options.checkpoint_interval)?;
    let directory = cluster::local_directory(&file).join("checkpoints");
    file.set(keys::CHECKPOINT_DIRECTORY.name, &directory.display().to_string())?;
    let tables = events::tables(options);
    let text = format!(
        "{tables}\nCREATE TABLE result ({}) WITH ('connector' = 'blackhole');\nINSERT INTO result {};",
        query.sink, query.select
    );
    let mut steps = script::plan(&text, query.name, &file, &Settings::default())?;
    let Some(Step::Job(job)) = steps.pop() else { return Err(Failure::internal("the script has no job")) };
    let source = source_seconds(&job.graph, options.parallelism).await?;
    let (cpu, started) = (cpu_seconds(), Instant::now());
    let detail = execute(*job, &file, options.parallelism).await?;
    let (seconds, cpu) = (started.elapsed().as_secs_f64(), cpu_seconds() - cpu);
    let _ = std::fs::remove_dir_all(cluster::local_directory(&file));
    let (events, history) = (options.events as f64, &detail.checkpoints.history);
    Ok(json!({
        "seconds": seconds,
        "events_per_second": events / seconds,
        "events_per_core_second": events / cpu.max(1e-3),
        "source_events_per_second": events / source,
        "peak_bytes": peak_bytes(),
        "checkpoints": detail.checkpoints.completed,
        "state_bytes": history.iter().map(|checkpoint| checkpoint.state_bytes).max().unwrap_or(0),
        "sync_ms": history.iter().map(|checkpoint| checkpoint.sync_ms).max().unwrap_or(0),
    }))
}

/// Runs a job in this process and gives what became of it.
pub(super) async fn execute(job: ScriptJob, file: &Settings, slots: u32) -> Result<jobmanager::JobDetail, Failure> {
    let environment = Environment::new(cluster::storage(file), tokio::runtime::Handle::current());
    let handle = cluster::start(file, slots, environment)?;
    let submission = JobSubmission {
        job_id: None,
        name: Some(job.name),
        graph: job.graph,
        settings: job.settings,
        restore_from: None,
    };
    let id = handle.submit(submission).await?;
    let result = handle.await_termination(&id).await?;
    if let Some(failure) = result.failure {
        return Err(failure);
    }
    handle.job(&id).await
}

/// How long the job's sources take by themselves, as many threads as slots.
async fn source_seconds(graph: &JobGraph, parallelism: u32) -> Result<f64, Failure> {
    let started = Instant::now();
    let mut threads = Vec::new();
    for node in &graph.nodes {
        let OperatorSpec::Source(spec) = &node.operator else { continue };
        let storage = cluster::storage(&Settings::default());
        let environment = Environment::new(storage, tokio::runtime::Handle::current());
        let listed = connectors::enumerate_splits(spec, &std::collections::BTreeMap::new(), &environment).await?;
        for subtask in 0..parallelism {
            let mut context = open_context(&node.uid, subtask, parallelism).await?;
            let share =
                |all: &Vec<Item>| all.iter().skip(subtask as usize).step_by(parallelism as usize).cloned().collect();
            context.splits = listed.as_ref().map(share);
            let mut source = connectors::build_source(spec, &mut context, &environment)?;
            threads.push(tokio::task::spawn_blocking(move || {
                tokio::runtime::Handle::current().block_on(async move {
                    while !matches!(source.poll().await?, SourceEvent::End) {}
                    Ok::<(), Failure>(())
                })
            }));
        }
    }
    for thread in threads {
        thread.await.map_err(|error| Failure::internal(error.to_string()))??;
    }
    Ok(started.elapsed().as_secs_f64())
}

async fn open_context(uid: &str, subtask: u32, parallelism: u32) -> Result<OpenContext, Failure> {
    let max_parallelism = key::default_max_parallelism(parallelism);
    let options = StoreOptions {
        backend: Backend::HashMap,
        key_groups: key::range_of(subtask, parallelism, max_parallelism),
        max_parallelism,
    };
    Ok(OpenContext {
        uid: uid.to_owned(),
        is_uid_derived: true,
        subtask,
        parallelism,
        max_parallelism,
        settings: Arc::new(Settings::default()),
        clock: Arc::new(SystemClock),
        restored: std::collections::BTreeMap::<String, Vec<Item>>::new(),
        is_restored: false,
        splits: None,
        keyed: KeyedStore::open(options, Vec::new(), cluster::storage(&Settings::default())).await?,
    })
}

/// CPU time of this process so far; 0 where it cannot be read.
fn cpu_seconds() -> f64 {
    let Ok(text) = std::fs::read_to_string("/proc/self/stat") else { return 0.0 };
    let fields = text.rsplit(')').next().unwrap_or("");
    let ticks = fields.split_whitespace().skip(11).take(2).filter_map(|field| field.parse::<f64>().ok());
    ticks.sum::<f64>() / 100.0
}

/// The largest resident set so far, in bytes; 0 where it cannot be read.
fn peak_bytes() -> u64 {
    let Ok(text) = std::fs::read_to_string("/proc/self/status") else { return 0 };
    let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok()).unwrap_or(0) * 1024
}
