//! Object storage behind one handle: S3, local files and memory, addressed by URI.
//!
//! Knows bytes and names only. It must not know what is stored, who owns it, or when it may be deleted.

#![cfg_attr(test, allow(clippy::cast_possible_truncation, clippy::disallowed_methods, reason = "tests"))]

mod error;
mod local;
mod location;
mod storage;
mod stores;
mod stream;

pub use storage::{Object, Storage};
pub use stores::StorageOptions;
pub use stream::{Reader, Writer};

/// A URI with more segments: `join("s3://bucket/jobs/", "a")` is `s3://bucket/jobs/a`.
pub fn join(uri: &str, name: &str) -> String {
    format!("{}/{}", uri.trim_end_matches('/'), name.trim_start_matches('/'))
}

/// What an unfinished file (see [`Storage::unfinished`]) was to become; none if the URI is not of one.
pub fn finished_uri(unfinished: &str) -> Option<String> {
    let (folder, name) = unfinished.rsplit_once('/')?;
    local::finished_name(name).map(|name| format!("{folder}/{name}"))
}
