//! How partitions have changed since their changes were last told.

#![expect(
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    reason = "positions are bounded by a batch; hashes and times are reinterpreted bit by bit"
)]

use hashbrown::HashTable;
use model::{RowKind, key, row::Rows};

use super::{
    Bounds,
    rows::{Ranked, RankedRows},
};

/// The partitions that are no longer as they were when changes were last emitted.
#[derive(Default)]
pub(super) struct Changed {
    /// Positions in `keys`.
    index: HashTable<u32>,
    pub(super) keys: Rows,
    /// The wanted rows as they were.
    pub(super) before: Rows,
    /// Partitions whose changes are emitted.
    pub(super) emitted: usize,
    image: Vec<u8>,
}

/// Changes of rows, to be put out together.
#[derive(Default)]
pub(super) struct Changes<'a> {
    pub(super) rows: Vec<&'a [u8]>,
    pub(super) kinds: Vec<u8>,
    pub(super) numbers: Vec<i64>,
}

impl Changed {
    /// Remembers what a partition is, unless that was done already.
    pub(super) fn note(&mut self, key: &[u8], rows: Option<&RankedRows>, to: usize) {
        let Self { index, keys, before, image, .. } = self;
        let entry = index.entry(
            key::hash(key),
            |&position| keys.row(position as usize) == key,
            |&position| key::hash(keys.row(position as usize)),
        );
        if let hashbrown::hash_table::Entry::Vacant(entry) = entry {
            entry.insert(keys.len() as u32);
            keys.push(key);
            image.clear();
            if let Some(rows) = rows {
                rows.image_into(to, image);
            }
            before.push(image);
        }
    }

    pub(super) fn clear(&mut self) {
        self.index.clear();
        self.keys.clear();
        self.before.clear();
        self.emitted = 0;
    }
}

impl<'a> Changes<'a> {
    fn put(&mut self, row: Ranked<'a>, kind: RowKind, number: usize) {
        self.rows.push(row.row);
        self.kinds.push(kind as u8);
        self.numbers.push(number as i64);
    }

    /// Rows replace the rows that had their number.
    pub(super) fn by_number(
        &mut self,
        mut before: impl Iterator<Item = Ranked<'a>>,
        mut after: impl Iterator<Item = Ranked<'a>>,
        bounds: &Bounds,
    ) {
        for number in bounds.from + 1.. {
            match (before.next(), after.next()) {
                (None, None) => return,
                (Some(old), None) => self.put(old, RowKind::Delete, number),
                (None, Some(new)) => self.put(new, RowKind::Insert, number),
                (Some(old), Some(new)) if old.row != new.row => {
                    if bounds.emit_update_before {
                        self.put(old, RowKind::UpdateBefore, number);
                    }
                    self.put(new, RowKind::UpdateAfter, number);
                }
                (Some(_), Some(_)) => {}
            }
        }
    }

    /// Rows leave and enter. Both lists are in order.
    pub(super) fn by_row(&mut self, before: Vec<Ranked<'a>>, after: Vec<Ranked<'a>>) {
        let mut entered = Vec::new();
        let mut new = after.into_iter().peekable();
        for old in before {
            entered.extend(std::iter::from_fn(|| new.next_if(|new| new.sort < old.sort)));
            if new.next_if_eq(&old).is_none() {
                self.put(old, RowKind::Delete, 0);
            }
        }
        for new in entered.into_iter().chain(new) {
            self.put(new, RowKind::Insert, 0);
        }
    }
}
