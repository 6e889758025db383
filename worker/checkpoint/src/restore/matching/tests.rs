//! State goes to the operator that it is of, or to none.

use graph::Former;

use super::*;
use crate::{Item, KeyedState, SnapshotKind, StateFile, StateFormat};

fn state(signature: &str, crc32: u32) -> SubtaskState {
    let file = StateFile { name: "a".to_owned(), uri: "memory://a".to_owned(), size: 9, crc32 };
    let keyed =
        KeyedState { first_key_group: 0, last_key_group: 127, format: StateFormat::SnapshotV1, files: vec![file] };
    let lists = [("signature".to_owned(), vec![Item(signature.as_bytes().to_vec())])].into();
    SubtaskState { subtask: 0, keyed: Some(keyed), lists }
}

/// A snapshot with these operators, each with a signature and a checksum of its state.
fn manifest(identities: Option<u32>, operators: &[(&str, &str, u32)]) -> Manifest {
    let operators = operators.iter().map(|(uid, signature, crc32)| ((*uid).to_owned(), vec![state(signature, *crc32)]));
    Manifest {
        version: 1,
        job_id: "j".to_owned(),
        job_name: "n".to_owned(),
        checkpoint_id: 4,
        epoch: 1,
        kind: SnapshotKind::Savepoint,
        triggered_ms: 0,
        max_parallelism: 128,
        parallelism: 1,
        rescaled: None,
        identities,
        operators: operators.collect(),
    }
}

/// A job of operators with uid, derived uid, former kind and former uid.
fn job(operators: &[(&str, &str, &str, &str)]) -> Identities {
    let operators = operators.iter().map(|(uid, derived, kind, former)| {
        let former = Former { kind: (*kind).to_owned(), uid: (*former).to_owned() };
        ((*uid).to_owned(), Identity { derived: (*derived).to_owned(), keeps_state: true, former })
    });
    Identities { version: 1, operators: operators.collect() }
}

fn matched(manifest: &Manifest, identities: &Identities) -> Result<Vec<String>, String> {
    let uids = identities.operators.keys().map(String::as_str).collect();
    let found = matches(manifest, &Operators { uids, identities: Some(identities) });
    let found = found.map_err(|failure| failure.message)?;
    Ok(found.into_iter().map(|(stored, uid)| format!("{stored} to {uid}")).collect())
}

#[test]
fn operators_match_by_what_they_compute() {
    let manifest = manifest(Some(1), &[("agg-a", "sum", 1), ("agg-b", "sum", 2)]);
    let swapped = job(&[("agg-b", "agg-b", "agg", "agg-1"), ("agg-a", "agg-a", "agg", "agg-2")]);
    assert_eq!(matched(&manifest, &swapped).unwrap(), ["agg-a to agg-a", "agg-b to agg-b"]);
    let other = job(&[("agg-c", "agg-c", "agg", "agg-1")]);
    assert_eq!(matched(&manifest, &other).unwrap(), Vec::<String>::new());
}

#[test]
fn an_operator_that_was_given_an_id_since_keeps_its_state() {
    let manifest = manifest(Some(1), &[("agg-a", "sum", 1)]);
    let pinned = job(&[("orders", "agg-a", "agg", "agg-1")]);
    assert_eq!(matched(&manifest, &pinned).unwrap(), ["agg-a to orders"]);
    // What was given away is not matched twice.
    let both = job(&[("orders", "agg-a", "agg", "agg-1"), ("agg-a", "agg-x", "agg", "agg-2")]);
    assert_eq!(matched(&manifest, &both).unwrap(), ["agg-a to agg-a"]);
}

#[test]
fn positions_count_where_they_leave_no_doubt() {
    let two = job(&[("agg-a", "agg-a", "agg", "agg-1"), ("agg-b", "agg-b", "agg", "agg-2")]);
    let unlike = manifest(None, &[("agg-1", "sum", 1), ("agg-2", "count", 2)]);
    assert_eq!(matched(&unlike, &two).unwrap(), ["agg-1 to agg-a", "agg-2 to agg-b"]);
    let equal = manifest(None, &[("agg-1", "sum", 1), ("agg-2", "sum", 1)]);
    assert_eq!(matched(&equal, &two).unwrap(), ["agg-1 to agg-a", "agg-2 to agg-b"]);
}

#[test]
fn positions_are_refused_where_operators_may_have_changed_places() {
    let two = job(&[("agg-a", "agg-a", "agg", "agg-1"), ("agg-b", "agg-b", "agg", "agg-2")]);
    let alike = manifest(None, &[("agg-1", "sum", 1), ("agg-2", "sum", 2)]);
    let refused = matched(&alike, &two).unwrap_err();
    assert!(refused.contains("the state of agg-1, agg-2: they may have changed places"), "{refused}");
    // One more may stand before the others.
    let one = manifest(None, &[("agg-1", "sum", 1)]);
    assert!(matched(&one, &two).is_err());
    let fewer = job(&[("agg-a", "agg-a", "agg", "agg-1")]);
    assert!(matched(&alike, &fewer).is_err());
    // The user has said which is which.
    let pinned = job(&[("agg-2", "agg-a", "agg", "agg-1"), ("agg-1", "agg-b", "agg", "agg-2")]);
    assert_eq!(matched(&alike, &pinned).unwrap(), ["agg-1 to agg-1", "agg-2 to agg-2"]);
}

#[test]
fn tables_keep_what_is_theirs_though_their_names_end_in_numbers() {
    let tables = job(&[
        ("source-t-x", "source-t-x", "source-t", "source-t"),
        ("source-t-2-x", "source-t-2-x", "source-t-2", "source-t-2"),
    ]);
    let manifest = manifest(None, &[("source-t", "", 1), ("source-t-2", "", 2)]);
    assert_eq!(matched(&manifest, &tables).unwrap(), ["source-t to source-t-x", "source-t-2 to source-t-2-x"]);
}

#[test]
fn what_is_to_be_committed_is_so_by_any_of_them() {
    let sinks = job(&[("sink-o-x", "sink-o-x", "sink-o", "sink-o"), ("sink-o-y", "sink-o-y", "sink-o", "sink-o-2")]);
    let mut manifest = manifest(None, &[("sink-o", "", 1), ("sink-o-2", "", 2)]);
    for states in manifest.operators.values_mut() {
        let lists = [("committables".to_owned(), vec![Item(b"{}".to_vec())])].into();
        *states = vec![SubtaskState { subtask: 0, keyed: None, lists }];
    }
    assert_eq!(matched(&manifest, &sinks).unwrap(), ["sink-o to sink-o-x", "sink-o-2 to sink-o-y"]);
}
