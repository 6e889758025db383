//! TaskManagers and their slots.

use std::collections::BTreeMap;

use wire::v1::SlotAssignment;

use crate::{
    api::{JobId, TaskManagerDetail},
    event::LinkId,
};

/// All TaskManagers that are connected.
#[derive(Debug, Default)]
pub(crate) struct Workers {
    links: BTreeMap<LinkId, Worker>,
}

#[derive(Debug)]
struct Worker {
    /// None until it has registered.
    registered: Option<Registered>,
    last_heard_ms: i64,
    /// The last heartbeat, put off by pauses of this process: heartbeat timeouts are measured from here.
    lease_ms: i64,
    resident_bytes: u64,
}

#[derive(Debug)]
struct Registered {
    id: String,
    data_address: String,
    slots: u32,
    used: BTreeMap<JobId, u32>,
}

impl Registered {
    fn free(&self) -> u32 {
        self.slots.saturating_sub(self.used.values().sum())
    }
}

/// How slots are chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Layout {
    /// On as many TaskManagers as there are.
    Spread,
    /// On as few as possible, so that others can go.
    Packed,
}

/// A slot given to a job.
#[derive(Clone, Debug)]
pub(crate) struct Slot {
    pub(crate) link: LinkId,
    pub(crate) assignment: SlotAssignment,
}

impl Workers {
    pub(crate) fn attach(&mut self, link: LinkId, now_ms: i64) {
        let worker = Worker { registered: None, last_heard_ms: now_ms, lease_ms: now_ms, resident_bytes: 0 };
        self.links.insert(link, worker);
    }

    /// Forgets a connection; whether it was known.
    pub(crate) fn remove(&mut self, link: LinkId) -> bool {
        self.links.remove(&link).is_some()
    }

    /// Takes a registration; the connection that the same TaskManager had before, if it is still there.
    pub(crate) fn register(&mut self, link: LinkId, register: &wire::v1::Register) -> Option<LinkId> {
        let earlier = self.links.iter().find_map(|(&other, worker)| {
            (other != link && worker.registered.as_ref()?.id == register.taskmanager_id).then_some(other)
        });
        if let Some(worker) = self.links.get_mut(&link) {
            worker.registered = Some(Registered {
                id: register.taskmanager_id.clone(),
                data_address: register.data_address.clone(),
                slots: register.slots,
                used: BTreeMap::new(),
            });
        }
        earlier
    }

    pub(crate) fn heard(&mut self, link: LinkId, now_ms: i64) {
        if let Some(worker) = self.links.get_mut(&link) {
            worker.last_heard_ms = now_ms;
            worker.lease_ms = now_ms;
        }
    }

    pub(crate) fn set_resident(&mut self, link: LinkId, bytes: u64) {
        if let Some(worker) = self.links.get_mut(&link) {
            worker.resident_bytes = bytes;
        }
    }

    pub(crate) fn is_attached(&self, link: LinkId) -> bool {
        self.links.contains_key(&link)
    }

    /// Extends all leases by the time in which this process did not run and could receive no heartbeat.
    pub(crate) fn paused(&mut self, paused_ms: i64) {
        for worker in self.links.values_mut() {
            worker.lease_ms += paused_ms;
        }
    }

    /// Connections that were not heard of since `limit_ms`, although this process ran.
    pub(crate) fn silent_since(&self, limit_ms: i64) -> Vec<LinkId> {
        self.links.iter().filter(|(_, worker)| worker.lease_ms <= limit_ms).map(|(&link, _)| link).collect()
    }

    pub(crate) fn oldest_lease_ms(&self) -> Option<i64> {
        self.links.values().map(|worker| worker.lease_ms).min()
    }

    pub(crate) fn name(&self, link: LinkId) -> String {
        let worker = self.links.get(&link).and_then(|worker| worker.registered.as_ref());
        worker.map_or_else(|| "unknown".to_owned(), |registered| registered.id.clone())
    }

