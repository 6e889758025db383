//! Random changelogs, and what is left when changes are applied.

use std::collections::BTreeMap;

use graph::ChangelogMode;
use model::{
    RowKind,
    RowKind::{Delete, Insert, UpdateAfter, UpdateBefore},
};
use rand::{Rng, SeedableRng, rngs::SmallRng};

use super::{
    harness::{Change, Cluster, On},
    rows::{self, Row},
};

/// Random numbers by a seed, which is printed if a test fails.
pub(super) struct Seeded {
    seed: u64,
    pub(super) rng: SmallRng,
}

impl Seeded {
    pub(super) fn new(seed: u64) -> Self {
        Self { seed, rng: SmallRng::seed_from_u64(seed) }
    }

    /// Goes on from a snapshot now and then: elsewhere, at another parallelism, on another backend.
    pub(super) fn may_restart(&mut self, cluster: &mut Cluster, parallelism_max: u32) {
        if self.rng.random_bool(0.15) {
            let on = if self.rng.random_bool(0.5) { On::HashMap } else { On::RocksDb };
            cluster.restart(self.rng.random_range(1..=parallelism_max), on);
        }
    }
}

impl Drop for Seeded {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("SEED={}", self.seed);
        }
    }
}

/// An input and the rows that it has by now, in the order in which they came.
pub(super) struct Input {
    pub(super) mode: ChangelogMode,
    /// Of each column that is a key so many values occur.
    keys: i64,
    pub(super) live: Vec<Row>,
}

impl Input {
    pub(super) fn new(mode: ChangelogMode, keys: i64) -> Self {
        Self { mode, keys, live: Vec::new() }
    }

    /// About so many changes more: rows come, the same rows come again, rows go and are updated, to themselves too.
    pub(super) fn next(&mut self, rng: &mut SmallRng, changes: usize) -> Vec<(RowKind, Row)> {
        let mut feed = Vec::new();
        for _ in 0..changes {
            let choices = match (self.live.is_empty(), self.mode.is_append()) {
                (true, _) => 1,
                (_, true) => 4,
                (_, false) => 10,
            };
            match rng.random_range(0..choices) {
                0..=2 => self.add(&mut feed, Insert, rows::random(rng, self.keys)),
                3 => {
                    let again = self.some(rng);
                    self.add(&mut feed, Insert, again);
                }
                4..=6 => {
                    let row = self.some(rng);
                    self.remove(&mut feed, Delete, row);
                }
                choice => {
                    let old = self.some(rng);
                    let new = match choice {
                        7 => old.clone(),
                        // Under the same key.
                        8 => Row { k: old.k, g: old.g.clone(), ..rows::random(rng, self.keys) },
                        _ => rows::random(rng, self.keys),
                    };
                    self.remove(&mut feed, UpdateBefore, old);
                    self.add(&mut feed, UpdateAfter, new);
                }
            }
        }
        feed
    }

    fn some(&self, rng: &mut SmallRng) -> Row {
        self.live[rng.random_range(0..self.live.len())].clone()
    }

    fn add(&mut self, feed: &mut Vec<(RowKind, Row)>, kind: RowKind, row: Row) {
        self.live.push(row.clone());
        feed.push((kind, row));
    }

    fn remove(&mut self, feed: &mut Vec<(RowKind, Row)>, kind: RowKind, row: Row) {
        let first = self.live.iter().position(|known| *known == row).expect("is there");
        self.live.remove(first);
        feed.push((kind, row));
    }
}

/// Checks that the halves of updates are adjacent.
pub(super) fn assert_paired(changes: &[Change]) {
    let mut is_replaced = false;
    for (kind, row) in changes {
        assert_eq!(*kind == UpdateAfter, is_replaced, "{kind:?} {row:?}");
        is_replaced = *kind == UpdateBefore;
    }
    assert!(!is_replaced, "−U without +U");
}

/// What a consumer of changes knows: rows, and how often each is there.
#[derive(Default)]
pub(super) struct Relation(BTreeMap<Vec<String>, usize>);

impl Relation {
    /// Applies changes, each of which must make sense.
    pub(super) fn apply(&mut self, changes: Vec<Change>) {
        for (kind, row) in changes {
            if !kind.is_retraction() {
                *self.0.entry(row).or_default() += 1;
                continue;
            }
            match self.0.get_mut(&row) {
                None => panic!("{kind:?} of {row:?}, which is not there"),
                Some(1) => drop(self.0.remove(&row)),
                Some(count) => *count -= 1,
            }
        }
    }

    /// Compares it with the rows that are expected.
    pub(super) fn assert_is(&self, expected: Vec<Vec<String>>) {
        let mut counted = BTreeMap::new();
        expected.into_iter().for_each(|row| *counted.entry(row).or_default() += 1);
        assert_eq!(self.0, counted);
    }
}
