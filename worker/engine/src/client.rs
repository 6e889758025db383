//! The client commands: thin calls of a JobManager's REST endpoint.

#![expect(clippy::disallowed_methods, reason = "waits between requests")]

use std::time::Duration;

use model::Failure;
use serde_json::{Value, json};

use crate::{
    arguments::{ClientOptions, JobOptions, RescaleOptions, SavepointOptions, StopOptions},
    display,
};

/// How often the outcome of an asynchronous operation is asked for.
const POLL_INTERVAL: Duration = Duration::from_millis(200);

/// A JobManager's REST endpoint.
pub(crate) struct Client {
    base: String,
    http: reqwest::Client,
}

impl Client {
    pub(crate) fn new(base: &str) -> Self {
        Self { base: base.trim_end_matches('/').to_owned(), http: reqwest::Client::new() }
    }

    pub(crate) async fn call(
        &self,
        method: reqwest::Method,
        path: &str,
        body: Option<&Value>,
    ) -> Result<Value, Failure> {
        let url = format!("{}{path}", self.base);
        let mut request = self.http.request(method, &url);
        if let Some(body) = body {
            request = request.json(body);
        }
        let response =
            request.send().await.map_err(|error| Failure::external(format!("{url}: {}", root_cause(&error))))?;
        let status = response.status();
        let text = response.text().await.map_err(|error| Failure::external(format!("{url}: {error}")))?;
        if status.is_success() {
            if text.is_empty() {
                return Ok(Value::Null);
            }
            return serde_json::from_str(&text).map_err(|error| Failure::external(format!("{url}: {error}")));
        }
        let errors = serde_json::from_str::<Value>(&text).ok().and_then(|body| {
            let errors = body.get("errors")?.as_array()?;
            Some(errors.iter().filter_map(Value::as_str).collect::<Vec<_>>().join("; "))
        });
        let message = errors.unwrap_or_else(|| format!("{url}: {status}"));
        Err(if status.is_client_error() { Failure::user(message) } else { Failure::external(message) })
    }

    async fn get(&self, path: &str) -> Result<Value, Failure> {
        self.call(reqwest::Method::GET, path, None).await
    }

    async fn post(&self, path: &str, body: &Value) -> Result<Value, Failure> {
        self.call(reqwest::Method::POST, path, Some(body)).await
    }

    /// Waits until a job has finished.
    pub(crate) async fn finished(&self, job: &str) -> Result<(), Failure> {
        loop {
            let answer = self.get(&format!("/jobs/{job}")).await?;
            match answer["state"].as_str() {
                Some("FINISHED") => return Ok(()),
                Some(state @ ("FAILED" | "CANCELED")) => {
                    let exceptions = self.get(&format!("/jobs/{job}/exceptions")).await?;
                    let why = exceptions["root-exception"].as_str().unwrap_or(state);
                    return Err(Failure::external(format!("job {job}: {why}")));
                }
                _ => tokio::time::sleep(POLL_INTERVAL).await,
            }
        }
    }

    /// Waits for a savepoint and gives its path.
    async fn savepoint_of(&self, job: &str, request: &Value) -> Result<String, Failure> {
        let trigger = request["request-id"]
            .as_str()
            .ok_or_else(|| Failure::external("the JobManager's answer has no request-id"))?;
        loop {
            let answer = self.get(&format!("/jobs/{job}/savepoints/{trigger}")).await?;
            if answer["status"]["id"] == "COMPLETED" {
                let operation = &answer["operation"];
                if let Some(location) = operation["location"].as_str() {
                    return Ok(location.to_owned());
                }
                let cause = &operation["failure-cause"];
                let cause = cause.as_str().or_else(|| cause["stack-trace"].as_str()).unwrap_or("unknown cause");
                return Err(Failure::external(format!("savepoint of job {job}: {cause}")));
            }
            tokio::time::sleep(POLL_INTERVAL).await;
        }
    }
}

fn root_cause(error: &dyn std::error::Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(next) = cause.source() {
        cause = next;
    }
    cause.to_string()
}

/// `sluice list`
pub(crate) async fn list(options: &ClientOptions) -> Result<(), Failure> {
    let answer = Client::new(&options.jobmanager).get("/jobs/overview").await?;
    let jobs = answer["jobs"].as_array().cloned().unwrap_or_default();
    if jobs.is_empty() {
        display::line("no jobs");
    }
    for job in jobs {
        let text = |key: &str| job[key].as_str().unwrap_or("").to_owned();
        display::line(&format!("{}  {:<10}  {}", text("jid"), text("state"), text("name")));
    }
    Ok(())
}

/// `sluice cancel`
pub(crate) async fn cancel(options: &JobOptions) -> Result<(), Failure> {
    let client = Client::new(&options.client.jobmanager);
    client.call(reqwest::Method::PATCH, &format!("/jobs/{}?mode=cancel", options.job), None).await?;
    display::line(&format!("cancelling {}", options.job));
    Ok(())
}

/// `sluice stop`
pub(crate) async fn stop(options: &StopOptions) -> Result<(), Failure> {
    let (client, job) = (Client::new(&options.job.client.jobmanager), &options.job.job);
    let body = json!({ "targetDirectory": options.savepoint_path, "drain": options.drain });
    let request = client.post(&format!("/jobs/{job}/stop"), &body).await?;
    display::line(&client.savepoint_of(job, &request).await?);
    Ok(())
}

/// `sluice savepoint`
pub(crate) async fn savepoint(options: &SavepointOptions) -> Result<(), Failure> {
    let client = Client::new(&options.client.jobmanager);
    let body = json!({ "target-directory": options.directory, "cancel-job": false });
    let request = client.post(&format!("/jobs/{}/savepoints", options.job), &body).await?;
    display::line(&client.savepoint_of(&options.job, &request).await?);
    Ok(())
}

/// `sluice rescale`
pub(crate) async fn rescale(options: &RescaleOptions) -> Result<(), Failure> {
    let (client, job) = (Client::new(&options.client.jobmanager), &options.job);
    let path = format!("/jobs/{job}/resource-requirements");
    let mut requirements = client.get(&path).await?;
    let bounds = json!({ "lowerBound": 1, "upperBound": options.parallelism });
    for requirement in requirements.as_object_mut().into_iter().flat_map(|vertices| vertices.values_mut()) {
        requirement["parallelism"] = bounds.clone();
    }
    client.call(reqwest::Method::PUT, &path, Some(&requirements)).await?;
    display::line(&format!("rescaling {job} to {}", options.parallelism));
    Ok(())
}
