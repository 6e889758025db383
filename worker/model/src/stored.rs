//! The register of stored forms: everything that is written to storage has a number, a version and byte fixtures.
//!
//! A form never changes. What is to be written otherwise gets the next version here, a codec that reads the versions
//! before, and a fixture of its own in `tests/fixtures/stored/`. Tests hold this list against the code and the
//! fixtures (`tests/tests/stored.rs`); `docs/stored-forms.md` is made from it. The runtime refuses to store what is not
//! listed.

/// A stored form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Form {
    /// Identifies the form. No other form ever gets it.
    pub number: u16,
    /// Its name, and that of its fixtures.
    pub name: &'static str,
    /// The versions that are read; the last one is written.
    pub versions: &'static [u32],
    /// Where it is stored.
    pub place: Place,
    /// The types with its codec; `::` follows the crate and the module.
    pub codecs: &'static [&'static str],
    /// What it holds.
    pub about: &'static str,
}

/// Where a form is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// Within other forms.
    Part,
    /// An object in storage.
    Object,
    /// The values of keyed state in tables with these names; `#` stands for a number.
    Table(&'static [&'static str]),
    /// Operator state with these names.
    List(&'static [&'static str]),
}

impl Form {
    /// The version that is written.
    pub fn version(&self) -> u32 {
        self.versions.last().copied().unwrap_or_default()
    }
}

const fn form(
    number: u16,
    name: &'static str,
    versions: &'static [u32],
    place: Place,
    codecs: &'static [&'static str],
    about: &'static str,
) -> Form {
    Form { number, name, versions, place, codecs, about }
}

use Place::{List, Object, Part, Table};

/// All forms.
#[rustfmt::skip]
pub const FORMS: &[Form] = &[
    form(1, "row", &[1], Part, &["model::row"], "Keys, and rows of joins, ranks and sessions."),
    form(2, "key-hash", &[1], Part, &["model::key"], "The 64 bits of a key: its key group, and the piece of an element."),
    form(3, "sort-key", &[1], Part, &["operators::rank::order::Order"], "What rows of a rank are ordered by."),
    form(4, "piece", &[1], Part, &["operators::buckets"], "In which piece of a collection an element with a hash is."),
    form(5, "operators", &[1], Part, &["operators"], "Under which keys and namespaces operators keep what, and which accumulators an aggregate function has."),
    form(10, "snapshot", &[1], Object, &["state::snapshot"], "Keyed state of a subtask in a savepoint, or in a checkpoint of the hashmap backend."),
    form(11, "change-time", &[1], Part, &["state::retention"], "When an entry that may expire was changed; in tables with `+time` behind their name."),
    form(12, "rocksdb-key", &[1], Part, &["state::disk"], "The keys of entries in checkpoints of the rocksdb backend."),
    form(13, "rocksdb-catalog", &[1], Part, &["state::disk::catalog::Catalog"], "The tables in checkpoints of the rocksdb backend."),
    form(20, "accumulators", &[1], Table(&["groups-v1", "slices-v1", "windows-v1", "cumulated-v1", "accumulators-v1"]), &["operators::accumulator::table::State", "operators::accumulator::object::Object"], "The accumulators of a group, or of a group in a window."),
    form(21, "values", &[1], Table(&["values-#-v1"]), &["operators::accumulator::large::Piece", "operators::accumulator::large::pieces::Large"], "Some of the values of a DISTINCT, MIN or MAX with many."),
    form(22, "sessions", &[1], Table(&["sessions-v1"]), &["operators::sessions::stored::Sessions"], "The open sessions of a key."),
    form(23, "timers", &[1], Table(&["timers-v1"]), &["operators::sessions::stored::Timer"], "Timers: when the sessions of a key are checked for expiry."),
    form(24, "session-rows", &[1], Table(&["rows-v1"]), &["operators::session_assign::kept::KeptRows"], "The rows of an open session."),
    form(25, "arrived", &[1], Table(&["arrived-v1"]), &["operators::first_arrival::Arrived"], "The keys that a deduplication has seen."),
    form(26, "known", &[1], Table(&["known-v1"]), &["operators::deduplicate::Known"], "What a deduplication by event time knows of a key."),
    form(27, "waiting", &[1], Table(&["waiting-v1"]), &["operators::deduplicate::Waiting"], "The row of a key that waits for the watermark."),
    form(28, "ranked-rows", &[1], Table(&["ranked-v1", "window-ranked-v1"]), &["operators::rank::rows::RankedRows"], "The first rows of a partition."),
    form(29, "rows-below", &[1], Part, &["operators::rank::below::Stored"], "A row of a partition behind its first ones, as an element of `join-rows`."),
    form(30, "join-rows", &[1], Table(&["left-v1", "right-v1", "left-v2", "right-v2", "ranked-below-v1"]), &["operators::join::piece::Piece"], "Some rows of a key on one side of a join."),
    form(31, "matched-rows", &[1], Table(&["left-v3", "right-v3"]), &["operators::semi_join::rows::KeptRows"], "Some rows of a key of a semi join with a condition, and how many they match."),
    form(32, "row-count", &[1], Table(&["right-counts-v1"]), &["operators::semi_join::rows::Count"], "How many rows the right side of a semi join has of a key."),
    form(40, "signature", &[1, 2], List(&["signature"]), &["operators::signature::Description"], "What the state of an operator is about."),
    form(41, "number", &[1], List(&["watermark", "next-row", "seen"]), &["operators::restored"], "A number that each subtask keeps."),
    form(42, "values-position", &[1], List(&["values-position"]), &["connectors::values"], "How many rows of a `values` table were read."),
    form(43, "generator-positions", &[1], List(&["generator-positions"]), &["connectors::generator::Positions"], "The next rows of `datagen` and `nexmark` tables."),
    form(44, "file-splits", &[1], List(&["file-splits"]), &["connectors::filesystem::split::State"], "The parts of files that are still to be read."),
    form(50, "prepared-files", &[0, 1], List(&["committables", "dead-letters"]), &["connectors::filesystem::commit::Prepared"], "The files of a `filesystem` table that a checkpoint commits. The mark behind a commit has the same form."),
    form(60, "manifest", &[1, 2], Object, &["checkpoint::metadata", "checkpoint::manifest::Manifest"], "`_metadata` of a checkpoint or savepoint."),
    form(61, "pointer", &[1], Object, &["checkpoint::pointer::Record"], "A record of a job's pointer."),
    form(62, "job-graph", &[1], Part, &["graph::job::JobGraph"], "A job. Sent between processes, and what a client submits."),
    form(63, "operator-id", &[1], Part, &["graph::identity"], "How the uids of operators in a manifest are made of what they compute."),
    form(64, "trace", &[1], Object, &["checkpoint::layout"], "Says that a job has had a snapshot, so that it does not begin anew when its folder is lost. Only its presence is read."),
];

/// The form of the values in a table of keyed state.
pub fn of_table(name: &str) -> Option<&'static Form> {
    FORMS.iter().find(|form| matches!(form.place, Table(names) if names.iter().any(|known| matches_name(known, name))))
}

/// The form of the items of an operator state.
pub fn of_list(name: &str) -> Option<&'static Form> {
    FORMS.iter().find(|form| matches!(form.place, List(names) if names.contains(&name)))
}

/// Whether a name is one that the register lists.
fn matches_name(listed: &str, name: &str) -> bool {
    match listed.split_once('#') {
        None => listed == name,
        Some((before, after)) => name
            .strip_prefix(before)
            .and_then(|rest| rest.strip_suffix(after))
            .is_some_and(|number| !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit())),
    }
}

#[cfg(test)]
mod tests;
