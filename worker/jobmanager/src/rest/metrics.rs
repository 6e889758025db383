//! `GET /metrics`: Flink's names as its Prometheus reporter writes them, but counters are counters.

use std::{collections::BTreeMap, fmt};

use model::Failure;
use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, text::encode_registry},
    metrics::MetricType,
    registry::Registry,
};

use crate::api::{JobDetail, JobStatus, SubtaskDetail, SubtaskFigures, TaskManagerDetail, VertexDetail};

/// Name and value; the encoder writes values as they are, so they are escaped.
type Label = (&'static str, String);

/// A metric's values by their labels.
#[derive(Debug)]
struct Family {
    kind: MetricType,
    samples: Vec<(Vec<Label>, i64)>,
}

/// All metrics, by their names without `flink_`.
#[derive(Debug, Default)]
struct Metrics {
    families: BTreeMap<String, Family>,
}

impl Metrics {
    fn add(&mut self, kind: MetricType, name: &str, labels: &[Label], value: impl TryInto<i64>) {
        let family = self.families.entry(name.to_owned()).or_insert_with(|| Family { kind, samples: Vec::new() });
        family.samples.push((labels.to_vec(), value.try_into().unwrap_or(i64::MAX)));
    }

    fn gauge(&mut self, name: &str, labels: &[Label], value: impl TryInto<i64>) {
        self.add(MetricType::Gauge, name, labels, value);
    }

    fn counter(&mut self, name: &str, labels: &[Label], value: impl TryInto<i64>) {
        self.add(MetricType::Counter, name, labels, value);
    }

    fn text(self) -> Result<String, Failure> {
        let mut registry = Registry::with_prefix("flink");
        registry.register_collector(Box::new(self));
        let mut text = String::new();
        encode_registry(&mut text, &registry)
            .map_err(|error| Failure::internal(format!("metrics cannot be written: {error}")))?;
        Ok(text)
    }
}

impl Collector for Metrics {
    fn encode(&self, mut encoder: DescriptorEncoder) -> fmt::Result {
        for (name, family) in &self.families {
            let (scope, metric) = name.rsplit_once('_').unwrap_or(("", name));
            let help = format!("{metric} (scope: {scope})");
            let mut encoder = encoder.encode_descriptor(name, &help, None, family.kind)?;
            for (labels, value) in &family.samples {
                // Counters too: Flink's names do not end in `_total`, which the encoder appends to a counter's name.
                if labels.is_empty() {
                    encoder.encode_gauge(value)?;
                } else {
                    encoder.encode_family(labels)?.encode_gauge(value)?;
                }
            }
        }
        Ok(())
    }
}

fn escaped(value: &str) -> String {
    value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

pub(super) fn render(jobs: &[JobDetail], taskmanagers: &[TaskManagerDetail]) -> Result<String, Failure> {
    let mut metrics = Metrics::default();
    let running = jobs.iter().filter(|job| job.status == JobStatus::Running).count();
    metrics.gauge("jobmanager_numRegisteredTaskManagers", &[], taskmanagers.len());
    metrics.gauge("jobmanager_numRunningJobs", &[], running);
    metrics.gauge("jobmanager_taskSlotsTotal", &[], taskmanagers.iter().map(|one| one.slots).sum::<u32>());
    metrics.gauge("jobmanager_taskSlotsAvailable", &[], taskmanagers.iter().map(|one| one.free_slots).sum::<u32>());
    for taskmanager in taskmanagers {
        let labels = [("tm_id", escaped(&taskmanager.id))];
        metrics.gauge("taskmanager_Status_Process_Memory_Resident", &labels, taskmanager.resident_bytes);
    }
    for job in jobs {
        render_job(&mut metrics, job);
    }
    metrics.text()
}

fn render_job(metrics: &mut Metrics, job: &JobDetail) {
    let labels = [("job_id", escaped(&job.id)), ("job_name", escaped(&job.name))];
    metrics.counter("jobmanager_job_numRestarts", &labels, job.restarts);
    metrics.counter("jobmanager_job_numRescales", &labels, job.rescales);
    for status in JobStatus::ALL.into_iter().filter(|status| !status.is_terminal()) {
        let name = status.name().to_ascii_lowercase();
        metrics.gauge(&format!("jobmanager_job_{name}State"), &labels, u8::from(job.status == status));
        let total = job.status_ms.get(status.name()).copied().unwrap_or(0);
        metrics.gauge(&format!("jobmanager_job_{name}TimeTotal"), &labels, total);
    }
    metrics.gauge("jobmanager_job_lastDowntime", &labels, job.last_downtime_ms.unwrap_or(0));
    let checkpoints = &job.checkpoints;
    let in_progress = u64::from(checkpoints.in_progress.is_some());
    metrics.counter("jobmanager_job_numberOfCompletedCheckpoints", &labels, checkpoints.completed);
    metrics.counter("jobmanager_job_numberOfFailedCheckpoints", &labels, checkpoints.failed);
    metrics.gauge("jobmanager_job_numberOfInProgressCheckpoints", &labels, in_progress);
    let total = checkpoints.completed + checkpoints.failed + in_progress;
    metrics.counter("jobmanager_job_totalNumberOfCheckpoints", &labels, total);
    if let Some(last) = &checkpoints.latest_completed {
        metrics.gauge("jobmanager_job_lastCheckpointDuration", &labels, last.duration_ms);
        metrics.gauge("jobmanager_job_lastCheckpointSize", &labels, last.state_bytes);
        metrics.gauge("jobmanager_job_lastCompletedCheckpointId", &labels, last.id);
        let completed = last.triggered_ms.saturating_add_unsigned(last.duration_ms);
        metrics.gauge("jobmanager_job_lastCheckpointCompletedTimestamp", &labels, completed);
    }
    if let Some(restored) = &checkpoints.latest_restored {
        metrics.gauge("jobmanager_job_lastCheckpointRestoreTimestamp", &labels, restored.time_ms);
    }
    for vertex in &job.vertices {
        for (number, subtask) in vertex.subtasks.iter().enumerate() {
            render_subtask(metrics, &labels, vertex, number, subtask);
        }
    }
}

fn render_subtask(metrics: &mut Metrics, job: &[Label], vertex: &VertexDetail, number: usize, subtask: &SubtaskDetail) {
    let mut labels = job.to_vec();
    labels.extend([
        ("task_id", escaped(&vertex.id)),
        ("task_name", escaped(&vertex.name)),
        ("subtask_index", number.to_string()),
        ("tm_id", escaped(&subtask.taskmanager)),
    ]);
    let SubtaskFigures {
        records_in,
        records_out,
        bytes_in,
        bytes_out,
        watermark_ms,
        late_rows_dropped,
        rows_skipped,
        busy_ms,
        back_pressured_ms,
        idle_ms,
    } = subtask.metrics;
    for (name, value) in [
        ("numRecordsIn", records_in),
        ("numRecordsOut", records_out),
        ("numBytesIn", bytes_in),
        ("numBytesOut", bytes_out),
        ("numLateRecordsDropped", late_rows_dropped),
        ("numRecordsInErrors", rows_skipped),
        ("accumulateBusyTimeMs", busy_ms),
        ("accumulateBackPressuredTimeMs", back_pressured_ms),
        ("accumulateIdleTimeMs", idle_ms),
    ] {
        metrics.counter(&format!("taskmanager_job_task_{name}"), &labels, value);
    }
    if let Some(watermark) = watermark_ms {
        metrics.gauge("taskmanager_job_task_currentInputWatermark", &labels, watermark);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_as_prometheus_reads_it() {
        let mut metrics = Metrics::default();
        let labels = [("job_name", escaped("a \"b\"\\\n")), ("tm_id", escaped("1"))];
        metrics.counter("jobmanager_job_numRestarts", &labels, 3_u64);
        metrics.counter("jobmanager_job_numRestarts", &[("job_name", escaped("c"))], u64::MAX);
        metrics.gauge("jobmanager_taskSlotsTotal", &[], 7_u32);
        let expected = concat!(
            "# HELP flink_jobmanager_job_numRestarts numRestarts (scope: jobmanager_job)\n",
            "# TYPE flink_jobmanager_job_numRestarts counter\n",
            "flink_jobmanager_job_numRestarts{job_name=\"a \\\"b\\\"\\\\\\n\",tm_id=\"1\"} 3\n",
            "flink_jobmanager_job_numRestarts{job_name=\"c\"} 9223372036854775807\n",
            "# HELP flink_jobmanager_taskSlotsTotal taskSlotsTotal (scope: jobmanager)\n",
            "# TYPE flink_jobmanager_taskSlotsTotal gauge\n",
            "flink_jobmanager_taskSlotsTotal 7\n",
        );
        assert_eq!(metrics.text().unwrap(), expected);
    }
}
