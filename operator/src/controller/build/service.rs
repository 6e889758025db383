//! The JobManager's address, for its TaskManagers, the operator and users.

use k8s_openapi::{
    api::core::v1::{Service, ServicePort, ServiceSpec},
    apimachinery::pkg::util::intstr::IntOrString,
};

use super::{metadata, names};
use crate::controller::validate::{Validated, options::port};

pub(super) fn build(job: &Validated) -> Service {
    let port = |name: &str, number: i32| ServicePort {
        name: Some(name.to_owned()),
        port: number,
        target_port: Some(IntOrString::String(name.to_owned())),
        ..ServicePort::default()
    };
    let mut metadata = metadata(job, names::jobmanager(&job.name), Some(names::JOBMANAGER));
    // The address outlives revisions.
    metadata.labels.get_or_insert_default().remove(names::REVISION);
    Service {
        metadata,
        spec: Some(ServiceSpec {
            selector: Some(names::selector(&job.name, names::JOBMANAGER)),
            ports: Some(vec![port("rest", port::REST), port("rpc", port::RPC)]),
            publish_not_ready_addresses: Some(true),
            ..ServiceSpec::default()
        }),
        ..Service::default()
    }
}
