//! The Kubernetes operator: a `FlinkJob` in, one JobManager and its TaskManagers out.
//!
//! It must not know any crate of the engine: it talks to a job's JobManager over REST only, and reads nothing else.

#![cfg_attr(test, allow(clippy::disallowed_methods, reason = "tests"))]

pub mod controller;
pub mod crd;
pub mod election;
pub mod hash;
pub mod jobmanager;
pub mod server;
