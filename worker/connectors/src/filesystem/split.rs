//! Splits: parts of files, which subtask reads them, and how that survives a restore.
//!
//! Files that are read once: the enumerator beside the JobManager lists them for all subtasks, and each is dealt every
//! p-th split; the snapshot holds what is left, which a restore deals out anew without listing. Watched files: a hash of
//! the file's name decides, so that one subtask knows all that was ever read of a file and nothing is read of what it grows
//! by. The snapshot also remembers what is finished, of either, since a restored job may begin to watch.
//!
//! In engines without an enumerator each subtask listed by itself. A snapshot of theirs in which some had not done so yet is
//! completed from one new list: by what no subtask holds.

#![expect(
    clippy::cast_possible_truncation,
    reason = "lengths are bounded by a block; generated values wrap on purpose"
)]

use std::collections::{BTreeMap, BTreeSet};

use checkpoint::Item;
use model::Failure;
use serde::{Deserialize, Serialize};

use super::{compression::Compression, metadata::FileFacts};

/// Files of lines are cut into ranges of this length.
const RANGE_BYTES: u64 = 16 << 20;

/// A part of a file: the records that begin in `start..end`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) struct Split {
    pub(super) file: String,
    pub(super) start: u64,
    pub(super) end: u64,
    /// Where reading goes on.
    pub(super) position: Position,
    /// What was found out about the file, if a query wants that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) facts: Option<FileFacts>,
}

/// A position in a split.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) struct Position {
    /// The byte where the next record begins, after decompression; for Parquet, the row group.
    pub(super) offset: u64,
    /// Lines before; for Parquet, rows of the row group.
    pub(super) count: u64,
}

/// A file that was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct File {
    pub(super) uri: String,
    pub(super) size: u64,
    /// When it was last written.
    pub(super) modified_ms: i64,
}

/// Cuts files into splits, in order; `with_facts` if they are to know more of the files than their names. Of an empty
/// file, whose rows may be still to come, there is none.
pub(super) fn cut(files: &[File], at_lines: bool, with_facts: bool) -> Vec<Split> {
    let split = |file: &File, start: u64, end: u64, offset: u64| Split {
        file: file.uri.clone(),
        start,
        end,
        position: Position { offset, count: 0 },
        facts: with_facts.then_some(FileFacts { size: file.size, modified_ms: file.modified_ms }),
    };
    let mut splits = Vec::new();
    for file in files.iter().filter(|file| file.size > 0) {
        if at_lines && !is_compressed(&file.uri) {
            let starts = (0..file.size).step_by(RANGE_BYTES as usize);
            splits.extend(starts.map(|start| split(file, start, (start + RANGE_BYTES).min(file.size), start)));
        } else {
            splits.push(split(file, 0, file.size, 0));
        }
    }
    splits
}

/// The failure of a file that was listed and is no more.
pub(super) fn is_gone(file: &str) -> Failure {
    Failure::data(format!("{file}: was deleted before it was read"))
}

/// Whether a file is compressed as a whole.
pub(super) fn is_compressed(uri: &str) -> bool {
    Compression::of(uri).is_some()
}

/// What stands in a snapshot for a list that was not yet made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Share {
    pub(super) parallelism: u32,
    pub(super) subtasks: BTreeSet<u32>,
}

/// What a subtask puts into a snapshot.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct State {
    /// Splits not read to their end.
    pub(super) splits: Vec<Split>,
    /// Not empty if this subtask has not listed the files: of watched ones, or by itself.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) unlisted: Vec<Share>,
    /// Starts of finished splits, by file.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) finished: BTreeMap<String, BTreeSet<u64>>,
    /// Watched files only: whether splits may be missing of files that are known, because not all subtasks of the
    /// snapshot had made the list.
    #[serde(skip)]
    has_gaps: bool,
}

/// Which subtask this is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    pub(super) subtask: u32,
    pub(super) parallelism: u32,
}

impl Place {
    fn share(self) -> Share {
        Share { parallelism: self.parallelism, subtasks: BTreeSet::from([self.subtask]) }
    }

    /// Whether this subtask reads a watched file.
    fn owns(self, file: &str) -> bool {
        // The upper bits depend on all bytes.
        let hash = model::key::hash(file.as_bytes()) >> 32;
        ((hash * u64::from(self.parallelism)) >> 32) as u32 == self.subtask
    }
}

impl State {
    /// The state of a subtask that starts afresh and is to list watched files.
    pub(super) fn fresh(place: Place) -> Self {
        Self { unlisted: vec![place.share()], ..Self::default() }
    }

