//! Which accumulators a list of aggregate calls needs, without duplicates, and where each is kept.

#![expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "positions are bounded by a batch; hashes and times are reinterpreted bit by bit"
)]

use graph::operator::{AggregateCall, AggregateFunction};
use model::{Failure, Schema};

use super::{
    Object,
    argument::Form,
    collection::{Collector, Keep},
    moments,
    result::Outcome,
};
use crate::{limits::Limits, signature};

/// How many `FILTER` variants of one `DISTINCT` argument share a set: a bit each.
const VARIANTS_MAX: usize = 64;

/// Rows as they count for an accumulator: those that pass a filter, with an argument that is not null.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Input {
    pub(crate) column: Option<usize>,
    pub(crate) filter: Option<usize>,
    pub(crate) distinct: bool,
}

/// A column in one form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ArgumentSpec {
    pub(crate) column: usize,
    pub(crate) form: Form,
}

/// What a cell does with each row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CellKind {
    Count,
    Sum(Form),
    Min(Form),
    Max(Form),
    /// Mean and squared distances from it.
    Moments,
}

/// An accumulator made of words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Cell {
    pub(crate) kind: CellKind,
    /// Position in [`Layout::inputs`].
    pub(crate) input: usize,
    /// Position in [`Layout::arguments`]; unused by counts.
    pub(crate) argument: usize,
    /// The first word.
    pub(crate) word: usize,
}

/// An accumulator that is not made of words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum ObjectSpec {
    /// The least or greatest string of an append-only input.
    Text { input: usize, argument: usize, max: bool },
    /// How often each value occurs, in order: for the least and greatest of an input with retractions.
    Multiset { input: usize, argument: usize, form: Form },
    /// The values that the inputs have seen. Without retractions a bit for each input, else the count for the one.
    Distinct { argument: usize, form: Form, inputs: Vec<usize> },
    /// The values of columns.
    Collection { input: usize, columns: Vec<usize>, keep: Keep },
    /// How often each number occurs; `frequency` is the argument that says how often it does in a row.
    Numbers { input: usize, value: usize, frequency: Option<usize> },
}

/// The accumulators of an aggregation.
#[derive(Debug)]
pub(crate) struct Layout {
    pub(crate) inputs: Vec<Input>,
    pub(crate) arguments: Vec<ArgumentSpec>,
    /// The first cell counts all rows.
    pub(crate) cells: Vec<Cell>,
    pub(crate) objects: Vec<ObjectSpec>,
    pub(crate) outcomes: Vec<Outcome>,
    /// The outcomes that are made of collected values.
    pub(crate) collectors: Vec<Collector>,
    /// The words of a group without rows.
    pub(crate) template: Vec<i64>,
    /// Whether the input may carry retractions.
    pub(crate) retracts: bool,
    /// Whether a group without rows is kept once it had some: that of an aggregation without keys.
    pub(crate) keeps_empty: bool,
    pub(crate) limits: Limits,
}

impl Layout {
    /// The accumulators for `calls`, whose columns are those of `input`.
    pub(crate) fn new(
        calls: &[AggregateCall],
        input: &Schema,
        retracts: bool,
        keeps_empty: bool,
        limits: Limits,
    ) -> Result<Self, Failure> {
        let mut layout = Self {
            inputs: Vec::new(),
            arguments: Vec::new(),
            cells: Vec::new(),
            objects: Vec::new(),
            outcomes: Vec::new(),
            collectors: Vec::new(),
            template: Vec::new(),
            retracts,
            keeps_empty,
            limits,
        };
        let rows = layout.input(Input { column: None, filter: None, distinct: false });
        layout.cell(CellKind::Count, rows, 0);
        for call in calls {
            layout.add(call, input).map_err(|error| error.at(format!("aggregate {}", call.function.name())))?;
        }
        Ok(layout)
    }

    /// Whether every row that is added to a group changes its result.
    pub(crate) fn always_changes(&self) -> bool {
        !self.retracts && self.outcomes.iter().any(Outcome::counts_rows)
    }

    /// The accumulators as signatures before version 2 have them.
    pub(crate) fn former_signature(&self, calls: &[AggregateCall], schema: &Schema) -> String {
        let calls: Vec<String> = calls.iter().map(|call| described(call, schema)).collect();
        format!("{}{}", calls.join(", "), if self.retracts { " over a changelog" } else { "" })
    }

    /// What a group without rows keeps outside the words.
    pub(crate) fn new_objects(&self) -> Box<[Object]> {
        self.objects.iter().map(Object::new).collect()
    }

    fn add(&mut self, call: &AggregateCall, schema: &Schema) -> Result<(), Failure> {
        use AggregateFunction::{Avg, Count, Max, Min, Sum};
        if let Some(column) = call.columns().find(|&column| column >= schema.len()) {
            return Err(Failure::internal(format!("column {column} of {}", schema.len())));
        }
        if !matches!(call.function, Count | Sum | Avg | Min | Max) {
            return self.add_collection(call, schema);
        }
        // The least of all values is the least of the distinct ones.
        let distinct = call.distinct && call.argument.is_some() && !matches!(call.function, Min | Max);
        let input = self.input(Input { column: call.argument, filter: call.filter, distinct });
        if distinct {
            self.distinct(input, call.argument.unwrap_or(0), schema);
        }
        let count = self.cell(CellKind::Count, input, 0);
        let Some(column) = call.argument else {
            return match call.function {
                Count => self.outcome(Outcome::count(count, input)),
                _ => Err(Failure::internal("an argument is missing")),
            };
        };
        let data_type = &schema.fields[column].data_type;
        match call.function {
            Count => self.outcome(Outcome::count(count, input)),
            Sum | Avg => {
                let form = Form::added(data_type).ok_or_else(|| unsupported(data_type))?;
                let argument = self.argument(column, form);
                let word = self.cell(CellKind::Sum(form), input, argument);
                self.outcome(Outcome::added(call.function == Avg, form, word, count, data_type, &call.data_type)?)
            }
            Min | Max => {
                let form = Form::compared(data_type);
                let argument = self.argument(column, form);
                self.extreme(call.function == Max, input, argument, form, count, call)
            }
            _ => Err(Failure::internal("no accumulator")),
        }
    }

