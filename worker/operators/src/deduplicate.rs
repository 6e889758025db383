//! The first row of each key by event time: emitted once, when the watermark says that no earlier one can come.
//!
//! Until then the earliest row so far waits, in a namespace for each second of event time.

#![expect(
    clippy::cast_possible_truncation,
    reason = "positions are bounded by a batch; hashes and times are reinterpreted bit by bit"
)]

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use arrow::{array::ArrayRef, datatypes::SchemaRef};
use dataflow::{Flow, OpenContext, Operator, Output, Snapshot};
use graph::{Node, operator::DeduplicateSpec};
use model::{
    Batch, EventTime, Failure, Schema, Watermark,
    batch::ROWS_TARGET,
    row::{self, Rows},
};
use state::{EntryId, StateValue, Table};

use crate::{
    grouping::Grouper,
    restored::{put_watermark, restored_watermark},
    signature::{Description, Signature, former},
    window::times,
};

const KNOWN: &str = "known-v1";
const WAITING: &str = "waiting-v1";
/// How much event time the waiting rows of a namespace span.
const SPAN: i64 = 1000;

pub(crate) struct Deduplicate {
    keys: Vec<usize>,
    time: usize,
    schema: SchemaRef,
    /// What is known of each key.
    known: Table<Known>,
    /// The rows that wait, by second.
    waiting: Table<Waiting>,
    /// For seconds with waiting rows: no row is earlier.
    earliest: BTreeMap<i64, EventTime>,
    signature: Signature,
    grouper: Grouper,
    watermark: EventTime,
    firing: Firing,
}

/// What is still to be done for the current watermark.
#[derive(Default)]
struct Firing {
    seconds: BTreeSet<i64>,
    /// Rows of the first of these seconds that are not due.
    kept: Vec<(Vec<u8>, Waiting)>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Known {
    /// A row of this time waits.
    Waiting(EventTime),
    Emitted,
}

#[derive(Clone, Debug)]
struct Waiting {
    time: EventTime,
    row: Box<[u8]>,
}

impl StateValue for Known {
    fn encode(&self, out: &mut Vec<u8>) {
        if let Self::Waiting(time) = self {
            out.extend_from_slice(&time.to_be_bytes());
        }
    }

    fn decode(bytes: &[u8]) -> Result<Self, Failure> {
        if bytes.is_empty() {
            return Ok(Self::Emitted);
        }
        let time = <[u8; 8]>::try_from(bytes).map_err(|_| Failure::data("a stored time does not have 8 bytes"))?;
        Ok(Self::Waiting(EventTime::from_be_bytes(time)))
    }

    fn size_bytes(&self) -> usize {
        size_of::<Self>()
    }
}

impl StateValue for Waiting {
    fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.time.to_be_bytes());
        out.extend_from_slice(&self.row);
    }

    fn decode(bytes: &[u8]) -> Result<Self, Failure> {
        let (time, row) =
            bytes.split_first_chunk::<8>().ok_or_else(|| Failure::data("a stored row ends before its time"))?;
        Ok(Self { time: EventTime::from_be_bytes(*time), row: row.into() })
    }

    fn size_bytes(&self) -> usize {
        size_of::<Self>() + self.row.len()
    }
}

fn second(time: EventTime) -> i64 {
    time.div_euclid(SPAN)
}

