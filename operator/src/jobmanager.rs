//! A job's JobManager as the operator sees it: Flink's REST paths.
//!
//! Ids of savepoints and stops are chosen by us and sent along, so that a request may be repeated.

use std::{collections::BTreeMap, time::Duration};

use serde_json::{Value, json};

const TIMEOUT: Duration = Duration::from_secs(3);
/// A large program takes a while to plan.
const CHECK_TIMEOUT: Duration = Duration::from_secs(10);
/// Below the second after which a lost first packet is sent again.
const CONNECT_TIMEOUT: Duration = Duration::from_millis(700);
/// Longest message that goes into a status or an event.
const MESSAGE_CHARS_MAX: usize = 900;

/// What went wrong with a request.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No answer.
    #[error("the jobmanager does not answer: {0}")]
    Unreachable(#[source] reqwest::Error),
    /// An answer other than what was asked for.
    #[error("the jobmanager answers {status}: {message}")]
    Refused {
        /// HTTP status.
        status: u16,
        /// What it said.
        message: String,
    },
}

/// A client for the JobManagers of all jobs.
#[derive(Clone, Debug)]
pub struct Client {
    http: reqwest::Client,
    template: String,
}

/// What is known of a job.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Job {
    /// Flink's word: CREATED, RUNNING, RESTARTING, FAILING, FAILED, CANCELED, FINISHED…
    pub state: String,
    /// Milliseconds since 1970.
    pub start_time: i64,
    /// Restarts after failures.
    pub restarts: Option<i64>,
    /// Restarts at another parallelism.
    pub rescales: i64,
    /// How long data did not flow at the last restart of either kind.
    pub last_downtime_millis: Option<i64>,
    /// The highest parallelism of a vertex; none if the program could not be planned.
    pub parallelism: Option<i32>,
    /// Upper bounds of the parallelism by vertex, as declared last.
    pub requirements: BTreeMap<String, i32>,
    /// The last completed checkpoint.
    pub checkpoint: Option<Checkpoint>,
    /// The savepoint that the job was stopped with, or the last one.
    pub savepoint: Option<String>,
    /// Why it failed.
    pub failure: Option<Failure>,
}

/// A completed checkpoint.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Checkpoint {
    /// Its number.
    pub id: i64,
    /// Where it is.
    pub path: Option<String>,
    /// Milliseconds since 1970.
    pub completed: i64,
    /// Its size.
    pub size: i64,
    /// How long it took, in milliseconds.
    pub duration: i64,
}

/// Why a job failed.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Failure {
    /// The engine's class: User, External, Data, Fenced, Internal.
    pub class: String,
    /// The message.
    pub message: String,
    /// Line and column of the mistake in the job's SQL, if they are known.
    pub position: Option<(i64, i64)>,
}

/// How a savepoint or a stop goes.
#[derive(Clone, Debug, PartialEq)]
pub enum Operation {
    /// The JobManager does not know it.
    Unknown,
    /// Under way.
    InProgress,
    /// Done, here it is.
    Completed(String),
    /// It failed.
    Failed(String),
}

impl Client {
    /// `template` is the URL with `{namespace}` and `{name}` to be filled in.
    ///
    /// # Errors
    /// If no HTTP client can be made.
    pub fn new(template: &str) -> Result<Self, reqwest::Error> {
        let http = reqwest::Client::builder().timeout(TIMEOUT).connect_timeout(CONNECT_TIMEOUT).no_proxy().build()?;
        Ok(Self { http, template: template.trim_end_matches('/').to_owned() })
    }

    /// The JobManager of one FlinkJob.
    pub fn of(&self, namespace: &str, name: &str) -> Endpoint {
        let base = self.template.replace("{namespace}", namespace).replace("{name}", name);
        Endpoint { http: self.http.clone(), base }
    }
}

/// One job's JobManager.
#[derive(Clone, Debug)]
pub struct Endpoint {
    http: reqwest::Client,
    base: String,
}

impl Endpoint {
    async fn send(&self, request: reqwest::RequestBuilder) -> Result<Value, Error> {
        let answer = request.send().await.map_err(Error::Unreachable)?;
        let status = answer.status();
        let text = answer.text().await.map_err(Error::Unreachable)?;
        let body = serde_json::from_str(&text).unwrap_or(Value::Null);
        if status.is_success() {
            return Ok(body);
        }
        let message = body["errors"][0].as_str().unwrap_or(&text);
        Err(Error::Refused { status: status.as_u16(), message: shorten(message) })
    }

