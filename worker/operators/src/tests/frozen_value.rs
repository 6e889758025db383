//! Holds a value of keyed state against its fixture, and its decoder against damaged bytes.

use std::fmt::Debug;

use model::ErrorClass;
use state::StateValue;

use crate::fixtures::{self, Fixture};

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

/// Checks that damaged examples are refused, or read as a value that is stored and read as the same again.
pub(crate) fn survives<V: StateValue>(examples: &[Vec<u8>]) {
    fixtures::survives(examples, size::<V>);
}

/// The size of the value that bytes are, nothing if they are none.
pub(crate) fn size<V: StateValue>(bytes: &[u8]) -> Option<usize> {
    let value = match V::decode(bytes) {
        Ok(value) => value,
        Err(failure) => {
            assert_eq!(failure.class, ErrorClass::Data, "{failure}");
            return None;
        }
    };
    let (mut once, mut twice) = (Vec::new(), Vec::new());
    value.encode(&mut once);
    V::decode(&once).expect("what was encoded").encode(&mut twice);
    assert_eq!(once, twice);
    Some(value.size_bytes())
}
