//! `sluice bench`: Nexmark queries on generated events, each in a process of its own, and the source alone.

mod events;
mod measure;
mod peers;
mod queries;

use std::{path::Path, process::Stdio};

use model::Failure;
use serde_json::Value;

use crate::{arguments::BenchOptions, display};
use events::Events;
use peers::Peers;
use queries::{QUERIES, Query};

/// Runs the command: a child process for each query, so that memory is each query's own.
pub(crate) async fn run(options: BenchOptions) -> Result<(), Failure> {
    let chosen = chosen(&options)?;
    if options.child {
        let query = chosen.first().ok_or_else(|| Failure::internal("a child without a query"))?;
        display::line(&measure::measure(query, &options).await?.to_string());
        return Ok(());
    }
    let peers = options.peers.as_deref().map_or_else(|| Ok(Peers::default()), Peers::read)?;
    let events = Events::make(&options).await?;
    let own = std::env::current_exe().map_err(|error| Failure::external(format!("this program: {error}")))?;
    display::line(&format!(
        "{} events{}, parallelism {}, {} backend, checkpoints every {}",
        options.events, events, options.parallelism, options.backend, options.checkpoint_interval
    ));
    let mut names: Vec<&str> = peers.names.iter().map(String::as_str).collect();
    names.extend(options.baseline.is_some().then_some("baseline"));
    let columns: String = names.iter().map(|name| format!("  × {name}")).collect();
    display::line(&format!("{HEADER}{columns}"));
    let mut means = vec![Mean::default(); names.len()];
    for query in chosen {
        let (row, baseline) = pair(&own, query, &options, &events).await?;
        let rate = rate(&row);
        let mut ratios = peers.ratios(query.name, rate);
        ratios.extend(options.baseline.is_some().then(|| baseline.map(|baseline| rate / baseline)));
        means.iter_mut().zip(&ratios).for_each(|(mean, ratio)| mean.add(*ratio));
        display::line(&format!("{}{}", figures(query, &row), cells(&names, &ratios)));
    }
    let means: Vec<_> = means.into_iter().map(Mean::get).collect();
    if !means.is_empty() {
        display::line(&format!(
            "{:<width$}{}",
            "geometric mean",
            cells(&names, &means),
            width = HEADER.chars().count()
        ));
    }
    Ok(())
}

const HEADER: &str = "query    seconds   events/s  ev/s/core source alone  peak MB  ckpts  state MB  sync ms";
/// Runs of each program with each query if there are two to compare.
const ROUNDS: usize = 3;

/// The best of this build's runs of a query, and the baseline's best events a second. The two take turns, so that what
/// else the machine does meets both.
async fn pair(
    own: &Path,
    query: &Query,
    options: &BenchOptions,
    events: &Events,
) -> Result<(Value, Option<f64>), Failure> {
    let mut row = in_child(own, query, options, events).await?;
    let Some(program) = &options.baseline else { return Ok((row, None)) };
    let mut baseline = rate(&in_child(program, query, options, events).await?);
    for _ in 1..ROUNDS {
        let again = in_child(own, query, options, events).await?;
        if rate(&again) > rate(&row) {
            row = again;
        }
        baseline = baseline.max(rate(&in_child(program, query, options, events).await?));
    }
    Ok((row, Some(baseline)))
}

fn number(row: &Value, key: &str) -> f64 {
    row[key].as_f64().unwrap_or(0.0)
}

fn rate(row: &Value) -> f64 {
    number(row, "events_per_second")
}

fn figures(query: &Query, row: &Value) -> String {
    let mebibytes = |key| number(row, key) / 1_048_576.0;
    format!(
        "{:<6} {:>9.2} {:>10.0} {:>10.0} {:>12.0} {:>8.0} {:>6.0} {:>9.0} {:>8.0}",
        query.name,
        number(row, "seconds"),
        rate(row),
        number(row, "events_per_core_second"),
        number(row, "source_events_per_second"),
        mebibytes("peak_bytes"),
        number(row, "checkpoints"),
        mebibytes("state_bytes"),
        number(row, "sync_ms"),
    )
}

/// Ratios, each as wide as its column's name.
fn cells(names: &[&str], ratios: &[Option<f64>]) -> String {
    let cell = |(name, ratio): (&&str, &Option<f64>)| {
        let text = ratio.map_or_else(|| "-".to_owned(), |ratio| format!("{ratio:.2}"));
        format!("{text:>width$}", width = name.chars().count() + 4)
    };
    names.iter().zip(ratios).map(cell).collect()
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

async fn in_child(program: &Path, query: &Query, options: &BenchOptions, events: &Events) -> Result<Value, Failure> {
    let failed = |error: &dyn std::fmt::Display| Failure::external(format!("{}: {error}", query.name));
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
