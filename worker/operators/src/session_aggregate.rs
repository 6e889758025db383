//! Aggregation in session windows: folds rows into the accumulators of their session, and emits each session once, when
//! time passes its end.

#![expect(
    clippy::cast_possible_truncation,
    reason = "positions are bounded by a batch; hashes and times are reinterpreted bit by bit"
)]

use arrow::array::{BooleanArray, UInt32Array};
use dataflow::{Flow, OpenContext, Operator, Output, Snapshot};
use graph::{Node, operator::WindowAggregateSpec};
use model::{Batch, Failure, Schema, Watermark, batch::ROWS_TARGET, row::Rows};

use crate::{
    accumulator::{self, AccumulatorTable, Layout, Lifetime, Work},
    group_aggregate::{InputColumns, take_all},
    limits::Limits,
    sessions::{Arrived, Session, SessionInput},
    signature::{Signature, former},
    window_output::WindowOutput,
    window_time::WindowTime,
};

pub(crate) struct SessionAggregate {
    columns: InputColumns,
    layout: Layout,
    arrivals: SessionInput,
    /// By slot.
    accumulators: Box<dyn AccumulatorTable>,
    signature: Signature,
    output: WindowOutput,
}

impl SessionAggregate {
    pub(crate) fn new(
        spec: &WindowAggregateSpec,
        gap: i64,
        node: &Node,
        input: &Schema,
        limits: Limits,
        context: &mut OpenContext,
    ) -> Result<Self, Failure> {
        let columns = InputColumns::new(&spec.keys, &spec.aggregates, Some(spec.time), input)?;
        let output = WindowOutput::new(spec, &columns, node)?;
        let layout = Layout::new(&columns.aggregates, &columns.schema, !spec.input.is_append(), false, limits)?;
        let time = WindowTime::new(spec.zone.as_deref())?;
        let description = columns.description("window-aggregate", &layout);
        let description = description.windows(Some(spec.window), time.zone_name());
        let former =
            format!("{} in {}{}", columns.former(&layout), former::window(&spec.window), time.former_signature());
        Ok(Self {
            output,
            signature: Signature::new(&description, &former, context)?,
            arrivals: SessionInput::new((&columns.keys, columns.time), gap, time, spec.processing, context)?,
            columns,
            accumulators: accumulator::open(&layout, "accumulators-v1", Lifetime::Window, context)?,
            layout,
        })
    }

    /// Adds the accumulators of slots to those of others.
    fn merge(&mut self, Arrived { keys, groups, assignment, .. }: &Arrived) -> Result<(), Failure> {
        for &(group, from, to) in &assignment.merges {
            let key = [groups.first_rows[group as usize]];
            let (mut absorbed, mut kept) = (Work::default(), Work::default());
            self.accumulators.load(&self.layout, i64::from(from), keys, Some(&key), &mut absorbed)?;
            let accumulators = absorbed.take();
            self.accumulators.store(&self.layout, &mut absorbed)?;
            self.accumulators.load(&self.layout, i64::from(to), keys, Some(&key), &mut kept)?;
            self.layout.merge(&accumulators, &mut kept)?;
            self.accumulators.store(&self.layout, &mut kept)?;
        }
        Ok(())
    }

    /// Folds rows into the accumulators of their sessions.
    fn fold(&mut self, Arrived { batch, keys, groups, assignment }: &Arrived) -> Result<(), Failure> {
        let touched = assignment.touched();
        if touched.sessions.is_empty() {
            return Ok(());
        }
        let mut work = Work::default();
        for part in touched.sessions.chunk_by(|(left, _), (right, _)| left == right) {
            let rows: Vec<u32> = part.iter().map(|(_, group)| groups.first_rows[*group as usize]).collect();
            self.accumulators.load(&self.layout, i64::from(part[0].0), keys, Some(&rows), &mut work)?;
        }
        if assignment.late == 0 {
            self.layout.fold(batch.columns(), batch.kinds(), &touched.of_row, &mut work)?;
        } else {
            let kept: BooleanArray = assignment.of_row.iter().map(|position| Some(position.is_some())).collect();
            let batch = batch.filter(&kept)?;
            self.layout.fold(batch.columns(), batch.kinds(), &touched.of_row, &mut work)?;
        }
        self.accumulators.store(&self.layout, &mut work)
    }

    /// Fires what is due until the output is full.
    fn fire(&mut self, output: &mut Output) -> Result<Flow, Failure> {
        while !output.is_full() {
            let Some((keys, due)) = self.arrivals.sessions.take_ended(ROWS_TARGET)? else { return Ok(Flow::Done) };
            self.emit(&due, &keys, output)?;
        }
        Ok(Flow::More)
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
        let narrow = self.columns.narrow(batch.clone())?;
        let Some(arrived) = self.arrivals.arrive(narrow, batch, output)? else { return Ok(Flow::Done) };
        self.merge(&arrived)?;
        self.fold(&arrived)?;
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
        self.arrivals.sessions.snapshot(snapshot)?;
        self.accumulators.snapshot(snapshot)
    }
}
