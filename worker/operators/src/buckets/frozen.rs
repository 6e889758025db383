//! In which piece an element is, is as it was.

use model::key;

use super::{bucket_of, parent};
use crate::fixtures::Fixture;

#[test]
fn elements_are_in_the_same_pieces_as_ever() {
    let mut fixture = Fixture::open("piece", 1);
    for more in [0, 1, 2, 3, 6, 7, 12, 99, 1023] {
        let pieces = (0..16_u32).flat_map(|element| bucket_of(key::hash(&element.to_be_bytes()), more).to_be_bytes());
        fixture.written(&format!("of 16 elements among {more} beside the first"), &pieces.collect::<Vec<_>>());
    }
    let parents = (1..64).flat_map(|piece| parent(piece).to_be_bytes());
    fixture.written("parents", &parents.collect::<Vec<_>>());
    fixture.finish();
}