impl Deduplicate {
    pub(crate) fn new(
        spec: &DeduplicateSpec,
        node: &Node,
        input: &Schema,
        context: &mut OpenContext,
    ) -> Result<Self, Failure> {
        if let Some(column) = spec.keys.iter().chain([&spec.time]).find(|&&column| column >= input.len()) {
            return Err(Failure::internal(format!("column {column} of {} columns", input.len())));
        }
        let description = Description::of("deduplicate").rows(input, &spec.keys).at(input, spec.time).kept("first");
        let columns = former::types(input.fields.iter().map(|field| &field.data_type));
        let former = format!("first of ({columns}) by {} at {}", former::positions(&spec.keys), spec.time);
        let waiting: Table<Waiting> = context.keyed.table(WAITING)?;
        Ok(Self {
            keys: spec.keys.clone(),
            time: spec.time,
            schema: node.schema.to_arrow(),
            known: context.expiring_table(KNOWN)?,
            earliest: waiting.namespaces().into_iter().map(|second| (second, EventTime::MIN)).collect(),
            waiting,
            signature: Signature::new(&description, &former, context)?,
            grouper: Grouper::default(),
            watermark: restored_watermark(context)?,
            firing: Firing::default(),
        })
    }

    /// Lets the earliest row of each key wait, if it is earlier than the one that waits.
    fn take(&mut self, batch: &Batch, times: &[EventTime]) -> Result<(), Failure> {
        let keys: Vec<ArrayRef> = self.keys.iter().map(|&key| Arc::clone(batch.column(key))).collect();
        let keys = row::encode_keys(&keys, batch.rows())?;
        let groups = self.grouper.group(&keys);
        let mut best: Vec<usize> = groups.first_rows.iter().map(|&row| row as usize).collect();
        for (row, &group) in groups.of_row.iter().enumerate() {
            let best = &mut best[group as usize];
            if times[row] < times[*best] {
                *best = row;
            }
        }
        let mut entries = Vec::with_capacity(best.len());
        self.known.hydrate(0, &keys, Some(&groups.first_rows), &mut entries)?;
        let mut replaced: BTreeMap<i64, Vec<u32>> = BTreeMap::new();
        let mut waits: BTreeMap<i64, Vec<u32>> = BTreeMap::new();
        for (&row, &entry) in best.iter().zip(&entries) {
            let time = times[row];
            match self.known.get(entry) {
                Some(Known::Emitted) => continue,
                Some(Known::Waiting(earlier)) if *earlier <= time => continue,
                Some(Known::Waiting(later)) => replaced.entry(second(*later)).or_default().push(row as u32),
                None => {}
            }
            *self.known.get_mut(entry) = Some(Known::Waiting(time));
            waits.entry(second(time)).or_default().push(row as u32);
        }
        self.known.end_batch()?;
        for (second, rows) in replaced {
            entries.clear();
            self.waiting.hydrate(second, &keys, Some(&rows), &mut entries)?;
            entries.iter().for_each(|&entry| *self.waiting.get_mut(entry) = None);
        }
        let stored = row::encode_batch(batch.columns())?;
        for (second, rows) in waits {
            entries.clear();
            self.waiting.hydrate(second, &keys, Some(&rows), &mut entries)?;
            let earliest = self.earliest.entry(second).or_insert(EventTime::MAX);
            for (&row, &entry) in rows.iter().zip(&entries) {
                let time = times[row as usize];
                // One waits if it is forgotten that it does: what is known of a key expires, but not a row that waits.
                if self.waiting.get(entry).is_some_and(|earlier| earlier.time <= time) {
                    continue;
                }
                *earliest = time.min(*earliest);
                *self.waiting.get_mut(entry) = Some(Waiting { time, row: stored.row(row as usize).into() });
            }
        }
        self.waiting.end_batch()
    }

