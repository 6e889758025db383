//! The clients: one for each bucket, made on first use.

use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, LazyLock, Mutex, PoisonError},
    time::Duration,
};

use model::Failure;
use object_store::{
    BackoffConfig, ClientOptions, ObjectStore, RetryConfig,
    aws::{AmazonS3Builder, S3ConditionalPut},
    memory::InMemory,
};
use url::{Host, Url};

use crate::{local::LocalFiles, location::StoreId};

/// Attempts after the first one of a request that failed outside.
pub(crate) const RETRIES_MAX: usize = 5;
pub(crate) const BACKOFF_INITIAL: Duration = Duration::from_millis(100);
pub(crate) const BACKOFF_MAX: Duration = Duration::from_secs(5);
/// No further attempt is made after this time.
const RETRY_TIME_MAX: Duration = Duration::from_secs(60);
const REQUEST_TIME_MAX: Duration = Duration::from_secs(60);
const CONNECT_TIME_MAX: Duration = Duration::from_secs(5);

/// How to reach S3. What is empty comes from the environment (`AWS_ACCESS_KEY_ID` and so on).
#[derive(Clone, Default, PartialEq, Eq)]
pub struct StorageOptions {
    /// URL of an S3-compatible server; AWS if empty.
    pub s3_endpoint: Option<String>,
    /// Region of the server.
    pub s3_region: String,
    /// Access key.
    pub s3_access_key: Option<String>,
    /// Secret key.
    pub s3_secret_key: Option<String>,
    /// Whether buckets are part of the path rather than of the host name.
    pub s3_path_style: bool,
}

impl fmt::Debug for StorageOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StorageOptions")
            .field("s3_endpoint", &self.s3_endpoint)
            .field("s3_region", &self.s3_region)
            .field("s3_path_style", &self.s3_path_style)
            .finish_non_exhaustive()
    }
}

/// A store and how conditional puts go to it.
#[derive(Clone)]
pub(crate) struct Store {
    /// Retries by itself.
    pub(crate) client: Arc<dyn ObjectStore>,
    /// Never retries by itself, so that "already exists" cannot be the echo of an own attempt whose answer was lost.
    pub(crate) once: Arc<dyn ObjectStore>,
}

impl Store {
    fn plain(client: Arc<dyn ObjectStore>) -> Self {
        Self { once: Arc::clone(&client), client }
    }
}

/// Memory stores live as long as the process, so that all parts of an embedded cluster see the same ones.
static MEMORY: LazyLock<Mutex<HashMap<String, Store>>> = LazyLock::new(Mutex::default);

/// All stores opened so far.
pub(crate) struct Stores {
    options: StorageOptions,
    open: Mutex<HashMap<StoreId, Store>>,
}

impl Stores {
    pub(crate) fn new(options: StorageOptions) -> Self {
        Self { options, open: Mutex::default() }
    }

    pub(crate) fn get(&self, id: &StoreId) -> Result<Store, Failure> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(store) = open.get(id) {
            return Ok(store.clone());
        }
        let store = match id {
            StoreId::Local => Store::plain(Arc::new(LocalFiles)),
            StoreId::Memory { name } => MEMORY
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .entry(name.clone())
                .or_insert_with(|| Store::plain(Arc::new(InMemory::new())))
                .clone(),
            StoreId::S3 { bucket } => Store { client: self.s3(bucket, RETRIES_MAX)?, once: self.s3(bucket, 0)? },
        };
        open.insert(id.clone(), store.clone());
        Ok(store)
    }

    #[cfg(test)]
    pub(crate) fn insert(&self, id: StoreId, store: Store) {
        self.open.lock().unwrap_or_else(PoisonError::into_inner).insert(id, store);
    }

    fn s3(&self, bucket: &str, retries: usize) -> Result<Arc<dyn ObjectStore>, Failure> {
        let options = &self.options;
        let mut builder = AmazonS3Builder::from_env()
            .with_bucket_name(bucket)
            .with_conditional_put(S3ConditionalPut::ETagMatch)
            .with_client_options(
                ClientOptions::new()
                    .with_timeout(REQUEST_TIME_MAX)
                    .with_connect_timeout(CONNECT_TIME_MAX)
                    .with_allow_http(options.s3_endpoint.as_ref().is_some_and(|url| url.starts_with("http://"))),
            )
            .with_retry(RetryConfig {
                backoff: BackoffConfig { init_backoff: BACKOFF_INITIAL, max_backoff: BACKOFF_MAX, base: 2.0 },
                max_retries: retries,
                retry_timeout: RETRY_TIME_MAX,
            });
        if !options.s3_region.is_empty() {
            builder = builder.with_region(&options.s3_region);
        }
        match (&options.s3_access_key, &options.s3_secret_key) {
            (Some(access), Some(secret)) => {
                builder = builder.with_access_key_id(access).with_secret_access_key(secret);
            }
            (None, None) => {}
            _ => return Err(Failure::user("s3.access-key and s3.secret-key must be given together")),
        }
        builder = match &options.s3_endpoint {
            None => builder.with_virtual_hosted_style_request(!options.s3_path_style),
            Some(endpoint) => {
                let (endpoint, hosted) = bucket_endpoint(endpoint, bucket, options.s3_path_style)?;
                builder.with_endpoint(endpoint).with_virtual_hosted_style_request(hosted)
            }
        };
        let store = builder.build().map_err(|error| Failure::user(format!("s3://{bucket}: {error}")))?;
        Ok(Arc::new(store))
    }
}

/// The URL requests go to, and whether the bucket is part of its host. Addresses have no names below them.
fn bucket_endpoint(endpoint: &str, bucket: &str, path_style: bool) -> Result<(String, bool), Failure> {
    let mut url = Url::parse(endpoint).map_err(|error| Failure::user(format!("s3.endpoint {endpoint}: {error}")))?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(Failure::user(format!("s3.endpoint {endpoint}: must start with http:// or https://")));
    }
    let host = match url.host() {
        Some(Host::Domain(host)) if !path_style && host != "localhost" => format!("{bucket}.{host}"),
        _ => return Ok((endpoint.trim_end_matches('/').to_owned(), false)),
    };
    url.set_host(Some(&host)).map_err(|error| Failure::user(format!("s3.endpoint {endpoint}: {error}")))?;
    Ok((url.as_str().trim_end_matches('/').to_owned(), true))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bucket_goes_into_the_host_unless_told_otherwise() {
        let cases = [
            ("https://s3.example.com/", false, "https://b.s3.example.com", true),
            ("https://s3.example.com", true, "https://s3.example.com", false),
            ("http://10.0.0.1:9000", false, "http://10.0.0.1:9000", false),
            ("http://localhost:9000", false, "http://localhost:9000", false),
        ];
        for (endpoint, path_style, expected, hosted) in cases {
            let found = bucket_endpoint(endpoint, "b", path_style).expect(endpoint);
            assert_eq!(found, (expected.to_owned(), hosted), "{endpoint}");
        }
        assert!(bucket_endpoint("minio:9000", "b", true).is_err());
    }

    #[test]
    fn secrets_are_not_printed() {
        let options = StorageOptions { s3_secret_key: Some("hidden".into()), ..StorageOptions::default() };
        assert!(!format!("{options:?}").contains("hidden"));
    }
}
