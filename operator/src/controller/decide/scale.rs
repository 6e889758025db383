//! Rescaling in place: pods before slots are asked for, and slots given back before pods go.

use std::time::Duration;

use super::{Action, Pass};

const POLL: Duration = Duration::from_secs(1);

/// Brings the parallelism towards what is wanted. Returns how many TaskManagers there may be now.
pub(super) fn decide(pass: &mut Pass<'_>) -> i32 {
    let wanted = pass.job.replicas();
    let present = pass.facts.taskmanager.as_ref().map_or(wanted, |workload| workload.replicas);
    let Some(engine) = pass.facts.job().filter(|engine| !engine.is_terminal()) else { return wanted };
    let parallelism = pass.job.parallelism;
    let declared = engine.requirements.values().max().copied();
    let outdated = declared.is_some_and(|declared| declared != parallelism);
    if declared.is_some_and(|declared| declared > parallelism) || (outdated && pass.facts.slots >= parallelism) {
        require(pass);
    }
    let unused = engine.parallelism.is_none_or(|used| used <= parallelism) && engine.is_running();
    let settled = !outdated && (!engine.is_running() || engine.parallelism == Some(parallelism));
    if !settled || present != wanted {
        pass.scaling = true;
        pass.look_again(POLL);
    }
    if wanted < present && !(unused && !outdated) { present } else { wanted }
}

fn require(pass: &mut Pass<'_>) {
    let (Some(engine), Some(started)) = (pass.facts.job(), pass.status.job.as_ref()) else { return };
    let vertices = engine.requirements.keys().cloned().collect();
    let action = Action::Require { job: started.id.clone(), vertices, parallelism: pass.job.parallelism };
    let from = engine.requirements.values().max().copied().unwrap_or_default();
    pass.actions.push(action);
    let message = format!("parallelism {from} -> {}", pass.job.parallelism);
    pass.tell("Scaling", message);
}
