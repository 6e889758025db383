//! Holds a value of keyed state against its fixture.

use std::fmt::Debug;

use state::StateValue;

use crate::fixtures::Fixture;

/// Checks that a value is written as its example, and that the example is read as the value.
pub(crate) fn check<V: StateValue + Debug>(fixture: &mut Fixture, name: &str, value: &V) {
    let mut bytes = Vec::new();
    value.encode(&mut bytes);
    let frozen = fixture.written(name, &bytes);
    let read = V::decode(&frozen).expect(name);
    let mut again = Vec::new();
    read.encode(&mut again);
    assert_eq!(again, frozen, "{name}");
    assert_eq!(format!("{read:?}"), format!("{value:?}"), "{name}");
}
