//! Tables for each decision, and many owners over one simulated store.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

fn snapshot(id: u64) -> SnapshotRef {
    SnapshotRef { id, uri: format!("memory://b/job/chk-{id}-1"), kind: SnapshotKind::Checkpoint }
}

fn intent<'a>(owner: &'a str, restore: Option<&'a SnapshotRef>) -> Intent<'a> {
    Intent { job_id: "job", owner, restore, max_parallelism: 128 }
}

fn run(start: Start) -> Record {
    match start {
        Start::Run(record) => record,
        Start::Stay(record) => panic!("stays {record:?}"),
    }
}

#[test]
fn a_claim_takes_over_and_raises_the_epoch() {
    let first = run(claim(None, &intent("a", None)));
    assert_eq!((first.number, first.epoch, &first.checkpoint), (1, 1, &None));
    let (second, _) = commit(&first, snapshot(1), 128, 1);
    assert_eq!((second.number, second.epoch), (2, 1));
    let third = run(claim(Some(&second), &intent("b", None)));
    assert_eq!((third.number, third.epoch, third.owner.as_str(), third.checkpoint), (3, 2, "b", Some(snapshot(1))));
}

#[test]
fn a_restore_path_is_used_once() {
    let [s1, s2] = [71, 72].map(snapshot);
    let first = run(claim(None, &intent("a", Some(&s1))));
    assert_eq!(first.checkpoint, Some(s1.clone()));
    let (own, _) = commit(&first, snapshot(80), 128, 1);
    // The same arguments again: the pointer wins.
    assert_eq!(run(claim(Some(&own), &intent("b", Some(&s1)))).checkpoint, Some(snapshot(80)));
    // A new wish wins over the pointer, and the old one stays spent.
    let moved = run(claim(Some(&own), &intent("c", Some(&s2))));
    assert_eq!((moved.checkpoint.clone(), moved.retained.clone()), (Some(s2), vec![snapshot(80)]));
    let (later, _) = commit(&moved, snapshot(90), 128, 1);
    assert_eq!(run(claim(Some(&later), &intent("d", Some(&s1)))).checkpoint, Some(snapshot(90)));
}

#[test]
fn an_ended_job_stays_ended_unless_it_is_given_something_new() {
    let first = run(claim(None, &intent("a", None)));
    for state in [JobState::Finished, JobState::Canceled, JobState::Suspended { savepoint: "s".to_owned() }] {
        let ended = end(&first, state.clone());
        assert_eq!(claim(Some(&ended), &intent("b", None)), Start::Stay(ended.clone()));
        let resumed = run(claim(Some(&ended), &intent("b", Some(&snapshot(5)))));
        assert_eq!((resumed.state.clone(), resumed.checkpoint), (JobState::Running, Some(snapshot(5))));
    }
}

#[test]
fn a_commit_keeps_the_newest() {
    let mut record = run(claim(None, &intent("a", None)));
    let mut all_dropped = Vec::new();
    for id in 1..=5 {
        let (next, dropped) = commit(&record, snapshot(id), 128, 3);
        all_dropped.extend(dropped.into_iter().map(|snapshot| snapshot.id));
        record = next;
    }
    assert_eq!(record.checkpoint, Some(snapshot(5)));
    assert_eq!(record.retained, [snapshot(3), snapshot(4)]);
    assert_eq!(all_dropped, [1, 2]);
    assert_eq!(commit(&record, snapshot(6), 128, 0).0.retained, [], "zero keeps the one that is needed");
}

#[test]
fn the_outcome_of_a_create_is_read_from_the_store() {
    let base = run(claim(None, &intent("a", None)));
    let (attempt, _) = commit(&base, snapshot(1), 128, 1);
    let (given_up, _) = commit(&base, snapshot(9), 128, 1);
    let other = run(claim(Some(&base), &intent("b", None)));
    let above = run(claim(Some(&attempt), &intent("b", None)));
    let cases = [
        (None, Resolution::Absent),
        (Some(&base), Resolution::Absent),
        (Some(&attempt), Resolution::Ours),
        (Some(&given_up), Resolution::Earlier(given_up.clone())),
        (Some(&other), Resolution::Fenced(other.clone())),
        (Some(&above), Resolution::Fenced(above.clone())),
    ];
    for (latest, expected) in cases {
        assert_eq!(resolve(&attempt, latest), expected, "{latest:?}");
    }
    // The base of a claim belongs to another owner and is below the attempt.
    assert_eq!(resolve(&other, Some(&base)), Resolution::Absent);
}

