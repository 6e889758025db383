//! Whatever is sent to a path that changes something is answered: nothing panics, and what is no request is refused.

use std::sync::Arc;

use proptest::{
    collection::vec,
    prelude::*,
    sample::{Index, select},
};
use serde_json::{Value, json};
use tokio::{net::TcpListener, runtime::Runtime};

use super::{
    fake::{FakeTaskManager, Script, graph},
    rest::{Checker, Client},
    service::{options, storage},
};
use crate::{JobManager, serve_rest};

#[path = "../../../../tests/fixtures/property.rs"]
mod property;
use property::check;

/// A job that has failed, and one that runs. The first has all of it refused that would write to storage.
const FAILED: &str = "00000000000000000000000000000001";
const RUNS: &str = "00000000000000000000000000000002";

/// A path, and whether it is one that reads a body.
#[derive(Clone, Debug)]
struct Target {
    method: &'static str,
    path: String,
    reads: bool,
}

fn targets() -> Vec<Target> {
    let target = |method, path: String, reads| Target { method, path, reads };
    let mut all = vec![
        target("POST", "/jobs".to_owned(), true),
        target("POST", "/v1/jobs".to_owned(), true),
        target("POST", "/programs/check".to_owned(), true),
    ];
    for id in [FAILED, "none", "%00", "%ff", "a%2Fb"] {
        for path in ["savepoints", "stop"] {
            all.push(target("POST", format!("/jobs/{id}/{path}"), true));
        }
    }
    for id in [FAILED, RUNS, "%ff"] {
        all.push(target("POST", format!("/v1/jobs/{id}/checkpoints"), false));
        all.push(target("PUT", format!("/jobs/{id}/resource-requirements"), true));
        all.push(target("PATCH", format!("/jobs/{id}?mode=savepoint&mode=%ff"), false));
    }
    all
}

/// Bodies as they should be. None of them names a place that could be written to.
fn samples() -> Vec<Value> {
    let graph = graph().to_json().unwrap();
    let submission = |graph: Value| {
        json!({
            "graph": graph, "name": "hostile", "job_id": "00000000000000000000000000000003",
            "settings": { "parallelism.default": "2", "pipeline.max-parallelism": "128", "restart-strategy.type": "none" },
        })
    };
    vec![
        submission(serde_json::from_str(&graph).unwrap()),
        submission(Value::String(graph)),
        json!({ "target-directory": "memory://hostile", "cancel-job": false, "triggerId": "a" }),
        json!({ "targetDirectory": "memory://hostile", "drain": true, "triggerId": "b" }),
        json!({ "x": { "parallelism": { "lowerBound": 1, "upperBound": 3 } } }),
        json!({ "parallelism": 4 }),
    ]
}

/// Values in place of a part of a sample.
fn parts() -> Vec<Value> {
    vec![
        Value::Null,
        json!(true),
        json!(0),
        json!(-1),
        json!(4_000_000_000_u32),
        json!(u64::MAX),
        json!(1e300),
        json!(""),
        json!("4000000000"),
        json!("9".repeat(5000)),
        json!("\u{0}\u{1f600}../.."),
        json!([[[[{}]]]]),
        json!({ "a": { "b": [null] } }),
        (0..100).fold(Value::Null, |of, _| json!([of])),
    ]
}

/// Puts a value in place of the `at`-th part of another one.
fn replace(value: &mut Value, at: &mut usize, by: &Value) {
    if *at == 0 {
        value.clone_from(by);
    }
    *at = at.wrapping_sub(1);
    match value {
        Value::Array(items) => items.iter_mut().for_each(|item| replace(item, at, by)),
        Value::Object(fields) => fields.values_mut().for_each(|field| replace(field, at, by)),
        _ => {}
    }
}

/// Texts that a change of a body puts in.
fn fragments() -> Vec<Vec<u8>> {
    let texts =
        ["{", "}", "[", "\"", ":", ",", "\\u", "\\ud800", "null", "1e999", "-", "18446744073709551616", "\n", "\u{0}"];
    let deep = ["[".repeat(200_000), "{\"a\":".repeat(100_000), "9".repeat(20_000)];
    texts.iter().map(|text| text.as_bytes().to_vec()).chain(deep.map(String::into_bytes)).chain([vec![0xff]]).collect()
}

