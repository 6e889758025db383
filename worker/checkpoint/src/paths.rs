//! Where the files of a snapshot are: stored relative to the snapshot's folder, so that the folder may be moved or copied to
//! another store, and whole URIs once the manifest was read.

use model::Failure;

const PARENT: &str = "../";

/// The path under which a manifest in `directory` names a file: below that folder, or beside it in its parent (the folder of
/// the job, with the files that checkpoints share). Anything else keeps its whole URI.
///
/// # Errors
/// Class `Internal` if the file lies elsewhere and its URI is itself relative, so that nobody could tell what it means.
pub(crate) fn relative(directory: &str, uri: &str) -> Result<String, Failure> {
    let directory = directory.trim_end_matches('/');
    if let Some(path) = below(directory, uri) {
        return Ok(path.to_owned());
    }
    if let Some(path) = parent(directory).and_then(|parent| below(parent, uri)) {
        return Ok(format!("{PARENT}{path}"));
    }
    if is_whole(uri) {
        return Ok(uri.to_owned());
    }
    Err(Failure::internal(format!("{uri}: a file of the snapshot in {directory} has no whole URI")))
}

/// The URI of a file that the manifest in `directory` names so.
///
/// # Errors
/// Class `Data` if the path leaves the folder and its parent.
pub(crate) fn resolve(directory: &str, path: &str) -> Result<String, Failure> {
    if is_whole(path) {
        return Ok(path.to_owned());
    }
    let directory = directory.trim_end_matches('/');
    let (base, rest) = match path.strip_prefix(PARENT) {
        Some(rest) => (parent(directory), rest),
        None => (Some(directory), path),
    };
    let is_name = |segment: &str| !matches!(segment, "" | "." | "..");
    match base.filter(|_| rest.split('/').all(is_name)) {
        Some(base) => Ok(format!("{base}/{rest}")),
        None => Err(Failure::data(format!("{directory}: '{path}' is no path of a file of a snapshot"))),
    }
}

/// The URI, in `directory`, of a file that was elsewhere when its manifest was written.
pub(crate) fn moved_into(directory: &str, uri: &str) -> String {
    let name = uri.rsplit('/').next().unwrap_or(uri);
    format!("{}/{name}", directory.trim_end_matches('/'))
}

fn below<'a>(directory: &str, uri: &'a str) -> Option<&'a str> {
    uri.strip_prefix(directory)?.strip_prefix('/').filter(|rest| !rest.is_empty())
}

/// The folder that a folder is in. A bucket is in none.
fn parent(directory: &str) -> Option<&str> {
    let path_start = directory.find("://").map_or(0, |at| at + "://".len());
    let at = path_start + directory.get(path_start..)?.rfind('/')?;
    directory.get(..at)
}

fn is_whole(path: &str) -> bool {
    path.starts_with('/') || path.contains("://")
}

#[cfg(test)]
mod tests {
    use model::ErrorClass;

    use super::*;

    #[test]
    fn files_of_the_folder_and_of_its_parent_move_with_it() {
        let cases = [
            ("s3://b/job/chk-1-1", "s3://b/job/chk-1-1/state", "state", "file:///d/chk-1-1/state"),
            ("s3://b/job/chk-1-1/", "s3://b/job/shared/a.sst", "../shared/a.sst", "file:///d/shared/a.sst"),
            ("/job/chk-1-1", "/job/shared/a.sst", "../shared/a.sst", "file:///d/shared/a.sst"),
            ("job/chk-1-1", "job/chk-1-1/state", "state", "file:///d/chk-1-1/state"),
            ("s3://b/job/chk-1-1", "s3://b/job/chk-1-11/x", "../chk-1-11/x", "file:///d/chk-1-11/x"),
            ("s3://b/job/chk-1-1", "s3://other/x", "s3://other/x", "s3://other/x"),
            ("s3://b", "s3://bb/x", "s3://bb/x", "s3://bb/x"),
        ];
        for (directory, uri, stored, moved) in cases {
            assert_eq!(relative(directory, uri).as_deref(), Ok(stored), "{directory} {uri}");
            assert_eq!(resolve(directory, stored).as_deref(), Ok(uri), "{directory} {stored}");
            assert_eq!(resolve("file:///d/chk-1-1/", stored).as_deref(), Ok(moved), "{stored}");
        }
        assert_eq!(relative("job/chk-1-1", "elsewhere/x").expect_err("ambiguous").class, ErrorClass::Internal);
    }

    #[test]
    fn a_path_does_not_lead_out_of_the_folder_of_the_job() {
        for path in ["", ".", "..", "../", "../..", "../../x", "a/../../x", "a//b", "./x", "a/.", "x/"] {
            let failure = resolve("s3://b/job/chk-1-1", path).expect_err(path);
            assert_eq!(failure.class, ErrorClass::Data, "{path}");
            assert!(failure.message.contains("s3://b/job/chk-1-1"), "{failure}");
        }
        assert!(resolve("s3://b", "../x").is_err(), "a bucket has no parent");
        assert!(resolve("savepoint", "../x").is_err(), "nor has a name");
    }
}
