//! The prices of bids and auctions.

#![expect(
    clippy::cast_possible_truncation,
    reason = "lengths are bounded by a block; generated values wrap on purpose"
)]

/// Prices: 100 × 10^(6r) for r evenly in 0..1, by two tables that are made of square roots and products only, so that
/// every machine computes the same.
#[derive(Clone, Debug)]
pub(super) struct Prices {
    coarse: Vec<f64>,
    fine: Vec<f64>,
}

const TABLE_BITS: u32 = 10;

impl Prices {
    pub(super) fn new() -> Self {
        // factors[k] is 10^(6 / 2^(k + 1))
        let mut factors = Vec::new();
        let mut factor = 1e6f64;
        for _ in 0..2 * TABLE_BITS {
            factor = factor.sqrt();
            factors.push(factor);
        }
        let table = |factors: &[f64]| {
            (0..1u32 << TABLE_BITS)
                .map(|index| {
                    let bits = factors.iter().enumerate();
                    bits.filter(|(k, _)| index >> (TABLE_BITS - 1 - *k as u32) & 1 == 1).map(|(_, f)| f).product()
                })
                .collect::<Vec<f64>>()
        };
        Self { coarse: table(&factors[..TABLE_BITS as usize]), fine: table(&factors[TABLE_BITS as usize..]) }
    }

    /// The price for random bits.
    #[inline(always)]
    pub(super) fn price(&self, bits: u64) -> i64 {
        let coarse = (bits >> (64 - TABLE_BITS)) as usize;
        let fine = (bits >> (64 - 2 * TABLE_BITS)) as usize & ((1 << TABLE_BITS) - 1);
        (self.coarse[coarse] * self.fine[fine] * 100.0 + 0.5) as i64
    }
}
