//! Finds the rows of a batch that share a key, so that state is looked up once for each key and batch.

#![expect(
    clippy::cast_possible_truncation,
    reason = "positions are bounded by a batch; hashes and times are reinterpreted bit by bit"
)]

use hashbrown::HashTable;
use model::row::Rows;

/// The groups of a batch's rows.
#[derive(Debug, Default)]
pub(crate) struct Groups {
    /// The group of each row.
    pub(crate) of_row: Vec<u32>,
    /// The first row of each group. Groups are numbered by part, then by first row.
    pub(crate) first_rows: Vec<u32>,
    /// How many groups each part has.
    pub(crate) part_sizes: Vec<usize>,
}

/// Keeps its memory between batches.
#[derive(Default)]
pub(crate) struct Grouper {
    table: HashTable<(u64, u32)>,
}

impl Grouper {
    /// Groups rows by key.
    pub(crate) fn group(&mut self, keys: &Rows) -> Groups {
        let mut groups = self.group_by(keys, |_| 0);
        groups.part_sizes = vec![groups.first_rows.len()];
        groups
    }

    /// Groups rows by part (of `parts`) and key.
    pub(crate) fn group_parts(&mut self, keys: &Rows, part_of_row: &[u32], parts: usize) -> Groups {
        if parts == 1 {
            return self.group(keys);
        }
        let found = self.group_by(keys, |row| part_of_row[row]);
        let part = |group: u32| part_of_row[found.first_rows[group as usize] as usize];
        let mut order: Vec<u32> = (0..found.first_rows.len() as u32).collect();
        order.sort_by_key(|&group| part(group));
        let mut position = vec![0; order.len()];
        let mut part_sizes = vec![0; parts];
        for (new, &old) in order.iter().enumerate() {
            position[old as usize] = new as u32;
            part_sizes[part(old) as usize] += 1;
        }
        Groups {
            of_row: found.of_row.iter().map(|&group| position[group as usize]).collect(),
            first_rows: order.iter().map(|&group| found.first_rows[group as usize]).collect(),
            part_sizes,
        }
    }

    fn group_by(&mut self, keys: &Rows, part: impl Fn(usize) -> u32) -> Groups {
        self.table.clear();
        let mut first_rows: Vec<u32> = Vec::new();
        let of_row = keys
            .iter()
            .enumerate()
            .map(|(row, bytes)| {
                let part_of_row = part(row);
                let hash = keys.hash(row) ^ u64::from(part_of_row).wrapping_mul(0x9E37_79B9_7F4A_7C15);
                let same = |&(other_hash, group): &(u64, u32)| {
                    let first = first_rows[group as usize] as usize;
                    other_hash == hash && part(first) == part_of_row && keys.row(first) == bytes
                };
                let entry = self.table.entry(hash, same, |&(hash, _)| hash);
                match entry {
                    hashbrown::hash_table::Entry::Occupied(entry) => entry.get().1,
                    hashbrown::hash_table::Entry::Vacant(entry) => {
                        let group = first_rows.len() as u32;
                        entry.insert((hash, group));
                        first_rows.push(row as u32);
                        group
                    }
                }
            })
            .collect();
        Groups { of_row, first_rows, part_sizes: Vec::new() }
    }
}
