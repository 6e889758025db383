//! What of a snapshot a job takes over: matching by operator uid, and the rules that protect against silent loss.

mod matching;

use std::{collections::BTreeMap, ops::RangeInclusive};

use model::Failure;

pub use self::matching::Operators;
use crate::{Manifest, SubtaskState};

/// Decides the restore of `manifest` by a job with these operators and returns what the tasks are given: the state
/// that is claimed, by the job's uids. `max_parallelism` is what the user asked for, if anything; otherwise the
/// snapshot's is taken over.
///
/// # Errors
/// Class `User` if state is left that no operator claims (unless `allow_unclaimed`), if it cannot be said whose state
/// it is, or if the number of key groups would change. The uids are named. Class `Data` if uids were made in a way that
/// this build does not know.
pub fn plan(
    manifest: &Manifest,
    operators: &Operators<'_>,
    max_parallelism: Option<u32>,
    allow_unclaimed: bool,
) -> Result<Manifest, Failure> {
    let place = format!("restore from {} {}", kind(manifest), manifest.checkpoint_id);
    if let Some(wanted) = max_parallelism.filter(|&wanted| wanted != manifest.max_parallelism) {
        return Err(Failure::user(format!(
            "{place}: its state has {} key groups, so pipeline.max-parallelism cannot be {wanted}",
            manifest.max_parallelism
        )));
    }
    if let Some(newer) = manifest.identities.filter(|&version| version > graph::identity::VERSION) {
        return Err(Failure::data(format!(
            "{place}: version {newer} of operators' ids is newer than this build's {}",
            graph::identity::VERSION
        )));
    }
    let matches = matching::matches(manifest, operators).map_err(|failure| failure.at(&place))?;
    let stored = manifest.operators.iter().filter(|(_, states)| matching::has_state(states));
    let unclaimed: Vec<&str> = stored.map(|(uid, _)| uid.as_str()).filter(|uid| !matches.contains_key(*uid)).collect();
    if !unclaimed.is_empty() && !allow_unclaimed {
        return Err(Failure::user(format!(
            "{place}: no operator of the job claims the state of {}; {}; give an operator the id of its state by the hint \
             STATE_ID in its query, or set execution.state-recovery.ignore-unclaimed-state to true to drop what is left",
            unclaimed.join(", "),
            described(operators, &matches)
        )));
    }
    let mut claimed = manifest.clone();
    claimed.identities = operators.identities.map(|identities| identities.version);
    claimed.operators.clear();
    for (uid, states) in &manifest.operators {
        if let Some(of) = matches.get(uid) {
            claimed.operators.insert(of.clone(), states.clone());
        }
    }
    Ok(claimed)
}

/// What of a snapshot the subtasks need that own these key groups, by operator uid: keyed state that has any of them, and all
/// lists, because every subtask is given the items of all.
pub fn share(
    manifest: &Manifest,
    key_groups: &BTreeMap<&str, Vec<RangeInclusive<u16>>>,
) -> BTreeMap<String, Vec<SubtaskState>> {
    let mut shares = BTreeMap::new();
    for (uid, states) in &manifest.operators {
        let Some(owned) = key_groups.get(uid.as_str()) else { continue };
        let states: Vec<_> = states.iter().filter_map(|state| share_of(state, owned)).collect();
        if !states.is_empty() {
            shares.insert(uid.clone(), states);
        }
    }
    shares
}

fn share_of(state: &SubtaskState, owned: &[RangeInclusive<u16>]) -> Option<SubtaskState> {
    let keyed = state.keyed.as_ref().filter(|keyed| {
        let overlaps = |range: &RangeInclusive<u16>| {
            !range.is_empty() && *range.start() <= keyed.last_key_group && *range.end() >= keyed.first_key_group
        };
        owned.iter().any(overlaps)
    });
    let share = SubtaskState { subtask: state.subtask, keyed: keyed.cloned(), lists: state.lists.clone() };
    (share.keyed.is_some() || !share.lists.is_empty()).then_some(share)
}

/// Which operators of the job match state, and which do not.
fn described(operators: &Operators<'_>, matches: &matching::Matches) -> String {
    let (with, without): (Vec<&str>, Vec<&str>) =
        operators.stateful().partition(|uid| matches.values().any(|matched| matched == uid));
    let list = |uids: Vec<&str>| if uids.is_empty() { "none".to_owned() } else { uids.join(", ") };
    format!("operators of the job with state in it: {}; without: {}", list(with), list(without))
}

