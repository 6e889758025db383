//! The stored form of positions is as it was, byte by byte.

use super::*;
use crate::fixtures::{self, Fixture};

#[test]
fn positions_are_stored_as_ever() {
    let mut fixture = Fixture::open("generator-positions", 1);
    let positions = Positions { version: 1, block: 4096, shares: 128, next: [(0, 8192), (127, 520_192)].into() };
    let frozen = fixture.written("two shares", &serde_json::to_vec(&positions).unwrap());
    let read: Positions = serde_json::from_slice(&frozen).unwrap();
    assert_eq!((read.version, read.block, read.shares), (1, 4096, 128));
    assert_eq!(read.next, positions.next);
    assert_eq!(serde_json::to_vec(&read).unwrap(), frozen);
    // What was written before rows had versions.
    let old: Positions = serde_json::from_slice(br#"{"block":4096,"shares":128,"next":{"0":8192}}"#).unwrap();
    assert_eq!(old.version, 0);
    fixtures::survives(&fixture.finish(), |bytes| {
        serde_json::from_slice::<Positions>(bytes).ok().map(|read| read.next.len())
    });
}