    async fn get(&self, path: &str) -> Result<Value, Error> {
        self.send(self.http.get(format!("{}{path}", self.base))).await
    }

    /// What is known of a job; `None` if the JobManager does not know it.
    ///
    /// # Errors
    /// If the JobManager does not answer.
    pub async fn job(&self, id: &str) -> Result<Option<Job>, Error> {
        match self.get(&format!("/jobs/{id}")).await {
            Ok(body) => Ok(Some(Job::read(&body))),
            Err(Error::Refused { .. }) => self.undeployed(id).await,
            Err(error) => Err(error),
        }
    }

    /// A job that failed before there was anything to run has no detail, only a state and the reason.
    async fn undeployed(&self, id: &str) -> Result<Option<Job>, Error> {
        let overview = self.get("/jobs/overview").await?;
        let mut jobs = overview["jobs"].as_array().into_iter().flatten();
        let Some(found) = jobs.find(|job| job["jid"] == id) else { return Ok(None) };
        let mut job = Job::read(found);
        if job.state == "FAILED" {
            job.failure = Some(Failure::read(&self.get(&format!("/jobs/{id}/exceptions")).await?));
        }
        Ok(Some(job))
    }

    /// Slots of the TaskManagers that have registered.
    ///
    /// # Errors
    /// If the JobManager does not answer.
    pub async fn slots(&self) -> Result<i32, Error> {
        Ok(self.get("/overview").await?["slots-total"].as_i64().map_or(0, saturate))
    }

    /// Slots that are in use, by the host of their TaskManager.
    ///
    /// # Errors
    /// If the JobManager does not answer.
    pub async fn used_slots(&self) -> Result<BTreeMap<String, i32>, Error> {
        Ok(used_slots(&self.get("/taskmanagers").await?))
    }

    /// How a savepoint or stop goes.
    ///
    /// # Errors
    /// If the JobManager does not answer.
    pub async fn operation(&self, job: &str, request: &str) -> Result<Operation, Error> {
        Ok(match self.get(&format!("/jobs/{job}/savepoints/{request}")).await {
            Err(Error::Refused { status: 404, .. }) => Operation::Unknown,
            Err(Error::Refused { message, .. }) => Operation::Failed(message),
            Err(unreachable) => return Err(unreachable),
            Ok(body) => Operation::read(&body),
        })
    }

    /// Takes a savepoint; with `stop` the job stops with it. Returns the id under which to ask for it.
    ///
    /// # Errors
    /// If the JobManager does not answer or refuses.
    pub async fn savepoint(&self, job: &str, directory: &str, request: &str, stop: bool) -> Result<String, Error> {
        let (path, body) = if stop {
            ("stop", json!({"targetDirectory": directory, "drain": false, "triggerId": request}))
        } else {
            ("savepoints", json!({"target-directory": directory, "cancel-job": false, "triggerId": request}))
        };
        let url = format!("{}/jobs/{job}/{path}", self.base);
        let answer = self.send(self.http.post(url).json(&body)).await?;
        Ok(answer["request-id"].as_str().unwrap_or(request).to_owned())
    }

    /// Has a program checked with its options, as a start would; the inner result is the engine's verdict.
    ///
    /// # Errors
    /// If the JobManager does not answer, or cannot tell, as one that does not know the path.
    pub async fn check(&self, sql: &str, config: &BTreeMap<String, String>) -> Result<Result<(), Failure>, Error> {
        let request = self.http.post(format!("{}/programs/check", self.base)).timeout(CHECK_TIMEOUT);
        let answer = request.json(&json!({"sql": sql, "config": config})).send().await.map_err(Error::Unreachable)?;
        let status = answer.status().as_u16();
        let text = answer.text().await.map_err(Error::Unreachable)?;
        verdict(status, &text)
    }

    /// Declares the parallelism of every vertex.
    ///
    /// # Errors
    /// If the JobManager does not answer or refuses.
    pub async fn require(&self, job: &str, vertices: &[String], parallelism: i32) -> Result<(), Error> {
        let bounds = json!({"parallelism": {"lowerBound": 1, "upperBound": parallelism}});
        let body: BTreeMap<&String, &Value> = vertices.iter().map(|vertex| (vertex, &bounds)).collect();
        let url = format!("{}/jobs/{job}/resource-requirements", self.base);
        self.send(self.http.put(url).json(&body)).await.map(drop)
    }
}

