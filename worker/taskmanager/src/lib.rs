//! The TaskManager: slots (a thread each), deployment of tasks into them, and the exchange of rows with other
//! TaskManagers.
//!
//! It must not know SQL, Kubernetes, concrete operators or connectors, nor decide anything about jobs: the JobManager does.

#![cfg_attr(test, allow(clippy::disallowed_methods, reason = "tests"))]

mod deployment;
mod exchange;
mod execution;
mod messages;
mod service;
mod slot;

pub use exchange::ExchangeServer;
pub use service::{Contact, Options, TaskManager};
