//! `IN`, `EXISTS` and their negations: emits the rows of the left input for which the right one has a match, or has
//! none, and takes them back when that changes.
//!
//! Without a further condition it is enough to count the right rows of each key (`semi_join/counted.rs`). With one,
//! both sides keep their rows and each left row counts its matches (`semi_join/paired.rs`).

#![expect(
    clippy::cast_possible_truncation,
    reason = "positions are bounded by a batch; hashes and times are reinterpreted bit by bit"
)]

mod counted;
#[cfg(test)]
mod frozen;
mod paired;
mod rows;

use arrow::{
    array::{BooleanArray, UInt32Array},
    buffer::ScalarBuffer,
};
use dataflow::{Flow, OpenContext, Operator, Output, Snapshot};
use graph::{Node, operator::SemiJoinSpec};
use model::{Batch, Failure, RowKind, Watermark};

use self::{counted::Counted, paired::Paired};
use crate::{
    emission::Pending,
    join::{Sides, all_valid},
    limits::Limits,
    signature::{Description, Signature, former},
};

pub(crate) struct SemiJoin {
    anti: bool,
    nulls_equal: bool,
    keys: [Vec<usize>; 2],
    state: State,
    signature: Signature,
    pending: Pending,
}

/// What is kept of the inputs.
enum State {
    Counted(Counted),
    Paired(Paired),
}

impl State {
    fn take_left(&mut self, rows: LeftRows, pending: &mut Pending) -> Result<(), Failure> {
        match self {
            _ if rows.batch.is_empty() => Ok(()),
            Self::Counted(counted) => counted.left_rows(&rows, pending),
            Self::Paired(paired) => {
                paired.take(paired::Side::Left(rows));
                Ok(())
            }
        }
    }

    fn take_right(&mut self, batch: Batch) -> Result<(), Failure> {
        match self {
            _ if batch.is_empty() => Ok(()),
            Self::Counted(counted) => counted.right_rows(&batch),
            Self::Paired(paired) => {
                paired.take(paired::Side::Right(batch));
                Ok(())
            }
        }
    }
}

impl SemiJoin {
    pub(crate) fn new(
        spec: &SemiJoinSpec,
        node: &Node,
        limits: Limits,
        context: &mut OpenContext,
    ) -> Result<Self, Failure> {
        let (left, right) = (&spec.left_schema, &spec.right_schema);
        let nulls_equal = spec.nulls_equal;
        let sides = Sides { left, right, left_keys: &spec.left_keys, right_keys: &spec.right_keys, nulls_equal };
        sides.check_keys()?;
        if node.schema.len() != left.len() {
            return Err(Failure::internal("the join's output is not the columns of its left side"));
        }
        Ok(Self {
            anti: spec.anti,
            nulls_equal,
            keys: [spec.left_keys.clone(), spec.right_keys.clone()],
            signature: Signature::new(&description(spec), &former_signature(spec, &sides), context)?,
            state: match &spec.condition {
                Some(condition) => State::Paired(Paired::open(condition, &sides, spec, limits, context)?),
                None => State::Counted(Counted::open(spec, limits, context)?),
            },
            pending: Pending::within(limits),
        })
    }

    fn advance(&mut self, output: &mut Output) -> Result<Flow, Failure> {
        loop {
            if self.pending.emit(output) == Flow::More {
                return Ok(Flow::More);
            }
            let is_done = match &self.state {
                State::Counted(counted) => counted.is_done(),
                State::Paired(paired) => paired.is_done(),
            };
            if is_done {
                return Ok(Flow::Done);
            }
            if output.is_full() {
                return Ok(Flow::More);
            }
            match &mut self.state {
                State::Counted(counted) => counted.step(&mut self.pending)?,
                State::Paired(paired) => paired.step(&mut self.pending)?,
            }
        }
    }
}

/// What is stored.
fn description(spec: &SemiJoinSpec) -> Description {
    let (left, right) = (&spec.left_schema, &spec.right_schema);
    let operator = if spec.anti { "anti-join" } else { "semi-join" };
    let description = Description::of(operator).rows(left, &spec.left_keys);
    let description = match &spec.condition {
        // It is kept which rows it held for.
        Some(_) => description.rows(right, &spec.right_keys),
        None => description.changing(!spec.left_input.is_append()).keys(right, &spec.right_keys),
    };
    description.condition(spec.condition.as_ref(), [left, right]).property("nulls equal", spec.nulls_equal)
}

