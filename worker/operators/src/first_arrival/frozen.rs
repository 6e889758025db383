//! The stored form of what has come is as it was, byte by byte.

use super::Arrived;
use crate::{fixtures::Fixture, tests::frozen_value};

#[test]
fn arrivals_are_stored_as_ever() {
    let mut fixture = Fixture::open("arrived", 1);
    frozen_value::check(&mut fixture, "a key", &Arrived);
    frozen_value::survives::<Arrived>(&fixture.finish());
}
