//! Health and metrics over HTTP.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::{Arc, OnceLock},
};

use axum::{Router, extract::State, http::header, response::IntoResponse, routing::get};
use kube::runtime::reflector::Store;
use prometheus_client::{
    encoding::text::encode,
    metrics::{counter::Counter, family::Family, gauge::Gauge},
    registry::Registry,
};

use crate::crd::FlinkJob;

type Labels = Vec<(&'static str, String)>;

/// What the operator counts.
#[derive(Debug, Default)]
pub struct Metrics {
    /// Passes over a job.
    pub reconciles: Counter,
    /// Passes that ended in an error.
    pub errors: Counter,
    /// 1 while this process holds the lease.
    pub leader: Gauge,
    jobs: OnceLock<Store<FlinkJob>>,
}

impl Metrics {
    /// Jobs are counted from this store.
    pub(crate) fn watch(&self, jobs: Store<FlinkJob>) {
        // Set once a process: the controller runs once.
        drop(self.jobs.set(jobs));
    }

    fn text(&self) -> Result<String, std::fmt::Error> {
        let mut registry = Registry::with_prefix("sluice_operator");
        registry.register("reconciles", "Passes over a job", self.reconciles.clone());
        registry.register("reconcile_errors", "Passes that ended in an error", self.errors.clone());
        registry.register("leader", "Whether this process is the active one", self.leader.clone());
        let jobs = Family::<Labels, Gauge>::default();
        for ((namespace, phase), count) in self.count() {
            jobs.get_or_create(&vec![("namespace", namespace), ("phase", phase)]).set(count);
        }
        registry.register("jobs", "FlinkJobs by phase", jobs);
        let mut text = String::new();
        encode(&mut text, &registry)?;
        Ok(text)
    }

    fn count(&self) -> BTreeMap<(String, String), i64> {
        let mut counts = BTreeMap::new();
        for job in self.jobs.get().map(Store::state).unwrap_or_default() {
            let phase = job.status.as_ref().and_then(|status| status.phase);
            let phase = phase.map_or_else(|| "Unknown".to_owned(), |phase| format!("{phase:?}"));
            *counts.entry((job.metadata.namespace.clone().unwrap_or_default(), phase)).or_default() += 1;
        }
        counts
    }
}

/// Serves `/healthz` and `/metrics`.
///
/// # Errors
/// If the address cannot be listened on.
pub async fn serve(address: SocketAddr, metrics: Arc<Metrics>) -> std::io::Result<()> {
    let router = Router::new()
        .route("/healthz", get(|| async { "ok" }))
        .route("/readyz", get(|| async { "ok" }))
        .route("/metrics", get(export))
        .with_state(metrics);
    let listener = tokio::net::TcpListener::bind(address).await?;
    axum::serve(listener, router).await
}

async fn export(State(metrics): State<Arc<Metrics>>) -> impl IntoResponse {
    let kind = [(header::CONTENT_TYPE, "application/openmetrics-text; version=1.0.0; charset=utf-8")];
    (kind, metrics.text().unwrap_or_default())
}
