//! One active operator of several, by a Lease.
//!
//! The holder renews; who sees no renewal for the lease's whole duration, by its own clock, takes over. Every write is
//! conditional on the version that was read, so of two takers one fails.

#![expect(clippy::disallowed_methods, reason = "a lease is a matter of time")]

use std::time::Duration;

use chrono::{DateTime, Utc};
use k8s_openapi::{
    api::coordination::v1::{Lease, LeaseSpec},
    apimachinery::pkg::apis::meta::v1::MicroTime,
    jiff::Timestamp,
};
use kube::{
    Api, Client,
    api::{ObjectMeta, PostParams},
};
use tokio::time::{Instant, sleep, timeout};

const DURATION: Duration = Duration::from_secs(15);
const RENEW_DEADLINE: Duration = Duration::from_secs(10);
const RETRY: Duration = Duration::from_secs(2);

/// One candidate.
#[derive(Debug)]
pub struct Candidate {
    api: Api<Lease>,
    lease: String,
    identity: String,
    /// The renewal that was seen last, and when we saw it.
    seen: Option<(Option<MicroTime>, Instant)>,
}

impl Candidate {
    /// `identity` is this process, best its pod's name.
    pub fn new(client: Client, namespace: &str, lease: &str, identity: &str) -> Self {
        let api = Api::namespaced(client, namespace);
        Self { api, lease: lease.to_owned(), identity: identity.to_owned(), seen: None }
    }

    /// Waits until this process holds the lease.
    pub async fn acquire(&mut self) {
        loop {
            match self.attempt().await {
                Ok(true) => return,
                Ok(false) => {}
                Err(error) => tracing::warn!(%error, lease = self.lease, "leader election"),
            }
            sleep(RETRY).await;
        }
    }

    /// Keeps the lease. Returns once it is lost: this process must then end at once.
    pub async fn hold(&mut self) {
        let mut renewed = Instant::now();
        while renewed.elapsed() < RENEW_DEADLINE {
            sleep(RETRY).await;
            match timeout(RENEW_DEADLINE.saturating_sub(renewed.elapsed()), self.attempt()).await {
                Ok(Ok(true)) => renewed = Instant::now(),
                Ok(Ok(false)) => return,
                Ok(Err(error)) => tracing::warn!(%error, "lease not renewed"),
                Err(_) => tracing::warn!("lease not renewed: no answer"),
            }
        }
    }

    /// Gives the lease back, so that the next one need not wait.
    pub async fn release(&mut self) {
        if let Ok(Some(mut lease)) = self.api.get_opt(&self.lease).await
            && holder(&lease) == Some(&self.identity)
        {
            lease.spec.get_or_insert_default().holder_identity = None;
            if let Err(error) = self.api.replace(&self.lease, &PostParams::default(), &lease).await {
                tracing::debug!(%error, "lease not released");
            }
        }
    }

    async fn attempt(&mut self) -> Result<bool, kube::Error> {
        let result = match self.api.get_opt(&self.lease).await? {
            None => self.api.create(&PostParams::default(), &self.claim(None)).await,
            Some(lease) if self.is_free(&lease) => {
                self.api.replace(&self.lease, &PostParams::default(), &self.claim(Some(lease))).await
            }
            Some(_) => return Ok(false),
        };
        match result {
            Ok(_) => Ok(true),
            Err(kube::Error::Api(status)) if status.code == 409 => Ok(false),
            Err(error) => Err(error),
        }
    }

    fn is_free(&mut self, lease: &Lease) -> bool {
        let holder = holder(lease);
        if holder.is_none_or(|holder| *holder == self.identity) {
            return true;
        }
        let renewal = lease.spec.as_ref().and_then(|spec| spec.renew_time.clone());
        match &self.seen {
            Some((seen, at)) if *seen == renewal => at.elapsed() > DURATION,
            _ => {
                self.seen = Some((renewal, Instant::now()));
                false
            }
        }
    }

    fn claim(&self, current: Option<Lease>) -> Lease {
        let now = MicroTime(Timestamp::now());
        let mut lease = current.unwrap_or_else(|| Lease {
            metadata: ObjectMeta { name: Some(self.lease.clone()), ..ObjectMeta::default() },
            spec: None,
        });
        let is_ours = holder(&lease) == Some(&self.identity);
        let spec = lease.spec.take().unwrap_or_default();
        let transitions = spec.lease_transitions.unwrap_or(0) + i32::from(!is_ours);
        let acquired = spec.acquire_time.clone().filter(|_| is_ours).unwrap_or_else(|| now.clone());
        lease.spec = Some(LeaseSpec {
            holder_identity: Some(self.identity.clone()),
            lease_duration_seconds: i32::try_from(DURATION.as_secs()).ok(),
            acquire_time: Some(acquired),
            renew_time: Some(now),
            lease_transitions: Some(transitions),
            ..spec
        });
        lease
    }
}

fn holder(lease: &Lease) -> Option<&String> {
    lease.spec.as_ref()?.holder_identity.as_ref().filter(|holder| !holder.is_empty())
}

/// An identity for a process that has no pod name.
pub fn identity(pod: Option<String>, now: DateTime<Utc>) -> String {
    pod.unwrap_or_else(|| format!("process-{}-{}", std::process::id(), now.timestamp_millis()))
}