impl Job {
    /// Whether it will never run again by itself.
    pub fn is_terminal(&self) -> bool {
        matches!(self.state.as_str(), "FAILED" | "FINISHED" | "CANCELED" | "SUSPENDED")
    }

    /// Whether data flows.
    pub fn is_running(&self) -> bool {
        self.state == "RUNNING"
    }

    /// From Flink's job detail, with our engine's additions under `sluice`.
    fn read(body: &Value) -> Self {
        let ours = &body["sluice"];
        let vertices = || body["vertices"].as_array().into_iter().flatten();
        let declared = ours["desired-parallelism"].as_i64().map(saturate);
        let requirement = |vertex: &Value| Some((vertex["id"].as_str()?.to_owned(), declared?));
        let failure = &ours["failure"];
        Self {
            state: body["state"].as_str().unwrap_or_default().to_owned(),
            start_time: body["start-time"].as_i64().unwrap_or(0),
            restarts: ours["restarts"].as_i64(),
            rescales: ours["rescales"].as_i64().unwrap_or(0),
            last_downtime_millis: ours["last-downtime-ms"].as_i64(),
            parallelism: vertices().filter_map(|vertex| vertex["parallelism"].as_i64()).max().map(saturate),
            requirements: vertices().filter_map(requirement).collect(),
            checkpoint: Checkpoint::read(&ours["last-checkpoint"]),
            savepoint: ours["savepoint"].as_str().map(str::to_owned),
            failure: failure["message"].as_str().map(|message| Failure {
                class: failure["class"].as_str().unwrap_or_default().to_owned(),
                message: shorten(message),
                position: position(&failure["position"]),
            }),
        }
    }
}

impl Checkpoint {
    fn read(body: &Value) -> Option<Self> {
        let number = |name: &str| body[name].as_i64();
        Some(Self {
            id: number("id")?,
            path: body["path"].as_str().map(str::to_owned),
            completed: number("completed-timestamp").unwrap_or(0),
            size: number("size").unwrap_or(0),
            duration: number("duration").unwrap_or(0),
        })
    }
}

impl Failure {
    fn read(body: &Value) -> Self {
        let entry = &body["exceptionHistory"]["entries"][0];
        let labels = &entry["failureLabels"];
        let class = [&labels["class"], &body["class"], &entry["exceptionName"]].into_iter().find_map(Value::as_str);
        let message = [&body["root-exception"], &entry["stacktrace"]].into_iter().find_map(Value::as_str);
        Self {
            class: class.unwrap_or("").to_owned(),
            message: shorten(message.unwrap_or("the job failed")),
            position: position(&body["root-position"]).or_else(|| position(&entry["position"])),
        }
    }

    /// Whether the mistake is in the spec, so that only a new one helps.
    pub fn is_user(&self) -> bool {
        self.class.eq_ignore_ascii_case("user")
    }
}

/// Only the engine's own word that the user is at fault is a refusal.
fn verdict(status: u16, text: &str) -> Result<Result<(), Failure>, Error> {
    let body: Value = serde_json::from_str(text).unwrap_or_default();
    let message = shorten(body["errors"][0].as_str().unwrap_or(text));
    let failure = Failure {
        class: body["class"].as_str().unwrap_or_default().to_owned(),
        message,
        position: position(&body["position"]),
    };
    match status {
        200..300 => Ok(Ok(())),
        400 if failure.is_user() => Ok(Err(failure)),
        _ => Err(Error::Refused { status, message: failure.message }),
    }
}

fn position(body: &Value) -> Option<(i64, i64)> {
    Some((body["line"].as_i64()?, body["column"].as_i64()?))
}

impl Operation {
    fn read(body: &Value) -> Self {
        let operation = &body["operation"];
        if body["status"]["id"] != "COMPLETED" {
            return Self::InProgress;
        }
        if let Some(location) = operation["location"].as_str() {
            return Self::Completed(location.to_owned());
        }
        let cause = &operation["failure-cause"];
        let message =
            [&cause["message"], &cause["stack-trace"], &cause["class"], cause].into_iter().find_map(Value::as_str);
        Self::Failed(shorten(message.unwrap_or("the savepoint failed")))
    }
}

