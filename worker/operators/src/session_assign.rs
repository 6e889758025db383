//! The `SESSION` table function: adds `window_start`, `window_end` and `window_time` to rows. Those are known when a session
//! has ended: rows are kept until then, and come out in the order of their arrival, with the row kinds they came with.

#[cfg(test)]
mod frozen;
mod kept;

use std::sync::Arc;

use arrow::{array::RecordBatch, datatypes::SchemaRef};
use dataflow::{Flow, OpenContext, Operator, Output, Snapshot};
use graph::{Node, operator::WindowAssignSpec};
use model::{
    Batch, Failure, Schema, Watermark,
    row::{self, Rows},
};
use state::Table;

use self::kept::KeptRows;
use crate::{
    emission::Pending,
    limits::Limits,
    restored::{put_number, restored_numbers},
    sessions::{Arrived, Session, SessionInput},
    signature::{Description, Signature, former},
    window_time::WindowTime,
};

/// Keys whose ended sessions are emitted in one piece.
const KEYS_AT_A_TIME: usize = 256;
/// The operator state with the number of the next row.
const NEXT_ROW: &str = "next-row";

pub(crate) struct SessionAssign {
    arrivals: SessionInput,
    input: SchemaRef,
    schema: SchemaRef,
    /// By slot.
    rows: Table<KeptRows>,
    /// Rows are numbered as they come; of a key no later one has a smaller number.
    next_row: u64,
    signature: Signature,
    pending: Pending,
}

impl SessionAssign {
    pub(crate) fn new(
        spec: &WindowAssignSpec,
        gap: i64,
        node: &Node,
        input: &Schema,
        limits: Limits,
        context: &mut OpenContext,
    ) -> Result<Self, Failure> {
        let known = spec.keys.iter().chain([&spec.time]).all(|&column| column < input.len());
        if !known || node.schema.len() != input.len() + 3 {
            return Err(Failure::internal("a session's columns do not fit its input"));
        }
        let of = WindowTime::new(spec.zone.as_deref())?;
        let description =
            Description::of("session-rows").rows(input, &spec.keys).windows(Some(spec.window), of.zone_name());
        let columns = former::types(input.fields.iter().map(|field| &field.data_type));
        let (keys, window) = (former::positions(&spec.keys), former::window(&spec.window));
        let former = format!("({columns}) by {keys} in {window}{}", of.former_signature());
        Ok(Self {
            arrivals: SessionInput::new((&spec.keys, spec.time), gap, of, spec.processing, context)?,
            input: input.to_arrow(),
            schema: node.schema.to_arrow(),
            signature: Signature::new(&description, &former, context)?,
            rows: context.keyed.table("rows-v1")?,
            next_row: restored_numbers(NEXT_ROW, context)?.into_iter().max().unwrap_or_default(),
            pending: Pending::within(limits),
        })
    }

    /// Moves rows from slots to others.
    fn merge(&mut self, Arrived { keys, groups, assignment, .. }: &Arrived) -> Result<(), Failure> {
        for &(group, from, to) in &assignment.merges {
            let key = [groups.first_rows[group as usize]];
            let mut entries = Vec::with_capacity(2);
            self.rows.hydrate(i64::from(from), keys, Some(&key), &mut entries)?;
            self.rows.hydrate(i64::from(to), keys, Some(&key), &mut entries)?;
            if let Some(absorbed) = self.rows.get_mut(entries[0]).take() {
                self.rows.get_mut(entries[1]).get_or_insert_default().append(&absorbed);
            }
            self.rows.end_batch()?;
        }
        Ok(())
    }

    /// Keeps the rows that are not late.
    fn keep(&mut self, Arrived { batch, keys, groups, assignment }: &Arrived) -> Result<(), Failure> {
        let touched = assignment.touched();
        let mut entries = Vec::with_capacity(touched.sessions.len());
        for part in touched.sessions.chunk_by(|(left, _), (right, _)| left == right) {
            let rows: Vec<u32> = part.iter().map(|(_, group)| groups.first_rows[*group as usize]).collect();
            self.rows.hydrate(i64::from(part[0].0), keys, Some(&rows), &mut entries)?;
        }
        let encoded = row::encode_batch(batch.columns())?;
        let kept = (0..batch.rows()).filter(|&row| assignment.of_row[row].is_some());
        for (row, &session) in kept.zip(&touched.of_row) {
            let rows = self.rows.get_mut(entries[session as usize]).get_or_insert_default();
            rows.push(self.next_row, batch.kind(row), encoded.row(row));
            self.next_row += 1;
        }
        self.rows.end_batch()
    }

