//! A cluster and an engine as far as the decisions see them, for walking through changes without either.

use std::collections::BTreeMap;

use chrono::{TimeDelta, TimeZone, Utc};
use k8s_openapi::{api::core::v1::PodTemplateSpec, apimachinery::pkg::apis::meta::v1::Time, jiff::Timestamp};
use kube::ResourceExt;

use super::super::{Action, Decision, decide, program};
use crate::{
    controller::{
        build::{Children, names},
        dereference::{Engine, Facts, Pod, Program, Workload},
        fixture,
        validate::validate,
    },
    crd::{self, DesiredState, FlinkJob, FlinkJobStatus},
    jobmanager::{Checkpoint, Failure, Job, Operation},
};

/// Everything outside the operator.
pub(super) struct World {
    pub(super) resource: FlinkJob,
    pub(super) clock_millis: i64,
    pub(super) children: Option<Children>,
    /// The JobManager's process: the job that it runs.
    pub(super) engine: Option<Running>,
    pub(super) operations: BTreeMap<String, Operation>,
    /// Every start of a JobManager: job id and path.
    pub(super) starts: Vec<(String, Option<String>)>,
    /// Every savepoint: whether it stopped the job.
    pub(super) savepoints: Vec<bool>,
    pub(super) events: Vec<&'static str>,
    /// Slots in use by the host of their TaskManager.
    pub(super) used_slots: BTreeMap<String, i32>,
    /// What the deletion of a TaskManager's pod costs.
    pub(super) deletion_costs: BTreeMap<String, i32>,
    /// Whether savepoints fail.
    pub(super) storage_is_down: bool,
    /// Whether the JobManager answers.
    pub(super) is_reachable: bool,
    /// Whether the JobManager can check programs; older ones cannot.
    pub(super) checks_programs: bool,
}

#[derive(Clone)]
pub(super) struct Running {
    pub(super) id: String,
    pub(super) job: Job,
    template: PodTemplateSpec,
}

impl World {
    pub(super) fn new() -> Self {
        Self {
            resource: fixture::orders(),
            clock_millis: 0,
            children: None,
            engine: None,
            operations: BTreeMap::new(),
            starts: Vec::new(),
            savepoints: Vec::new(),
            events: Vec::new(),
            used_slots: BTreeMap::new(),
            deletion_costs: BTreeMap::new(),
            storage_is_down: false,
            is_reachable: true,
            checks_programs: true,
        }
    }

    /// A job that runs and has a checkpoint.
    pub(super) fn running() -> Self {
        let mut world = Self::new();
        world.settle();
        let checkpoint =
            Checkpoint { id: 1, path: Some("s3://bucket/orders/chk-1".to_owned()), ..Checkpoint::default() };
        world.job().checkpoint = Some(checkpoint);
        world.settle();
        world
    }

    pub(super) fn job(&mut self) -> &mut Job {
        &mut self.engine.as_mut().expect("a JobManager is up").job
    }

    pub(super) fn status(&self) -> FlinkJobStatus {
        self.resource.status.clone().unwrap_or_default()
    }

    pub(super) fn change(&mut self, change: impl FnOnce(&mut FlinkJob)) {
        change(&mut self.resource);
        *self.resource.metadata.generation.as_mut().unwrap() += 1;
    }

    pub(super) fn annotate(&mut self, name: &str, value: &str) {
        self.resource.annotations_mut().insert(name.to_owned(), value.to_owned());
    }

    pub(super) fn delete(&mut self) {
        let now = Timestamp::from_millisecond(self.facts().now.timestamp_millis()).unwrap();
        self.resource.metadata.deletion_timestamp = Some(Time(now));
    }

    /// The condition's status and reason.
    pub(super) fn condition(&self, kind: &str) -> (bool, String) {
        let status = self.status();
        let found = status.conditions.iter().find(|condition| condition.kind == kind).expect("all are there");
        (found.status == "True", found.reason.clone())
    }