    /// A subtask's state made of the states of all subtasks of a snapshot.
    pub(super) fn restore(states: Vec<Self>, place: Place, watched: bool) -> Self {
        let has_gaps = !is_listed(&states);
        let mut all = Self::default();
        let mut left = BTreeSet::new();
        for state in states {
            left.extend(state.splits);
            for (file, starts) in state.finished {
                all.finished.entry(file).or_default().extend(starts);
            }
        }
        all.finished.retain(|file, _| place.owns(file));
        if watched {
            all.splits = left.into_iter().filter(|split| place.owns(&split.file)).collect();
            // What is watched is listed again anyway.
            all.has_gaps = has_gaps;
            all.unlisted = vec![place.share()];
        } else {
            let (subtask, parallelism) = (place.subtask as usize, place.parallelism.max(1) as usize);
            all.splits = left.into_iter().skip(subtask).step_by(parallelism).collect();
        }
        all
    }

    /// File and start of the splits that are begun, to be read, or finished.
    fn known(&self) -> impl Iterator<Item = (&str, u64)> {
        let finished = self.finished.iter();
        let finished = finished.flat_map(|(file, starts)| starts.iter().map(|&start| (file.as_str(), start)));
        self.splits.iter().map(|split| (split.file.as_str(), split.start)).chain(finished)
    }

    /// Remembers that a split was read.
    pub(super) fn finish(&mut self, split: &Split) {
        self.finished.entry(split.file.clone()).or_default().insert(split.start);
    }

    /// Takes the splits of new files of a list of watched ones; says whether there was any.
    pub(super) fn list_watched(&mut self, all: Vec<Split>, place: Place, reading: Option<&Split>) -> bool {
        self.unlisted.clear();
        let has_gaps = std::mem::take(&mut self.has_gaps);
        let reading = reading.map(|split| (split.file.as_str(), split.start));
        let known: BTreeSet<(&str, u64)> = self.known().chain(reading).collect();
        let is_known = |split: &Split| {
            let file = split.file.as_str();
            known.contains(&(file, split.start))
                || (!has_gaps && known.range((file, 0)..=(file, u64::MAX)).next().is_some())
        };
        let new: Vec<Split> = all.into_iter().filter(|split| place.owns(&split.file) && !is_known(split)).collect();
        let found = !new.is_empty();
        self.splits.extend(new);
        found
    }
}

/// The states of all subtasks of a snapshot.
pub(super) fn states(items: &[Item]) -> Result<Vec<State>, Failure> {
    let states = items.iter().map(|item| serde_json::from_slice(&item.0));
    states.collect::<Result<_, _>>().map_err(|error| Failure::data(format!("file splits in the snapshot: {error}")))
}

/// Whether the states of a snapshot hold all splits of the files that were there at the start.
pub(super) fn is_listed(states: &[State]) -> bool {
    !states.is_empty() && states.iter().all(|state| state.unlisted.is_empty())
}

/// The splits of a list that no state of a snapshot holds.
pub(super) fn unknown(all: Vec<Split>, states: &[State]) -> Vec<Split> {
    let known: BTreeSet<(&str, u64)> = states.iter().flat_map(State::known).collect();
    all.into_iter().filter(|split| !known.contains(&(split.file.as_str(), split.start))).collect()
}

/// A split as the JobManager passes it on.
pub(super) fn to_item(split: &Split) -> Result<Item, Failure> {
    serde_json::to_vec(split).map(Item).map_err(|error| Failure::internal(format!("file splits: {error}")))
}

/// A split that the JobManager passed on.
pub(super) fn from_item(item: &Item) -> Result<Split, Failure> {
    serde_json::from_slice(&item.0).map_err(|error| Failure::internal(format!("file splits: {error}")))
}

#[cfg(test)]
mod frozen;

#[cfg(test)]
mod tests {
    use super::*;

    fn files() -> Vec<File> {
        (0..7).map(|n| File { uri: format!("f{n}"), size: (n + 1) * RANGE_BYTES / 2, modified_ms: 0 }).collect()
    }

    fn restore(states: &[State], parallelism: u32, watched: bool) -> Vec<State> {
        let place = |subtask| Place { subtask, parallelism };
        (0..parallelism).map(|subtask| State::restore(states.to_vec(), place(subtask), watched)).collect()
    }

    /// All splits of all subtasks; each once.
    fn union(states: &[State]) -> Vec<Split> {
        let mut all: Vec<Split> = states.iter().flat_map(|state| state.splits.clone()).collect();
        all.sort();
        let count = all.len();
        all.dedup();
        assert_eq!(all.len(), count);
        all
    }

    #[test]
    fn ranges_cover_each_file_without_gaps() {
        let splits = cut(&files(), true, false);
        for file in files() {
            let mut at = 0;
            for split in splits.iter().filter(|split| split.file == file.uri) {
                assert_eq!(split.start, at);
                at = split.end;
            }
            assert_eq!(at, file.size);
        }
        assert_eq!(cut(&files(), false, false).len(), 7);
        let compressed = File { uri: "x.gz".to_owned(), size: 1 << 40, modified_ms: 0 };
        assert_eq!(cut(&[compressed], true, false).len(), 1);
    }

