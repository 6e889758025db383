//! Pieces of collections: how many there are, which the rows of an operator do not tell.

use std::sync::Arc;

use model::{key, row::Rows};
use state::EntryId;

use super::harness::{TestClock, context};
use crate::{
    buckets::bucket_of,
    hashed::{Hashed, Piece as _},
    join::Piece,
    limits::Limits,
};

const IDLE_MS: i64 = 100;

/// One key, and its collection.
struct Collection {
    clock: Arc<TestClock>,
    key: Rows,
    hashed: Hashed<Piece>,
}

impl Collection {
    fn new() -> Self {
        let clock = Arc::default();
        let mut context = context(&[("table.exec.state.ttl", &format!("{IDLE_MS} ms"))], &clock);
        let mut key = Rows::default();
        key.push(b"key");
        Self { clock, key, hashed: Hashed::open("rows", 0, Limits::small(), &mut context).expect("opens") }
    }

    fn piece(&mut self, piece: u32) -> EntryId {
        self.hashed.piece((&self.key, 0), piece).expect("found")
    }

    fn add(&mut self, row: &[u8]) {
        let first = self.piece(0);
        let change = |piece: &mut Piece, now| piece.push_at(row, now);
        self.hashed.change((&self.key, 0), first, row, change).expect("added");
        self.hashed.end_batch().expect("ends");
    }

    /// Further pieces beside the first.
    fn more(&mut self) -> u32 {
        let first = self.piece(0);
        let more = self.hashed.more(first);
        self.hashed.end_batch().expect("ends");
        more
    }

    /// All rows, in no order, and how many pieces were looked at.
    fn read(&mut self) -> (Vec<Vec<u8>>, usize) {
        let (mut rows, mut pieces) = (Vec::new(), 0);
        for from in self.hashed.starts() {
            let found = self.hashed.next_pieces(&self.key, &[0], from).expect("found");
            let Some(found) = found.first() else { break };
            pieces += found.pieces.len();
            let known = found.pieces.iter().filter_map(|&entry| self.hashed.table.get(entry));
            rows.extend(known.flat_map(Piece::rows).map(<[u8]>::to_vec));
            self.hashed.end_batch().expect("ends");
        }
        rows.sort();
        (rows, pieces)
    }
}

fn rows(count: u32) -> Vec<Vec<u8>> {
    (0..count).map(|number| format!("a row that takes some bytes {number:04}").into_bytes()).collect()
}

#[test]
fn a_collection_that_an_earlier_build_kept_whole_is_cut_when_it_changes() {
    let mut collection = Collection::new();
    let mut expected = rows(200);
    let first = collection.piece(0);
    let whole = collection.hashed.table.get_mut(first).get_or_insert_default();
    expected.iter().for_each(|row| whole.push_at(row, Some(0)));
    let fills = whole.fills(Limits::small().piece_bytes) as u32;
    assert!(fills > 10);
    collection.hashed.end_batch().expect("ends");
    assert_eq!(collection.more(), 0);
    collection.add(b"one more");
    expected.push(b"one more".to_vec());
    expected.sort();
    assert_eq!(collection.more(), fills);
    for piece in 0..=fills {
        let entry = collection.piece(piece);
        assert!(
            collection.hashed.table.get(entry).is_none_or(|piece| piece.fills(Limits::small().piece_bytes) < 5),
            "piece {piece}"
        );
    }
    assert_eq!(collection.read().0, expected);
}

#[test]
fn equal_elements_are_not_cut() {
    let mut collection = Collection::new();
    let first = collection.piece(0);
    let whole = collection.hashed.table.get_mut(first).get_or_insert_default();
    (0..200).for_each(|_| whole.push_at(b"a row that takes some bytes", Some(0)));
    collection.hashed.end_batch().expect("ends");
    (0..20).for_each(|_| collection.add(b"a row that takes some bytes"));
    assert!(collection.more() < 10);
    assert_eq!(collection.read().0.len(), 220);
}

#[test]
fn pieces_that_have_expired_are_given_up() {
    let mut collection = Collection::new();
    rows(200).iter().for_each(|row| collection.add(row));
    let many = collection.more();
    assert!(many > 10);
    collection.clock.set(IDLE_MS - 1);
    collection.add(b"the only one left");
    let all = collection.more();
    collection.clock.set(IDLE_MS);
    for _ in 0..many {
        assert_eq!(collection.read().0, [b"the only one left"]);
    }
    let left = collection.read().1;
    // The last piece is that of the row.
    let more = collection.more();
    assert_eq!(more, bucket_of(key::hash(b"the only one left"), all));
    assert_eq!(left as u32, more + 1);
    collection.clock.set(2 * IDLE_MS);
    for _ in 0..many {
        assert!(collection.read().0.is_empty());
    }
    assert_eq!(collection.read().1, 0);
    rows(200).iter().for_each(|row| collection.add(row));
    assert_eq!(collection.read().0, rows(200));
}

#[test]
fn what_a_key_has_left_in_a_piece_does_not_come_back_with_it() {
    let mut collection = Collection::new();
    // Pieces 0 to 2, of which 1 has no rows; the next one, 3, is split from it.
    for (piece, row) in [(0, None), (3, Some(b"stale"))] {
        let entry = collection.piece(piece);
        let piece = collection.hashed.table.get_mut(entry).get_or_insert_default();
        row.iter().for_each(|row| piece.push_at(*row, Some(0)));
        piece.set_more(if row.is_none() { 2 } else { 0 });
    }
    collection.hashed.end_batch().expect("ends");
    let large = (0..).map(|number| vec![number; 300]).find(|row| bucket_of(key::hash(row), 2) != 1);
    let large = large.expect("one of them");
    collection.add(&large);
    assert_eq!(collection.more(), 3);
    assert_eq!(collection.read().0, [large]);
}
