//! The sessions of keys: windows that rows close to each other share, until no row has come for the gap.
//!
//! A key's sessions are kept as a list; what an operator keeps for each is in the slot (the namespace) that the list
//! gives it, so that merging two sessions merges what two slots of one key have. When to look at a key again is kept by
//! time: a timer stays where it was put though its session grows, and is put further on when it fires.

#![expect(
    clippy::cast_possible_truncation,
    reason = "positions are bounded by a batch; hashes and times are reinterpreted bit by bit"
)]

mod arrival;
#[cfg(test)]
mod frozen;
mod stored;

use std::collections::{BTreeMap, BTreeSet};

use dataflow::{OpenContext, Snapshot};
use model::{EventTime, Failure, row::Rows};
use state::{EntryId, Table};

use self::stored::{Sessions, Timer};
pub(crate) use self::{
    arrival::{Arrived, SessionInput},
    stored::Session,
};
use crate::{
    grouping::Groups,
    restored::{put_watermark, restored_watermark},
};

/// Timers are kept in at most so many groups for each gap, but not longer apart than a second.
const TIMERS_IN_A_GAP: i64 = 256;
const TIMERS_APART_MS: i64 = 1000;

/// The sessions of all keys of a subtask that are open.
pub(crate) struct OpenSessions {
    gap: i64,
    sessions: Table<Sessions>,
    /// Keys by the time until which one of their sessions ends.
    timers: Table<Timer>,
    watermark: EventTime,
    /// The earliest timer.
    next_timer: Option<EventTime>,
    firing: Firing,
}

/// What is still to be done for the current watermark.
#[derive(Default)]
struct Firing {
    /// The timers that are due.
    due: BTreeSet<EventTime>,
    /// Keys that are looked at again later, by timer.
    again: BTreeMap<EventTime, Rows>,
}

/// The sessions that the rows of a batch belong to.
#[derive(Default)]
pub(crate) struct Assignment {
    found: Vec<Found>,
    /// The position in `found` for each row; none for late rows.
    pub(crate) of_row: Vec<Option<u32>>,
    /// Slots whose content goes into others: group, from, to. In order.
    pub(crate) merges: Vec<(u32, u32, u32)>,
    /// Number of late rows.
    pub(crate) late: usize,
}

struct Found {
    /// The group of rows, one for each key.
    group: u32,
    slot: u32,
    /// Whether the slot has content.
    stored: bool,
    /// The position of the session it became part of.
    into: Option<u32>,
}

/// The sessions that rows go into.
pub(crate) struct Touched {
    /// Slot and group of each, ordered by slot.
    pub(crate) sessions: Vec<(u32, u32)>,
    /// The position in `sessions` for each row that is not late.
    pub(crate) of_row: Vec<u32>,
}

/// Keys, and those of their sessions that have ended: each with the position of its key.
pub(crate) type Ended = (Rows, Vec<(Session, u32)>);

impl Assignment {
    /// The sessions that rows are in once they are merged.
    pub(crate) fn touched(&self) -> Touched {
        let session_of = |mut position: u32| {
            while let Some(into) = self.found[position as usize].into {
                position = into;
            }
            position
        };
        let of_row: Vec<u32> = self.of_row.iter().flatten().map(|&position| session_of(position)).collect();
        let mut touched = of_row.clone();
        touched.sort_unstable_by_key(|&position| (self.found[position as usize].slot, position));
        touched.dedup();
        let mut number = vec![0_u32; self.found.len()];
        for (index, &position) in touched.iter().enumerate() {
            number[position as usize] = index as u32;
        }
        let found = touched.into_iter().map(|position| &self.found[position as usize]);
        Touched {
            sessions: found.map(|found| (found.slot, found.group)).collect(),
            of_row: of_row.into_iter().map(|position| number[position as usize]).collect(),
        }
    }
}

impl OpenSessions {
    /// What is open, of the snapshot or none; `gap` in milliseconds.
    pub(crate) fn new(gap: i64, context: &mut OpenContext) -> Result<Self, Failure> {
        if gap <= 0 {
            return Err(Failure::user(format!("the gap of a session ({gap} ms) must be positive")));
        }
        let timers: Table<Timer> = context.keyed.table("timers-v1")?;
        Ok(Self {
            gap,
            sessions: context.keyed.table("sessions-v1")?,
            next_timer: timers.namespaces().first().copied(),
            timers,
            watermark: restored_watermark(context)?,
            firing: Firing::default(),
        })
    }

