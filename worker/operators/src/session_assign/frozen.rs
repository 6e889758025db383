//! The stored form of the rows of a session is as it was, byte by byte.

use model::RowKind;

use super::kept::KeptRows;
use crate::{fixtures::Fixture, tests::frozen_value};

#[test]
fn rows_of_sessions_are_stored_as_ever() {
    let mut fixture = Fixture::open("session-rows", 1);
    let mut rows = KeptRows::default();
    rows.push(0x0102, RowKind::Insert, b"first");
    rows.push(7, RowKind::UpdateBefore, b"");
    rows.push(8, RowKind::UpdateAfter, b"third");
    rows.push(9, RowKind::Delete, b"fourth");
    frozen_value::check(&mut fixture, "four", &rows);
    let in_order: Vec<_> = rows.in_order().into_iter().map(|(kind, row)| (kind, row.to_vec())).collect();
    let expected = [(1, b"".to_vec()), (2, b"third".to_vec()), (3, b"fourth".to_vec()), (0, b"first".to_vec())];
    assert_eq!(in_order, expected);
    frozen_value::survives::<KeptRows>(&fixture.finish());
}