fn kind(manifest: &Manifest) -> &'static str {
    match manifest.kind {
        crate::SnapshotKind::Checkpoint => "checkpoint",
        crate::SnapshotKind::Savepoint => "savepoint",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Item, KeyedState, SnapshotKind, StateFormat};

    fn manifest() -> Manifest {
        let with_state =
            SubtaskState { lists: [("offsets".to_owned(), vec![Item(vec![1])])].into(), ..SubtaskState::default() };
        Manifest {
            version: crate::manifest::VERSION,
            job_id: "j".to_owned(),
            job_name: "n".to_owned(),
            checkpoint_id: 4,
            epoch: 1,
            kind: SnapshotKind::Savepoint,
            triggered_ms: 0,
            max_parallelism: 128,
            parallelism: 2,
            rescaled: None,
            identities: None,
            operators: [
                ("source".to_owned(), vec![with_state.clone()]),
                ("agg".to_owned(), vec![with_state]),
                ("calc".to_owned(), vec![SubtaskState::default()]),
            ]
            .into(),
        }
    }

    fn named<'a>(uids: &[&'a str]) -> Operators<'a> {
        Operators { uids: uids.iter().copied().collect(), identities: None }
    }

    #[test]
    fn a_restore_is_all_or_an_error_that_names_what_is_left() {
        let (all, fewer) = (named(&["source", "agg", "new"]), named(&["source"]));
        let message = |result: Result<Manifest, Failure>| result.expect_err("refused").message;

        assert_eq!(plan(&manifest(), &all, None, false).expect("fits").operators.len(), 2);
        assert_eq!(plan(&manifest(), &all, Some(128), false).expect("fits").max_parallelism, 128);
        let refused = message(plan(&manifest(), &fewer, None, false));
        assert!(
            refused.contains("claims the state of agg; operators of the job with state in it: source; without: none")
        );
        let dropped = plan(&manifest(), &fewer, None, true).expect("allowed");
        assert_eq!(dropped.operators.keys().collect::<Vec<_>>(), ["source"]);
        assert!(message(plan(&manifest(), &all, Some(256), true)).contains("128 key groups"));
    }

    #[test]
    fn a_subtask_is_given_its_key_groups_and_all_lists() {
        let keyed = |first_key_group, last_key_group| {
            let format = StateFormat::SnapshotV1;
            Some(KeyedState { first_key_group, last_key_group, format, files: Vec::new() })
        };
        let state = |subtask, keyed, lists: &[&str]| {
            let lists = lists.iter().map(|&name| (name.to_owned(), vec![Item(vec![1])])).collect();
            SubtaskState { subtask, keyed, lists }
        };
        let agg = vec![state(0, keyed(0, 63), &[]), state(1, keyed(64, 127), &["time"])];
        let operators = [("agg".to_owned(), agg), ("source".to_owned(), vec![state(0, None, &["splits"])])].into();
        let manifest = Manifest { operators, ..manifest() };
        let shares = |key_groups: &[(&'static str, &[RangeInclusive<u16>])]| {
            let key_groups = key_groups.iter().map(|(uid, ranges)| (*uid, ranges.to_vec())).collect();
            let of = |(uid, states): (String, Vec<SubtaskState>)| {
                let state = |state: &SubtaskState| format!("{uid} {} {}", state.subtask, state.keyed.is_some());
                states.iter().map(state).collect::<Vec<_>>()
            };
            share(&manifest, &key_groups).into_iter().flat_map(of).collect::<Vec<_>>()
        };
        assert_eq!(shares(&[("agg", &[0..=31, 32..=63])]), ["agg 0 true", "agg 1 false"], "the lists of all");
        assert_eq!(shares(&[("agg", &[63..=64])]), ["agg 0 true", "agg 1 true"]);
        #[allow(clippy::reversed_empty_ranges, reason = "a subtask without key groups")]
        let none = 1..=0;
        assert_eq!(shares(&[("agg", &[none]), ("source", &[0..=127])]), ["agg 1 false", "source 0 false"]);
        assert_eq!(shares(&[("other", &[0..=127])]), [""; 0]);
    }

    #[test]
    fn ids_that_are_made_in_a_newer_way_are_refused() {
        let newer = Manifest { identities: Some(graph::identity::VERSION + 1), ..manifest() };
        let failure = plan(&newer, &named(&["source", "agg"]), None, true).expect_err("refused");
        assert!(failure.message.contains("operators' ids is newer"), "{failure}");
    }
}
