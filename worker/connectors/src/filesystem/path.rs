//! Paths of a table: what they name, and patterns.

/// The path without a trailing slash, absolute if it is local.
pub(super) fn normalized(path: &str) -> Result<String, String> {
    let path = path.trim();
    if path.is_empty() {
        return Err("is empty".to_owned());
    }
    let trimmed = path.trim_end_matches('/');
    if path.contains("://") {
        return Ok(trimmed.to_owned());
    }
    let absolute = std::path::absolute(if trimmed.is_empty() { "/" } else { trimmed })
        .map_err(|error| format!("{path}: {error}"))?;
    absolute.into_os_string().into_string().map_err(|_| format!("{path} is not UTF-8"))
}

/// Whether the path is a pattern with `*` or `?`.
pub(super) fn is_pattern(path: &str) -> bool {
    path.contains(['*', '?'])
}

/// The directory that holds all that a pattern can match.
pub(super) fn root(path: &str) -> &str {
    match path.find(['*', '?']) {
        None => path,
        Some(first) => path[..first].rfind('/').map_or("", |slash| &path[..slash]),
    }
}

/// Whether a path is of a hidden file below a root: a segment begins with `.` or `_`, as staged files do.
pub(super) fn is_hidden(root: &str, path: &str) -> bool {
    path.strip_prefix(root).unwrap_or(path).split('/').any(|segment| segment.starts_with(['.', '_']))
}

/// Whether a path matches a pattern: `?` is one character and `*` any number of them, but no `/`; `**` is anything.
pub(super) fn matches(pattern: &str, path: &str) -> bool {
    matches_bytes(pattern.as_bytes(), path.as_bytes())
}

fn matches_bytes(pattern: &[u8], path: &[u8]) -> bool {
    match pattern {
        [] => path.is_empty(),
        [b'*', b'*', b'/', rest @ ..] => {
            matches_bytes(rest, path)
                || path.iter().enumerate().any(|(at, byte)| *byte == b'/' && matches_bytes(rest, &path[at + 1..]))
        }
        [b'*', b'*', rest @ ..] => (0..=path.len()).any(|at| matches_bytes(rest, &path[at..])),
        [b'*', rest @ ..] => {
            let segment = path.iter().position(|byte| *byte == b'/').unwrap_or(path.len());
            (0..=segment).any(|at| matches_bytes(rest, &path[at..]))
        }
        [b'?', rest @ ..] => path.first().is_some_and(|byte| *byte != b'/') && matches_bytes(rest, &path[1..]),
        [byte, rest @ ..] => path.first() == Some(byte) && matches_bytes(rest, &path[1..]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_within_and_across_directories() {
        let cases = [
            ("/a/*.json", "/a/x.json", true),
            ("/a/*.json", "/a/b/x.json", false),
            ("/a/**/*.json", "/a/b/c/x.json", true),
            ("/a/**/*.json", "/a/x.json", true),
            ("/a/**", "/a/b/c", true),
            ("/a/?.csv", "/a/b.csv", true),
            ("/a/?.csv", "/a/bc.csv", false),
            ("/a/dt=*/p-*", "/a/dt=1/p-2", true),
        ];
        for (pattern, path, expected) in cases {
            assert_eq!(matches(pattern, path), expected, "{pattern} {path}");
        }
        assert_eq!(root("s3://b/a/dt=*/x"), "s3://b/a");
        assert_eq!(root("/a/b"), "/a/b");
        assert!(is_hidden("/_a", "/_a/_staging/x") && is_hidden("/_a", "/_a/b/.x") && !is_hidden("/_a", "/_a/b/x"));
    }
}
