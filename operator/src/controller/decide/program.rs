//! Whether the running JobManager is to check a program before the job is stopped for it, and what a refusal means.
//!
//! Only the engine knows its options and its SQL, and one of another image is another engine: that one decides at its start.

use kube::ResourceExt;

use super::Pass;
use crate::{
    controller::{
        dereference::{Facts, Program},
        validate::Validated,
    },
    crd::{self, DesiredState, FlinkJob},
    hash,
};

/// Whether the JobManager is to be asked: a job that has not ended would be stopped for a start of the same image.
/// Changes in place, suspensions and other savepoints to restore do not change the program and need no check.
pub fn is_due(resource: &FlinkJob, job: &Validated, facts: &Facts) -> bool {
    let Some(status) = resource.status.as_ref().filter(|status| status.upgrade.is_none()) else { return false };
    let is_paused = resource.annotations().get(crd::PAUSE).is_some_and(|value| value == "true");
    let started = status.job.as_ref().filter(|started| started.state == DesiredState::Running);
    let is_changed = started.is_some_and(|started| started.revision != job.revision);
    let image = facts.jobmanager.as_ref().and_then(|jobmanager| jobmanager.image.as_ref());
    resource.metadata.deletion_timestamp.is_none()
        && !is_paused
        && is_changed
        && job.is_wanted()
        && facts.job().is_some_and(|job| !job.is_terminal())
        && image == Some(&job.spec.image)
}

/// What a verdict is about: it holds for this program on this start of the JobManager.
pub fn key(resource: &FlinkJob, job: &Validated) -> String {
    let started = resource.status.as_ref().and_then(|status| status.job.as_ref());
    let epoch = started.map_or(0, |started| started.epoch).to_string();
    let options = job.start_options();
    let options = options.iter().flat_map(|(name, value)| [name.as_str(), value.as_str()]);
    hash::hash([job.uid.as_str(), &epoch, &job.sql].into_iter().chain(options))
}

/// A refused program leaves the running one alone, as an invalid spec does.
pub(super) fn is_refused(pass: &Pass<'_>) -> bool {
    pass.status.upgrade.is_none() && matches!(pass.facts.program, Program::Refused(_))
}
