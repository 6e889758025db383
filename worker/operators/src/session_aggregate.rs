//! Aggregation in session windows: for each key, windows that rows close to each other share. Emits each once, when
//! time passes its end.
//!
//! A key's sessions are kept as a list; the accumulators of each are in the slot (the namespace) that the list gives
//! it, so that merging two sessions merges two accumulators of one key. When to look at a key again is kept by time:
//! a timer stays where it was put though its session grows, and is put further on when it fires.

mod sessions;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use arrow::array::{ArrayRef, BooleanArray, UInt32Array};
use dataflow::{Clock, Flow, OpenContext, Operator, Output, Snapshot};
use graph::{Node, operator::WindowAggregateSpec};
use model::{
    Batch, EventTime, Failure, Schema, Watermark,
    batch::ROWS_TARGET,
    row::{self, Rows},
};
use state::{EntryId, Table};

use self::sessions::{Session, Sessions, Timer};
use crate::{
    accumulator::{self, AccumulatorTable, Layout, Lifetime, Work},
    group_aggregate::{InputColumns, take_all},
    grouping::{Grouper, Groups},
    signature::Signature,
    window::timed,
    window_aggregate::{put_watermark, restored_watermark},
    window_output::WindowOutput,
};

/// Timers are kept in at most so many groups for each gap, but not longer apart than a second.
const TIMERS_IN_A_GAP: i64 = 256;
const TIMERS_APART_MS: i64 = 1000;

