//! The S3 server of the test bed, as the environment names it.

#![expect(clippy::disallowed_methods, clippy::print_stderr, reason = "drives processes")]

use std::time::UNIX_EPOCH;

use anyhow::{Context, Result};

/// Where objects go, and how a process reaches them.
pub struct Server {
    endpoint: String,
    region: String,
    bucket: String,
    access_key: String,
    secret_key: String,
}

impl Server {
    /// The server of the environment; none where no test bed runs, which is said on standard error.
    ///
    /// # Errors
    /// If the environment names a server only in part.
    pub fn from_environment() -> Result<Option<Self>> {
        let variable = |name: &str| std::env::var(name).with_context(|| name.to_owned());
        let Ok(endpoint) = std::env::var("S3_ENDPOINT") else {
            eprintln!("skipped: no S3 server, see tests/testbed/README.md");
            return Ok(None);
        };
        Ok(Some(Self {
            endpoint,
            region: variable("S3_REGION")?,
            bucket: variable("S3_BUCKET")?,
            access_key: variable("S3_ACCESS_KEY")?,
            secret_key: variable("S3_SECRET_KEY")?,
        }))
    }

    /// A folder of its own for a test. The server may outlive many runs of the tests, and process ids come again.
    pub fn folder(&self, test: &str) -> String {
        let now = UNIX_EPOCH.elapsed().map_or(0, |time| time.as_millis());
        format!("s3://{}/{test}-{now}-{}", self.bucket, std::process::id())
    }

    /// Its host and port.
    pub fn address(&self) -> &str {
        self.endpoint.trim_start_matches("http://").trim_end_matches('/')
    }

    /// Options that a `sluice` process needs to reach it.
    pub fn options(&self) -> Vec<String> {
        self.options_at(&self.endpoint)
    }

    /// As [`Server::options`], by another way.
    pub fn options_at(&self, endpoint: &str) -> Vec<String> {
        vec![
            format!("s3.endpoint={endpoint}"),
            format!("s3.region={}", self.region),
            "s3.path.style.access=true".to_owned(),
            format!("s3.access-key={}", self.access_key),
            format!("s3.secret-key={}", self.secret_key),
        ]
    }
}
