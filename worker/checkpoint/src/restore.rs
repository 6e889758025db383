//! What of a snapshot a job takes over: matching by operator uid, and the rules that protect against silent loss.

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::RangeInclusive,
};

use model::Failure;

use crate::{Manifest, SubtaskState};

/// Decides the restore of `manifest` by a job with these operators and returns what the tasks are given: the state
/// that is claimed. `max_parallelism` is what the user asked for, if anything; otherwise the snapshot's is taken over.
///
/// # Errors
/// Class `User` if state is left that no operator claims (unless `allow_unclaimed`), naming the uids, or if the number
/// of key groups would change.
pub fn plan(
    manifest: &Manifest,
    uids: &BTreeSet<&str>,
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
    let unclaimed = unclaimed(manifest, uids);
    if !unclaimed.is_empty() && !allow_unclaimed {
        return Err(Failure::user(format!(
            "{place}: no operator of the job claims the state of {}; set execution.state-recovery.ignore-unclaimed-state \
             to true to drop it",
            unclaimed.join(", ")
        )));
    }
    let mut claimed = manifest.clone();
    claimed.operators.retain(|uid, _| uids.contains(uid.as_str()));
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

/// The operators of the snapshot that have state and are not among `uids`.
pub fn unclaimed<'a>(manifest: &'a Manifest, uids: &BTreeSet<&str>) -> Vec<&'a str> {
    let has_state = |states: &[crate::SubtaskState]| {
        states.iter().any(|state| state.keyed.is_some() || state.lists.values().any(|items| !items.is_empty()))
    };
    manifest
        .operators
        .iter()
        .filter(|(uid, states)| !uids.contains(uid.as_str()) && has_state(states))
        .map(|(uid, _)| uid.as_str())
        .collect()
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
            operators: [
                ("source".to_owned(), vec![with_state.clone()]),
                ("agg".to_owned(), vec![with_state]),
                ("calc".to_owned(), vec![SubtaskState::default()]),
            ]
            .into(),
        }
    }

    #[test]
    fn a_restore_is_all_or_an_error_that_names_what_is_left() {
        let all = BTreeSet::from(["source", "agg", "new"]);
        let fewer = BTreeSet::from(["source"]);
        let message = |result: Result<Manifest, Failure>| result.expect_err("refused").message;

        assert_eq!(plan(&manifest(), &all, None, false).expect("fits").operators.len(), 2);
        assert_eq!(plan(&manifest(), &all, Some(128), false).expect("fits").max_parallelism, 128);
        assert!(message(plan(&manifest(), &fewer, None, false)).contains("claims the state of agg;"));
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
}
