//! The stored forms of sessions and their timers are as they were, byte by byte.

use super::stored::{Session, Sessions, Timer};
use crate::{fixtures::Fixture, tests::frozen_value};

#[test]
fn sessions_are_stored_as_ever() {
    let mut fixture = Fixture::open("sessions", 1);
    let all = vec![
        Session { start: 1_700_000_000_000, end: 1_700_000_010_000, slot: 0 },
        Session { start: -5, end: 0x0102_0304, slot: 0x0506 },
    ];
    frozen_value::check(&mut fixture, "two", &Sessions { all: all.clone(), timer: Some(0x0102_0304) });
    frozen_value::check(&mut fixture, "without a timer", &Sessions { all: all[1..].to_vec(), timer: None });
    frozen_value::survives::<Sessions>(&fixture.finish());
    let mut fixture = Fixture::open("timers", 1);
    frozen_value::check(&mut fixture, "a timer", &Timer);
    frozen_value::survives::<Timer>(&fixture.finish());
}
