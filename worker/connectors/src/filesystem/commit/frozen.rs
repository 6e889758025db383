//! The stored form of prepared files is as it was, byte by byte.

use super::*;
use crate::fixtures::{self, Fixture};

fn file(name: &str) -> StagedFile {
    StagedFile { staged: format!("file:///out/_staging/job-sink/{name}"), target: format!("file:///out/{name}") }
}

/// The size of what bytes are, nothing if they are refused.
fn size(bytes: &[u8]) -> Option<usize> {
    match Prepared::from_item(&Item(bytes.to_vec())) {
        Ok(read) => Some(read.to_item().unwrap().0.len()),
        Err(failure) => {
            assert_eq!(failure.class, model::ErrorClass::Data, "{failure}");
            None
        }
    }
}

#[test]
fn prepared_files_are_stored_as_ever() {
    let mut fixture = Fixture::open("prepared-files", VERSION);
    let pending =
        PendingPartition { folder: "file:///out/day=1/".to_owned(), since_ms: 1_700_000_000_000, is_due: true };
    let mark = Some("file:///out/_staging/job-sink/part-0-1.committed".to_owned());
    let files = vec![file("part-0-1.json"), file("part-0-2.json")];
    let all = [
        ("with a mark", Prepared { mark, partitions: vec![pending], ..Prepared::of(files) }),
        ("without a mark", Prepared::of(vec![file("part-0-3.json")])),
    ];
    for (name, prepared) in all {
        let frozen = fixture.written(name, &prepared.to_item().unwrap().0);
        let read = Prepared::from_item(&Item(frozen.clone())).unwrap();
        assert_eq!(read, prepared, "{name}");
        assert_eq!(read.to_item().unwrap().0, frozen, "{name}");
    }
    fixtures::survives(&fixture.finish(), size);
}

/// What builds wrote that knew no versions: single files at first, then files with a mark.
#[test]
fn prepared_files_of_earlier_builds_are_read() {
    let mut fixture = Fixture::open("prepared-files", 0);
    let single = Prepared::from_item(&Item(fixture.bytes("a single file"))).unwrap();
    assert_eq!(single, Prepared::of(vec![file("part-0-1.json")]));
    let marked = Prepared::from_item(&Item(fixture.bytes("with a mark"))).unwrap();
    let mark = Some("file:///out/_staging/job-sink/part-0-1.committed".to_owned());
    assert_eq!(marked, Prepared { version: 0, mark, ..Prepared::of(vec![file("part-0-1.json")]) });
    fixtures::survives(&fixture.finish(), size);
}