    /// Slots that `job` could have: free ones and those it has.
    pub(crate) fn available_to(&self, job: &str) -> u32 {
        let registered = self.links.values().filter_map(|worker| worker.registered.as_ref());
        registered.map(|worker| worker.free() + worker.used.get(job).copied().unwrap_or(0)).sum()
    }

    /// Gives `count` slots to a job, spread evenly, or on as few TaskManagers as can be; none if there are too few.
    pub(crate) fn allocate(&mut self, job: &str, count: u32, layout: Layout) -> Option<Vec<Slot>> {
        let free: u32 = self.links.values().filter_map(|worker| worker.registered.as_ref()).map(Registered::free).sum();
        if free < count {
            return None;
        }
        let mut slots = Vec::with_capacity(count as usize);
        for _ in 0..count {
            let candidates = self.links.iter_mut().filter_map(|(&link, w)| Some((link, w.registered.as_mut()?)));
            let is_begun = |worker: &Registered| layout == Layout::Packed && worker.used.contains_key(job);
            // The first of those with the most free slots.
            let key = |worker: &Registered| (worker.free() > 0, is_begun(worker), worker.free());
            let (link, worker) = candidates.rev().max_by_key(|(_, worker)| key(worker))?;
            *worker.used.entry(job.to_owned()).or_insert(0) += 1;
            let assignment =
                SlotAssignment { taskmanager_id: worker.id.clone(), data_address: worker.data_address.clone() };
            slots.push(Slot { link, assignment });
        }
        Some(slots)
    }

    /// Takes all slots back from a job.
    pub(crate) fn release(&mut self, job: &str) {
        for worker in self.links.values_mut().filter_map(|worker| worker.registered.as_mut()) {
            worker.used.remove(job);
        }
    }

    pub(crate) fn details(&self) -> Vec<TaskManagerDetail> {
        let detail = |worker: &Worker| {
            let registered = worker.registered.as_ref()?;
            Some(TaskManagerDetail {
                id: registered.id.clone(),
                data_address: registered.data_address.clone(),
                slots: registered.slots,
                free_slots: registered.free(),
                last_heartbeat_ms: worker.last_heard_ms,
                resident_bytes: worker.resident_bytes,
            })
        };
        self.links.values().filter_map(detail).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn workers(slots: &[u32]) -> Workers {
        let mut workers = Workers::default();
        for (link, &slots) in slots.iter().enumerate() {
            let register = wire::v1::Register {
                taskmanager_id: format!("tm{link}"),
                data_address: String::new(),
                slots,
                build: String::new(),
            };
            workers.attach(link as LinkId, 0);
            workers.register(link as LinkId, &register);
        }
        workers
    }

    #[test]
    fn slots_are_spread_and_come_back() {
        let mut workers = workers(&[2, 4]);
        let names = |slots: Vec<Slot>| slots.into_iter().map(|slot| slot.link).collect::<Vec<_>>();
        assert_eq!(names(workers.allocate("a", 4, Layout::Spread).expect("free")), [1, 1, 0, 1]);
        assert!(workers.allocate("b", 3, Layout::Spread).is_none(), "two are left");
        assert_eq!(workers.available_to("a"), 6);
        assert_eq!(workers.available_to("b"), 2);
        workers.release("a");
        assert_eq!(workers.available_to("b"), 6);
        assert_eq!(names(workers.allocate("a", 5, Layout::Packed).expect("free")), [1, 1, 1, 1, 0]);
    }

    #[test]
    fn a_taskmanager_that_comes_back_replaces_its_old_connection() {
        let mut workers = workers(&[1]);
        workers.attach(9, 5);
        let register = wire::v1::Register { taskmanager_id: "tm0".to_owned(), slots: 1, ..Default::default() };
        assert_eq!(workers.register(9, &register), Some(0));
    }
}