pub(crate) struct SessionAggregate {
    columns: InputColumns,
    layout: Layout,
    gap: i64,
    sessions: Table<Sessions>,
    /// By slot.
    accumulators: Box<dyn AccumulatorTable>,
    /// Keys by the time until which one of their sessions ends.
    timers: Table<Timer>,
    signature: Signature,
    output: WindowOutput,
    grouper: Grouper,
    watermark: EventTime,
    /// With processing time: the clock.
    clock: Option<Arc<dyn Clock>>,
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
struct Assignment {
    found: Vec<Found>,
    /// The position in `found` for each row; none for late rows.
    of_row: Vec<Option<u32>>,
    /// Slots whose accumulators go into others: group, from, to. In order.
    merges: Vec<(u32, u32, u32)>,
    late: usize,
}

struct Found {
    /// The group of rows, one for each key.
    group: u32,
    slot: u32,
    /// Whether the slot has accumulators.
    stored: bool,
    /// The position of the session it became part of.
    into: Option<u32>,
}

impl SessionAggregate {
    pub(crate) fn new(
        spec: &WindowAggregateSpec,
        gap: i64,
        node: &Node,
        input: &Schema,
        context: &mut OpenContext,
    ) -> Result<Self, Failure> {
        if gap <= 0 {
            return Err(Failure::user(format!("the gap of a session ({gap} ms) must be positive")));
        }
        let columns = InputColumns::new(&spec.keys, &spec.aggregates, Some(spec.time), input)?;
        let output = WindowOutput::new(spec, &columns, node)?;
        let layout = Layout::new(&columns.aggregates, &columns.schema, !spec.input.is_append(), false)?;
        let signature = format!("{} in {:?}", columns.signature(&layout), spec.window);
        let timers: Table<Timer> = context.keyed.table("timers-v1")?;
        Ok(Self {
            output,
            columns,
            gap,
            signature: Signature::new(signature, context)?,
            sessions: context.keyed.table("sessions-v1")?,
            accumulators: accumulator::open(&layout, "accumulators-v1", Lifetime::Window, context)?,
            next_timer: timers.namespaces().first().copied(),
            timers,
            layout,
            grouper: Grouper::default(),
            watermark: restored_watermark(context)?,
            clock: spec.processing.then(|| Arc::clone(&context.clock)),
            firing: Firing::default(),
        })
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

    /// Finds the session of each row, in order of arrival, in the lists of the keys; `lists` has one for each group.
    fn assign(&self, times: &[EventTime], groups: &Groups, lists: &mut [Sessions]) -> Assignment {
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

    /// Adds the accumulators of slots to those of others.
    fn merge(&mut self, merges: &[(u32, u32, u32)], keys: &Rows, groups: &Groups) -> Result<(), Failure> {
        for &(group, from, to) in merges {
            let key = [groups.first_rows[group as usize]];
            let (mut absorbed, mut kept) = (Work::default(), Work::default());
            self.accumulators.load(&self.layout, i64::from(from), keys, Some(&key), &mut absorbed)?;
            let accumulators = absorbed.take();
            self.accumulators.store(&self.layout, &mut absorbed)?;
            self.accumulators.load(&self.layout, i64::from(to), keys, Some(&key), &mut kept)?;
            self.layout.merge(&accumulators, &mut kept);
            self.accumulators.store(&self.layout, &mut kept)?;
        }
        Ok(())
    }

    /// Folds rows into the accumulators of their sessions.
    fn fold(&mut self, batch: &Batch, assignment: &Assignment, keys: &Rows, groups: &Groups) -> Result<(), Failure> {
        let session_of = |mut position: u32| {
            while let Some(into) = assignment.found[position as usize].into {
                position = into;
            }
            position
        };
        let of_row: Vec<u32> = assignment.of_row.iter().flatten().map(|&position| session_of(position)).collect();
        let mut touched = of_row.clone();
        touched.sort_unstable_by_key(|&position| (assignment.found[position as usize].slot, position));
        touched.dedup();
        if touched.is_empty() {
            return Ok(());
        }
        let mut group_of = vec![0_u32; assignment.found.len()];
        let mut work = Work::default();
        let same_slot =
            |left: &u32, right: &u32| assignment.found[*left as usize].slot == assignment.found[*right as usize].slot;
        let mut next = 0;
        for part in touched.chunk_by(same_slot) {
            let slot = assignment.found[part[0] as usize].slot;
            let rows: Vec<u32> = part
                .iter()
                .map(|&position| groups.first_rows[assignment.found[position as usize].group as usize])
                .collect();
            self.accumulators.load(&self.layout, i64::from(slot), keys, Some(&rows), &mut work)?;
            for &position in part {
                group_of[position as usize] = next;
                next += 1;
            }
        }
        let of_row: Vec<u32> = of_row.into_iter().map(|position| group_of[position as usize]).collect();
        if assignment.late == 0 {
            self.layout.fold(batch.columns(), batch.kinds(), &of_row, &mut work)?;
        } else {
            let kept: BooleanArray = assignment.of_row.iter().map(|position| Some(position.is_some())).collect();
            let batch = batch.filter(&kept)?;
            self.layout.fold(batch.columns(), batch.kinds(), &of_row, &mut work)?;
        }
        self.accumulators.store(&self.layout, &mut work)
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

    /// Time has come this far.
    fn advance(&mut self, watermark: EventTime, output: &mut Output) -> Result<Flow, Failure> {
        if watermark <= self.watermark {
            return Ok(Flow::Done);
        }
        self.watermark = watermark;
        // A session that ends first among those of a timer may be due though the timer's time has not come.
        let earliest = |timer: &EventTime| timer.saturating_sub(self.timers_apart());
        self.firing.due = self.timers.namespaces().into_iter().filter(|timer| earliest(timer) <= watermark).collect();
        self.fire(output)
    }

    /// Fires what is due until the output is full.
    fn fire(&mut self, output: &mut Output) -> Result<Flow, Failure> {
        while !self.firing.due.is_empty() {
            if output.is_full() {
                return Ok(Flow::More);
            }
            let (mut keys, mut timers) = (Rows::default(), Vec::new());
            while let Some(&timer) = self.firing.due.first().filter(|_| keys.len() < ROWS_TARGET) {
                let rows = ROWS_TARGET - keys.len();
                let more = self.timers.drain(timer, rows, &mut |key, _| {
                    keys.push(key);
                    timers.push(timer);
                })?;
                if !more {
                    self.firing.due.remove(&timer);
                }
            }
            self.fire_keys(&timers, &keys, output)?;
        }
        // Not before: the timer may be one of those that were due.
        for (timer, keys) in std::mem::take(&mut self.firing.again) {
            self.set_timers(timer, &keys, None)?;
        }
        self.next_timer = self.timers.namespaces().first().copied();
        Ok(Flow::Done)
    }

    /// Emits those sessions of keys that are due; `timers` has the timer of each key.
    fn fire_keys(&mut self, timers: &[EventTime], keys: &Rows, output: &mut Output) -> Result<(), Failure> {
        let mut entries = Vec::with_capacity(keys.len());
        self.sessions.hydrate(0, keys, None, &mut entries)?;
        let mut due: Vec<(Session, u32)> = Vec::new();
        for (row, &entry) in entries.iter().enumerate() {
            // A key whose timer is another one has been looked at before, or will be.
            let Some(mut list) = self.sessions.get(entry).filter(|list| list.timer == Some(timers[row])).cloned()
            else {
                continue;
            };
            let watermark = self.watermark;
            due.extend(
                list.all.extract_if(.., |session| session.end - 1 <= watermark).map(|found| (found, row as u32)),
            );
            list.timer = self.first_timer(&list.all);
            if let Some(timer) = list.timer {
                self.firing.again.entry(timer).or_default().push(keys.row(row));
            }
            *self.sessions.get_mut(entry) = (!list.all.is_empty()).then_some(list);
        }
        self.sessions.end_batch()?;
        due.sort_unstable_by_key(|(session, row)| (session.slot, *row, session.end));
        self.emit(&due, keys, output)
    }

    /// Emits sessions, ordered by slot here and by end in the output, and forgets them.
    fn emit(&mut self, due: &[(Session, u32)], keys: &Rows, output: &mut Output) -> Result<(), Failure> {
        if due.is_empty() {
            return Ok(());
        }
        let mut work = Work::default();
        for part in due.chunk_by(|(left, _), (right, _)| left.slot == right.slot) {
            let rows: Vec<u32> = part.iter().map(|(_, row)| *row).collect();
            self.accumulators.load(&self.layout, i64::from(part[0].0.slot), keys, Some(&rows), &mut work)?;
        }
        // A session whose rows were all retracted has nothing to tell.
        let mut order: Vec<u32> = (0..due.len() as u32).filter(|&index| work.existed[index as usize]).collect();
        order.sort_by_key(|&index| due[index as usize].0.end);
        let results = self.layout.results(&self.layout.image(&work)?)?;
        work.forget();
        self.accumulators.store(&self.layout, &mut work)?;
        if order.is_empty() {
            return Ok(());
        }
        let fired: Vec<&(Session, u32)> = order.iter().map(|&index| &due[index as usize]).collect();
        let found_keys = fired.iter().map(|(_, row)| keys.row(*row as usize));
        let results = take_all(&results, &UInt32Array::from(order.clone()))?;
        let windows = fired.iter().map(|(session, _)| (session.start, session.end));
        self.output.emit(found_keys, results, windows, output)
    }
}

impl Operator for SessionAggregate {
    fn process(&mut self, _port: usize, batch: Batch, output: &mut Output) -> Result<Flow, Failure> {
        let mut whole = batch.clone();
        let batch = self.columns.narrow(batch)?;
        let (batch, row_times) = match &self.clock {
            // A clock that was set back stands still meanwhile.
            Some(clock) => {
                let now = clock.now_ms().max(self.watermark.saturating_add(1));
                let times = vec![now; batch.rows()].into();
                (batch, times)
            }
            None => timed(batch, &mut whole, self.columns.time, output)?,
        };
        if batch.is_empty() {
            return Ok(Flow::Done);
        }
        let columns: Vec<ArrayRef> = self.columns.keys.iter().map(|&key| Arc::clone(batch.column(key))).collect();
        let keys = row::encode(&columns, batch.rows())?;
        let groups = self.grouper.group(&keys);
        let mut entries = Vec::with_capacity(groups.first_rows.len());
        self.sessions.hydrate(0, &keys, Some(&groups.first_rows), &mut entries)?;
        let mut lists: Vec<Sessions> =
            entries.iter().map(|&entry| self.sessions.get(entry).cloned().unwrap_or_default()).collect();
        let assignment = self.assign(&row_times, &groups, &mut lists);
        output.drop_late(assignment.late as u64, || {
            whole.filter(&assignment.of_row.iter().map(|position| Some(position.is_none())).collect())
        })?;
        self.merge(&assignment.merges, &keys, &groups)?;
        self.fold(&batch, &assignment, &keys, &groups)?;
        self.store_lists(lists, &entries, &keys, &groups)?;
        Ok(Flow::Done)
    }

    fn resume(&mut self, output: &mut Output) -> Result<Flow, Failure> {
        self.fire(output)
    }

    fn watermark(&mut self, watermark: Watermark, output: &mut Output) -> Result<Flow, Failure> {
        if self.clock.is_some() {
            return Ok(Flow::Done);
        }
        self.advance(watermark.0, output)
    }

    fn timer(&self) -> Option<i64> {
        self.clock.as_ref().and(self.next_timer)
    }

    fn processing_time(&mut self, now: i64, output: &mut Output) -> Result<Flow, Failure> {
        self.advance(now.saturating_sub(1), output)
    }

    fn flush(&mut self, _output: &mut Output) -> Result<Flow, Failure> {
        Ok(Flow::Done)
    }

    fn snapshot(&mut self, snapshot: &mut Snapshot) -> Result<(), Failure> {
        put_watermark(self.watermark, snapshot);
        self.signature.snapshot(snapshot);
        snapshot.table(&mut self.sessions)?;
        snapshot.table(&mut self.timers)?;
        self.accumulators.snapshot(snapshot)
    }
}
