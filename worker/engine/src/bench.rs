//! `sluice bench`: Nexmark queries on generated events, each in a process of its own, and the source alone.

mod events;
mod peers;
mod queries;

use std::{process::Stdio, sync::Arc, time::Instant};

use checkpoint::Item;
use connectors::Environment;
use dataflow::{OpenContext, SourceEvent, SystemClock};
use graph::{JobGraph, OperatorSpec};
use jobmanager::JobSubmission;
use model::{Failure, key};
use serde_json::{Value, json};
use settings::{Settings, keys};
use state::{Backend, KeyedStore, StoreOptions};

use crate::{
    arguments::{BenchOptions, BenchSource},
    cluster, display,
    script::{self, ScriptJob, Step},
};
use events::Events;
use queries::{QUERIES, Query};

/// Runs the command: a child process for each query, so that memory is each query's own.
pub(crate) async fn run(options: BenchOptions) -> Result<(), Failure> {
    let chosen = chosen(&options)?;
    if options.child {
        let query = chosen.first().ok_or_else(|| Failure::internal("a child without a query"))?;
        display::line(&measure(query, &options).await?.to_string());
        return Ok(());
    }
    let events = Events::make(&options).await?;
    display::line(&format!(
        "{} events{}, parallelism {}, {} backend, checkpoints every {}",
        options.events, events, options.parallelism, options.backend, options.checkpoint_interval
    ));
    display::line(
        "query    seconds   events/s  ev/s/core source alone  peak MB  ckpts  state MB  sync ms  × Flink 2.3  × DBSP memory  × disk",
    );
    let mut means = [Mean::default(), Mean::default(), Mean::default()];
    for query in chosen {
        let row = in_child(query, &options, &events).await?;
        let number = |key: &str| row[key].as_f64().unwrap_or(0.0);
        let rate = number("events_per_second");
        let ratio = |thousands: Option<u32>| thousands.map(|thousands| rate / (f64::from(thousands) * 1000.0));
        let peers = peers::of(query.name);
        let ratios = match options.source {
            BenchSource::Json => [ratio(peers::flink_from_json(query.name)), None, None],
            BenchSource::Generator => [
                ratio(peers.and_then(|peers| peers.flink)),
                ratio(peers.and_then(|peers| peers.dbsp_memory)),
                ratio(peers.and_then(|peers| peers.dbsp_disk)),
            ],
        };
        means.iter_mut().zip(ratios).for_each(|(mean, ratio)| mean.add(ratio));
        display::line(&format!(
            "{:<6} {:>9.2} {rate:>10.0} {:>10.0} {:>12.0} {:>8.0} {:>6.0} {:>9.0} {:>8.0} {:>12} {:>14} {:>7}",
            query.name,
            number("seconds"),
            number("events_per_core_second"),
            number("source_events_per_second"),
            number("peak_bytes") / 1048576.0,
            number("checkpoints"),
            number("state_bytes") / 1048576.0,
            number("sync_ms"),
            times(ratios[0]),
            times(ratios[1]),
            times(ratios[2]),
        ));
    }
    let [flink, memory, disk] = means.map(|mean| times(mean.get()));
    display::line(&format!("geometric mean{flink:>79} {memory:>14} {disk:>7}"));
    Ok(())
}

fn times(ratio: Option<f64>) -> String {
    ratio.map_or_else(|| "-".to_owned(), |ratio| format!("{ratio:.1}"))
}

/// A geometric mean.
#[derive(Clone, Copy, Default)]
struct Mean {
    logarithms: f64,
    count: u32,
}

impl Mean {
    fn add(&mut self, ratio: Option<f64>) {
        if let Some(ratio) = ratio.filter(|ratio| *ratio > 0.0) {
            self.logarithms += ratio.ln();
            self.count += 1;
        }
    }

    fn get(self) -> Option<f64> {
        (self.count > 0).then(|| (self.logarithms / f64::from(self.count)).exp())
    }
}

fn chosen(options: &BenchOptions) -> Result<Vec<&'static Query>, Failure> {
    if options.queries.is_empty() {
        return Ok(QUERIES.iter().collect());
    }
    let find = |name: &String| {
        let known = || QUERIES.iter().map(|query| query.name).collect::<Vec<_>>().join(", ");
        QUERIES
            .iter()
            .find(|query| query.name == name.as_str())
            .ok_or_else(|| Failure::user(format!("unknown query {name}: there are {}", known())))
    };
    options.queries.iter().map(find).collect()
}

async fn in_child(query: &Query, options: &BenchOptions, events: &Events) -> Result<Value, Failure> {
    let failed = |error: &dyn std::fmt::Display| Failure::external(format!("{}: {error}", query.name));
    let program = std::env::current_exe().map_err(|error| failed(&error))?;
    let mut command = tokio::process::Command::new(program);
    command.args(["bench", "--child", query.name, "--backend", &options.backend]);
    command.args(["--events", &options.events.to_string(), "--parallelism", &options.parallelism.to_string()]);
    command.args(["--checkpoint-interval", &options.checkpoint_interval]);
    if let Events::Json { file, .. } = events {
        command.args(["--source", "json", "--file"]).arg(file);
    }
    for pair in &options.process.set {
        command.args(["--set", pair]);
    }
    let output = command.stderr(Stdio::inherit()).output().await.map_err(|error| failed(&error))?;
    serde_json::from_slice(&output.stdout).map_err(|_| failed(&"the measurement failed"))
}

async fn measure(query: &Query, options: &BenchOptions) -> Result<Value, Failure> {
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

async fn execute(job: ScriptJob, file: &Settings, slots: u32) -> Result<jobmanager::JobDetail, Failure> {
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
