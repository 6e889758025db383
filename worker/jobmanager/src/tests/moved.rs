//! Snapshots and whole job folders that are moved or copied to another place or store.

use checkpoint::{SubtaskState, layout};
use model::ErrorClass;
use storage::Storage;
use wire::v1::{Deploy, to_task_manager::Body};

use super::{
    fake::{FakeTaskManager, Script},
    service::{JOB, checkpointed, jobmanager, storage, submission, until},
};
use crate::{Handle, JobStatus};

/// Copies all objects below a folder, between stores too.
pub(super) async fn copy(store: &Storage, from: &str, to: &str) {
    let objects = store.list(from).await.expect("lists");
    assert!(!objects.is_empty(), "{from} is empty");
    for object in objects {
        let name = object.uri.strip_prefix(from).expect("below it");
        store.copy(&object.uri, &format!("{to}{name}")).await.expect("copied");
    }
}

pub(super) async fn delete(store: &Storage, folder: &str) {
    for object in store.list(folder).await.expect("lists") {
        store.delete(&object.uri).await.expect("deleted");
    }
}

pub(super) fn writing(store: &Storage) -> Script {
    Script { files: Some(store.clone()), ..Script::default() }
}

/// The files that a deployment restores from.
fn files(deploy: &Deploy) -> Vec<String> {
    let operators = deploy.restore.clone().expect("a restore").operators;
    let states = wire::states::from_message(operators).expect("states");
    let files = |state: SubtaskState| state.keyed.into_iter().flat_map(|keyed| keyed.files);
    states.into_values().flatten().flat_map(files).map(|file| file.uri).collect()
}

async fn deployed(taskmanager: &mut FakeTaskManager, job: &str) -> Deploy {
    let of_job = |body: &Body| match body {
        Body::Deploy(deploy) if deploy.job_id == job => Some(deploy.clone()),
        _ => None,
    };
    taskmanager.wait_for(of_job).await
}

/// Options of a job that takes no checkpoint by itself during the test.
fn rarely(test: &'static str) -> Vec<(&'static str, &'static str)> {
    let mut options = checkpointed(test);
    options[0].1 = "1 h";
    options
}

/// A job that runs, with a savepoint in `folder`.
async fn savepoint(store: &Storage, test: &'static str, folder: &str) -> (Handle, FakeTaskManager, String) {
    let (handle, _) = jobmanager(store);
    let taskmanager = FakeTaskManager::connect(&handle, "tm", 4, writing(store)).await;
    handle.submit(submission(&rarely(test))).await.expect("accepted");
    until(&handle, |job| job.status == JobStatus::Running).await;
    let savepoint = handle.savepoint(JOB, Some(folder.to_owned())).await.expect("taken");
    (handle, taskmanager, savepoint)
}

#[tokio::test]
async fn a_savepoint_restores_from_wherever_it_is() {
    let store = storage();
    let (handle, mut taskmanager, savepoint) = savepoint(&store, "moved", "memory://moved/savepoints").await;
    let local = std::env::temp_dir().join(format!("sluice-moved-{}", uuid::Uuid::new_v4()));
    let (copied, local) = ("memory://elsewhere/deep/copy", format!("file://{}", local.display()));
    copy(&store, &savepoint, copied).await;
    copy(&store, &savepoint, &local).await;
    // From one store to the other and back again, and without the original.
    copy(&store, &local, "memory://elsewhere/back").await;
    delete(&store, &savepoint).await;
    for place in [copied, local.as_str(), "memory://elsewhere/back"] {
        let mut other = submission(&rarely("moved"));
        (other.job_id, other.restore_from) = (None, Some(place.to_owned()));
        let id = handle.submit(other).await.expect("accepted");
        let deploy = deployed(&mut taskmanager, &id).await;
        let files = files(&deploy);
        assert_eq!(files.len(), 4, "a file of each subtask");
        for file in files {
            assert!(file.starts_with(&format!("{place}/")), "{file} is not in {place}");
            assert!(store.exists(&file).await.expect("looked up"), "{file}");
        }
        handle.cancel(&id).await.expect("accepted");
        handle.await_termination(&id).await.expect("ends");
    }
    delete(&store, &local).await;
}

