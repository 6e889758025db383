//! Random texts, written into one growing buffer without an allocation for each.

#![expect(
    clippy::cast_possible_truncation,
    reason = "lengths are bounded by a block; generated values wrap on purpose"
)]

use crate::random::{Sequence, high_below};

/// The longest filler; a batch of them is still within arrow's limits.
pub(super) const EXTRA_BYTES_MAX: u64 = 256 << 10;

const FIRST_NAMES: [&str; 11] =
    ["Peter", "Paul", "Luke", "John", "Saul", "Vicky", "Kate", "Julie", "Sarah", "Deiter", "Walter"];
const LAST_NAMES: [&str; 9] = ["Shultz", "Abrams", "Spencer", "White", "Bartels", "Walton", "Smith", "Jones", "Noris"];
const CITIES: [&str; 10] =
    ["Phoenix", "Los Angeles", "San Francisco", "Boise", "Portland", "Bend", "Redmond", "Seattle", "Kent", "Cheyenne"];
const STATES: [&str; 6] = ["AZ", "CA", "ID", "OR", "WA", "WY"];

fn pick<'a>(names: &[&'a str], bits: u64) -> &'a str {
    names[high_below(bits, names.len() as u64) as usize]
}

pub(super) fn first_name(bits: u64) -> &'static str {
    pick(&FIRST_NAMES, bits)
}

pub(super) fn last_name(bits: u64) -> &'static str {
    // The first name uses the upper half.
    pick(&LAST_NAMES, bits << 32)
}

pub(super) fn city(bits: u64) -> &'static str {
    pick(&CITIES, bits)
}

pub(super) fn state(bits: u64) -> &'static str {
    pick(&STATES, bits)
}

/// The length of words of 3 to `max` letters.
pub(super) fn words_length(bits: u64, max: u64) -> u64 {
    3 + high_below(bits, max - 2)
}

/// Appends small letters with `space` in between, at 1 of 13, but not at the ends.
pub(super) fn push_words(out: &mut Vec<u8>, length: u64, space: u8, random: &mut Sequence) {
    let start = out.len();
    let mut left = length;
    while left > 0 {
        let mut bits = random.next();
        for _ in 0..left.min(4) {
            let chunk = bits & 0xFFFF;
            bits >>= 16;
            // 13 × 26 cases: the space in one of 13.
            let case = (chunk * 338) >> 16;
            out.push(if case < 26 { space } else { b'a' + (case % 26) as u8 });
        }
        left -= left.min(4);
    }
    for end in [start, out.len() - 1] {
        if out[end] == space {
            out[end] = b'a';
        }
    }
}

/// The length of a filler that brings a row to an average size.
pub(super) fn extra_length(bits: u64, size: u64, average: u64) -> u64 {
    let Some(wanted) = average.checked_sub(size) else { return 0 };
    let delta = (wanted + 2) / 5;
    wanted - delta + high_below(bits, 2 * delta)
}

/// Appends a filler: runs of eight letters from `a`–`z` or from `H`–`a`.
pub(super) fn push_extra(out: &mut Vec<u8>, length: u64, random: &mut Sequence) {
    let start = out.len();
    let length = length as usize;
    out.resize(start + length.div_ceil(8) * 8, 0);
    let mut ranges = random.next();
    for run in out[start..].chunks_exact_mut(8) {
        let base = if ranges & 1 == 0 { b'a' } else { b'H' };
        ranges = ranges.rotate_right(1);
        let bits = random.next().to_le_bytes();
        for (letter, bits) in run.iter_mut().zip(bits) {
            *letter = base + ((u16::from(bits) * 26) >> 8) as u8;
        }
    }
    out.truncate(start + length);
}

/// Appends four groups of four digits.
pub(super) fn push_credit_card(out: &mut Vec<u8>, bits: u64) {
    for group in 0..4u32 {
        if group > 0 {
            out.push(b' ');
        }
        let number = (((bits >> (16 * group)) & 0xFFFF) * 10_000) >> 16;
        out.extend([1000, 100, 10, 1].map(|unit| b'0' + (number / unit % 10) as u8));
    }
}