    /// Emits the rows that are due until the output is full.
    fn fire(&mut self, output: &mut Output) -> Result<Flow, Failure> {
        while let Some(&second) = self.firing.seconds.first() {
            if output.is_full() {
                return Ok(Flow::More);
            }
            let mut due: Vec<Waiting> = Vec::new();
            let mut keys = Rows::default();
            let (watermark, kept) = (self.watermark, &mut self.firing.kept);
            let more = self.waiting.drain(second, ROWS_TARGET, &mut |key, waiting| {
                if waiting.time <= watermark {
                    keys.push(key);
                    due.push(waiting);
                } else {
                    kept.push((key.to_vec(), waiting));
                }
            })?;
            let mut entries = Vec::with_capacity(keys.len());
            self.known.hydrate(0, &keys, None, &mut entries)?;
            // That a row waits may have expired, and another one have come meanwhile and gone out.
            let mut entries = entries.into_iter();
            due.retain(|_| entries.next().is_some_and(|entry| self.emits_first(entry)));
            self.known.end_batch()?;
            due.sort_by_key(|waiting| waiting.time);
            if !due.is_empty() {
                output.emit(Batch::append(row::decode(&self.schema, due.iter().map(|waiting| &*waiting.row))?));
            }
            if !more {
                self.firing.seconds.remove(&second);
                self.earliest.remove(&second);
                self.wait_on(second)?;
            }
        }
        Ok(Flow::Done)
    }

    /// Whether no row of a key has gone out yet; from here on one has.
    fn emits_first(&mut self, known: EntryId) -> bool {
        let is_first = self.known.get(known) != Some(&Known::Emitted);
        if is_first {
            *self.known.get_mut(known) = Some(Known::Emitted);
        }
        is_first
    }

    /// Puts the rows back that were not due.
    fn wait_on(&mut self, second: i64) -> Result<(), Failure> {
        let kept = std::mem::take(&mut self.firing.kept);
        let mut keys = Rows::default();
        kept.iter().for_each(|(key, _)| keys.push(key));
        let mut entries = Vec::with_capacity(kept.len());
        self.waiting.hydrate(second, &keys, None, &mut entries)?;
        for ((_, waiting), entry) in kept.into_iter().zip(entries) {
            let earliest = self.earliest.entry(second).or_insert(EventTime::MAX);
            *earliest = waiting.time.min(*earliest);
            *self.waiting.get_mut(entry) = Some(waiting);
        }
        self.waiting.end_batch()
    }
}

impl Operator for Deduplicate {
    fn process(&mut self, _port: usize, batch: Batch, output: &mut Output) -> Result<Flow, Failure> {
        let (values, nulls) = times(batch.column(self.time))?;
        let in_time =
            |row: usize| nulls.as_ref().is_none_or(|nulls| nulls.is_valid(row)) && values[row] >= self.watermark;
        let rows: Vec<u32> = (0..batch.rows()).filter(|&row| in_time(row)).map(|row| row as u32).collect();
        output.drop_late((batch.rows() - rows.len()) as u64, || {
            batch.filter(&(0..batch.rows()).map(|row| Some(!in_time(row))).collect())
        })?;
        if rows.len() == batch.rows() {
            self.take(&batch, &values)?;
        } else if !rows.is_empty() {
            let values: Vec<EventTime> = rows.iter().map(|&row| values[row as usize]).collect();
            self.take(&batch.take(&rows.into())?, &values)?;
        }
        Ok(Flow::Done)
    }

    fn resume(&mut self, output: &mut Output) -> Result<Flow, Failure> {
        self.fire(output)
    }

    fn watermark(&mut self, watermark: Watermark, output: &mut Output) -> Result<Flow, Failure> {
        if watermark.0 <= self.watermark {
            return Ok(Flow::Done);
        }
        self.watermark = watermark.0;
        let due = self.earliest.iter().filter(|(_, earliest)| **earliest <= watermark.0);
        self.firing = Firing { seconds: due.map(|(&second, _)| second).collect(), kept: Vec::new() };
        self.fire(output)
    }

    fn flush(&mut self, _output: &mut Output) -> Result<Flow, Failure> {
        Ok(Flow::Done)
    }

    fn snapshot(&mut self, snapshot: &mut Snapshot) -> Result<(), Failure> {
        put_watermark(self.watermark, snapshot);
        self.signature.snapshot(snapshot);
        snapshot.table(&mut self.known)?;
        snapshot.table(&mut self.waiting)
    }
}

#[cfg(test)]
mod frozen;
