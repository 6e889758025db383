//! Which operator of a job gets the state of which operator of a snapshot.
//!
//! Operators match by uid. One to which the user has given another uid since matches by the one that it had before.
//! Builds that knew no other way numbered operators by their position; a match with their snapshots must leave no
//! doubt, since operators of one kind may have changed places.

use std::collections::{BTreeMap, BTreeSet};

use graph::{Identities, Identity, JobGraph};
use model::Failure;

use crate::{Manifest, SubtaskState};

/// The operators of a job.
#[derive(Clone, Debug, Default)]
pub struct Operators<'a> {
    /// All of them.
    pub uids: BTreeSet<&'a str>,
    /// How they got their uids; none if they are numbered by position.
    pub identities: Option<&'a Identities>,
}

impl<'a> From<&'a JobGraph> for Operators<'a> {
    fn from(graph: &'a JobGraph) -> Self {
        Self { uids: graph.nodes.iter().map(|node| node.uid.as_str()).collect(), identities: graph.identities.as_ref() }
    }
}

impl Operators<'_> {
    /// Those that keep state, as far as that is known.
    pub(super) fn stateful(&self) -> impl Iterator<Item = &str> {
        let is_stateful = move |uid: &&str| {
            self.identities
                .is_none_or(|identities| identities.operators.get(*uid).is_some_and(|identity| identity.keeps_state))
        };
        self.uids.iter().copied().filter(is_stateful)
    }

    fn identities(&self) -> impl Iterator<Item = (&str, &Identity)> {
        let all = self.identities.into_iter().flat_map(|identities| &identities.operators);
        all.map(|(uid, identity)| (uid.as_str(), identity))
    }
}

/// The operators of the snapshot that match one of the job, with the uid of that.
pub(super) type Matches = BTreeMap<String, String>;

/// Whether an operator has left anything in a snapshot.
pub(super) fn has_state(states: &[SubtaskState]) -> bool {
    states.iter().any(|state| state.keyed.is_some() || state.lists.values().any(|items| !items.is_empty()))
}

/// Matches the operators of a snapshot.
///
/// # Errors
/// Class `User` if it cannot be said which of several operators is which.
pub(super) fn matches(manifest: &Manifest, operators: &Operators<'_>) -> Result<Matches, Failure> {
    let is_stored = |uid: &str| manifest.operators.contains_key(uid);
    let same = operators.uids.iter().filter(|uid| is_stored(uid));
    let mut found: Matches = same.map(|uid| ((*uid).to_owned(), (*uid).to_owned())).collect();
    if manifest.identities.is_some() {
        for (uid, identity) in operators.identities() {
            if !is_stored(uid) && is_stored(&identity.derived) && !found.contains_key(&identity.derived) {
                found.insert(identity.derived.clone(), uid.to_owned());
            }
        }
        return Ok(found);
    }
    let mut kinds: BTreeMap<&str, Vec<(&str, &Identity)>> = BTreeMap::new();
    for (uid, identity) in operators.identities().filter(|(uid, _)| !is_stored(uid)) {
        kinds.entry(&identity.former.kind).or_default().push((uid, identity));
    }
    let names: Vec<&str> = kinds.keys().copied().collect();
    for (kind, mine) in &kinds {
        let theirs: Vec<&str> = manifest
            .operators
            .iter()
            .filter(|(stored, states)| has_state(states) && !found.contains_key(*stored))
            .map(|(stored, _)| stored.as_str())
            .filter(|stored| kind_of(stored, &names) == Some(*kind))
            .collect();
        // What is only to be committed is so by whichever operator gets it.
        let own: Vec<&str> =
            theirs.iter().copied().filter(|stored| has_own_state(&manifest.operators[*stored])).collect();
        let owners = mine.iter().filter(|(_, identity)| identity.keeps_state).count();
        if !are_certain(manifest, &own, owners) {
            return Err(doubtful(&own));
        }
        for (uid, identity) in mine {
            if theirs.contains(&identity.former.uid.as_str()) {
                found.insert(identity.former.uid.clone(), (*uid).to_owned());
            }
        }
    }
    Ok(found)
}

/// Whether an operator has left more than what is to be committed.
fn has_own_state(states: &[SubtaskState]) -> bool {
    let is_own = |name: &String| !matches!(name.as_str(), "committables" | "dead-letters");
    states.iter().any(|state| state.keyed.is_some() || state.lists.keys().any(is_own))
}

/// The kind that was numbered in a uid by position. A table's name may end in a number itself.
fn kind_of<'a>(uid: &str, kinds: &[&'a str]) -> Option<&'a str> {
    let is_number = |rest: &str| rest.is_empty() || rest.strip_prefix('-').is_some_and(is_digits);
    let fitting = kinds.iter().filter(|kind| uid.strip_prefix(**kind).is_some_and(is_number));
    fitting.max_by_key(|kind| kind.len()).copied()
}

fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// Whether positions say which is which: there are as many operators as there were, and no two of them could get each
/// other's state.
fn are_certain(manifest: &Manifest, theirs: &[&str], mine: usize) -> bool {
    let states = |uid: &str| manifest.operators.get(uid).map_or(&[][..], Vec::as_slice);
    let differ = |(index, uid): (usize, &&str)| {
        theirs[..index].iter().all(|other| {
            signatures(states(uid)) != signatures(states(other)) || content(states(uid)) == content(states(other))
        })
    };
    theirs.is_empty() || (theirs.len() == mine && theirs.iter().enumerate().all(differ))
}

/// What operators say their state is about.
fn signatures(states: &[SubtaskState]) -> BTreeSet<&[u8]> {
    let items = states.iter().flat_map(|state| state.lists.get("signature")).flatten();
    items.map(|item| item.0.as_slice()).collect()
}

/// What is equal for operators that keep the same.
fn content(states: &[SubtaskState]) -> Vec<(u32, &BTreeMap<String, Vec<crate::Item>>, Vec<(u64, u32)>)> {
    let files = |state: &SubtaskState| {
        let files = state.keyed.iter().flat_map(|keyed| &keyed.files);
        files.map(|file| (file.size, file.crc32)).collect()
    };
    states.iter().map(|state| (state.subtask, &state.lists, files(state))).collect()
}

fn doubtful(theirs: &[&str]) -> Failure {
    let (all, one) = (theirs.join(", "), theirs.first().copied().unwrap_or_default());
    Failure::user(format!(
        "it is of a build that numbered operators by position, and it cannot be said which operators of the job have the \
         state of {all}: they may have changed places; give each its id by a hint in its query, as SELECT /*+ \
         STATE_ID('{one}') */"
    ))
}

#[cfg(test)]
mod tests;
