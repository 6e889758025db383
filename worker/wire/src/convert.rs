//! Conversions between messages and the types of other crates.

use model::{ErrorClass, Failure};

use crate::v1::TaskFailure;

impl From<Failure> for TaskFailure {
    fn from(failure: Failure) -> Self {
        Self { class: failure.class.to_string(), message: failure.message }
    }
}

impl From<TaskFailure> for Failure {
    fn from(failure: TaskFailure) -> Self {
        let class = match failure.class.as_str() {
            "user" => ErrorClass::User,
            "external" => ErrorClass::External,
            "data" => ErrorClass::Data,
            "fenced" => ErrorClass::Fenced,
            _ => ErrorClass::Internal,
        };
        Self::new(class, failure.message)
    }
}
