//! Follows a job until it ends: a status line on a terminal, a clean stop on Ctrl-C.

#![expect(clippy::disallowed_methods, reason = "draws at intervals")]

use std::time::{Duration, Instant};

use jobmanager::{Handle, JobDetail, JobResult, SubtaskFigures};
use model::Failure;

use crate::display;

/// How often the status line is written.
const STATUS_INTERVAL: Duration = Duration::from_millis(500);

/// Waits for the job's end.
pub(crate) async fn follow(handle: &Handle, id: &str) -> Result<JobResult, Failure> {
    let ended = handle.await_termination(id);
    tokio::pin!(ended);
    let mut line = StatusLine::new();
    let mut told = 0;
    let mut tick = tokio::time::interval(STATUS_INTERVAL);
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    // One future for all turns: with a new one in each, a Ctrl-C between two would be lost.
    let interrupted = tokio::signal::ctrl_c();
    tokio::pin!(interrupted);
    let mut stopping: Option<tokio::task::JoinHandle<()>> = None;
    loop {
        tokio::select! {
            result = &mut ended => {
                // It has something to say: where the savepoint is.
                if let Some(stopping) = stopping.take() {
                    let _ = stopping.await;
                }
                if let Ok(job) = handle.job(id).await {
                    line.end(&job);
                    tell_losses(&job);
                }
                return result;
            }
            _ = tick.tick() => {
                tell_restarts(handle, id, &mut told).await;
                line.show(handle, id).await;
            }
            _ = &mut interrupted, if stopping.is_none() => {
                let (handle, id) = (handle.clone(), id.to_owned());
                stopping = Some(tokio::spawn(async move { stop(&handle, &id).await }));
            }
        }
    }
}

/// Says why the job is restarted. `told` restarts were spoken of before.
async fn tell_restarts(handle: &Handle, id: &str, told: &mut u64) {
    let Ok(job) = handle.job(id).await else { return };
    if let Some(failure) = job.failure.filter(|_| job.restarts > *told) {
        display::clear_status();
        display::note(&format!("restarted after: {}", failure.message));
    }
    *told = job.restarts;
}

/// Stops with a savepoint if there is somewhere for it to go, else cancels.
async fn stop(handle: &Handle, id: &str) {
    match handle.stop(id, false, None).await {
        Ok(savepoint) => display::note(&format!("\nstopped with savepoint {savepoint}")),
        Err(_) => {
            if let Err(failure) = handle.cancel(id).await {
                display::note(&format!("\ncannot cancel: {failure}"));
            }
        }
    }
}

struct StatusLine {
    enabled: bool,
    started: Instant,
    last: Option<(Instant, u64)>,
}

impl StatusLine {
    fn new() -> Self {
        Self { enabled: display::is_terminal(), started: Instant::now(), last: None }
    }

    async fn show(&mut self, handle: &Handle, id: &str) {
        if !self.enabled {
            return;
        }
        let Ok(job) = handle.job(id).await else { return };
        let records_in = rows_in(&job);
        let rate = self.last.map_or(0.0, |(since, before)| {
            records_in.saturating_sub(before) as f64 / since.elapsed().as_secs_f64().max(1e-3)
        });
        self.last = Some((Instant::now(), records_in));
        display::status(&format!("{}  {:.0} rows/s", summary(&job), rate));
    }

    fn end(&self, job: &JobDetail) {
        if self.enabled {
            let seconds = self.started.elapsed().as_secs_f64();
            display::clear_status();
            display::note(&format!("{}  {seconds:.1} s", summary(job)));
        }
    }
}

/// Rows that are not in the result although they were in the input.
fn tell_losses(job: &JobDetail) {
    let sum = |count: fn(&SubtaskFigures) -> u64| {
        let subtasks = job.vertices.iter().flat_map(|vertex| &vertex.subtasks);
        subtasks.map(|subtask| count(&subtask.metrics)).sum::<u64>()
    };
    for (count, what) in [
        (sum(|figures| figures.rows_skipped), "malformed records (skipped, or with null for a field)"),
        (sum(|figures| figures.late_rows_dropped), "late rows were dropped"),
    ] {
        if count > 0 {
            display::note(&format!("{count} {what}"));
        }
    }
}

fn rows_in(job: &JobDetail) -> u64 {
    let sources = job.vertices.iter().filter(|vertex| vertex.is_source);
    sources.flat_map(|vertex| &vertex.subtasks).map(|subtask| subtask.metrics.records_in).sum()
}

fn rows_out(job: &JobDetail) -> u64 {
    let sinks = job.vertices.iter().filter(|vertex| vertex.is_sink);
    sinks.flat_map(|vertex| &vertex.subtasks).map(|subtask| subtask.metrics.records_out).sum()
}

fn summary(job: &JobDetail) -> String {
    let subtasks = job.vertices.iter().flat_map(|vertex| &vertex.subtasks);
    let watermark = subtasks.filter_map(|subtask| subtask.metrics.watermark_ms).min();
    let watermark = match watermark {
        None | Some(i64::MAX) => String::new(),
        Some(millis) => format!("  watermark {millis} ms"),
    };
    let checkpoint = job.checkpoints.latest_completed.as_ref();
    let checkpoint = checkpoint.map_or(String::new(), |checkpoint| format!("  checkpoint {}", checkpoint.id));
    format!("{}  in {}  out {}{watermark}{checkpoint}", job.status.name(), rows_in(job), rows_out(job))
}
