//! The service on real (memory) storage, with fake TaskManagers.

use std::{sync::Arc, time::Duration};

use model::ErrorClass;
use settings::Settings;
use storage::{Storage, StorageOptions};
use tokio::task::JoinHandle;
use wire::v1::{SnapshotType, TaskFailure, to_task_manager::Body};

use super::fake::{FakeTaskManager, NoSplits, Script, graph};
use crate::{Handle, JobDetail, JobManager, JobStatus, JobSubmission, Options};

pub(crate) const JOB: &str = "0123456789abcdef0123456789abcdef";

pub(crate) fn storage() -> Storage {
    Storage::new(StorageOptions {
        s3_endpoint: None,
        s3_region: String::new(),
        s3_access_key: None,
        s3_secret_key: None,
        s3_path_style: false,
    })
}

/// What a JobManager of these tests is made of.
pub(crate) fn options(storage: Storage) -> Options {
    Options { settings: Settings::default(), storage, enumerator: Arc::new(NoSplits), build: "test".to_owned() }
}

pub(crate) fn jobmanager(storage: &Storage) -> (Handle, JoinHandle<Result<(), model::Failure>>) {
    let (handle, service) = JobManager::new(options(storage.clone()));
    (handle, tokio::spawn(service.run()))
}

pub(crate) fn submission(options: &[(&str, &str)]) -> JobSubmission {
    let mut settings = Settings::default();
    for (name, value) in options {
        settings.set(name, value).expect("an option");
    }
    JobSubmission { job_id: Some(JOB.to_owned()), name: None, graph: graph(), settings, restore_from: None }
}

/// Options of a job with checkpoints; memory storage is shared by the process, so each test has its own place.
pub(crate) fn checkpointed(test: &'static str) -> Vec<(&'static str, &'static str)> {
    let place = |folder: &str| -> &'static str { format!("memory://{test}/{folder}").leak() };
    vec![
        ("execution.checkpointing.interval", "20 ms"),
        ("parallelism.default", "2"),
        ("execution.checkpointing.dir", place("jobs")),
        ("execution.checkpointing.savepoint-dir", place("savepoints")),
        ("restart-strategy.exponential-delay.initial-backoff", "10 ms"),
    ]
}

/// Waits until a job looks as wanted.
pub(crate) async fn until(handle: &Handle, wanted: impl Fn(&JobDetail) -> bool) -> JobDetail {
    let wait = async {
        let mut progress = handle.progress(JOB).await.expect("a job");
        loop {
            let detail = handle.job(JOB).await.expect("a job");
            if wanted(&detail) {
                return detail;
            }
            // Something happens at least with every heartbeat; no change is worth a look, too.
            let _ = tokio::time::timeout(Duration::from_millis(20), progress.changed()).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), wait).await.expect("in time")
}

pub(crate) fn restored(deploy: &wire::v1::Deploy) -> Option<u64> {
    deploy.restore.as_ref().map(|restore| restore.checkpoint_id)
}

pub(crate) fn deploys(taskmanager: &FakeTaskManager) -> Vec<wire::v1::Deploy> {
    taskmanager.seen(|body| match body {
        Body::Deploy(deploy) => Some(deploy.clone()),
        _ => None,
    })
}

