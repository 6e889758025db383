//! What a store's error means for the caller.

use std::error::Error as _;

use model::Failure;

use crate::location::{Location, StoreId};

/// Turns an error of the store into a failure that names the URI and says what to look at.
pub(crate) fn failure(uri: &str, location: &Location, error: &object_store::Error) -> Failure {
    use object_store::Error;
    let text = chain(error);
    let code = between(&text, "<Code>", "</Code>").unwrap_or_default();
    if let StoreId::S3 { bucket } = &location.store {
        match code {
            "NoSuchBucket" => return Failure::user(format!("{uri}: bucket {bucket} does not exist")),
            // The second is versitygw's name for it, with status 404.
            "InvalidAccessKeyId" | "XAdminUserNotFound" => {
                return Failure::user(format!("{uri}: the server does not know the access key (s3.access-key)"));
            }
            "SignatureDoesNotMatch" => {
                return Failure::user(format!("{uri}: the secret key (s3.secret-key) does not fit the access key"));
            }
            "AccessDenied" => return Failure::user(format!("{uri}: access denied")),
            // Comes with status 403. A request that waited while the process was paused is signed anew when it is repeated.
            "RequestTimeTooSkewed" | "RequestExpired" => {
                return Failure::external(format!(
                    "{uri}: the request was too old for the server: the process was paused, or the clocks differ"
                ));
            }
            _ => {}
        }
    }
    match error {
        Error::NotFound { .. } if is_missing(error) => Failure::data(format!("{uri}: not found")),
        Error::PermissionDenied { .. } => Failure::user(format!("{uri}: access denied: {}", brief(&text))),
        Error::Unauthenticated { .. } => Failure::user(format!("{uri}: not authenticated: {}", brief(&text))),
        Error::InvalidPath { .. } => Failure::user(format!("{uri}: {}", brief(&text))),
        Error::NotSupported { .. } | Error::NotImplemented { .. } | Error::UnknownConfigurationKey { .. } => {
            Failure::user(format!("{uri}: {}", brief(&text)))
        }
        _ if is_denied(error) => Failure::user(format!("{uri}: permission denied by the file system")),
        _ => Failure::external(format!("{uri}: {}", brief(&text))),
    }
}

/// Whether it is the object that does not exist, rather than its bucket or the user.
pub(crate) fn is_missing(error: &object_store::Error) -> bool {
    matches!(error, object_store::Error::NotFound { .. })
        && between(&chain(error), "<Code>", "</Code>").is_none_or(|code| code == "NoSuchKey")
}

fn is_denied(error: &object_store::Error) -> bool {
    let mut source = error.source();
    while let Some(error) = source {
        if error.downcast_ref::<std::io::Error>().is_some_and(|io| io.kind() == std::io::ErrorKind::PermissionDenied) {
            return true;
        }
        source = error.source();
    }
    false
}

/// The error and its causes, each once.
fn chain(error: &object_store::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        let cause = error.to_string();
        if !text.contains(&cause) {
            text = format!("{text}: {cause}");
        }
        source = error.source();
    }
    text
}

/// One line of bounded length, an S3 error body reduced to its code and message.
fn brief(text: &str) -> String {
    const CHARACTERS_MAX: usize = 500;
    let head = text.split("<?xml").next().unwrap_or(text).split("<Error>").next().unwrap_or(text);
    let mut line = head.split_whitespace().collect::<Vec<_>>().join(" ");
    for (open, close) in [("<Code>", "</Code>"), ("<Message>", "</Message>")] {
        if let Some(part) = between(text, open, close) {
            line = format!("{line} {part}");
        }
    }
    line.chars().take(CHARACTERS_MAX).collect()
}

fn between<'a>(text: &'a str, open: &str, close: &str) -> Option<&'a str> {
    let (_, rest) = text.split_once(open)?;
    rest.split_once(close).map(|(inner, _)| inner)
}

#[cfg(test)]
mod tests {
    use model::ErrorClass;

    use super::*;

    #[test]
    fn a_request_that_waited_too_long_is_no_mistake_of_the_user() {
        let uri = "s3://bucket/x";
        let location = Location::parse(uri).expect("a URI");
        let denied = |code: &str| object_store::Error::PermissionDenied {
            path: "x".to_owned(),
            source: format!("<Error><Code>{code}</Code><Message>no</Message></Error>").into(),
        };
        let class = |code| failure(uri, &location, &denied(code)).class;
        assert_eq!(class("RequestTimeTooSkewed"), ErrorClass::External);
        assert_eq!(class("RequestExpired"), ErrorClass::External);
        assert_eq!(class("AccessDenied"), ErrorClass::User);
    }
}