    fn extreme(
        &mut self,
        max: bool,
        input: usize,
        argument: usize,
        form: Form,
        count: usize,
        call: &AggregateCall,
    ) -> Result<(), Failure> {
        if form == Form::Nested {
            return Err(unsupported(&call.argument_type));
        }
        let arrow = call.data_type.to_arrow();
        if self.retracts {
            let object = self.object(ObjectSpec::Multiset { input, argument, form });
            return self.outcome(Outcome::of_object(object, max, form, count, arrow));
        }
        if form == Form::Text {
            let object = self.object(ObjectSpec::Text { input, argument, max });
            return self.outcome(Outcome::of_object(object, max, form, count, arrow));
        }
        let kind = if max { CellKind::Max(form) } else { CellKind::Min(form) };
        let word = self.cell(kind, input, argument);
        self.outcome(Outcome::extreme(form, word, count, arrow))
    }

    pub(super) fn outcome(&mut self, outcome: Outcome) -> Result<(), Failure> {
        self.outcomes.push(outcome);
        Ok(())
    }

    pub(super) fn input(&mut self, input: Input) -> usize {
        position_or_push(&mut self.inputs, input)
    }

    pub(super) fn argument(&mut self, column: usize, form: Form) -> usize {
        position_or_push(&mut self.arguments, ArgumentSpec { column, form })
    }

    pub(super) fn object(&mut self, spec: ObjectSpec) -> usize {
        position_or_push(&mut self.objects, spec)
    }

    /// The first word of the cell, which is added if there is none like it.
    pub(super) fn cell(&mut self, kind: CellKind, input: usize, argument: usize) -> usize {
        let known = |cell: &&Cell| cell.kind == kind && cell.input == input && cell.argument == argument;
        if let Some(cell) = self.cells.iter().find(known) {
            return cell.word;
        }
        let word = self.template.len();
        self.cells.push(Cell { kind, input, argument, word });
        match kind {
            CellKind::Count => self.template.push(0),
            CellKind::Sum(form) => self.template.resize(word + form.words(), 0),
            CellKind::Moments => self.template.resize(word + moments::WORDS, 0),
            CellKind::Min(Form::Decimal) => self.template.extend(words_of(i128::MAX)),
            CellKind::Max(Form::Decimal) => self.template.extend(words_of(i128::MIN)),
            CellKind::Min(_) => self.template.push(i64::MAX),
            CellKind::Max(_) => self.template.push(i64::MIN),
        }
        word
    }

    /// Gives a distinct input its place in a set of its argument.
    fn distinct(&mut self, input: usize, column: usize, schema: &Schema) {
        let form = Form::compared(&schema.fields[column].data_type);
        let argument = self.argument(column, form);
        let variants_max = if self.retracts { 1 } else { VARIANTS_MAX };
        let mut free = None;
        for spec in &mut self.objects {
            match spec {
                ObjectSpec::Distinct { argument: other, inputs, .. } if *other == argument => {
                    if inputs.contains(&input) {
                        return;
                    }
                    if inputs.len() < variants_max {
                        free = Some(inputs);
                    }
                }
                _ => {}
            }
        }
        match free {
            Some(inputs) => inputs.push(input),
            None => self.objects.push(ObjectSpec::Distinct { argument, form, inputs: vec![input] }),
        }
    }
}

/// A 128-bit value as words, low then high.
#[inline]
pub(crate) fn words_of(value: i128) -> [i64; 2] {
    [value as i64, (value >> 64) as i64]
}

/// The inverse of [`words_of`].
#[inline]
pub(crate) fn wide(low: i64, high: i64) -> i128 {
    (i128::from(high) << 64) | i128::from(low as u64)
}

/// A call as in SQL, with the type in place of the argument.
fn described(call: &AggregateCall, schema: &Schema) -> String {
    let type_of =
        |column: usize| schema.fields.get(column).map_or(String::new(), |field| signature::type_name(&field.data_type));
    let argument = call.argument.map_or("*".to_owned(), type_of);
    let distinct = if call.distinct { "DISTINCT " } else { "" };
    let filter = call.filter.map_or(String::new(), |column| format!(" FILTER {column}"));
    let column = call.argument.map_or(String::new(), |column| format!(" {column}"));
    let second = call.second.map_or(String::new(), |column| format!(", {} {column}", type_of(column)));
    // Values that are not kept cannot come back.
    let nulls = match call.function {
        AggregateFunction::ArrayAgg { ignore_nulls: true } => " IGNORE NULLS",
        AggregateFunction::JsonArrayAgg { absent_on_null: true }
        | AggregateFunction::JsonObjectAgg { absent_on_null: true } => " ABSENT ON NULL",
        _ => "",
    };
    format!("{}({distinct}{argument}{column}{second}{nulls}){filter}", call.function.name()).to_uppercase()
}

fn position_or_push<T: PartialEq>(list: &mut Vec<T>, item: T) -> usize {
    list.iter().position(|known| *known == item).unwrap_or_else(|| {
        list.push(item);
        list.len() - 1
    })
}

pub(super) fn unsupported(data_type: &model::DataType) -> Failure {
    Failure::user(format!("does not take arguments of type {data_type}"))
}
