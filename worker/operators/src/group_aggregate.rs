//! Aggregation without windows: emits how the result of each group changes.
//!
//! A batch is folded as a whole: a group that several of its rows belong to changes once, from what it was before the
//! batch to what it is after. With mini-batches, several batches are folded as one.

#![expect(
    clippy::cast_possible_truncation,
    reason = "positions are bounded by a batch; hashes and times are reinterpreted bit by bit"
)]

use std::sync::Arc;

use arrow::{
    array::{ArrayRef, BooleanArray, RecordBatch, RecordBatchOptions, UInt32Array},
    buffer::{BooleanBuffer, ScalarBuffer},
    compute::{self, kernels::cmp},
    datatypes::SchemaRef,
};
use dataflow::{Flow, OpenContext, Operator, Output, Snapshot};
use graph::{
    Node,
    operator::{AggregateCall, GroupAggregateSpec},
};
use model::{Batch, Failure, RowKind, Schema, Watermark, row};

use crate::{
    accumulator::{self, AccumulatorTable, Coming, LargeSets, Layout, Lifetime, Work},
    emission::Pending,
    grouping::{Grouper, Groups},
    limits::Limits,
    signature::{Description, Signature, former},
};

/// The version of the stored form is part of the table's name.
const TABLE: &str = "groups-v1";

pub(crate) struct GroupAggregate {
    columns: InputColumns,
    layout: Layout,
    table: Box<dyn AccumulatorTable>,
    large: LargeSets,
    signature: Signature,
    emit_update_before: bool,
    /// Whether a result is emitted again that has not changed, so that what follows does not let it expire.
    renews: bool,
    schema: SchemaRef,
    grouper: Grouper,
    pending: Pending,
    /// Whether rows have the accumulators of a local aggregate.
    is_partial: bool,
    held: MiniBatch,
}

/// Rows held back until there are enough of them, or [`Operator::flush`] is called.
pub(crate) struct MiniBatch {
    rows_max: usize,
    rows: usize,
    batches: Vec<Batch>,
}

impl MiniBatch {
    /// As the job's options say; none if rows are not held back.
    pub(crate) fn new(context: &OpenContext) -> Option<Self> {
        let size = context.settings.get(&settings::keys::MINI_BATCH_SIZE).clamp(1, u64::from(u32::MAX));
        let enabled = context.settings.get(&settings::keys::MINI_BATCH_ENABLED);
        enabled.then(|| Self { rows_max: size as usize, ..Self::none() })
    }

    /// Of each batch by itself.
    pub(crate) fn none() -> Self {
        Self { rows_max: 1, rows: 0, batches: Vec::new() }
    }

    /// Holds a batch back. Whether there are enough rows now.
    pub(crate) fn add(&mut self, batch: Batch) -> bool {
        if !batch.is_empty() {
            self.rows += batch.rows();
            self.batches.push(batch);
        }
        self.rows >= self.rows_max
    }

    /// What was held back, if there is anything.
    pub(crate) fn take(&mut self) -> Result<Option<Batch>, Failure> {
        self.rows = 0;
        let batches = std::mem::take(&mut self.batches);
        Ok(match <[Batch; 1]>::try_from(batches) {
            Ok([only]) => Some(only),
            Err(batches) if batches.is_empty() => None,
            Err(batches) => Some(Batch::concat(&batches[0].schema(), &batches)?),
        })
    }
}

impl GroupAggregate {
    pub(crate) fn new(
        spec: &GroupAggregateSpec,
        node: &Node,
        input: &Schema,
        limits: Limits,
        context: &mut OpenContext,
    ) -> Result<Self, Failure> {
        let rows = spec.partial.as_ref().unwrap_or(input);
        if spec.partial.is_some() && (input.len() != spec.keys.len() + 1 || !spec.input.is_append()) {
            return Err(Failure::internal("the input columns are not the keys and the accumulators"));
        }
        let columns = InputColumns::new(&spec.keys, &spec.aggregates, None, rows)?;
        let (retracts, keeps_empty) = (!spec.input.is_append(), spec.keys.is_empty());
        let layout = Layout::new(&columns.aggregates, &columns.schema, retracts, keeps_empty, limits)?;
        let (description, former) = (columns.description("group-aggregate", &layout), columns.former(&layout));
        Ok(Self {
            signature: Signature::new(&description, &former, context)?,
            table: accumulator::open(&layout, TABLE, Lifetime::Idle, context)?,
            large: LargeSets::open(&layout, context)?,
            columns,
            layout,
            emit_update_before: spec.emit_update_before,
            renews: !context.settings.get(&settings::keys::STATE_TTL).is_zero(),
            schema: node.schema.to_arrow(),
            grouper: Grouper::default(),
            pending: Pending::default(),
            is_partial: spec.partial.is_some(),
            held: MiniBatch::new(context).unwrap_or_else(MiniBatch::none),
        })
    }

