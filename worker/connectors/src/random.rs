//! Random numbers by counter: the draw of field f of event n is a pure function of the seed, f and n.

const STEP: u64 = 0x9E37_79B9_7F4A_7C15;

/// A bijection whose output bits each depend on all input bits.
#[inline(always)]
pub(crate) fn mix(value: u64) -> u64 {
    let value = (value ^ (value >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let value = (value ^ (value >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    value ^ (value >> 31)
}

/// The draws of one field.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Field {
    salt: u64,
}

impl Field {
    /// The field with this number.
    pub(crate) fn new(seed: u64, number: u64) -> Self {
        Self { salt: mix(mix(seed.wrapping_add(STEP)).wrapping_add(number.wrapping_mul(STEP))) }
    }

    /// 64 random bits for an event.
    #[inline(always)]
    pub(crate) fn draw(self, event: u64) -> u64 {
        mix(event.wrapping_mul(STEP).wrapping_add(self.salt))
    }

    /// A sequence of random bits for an event.
    #[inline(always)]
    pub(crate) fn sequence(self, event: u64) -> Sequence {
        Sequence { state: self.draw(event) }
    }
}

/// A sequence of random bits.
#[derive(Clone, Debug)]
pub(crate) struct Sequence {
    state: u64,
}

impl Sequence {
    #[inline(always)]
    pub(crate) fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(STEP);
        mix(self.state)
    }

    /// A number below `bound`.
    #[inline(always)]
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        high_below(self.next(), bound)
    }
}

/// A number below `bound` from the upper half of the bits; `bound` is below 2³².
#[inline(always)]
pub(crate) fn high_below(bits: u64, bound: u64) -> u64 {
    ((bits >> 32) * bound) >> 32
}

/// A number below `bound` from the lower half of the bits, so that one draw serves twice.
#[inline(always)]
pub(crate) fn low_below(bits: u64, bound: u64) -> u64 {
    ((bits & 0xFFFF_FFFF) * bound) >> 32
}

/// A number below `bound` from all of the bits.
pub(crate) fn wide_below(bits: u64, bound: u64) -> u64 {
    ((u128::from(bits) * u128::from(bound)) >> 64) as u64
}
