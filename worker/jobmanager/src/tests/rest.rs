//! REST as clients use it: over a socket, by Flink's paths and fields.

use std::{collections::BTreeMap, sync::Arc};

use model::Failure;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

use super::{
    fake::{FakeTaskManager, Script, graph},
    service::{options, storage},
};
use crate::{JobManager, ProgramCheck, serve_rest};

const JOB: &str = "0123456789abcdef0123456789abcdef";

/// Finds fault with what the program or an option is called.
pub(super) struct Checker;

impl ProgramCheck for Checker {
    fn check(&self, sql: &str, config: &BTreeMap<String, String>) -> Result<(), Failure> {
        if let Some(name) = config.keys().find(|name| name.starts_with("no.")) {
            return Err(Failure::user(format!("unknown option {name}")));
        }
        match sql {
            "wrong" => Err(Failure::user("line 2, column 7: no column x").at_position(2, 7)),
            "away" => Err(Failure::external("nobody answers")),
            "bug" => panic!("a bug"),
            _ => Ok(()),
        }
    }
}

/// Speaks HTTP over a socket, a connection a request.
pub(super) struct Client {
    pub(super) port: u16,
}

impl Client {
    async fn text(&self, method: &str, path: &str, body: &str) -> (u16, String) {
        self.bytes(method, path, body.as_bytes()).await
    }

    pub(super) async fn bytes(&self, method: &str, path: &str, body: &[u8]) -> (u16, String) {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).await.expect("connects");
        let head = format!(
            "{method} {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: {}\r\n\r\n",
            body.len()
        );
        let mut answer = Vec::new();
        // Who refuses a request need not read all of it, and closes the connection then.
        let sent = stream.write_all(&[head.as_bytes(), body].concat()).await;
        let read = stream.read_to_end(&mut answer).await;
        assert!(!answer.is_empty(), "{method} {path}: no answer: {sent:?}, {read:?}");
        let answer = String::from_utf8(answer).expect("UTF-8");
        let status = answer.split(' ').nth(1).and_then(|code| code.parse().ok()).expect("a status");
        let body = answer.split_once("\r\n\r\n").map(|(_, body)| body.to_owned()).expect("a body");
        (status, body)
    }

    pub(super) async fn call(&self, method: &str, path: &str, body: Value) -> (u16, Value) {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let (status, text) = self.text(method, path, &body).await;
        (status, serde_json::from_str(&text).unwrap_or_else(|error| panic!("{path}: {error}: {text}")))
    }

    pub(super) async fn get(&self, path: &str) -> Value {
        let (status, body) = self.call("GET", path, Value::Null).await;
        assert_eq!(status, 200, "{path}: {body}");
        body
    }

    pub(super) async fn until(&self, path: &str, pointer: &str, wanted: &Value) -> Value {
        let wait = async {
            loop {
                let body = self.get(path).await;
                if body.pointer(pointer) == Some(wanted) {
                    return body;
                }
                tokio::task::yield_now().await;
            }
        };
        let limit = std::time::Duration::from_secs(20);
        tokio::time::timeout(limit, wait).await.unwrap_or_else(|_| panic!("{path}{pointer} never was {wanted}"))
    }
}

