//! The command line.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use model::Failure;
use settings::Settings;

/// Flink SQL jobs: on this machine, or on a cluster.
#[derive(Debug, Parser)]
#[command(name = "sluice", version = env!("SLUICE_VERSION"), about)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run a SQL script, in this process or (with --detached) on a cluster
    Run(RunOptions),
    /// Start a JobManager
    Jobmanager(JobmanagerOptions),
    /// Start a TaskManager
    Taskmanager(ProcessOptions),
    /// Measure Nexmark queries
    Bench(BenchOptions),
    /// List the jobs of a cluster
    List(ClientOptions),
    /// Cancel a job
    Cancel(JobOptions),
    /// Stop a job with a savepoint
    Stop(StopOptions),
    /// Take a savepoint of a running job
    Savepoint(SavepointOptions),
    /// Change the parallelism of a running job
    Rescale(RescaleOptions),
}

/// Options as everywhere: a file, then `--set`.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct ProcessOptions {
    /// Configuration file (YAML; Flink's keys)
    #[arg(long, value_name = "FILE", env = "SLUICE_CONFIG")]
    pub(crate) config: Option<PathBuf>,
    /// An option; may be repeated
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub(crate) set: Vec<String>,
}

impl ProcessOptions {
    /// The file's options, `--set` over them.
    ///
    /// # Errors
    /// Class `User` for a file that cannot be read or an option that is wrong.
    pub(crate) fn settings(&self) -> Result<Settings, Failure> {
        let (settings, problems) = self.settings_with_problems()?;
        problems.into_iter().next().map_or(Ok(settings), Err)
    }

    /// As [`ProcessOptions::settings`], but leaves out the options of the file that are wrong and returns what is
    /// wrong with each.
    ///
    /// # Errors
    /// Class `User` for a file that cannot be read or a `--set` that is wrong.
    pub(crate) fn settings_with_problems(&self) -> Result<(Settings, Vec<Failure>), Failure> {
        let (mut settings, mut problems) = (Settings::default(), Vec::new());
        if let Some(path) = &self.config {
            let at = |failure: Failure| failure.at(path.display());
            let text = std::fs::read_to_string(path).map_err(|error| at(Failure::user(error.to_string())))?;
            (settings, problems) = Settings::from_yaml_with_problems(&text).map_err(at)?;
            problems = problems.into_iter().map(at).collect();
        }
        settings.merge(&self.given()?);
        Ok((settings, problems))
    }

