//! The JobManager: jobs and their states, TaskManagers and their slots, the checkpoint coordinator, recovery, REST.
//!
//! Its core ([`cluster`]) is a synchronous state machine, events in, actions out; [`service`] feeds it and performs
//! what it decides. It must not know operators, state backends, connectors, SQL or Kubernetes.

#![cfg_attr(test, allow(clippy::cast_possible_truncation, clippy::disallowed_methods, reason = "tests"))]

pub mod api;
pub mod cluster;
mod coordinator;
pub mod event;
mod grpc;
mod handle;
mod job;
mod ledger;
mod pause;
mod rest;
mod restart;
mod service;
mod splits;
mod workers;

pub use api::{JobDetail, JobId, JobResult, JobStatus, JobSubmission, Progress, SubtaskFigures};
pub use grpc::{AttachService, grpc_service};
pub use handle::{Handle, WeakHandle};
pub use rest::{ProgramCheck, serve_rest};
pub use service::{JobManager, Options, Service};
pub use splits::{SplitEnumerator, Splits};

#[cfg(test)]
mod tests;
