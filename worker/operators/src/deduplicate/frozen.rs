//! The stored forms of a deduplication are as they were, byte by byte.

use super::{Known, Waiting};
use crate::{fixtures::Fixture, tests::frozen_value};

#[test]
fn what_a_deduplication_knows_is_stored_as_ever() {
    let mut fixture = Fixture::open("known", 1);
    frozen_value::check(&mut fixture, "emitted", &Known::Emitted);
    frozen_value::check(&mut fixture, "waiting", &Known::Waiting(0x0102_0304));
    frozen_value::check(&mut fixture, "waiting since before 1970", &Known::Waiting(-2));
    frozen_value::survives::<Known>(&fixture.finish());
    let mut fixture = Fixture::open("waiting", 1);
    frozen_value::check(&mut fixture, "a row", &Waiting { time: 0x0102_0304, row: b"row".as_slice().into() });
    frozen_value::check(&mut fixture, "an empty row", &Waiting { time: -2, row: b"".as_slice().into() });
    frozen_value::survives::<Waiting>(&fixture.finish());
}
