//! Conversions between messages and the types of other crates.

use model::{ErrorClass, Failure};

use crate::v1::TaskFailure;

impl From<Failure> for TaskFailure {
    fn from(failure: Failure) -> Self {
        let (line, column) = failure.position.map_or((0, 0), |position| (position.line, position.column));
        Self { class: failure.class.to_string(), message: failure.message, line, column }
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
        Self::new(class, failure.message).at_position(failure.line, failure.column)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_arrives_with_its_class_and_position() {
        for failure in [Failure::user("line 3, column 7: no column x").at_position(3, 7), Failure::external("no disk")]
        {
            assert_eq!(Failure::from(TaskFailure::from(failure.clone())), failure);
        }
    }
}