    /// What `--set` gives.
    pub(crate) fn given(&self) -> Result<Settings, Failure> {
        let mut settings = Settings::default();
        for pair in &self.set {
            let (key, value) =
                pair.split_once('=').ok_or_else(|| Failure::user(format!("--set {pair}: expected KEY=VALUE")))?;
            settings.set(key.trim(), value.trim())?;
        }
        Ok(settings)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum OutputForm {
    /// A table, or a changelog where rows update
    Table,
    /// One JSON object for each change
    Jsonl,
}

#[derive(Debug, Args)]
pub(crate) struct RunOptions {
    /// The SQL script; - reads standard input
    #[arg(value_name = "FILE")]
    pub(crate) script: PathBuf,
    #[command(flatten)]
    pub(crate) process: ProcessOptions,
    /// Start from this savepoint or checkpoint
    #[arg(long, value_name = "PATH")]
    pub(crate) from: Option<String>,
    /// How rows of a top-level SELECT are printed [default: a table on a terminal, otherwise jsonl]
    #[arg(long, value_enum)]
    pub(crate) output: Option<OutputForm>,
    /// Print the plan instead of running
    #[arg(long)]
    pub(crate) explain: bool,
    /// Id of the job: 32 hexadecimal digits. A job with the id of an earlier one continues from its last checkpoint
    #[arg(long, value_name = "ID")]
    pub(crate) job_id: Option<String>,
    /// Submit to a cluster and return
    #[arg(short, long)]
    pub(crate) detached: bool,
    /// The cluster's REST address, with --detached
    #[arg(long, value_name = "URL", env = "SLUICE_JOBMANAGER")]
    pub(crate) jobmanager: Option<String>,
    /// Serve REST while the job runs, on `rest.port`
    #[arg(long)]
    pub(crate) rest: bool,
}

#[derive(Debug, Args)]
pub(crate) struct JobmanagerOptions {
    #[command(flatten)]
    pub(crate) process: ProcessOptions,
    /// Run this SQL script as the only job (application mode)
    #[arg(long, value_name = "FILE")]
    pub(crate) job: Option<PathBuf>,
    /// Id of that job: 32 hexadecimal digits
    #[arg(long, value_name = "ID")]
    pub(crate) job_id: Option<String>,
}

#[derive(Clone, Debug, Args)]
pub(crate) struct ClientOptions {
    /// The cluster's REST address
    #[arg(long, value_name = "URL", env = "SLUICE_JOBMANAGER", default_value = "http://127.0.0.1:8081")]
    pub(crate) jobmanager: String,
}

#[derive(Debug, Args)]
pub(crate) struct JobOptions {
    /// The job's id
    pub(crate) job: String,
    #[command(flatten)]
    pub(crate) client: ClientOptions,
}

#[derive(Debug, Args)]
pub(crate) struct StopOptions {
    #[command(flatten)]
    pub(crate) job: JobOptions,
    /// Where the savepoint goes
    #[arg(short = 'p', long, value_name = "URI")]
    pub(crate) savepoint_path: Option<String>,
    /// Fire all event-time windows before stopping; the job cannot sensibly be resumed afterwards
    #[arg(short, long)]
    pub(crate) drain: bool,
}

#[derive(Debug, Args)]
pub(crate) struct SavepointOptions {
    /// The job's id
    pub(crate) job: String,
    /// Where the savepoint goes
    pub(crate) directory: Option<String>,
    #[command(flatten)]
    pub(crate) client: ClientOptions,
}

#[derive(Debug, Args)]
pub(crate) struct RescaleOptions {
    /// The job's id
    pub(crate) job: String,
    /// The new parallelism
    pub(crate) parallelism: u32,
    #[command(flatten)]
    pub(crate) client: ClientOptions,
}

/// Where the events of a benchmark come from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum BenchSource {
    #[default]
    Generator,
    Json,
}

#[derive(Clone, Debug, Args)]
pub(crate) struct BenchOptions {
    /// Queries, e.g. q0 q17 [default: all that are supported]
    pub(crate) queries: Vec<String>,
    /// Number of events
    #[arg(long, default_value_t = 3_000_000)]
    pub(crate) events: u64,
    /// Parallelism
    #[arg(long, default_value_t = 2)]
    pub(crate) parallelism: u32,
    /// State backend: hashmap or rocksdb
    #[arg(long, default_value = "rocksdb")]
    pub(crate) backend: String,
    /// Time between checkpoints
    #[arg(long, default_value = "1 s")]
    pub(crate) checkpoint_interval: String,
    /// Where the events come from: generated as they are read, or JSON lines in a file made beforehand
    #[arg(long, value_enum, default_value_t)]
    pub(crate) source: BenchSource,
    /// Figures of other engines to compare with: tab-separated, a column `query`, then one of thousands of events a
    /// second for each engine
    #[arg(long, value_name = "FILE")]
    pub(crate) peers: Option<PathBuf>,
    /// Another build of this program to compare with: both run each query three times, in turn, and the best runs count
    #[arg(long, value_name = "PROGRAM")]
    pub(crate) baseline: Option<PathBuf>,
    /// The file of events, or where it is made
    #[arg(long, hide = true)]
    pub(crate) file: Option<PathBuf>,
    /// Measure one query in this process and print the figures as JSON
    #[arg(long, hide = true)]
    pub(crate) child: bool,
    #[command(flatten)]
    pub(crate) process: ProcessOptions,
}
