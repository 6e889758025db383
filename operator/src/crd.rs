//! The `FlinkJob` resource as users write and read it. Names and defaults here are the public interface.

pub mod quantity;
pub mod spec;
pub mod status;

use kube::CustomResourceExt;

pub use quantity::Quantity;
pub use spec::*;
pub use status::*;

/// Annotation: any new value takes one savepoint.
pub const SAVEPOINT: &str = "sluice.dev/savepoint";
/// Annotation: any new value restarts the job in place, with its state.
pub const RESTART: &str = "sluice.dev/restart";
/// Annotation: `true` leaves everything but deletion alone.
pub const PAUSE: &str = "sluice.dev/pause-reconciliation";
/// Finalizer of jobs that take a savepoint when they are deleted.
pub const FINALIZER: &str = "sluice.dev/savepoint-on-deletion";

/// The custom resource definition as YAML, what `sluice-operator crd` prints.
///
/// # Errors
/// If the definition cannot be written as YAML.
pub fn yaml() -> Result<String, serde_yaml_ng::Error> {
    serde_yaml_ng::to_string(&FlinkJob::crd())
}
