//! The stored form of numbers is as it was, byte by byte.

use std::sync::Arc;

use dataflow::Snapshot;

use super::{put_number, put_watermark, restored_numbers, restored_watermark};
use crate::{
    fixtures::Fixture,
    tests::harness::{TestClock, context},
};

#[test]
fn numbers_are_stored_as_ever() {
    let mut fixture = Fixture::open("number", 1);
    let mut snapshot = Snapshot::default();
    put_number("seen", 0x0102_0304, &mut snapshot);
    put_watermark(-2, &mut snapshot);
    fixture.written("a number", &snapshot.lists["seen"][0].0);
    fixture.written("a watermark before 1970", &snapshot.lists["watermark"][0].0);
    let mut context = context(&[], &Arc::<TestClock>::default());
    context.restored = snapshot.lists;
    assert_eq!(restored_numbers("seen", &context).unwrap(), [0x0102_0304]);
    assert_eq!(restored_watermark(&context).unwrap(), -2);
    fixture.finish();
}
