//! `CASE`: each branch is evaluated on the rows that reach it.

use std::sync::Arc;

use arrow::{
    array::{Array, ArrayRef, AsArray, BooleanArray, UInt32Array, new_null_array},
    compute,
};
use model::{DataType, Failure};

use crate::{
    arg::Arg,
    evaluator::{Kind, Node, Rows},
};

/// Conditions with results, in order.
#[derive(Clone, Debug)]
pub(crate) struct Case {
    branches: Vec<(Node, Node)>,
    otherwise: Option<Box<Node>>,
    /// The columns that a branch or what follows it reads.
    columns: Vec<usize>,
    /// Nothing can fail and results cost nothing: no need to split the rows.
    whole: bool,
}

/// A node for `CASE`; results are cast to `data_type`.
pub(crate) fn compile(
    branches: Vec<(Node, Node)>,
    otherwise: Option<Node>,
    data_type: DataType,
) -> Result<Node, Failure> {
    let branches = branches
        .into_iter()
        .map(|(condition, result)| {
            if condition.data_type != DataType::Boolean && condition.data_type != DataType::Null {
                return Err(Failure::user(format!("case has a condition of type {}", condition.data_type)));
            }
            Ok((condition.cast(&DataType::Boolean, false)?, result.cast(&data_type, false)?))
        })
        .collect::<Result<Vec<_>, _>>()?;
    let otherwise = otherwise.map(|node| node.cast(&data_type, false)).transpose()?.map(Box::new);
    let all = || branches.iter().flat_map(|(condition, result)| [condition, result]).chain(otherwise.as_deref());
    let fallible = all().any(|node| node.fallible);
    let results = branches.iter().map(|(_, result)| result).chain(otherwise.as_deref());
    let whole = !fallible && results.into_iter().all(Node::is_free);
    let mut columns = Vec::new();
    all().for_each(|node| node.reads(&mut columns));
    columns.sort_unstable();
    columns.dedup();
    Ok(Node { kind: Kind::Case(Case { branches, otherwise, columns, whole }), data_type, fallible })
}

impl Case {
    pub(crate) fn reads(&self, columns: &mut Vec<usize>) {
        columns.extend(&self.columns);
    }

    pub(crate) fn evaluate(&self, rows: &Rows<'_>, data_type: &DataType) -> Result<Arg, Failure> {
        if self.whole { self.evaluate_whole(rows, data_type) } else { self.evaluate_split(rows, data_type) }
    }

    fn otherwise(&self, rows: &Rows<'_>, data_type: &DataType) -> Result<Arg, Failure> {
        match &self.otherwise {
            Some(node) => node.evaluate(rows),
            None => Ok(Arg::scalar(new_null_array(&data_type.to_arrow(), 1))),
        }
    }

    /// Evaluates everything on all rows and chooses from the last branch to the first.
    fn evaluate_whole(&self, rows: &Rows<'_>, data_type: &DataType) -> Result<Arg, Failure> {
        let mut chosen = self.otherwise(rows, data_type)?;
        for (condition, result) in self.branches.iter().rev() {
            let mask = mask(condition.evaluate(rows)?.into_array(rows.count)?)?;
            let result = result.evaluate(rows)?;
            chosen = Arg::array(compute::kernels::zip::zip(&mask, &result, &chosen)?);
        }
        Ok(chosen)
    }

    /// Evaluates each branch on the rows that reach it, and gathers the results.
    fn evaluate_split(&self, rows: &Rows<'_>, data_type: &DataType) -> Result<Arg, Failure> {
        let mut results: Vec<ArrayRef> = Vec::with_capacity(self.branches.len() + 1);
        // Where each row's result stands: which of `results`, and its position there.
        let mut places = vec![(0, 0); rows.count];
        let mut reaching: Option<Reaching> = None;
        for (condition, result) in &self.branches {
            let here = reaching.as_ref().map_or(*rows, Reaching::rows);
            if here.count == 0 {
                break;
            }
            let mask = mask(condition.evaluate(&here)?.into_array(here.count)?)?;
            if mask.true_count() == 0 {
                continue;
            }
            let taken = Reaching::filter(&here, reaching.as_ref(), &mask, &self.columns)?;
            let value = result.evaluate(&taken.rows())?;
            place(&mut places, &taken.positions, results.len(), &value);
            results.push(value.array);
            let rest = compute::not(&mask)?;
            reaching = Some(Reaching::filter(&here, reaching.as_ref(), &rest, &self.columns)?);
        }
        let here = reaching.as_ref().map_or(*rows, Reaching::rows);
        if here.count > 0 {
            let value = self.otherwise(&here, data_type)?;
            match &reaching {
                Some(reaching) => place(&mut places, &reaching.positions, results.len(), &value),
                None => return Ok(value),
            }
            results.push(value.array);
        }
        if results.is_empty() {
            return Ok(Arg::array(new_null_array(&data_type.to_arrow(), rows.count)));
        }
        let results: Vec<&dyn Array> = results.iter().map(AsRef::as_ref).collect();
        Ok(Arg::array(compute::interleave(&results, &places)?))
    }
}

fn place(places: &mut [(usize, usize)], positions: &UInt32Array, which: usize, value: &Arg) {
    for (index, &position) in positions.values().iter().enumerate() {
        places[position as usize] = (which, value.index(index));
    }
}

/// True where the condition is true; null is false.
pub(crate) fn mask(condition: ArrayRef) -> Result<BooleanArray, Failure> {
    let condition = condition
        .as_boolean_opt()
        .ok_or_else(|| Failure::internal(format!("a condition is {}", condition.data_type())))?;
    Ok(if condition.null_count() > 0 { compute::prep_null_mask_filter(condition) } else { condition.clone() })
}

/// Some of a batch's rows: the columns that are read, filtered, and the rows' positions in the batch.
pub(crate) struct Reaching {
    columns: Vec<ArrayRef>,
    pub(crate) positions: UInt32Array,
}

impl Reaching {
    pub(crate) fn rows(&self) -> Rows<'_> {
        Rows { columns: &self.columns, count: self.positions.len() }
    }

    pub(crate) fn filter(
        rows: &Rows<'_>,
        within: Option<&Self>,
        mask: &BooleanArray,
        read: &[usize],
    ) -> Result<Self, Failure> {
        let filter = compute::FilterBuilder::new(mask).optimize().build();
        let mut columns: Vec<ArrayRef> = rows.columns.iter().map(Arc::clone).collect();
        for &index in read {
            if let Some(column) = columns.get_mut(index) {
                *column = filter.filter(column)?;
            }
        }
        let positions = match within {
            Some(within) => filter.filter(&within.positions)?.as_primitive().clone(),
            None => mask.values().set_indices_u32().collect::<Vec<u32>>().into(),
        };
        Ok(Self { columns, positions })
    }
}
