//! The stored form of what a group keeps outside its words is as it was, byte by byte.

use std::collections::BTreeMap;

use state::StateValue;

use super::{
    collection::{Counted, List},
    object::Object,
    table::State,
};
use crate::{
    fixtures::{self, Fixture},
    limits::Limits,
    tests::frozen_value,
};

fn list(values: &[&[u8]]) -> List {
    let mut list = List::default();
    values.iter().for_each(|value| list.push(value));
    list
}

fn objects() -> Vec<(&'static str, Object)> {
    let mut counted = Box::<Counted>::default();
    counted.add(b"\x01\x80", 3, &Limits::small());
    counted.add(b"", 1, &Limits::small());
    let wide = 1_i128 << 100;
    vec![
        ("no text", Object::Text(None)),
        ("text", Object::Text(Some(b"text".as_slice().into()))),
        ("ints", Object::Ints(BTreeMap::from([(-3, 1), (0, 2), (i64::MAX, -1)]))),
        ("decimals", Object::Decimals(BTreeMap::from([(-wide, 1), (wide, 300)]))),
        ("texts", Object::Texts(BTreeMap::from([(b"a".as_slice().into(), 1), (b"".as_slice().into(), 2)]))),
        ("distinct ints", Object::DistinctInts([(-3, 1), (5, 0b101), (i64::MIN, u64::MAX)].into_iter().collect())),
        ("distinct decimals", Object::DistinctDecimals([(wide, 1), (-1, 2)].into_iter().collect())),
        (
            "distinct texts",
            Object::DistinctTexts([(b"b".as_slice().into(), 1), (b"".as_slice().into(), 7)].into_iter().collect()),
        ),
        ("list", Object::List(list(&[b"\x01\x80", b"", b"\x01\x80"]))),
        ("counted", Object::Counted(counted)),
        ("numbers", Object::Numbers(BTreeMap::from([(-9, 4), (9, 128)]))),
    ]
}

#[test]
fn objects_are_stored_as_ever() {
    let mut fixture = Fixture::open("accumulators", 1);
    for (name, object) in objects() {
        match &object {
            Object::Text(_) | Object::Ints(_) | Object::Decimals(_) | Object::Texts(_) | Object::Numbers(_) => {}
            Object::DistinctInts(_) | Object::DistinctDecimals(_) | Object::DistinctTexts(_) => {}
            Object::List(_) | Object::Counted(_) => {}
            Object::Large(_) => unreachable!("has a fixture of its own"),
        }
        let mut bytes = Vec::new();
        object.encode(&mut bytes);
        let frozen = fixture.written(name, &bytes);
        let mut cursor = frozen.as_slice();
        assert_eq!(Object::decode(&mut cursor).expect(name), object, "{name}");
        assert!(cursor.is_empty(), "{name}");
    }
    fixture.finish();
}

/// What a group keeps: two words and an object.
fn states() -> Vec<Vec<u8>> {
    let state = |(_, object): (&str, Object)| {
        let mut bytes = vec![2, 4, 0x81, 0x02, 1];
        object.encode(&mut bytes);
        bytes
    };
    objects().into_iter().map(state).collect()
}

#[test]
fn damaged_states_are_refused_or_of_bounded_size() {
    fixtures::survives(&states(), frozen_value::size::<State<[i64; 2]>>);
    fixtures::survives(&states(), frozen_value::size::<State<Box<[i64]>>>);
}

#[test]
fn states_that_say_too_much_are_refused() {
    let refused = |bytes: &[u8]| State::<[i64; 2]>::decode(bytes).err().map(|failure| failure.message);
    assert_eq!(refused(&[1, 4, 0]), None);
    assert_eq!(refused(&[1, 4, 0, 9]).as_deref(), Some("bytes follow the stored accumulators"));
    assert_eq!(refused(&[3, 4, 4, 4, 0]).as_deref(), Some("stored accumulators do not fit the aggregate functions"));
    let wide = [[1].as_slice(), &[0x80; 9], &[2, 0]].concat();
    assert_eq!(refused(&wide).as_deref(), Some("a stored accumulator's number is out of range"));
    // 2 to the power of 64, and 1: not one byte.
    let long = [[0, 1, 1, 0x81].as_slice(), &[0x80; 8], &[2, b'x']].concat();
    assert_eq!(refused(&long).as_deref(), Some("a stored accumulator ends too early"));
}