    /// How far time has come.
    pub(crate) fn watermark(&self) -> EventTime {
        self.watermark
    }

    /// When a key must be looked at next.
    pub(crate) fn next_timer(&self) -> Option<EventTime> {
        self.next_timer
    }

    /// Puts what is open into a snapshot.
    pub(crate) fn snapshot(&mut self, snapshot: &mut Snapshot) -> Result<(), Failure> {
        put_watermark(self.watermark, snapshot);
        snapshot.table(&mut self.sessions)?;
        snapshot.table(&mut self.timers)
    }

    /// Puts rows into sessions, in order of arrival. `groups` are the rows of each key.
    pub(crate) fn assign(&mut self, times: &[EventTime], keys: &Rows, groups: &Groups) -> Result<Assignment, Failure> {
        let mut entries = Vec::with_capacity(groups.first_rows.len());
        self.sessions.hydrate(0, keys, Some(&groups.first_rows), &mut entries)?;
        let list = |&entry: &EntryId| self.sessions.get(entry).cloned().unwrap_or_default();
        let mut lists: Vec<Sessions> = entries.iter().map(list).collect();
        let assignment = self.find(times, groups, &mut lists);
        self.store_lists(lists, &entries, keys, groups)?;
        Ok(assignment)
    }

    /// How far timers are apart.
    fn timers_apart(&self) -> i64 {
        (self.gap / TIMERS_IN_A_GAP).clamp(1, TIMERS_APART_MS)
    }

    /// The timer for the end of a session: not before it, and less than [`Self::timers_apart`] after.
    fn timer_for(&self, end: EventTime) -> EventTime {
        let apart = self.timers_apart();
        end.saturating_add((-end).rem_euclid(apart))
    }

    fn first_timer(&self, sessions: &[Session]) -> Option<EventTime> {
        sessions.iter().map(|session| session.end).min().map(|end| self.timer_for(end))
    }

    /// Finds the session of each row in the lists of the keys; `lists` has one for each group.
    fn find(&self, times: &[EventTime], groups: &Groups, lists: &mut [Sessions]) -> Assignment {
        let mut assignment = Assignment::default();
        let mut positions: Vec<Vec<u32>> = Vec::with_capacity(lists.len());
        for (group, list) in lists.iter().enumerate() {
            let first = assignment.found.len() as u32;
            positions.push((first..).take(list.all.len()).collect());
            assignment.found.extend(list.all.iter().map(|session| Found {
                group: group as u32,
                slot: session.slot,
                stored: true,
                into: None,
            }));
        }
        for (row, &group) in groups.of_row.iter().enumerate() {
            let (list, positions) = (&mut lists[group as usize].all, &mut positions[group as usize]);
            let position = self.assign_row(times[row], group, list, positions, &mut assignment);
            assignment.late += usize::from(position.is_none());
            assignment.of_row.push(position);
        }
        assignment
    }

    /// The position of the row's session; none if it is late.
    fn assign_row(
        &self,
        start: EventTime,
        group: u32,
        list: &mut Vec<Session>,
        positions: &mut Vec<u32>,
        assignment: &mut Assignment,
    ) -> Option<u32> {
        let end = start.saturating_add(self.gap);
        let touches = |session: &Session| session.start <= end && session.end >= start;
        let Some(kept) = list.iter().position(touches) else {
            if end.wrapping_sub(1) <= self.watermark {
                return None;
            }
            let slot = (0..).find(|slot| list.iter().all(|session| session.slot != *slot)).unwrap_or_default();
            let position = assignment.found.len() as u32;
            list.push(Session { start, end, slot });
            positions.push(position);
            assignment.found.push(Found { group, slot, stored: false, into: None });
            return Some(position);
        };
        list[kept] = Session { start: list[kept].start.min(start), end: list[kept].end.max(end), ..list[kept] };
        // A row may stand between sessions that are one from now on.
        while let Some(other) = (kept + 1..list.len()).find(|&other| touches(&list[other])) {
            let (absorbed, position) = (list.remove(other), positions.remove(other));
            list[kept].start = list[kept].start.min(absorbed.start);
            list[kept].end = list[kept].end.max(absorbed.end);
            if assignment.found[position as usize].stored {
                assignment.merges.push((group, absorbed.slot, list[kept].slot));
                assignment.found[positions[kept] as usize].stored = true;
            }
            assignment.found[position as usize].into = Some(positions[kept]);
        }
        Some(positions[kept])
    }

