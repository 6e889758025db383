//! The index of a namespace: hash → entry, open addressing with linear probing.
//!
//! A slot holds 32 bits of the hash beside the entry's number, so that probing and growing never touch the entries.

#![expect(clippy::cast_possible_truncation, reason = "sizes are checked when a file is written and when it is read")]

/// Slots are filled to 5/8 at most.
const LOAD_NUMERATOR: usize = 5;
const LOAD_DENOMINATOR: usize = 8;
const SLOTS_MIN: usize = 8;

/// Zero is an empty slot; otherwise the hash's lower half above, the entry's number plus one below.
#[derive(Debug, Default)]
pub(crate) struct Index {
    slots: Vec<u64>,
    len: usize,
}

#[inline]
fn pack(hash: u64, entry: u32) -> u64 {
    (hash << 32) | (u64::from(entry) + 1)
}

#[inline]
fn entry_of(slot: u64) -> u32 {
    (slot as u32).wrapping_sub(1)
}

#[inline]
fn hash_of(slot: u64) -> u64 {
    slot >> 32
}

impl Index {
    #[cfg(test)]
    fn len(&self) -> usize {
        self.len
    }

    fn mask(&self) -> usize {
        self.slots.len().wrapping_sub(1)
    }

    /// Where [`Self::find`] begins, read: that brings the slot into the processor's cache.
    #[inline]
    pub(crate) fn warm(&self, hash: u64) -> u64 {
        self.slots.get(hash as usize & self.mask()).copied().unwrap_or(0)
    }

    /// The entry with this hash for which `matches` holds.
    #[inline]
    pub(crate) fn find(&self, hash: u64, mut matches: impl FnMut(u32) -> bool) -> Option<u32> {
        let mask = self.mask();
        let wanted = hash & u64::from(u32::MAX);
        let mut at = hash as usize & mask;
        loop {
            let slot = *self.slots.get(at)?;
            if slot == 0 {
                return None;
            }
            if hash_of(slot) == wanted && matches(entry_of(slot)) {
                return Some(entry_of(slot));
            }
            at = (at + 1) & mask;
        }
    }

    /// Adds an entry that is not there yet.
    pub(crate) fn insert(&mut self, hash: u64, entry: u32) {
        if (self.len + 1) * LOAD_DENOMINATOR > self.slots.len() * LOAD_NUMERATOR {
            self.grow();
        }
        self.place(pack(hash, entry));
        self.len += 1;
    }

    fn place(&mut self, slot: u64) {
        let mask = self.mask();
        let mut at = hash_of(slot) as usize & mask;
        while self.slots[at] != 0 {
            at = (at + 1) & mask;
        }
        self.slots[at] = slot;
    }

    fn grow(&mut self) {
        let size = (self.slots.len() * 2).max(SLOTS_MIN);
        let old = std::mem::replace(&mut self.slots, vec![0; size]);
        for slot in old {
            if slot != 0 {
                self.place(slot);
            }
        }
    }

    /// Removes an entry; whether it was there.
    pub(crate) fn remove(&mut self, hash: u64, entry: u32) -> bool {
        let mask = self.mask();
        let wanted = pack(hash, entry);
        let mut hole = hash as usize & mask;
        loop {
            match self.slots.get(hole) {
                None | Some(0) => return false,
                Some(slot) if *slot == wanted => break,
                Some(_) => hole = (hole + 1) & mask,
            }
        }
        self.len -= 1;
        // Close the gap: whatever was pushed past the hole moves back into it.
        let mut at = hole;
        loop {
            self.slots[hole] = 0;
            loop {
                at = (at + 1) & mask;
                let slot = self.slots[at];
                if slot == 0 {
                    return true;
                }
                let home = hash_of(slot) as usize & mask;
                if (at.wrapping_sub(home) & mask) >= (at.wrapping_sub(hole) & mask) {
                    self.slots[hole] = slot;
                    hole = at;
                    break;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use rand::{Rng, SeedableRng, rngs::SmallRng};

    use super::*;

    #[test]
    fn finds_what_a_map_would_find() {
        for seed in 0..20 {
            let mut rng = SmallRng::seed_from_u64(seed);
            let (mut index, mut model) = (Index::default(), BTreeMap::new());
            // Few distinct hashes, so that probe chains are long and wrap around.
            let spread = 1u64 << rng.random_range(2..12);
            for entry in 0..3000u32 {
                if rng.random_bool(0.4) && !model.is_empty() {
                    let victim = *model.keys().nth(rng.random_range(0..model.len())).expect("within");
                    let hash = model.remove(&victim).expect("there");
                    assert!(index.remove(hash, victim), "seed {seed}");
                    assert!(!index.remove(hash, victim), "seed {seed}");
                } else {
                    let hash = rng.random_range(0..spread) * 0x9E37_79B9 + (1 << 40);
                    index.insert(hash, entry);
                    model.insert(entry, hash);
                }
                assert_eq!(index.len(), model.len());
            }
            for (entry, hash) in &model {
                assert_eq!(index.find(*hash, |found| found == *entry), Some(*entry), "seed {seed}");
            }
            assert_eq!(index.find(7, |_| true), None);
        }
    }
}
