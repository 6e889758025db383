//! The stored form of a position is as it was, byte by byte.

use super::*;
use crate::fixtures::{self, Fixture};

#[test]
fn positions_are_stored_as_ever() {
    let mut fixture = Fixture::open("values-position", 1);
    for (name, position) in [("nothing read", 0), ("some rows read", 0x0102_0304)] {
        let frozen = fixture.written(name, &encode_position(position));
        assert_eq!(decode_position(&frozen), Some(position));
    }
    assert_eq!(decode_position(&[1, 2, 3]), None);
    fixtures::survives(&fixture.finish(), |bytes| decode_position(bytes).map(|_| 0));
}