    fn fold(&mut self, batch: &Batch) -> Result<(), Failure> {
        let count = self.columns.keys.len();
        let keys: Vec<ArrayRef> = match self.is_partial {
            true => batch.columns().columns()[..count].to_vec(),
            false => self.columns.keys.iter().map(|&key| Arc::clone(batch.column(key))).collect(),
        };
        let encoded = row::encode_keys(&keys, batch.rows())?;
        let groups = self.grouper.group(&encoded);
        let mut work = Work::default();
        self.table.load(&self.layout, 0, &encoded, Some(&groups.first_rows), &mut work)?;
        // Without retractions and with a result that always changes nobody needs to know what was before.
        let needs_before = self.emit_update_before || !self.layout.always_changes();
        let before = needs_before.then(|| self.layout.results(&self.layout.image(&work)?));
        let partial = self.is_partial.then(|| self.layout.work_of_partial(batch.column(count))).transpose()?;
        let coming = partial.as_ref().map_or(Coming::Rows(batch.columns()), Coming::Partial);
        self.large.take(coming, &encoded, &groups, &mut work)?;
        match &partial {
            Some(partial) => self.layout.merge_into(partial, &groups.of_row, &mut work)?,
            None => self.layout.fold(batch.columns(), batch.kinds(), &groups.of_row, &mut work)?,
        }
        self.large.put_back(&self.layout, &encoded, &groups, &mut work)?;
        let after = self.layout.results(&self.layout.image(&work)?)?;
        self.table.store(&self.layout, &mut work)?;
        let keys = take_all(&keys, &UInt32Array::from(groups.first_rows.clone()))?;
        match before.transpose()? {
            None => self.emit_results(keys, after, &work),
            Some(before) => self.emit_changes(&keys, &before, &after, &work, &groups),
        }
    }

    /// Every group has changed and only its new result is wanted.
    fn emit_results(&mut self, keys: Vec<ArrayRef>, after: Vec<ArrayRef>, work: &Work) -> Result<(), Failure> {
        let kind = |existed| if existed { RowKind::UpdateAfter } else { RowKind::Insert } as u8;
        let kinds: ScalarBuffer<u8> = work.existed.iter().map(|&existed| kind(existed)).collect();
        let columns = self.batch(keys.into_iter().chain(after).collect(), work.groups())?;
        self.pending.push(columns, Some(kinds));
        Ok(())
    }

    fn emit_changes(
        &mut self,
        keys: &[ArrayRef],
        before: &[ArrayRef],
        after: &[ArrayRef],
        work: &Work,
        groups: &Groups,
    ) -> Result<(), Failure> {
        let count = groups.first_rows.len();
        let changed = changed(before, after, count)?;
        // Positions in all results before, then all results after.
        let mut positions: Vec<u32> = Vec::with_capacity(2 * count);
        let mut kinds: Vec<u8> = Vec::with_capacity(2 * count);
        let mut put = |position: usize, kind: RowKind| {
            positions.push(position as u32);
            kinds.push(kind as u8);
        };
        for group in 0..count {
            match (work.existed[group], work.exists(&self.layout, group)) {
                (false, true) => put(count + group, RowKind::Insert),
                (true, false) => put(group, RowKind::Delete),
                (true, true) if self.renews || changed.value(group) => {
                    if self.emit_update_before {
                        put(group, RowKind::UpdateBefore);
                    }
                    put(count + group, RowKind::UpdateAfter);
                }
                (true, true) | (false, false) => {}
            }
        }
        let of_group = positions.iter().map(|&position| position % count as u32);
        let mut columns = take_all(keys, &of_group.collect())?;
        let positions = UInt32Array::from(positions);
        for (before, after) in before.iter().zip(after) {
            let both = compute::concat(&[before, after])?;
            columns.push(compute::take(&both, &positions, None)?);
        }
        let columns = self.batch(columns, positions.len())?;
        self.pending.push(columns, Some(kinds.into()));
        Ok(())
    }

    fn batch(&self, columns: Vec<ArrayRef>, rows: usize) -> Result<RecordBatch, Failure> {
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        Ok(RecordBatch::try_new_with_options(Arc::clone(&self.schema), columns, &options)?)
    }

    fn fold_held_back(&mut self) -> Result<(), Failure> {
        match self.held.take()? {
            Some(batch) => self.fold(&batch),
            None => Ok(()),
        }
    }
}