#[tokio::test]
async fn a_job_by_rest_from_submission_to_its_stop() {
    let options = options(storage());
    let (handle, service) = JobManager::new(options);
    tokio::spawn(service.run());
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let client = Client { port: listener.local_addr().expect("bound").port() };
    tokio::spawn(serve_rest(handle.clone(), listener, Arc::new(Checker)));
    let _taskmanager = FakeTaskManager::connect(&handle, "tm", 3, Script::default()).await;

    let submission = json!({
        "job_id": JOB,
        "name": "by rest",
        "graph": serde_json::from_str::<Value>(&graph().to_json().expect("json")).expect("json"),
        "settings": {
            "parallelism.default": "2",
            "execution.checkpointing.dir": "memory://rest/jobs",
            "execution.checkpointing.interval": "30 ms",
        },
    });
    let (status, body) = client.call("POST", "/v1/jobs", submission.clone()).await;
    assert_eq!((status, &body["jobid"]), (202, &json!(JOB)));
    let (status, body) = client.call("POST", "/jobs", submission).await;
    assert_eq!(status, 400);
    assert!(body["errors"][0].as_str().expect("a message").contains("is there already"), "{body}");

    let path = format!("/jobs/{JOB}");
    client.until(&format!("{path}/status"), "/status", &json!("RUNNING")).await;
    let job = client.until(&path, "/vertices/0/metrics/read-records", &json!(20)).await;
    assert_eq!((&job["jid"], &job["name"], &job["state"]), (&json!(JOB), &json!("by rest"), &json!("RUNNING")));
    assert_eq!((&job["vertices"][1]["parallelism"], &job["vertices"][1]["status"]), (&json!(2), &json!("RUNNING")));
    assert_eq!(job["plan"]["nodes"][1]["inputs"][0]["id"], job["vertices"][0]["id"]);
    assert_eq!(job["sluice"]["epoch"], json!(1));
    let overview = client.get("/overview").await;
    assert_eq!(
        (&overview["flink-version"], &client.get("/config").await["flink-version"]),
        (&json!("2.3"), &json!("2.3"))
    );
    assert_eq!((&overview["slots-total"], &overview["slots-available"]), (&json!(3), &json!(1)));
    assert_eq!(client.get("/v1/jobs/overview").await["jobs"][0]["tasks"]["running"], json!(4));
    assert_eq!(client.get("/taskmanagers").await["taskmanagers"][0]["id"], json!("tm"));
    assert_eq!(client.get(&format!("{path}/checkpoints/config")).await["interval"], json!(30));

    let (status, body) = client.call("POST", &format!("{path}/checkpoints"), Value::Null).await;
    assert_eq!(status, 202);
    let trigger = body["request-id"].as_str().expect("an id").to_owned();
    let done = client.until(&format!("{path}/checkpoints/{trigger}"), "/status/id", &json!("COMPLETED")).await;
    assert!(done["operation"]["checkpointId"].is_u64(), "{done}");
    let checkpoints = client.get(&format!("{path}/checkpoints")).await;
    let external = checkpoints["latest"]["completed"]["external_path"].as_str().expect("a path");
    assert!(external.starts_with(&format!("memory://rest/jobs/{JOB}/chk-")), "{external}");

    let requirements = client.get(&format!("{path}/resource-requirements")).await;
    assert_eq!(requirements.as_object().expect("vertices").len(), 2);
    let body = json!({ "x": { "parallelism": { "lowerBound": 1, "upperBound": 3 } } });
    let (status, _) = client.call("PUT", &format!("{path}/resource-requirements"), body).await;
    assert_eq!(status, 200);
    client.until(&path, "/sluice/rescales", &json!(1)).await;
    client.until(&path, "/state", &json!("RUNNING")).await;
    let (_, metrics) = client.text("GET", "/metrics", "").await;
    assert!(metrics.contains("# TYPE flink_jobmanager_job_numRescales counter\n"), "{metrics}");
    assert!(metrics.contains("\nflink_jobmanager_taskSlotsTotal 3\n"), "{metrics}");

    let stop = json!({ "targetDirectory": "memory://rest/savepoints", "drain": false, "triggerId": "mine" });
    for _ in 0..2 {
        let (status, body) = client.call("POST", &format!("{path}/stop"), stop.clone()).await;
        assert_eq!((status, &body["request-id"]), (202, &json!("mine")), "repeated, it is the same request");
    }
    let done = client.until(&format!("{path}/savepoints/mine"), "/status/id", &json!("COMPLETED")).await;
    let location = done["operation"]["location"].as_str().expect("a path");
    assert_eq!(client.get(&path).await["state"], json!("SUSPENDED"));
    assert_eq!(client.get(&path).await["sluice"]["savepoint"], json!(location));
}

