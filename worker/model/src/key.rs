//! Key groups: the unit by which keyed state is partitioned, snapshotted and moved at a rescale.
//!
//! The hash is part of the persisted format: it is frozen, and a change needs a new version beside it.

#![expect(clippy::cast_possible_truncation, reason = "the stored form fixes these widths")]

use std::ops::RangeInclusive;

/// The largest number of key groups a job may have, as in Flink.
pub const MAX_PARALLELISM_LIMIT: u32 = 32_768;

const MULTIPLIER_A: u64 = 0x9E37_79B9_7F4A_7C15;
const MULTIPLIER_B: u64 = 0xD6E8_FEB8_6659_FD93;

fn fold(a: u64, b: u64) -> u64 {
    let product = u128::from(a) * u128::from(b);
    (product as u64) ^ ((product >> 64) as u64)
}

/// Version 1 of the hash of an encoded key: 8 bytes at a time through a folded 128-bit product.
#[inline]
pub fn hash(bytes: &[u8]) -> u64 {
    let mut state = MULTIPLIER_A ^ bytes.len() as u64;
    let (words, rest) = bytes.as_chunks::<8>();
    for word in words {
        state = fold(state ^ u64::from_le_bytes(*word), MULTIPLIER_B);
    }
    if !rest.is_empty() {
        // As if padded with zeros, without the call that a copy of unknown length would be.
        let word = rest.iter().rev().fold(0, |word, &byte| word << 8 | u64::from(byte));
        state = fold(state ^ word, MULTIPLIER_B);
    }
    fold(state ^ MULTIPLIER_B, MULTIPLIER_A)
}

/// The key group of a key with this [`hash`].
#[inline]
pub fn key_group(hash: u64, max_parallelism: u32) -> u16 {
    // The upper half, so that hash tables may use the lower one.
    (((hash >> 32) * u64::from(max_parallelism)) >> 32) as u16
}

/// The subtask that owns a key group.
#[inline]
pub fn subtask_of(key_group: u16, parallelism: u32, max_parallelism: u32) -> u32 {
    u32::from(key_group) * parallelism / max_parallelism
}

/// The key groups that a subtask owns; the inverse of [`subtask_of`]. Empty only if parallelism exceeds the groups.
pub fn range_of(subtask: u32, parallelism: u32, max_parallelism: u32) -> RangeInclusive<u16> {
    let start = (subtask * max_parallelism).div_ceil(parallelism);
    let end = ((subtask + 1) * max_parallelism).div_ceil(parallelism);
    #[allow(clippy::reversed_empty_ranges, reason = "the empty range of a subtask that owns no key group")]
    if start >= end { 1..=0 } else { start as u16..=(end - 1) as u16 }
}

/// Flink's default number of key groups: 1.5 × parallelism, up to a power of two, within 128 and 32768.
pub fn default_max_parallelism(parallelism: u32) -> u32 {
    let wanted = parallelism.saturating_add(parallelism / 2).checked_next_power_of_two();
    wanted.unwrap_or(MAX_PARALLELISM_LIMIT).clamp(128, MAX_PARALLELISM_LIMIT)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_cover_every_group_once_and_agree_with_ownership() {
        for max in [1u32, 7, 128, 200] {
            for parallelism in 1..=max.min(17) {
                let mut seen = Vec::new();
                for subtask in 0..parallelism {
                    for group in range_of(subtask, parallelism, max) {
                        assert_eq!(subtask_of(group, parallelism, max), subtask);
                        seen.push(group);
                    }
                }
                assert_eq!(seen, (0..max as u16).collect::<Vec<_>>());
            }
        }
    }

    #[test]
    fn the_hash_is_frozen() {
        // Persisted state depends on these values: they must never change.
        let frozen = [b"".as_slice(), b"a", b"12345678", b"the quick brown fox"].map(hash);
        assert_eq!(frozen.map(|value| key_group(value, 128)), FROZEN_GROUPS);
    }

    const FROZEN_GROUPS: [u16; 4] = [78, 72, 61, 11];
}