    pub(super) fn facts(&self) -> Facts {
        let status = self.resource.status.as_ref();
        let asked = status.and_then(|status| status.job.as_ref()).filter(|job| job.state == DesiredState::Running);
        let running = self.engine.as_ref().filter(|_| self.is_reachable);
        let engine = match (asked, running) {
            (Some(asked), Some(running)) if running.id == asked.id => Engine::Job(Box::new(running.job.clone())),
            (Some(_), Some(_)) => Engine::Unknown,
            _ => Engine::Unreachable,
        };
        let request = status.and_then(|status| {
            let stop = status.upgrade.as_ref().and_then(|upgrade| upgrade.request_id.as_ref());
            let saving = status.savepoint.as_ref().and_then(|savepoint| savepoint.in_progress.as_ref());
            let last = status.deletion.as_ref().map(|deletion| &deletion.request_id);
            last.or(stop).or_else(|| saving.map(|request| &request.request_id))
        });
        let operation = request.filter(|_| matches!(engine, Engine::Job(_))).and_then(|id| self.operations.get(id));
        let mut facts = Facts {
            now: Utc.timestamp_opt(1_800_000_000, 0).unwrap() + TimeDelta::milliseconds(self.clock_millis),
            sql: fixture::sql(&self.resource),
            jobmanager: self.workload(|children| &children.jobmanager),
            taskmanager: self.workload(|children| &children.taskmanager),
            pods: self.pods(),
            used_slots: self.used_slots.clone(),
            slots: self.workload(|children| &children.taskmanager).map_or(0, |workload| workload.replicas * 2),
            operation: operation.cloned().unwrap_or(Operation::Unknown),
            engine,
            namespace_terminating: false,
            program: Program::Unchecked,
        };
        facts.program = self.verdict(&facts);
        facts
    }

    /// The JobManager knows no column `x` and no option `no.…`.
    fn verdict(&self, facts: &Facts) -> Program {
        let validated = validate(&self.resource, facts.sql.clone());
        let due = validated.ok().filter(|job| program::is_due(&self.resource, job, facts));
        let Some(job) = due.filter(|_| self.checks_programs) else { return Program::Unchecked };
        let refused =
            |message: String, position| Program::Refused(Failure { class: "user".to_owned(), message, position });
        if let Some(name) = job.config.keys().find(|name| name.starts_with("no.")) {
            return refused(format!("unknown option {name}"), None);
        }
        if job.sql.ends_with(" x") {
            return refused("line 1, column 8: no column x".to_owned(), Some((1, 8)));
        }
        Program::Accepted
    }

    fn workload(&self, which: impl Fn(&Children) -> &k8s_openapi::api::apps::v1::Deployment) -> Option<Workload> {
        let children = self.children.as_ref()?;
        let spec = which(children).spec.as_ref()?;
        let replicas = spec.replicas?;
        let image = spec.template.spec.as_ref()?.containers.first()?.image.clone();
        Some(Workload { applied: Some(children.hash.clone()), replicas, ready: replicas, image })
    }

    fn pods(&self) -> Vec<Pod> {
        let Some(running) = &self.engine else { return Vec::new() };
        let metadata = running.template.metadata.clone().unwrap_or_default();
        let annotation = metadata.annotations.unwrap_or_default();
        let labels = metadata.labels.unwrap_or_default();
        let jobmanager = Pod {
            name: "orders-jobmanager-1".to_owned(),
            role: names::JOBMANAGER.to_owned(),
            epoch: annotation.get(names::EPOCH).cloned(),
            revision: labels.get(names::REVISION).cloned(),
            ..Pod::default()
        };
        let taskmanagers = self.used_slots.keys().map(|host| Pod {
            name: format!("orders-taskmanager-{host}"),
            role: names::TASKMANAGER.to_owned(),
            ip: Some(host.clone()),
            deletion_cost: self.deletion_costs.get(&format!("orders-taskmanager-{host}")).copied().unwrap_or(0),
            ..Pod::default()
        });
        std::iter::once(jobmanager).chain(taskmanagers).collect()
    }

