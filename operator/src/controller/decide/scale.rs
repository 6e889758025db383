//! Rescaling in place: pods before slots are asked for, and slots given back before pods go.

use std::time::Duration;

use super::{Action, Pass};
use crate::controller::build::names;

const POLL: Duration = Duration::from_secs(1);

/// Brings the parallelism towards what is wanted. Returns how many TaskManagers there may be now.
pub(super) fn decide(pass: &mut Pass<'_>) -> i32 {
    let wanted = pass.job.replicas();
    let present = pass.facts.taskmanager.as_ref().map_or(wanted, |workload| workload.replicas);
    let Some(engine) = pass.facts.job().filter(|engine| !engine.is_terminal()) else { return wanted };
    let parallelism = pass.job.parallelism;
    let declared = engine.requirements.values().max().copied().unwrap_or(parallelism);
    let may_rise = declared < parallelism && pass.facts.slots >= parallelism;
    let fits = engine.parallelism.is_none_or(|used| used <= parallelism);
    let is_running = engine.is_running();
    // An engine may use less than it is allowed to.
    let settled = declared == parallelism && fits;
    if declared > parallelism || may_rise {
        require(pass, declared);
    }
    if !settled || present != wanted {
        pass.scaling = true;
        pass.look_again(POLL);
    }
    // Pods go only when their slots are no longer used.
    let may_shrink = settled && is_running;
    if wanted >= present {
        return wanted;
    }
    if !may_shrink {
        return present;
    }
    spare_idle_ones(pass);
    wanted
}

/// The pods that go are the ones that do nothing.
fn spare_idle_ones(pass: &mut Pass<'_>) {
    let workers = pass.facts.pods.iter().filter(|pod| pod.role == names::TASKMANAGER);
    for pod in workers {
        let used = pod.ip.as_ref().and_then(|ip| pass.facts.used_slots.get(ip));
        let cost = used.copied().unwrap_or(0);
        if cost != pod.deletion_cost {
            pass.actions.push(Action::DeletionCost { pod: pod.name.clone(), cost });
        }
    }
}

fn require(pass: &mut Pass<'_>, from: i32) {
    let (Some(engine), Some(started)) = (pass.facts.job(), pass.status.job.as_ref()) else { return };
    let vertices = engine.requirements.keys().cloned().collect();
    let action = Action::Require { job: started.id.clone(), vertices, parallelism: pass.job.parallelism };
    pass.actions.push(action);
    let message = format!("parallelism {from} -> {}", pass.job.parallelism);
    pass.tell("Scaling", message);
}
