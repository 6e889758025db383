//! The stored forms of semi joins are as they were, byte by byte.

use super::rows::{Count, KeptRows};
use crate::{fixtures::Fixture, hashed::Piece as _, tests::frozen_value};

#[test]
fn rows_of_semi_joins_are_stored_as_ever() {
    let mut fixture = Fixture::open("matched-rows", 1);
    let mut rows = KeptRows::default();
    rows.push(b"second", 0x0102_0304, None);
    rows.push(b"first", 0, Some(0x0506));
    rows.push(b"first", 0, Some(0x0506));
    frozen_value::check(&mut fixture, "two", &rows);
    rows.set_more(0x0102);
    frozen_value::check(&mut fixture, "two, of the first of many pieces", &rows);
    frozen_value::survives::<KeptRows>(&fixture.finish());
    let mut fixture = Fixture::open("row-count", 1);
    frozen_value::check(&mut fixture, "some", &Count(0x0102_0304));
    frozen_value::survives::<Count>(&fixture.finish());
}