    /// Fires what is due until the output is full.
    fn fire(&mut self, output: &mut Output) -> Result<Flow, Failure> {
        loop {
            if self.pending.emit(output) == Flow::More || output.is_full() {
                return Ok(Flow::More);
            }
            let Some((keys, mut ended)) = self.arrivals.sessions.take_ended(KEYS_AT_A_TIME)? else {
                return Ok(Flow::Done);
            };
            self.put_out(&keys, &mut ended)?;
        }
    }

    /// Takes the rows of sessions, ordered by slot, and puts them out by the sessions' ends.
    fn put_out(&mut self, keys: &Rows, ended: &mut [(Session, u32)]) -> Result<(), Failure> {
        let mut entries = Vec::with_capacity(ended.len());
        for part in ended.chunk_by(|(left, _), (right, _)| left.slot == right.slot) {
            let rows: Vec<u32> = part.iter().map(|(_, row)| *row).collect();
            self.rows.hydrate(i64::from(part[0].0.slot), keys, Some(&rows), &mut entries)?;
        }
        let taken = entries.into_iter().map(|entry| self.rows.get_mut(entry).take().unwrap_or_default());
        let mut sessions: Vec<(Session, KeptRows)> = ended.iter().map(|(session, _)| *session).zip(taken).collect();
        self.rows.end_batch()?;
        sessions.sort_by_key(|(session, _)| session.end);
        let rows: Vec<_> = sessions
            .iter()
            .flat_map(|(session, rows)| rows.in_order().into_iter().map(|(kind, row)| (*session, kind, row)))
            .collect();
        let kinds: Vec<u8> = rows.iter().map(|(_, kind, _)| *kind).collect();
        self.pending.push_rows(rows.iter().map(|(.., row)| *row), &kinds, |positions, part| {
            let mut columns = row::decode(&self.input, part)?.columns().to_vec();
            let windows = rows[positions].iter().map(|(session, ..)| (session.start, session.end));
            columns.extend(self.arrivals.of.columns(windows, &self.schema, columns.len())?);
            Ok(RecordBatch::try_new(Arc::clone(&self.schema), columns)?)
        })
    }
}

impl Operator for SessionAssign {
    fn process(&mut self, _port: usize, batch: Batch, output: &mut Output) -> Result<Flow, Failure> {
        let Some(arrived) = self.arrivals.arrive(batch.clone(), batch, output)? else { return Ok(Flow::Done) };
        self.merge(&arrived)?;
        self.keep(&arrived)?;
        Ok(Flow::Done)
    }

    fn resume(&mut self, output: &mut Output) -> Result<Flow, Failure> {
        self.fire(output)
    }

    fn watermark(&mut self, watermark: Watermark, output: &mut Output) -> Result<Flow, Failure> {
        if self.arrivals.watermark(watermark.0) { self.fire(output) } else { Ok(Flow::Done) }
    }

    fn timer(&self) -> Option<i64> {
        self.arrivals.timer()
    }

    fn processing_time(&mut self, now: i64, output: &mut Output) -> Result<Flow, Failure> {
        if self.arrivals.processing_time(now) { self.fire(output) } else { Ok(Flow::Done) }
    }

    fn flush(&mut self, _output: &mut Output) -> Result<Flow, Failure> {
        Ok(Flow::Done)
    }

    fn snapshot(&mut self, snapshot: &mut Snapshot) -> Result<(), Failure> {
        self.signature.snapshot(snapshot);
        put_number(NEXT_ROW, self.next_row, snapshot);
        self.arrivals.sessions.snapshot(snapshot)?;
        snapshot.table(&mut self.rows)
    }
}
