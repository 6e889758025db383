//! The stored form of splits is as it was, byte by byte.

use super::*;
use crate::fixtures::{self, Fixture};

fn split(start: u64, facts: Option<FileFacts>) -> Split {
    let position = Position { offset: start + 17, count: 3 };
    Split { file: "file:///in/a%20b.json".to_owned(), start, end: start + RANGE_BYTES, position, facts }
}

#[test]
fn splits_are_stored_as_ever() {
    let mut fixture = Fixture::open("file-splits", 1);
    let share = |parallelism, subtasks: &[u32]| Share { parallelism, subtasks: subtasks.iter().copied().collect() };
    let states = [
        ("nothing left", State::default()),
        (
            "some left",
            State {
                splits: vec![split(0, None), split(RANGE_BYTES, Some(FileFacts { size: 99, modified_ms: -1 }))],
                ..State::default()
            },
        ),
        ("not listed", State { unlisted: vec![share(4, &[0, 2]), share(3, &[1])], ..State::default() }),
        (
            "finished",
            State {
                finished: [("s3://bucket/in/b.csv".to_owned(), BTreeSet::from([0, RANGE_BYTES]))].into(),
                ..State::default()
            },
        ),
    ];
    for (name, state) in states {
        let frozen = fixture.written(name, &serde_json::to_vec(&state).unwrap());
        let read: State = serde_json::from_slice(&frozen).unwrap();
        assert_eq!(read, state, "{name}");
        assert_eq!(serde_json::to_vec(&read).unwrap(), frozen, "{name}");
    }
    fixtures::survives(&fixture.finish(), |bytes| {
        let read: State = serde_json::from_slice(bytes).ok()?;
        Some(serde_json::to_vec(&read).unwrap().len())
    });
}
