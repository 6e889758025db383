//! What a URI names: a store and a path in it.

use model::Failure;
use object_store::path::Path;

/// The stores that exist; one client is kept for each value.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum StoreId {
    S3 { bucket: String },
    Local,
    Memory { name: String },
}

/// A parsed URI.
#[derive(Clone, Debug)]
pub(crate) struct Location {
    pub(crate) store: StoreId,
    pub(crate) path: Path,
    /// What stands before the path in URIs of this form.
    prefix: String,
}

impl Location {
    /// Parses `s3://bucket/path`, `file:///path`, `memory://name/path` or a local path. Nothing is percent-decoded.
    pub(crate) fn parse(uri: &str) -> Result<Self, Failure> {
        if uri.is_empty() {
            return Err(Failure::user("an empty path names no object"));
        }
        let Some((scheme, rest)) = uri.split_once("://") else {
            return Self::local(uri, uri, "/");
        };
        match scheme {
            "file" if rest.starts_with('/') => Self::local(uri, rest, "file:///"),
            "file" => Err(Failure::user(format!("{uri}: a file URI has three slashes, as in file:///path"))),
            "s3" | "s3a" | "s3p" => {
                let (bucket, path) = Self::authority(uri, rest, "a bucket")?;
                Self::remote(uri, StoreId::S3 { bucket: bucket.to_owned() }, path, format!("{scheme}://{bucket}/"))
            }
            "memory" => {
                let (name, path) = Self::authority(uri, rest, "a name")?;
                Self::remote(uri, StoreId::Memory { name: name.to_owned() }, path, format!("memory://{name}/"))
            }
            other => {
                Err(Failure::user(format!("{uri}: scheme {other} is not supported, only s3, file and memory are")))
            }
        }
    }

    /// The URI of another path in the same store, written the way this location was.
    pub(crate) fn uri_of(&self, path: &Path) -> String {
        format!("{}{path}", self.prefix)
    }

    fn authority<'a>(uri: &str, rest: &'a str, what: &str) -> Result<(&'a str, &'a str), Failure> {
        let (name, path) = rest.split_once('/').unwrap_or((rest, ""));
        if name.is_empty() { Err(Failure::user(format!("{uri}: names no {}", &what[2..]))) } else { Ok((name, path)) }
    }

    fn remote(uri: &str, store: StoreId, path: &str, prefix: String) -> Result<Self, Failure> {
        let path = Path::parse(path).map_err(|error| Failure::user(format!("{uri}: {error}")))?;
        Ok(Self { store, path, prefix })
    }

    fn local(uri: &str, path: &str, prefix: &str) -> Result<Self, Failure> {
        let absolute = std::path::absolute(path).map_err(|error| Failure::user(format!("{uri}: {error}")))?;
        let path = Path::from_absolute_path(absolute).map_err(|error| Failure::user(format!("{uri}: {error}")))?;
        Ok(Self { store: StoreId::Local, path, prefix: prefix.to_owned() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_names_its_store_and_comes_back_in_the_same_form() {
        let cases = [
            ("s3://bucket/a/b", "a/b", "s3://bucket/a/b"),
            ("s3a://bucket", "", "s3a://bucket/"),
            ("file:///tmp/a b/c", "tmp/a b/c", "file:///tmp/a b/c"),
            ("/tmp//x/", "tmp/x", "/tmp/x"),
            ("memory://test/x", "x", "memory://test/x"),
        ];
        for (uri, path, back) in cases {
            let location = Location::parse(uri).expect(uri);
            assert_eq!(location.path.as_ref(), path, "{uri}");
            assert_eq!(location.uri_of(&location.path), back, "{uri}");
        }
    }

    #[test]
    fn mistakes_are_the_users_and_name_the_uri() {
        for uri in ["", "s3:///x", "file://x/y", "gs://b/x", "s3://b/a//b", "s3://b/../x", "memory://"] {
            let failure = Location::parse(uri).expect_err(uri);
            assert_eq!(failure.class, model::ErrorClass::User, "{uri}");
            assert!(failure.message.contains(uri), "{failure}");
        }
    }
}
