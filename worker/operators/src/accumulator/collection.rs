//! Aggregates that keep the values of their rows: which accumulators they need, and how values come and go.
//!
//! Values are kept in the row encoding, in the order of their arrival. Where that order is no more known, as between
//! slices of a window or two local aggregates, it is the order in which these are merged.

mod arrivals;
mod result;

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, RecordBatch};
use graph::operator::{AggregateCall, AggregateFunction as Function};
use model::{Failure, Schema, row};

use self::result::Make;
pub(crate) use self::{
    arrivals::{Counted, List},
    result::Collector,
};
use super::{
    argument::{Argument, Form},
    fold::weight_of,
    layout::{CellKind, Input, Layout, ObjectSpec, unsupported},
    moments,
    object::{Object, misfit},
    result::Outcome,
    table::Work,
};
use crate::limits::Limits;

/// Which values are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Keep {
    All,
    /// Only where nothing is taken away.
    First,
    /// Only where nothing is taken away.
    Last,
    /// Equal ones as one, with their number.
    Counted,
}

impl Layout {
    /// The accumulators of a call that is not made of counts, sums and extremes.
    pub(super) fn add_collection(&mut self, call: &AggregateCall, schema: &Schema) -> Result<(), Failure> {
        let missing = || Failure::internal("an argument is missing");
        let argument = call.argument.ok_or_else(missing)?;
        let (with_nulls, nullable) = match call.function {
            Function::ArrayAgg { ignore_nulls } => (!ignore_nulls, argument),
            Function::JsonArrayAgg { absent_on_null } => (!absent_on_null, argument),
            Function::JsonObjectAgg { absent_on_null } => (!absent_on_null, call.second.ok_or_else(missing)?),
            Function::SingleValue => (true, argument),
            _ => (false, argument),
        };
        let column = (!with_nulls).then_some(nullable);
        let input = self.input(Input { column, filter: call.filter, distinct: false });
        let data_type = &schema.fields[argument].data_type;
        let is_number = matches!(call.function, Function::WelfordM2 | Function::Percentile { .. });
        if is_number && Form::added(data_type).is_none() {
            return Err(unsupported(data_type));
        }
        if call.function == Function::WelfordM2 && !call.distinct {
            let count = self.cell(CellKind::Count, input, 0);
            let value = self.argument(argument, Form::Real);
            let word = self.cell(CellKind::Moments, input, value) + moments::DISTANCES;
            return self.outcome(Outcome::extreme(Form::Float, word, count, call.data_type.to_arrow()));
        }
        let object = if is_number {
            let value = self.argument(argument, Form::Real);
            let frequency = call.second.map(|column| self.argument(column, Form::Int));
            self.object(ObjectSpec::Numbers { input, value, frequency })
        } else {
            let keep = match call.function {
                _ if call.distinct => Keep::Counted,
                Function::Collect => Keep::Counted,
                Function::FirstValue if !self.retracts => Keep::First,
                Function::LastValue if !self.retracts => Keep::Last,
                _ => Keep::All,
            };
            let columns = std::iter::once(argument).chain(call.second).collect();
            self.object(ObjectSpec::Collection { input, columns, keep })
        };
        let types =
            std::iter::once(argument).chain(call.second).map(|column| schema.fields[column].data_type.to_arrow());
        self.collectors.push(Collector {
            object,
            make: Make::of(call)?,
            distinct: call.distinct,
            types: types.collect(),
            arrow: call.data_type.to_arrow(),
        });
        self.outcome(Outcome::collected(self.collectors.len() - 1, call.data_type.to_arrow()))
    }
}

/// Puts the values of rows to those of their groups, or takes them away; one that is not there is not taken.
pub(crate) fn fold(
    batch: &RecordBatch,
    (columns, keep): (&[usize], Keep),
    (groups, weights): (&[u32], Option<&Vec<i8>>),
    object: usize,
    limits: &Limits,
    work: &mut Work,
) -> Result<(), Failure> {
    let columns: Vec<ArrayRef> = columns.iter().map(|&column| Arc::clone(batch.column(column))).collect();
    let values = row::encode(&columns, batch.num_rows())?;
    for (row, &group) in groups.iter().enumerate() {
        let weight = weight_of(weights, row);
        let value = values.row(row);
        match &mut work.objects[group as usize][object] {
            _ if weight == 0 => {}
            Object::List(list) if weight > 0 => match keep {
                Keep::First if !list.is_empty() => {}
                Keep::Last => {
                    list.clear();
                    list.push(value);
                }
                Keep::First | Keep::All | Keep::Counted => list.push(value),
            },
            Object::List(list) => list.take(value, limits),
            Object::Counted(counted) => counted.add(value, i64::from(weight), limits),
            _ => return Err(misfit("collected values")),
        }
    }
    Ok(())
}

/// As [`fold`], of numbers; a number may count several times.
pub(crate) fn fold_numbers(
    value: &Argument,
    frequency: Option<(&Argument, &ArrayRef)>,
    groups: &[u32],
    weights: Option<&Vec<i8>>,
    object: usize,
    work: &mut Work,
) -> Result<(), Failure> {
    let Argument::Float(values) = value else { return Err(misfit("numbers that are no floats")) };
    let times = |row: usize| match frequency {
        Some((Argument::Int(times), column)) if column.is_valid(row) => times[row].max(0),
        Some(_) => 0,
        None => 1,
    };
    for (row, &group) in groups.iter().enumerate() {
        let weight = i64::from(weight_of(weights, row)).saturating_mul(times(row));
        if weight == 0 {
            continue;
        }
        let Object::Numbers(numbers) = &mut work.objects[group as usize][object] else {
            return Err(misfit("collected numbers"));
        };
        super::fold::add(numbers.entry(super::argument::ordered(values[row])), weight);
    }
    Ok(())
}

/// Adds the values of one group to those of another.
pub(crate) fn merge(from: &Object, into: &mut Object, keep: Keep, limits: &Limits) -> Result<(), Failure> {
    match (from, into) {
        (Object::List(from), Object::List(into)) => match keep {
            Keep::First if !into.is_empty() => {}
            Keep::Last if !from.is_empty() => into.clone_from(from),
            _ => from.iter().for_each(|value| into.push(value)),
        },
        (Object::Counted(from), Object::Counted(into)) => {
            from.iter().for_each(|(value, count)| into.add(value, count, limits));
        }
        (Object::Numbers(from), Object::Numbers(into)) => {
            from.iter().for_each(|(value, count)| super::fold::add(into.entry(*value), *count));
        }
        _ => return Err(misfit("collected values to be merged")),
    }
    Ok(())
}
