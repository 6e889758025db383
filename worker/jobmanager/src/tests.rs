//! Tests of the whole crate: the core by scripted events, the service with fake TaskManagers.

mod core;
pub(crate) mod fake;
mod hostile;
mod lost;
mod moved;
mod pauses;
mod rest;
mod service;
mod simulation;
