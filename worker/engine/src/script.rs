//! From a SQL script to jobs ready to be submitted.

use std::path::Path;

use graph::JobGraph;
use model::{Failure, Schema};
use settings::{Settings, keys};
use sql::{JobKind, Outcome, Session};

use crate::time_zone;

/// A job of a script.
pub(crate) struct ScriptJob {
    /// Its name.
    pub(crate) name: String,
    /// Its graph.
    pub(crate) graph: JobGraph,
    /// All options in force.
    pub(crate) settings: Settings,
    /// What a top-level SELECT gives; none for INSERTs.
    pub(crate) select: Option<Selected>,
}

/// What a top-level SELECT gives.
#[derive(Clone, Debug, Default)]
pub(crate) struct Selected {
    /// Its columns.
    pub(crate) schema: Schema,
    /// Whether rows are taken back or replaced.
    pub(crate) updates: bool,
}

/// What a script asks for, in order.
pub(crate) enum Step {
    /// Text to print: EXPLAIN, SHOW, DESCRIBE.
    Text(String),
    /// A job to run.
    Job(Box<ScriptJob>),
}

/// Reads a script; `-` is standard input.
pub(crate) fn read(path: &Path) -> Result<String, Failure> {
    let text =
        if path == Path::new("-") { std::io::read_to_string(std::io::stdin()) } else { std::fs::read_to_string(path) };
    text.map_err(|error| Failure::user(format!("{}: {error}", path.display())))
}

/// Plans a script. Options: `file`, then the script's SET, then `given`.
pub(crate) fn plan(text: &str, name: &str, file: &Settings, given: &Settings) -> Result<Vec<Step>, Failure> {
    let mut session = Session::new(connectors::catalog());
    session.set_default_zone(time_zone::of_machine());
    session.check_options(keys::check);
    for (key, value) in file.values().iter().chain(given.values()) {
        session.set(key, value);
    }
    let outcomes = session.run(text).map_err(|error| Failure::from(error).at(name))?;
    outcomes
        .into_iter()
        .map(|outcome| match outcome {
            Outcome::Text(text) => Ok(Step::Text(text)),
            Outcome::Job(planned) => {
                let mut settings = file.clone();
                settings.merge(&Settings::from_map(&planned.settings).map_err(|failure| failure.at(name))?);
                settings.merge(given);
                let job_name = settings.get(&keys::JOB_NAME).unwrap_or_else(|| planned.graph.name.clone());
                let select = match planned.kind {
                    JobKind::Select { schema, changelog } => Some(Selected { schema, updates: !changelog.is_append() }),
                    JobKind::Insert { .. } => None,
                };
                let mut graph = planned.graph;
                graph.name.clone_from(&job_name);
                Ok(Step::Job(Box::new(ScriptJob { name: job_name, graph, settings, select })))
            }
        })
        .collect()
}

/// The one job of a script in application mode.
pub(crate) fn application(text: &str, name: &str, file: &Settings, given: &Settings) -> Result<ScriptJob, Failure> {
    let mut jobs = plan(text, name, file, given)?.into_iter().filter_map(|step| match step {
        Step::Job(job) => Some(*job),
        Step::Text(_) => None,
    });
    let job = jobs.next().ok_or_else(|| Failure::user("the script has no INSERT INTO: there is nothing to run"))?;
    if jobs.next().is_some() {
        return Err(Failure::user(
            "the script has several jobs: put its INSERTs between EXECUTE STATEMENT SET BEGIN and END",
        ));
    }
    if job.select.is_some() {
        return Err(Failure::user("a top-level SELECT has nowhere to go on a cluster: use INSERT INTO"));
    }
    Ok(job)
}