/// As builds before version 2 of signatures said it.
fn former_signature(spec: &SemiJoinSpec, sides: &Sides<'_>) -> String {
    let name = if spec.anti { "ANTI" } else { "SEMI" };
    // With a condition it is kept which rows it held for.
    let rest = match &spec.condition {
        Some(condition) => format!("{} on {}", sides.right_text(), former::expression(condition)),
        None if spec.left_input.is_append() => "keys of added rows".to_owned(),
        None => "keys".to_owned(),
    };
    format!("{} {name} JOIN {rest}{}", sides.left_text(), sides.nulls_text())
}

/// Left rows as they came, and which of them can match anything at all; none: all. The others come out.
struct LeftRows {
    batch: Batch,
    can_match: Option<BooleanArray>,
}

impl LeftRows {
    fn slice(&self, offset: usize, length: usize) -> Self {
        let can_match = self.can_match.as_ref().map(|can_match| can_match.slice(offset, length));
        Self { batch: self.batch.slice(offset, length), can_match }
    }

    /// The rows that can match.
    fn matchable(&self) -> Result<Batch, Failure> {
        self.can_match.as_ref().map_or_else(|| Ok(self.batch.clone()), |can_match| self.batch.filter(can_match))
    }

    /// Emits the rows that come out in their order; of those that can match `comes_out` says it.
    fn emit(&self, comes_out: impl IntoIterator<Item = bool>, pending: &mut Pending) -> Result<(), Failure> {
        let mut comes_out = comes_out.into_iter();
        let can_match = |row: usize| self.can_match.as_ref().is_none_or(|can_match| can_match.value(row));
        let mut is_out = |row: &u32| !can_match(*row as usize) || comes_out.next().unwrap_or(false);
        emit_left(&self.batch, &(0..self.batch.rows() as u32).filter(|row| is_out(row)).collect::<Vec<_>>(), pending)
    }
}

/// Emits rows of a left batch. A −U or +U whose other half does not come out is a −D or +I.
fn emit_left(batch: &Batch, rows: &[u32], pending: &mut Pending) -> Result<(), Failure> {
    if rows.is_empty() {
        return Ok(());
    }
    let taken = batch.take(&UInt32Array::from(rows.to_vec()))?;
    let kinds = taken.kinds().map(|_| {
        let kind = |position: usize| taken.kind(position);
        let pairs = |first: usize, second: usize| {
            rows[first] + 1 == rows[second]
                && kind(first) == RowKind::UpdateBefore
                && kind(second) == RowKind::UpdateAfter
        };
        let changed = (0..rows.len()).map(|position| match kind(position) {
            RowKind::UpdateBefore if position + 1 == rows.len() || !pairs(position, position + 1) => RowKind::Delete,
            RowKind::UpdateAfter if position == 0 || !pairs(position - 1, position) => RowKind::Insert,
            kind => kind,
        });
        changed.map(|kind| kind as u8).collect::<ScalarBuffer<u8>>()
    });
    let (columns, _) = taken.into_parts();
    pending.push(columns, kinds);
    Ok(())
}

/// What becomes of a left row whose number of matches changes.
fn transition(before: u64, after: u64, anti: bool) -> Option<RowKind> {
    match ((before > 0) != anti, (after > 0) != anti) {
        (false, true) => Some(RowKind::Insert),
        (true, false) => Some(RowKind::Delete),
        _ => None,
    }
}

impl Operator for SemiJoin {
    fn process(&mut self, port: usize, batch: Batch, output: &mut Output) -> Result<Flow, Failure> {
        let Some(keys) = self.keys.get(port) else {
            return Err(Failure::internal(format!("a join has no input {port}")));
        };
        let valid = all_valid(&batch, keys).filter(|_| !self.nulls_equal);
        if port == 0 && self.anti {
            // Rows with a null key match nothing, whatever comes, but come out where they stand.
            self.state.take_left(LeftRows { batch, can_match: valid }, &mut self.pending)?;
        } else {
            let batch = match valid {
                Some(valid) => batch.filter(&valid)?,
                None => batch,
            };
            match port {
                0 => self.state.take_left(LeftRows { batch, can_match: None }, &mut self.pending)?,
                _ => self.state.take_right(batch)?,
            }
        }
        self.advance(output)
    }

    fn resume(&mut self, output: &mut Output) -> Result<Flow, Failure> {
        self.advance(output)
    }

    fn watermark(&mut self, _watermark: Watermark, _output: &mut Output) -> Result<Flow, Failure> {
        Ok(Flow::Done)
    }

    fn flush(&mut self, _output: &mut Output) -> Result<Flow, Failure> {
        Ok(Flow::Done)
    }

    fn snapshot(&mut self, snapshot: &mut Snapshot) -> Result<(), Failure> {
        self.signature.snapshot(snapshot);
        match &mut self.state {
            State::Counted(counted) => counted.snapshot(snapshot),
            State::Paired(paired) => paired.snapshot(snapshot),
        }
    }
}