    /// One pass of the operator. It may be killed after it wrote the status.
    pub(super) fn pass(&mut self, is_killed: bool) -> Decision {
        self.clock_millis += 500;
        let facts = self.facts();
        let validated = validate(&self.resource, facts.sql.clone());
        let decision = decide(&self.resource, validated.as_ref(), &facts);
        self.resource.status = Some(decision.status.clone());
        if !is_killed {
            self.events.extend(decision.events.iter().map(|event| event.reason));
            for action in decision.actions.clone() {
                self.perform(action);
            }
        }
        decision
    }

    /// Passes until nothing changes any more.
    pub(super) fn settle(&mut self) {
        for _ in 0..100 {
            let before = self.resource.status.clone();
            let decision = self.pass(false);
            if decision.actions.is_empty() && before.as_ref() == Some(&decision.status) {
                return;
            }
        }
        panic!("never settles: {:#?}", self.resource.status);
    }

    fn perform(&mut self, action: Action) {
        match action {
            Action::Apply(children) => self.apply(*children),
            Action::Savepoint { job, directory, request, stop } => self.savepoint(&job, &directory, request, stop),
            Action::Require { parallelism, .. } => {
                let job = self.job();
                job.parallelism = Some(parallelism);
                job.requirements.values_mut().for_each(|upper| *upper = parallelism);
            }
            Action::DeletionCost { pod, cost } => drop(self.deletion_costs.insert(pod, cost)),
            Action::Finalizer(true) => self.resource.finalizers_mut().push(crd::FINALIZER.to_owned()),
            Action::Finalizer(false) => self.resource.finalizers_mut().retain(|name| name != crd::FINALIZER),
        }
    }

    fn savepoint(&mut self, job: &str, directory: &str, request: String, stop: bool) {
        let Some(running) = self.engine.as_mut().filter(|running| running.id == job && running.job.is_running()) else {
            return;
        };
        if self.operations.contains_key(&request) {
            return;
        }
        let operation = if self.storage_is_down {
            Operation::Failed("no bucket".to_owned())
        } else {
            self.savepoints.push(stop);
            let path = format!("{directory}/sp-{}", self.savepoints.len());
            if stop {
                running.job.state = "SUSPENDED".to_owned();
                running.job.savepoint = Some(path.clone());
            }
            Operation::Completed(path)
        };
        self.operations.insert(request, operation);
    }

    fn apply(&mut self, children: Children) {
        let spec = children.jobmanager.spec.clone().unwrap();
        if spec.replicas == Some(0) {
            self.engine = None;
        } else if self.engine.as_ref().is_none_or(|running| running.template != spec.template) {
            self.start(&children, spec.template);
        }
        self.children = Some(children);
    }

    fn start(&mut self, children: &Children, template: PodTemplateSpec) {
        let pod = template.spec.clone().unwrap();
        let id = pod.containers[0].args.as_ref().unwrap().last().unwrap().clone();
        let data = children.config_map.data.as_ref().unwrap();
        let yaml = data.iter().find(|(name, _)| name.starts_with("jobmanager-")).unwrap().1;
        let options: BTreeMap<String, String> = serde_yaml_ng::from_str(yaml).unwrap();
        let parallelism = options["parallelism.default"].parse().unwrap();
        self.starts.push((id.clone(), options.get("execution.state-recovery.path").cloned()));
        let job = Job {
            state: "RUNNING".to_owned(),
            start_time: 1_800_000_000_000,
            restarts: Some(0),
            parallelism: Some(parallelism),
            requirements: [("vertex".to_owned(), parallelism)].into(),
            ..Job::default()
        };
        // What a killed JobManager knew of requests is gone.
        self.operations.clear();
        self.engine = Some(Running { id, job, template });
    }
}
