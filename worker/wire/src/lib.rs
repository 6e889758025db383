//! The messages between JobManager and TaskManagers, and between TaskManagers. It must not know behaviour.

#![allow(missing_docs, reason = "generated from proto/sluice.proto, which documents every message")]

/// Version 1 of the protocol.
pub mod v1 {
    #![allow(clippy::all, clippy::pedantic, clippy::restriction, reason = "generated code")]
    tonic::include_proto!("sluice.v1");
}

pub mod convert;
pub mod states;