#[tokio::test]
async fn the_folder_of_a_job_goes_on_from_wherever_it_is() {
    let store = storage();
    let (handle, service) = jobmanager(&store);
    let _taskmanager = FakeTaskManager::connect(&handle, "tm", 2, writing(&store)).await;
    handle.submit(submission(&checkpointed("old-place"))).await.expect("accepted");
    until(&handle, |job| job.checkpoints.completed >= 3).await;
    handle.shutdown().await;
    service.await.expect("no panic").expect("ends");
    copy(&store, "memory://old-place/jobs", "memory://new-place/jobs").await;
    delete(&store, "memory://old-place/jobs").await;

    let (handle, _) = jobmanager(&store);
    let mut taskmanager = FakeTaskManager::connect(&handle, "tm", 2, writing(&store)).await;
    handle.submit(submission(&checkpointed("new-place"))).await.expect("accepted");
    let files = files(&deployed(&mut taskmanager, JOB).await);
    let root = layout::job_root("memory://new-place/jobs", JOB);
    assert!(files.iter().all(|file| file.starts_with(&format!("{root}/"))), "{files:?}");
    assert!(files.iter().any(|file| file.starts_with(&layout::shared_directory(&root))), "{files:?}");
    let job = until(&handle, |job| job.checkpoints.completed >= 3).await;
    assert_eq!((job.status, job.epoch), (JobStatus::Running, 2), "its pointer is known, and is advanced");
}

#[tokio::test]
async fn a_checkpoint_without_the_files_that_it_shares_is_refused() {
    let store = storage();
    let (handle, service) = jobmanager(&store);
    let _taskmanager = FakeTaskManager::connect(&handle, "tm", 2, writing(&store)).await;
    handle.submit(submission(&checkpointed("alone"))).await.expect("accepted");
    until(&handle, |job| job.checkpoints.completed >= 1).await;
    handle.shutdown().await;
    service.await.expect("no panic").expect("ends");
    let objects = store.list(&format!("memory://alone/jobs/{JOB}")).await.expect("lists");
    let metadata = objects.iter().rfind(|object| object.uri.ends_with(layout::METADATA)).expect("a checkpoint");
    copy(&store, layout::snapshot_directory(&metadata.uri), "memory://alone/copy/chk").await;

    let (handle, _) = jobmanager(&store);
    let mut other = submission(&checkpointed("alone"));
    (other.job_id, other.restore_from) = (None, Some("memory://alone/copy/chk".to_owned()));
    let id = handle.submit(other).await.expect("accepted");
    let failure = handle.await_termination(&id).await.expect("ends").failure.expect("refused");
    assert_eq!(failure.class, ErrorClass::User);
    assert!(failure.message.contains("memory://alone/copy/shared/"), "{failure}");
    assert!(failure.message.contains("shares files"), "{failure}");
}

#[tokio::test]
async fn a_taskmanager_is_told_only_of_the_state_of_its_own_tasks() {
    let store = storage();
    let (handle, service) = jobmanager(&store);
    let first = FakeTaskManager::connect(&handle, "tm1", 1, writing(&store)).await;
    let _second = FakeTaskManager::connect(&handle, "tm2", 1, writing(&store)).await;
    handle.submit(submission(&checkpointed("own-state"))).await.expect("accepted");
    until(&handle, |job| job.checkpoints.completed >= 1).await;
    handle.shutdown().await;
    service.await.expect("no panic").expect("ends");
    drop(first);

    let (handle, _) = jobmanager(&store);
    let mut all = Vec::new();
    let mut taskmanagers = Vec::new();
    for name in ["tm1", "tm2"] {
        taskmanagers.push(FakeTaskManager::connect(&handle, name, 1, writing(&store)).await);
    }
    handle.submit(submission(&checkpointed("own-state"))).await.expect("accepted");
    for taskmanager in &mut taskmanagers {
        let deploy = deployed(taskmanager, JOB).await;
        let subtask = deploy.slots.iter().position(|slot| slot.taskmanager_id == format!("tm{}", all.len() + 1));
        let subtask = subtask.expect("it has a slot");
        let files = files(&deploy);
        assert_eq!(files.len(), 4, "of a source and a sink, each with an own and a shared file");
        let is_own =
            |file: &String| file.contains(&format!("source-{subtask}-")) || file.contains(&format!("sink-{subtask}-"));
        assert!(files.iter().all(is_own), "subtask {subtask}: {files:?}");
        let lists = deploy.restore.expect("a restore").operators.into_iter().flat_map(|operator| operator.subtasks);
        assert_eq!(lists.filter(|state| !state.lists.is_empty()).count(), 4, "lists are for all");
        all.push(subtask);
    }
    all.sort_unstable();
    assert_eq!(all, [0, 1]);
}
