//! Finding the files of a table.

use model::Failure;
use storage::{Object, Storage};

use super::{path, split::File};

/// The files at a path, sorted: the file itself, all below a directory, or those that match a pattern. Hidden ones are
/// left out, empty ones are not.
pub(super) async fn list(storage: &Storage, path: &str) -> Result<Vec<File>, Failure> {
    let pattern = path::is_pattern(path);
    // The root of a bucket is no object.
    let is_root = path.split_once("://").is_some_and(|(_, rest)| !rest.contains('/'));
    if !pattern
        && !is_root
        && let Some(object) = storage.head(path).await?
    {
        return Ok(vec![file_of(object)]);
    }
    let root = path::root(path);
    let objects = storage.list(root).await?;
    let files: Vec<File> = objects
        .into_iter()
        .filter(|object| !path::is_hidden(root, &object.uri))
        .filter(|object| !pattern || path::matches(path, &object.uri))
        .map(file_of)
        .collect();
    let unknown = |file: &&File| [".bz2", ".xz", ".lz4", ".snappy"].iter().any(|suffix| file.uri.ends_with(suffix));
    match files.iter().find(unknown) {
        Some(file) => Err(Failure::user(format!("{}: only gzip and zstd compression are supported", file.uri))),
        None => Ok(files),
    }
}

fn file_of(object: Object) -> File {
    File { uri: object.uri, size: object.size, modified_ms: object.modified_ms }
}
