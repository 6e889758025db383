//! What is to be done: facts in, a decision out. Pure.
//!
//! The new status is written before the actions are performed, and every pass starts over from status and facts. So a
//! step whose action was lost is entered again, and one whose action took effect is seen to be done.

mod deletion;
pub mod program;
mod savepoint;
mod scale;
mod upgrade;

use std::time::Duration;

use chrono::{DateTime, SecondsFormat, Utc};
use kube::ResourceExt;

use super::{
    build::{Children, Start, build},
    dereference::Facts,
    status,
    validate::{self, Validated},
};
use crate::{
    crd::{self, FlinkJob, FlinkJobStatus, JobStatus, SavepointStatus, UpgradeAction},
    hash,
    jobmanager::Job,
};

/// Something to do outside.
#[derive(Clone, Debug, PartialEq)]
pub enum Action {
    /// Write the children.
    Apply(Box<Children>),
    /// Take a savepoint.
    Savepoint {
        /// The job's id on the JobManager.
        job: String,
        /// Where it goes.
        directory: String,
        /// Under which id.
        request: String,
        /// Whether the job stops with it.
        stop: bool,
    },
    /// Declare the parallelism of vertices.
    Require {
        /// The job's id on the JobManager.
        job: String,
        /// All of them.
        vertices: Vec<String>,
        /// The same for all.
        parallelism: i32,
    },
    /// Say which pods go first when there are too many.
    DeletionCost {
        /// The pod.
        pod: String,
        /// The cheapest goes first.
        cost: i32,
    },
    /// Add or remove the finalizer.
    Finalizer(bool),
}

/// Something to tell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// Whether it is bad news.
    pub warning: bool,
    /// In a word.
    pub reason: &'static str,
    /// In a sentence.
    pub message: String,
}

/// What is to be done.
#[derive(Clone, Debug, PartialEq)]
pub struct Decision {
    /// To be written first, if it differs.
    pub status: FlinkJobStatus,
    /// To be done then, in this order.
    pub actions: Vec<Action>,
    /// To be told.
    pub events: Vec<Event>,
    /// When to look again.
    pub requeue: Duration,
    /// Whether the number of TaskManagers or the parallelism is being changed.
    pub scaling: bool,
}

/// How often a job that is as it should be is looked at.
const STEADY: Duration = Duration::from_secs(5);
/// How often a job is looked at that is to run and does not.
const DOWN: Duration = Duration::from_secs(1);
/// How soon to look again while something is under way.
const BUSY: Duration = Duration::from_millis(250);

/// One look at a valid job.
struct Pass<'a> {
    job: &'a Validated,
    facts: &'a Facts,
    status: FlinkJobStatus,
    actions: Vec<Action>,
    events: Vec<Event>,
    requeue: Duration,
    scaling: bool,
}

/// Decides what is to be done for a job.
pub fn decide(resource: &FlinkJob, validated: Result<&Validated, &validate::Error>, facts: &Facts) -> Decision {
    let old = resource.status.clone().unwrap_or_default();
    let mut decision = if resource.metadata.deletion_timestamp.is_some() {
        deletion::decide(resource, validated.ok(), facts)
    } else if resource.annotations().get(crd::PAUSE).is_some_and(|value| value == "true") {
        Decision::wait(old.clone(), STEADY)
    } else {
        match validated {
            Ok(job) => decide_valid(resource, job, facts),
            Err(_) => Decision::wait(old.clone(), STEADY),
        }
    };
    let view = status::View { resource, error: validated.err(), facts, old: &old };
    status::observe(&view, &mut decision);
    decision
}

fn decide_valid(resource: &FlinkJob, job: &Validated, facts: &Facts) -> Decision {
    let mut pass = Pass {
        job,
        facts,
        status: resource.status.clone().unwrap_or_default(),
        actions: Vec::new(),
        events: Vec::new(),
        requeue: STEADY,
        scaling: false,
    };
    if resource.status.is_none() {
        let seen =
            SavepointStatus { last_handled_trigger: job.savepoint_trigger.clone(), ..SavepointStatus::default() };
        pass.status.savepoint = Some(seen);
    }
    let wants_finalizer = job.spec.deletion.savepoint == crd::DeletionSavepoint::BestEffort;
    if wants_finalizer != resource.finalizers().iter().any(|name| name == crd::FINALIZER) {
        pass.actions.push(Action::Finalizer(wants_finalizer));
    }
    pass.run();
    Decision {
        status: pass.status,
        actions: pass.actions,
        events: pass.events,
        requeue: pass.requeue,
        scaling: pass.scaling,
    }
}