#[tokio::test]
async fn a_bounded_job_commits_once_more_before_it_is_released() {
    for directory in [None, Some(("execution.checkpointing.dir", "memory://bounded/jobs"))] {
        let store = storage();
        let (handle, _) = jobmanager(&store);
        let script = Script { bounded: true, ..Script::default() };
        let taskmanager = FakeTaskManager::connect(&handle, "tm", 1, script).await;
        let options: Vec<_> = directory.into_iter().collect();
        handle.submit(submission(&options)).await.expect("accepted");
        let result = handle.await_termination(JOB).await.expect("ends");
        assert_eq!(result.status, JobStatus::Finished);
        let steps = taskmanager.seen(|body| match body {
            Body::TriggerCheckpoint(trigger) => Some(format!("trigger {:?}", trigger.r#type())),
            Body::CheckpointCompleted(completed) => Some(format!("commit {}", completed.commit)),
            Body::Release(_) => Some("release".to_owned()),
            _ => None,
        });
        let kind = if directory.is_some() { SnapshotType::Checkpoint } else { SnapshotType::None };
        assert_eq!(steps, [format!("trigger {kind:?}"), "commit true".to_owned(), "release".to_owned()]);
        // A start of the same job finds that it has ended.
        if directory.is_some() {
            let (handle, _) = jobmanager(&store);
            handle.submit(submission(&options)).await.expect("accepted");
            assert_eq!(handle.await_termination(JOB).await.expect("ends").status, JobStatus::Finished);
        }
    }
}

#[tokio::test]
async fn a_job_goes_on_from_its_last_checkpoint_after_a_lost_taskmanager() {
    let (handle, _) = jobmanager(&storage());
    let first = FakeTaskManager::connect(&handle, "tm1", 2, Script::default()).await;
    handle.submit(submission(&checkpointed("lost"))).await.expect("accepted");
    until(&handle, |job| job.checkpoints.completed >= 3).await;
    first.kill();
    let down = until(&handle, |job| job.status != JobStatus::Running).await;
    let mut second = FakeTaskManager::connect(&handle, "tm2", 2, Script::default()).await;
    let deploy = second.wait_for(|body| match body {
        Body::Deploy(deploy) => Some(deploy.clone()),
        _ => None,
    });
    let deploy = deploy.await;
    let latest = down.checkpoints.latest_completed.expect("completed").id;
    assert!(restored(&deploy) >= Some(latest), "{:?} < {latest}", restored(&deploy));
    let up = until(&handle, |job| job.status == JobStatus::Running).await;
    assert_eq!(up.restarts, 1);
    assert!(up.last_downtime_ms.is_some());
    assert_eq!(up.failure.expect("a failure").class, ErrorClass::External);
}

#[tokio::test]
async fn a_new_jobmanager_takes_over_and_the_old_one_is_fenced() {
    let store = storage();
    let (old, old_service) = jobmanager(&store);
    let tm_old = FakeTaskManager::connect(&old, "tm1", 2, Script::default()).await;
    old.submit(submission(&checkpointed("fenced"))).await.expect("accepted");
    until(&old, |job| job.checkpoints.completed >= 2).await;

    let (new, _) = jobmanager(&store);
    let mut tm_new = FakeTaskManager::connect(&new, "tm2", 2, Script::default()).await;
    new.submit(submission(&checkpointed("fenced"))).await.expect("accepted");
    let up = until(&new, |job| job.checkpoints.completed >= 1).await;
    assert_eq!(up.epoch, 2);
    let deploy = tm_new.wait_for(|body| match body {
        Body::Deploy(deploy) => Some(deploy.clone()),
        _ => None,
    });
    assert!(restored(&deploy.await).is_some());

    let failure = old_service.await.expect("no panic").expect_err("fenced");
    assert_eq!(failure.class, ErrorClass::Fenced);
    let completed = tm_old.seen(|body| match body {
        Body::CheckpointCompleted(completed) => Some(completed.checkpoint_id),
        _ => None,
    });
    // What the old one told its tasks to commit is below what the new one started from.
    assert!(completed.iter().all(|&id| Some(id) <= restored(&deploys(&tm_new)[0])), "{completed:?}");
}

#[tokio::test]
async fn the_users_mistake_fails_the_job_and_other_failures_restart_it() {
    let failure =
        |class: &str| TaskFailure { class: class.to_owned(), message: "division".to_owned(), ..Default::default() };
    for (class, status) in [("user", JobStatus::Failed), ("external", JobStatus::Running)] {
        let (handle, _) = jobmanager(&storage());
        let script = Script { failures: vec![failure(class)], ..Script::default() };
        let _taskmanager = FakeTaskManager::connect(&handle, "tm", 2, script).await;
        handle.submit(submission(&checkpointed(class))).await.expect("accepted");
        let job = until(&handle, |job| job.failure.is_some() && job.status == status).await;
        let failure = job.failure.expect("a failure");
        assert_eq!((failure.message.as_str(), failure.task.as_deref()), ("division", Some("source (1/2)")));
        if status == JobStatus::Failed {
            let result = handle.await_termination(JOB).await.expect("ended");
            assert_eq!(result.failure.expect("a failure").class, ErrorClass::User);
        }
    }
}

#[tokio::test]
async fn a_stop_ends_with_a_savepoint_that_another_start_goes_on_from() {
    let store = storage();
    let (handle, _) = jobmanager(&store);
    let taskmanager = FakeTaskManager::connect(&handle, "tm", 2, Script::default()).await;
    handle.submit(submission(&checkpointed("stop"))).await.expect("accepted");
    until(&handle, |job| job.checkpoints.completed >= 1).await;
    let savepoint = handle.stop(JOB, true, None).await.expect("stops");
    assert!(savepoint.starts_with("memory://stop/savepoints/savepoint-012345-"), "{savepoint}");
    let result = handle.await_termination(JOB).await.expect("ended");
    assert_eq!((result.status, result.savepoint.as_ref()), (JobStatus::Suspended, Some(&savepoint)));
    let stops = taskmanager.seen(|body| match body {
        Body::TriggerCheckpoint(trigger) if trigger.stop => Some(trigger.drain),
        _ => None,
    });
    assert_eq!(stops, [true]);

    // The same start again leaves it so; one that names the savepoint goes on.
    let (handle, _) = jobmanager(&store);
    let taskmanager = FakeTaskManager::connect(&handle, "tm", 2, Script::default()).await;
    handle.submit(submission(&checkpointed("stop"))).await.expect("accepted");
    assert_eq!(handle.await_termination(JOB).await.expect("ended").status, JobStatus::Suspended);
    let mut again = submission(&checkpointed("stop"));
    again.restore_from = Some(savepoint.clone());
    handle.submit(again).await.expect("accepted");
    let job = until(&handle, |job| job.status == JobStatus::Running).await;
    assert_eq!(job.checkpoints.latest_restored.expect("restored").path, savepoint);
    assert!(restored(&deploys(&taskmanager)[0]).is_some());
}

#[tokio::test]
async fn a_savepoint_commits_nothing_and_may_be_restored_by_another_job() {
    let store = storage();
    let (handle, _) = jobmanager(&store);
    let taskmanager = FakeTaskManager::connect(&handle, "tm", 4, Script::default()).await;
    let mut options = checkpointed("savepoint");
    options[0].1 = "1 h";
    handle.submit(submission(&options)).await.expect("accepted");
    until(&handle, |job| job.status == JobStatus::Running).await;
    let savepoint = handle.savepoint(JOB, Some("memory://savepoint/mine/".to_owned())).await.expect("taken");
    let commits = taskmanager.seen(|body| match body {
        Body::CheckpointCompleted(completed) => Some(completed.commit),
        _ => None,
    });
    assert_eq!(commits, [false]);

    let mut other = submission(&options);
    other.job_id = None;
    other.restore_from = Some(format!("{savepoint}/_metadata"));
    let id = handle.submit(other).await.expect("accepted");
    assert_ne!(id, JOB);
    let deploy = {
        let mut taskmanager = taskmanager;
        taskmanager
            .wait_for(|body| match body {
                Body::Deploy(deploy) if deploy.job_id == id => Some(deploy.clone()),
                _ => None,
            })
            .await
    };
    assert_eq!(restored(&deploy), Some(1));
    // A job without an operator of the savepoint is refused.
    let mut fewer = submission(&options);
    fewer.job_id = None;
    fewer.restore_from = Some(savepoint);
    fewer.graph.nodes[1].uid = "other".to_owned();
    let id = handle.submit(fewer).await.expect("accepted");
    let result = handle.await_termination(&id).await.expect("ends");
    let failure = result.failure.expect("a failure");
    assert_eq!(failure.class, ErrorClass::User);
    assert!(failure.message.contains("claims the state of sink"), "{failure}");
}

#[tokio::test]
async fn a_rescale_redeploys_from_a_checkpoint_when_there_are_slots() {
    let (handle, _) = jobmanager(&storage());
    let first = FakeTaskManager::connect(&handle, "tm1", 2, Script::default()).await;
    handle.submit(submission(&checkpointed("rescale"))).await.expect("accepted");
    until(&handle, |job| job.status == JobStatus::Running).await;
    handle.rescale(JOB, 3).await.expect("accepted");
    let waiting = until(&handle, |job| job.desired_parallelism == 3).await;
    assert_eq!(waiting.parallelism, 2, "there are no slots yet");
    let _second = FakeTaskManager::connect(&handle, "tm2", 1, Script::default()).await;
    let scaled = until(&handle, |job| job.parallelism == 3 && job.status == JobStatus::Running).await;
    assert_eq!((scaled.rescales, scaled.restarts), (1, 0));
    assert!(scaled.last_downtime_ms.is_some());
    let deploy = deploys(&first).pop().expect("deployed");
    assert_eq!((deploy.parallelism, deploy.slots.len()), (3, 3));
    assert!(restored(&deploy).is_some());
    let refused = handle.rescale(JOB, 1000).await.expect_err("too many");
    assert_eq!(refused.class, ErrorClass::User);
}

#[tokio::test]
async fn only_what_is_retained_stays_in_storage() {
    let store = storage();
    let (handle, _) = jobmanager(&store);
    let _taskmanager = FakeTaskManager::connect(&handle, "tm", 2, Script::default()).await;
    let mut options = checkpointed("retained");
    options.push(("execution.checkpointing.num-retained", "2"));
    handle.submit(submission(&options)).await.expect("accepted");
    until(&handle, |job| job.checkpoints.completed >= 8).await;
    handle.cancel(JOB).await.expect("accepted");
    assert_eq!(handle.await_termination(JOB).await.expect("ended").status, JobStatus::Canceled);
    let wait = async {
        loop {
            let objects = store.list(&format!("memory://retained/jobs/{JOB}")).await.expect("lists");
            let metadata = objects.iter().filter(|object| object.uri.ends_with("/_metadata")).count();
            // Deletion runs behind the commit.
            if metadata == 2 && objects.len() <= 2 + checkpoint::pointer::RECORDS_KEPT + 1 {
                return;
            }
            assert!(metadata >= 2, "a retained checkpoint is gone");
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), wait).await.expect("in time");
}

#[tokio::test]
async fn what_a_killed_process_did_not_finish_is_swept() {
    let folder = tempfile::tempdir().expect("a folder");
    let left = folder.path().join(JOB).join("chk-7-1/.state.0123456789ab.unfinished");
    std::fs::create_dir_all(left.parent().expect("a folder")).expect("made");
    std::fs::File::create(&left).and_then(|file| file.set_modified(std::time::UNIX_EPOCH)).expect("written");
    let (handle, _) = jobmanager(&storage());
    let directory = folder.path().to_str().expect("UTF-8");
    handle.submit(submission(&[("execution.checkpointing.dir", directory)])).await.expect("accepted");
    let wait = async {
        while left.exists() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), wait).await.expect("in time");
}

#[tokio::test]
async fn failed_checkpoints_are_tolerated_as_configured() {
    for (tolerable, restarts) in [("0", true), ("5", false)] {
        let (handle, _) = jobmanager(&storage());
        let script = Script { declines: 2, ..Script::default() };
        let _taskmanager = FakeTaskManager::connect(&handle, "tm", 2, script).await;
        let mut options = checkpointed(if restarts { "intolerant" } else { "tolerant" });
        options.push(("execution.checkpointing.tolerable-failed-checkpoints", tolerable));
        handle.submit(submission(&options)).await.expect("accepted");
        let job = until(&handle, |job| job.checkpoints.completed >= 1 && job.status == JobStatus::Running).await;
        assert_eq!(job.restarts > 0, restarts, "tolerates {tolerable}");
        assert!(job.checkpoints.latest_failed.expect("declined").failure.expect("why").contains("no disk"));
    }
}

#[tokio::test]
async fn wrong_submissions_are_refused_at_once() {
    let (handle, _) = jobmanager(&storage());
    let cases: [(&[(&str, &str)], &str); 3] = [
        (&[("execution.checkpointing.interval", "1 s")], "execution.checkpointing.dir"),
        (&[("parallelism.default", "0")], "parallelism 0"),
        (&[("parallelism.default", "9"), ("pipeline.max-parallelism", "8")], "parallelism 9"),
    ];
    for (options, expected) in cases {
        let failure = handle.submit(submission(options)).await.expect_err("refused");
        assert_eq!(failure.class, ErrorClass::User);
        assert!(failure.message.contains(expected), "{failure}");
    }
    let mut wrong = submission(&[]);
    wrong.job_id = Some("x".to_owned());
    assert!(handle.submit(wrong).await.expect_err("refused").message.contains("32 hexadecimal"));
    assert!(handle.job(JOB).await.is_err());
    assert!(handle.await_termination(JOB).await.is_err());
}

#[tokio::test]
async fn of_jobmanagers_that_start_at_once_one_remains() {
    let store = storage();
    let mut services = Vec::new();
    let mut taskmanagers = Vec::new();
    for number in 0..4 {
        let (handle, service) = jobmanager(&store);
        let name = format!("tm{number}");
        taskmanagers.push(FakeTaskManager::connect(&handle, &name, 2, Script::default()).await);
        services.push((handle, service));
    }
    let options = checkpointed("race");
    let submissions = services.iter().map(|(handle, _)| handle.submit(submission(&options)));
    for accepted in futures::future::join_all(submissions).await {
        accepted.expect("accepted");
    }
    let wait = async {
        while services.iter().filter(|(_, service)| service.is_finished()).count() < 3 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), wait).await.expect("three are fenced");
    let mut left = Vec::new();
    for (handle, service) in services {
        if service.is_finished() {
            let failure = service.await.expect("no panic").expect_err("fenced");
            assert_eq!(failure.class, ErrorClass::Fenced);
        } else {
            left.push(handle);
        }
    }
    let job = until(&left[0], |job| job.checkpoints.completed >= 2).await;
    assert_eq!((job.status, job.epoch), (JobStatus::Running, 4));
}