fn used_slots(body: &Value) -> BTreeMap<String, i32> {
    let used = |taskmanager: &Value| {
        let (host, _port) = taskmanager["path"].as_str()?.rsplit_once(':')?;
        let used = taskmanager["slotsNumber"].as_i64()? - taskmanager["freeSlots"].as_i64()?;
        Some((host.trim_matches(['[', ']']).to_owned(), saturate(used)))
    };
    body["taskmanagers"].as_array().into_iter().flatten().filter_map(used).collect()
}

fn saturate(number: i64) -> i32 {
    i32::try_from(number).unwrap_or(i32::MAX)
}

fn shorten(text: &str) -> String {
    text.trim().chars().take(MESSAGE_CHARS_MAX).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_as_flink_gives_them() {
        let done = json!({"status": {"id": "COMPLETED"}, "operation": {"location": "s3://b/sp-1"}});
        assert_eq!(Operation::read(&done), Operation::Completed("s3://b/sp-1".into()));
        let failed = json!({"status": {"id": "COMPLETED"},
            "operation": {"failure-cause": {"class": "java.lang.X", "stack-trace": "no bucket b"}}});
        assert_eq!(Operation::read(&failed), Operation::Failed("no bucket b".into()));
        assert_eq!(Operation::read(&json!({"status": {"id": "IN_PROGRESS"}})), Operation::InProgress);

        let job = Job::read(&json!({"state": "RUNNING", "start-time": 5,
            "vertices": [{"id": "a", "parallelism": 1}, {"id": "b", "parallelism": 2}],
            "sluice": {"restarts": 3, "desired-parallelism": 4, "savepoint": null, "failure": null,
                "last-checkpoint": {"id": 7, "path": "s3://b/chk-7", "completed-timestamp": 6, "size": 9}}}));
        assert_eq!((job.parallelism, job.restarts, job.savepoint, job.failure), (Some(2), Some(3), None, None));
        assert_eq!(job.requirements, BTreeMap::from([("a".to_owned(), 4), ("b".to_owned(), 4)]));
        assert_eq!(job.checkpoint.map(|checkpoint| (checkpoint.id, checkpoint.size)), Some((7, 9)));
    }

    #[test]
    fn slots_in_use_by_host() {
        let answer = json!({"taskmanagers": [{"path": "10.1.2.3:6121", "slotsNumber": 2, "freeSlots": 2},
            {"path": "[fd00::7]:6121", "slotsNumber": 2, "freeSlots": 1}]});
        assert_eq!(used_slots(&answer), BTreeMap::from([("10.1.2.3".to_owned(), 0), ("fd00::7".to_owned(), 1)]));
    }

    #[test]
    fn the_users_mistake_is_told_from_others() {
        let failure = Failure::read(&json!({"root-exception": "line 1, column 8: no column x",
            "exceptionHistory": {"entries": [{"exceptionName": "Failure", "failureLabels": {"class": "User"}}]}}));
        assert!(failure.is_user());
        assert_eq!((&*failure.message, failure.position), ("line 1, column 8: no column x", None));
        let failure = Failure::read(&json!({"root-exception": "line 1, column 8: no column x",
            "root-position": {"line": 1, "column": 8}, "exceptionHistory": {"entries": []}}));
        assert_eq!(failure.position, Some((1, 8)));
        assert!(!Failure::read(&Value::Null).is_user());
    }

    #[test]
    fn only_the_users_mistake_is_a_verdict_against_a_program() {
        assert!(matches!(verdict(200, "{}"), Ok(Ok(()))));
        let body = json!({"errors": ["line 2, column 7: no column x"], "class": "user",
            "position": {"line": 2, "column": 7}});
        let Ok(Err(failure)) = verdict(400, &body.to_string()) else { panic!("refused") };
        assert_eq!((&*failure.message, failure.position), ("line 2, column 7: no column x", Some((2, 7))));
        for (status, body) in [
            (400, "Bad Request"),
            (404, "{\"errors\": [\"no such path\"]}"),
            (503, "{\"errors\": [\"storage\"], \"class\": \"external\"}"),
        ] {
            assert!(matches!(verdict(status, body), Err(Error::Refused { .. })), "{status} {body}");
        }
    }
}
