//! Checkpoints that were deleted: a job that has had some does not begin anew unless the user allows it.

use checkpoint::layout;
use model::{ErrorClass, Failure};
use storage::Storage;

use super::{
    fake::{FakeTaskManager, Script},
    moved::delete,
    service::{JOB, checkpointed, deploys, jobmanager, restored, storage, submission, until},
};
use crate::JobStatus;

const ALLOWED: (&str, &str) = ("execution.state-recovery.ignore-lost-checkpoints", "true");

fn root(test: &str) -> String {
    layout::job_root(&format!("memory://{test}/jobs"), JOB)
}

/// A job that has had checkpoints, and whose process has ended.
async fn ran(store: &Storage, test: &'static str) {
    let (handle, service) = jobmanager(store);
    let _taskmanager = FakeTaskManager::connect(&handle, "tm", 2, Script::default()).await;
    handle.submit(submission(&checkpointed(test))).await.expect("accepted");
    until(&handle, |job| job.checkpoints.completed >= 2).await;
    handle.shutdown().await;
    service.await.expect("no panic").expect("ends");
}

/// Starts the job again: what it restores once it has a checkpoint, or why it ended.
async fn again(store: &Storage, test: &'static str, option: Option<(&str, &str)>) -> Result<Option<u64>, Failure> {
    let (handle, _) = jobmanager(store);
    let taskmanager = FakeTaskManager::connect(&handle, "tm", 2, Script::default()).await;
    let options: Vec<_> = checkpointed(test).into_iter().chain(option).collect();
    handle.submit(submission(&options)).await.expect("accepted");
    let job = until(&handle, |job| job.checkpoints.completed > 0 || job.status == JobStatus::Failed).await;
    if job.status != JobStatus::Failed {
        let deploys = deploys(&taskmanager);
        return Ok(restored(&deploys[0]));
    }
    Err(handle.await_termination(JOB).await.expect("ended").failure.expect("a failure"))
}

#[tokio::test]
async fn a_job_whose_folder_or_pointer_is_gone_does_not_begin_anew_without_a_word() {
    for (test, below) in [("lost-folder", ""), ("lost-pointer", "/pointer")] {
        let store = storage();
        ran(&store, test).await;
        delete(&store, &format!("{}{below}", root(test))).await;
        let failure = again(&store, test, None).await.expect_err("refused");
        assert_eq!(failure.class, ErrorClass::User, "{test}");
        let pointer = layout::pointer_directory(&root(test));
        for part in ["has had checkpoints", pointer.as_str(), ALLOWED.0] {
            assert!(failure.message.contains(part), "{test}: {failure}");
        }
        assert_eq!(again(&store, test, Some(ALLOWED)).await, Ok(None), "{test}: as allowed");
        assert!(again(&store, test, None).await.expect("goes on").is_some(), "{test}: it has checkpoints again");
    }
}

#[tokio::test]
async fn a_job_whose_last_checkpoint_is_gone_does_not_begin_anew_without_a_word() {
    let test = "lost-checkpoint";
    let store = storage();
    ran(&store, test).await;
    for object in store.list(&root(test)).await.expect("lists") {
        if object.uri.contains("/chk-") {
            store.delete(&object.uri).await.expect("deleted");
        }
    }
    let failure = again(&store, test, None).await.expect_err("refused");
    assert_eq!(failure.class, ErrorClass::Data);
    assert!(failure.message.contains("/_metadata: is missing"), "{failure}");
    assert!(failure.message.contains(ALLOWED.0), "{failure}");
    assert_eq!(again(&store, test, Some(ALLOWED)).await, Ok(None));
}

#[tokio::test]
async fn a_job_that_never_had_a_checkpoint_begins() {
    let (test, store) = ("never", storage());
    let (handle, service) = jobmanager(&store);
    let mut options = checkpointed(test);
    options[0].1 = "1 h";
    handle.submit(submission(&options)).await.expect("accepted");
    until(&handle, |job| job.status == JobStatus::Created).await;
    handle.shutdown().await;
    service.await.expect("no panic").expect("ends");
    delete(&store, &root(test)).await;
    assert_eq!(again(&store, test, None).await, Ok(None));
    // With the whole directory nothing is left that could tell.
    delete(&store, &format!("memory://{test}/jobs")).await;
    assert_eq!(again(&store, test, None).await, Ok(None));
}