impl Operator for GroupAggregate {
    fn process(&mut self, _port: usize, batch: Batch, output: &mut Output) -> Result<Flow, Failure> {
        if batch.is_empty() {
            return Ok(Flow::Done);
        }
        let batch = if self.is_partial { batch } else { self.columns.narrow(batch)? };
        if self.held.add(batch) {
            self.fold_held_back()?;
        }
        Ok(self.pending.emit(output))
    }

    fn resume(&mut self, output: &mut Output) -> Result<Flow, Failure> {
        Ok(self.pending.emit(output))
    }

    fn watermark(&mut self, _watermark: Watermark, _output: &mut Output) -> Result<Flow, Failure> {
        // The output has no time attribute, so rows that are held back cannot become late.
        Ok(Flow::Done)
    }

    fn flush(&mut self, output: &mut Output) -> Result<Flow, Failure> {
        self.fold_held_back()?;
        Ok(self.pending.emit(output))
    }

    fn snapshot(&mut self, snapshot: &mut Snapshot) -> Result<(), Failure> {
        self.signature.snapshot(snapshot);
        self.large.snapshot(snapshot)?;
        self.table.snapshot(snapshot)
    }
}

/// The columns that an aggregation reads, and the specification in terms of only these.
pub(crate) struct InputColumns {
    read: Vec<usize>,
    pub(crate) schema: Schema,
    pub(crate) keys: Vec<usize>,
    pub(crate) time: usize,
    pub(crate) aggregates: Vec<AggregateCall>,
}

impl InputColumns {
    pub(crate) fn new(
        keys: &[usize],
        aggregates: &[AggregateCall],
        time: Option<usize>,
        input: &Schema,
    ) -> Result<Self, Failure> {
        let of_calls = aggregates.iter().flat_map(AggregateCall::columns);
        let mut read: Vec<usize> = keys.iter().copied().chain(time).chain(of_calls).collect();
        read.sort_unstable();
        read.dedup();
        if let Some(column) = read.iter().find(|&&column| column >= input.len()) {
            return Err(Failure::internal(format!("column {column} of {} columns", input.len())));
        }
        let place = |column: usize| read.binary_search(&column).unwrap_or_default();
        let aggregates = aggregates.iter().map(|call| AggregateCall {
            argument: call.argument.map(place),
            second: call.second.map(place),
            filter: call.filter.map(place),
            ..call.clone()
        });
        Ok(Self {
            schema: Schema::new(read.iter().map(|&column| input.fields[column].clone()).collect()),
            keys: keys.iter().map(|&key| place(key)).collect(),
            time: time.map(place).unwrap_or_default(),
            aggregates: aggregates.collect(),
            read,
        })
    }

    /// What the state is about.
    pub(crate) fn description(&self, operator: &str, layout: &Layout) -> Description {
        let description = Description::of(operator).keys(&self.schema, &self.keys).changing(layout.retracts);
        description.calls(&self.aggregates, &self.schema)
    }

    /// As signatures before version 2 say it.
    pub(crate) fn former(&self, layout: &Layout) -> String {
        let keys = former::types_at(&self.schema, &self.keys);
        format!("{} by ({keys})", layout.former_signature(&self.aggregates, &self.schema))
    }

    /// A batch of only the columns that are read; nothing is copied.
    pub(crate) fn narrow(&self, batch: Batch) -> Result<Batch, Failure> {
        let (columns, kinds) = batch.into_parts();
        Ok(Batch::new(columns.project(&self.read)?, kinds))
    }
}

pub(crate) fn take_all(columns: &[ArrayRef], rows: &UInt32Array) -> Result<Vec<ArrayRef>, Failure> {
    columns.iter().map(|column| compute::take(column, rows, None).map_err(Failure::from)).collect()
}

/// The groups whose results differ.
fn changed(before: &[ArrayRef], after: &[ArrayRef], groups: usize) -> Result<BooleanArray, Failure> {
    let mut any = BooleanArray::new(BooleanBuffer::new_unset(groups), None);
    for (before, after) in before.iter().zip(after) {
        let differs = match before.data_type().is_nested() {
            true => differ(before, after)?,
            false => cmp::distinct(before, after)?,
        };
        any = compute::or(&any, &differs)?;
    }
    Ok(any)
}

/// Where nested values differ.
fn differ(before: &ArrayRef, after: &ArrayRef) -> Result<BooleanArray, Failure> {
    let encoded = |column: &ArrayRef| row::encode(std::slice::from_ref(column), column.len());
    let (before, after) = (encoded(before)?, encoded(after)?);
    Ok(before.iter().zip(after.iter()).map(|(before, after)| Some(before != after)).collect())
}