#[tokio::test]
async fn mistakes_are_told_as_json() {
    let options = options(storage());
    let (handle, service) = JobManager::new(options);
    tokio::spawn(service.run());
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let client = Client { port: listener.local_addr().expect("bound").port() };
    tokio::spawn(serve_rest(handle.clone(), listener, Arc::new(Checker)));
    handle.reject(Some(JOB.to_owned()), Failure::user("line 1: no table t").at_position(1, 15)).await.expect("shown");
    let cases = [
        ("GET", "/jobs/none".to_owned(), "", 404, "no job none"),
        ("GET", "/nowhere".to_owned(), "", 404, "no such path"),
        ("GET", format!("/jobs/{JOB}/savepoints/x"), "", 404, "no operation x"),
        ("POST", "/jobs".to_owned(), "{\"graph\": 1}", 400, "job graph"),
        ("POST", "/jobs".to_owned(), "{", 400, "request body"),
        ("POST", "/jobs".to_owned(), "{\"graph\":{},\"setings\":{}}", 400, "setings"),
        ("PUT", format!("/jobs/{JOB}/resource-requirements"), "{}", 400, "upperBound"),
        ("PATCH", format!("/jobs/{JOB}?mode=stop"), "", 400, "mode stop"),
        ("PATCH", format!("/jobs/{JOB}?mode=cancel"), "", 400, "is FAILED"),
    ];
    for (method, path, body, status, message) in cases {
        let (got, text) = client.text(method, &path, body).await;
        assert_eq!(got, status, "{method} {path}: {text}");
        let errors: Value = serde_json::from_str(&text).expect("json");
        assert!(errors["errors"][0].as_str().is_some_and(|error| error.contains(message)), "{path}: {text}");
    }
    let job = client.get(&format!("/jobs/{JOB}")).await;
    assert_eq!((&job["state"], &job["sluice"]["failure"]["class"]), (&json!("FAILED"), &json!("user")));
    let exceptions = client.get(&format!("/jobs/{JOB}/exceptions")).await;
    assert_eq!(exceptions["root-exception"], json!("line 1: no table t"));
    let position = json!({ "line": 1, "column": 15 });
    let entry = &exceptions["exceptionHistory"]["entries"][0];
    for found in [&exceptions["root-position"], &entry["position"], &job["sluice"]["failure"]["position"]] {
        assert_eq!(*found, position);
    }
    assert_eq!(client.get("/healthz").await["status"], json!("ok"));
}

#[tokio::test]
async fn a_program_is_checked_and_not_run() {
    let (handle, service) = JobManager::new(options(storage()));
    tokio::spawn(service.run());
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let client = Client { port: listener.local_addr().expect("bound").port() };
    tokio::spawn(serve_rest(handle.clone(), listener, Arc::new(Checker)));
    let check = async |body: Value| client.call("POST", "/programs/check", body).await;

    assert_eq!(check(json!({ "sql": "right", "config": { "a": "b" } })).await, (200, json!({})));
    let refused = check(json!({ "sql": "wrong" })).await;
    let position = json!({ "line": 2, "column": 7 });
    let body = json!({ "errors": ["line 2, column 7: no column x"], "class": "user", "position": position });
    assert_eq!(refused, (400, body));
    let (status, body) = check(json!({ "sql": "right", "config": { "no.such": "1" } })).await;
    assert_eq!((status, &body["errors"][0], &body["position"]), (400, &json!("unknown option no.such"), &Value::Null));
    // What is no mistake of the program is not answered as one.
    for (body, status) in [
        (json!({ "sql": "away" }), 503),
        (json!({ "sql": "bug" }), 500),
        (json!({ "config": {} }), 422),
        (json!({ "sql": "right", "confg": {} }), 422),
    ] {
        assert_eq!(check(body.clone()).await.0, status, "{body}");
    }
    let (status, _) = client.text("POST", "/v1/programs/check", &"x".repeat(4 * 1024 * 1024 + 1)).await;
    assert_eq!(status, 413);
    assert_eq!(client.get("/jobs").await["jobs"], json!([]));
}