/// Bytes of any kind, samples with another value somewhere, and samples that are cut off, or have something put in.
fn bodies() -> impl Strategy<Value = Vec<u8>> {
    let sample = || select(samples());
    let replaced = vec((0usize..30, select(parts())), 0..3);
    prop_oneof![
        1 => vec(any::<u8>(), 0..300),
        1 => select(fragments()),
        4 => (sample(), replaced).prop_map(|(mut sample, changes)| {
            changes.into_iter().for_each(|(mut at, by)| replace(&mut sample, &mut at, &by));
            sample.to_string().into_bytes()
        }),
        2 => (sample(), any::<Index>(), select(fragments()), any::<bool>()).prop_map(|(sample, at, fragment, cut)| {
            let sample = sample.to_string().into_bytes();
            let (head, tail) = sample.split_at(at.index(sample.len() + 1));
            let tail = if cut { [].as_slice() } else { tail };
            [head, &fragment, tail].concat()
        }),
    ]
}

/// A JobManager with both jobs, and a client of it.
async fn start() -> (Client, FakeTaskManager) {
    let (handle, service) = JobManager::new(options(storage()));
    tokio::spawn(service.run());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let client = Client { port: listener.local_addr().unwrap().port() };
    tokio::spawn(serve_rest(handle.clone(), listener, Arc::new(Checker)));
    let taskmanager = FakeTaskManager::connect(&handle, "tm", 1, Script::default()).await;
    handle.reject(Some(FAILED.to_owned()), model::Failure::user("no table t")).await.unwrap();
    let submission = crate::JobSubmission { job_id: Some(RUNS.to_owned()), ..super::service::submission(&[]) };
    handle.submit(submission).await.unwrap();
    client.until(&format!("/jobs/{RUNS}/status"), "/status", &json!("RUNNING")).await;
    (client, taskmanager)
}

#[test]
fn every_body_is_answered() {
    let runtime = Runtime::new().unwrap();
    let (client, _taskmanager) = runtime.block_on(start());
    check(&(select(targets()), bodies()), |(target, body)| {
        let (status, text) = runtime.block_on(client.bytes(target.method, &target.path, &body));
        prop_assert!((200..300).contains(&status) || (400..500).contains(&status), "{status}: {text}");
        // Fields that a path does not know are skipped, whatever is in them.
        let is_json = body.is_empty() || serde_json::from_slice::<serde::de::IgnoredAny>(&body).is_ok();
        prop_assert!(is_json || !target.reads || status >= 400, "{status}: {text}");
        // It may repeat what is wrong.
        prop_assert!(text.len() < (1 << 16) + 8 * body.len(), "{} bytes of {}", text.len(), body.len());
        Ok(())
    });
    // Whatever was accepted is shown.
    for path in ["/overview", "/jobs", "/jobs/overview", "/healthz"] {
        runtime.block_on(client.get(path));
    }
    let (status, _) = runtime.block_on(client.bytes("GET", "/metrics", b""));
    assert_eq!(status, 200);
}

#[test]
fn a_parallelism_beyond_all_bounds_is_refused() {
    let runtime = Runtime::new().unwrap();
    let (client, _taskmanager) = runtime.block_on(start());
    let mut of_operator = samples().remove(0);
    of_operator["graph"]["nodes"][1]["parallelism"] = json!(4_000_000_000_u32);
    let mut of_job = samples().remove(0);
    of_job["settings"]["parallelism.default"] = json!("4294967295");
    let rescaled = json!({ "parallelism": u32::MAX });
    for (method, path, body, says) in [
        ("POST", "/jobs".to_owned(), of_operator, "operator sink: parallelism 4000000000: must be from 1 to 32768"),
        ("POST", "/jobs".to_owned(), of_job, "parallelism 4294967295: must be from 1 to"),
        ("PUT", format!("/jobs/{RUNS}/resource-requirements"), rescaled, "parallelism 4294967295: must be from 1 to"),
    ] {
        let (status, answer) = runtime.block_on(client.call(method, &path, body));
        assert_eq!(status, 400, "{answer}");
        assert!(answer["errors"][0].as_str().is_some_and(|error| error.contains(says)), "{answer}");
    }
}

#[test]
fn a_body_that_is_too_long_is_refused() {
    let runtime = Runtime::new().unwrap();
    let (client, _taskmanager) = runtime.block_on(start());
    let body = vec![b' '; crate::rest::BODY_BYTES_MAX + 1];
    let (status, text) = runtime.block_on(client.bytes("POST", "/jobs", &body));
    assert_eq!(status, 413, "{text}");
}
