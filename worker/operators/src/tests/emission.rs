//! Rows on their way out.

use std::ops::Range;

use dataflow::{Flow, Output};
use model::{RowKind, row};

use super::rows::{Row, batch, schema};
use crate::{emission::Pending, limits::Limits};

#[test]
fn rows_are_decoded_some_at_a_time_and_pairs_as_one() {
    // Two of them are enough for once.
    let text = "x".repeat(128);
    let kinds = [RowKind::Insert, RowKind::Insert, RowKind::Insert, RowKind::UpdateBefore, RowKind::UpdateAfter];
    let rows = kinds.map(|kind| (kind, Row { s: Some(text.clone()), ..Row::default() }));
    let stored = row::encode_batch(batch(&rows).columns()).expect("encoded");
    let (mut pending, mut decoded) = (Pending::within(Limits::small()), Vec::new());
    let kinds = kinds.map(|kind| kind as u8);
    let columns = |positions: Range<usize>, part: Vec<&[u8]>| {
        decoded.push((positions, part.len()));
        row::decode(&schema().to_arrow(), part)
    };
    pending.push_rows(stored.iter(), &kinds, columns).expect("decoded");
    assert_eq!(decoded, [(0..2, 2), (2..5, 3)]);
    let mut output = Output::default();
    assert_eq!(pending.emit(&mut output), Flow::Done);
    let batches = output.take();
    assert!(batches[0].kinds().is_none());
    assert_eq!(batches[1].kinds().map(|kinds| kinds.to_vec()), Some(kinds[2..].to_vec()));
}