impl Decision {
    fn wait(status: FlinkJobStatus, requeue: Duration) -> Self {
        Self { status, actions: Vec::new(), events: Vec::new(), requeue, scaling: false }
    }
}

impl Pass<'_> {
    fn run(&mut self) {
        savepoint::follow(self);
        let is_refused = program::is_refused(self);
        if self.status.upgrade.is_none() && !savepoint::is_under_way(self) && !is_refused {
            upgrade::begin(self);
        }
        if self.status.upgrade.is_some() {
            upgrade::advance(self);
        } else if is_refused || self.is_outdated() {
            // Children would be made of the refused program, or before the savepoint under way is there.
            savepoint::begin(self);
        } else if let Some(started) = self.status.job.clone().filter(|job| job.state == crd::DesiredState::Running) {
            let replicas = scale::decide(self);
            self.keep_applied(&started, replicas);
            savepoint::begin(self);
            if !self.facts.is_running() && !self.facts.job().is_some_and(Job::is_terminal) {
                self.look_again(DOWN);
            }
        } else {
            savepoint::begin(self);
        }
    }

    /// Whether another program is wanted than the one that was started.
    fn is_outdated(&self) -> bool {
        let started = self.status.job.as_ref().filter(|started| started.state == crd::DesiredState::Running);
        started.is_some_and(|started| started.revision != self.job.revision)
    }

    /// Applies the children unless they are as they should be. Returns whether they are.
    fn keep_applied(&mut self, started: &JobStatus, replicas: i32) -> bool {
        let start = Start {
            job_id: started.id.clone(),
            epoch: started.epoch,
            restore_path: started.restore_path.clone(),
            replicas,
        };
        let children = build(self.job, &start);
        let is_applied = |workload: &Option<super::dereference::Workload>, replicas: i32| {
            let found = workload.as_ref();
            found.is_some_and(|found| found.applied.as_ref() == Some(&children.hash) && found.replicas == replicas)
        };
        if is_applied(&self.facts.jobmanager, replicas.min(1)) && is_applied(&self.facts.taskmanager, replicas) {
            return true;
        }
        self.actions.push(Action::Apply(Box::new(children)));
        self.look_again(BUSY);
        false
    }

    fn look_again(&mut self, after: Duration) {
        self.requeue = self.requeue.min(after);
    }

    fn tell(&mut self, reason: &'static str, message: impl Into<String>) {
        self.events.push(Event { warning: false, reason, message: message.into() });
    }

    fn warn(&mut self, reason: &'static str, message: impl Into<String>) {
        self.events.push(Event { warning: true, reason, message: message.into() });
    }

    fn savepoint_status(&mut self) -> &mut SavepointStatus {
        self.status.savepoint.get_or_insert_default()
    }

    fn record_savepoint(&mut self, path: &str) {
        let now = text(self.facts.now);
        let savepoint = self.savepoint_status();
        savepoint.last_path = Some(path.to_owned());
        savepoint.last_time = Some(now);
        savepoint.last_error = None;
    }
}

/// A moment as it is written into a status.
pub(super) fn text(time: DateTime<Utc>) -> String {
    time.to_rfc3339_opts(SecondsFormat::Millis, true)
}

/// The time since a moment that a status names; none if it names none.
fn since(facts: &Facts, moment: &str) -> Duration {
    let parsed = DateTime::parse_from_rfc3339(moment).ok();
    parsed.and_then(|moment| (facts.now - moment.to_utc()).to_std().ok()).unwrap_or_default()
}

/// An id for a request, the same whenever the same request is made.
fn request_id(job: &Validated, parts: &[&str]) -> String {
    hash::hash(std::iter::once(job.uid.as_str()).chain(parts.iter().copied()))
}

/// The id of the job on the JobManager from a start on: the uid, and another one for each start anew.
fn job_id(uid: &str, epoch: i64) -> String {
    let digits: String = uid.chars().filter(char::is_ascii_hexdigit).collect();
    if epoch == 1 && digits.len() == 32 {
        return digits.to_ascii_lowercase();
    }
    hash::hash([uid, "job", &epoch.to_string()])
}

fn action_name(action: UpgradeAction) -> &'static str {
    match action {
        UpgradeAction::Deploy => "deploy",
        UpgradeAction::Upgrade => "upgrade",
        UpgradeAction::Suspend => "suspend",
        UpgradeAction::Resume => "resume",
        UpgradeAction::Restore => "restore",
    }
}

#[cfg(test)]
mod tests;
