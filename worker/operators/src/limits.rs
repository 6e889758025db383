//! How much operators keep together or do at a time. Production uses the defaults; tests pass small values, so that few
//! rows reach every path.

/// Bounds of what operators keep together or do at a time.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// Pieces of a key that are in memory at once when all are read.
    pub(crate) pieces_at_once: u32,
    /// What a piece of rows holds at most, about, unless a single row or equal rows take more. Small, since a row more
    /// rewrites a piece.
    pub(crate) piece_bytes: usize,
    /// Bytes of rows that are decoded at a time, about: no column of texts can have more than 2 GB.
    pub(crate) decoded_bytes: usize,
    /// Rows that a ranked partition keeps itself, if no more are asked for.
    pub(crate) top_rows_min: usize,
    /// Values among which one is looked for without an index.
    pub(crate) scanned_max: usize,
    /// Gaps in a list of values that are left alone.
    pub(crate) gaps_kept: usize,
    /// Values of a set that a group keeps together.
    pub(crate) whole_values_max: usize,
    /// Values in a piece of a set, about.
    pub(crate) piece_values: u64,
    /// Values at an end of a set that are known.
    pub(crate) end_values_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            pieces_at_once: 32,
            piece_bytes: 2 << 10,
            decoded_bytes: 64 << 20,
            top_rows_min: 256,
            scanned_max: 32,
            gaps_kept: 8,
            whole_values_max: 1024,
            piece_values: 128,
            end_values_max: 256,
        }
    }
}

#[cfg(test)]
impl Limits {
    /// Values that few rows exceed.
    pub(crate) fn small() -> Self {
        Self {
            pieces_at_once: 2,
            piece_bytes: 256,
            decoded_bytes: 256,
            top_rows_min: 4,
            scanned_max: 4,
            gaps_kept: 2,
            whole_values_max: 6,
            piece_values: 2,
            end_values_max: 2,
        }
    }
}