    /// The states of subtasks of which each reads every p-th split.
    fn dealt(all: &[Split], parallelism: usize) -> Vec<State> {
        let share = |subtask| all.iter().skip(subtask).step_by(parallelism).cloned().collect();
        (0..parallelism).map(|subtask| State { splits: share(subtask), ..State::default() }).collect()
    }

    #[test]
    fn what_was_listed_is_dealt_anew_and_nothing_more() {
        let all = cut(&files(), true, false);
        let mut states = dealt(&all, 3);
        assert!(is_listed(&states) && !is_listed(&[]));
        let finished = states[1].splits.remove(0);
        states[1].finish(&finished);
        let restored = restore(&restore(&states, 5, false), 2, false);
        assert!(is_listed(&restored));
        let left: Vec<_> = all.iter().filter(|split| **split != finished).cloned().collect();
        assert_eq!(union(&restored), left);
        assert!(unknown(all, &restored).is_empty());
    }

    #[test]
    fn a_snapshot_in_which_some_subtasks_had_not_listed_is_completed_from_one_list() {
        let all = cut(&files(), true, false);
        let mut states = dealt(&all, 3);
        let finished = states[1].splits.remove(0);
        states[1].finish(&finished);
        // As an engine wrote them whose subtasks listed by themselves.
        states[0] = serde_json::from_str(r#"{"splits":[],"unlisted":[{"parallelism":3,"subtasks":[0]}]}"#).unwrap();
        states[2] = State::fresh(Place { subtask: 2, parallelism: 3 });
        assert!(!is_listed(&states));
        let listed = unknown(all.clone(), &states);
        let mut restored = restore(&states, 2, false);
        restored[0].splits.extend(listed);
        assert!(is_listed(&restored));
        let left: Vec<_> = all.into_iter().filter(|split| *split != finished).collect();
        assert_eq!(union(&restored), left);
    }

    #[test]
    fn watched_files_are_read_once_and_new_ones_found() {
        let all = cut(&files(), true, false);
        let place = |subtask, parallelism| Place { subtask, parallelism };
        let mut states: Vec<State> = (0..2).map(|subtask| State::fresh(place(subtask, 2))).collect();
        for (subtask, state) in states.iter_mut().enumerate() {
            state.list_watched(cut(&files()[..5], true, false), place(subtask as u32, 2), None);
            let finished = state.splits.remove(0);
            state.finish(&finished);
        }
        assert_eq!(union(&states).len(), 7);
        let mut restored = restore(&states, 3, true);
        assert_eq!(union(&restored), union(&states));
        for (subtask, state) in restored.iter_mut().enumerate() {
            state.list_watched(all.clone(), place(subtask as u32, 3), None);
            assert!(!state.list_watched(all.clone(), place(subtask as u32, 3), None));
        }
        assert_eq!(union(&restored).len(), all.len() - 2);
    }

    #[test]
    fn nothing_is_read_of_what_a_known_file_grows_by() {
        let place = Place { subtask: 0, parallelism: 1 };
        let grown: Vec<File> = files().into_iter().map(|file| File { size: file.size * 3, ..file }).collect();
        let mut state = State::fresh(place);
        state.list_watched(cut(&files(), true, false), place, None);
        let mut reading = state.splits.remove(0);
        while state.splits.len() > 3 {
            let next = state.splits.remove(0);
            state.finish(&std::mem::replace(&mut reading, next));
        }
        assert!(!state.list_watched(cut(&grown, true, false), place, Some(&reading)));
        state.splits.insert(0, reading);
        let mut restored = restore(&[state], 3, true);
        for (subtask, state) in restored.iter_mut().enumerate() {
            let place = Place { subtask: subtask as u32, parallelism: 3 };
            assert!(!state.list_watched(cut(&grown, true, false), place, None));
        }
    }

    #[test]
    fn a_restored_job_may_begin_to_watch_and_reads_nothing_twice() {
        let all = cut(&files(), true, false);
        let place = |subtask, parallelism| Place { subtask, parallelism };
        for listed in [2, 1] {
            let mut states = dealt(&all, 2);
            for state in &mut states[..listed] {
                for _ in 0..3 {
                    let split = state.splits.remove(0);
                    state.finish(&split);
                }
            }
            for (subtask, state) in states.iter_mut().enumerate().skip(listed) {
                *state = State::fresh(place(subtask as u32, 2));
            }
            // Once more without watching, by more subtasks, which are dealt what no subtask had listed.
            let mut unwatched = restore(&states, 3, false);
            if !is_listed(&states) {
                for (index, split) in unknown(all.clone(), &states).into_iter().enumerate() {
                    unwatched[index % 3].splits.push(split);
                }
            }
            let mut restored = restore(&unwatched, 2, true);
            for (subtask, state) in restored.iter_mut().enumerate() {
                state.list_watched(all.clone(), place(subtask as u32, 2), None);
            }
            assert_eq!(union(&restored).len(), all.len() - 3 * listed, "{listed}");
        }
    }
}
