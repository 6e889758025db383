//! Linear hashing: in which of some pieces a thing with a hash is, and how it moves as pieces are added one by one.
//!
//! A piece more takes things from its parent only, and gives them back to it when it is given up.

#![expect(
    clippy::cast_possible_truncation,
    reason = "positions are bounded by a batch; hashes and times are reinterpreted bit by bit"
)]

/// The piece of what has this hash among `more` beside the first.
pub(crate) fn bucket_of(hash: u64, more: u32) -> u32 {
    if more == 0 {
        return 0;
    }
    let (hash, pieces) = (hash as u32, more + 1);
    let all = pieces.next_power_of_two();
    let bucket = hash & (all - 1);
    if bucket < pieces { bucket } else { bucket & (all / 2 - 1) }
}

/// The piece that a piece, not the first, was split from.
pub(crate) fn parent(piece: u32) -> u32 {
    piece ^ (1 << piece.ilog2())
}

#[cfg(test)]
mod frozen;

#[cfg(test)]
mod tests {
    use model::key;

    use super::*;

    #[test]
    fn a_split_moves_rows_from_the_parent_to_the_new_piece_only() {
        for more in 1..200_u32 {
            for row in 0..500_u32 {
                let hash = key::hash(&row.to_be_bytes());
                let (before, after) = (bucket_of(hash, more - 1), bucket_of(hash, more));
                assert!(before == after || (before == parent(more) && after == more));
            }
        }
    }
}
