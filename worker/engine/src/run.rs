//! `sluice run`: a script's jobs in this process, or handed to a cluster.

use connectors::Environment;
use graph::PhysicalGraph;
use jobmanager::{Handle, JobResult, JobSubmission};
use model::{Batch, Failure};
use serde_json::json;
use settings::{Settings, keys};
use tokio::sync::mpsc;

use crate::{
    arguments::{OutputForm, RunOptions},
    client::Client,
    cluster, display, progress,
    rows::Printer,
    script::{self, ScriptJob, Selected, Step},
};

/// Batches of a top-level SELECT that may wait to be printed.
const COLLECTED_MAX: usize = 16;

/// Runs the command.
pub(crate) async fn run(options: RunOptions) -> Result<(), Failure> {
    let text = script::read(&options.script)?;
    let (file, given) = (options.process.settings()?, options.process.given()?);
    let name = options.script.display().to_string();
    let steps = script::plan(&text, &name, &file, &given)?;
    if options.explain {
        for step in &steps {
            match step {
                Step::Text(text) => display::line(text),
                Step::Job(job) => display::line(&sql::explain(&job.graph, job.settings.get(&keys::PARALLELISM))),
            }
        }
        return Ok(());
    }
    if options.detached {
        return submit_detached(&options, steps).await;
    }
    let result = Local::new(&options, &file)?.run(steps).await;
    // A failure may be that this disk is full.
    cluster::clear_local_directory(&file);
    result
}

async fn submit_detached(options: &RunOptions, steps: Vec<Step>) -> Result<(), Failure> {
    let url = options.jobmanager.as_deref().unwrap_or("http://127.0.0.1:8081");
    let client = Client::new(url);
    for step in steps {
        match step {
            Step::Text(text) => display::line(&text),
            Step::Job(job) if job.select.is_some() => {
                return Err(Failure::user("a top-level SELECT has nowhere to go with --detached: use INSERT INTO"));
            }
            Step::Job(job) => {
                let body = json!({
                    "name": job.name,
                    "graph": serde_json::from_str::<serde_json::Value>(&job.graph.to_json()?).unwrap_or_default(),
                    "settings": job.settings.values(),
                    "restore_from": options.from,
                    "job_id": options.job_id,
                });
                let answer = client.call(reqwest::Method::POST, "/jobs", Some(&body)).await?;
                let id = answer["jobid"].as_str().unwrap_or_default();
                display::line(id);
                if job.settings.get(&keys::DML_SYNC) {
                    client.finished(id).await?;
                }
            }
        }
    }
    Ok(())
}

/// Slots that jobs need together.
pub(crate) fn slots<'a>(jobs: impl Iterator<Item = &'a ScriptJob>) -> u32 {
    jobs.map(|job| PhysicalGraph::new(&job.graph, job.settings.get(&keys::PARALLELISM)).slots()).sum()
}

/// A run in this process.
struct Local<'a> {
    options: &'a RunOptions,
    file: &'a Settings,
    output: OutputForm,
}

impl<'a> Local<'a> {
    fn new(options: &'a RunOptions, file: &'a Settings) -> Result<Self, Failure> {
        let default = if display::is_terminal() { OutputForm::Table } else { OutputForm::Jsonl };
        Ok(Self { options, file, output: options.output.unwrap_or(default) })
    }

    async fn run(&self, steps: Vec<Step>) -> Result<(), Failure> {
        let jobs = steps.iter().filter_map(|step| match step {
            Step::Job(job) => Some(job.as_ref()),
            Step::Text(_) => None,
        });
        let slots = slots(jobs);
        if slots == 0 {
            for step in &steps {
                if let Step::Text(text) = step {
                    display::line(text);
                }
            }
            return Ok(());
        }
        let (collector, mut collected) = mpsc::channel(COLLECTED_MAX);
        let storage = cluster::storage(self.file);
        let environment = Environment::new(storage, tokio::runtime::Handle::current()).with_collector(collector);
        let handle = cluster::start(self.file, slots, environment)?;
        if self.options.rest {
            crate::jobmanager_process::serve_rest(&handle, self.file, self.options.process.given()?).await?;
        }
        let mut inserts = Vec::new();
        for step in steps {
            match step {
                Step::Text(text) => display::line(&text),
                Step::Job(job) if job.select.is_some() => self.select(&handle, *job, &mut collected).await?,
                Step::Job(job) if job.settings.get(&keys::DML_SYNC) => {
                    let id = self.submit(&handle, *job).await?;
                    finish(progress::follow(&handle, &id).await?)?;
                }
                Step::Job(job) => inserts.push(self.submit(&handle, *job).await?),
            }
        }
        for id in inserts {
            finish(progress::follow(&handle, &id).await?)?;
        }
        Ok(())
    }

    async fn submit(&self, handle: &Handle, job: ScriptJob) -> Result<String, Failure> {
        handle
            .submit(JobSubmission {
                job_id: self.options.job_id.clone(),
                name: Some(job.name),
                restore_from: self.options.from.clone().or_else(|| job.settings.get(&keys::SAVEPOINT_PATH)),
                graph: job.graph,
                settings: job.settings,
            })
            .await
    }

    async fn select(
        &self,
        handle: &Handle,
        job: ScriptJob,
        collected: &mut mpsc::Receiver<Batch>,
    ) -> Result<(), Failure> {
        let Selected { schema, updates } = job.select.clone().unwrap_or_default();
        let mut printer = Printer::new(schema, self.output, updates);
        let id = self.submit(handle, job).await?;
        let follow = progress::follow(handle, &id);
        tokio::pin!(follow);
        let result = loop {
            tokio::select! {
                biased;
                Some(batch) = collected.recv() => {
                    display::clear_status();
                    printer.print(&batch);
                }
                result = &mut follow => break result,
            }
        };
        while let Ok(batch) = collected.try_recv() {
            printer.print(&batch);
        }
        printer.end();
        finish(result?)
    }
}

/// The job's failure, if it failed.
fn finish(result: JobResult) -> Result<(), Failure> {
    result.failure.map_or(Ok(()), Err)
}
