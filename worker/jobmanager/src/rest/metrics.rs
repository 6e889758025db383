//! `GET /metrics`: Flink's names as its Prometheus reporter writes them, but counters are counters.

use std::{
    collections::BTreeMap,
    fmt::{Display, Write as _},
};

use crate::api::{JobDetail, JobStatus, SubtaskDetail, SubtaskFigures, TaskManagerDetail, VertexDetail};

/// One family's type and samples, in the order of their appearance.
#[derive(Default)]
struct Text {
    families: BTreeMap<String, (&'static str, String)>,
}

impl Text {
    fn add(&mut self, kind: &'static str, name: &str, labels: &str, value: impl Display) {
        let (_, samples) = self.families.entry(format!("flink_{name}")).or_insert_with(|| (kind, String::new()));
        // Writing to a string cannot fail.
        let _ = writeln!(samples, "flink_{name}{{{labels}}} {value}");
    }

    fn gauge(&mut self, name: &str, labels: &str, value: impl Display) {
        self.add("gauge", name, labels, value);
    }

    fn counter(&mut self, name: &str, labels: &str, value: impl Display) {
        self.add("counter", name, labels, value);
    }

    fn finish(self) -> String {
        let mut text = String::new();
        for (name, (kind, samples)) in self.families {
            let samples = samples.replace("{} ", " ");
            // As above.
            let _ = write!(text, "# TYPE {name} {kind}\n{samples}");
        }
        text
    }
}

fn escaped(value: &str) -> String {
    value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

pub(super) fn render(jobs: &[JobDetail], taskmanagers: &[TaskManagerDetail]) -> String {
    let mut text = Text::default();
    let running = jobs.iter().filter(|job| job.status == JobStatus::Running).count();
    text.gauge("jobmanager_numRegisteredTaskManagers", "", taskmanagers.len());
    text.gauge("jobmanager_numRunningJobs", "", running);
    text.gauge("jobmanager_taskSlotsTotal", "", taskmanagers.iter().map(|one| one.slots).sum::<u32>());
    text.gauge("jobmanager_taskSlotsAvailable", "", taskmanagers.iter().map(|one| one.free_slots).sum::<u32>());
    for taskmanager in taskmanagers {
        let labels = format!("tm_id=\"{}\"", escaped(&taskmanager.id));
        text.gauge("taskmanager_Status_Process_Memory_Resident", &labels, taskmanager.resident_bytes);
    }
    for job in jobs {
        render_job(&mut text, job);
    }
    text.finish()
}

fn render_job(text: &mut Text, job: &JobDetail) {
    let labels = format!("job_id=\"{}\",job_name=\"{}\"", job.id, escaped(&job.name));
    text.counter("jobmanager_job_numRestarts", &labels, job.restarts);
    text.counter("jobmanager_job_numRescales", &labels, job.rescales);
    for status in JobStatus::ALL.into_iter().filter(|status| !status.is_terminal()) {
        let name = status.name().to_ascii_lowercase();
        text.gauge(&format!("jobmanager_job_{name}State"), &labels, u8::from(job.status == status));
        let total = job.status_ms.get(status.name()).copied().unwrap_or(0);
        text.gauge(&format!("jobmanager_job_{name}TimeTotal"), &labels, total);
    }
    text.gauge("jobmanager_job_lastDowntime", &labels, job.last_downtime_ms.unwrap_or(0));
    let checkpoints = &job.checkpoints;
    let in_progress = u64::from(checkpoints.in_progress.is_some());
    text.counter("jobmanager_job_numberOfCompletedCheckpoints", &labels, checkpoints.completed);
    text.counter("jobmanager_job_numberOfFailedCheckpoints", &labels, checkpoints.failed);
    text.gauge("jobmanager_job_numberOfInProgressCheckpoints", &labels, in_progress);
    let total = checkpoints.completed + checkpoints.failed + in_progress;
    text.counter("jobmanager_job_totalNumberOfCheckpoints", &labels, total);
    if let Some(last) = &checkpoints.latest_completed {
        text.gauge("jobmanager_job_lastCheckpointDuration", &labels, last.duration_ms);
        text.gauge("jobmanager_job_lastCheckpointSize", &labels, last.state_bytes);
        text.gauge("jobmanager_job_lastCompletedCheckpointId", &labels, last.id);
        let completed = last.triggered_ms.saturating_add_unsigned(last.duration_ms);
        text.gauge("jobmanager_job_lastCheckpointCompletedTimestamp", &labels, completed);
    }
    if let Some(restored) = &checkpoints.latest_restored {
        text.gauge("jobmanager_job_lastCheckpointRestoreTimestamp", &labels, restored.time_ms);
    }
    for vertex in &job.vertices {
        for (number, subtask) in vertex.subtasks.iter().enumerate() {
            render_subtask(text, &labels, vertex, number, subtask);
        }
    }
}

fn render_subtask(text: &mut Text, job: &str, vertex: &VertexDetail, number: usize, subtask: &SubtaskDetail) {
    let labels = format!(
        "{job},task_id=\"{}\",task_name=\"{}\",subtask_index=\"{number}\",tm_id=\"{}\"",
        vertex.id,
        escaped(&vertex.name),
        escaped(&subtask.taskmanager)
    );
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
        text.counter(&format!("taskmanager_job_task_{name}"), &labels, value);
    }
    if let Some(watermark) = watermark_ms {
        text.gauge("taskmanager_job_task_currentInputWatermark", &labels, watermark);
    }
}