    /// Stores the lists of the keys, and sets timers for those that need an earlier one.
    fn store_lists(
        &mut self,
        lists: Vec<Sessions>,
        entries: &[EntryId],
        keys: &Rows,
        groups: &Groups,
    ) -> Result<(), Failure> {
        let mut timers: BTreeMap<EventTime, Vec<u32>> = BTreeMap::new();
        for (group, mut list) in lists.into_iter().enumerate() {
            let timer = self.first_timer(&list.all);
            if let Some(timer) = timer.filter(|timer| list.timer.is_none_or(|set| *timer < set)) {
                list.timer = Some(timer);
                timers.entry(timer).or_default().push(groups.first_rows[group]);
            }
            *self.sessions.get_mut(entries[group]) = (!list.all.is_empty()).then_some(list);
        }
        self.sessions.end_batch()?;
        for (timer, rows) in timers {
            self.set_timers(timer, keys, Some(&rows))?;
        }
        Ok(())
    }

    fn set_timers(&mut self, timer: EventTime, keys: &Rows, rows: Option<&[u32]>) -> Result<(), Failure> {
        let mut entries = Vec::new();
        self.timers.hydrate(timer, keys, rows, &mut entries)?;
        entries.into_iter().for_each(|entry| *self.timers.get_mut(entry) = Some(Timer));
        self.next_timer = Some(self.next_timer.map_or(timer, |next| next.min(timer)));
        self.timers.end_batch()
    }

    /// Time has come this far; whether that is further than before.
    pub(crate) fn advance(&mut self, watermark: EventTime) -> bool {
        if watermark <= self.watermark {
            return false;
        }
        self.watermark = watermark;
        // A session that ends first among those of a timer may be due though the timer's time has not come.
        let earliest = |timer: &EventTime| timer.saturating_sub(self.timers_apart());
        self.firing.due = self.timers.namespaces().into_iter().filter(|timer| earliest(timer) <= watermark).collect();
        true
    }

    /// Takes the ended sessions of some keys, `keys_max` at most, out of the lists; none when there are no more.
    pub(crate) fn take_ended(&mut self, keys_max: usize) -> Result<Option<Ended>, Failure> {
        if self.firing.due.is_empty() {
            // Not before: the timer may be one of those that were due.
            for (timer, keys) in std::mem::take(&mut self.firing.again) {
                self.set_timers(timer, &keys, None)?;
            }
            self.next_timer = self.timers.namespaces().first().copied();
            return Ok(None);
        }
        let (mut keys, mut timers) = (Rows::default(), Vec::new());
        while let Some(&timer) = self.firing.due.first().filter(|_| keys.len() < keys_max) {
            let rows = keys_max - keys.len();
            let more = self.timers.drain(timer, rows, &mut |key, _| {
                keys.push(key);
                timers.push(timer);
            })?;
            if !more {
                self.firing.due.remove(&timer);
            }
        }
        let ended = self.ended_of(&timers, &keys)?;
        Ok(Some((keys, ended)))
    }

    /// The ended sessions of keys, ordered by slot; `timers` has the timer of each key.
    fn ended_of(&mut self, timers: &[EventTime], keys: &Rows) -> Result<Vec<(Session, u32)>, Failure> {
        let mut entries = Vec::with_capacity(keys.len());
        self.sessions.hydrate(0, keys, None, &mut entries)?;
        let mut ended: Vec<(Session, u32)> = Vec::new();
        for (row, &entry) in entries.iter().enumerate() {
            // A key whose timer is another one has been looked at before, or will be.
            let Some(mut list) = self.sessions.get(entry).filter(|list| list.timer == Some(timers[row])).cloned()
            else {
                continue;
            };
            let watermark = self.watermark;
            let of_key = list.all.extract_if(.., |session| session.end - 1 <= watermark);
            ended.extend(of_key.map(|found| (found, row as u32)));
            list.timer = self.first_timer(&list.all);
            if let Some(timer) = list.timer {
                self.firing.again.entry(timer).or_default().push(keys.row(row));
            }
            *self.sessions.get_mut(entry) = (!list.all.is_empty()).then_some(list);
        }
        self.sessions.end_batch()?;
        ended.sort_unstable_by_key(|(session, row)| (session.slot, *row, session.end));
        Ok(ended)
    }
}