#[test]
fn the_last_records_stay() {
    assert_eq!(obsolete(vec![7, 3, 5, 4, 6]), [3, 4]);
    assert_eq!(obsolete(vec![1, 2]), Vec::<u64>::new());
}

/// A process in the simulation: what it holds, and how far it is in a write.
#[derive(Clone, Debug, Default)]
struct Owner {
    name: String,
    mine: Option<Record>,
    base: Option<Record>,
    writing: Option<Record>,
    fenced: bool,
}

#[derive(Default)]
struct World {
    store: BTreeMap<u64, Record>,
    /// Confirmed commits in the order of confirmation.
    confirmed: Vec<Record>,
    /// Creates on their way that will land late.
    late: Vec<Record>,
    highest_epoch_claimed: u64,
}

impl World {
    fn latest(&self) -> Option<&Record> {
        self.store.values().next_back()
    }

    fn create(&mut self, record: &Record) {
        self.store.entry(record.number).or_insert_with(|| record.clone());
    }

    /// One step of an owner; the arguments choose among what it may do.
    fn step(&mut self, owner: &mut Owner, unknown: u8, id: u64) {
        if owner.fenced {
            return;
        }
        if let Some(attempt) = owner.writing.clone() {
            return self.resolve(owner, attempt);
        }
        let record = match (&owner.mine, &owner.base) {
            (Some(mine), _) => commit(mine, snapshot(id), 128, 1).0,
            (None, None) => {
                owner.base = self.latest().cloned();
                run(claim(owner.base.as_ref(), &intent(&owner.name, None)))
            }
            (None, Some(base)) => run(claim(Some(base), &intent(&owner.name, None))),
        };
        match unknown {
            0 => self.late.push(record.clone()),
            1 => {}
            _ => self.create(&record),
        }
        owner.writing = Some(record);
    }

    fn resolve(&mut self, owner: &mut Owner, attempt: Record) {
        owner.writing = None;
        match resolve(&attempt, self.latest()) {
            Resolution::Ours if owner.mine.is_none() => {
                self.highest_epoch_claimed = self.highest_epoch_claimed.max(attempt.epoch);
                owner.mine = Some(attempt);
            }
            Resolution::Ours => {
                assert!(attempt.epoch >= self.highest_epoch_claimed, "a fenced owner committed {attempt:?}");
                self.confirmed.push(attempt.clone());
                owner.mine = Some(attempt);
            }
            // Given up here: the next write starts from what it holds.
            Resolution::Absent => owner.base = None,
            Resolution::Earlier(record) => owner.mine = Some(record),
            Resolution::Fenced(record) if owner.mine.is_none() => owner.base = Some(record),
            Resolution::Fenced(_) => owner.fenced = true,
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]
    #[test]
    fn two_owners_never_both_commit(steps in proptest::collection::vec((0u8..3, 0u8..8, 0u8..4), 1..120)) {
        let mut world = World::default();
        let mut owners = ["a", "b", "c"].map(|name| Owner { name: name.to_owned(), ..Owner::default() });
        for (at, (who, unknown, extra)) in steps.into_iter().enumerate() {
            match extra {
                0 => {
                    let numbers = obsolete(world.store.keys().copied().collect());
                    numbers.iter().for_each(|number| drop(world.store.remove(number)));
                }
                1 => if let Some(record) = world.late.pop() { world.create(&record) },
                _ => {}
            }
            world.step(&mut owners[usize::from(who)], unknown, at as u64);
        }
        // What was confirmed forms one line: numbers rise, epochs never fall, each number has one owner.
        for pair in world.confirmed.windows(2) {
            prop_assert!(pair[0].number < pair[1].number, "{pair:?}");
            prop_assert!(pair[0].epoch <= pair[1].epoch, "{pair:?}");
        }
        let mut owner_of_epoch = BTreeMap::new();
        for record in &world.confirmed {
            let owner = owner_of_epoch.entry(record.epoch).or_insert(&record.owner);
            prop_assert_eq!(&*owner, &&record.owner);
        }
    }
}
