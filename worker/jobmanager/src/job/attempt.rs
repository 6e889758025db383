//! One start of a job's tasks: which subtasks there are, where, and how each is doing.

use std::collections::{BTreeMap, BTreeSet};

use wire::v1::{SlotAssignment, TaskState};

use crate::{coordinator::TaskKey, event::LinkId, workers::Slot};

/// Heartbeats after a cancellation that do not list a task which never ran: it was never started.
const ABSENT_HEARTBEATS: u32 = 2;

#[derive(Debug)]
pub(crate) struct Attempt {
    pub(crate) number: u64,
    /// Whether it is the job's first under this JobManager.
    pub(crate) is_first: bool,
    /// Tasks may end, their sinks were asked to commit.
    pub(crate) released: bool,
    pub(crate) tasks: BTreeMap<TaskKey, Task>,
    slots: Vec<Slot>,
    heartbeats_since_cancel: BTreeMap<LinkId, u32>,
}

#[derive(Debug)]
pub(crate) struct Task {
    pub(crate) link: LinkId,
    pub(crate) state: State,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    Deploying,
    Running,
    Finished,
    Canceled,
    Failed,
}

impl State {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Deploying => "DEPLOYING",
            Self::Running => "RUNNING",
            Self::Finished => "FINISHED",
            Self::Canceled => "CANCELED",
            Self::Failed => "FAILED",
        }
    }

    fn is_gone(self) -> bool {
        matches!(self, Self::Canceled | Self::Failed)
    }
}

impl Attempt {
    /// Subtask i of every vertex goes into slot i. `parallelisms` are the vertices'.
    pub(crate) fn new(number: u64, is_first: bool, parallelisms: impl Iterator<Item = u32>, slots: Vec<Slot>) -> Self {
        let mut tasks = BTreeMap::new();
        for (vertex, parallelism) in (0..).zip(parallelisms) {
            for (subtask, slot) in (0..parallelism).zip(&slots) {
                let task = Task { link: slot.link, state: State::Deploying };
                tasks.insert((vertex, subtask), task);
            }
        }
        let heartbeats_since_cancel = BTreeMap::new();
        Self { number, is_first, released: false, tasks, slots, heartbeats_since_cancel }
    }

    pub(crate) fn assignments(&self) -> Vec<SlotAssignment> {
        self.slots.iter().map(|slot| slot.assignment.clone()).collect()
    }

    /// The connections of all TaskManagers that take part.
    pub(crate) fn links(&self) -> impl Iterator<Item = LinkId> {
        self.slots.iter().map(|slot| slot.link).collect::<BTreeSet<_>>().into_iter()
    }

    /// The tasks behind a connection.
    pub(crate) fn tasks_of(&self, link: LinkId) -> impl Iterator<Item = TaskKey> {
        self.tasks.iter().filter(move |(_, task)| task.link == link).map(|(key, _)| *key)
    }

    pub(crate) fn keys(&self) -> BTreeSet<TaskKey> {
        self.tasks.keys().copied().collect()
    }

    /// Takes a task's report; whether it changed anything. A task that is gone stays gone.
    pub(crate) fn report(&mut self, key: TaskKey, state: TaskState) -> bool {
        let Some(task) = self.tasks.get_mut(&key) else { return false };
        let next = match state {
            TaskState::Running => State::Running,
            TaskState::Finished => State::Finished,
            TaskState::Canceled => State::Canceled,
            TaskState::Failed => State::Failed,
            TaskState::Unspecified => return false,
        };
        let changes =
            task.state != next && !task.state.is_gone() && !(task.state == State::Finished && next == State::Running);
        if changes {
            task.state = next;
        }
        changes
    }

    /// All tasks of a lost TaskManager are gone.
    pub(crate) fn lose(&mut self, link: LinkId) {
        for task in self.tasks.values_mut().filter(|task| task.link == link && !task.state.is_gone()) {
            task.state = State::Failed;
        }
    }

    /// Whether all tasks run (or have finished).
    pub(crate) fn is_up(&self) -> bool {
        self.tasks.values().all(|task| matches!(task.state, State::Running | State::Finished))
    }

    pub(crate) fn is_finished(&self) -> bool {
        self.tasks.values().all(|task| task.state == State::Finished)
    }

    pub(crate) fn is_gone(&self) -> bool {
        self.tasks.values().all(|task| task.state.is_gone())
    }

    /// The connections of tasks that are not gone.
    pub(crate) fn lingering(&self) -> BTreeSet<LinkId> {
        self.tasks.values().filter(|task| !task.state.is_gone()).map(|task| task.link).collect()
    }

    /// A heartbeat after the cancellation: tasks that were never started are not listed and will never answer.
    pub(crate) fn heartbeat_while_closing(&mut self, link: LinkId, listed: &BTreeSet<TaskKey>) {
        let beats = self.heartbeats_since_cancel.entry(link).or_insert(0);
        *beats += 1;
        if *beats < ABSENT_HEARTBEATS {
            return;
        }
        let absent = |key: &TaskKey, task: &Task| task.link == link && !listed.contains(key);
        for (_, task) in self.tasks.iter_mut().filter(|(key, task)| absent(key, task)) {
            if task.state == State::Deploying {
                task.state = State::Canceled;
            }
        }
    }
}
