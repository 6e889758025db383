//! The stored forms of sets in pieces are as they were, byte by byte.

use super::{Large, Member, Object, Piece, Pieces};
use crate::{fixtures::Fixture, tests::frozen_value};

fn pieces<K: Member>(more: u32, ends: &[K]) -> Pieces<K> {
    let mut pieces = Pieces::new(more, 4096, !ends.is_empty());
    ends.iter().for_each(|value| pieces.note(value, true, 2));
    pieces
}

#[test]
fn pieces_are_stored_as_ever() {
    let mut fixture = Fixture::open("values", 1);
    let texts = [(Box::<[u8]>::from(b"b".as_slice()), 1), (Box::from(b"".as_slice()), 7)];
    let all = [
        ("a piece of ints", Object::DistinctInts([(-3, 1), (5, 0b101)].into_iter().collect())),
        ("a piece of decimals", Object::DistinctDecimals([(1 << 100, 1), (-1, 2)].into_iter().collect())),
        ("a piece of texts", Object::DistinctTexts(texts.into_iter().collect())),
    ];
    for (name, object) in all {
        // A map of one order prints in another.
        let mut bytes = Vec::new();
        state::StateValue::encode(&Piece(object.clone()), &mut bytes);
        let frozen = fixture.written(name, &bytes);
        let read: Piece = state::StateValue::decode(&frozen).expect(name);
        assert_eq!(read.0, object, "{name}");
    }
    let large = [
        ("what a group keeps of ints", Large::Ints(pieces(31, &[]))),
        ("what a group keeps of ints with ends", Large::Ints(pieces(300, &[-5, 7]))),
        ("what a group keeps of decimals", Large::Decimals(pieces(1, &[]))),
        ("what a group keeps of decimals with ends", Large::Decimals(pieces(1, &[-1, 1 << 100]))),
        ("what a group keeps of texts", Large::Texts(pieces(2, &[]))),
        (
            "what a group keeps of texts with ends",
            Large::Texts(pieces(2, &[b"a".as_slice().into(), b"".as_slice().into()])),
        ),
    ];
    for (name, large) in large {
        frozen_value::check(&mut fixture, name, &Piece(Object::Large(large)));
    }
    frozen_value::survives::<Piece>(&fixture.finish());
}
