//! The job that tests of pure steps start from.

use super::validate::{Validated, validate};
use crate::crd::FlinkJob;

/// As the API server would hand it out.
pub(super) fn orders() -> FlinkJob {
    serde_yaml_ng::from_str(include_str!("../../tests/fixtures/orders.yaml")).unwrap()
}

pub(super) fn sql(job: &FlinkJob) -> Result<String, String> {
    job.spec.job.sql.inline.clone().ok_or_else(|| "no SQL".to_owned())
}

pub(super) fn valid(job: &FlinkJob) -> Validated {
    validate(job, sql(job)).unwrap()
}
