//! The stored form of what a group keeps outside its words is as it was, byte by byte.

use std::collections::BTreeMap;

use super::{
    collection::{Counted, List},
    object::Object,
};
use crate::{fixtures::Fixture, limits::Limits};

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
