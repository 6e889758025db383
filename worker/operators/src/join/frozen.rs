//! The stored form of the rows of a join is as it was, byte by byte.

use super::piece::Piece;
use crate::{fixtures::Fixture, hashed::Piece as _, tests::frozen_value};

#[test]
fn rows_of_joins_are_stored_as_ever() {
    let mut fixture = Fixture::open("join-rows", 1);
    frozen_value::check(&mut fixture, "none", &Piece::default());
    let mut rows = Piece::default();
    rows.push(b"first");
    rows.push(b"");
    frozen_value::check(&mut fixture, "two", &rows);
    rows.set_more(0x0102);
    frozen_value::check(&mut fixture, "two, of the first of many pieces", &rows);
    let mut timed = Piece::default();
    timed.push_at(b"first", Some(0x0102_0304));
    timed.push_at(b"second", Some(-5));
    frozen_value::check(&mut fixture, "two with times", &timed);
    timed.set_more(9);
    timed.gone = 3;
    frozen_value::check(&mut fixture, "two with times, of the first of many pieces", &timed);
    frozen_value::survives::<Piece>(&fixture.finish());
}
