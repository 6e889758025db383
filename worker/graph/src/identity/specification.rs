//! What each kind of operator does to the rows of its inputs, as a hash, and what its output's columns are.

use std::collections::BTreeSet;

use super::{Hash, Id, Rows, conjuncts, expression, field, location, table};
use crate::{
    Expr, Node, OperatorSpec,
    operator::{
        AggregateCall, CalcSpec, Keep, SortColumn, SourceSpec, WindowAggregateSpec, WindowAssignSpec, WindowJoinKind,
        WindowKind,
    },
};

/// The id of a node, and the rows of its output. `inputs` are in the order of their ports; those of one port in an
/// order that does not depend on the graph's. `shared` are the names of tables that several sources read.
///
/// State with whole rows is of their columns in order, so that these are in the id too; the output's rows are the same
/// whatever is kept.
pub(super) fn of(node: &Node, inputs: &[(usize, Rows)], shared: &BTreeSet<&str>) -> (Id, Rows) {
    let (id, output) = computed(node, inputs, shared);
    let keeps = |port: usize| match &node.operator {
        OperatorSpec::WindowAssign(spec) => matches!(spec.window, WindowKind::Session { .. }),
        OperatorSpec::Deduplicate(spec) => !spec.processing || spec.keep == Keep::Last,
        OperatorSpec::SemiJoin(spec) => port == 0 || spec.condition.is_some(),
        OperatorSpec::Rank(_) | OperatorSpec::Join(_) | OperatorSpec::IntervalJoin(_) | OperatorSpec::WindowJoin(_) => {
            true
        }
        _ => false,
    };
    let kept = inputs.iter().filter(|(port, _)| keeps(*port));
    let kept: Vec<Id> = kept.flat_map(|(_, rows)| rows.columns.iter().copied()).collect();
    (if kept.is_empty() { id } else { Hash::of("kept").id(id).ids(kept).end() }, output)
}

fn computed(node: &Node, inputs: &[(usize, Rows)], shared: &BTreeSet<&str>) -> (Id, Rows) {
    let none = Rows::default();
    let port = |port: usize| inputs.iter().find(|(of, _)| *of == port).map_or(&none, |(_, rows)| rows);
    let input = port(0);
    match &node.operator {
        OperatorSpec::Source(spec) => source(spec, shared.contains(spec.table.name.as_str())),
        OperatorSpec::Sink(spec) => (table("sink", &spec.table), Rows::default()),
        OperatorSpec::Calc(spec) => calc(spec, &united(inputs)),
        OperatorSpec::WindowAssign(spec) => {
            let id = window_assign(spec, input);
            (id, with_columns(id, input.columns.clone(), &["start", "end", "time"]))
        }
        OperatorSpec::WindowAggregate(spec) => {
            let id = window_aggregate(spec, input);
            (id, with_columns(id, aggregated(id, &spec.keys, &spec.aggregates, input), &["start", "end", "time"]))
        }
        OperatorSpec::GroupAggregate(spec) => {
            let hash = Hash::of("group-aggregate").id(input.id()).ids(input.columns(&spec.keys));
            let id = hash.ids(calls(&spec.aggregates, input)).end();
            (id, with_columns(id, aggregated(id, &spec.keys, &spec.aggregates, input), &[]))
        }
        OperatorSpec::LocalAggregate(spec) => {
            let hash = Hash::of("local-aggregate").id(input.id()).ids(input.columns(&spec.keys));
            let id = hash.ids(calls(&spec.aggregates, input)).value(&spec.window.map(|(_, window)| window)).end();
            (id, with_columns(id, aggregated(id, &spec.keys, &spec.aggregates, input), &[]))
        }
        OperatorSpec::Rank(spec) => {
            let hash =
                Hash::of("rank").id(input.id()).ids(input.columns(&spec.partition)).ids(order(&spec.order, input));
            let window = spec.window_end.map(|end| input.column(end));
            let hash = hash.value(&(spec.from, spec.to, spec.latest_first)).ids(window).value(&spec.zone);
            let id = hash.end();
            (id, with_columns(id, input.columns.clone(), if spec.with_number { &["number"] } else { &[] }))
        }
        OperatorSpec::Deduplicate(spec) => {
            let time = (!spec.processing).then(|| input.column(spec.time));
            let hash = Hash::of("deduplicate").id(input.id()).ids(input.columns(&spec.keys)).ids(time);
            let id = hash.value(&spec.keep).end();
            (id, with_columns(id, input.columns.clone(), &[]))
        }
        OperatorSpec::Unnest(spec) => {
            let hash = Hash::of("unnest").id(input.id()).id(input.column(spec.column));
            let id = hash.value(&(spec.outer, spec.ordinality)).end();
            let elements = (input.columns.len()..node.schema.len()).map(|column| column - input.columns.len());
            let elements = elements.map(|element| Hash::of("element").id(id).id(element as u64).end());
            (id, with_columns(id, input.columns.iter().copied().chain(elements).collect(), &[]))
        }
        OperatorSpec::Limit(spec) => {
            let id = Hash::of("limit").id(input.id()).value(&(spec.limit, spec.offset)).end();
            (id, with_columns(id, input.columns.clone(), &[]))
        }
        OperatorSpec::Join(_)
        | OperatorSpec::IntervalJoin(_)
        | OperatorSpec::SemiJoin(_)
        | OperatorSpec::WindowJoin(_) => join(&node.operator, [port(0), port(1)]),
    }
}

fn join(operator: &OperatorSpec, sides: [&Rows; 2]) -> (Id, Rows) {
    let [left, right] = sides;
    match operator {
        OperatorSpec::Join(spec) => {
            let keys = (spec.left_keys.as_slice(), spec.right_keys.as_slice(), spec.nulls_equal);
            joined(Hash::of("join"), sides, keys, spec.condition.as_ref(), false)
        }
        OperatorSpec::IntervalJoin(spec) => {
            let times = [left.column(spec.left_time), right.column(spec.right_time)];
            let hash = Hash::of("interval-join").ids(times).value(&(spec.lower, spec.upper));
            let keys = (spec.left_keys.as_slice(), spec.right_keys.as_slice(), spec.nulls_equal);
            joined(hash, sides, keys, spec.condition.as_ref(), false)
        }
        OperatorSpec::SemiJoin(spec) => {
            let keys = (spec.left_keys.as_slice(), spec.right_keys.as_slice(), spec.nulls_equal);
            joined(Hash::of("semi-join").value(&spec.anti), sides, keys, spec.condition.as_ref(), true)
        }
        OperatorSpec::WindowJoin(spec) => {
            let ends = [left.column(spec.left_end), right.column(spec.right_end)];
            let hash = Hash::of("window-join").value(&spec.kind).ids(ends).value(&spec.zone);
            let keys = (spec.left_keys.as_slice(), spec.right_keys.as_slice(), spec.nulls_equal);
            joined(hash, sides, keys, spec.condition.as_ref(), spec.kind != WindowJoinKind::Inner)
        }
        // No join.
        other => (Hash::of(other.kind()).ids(sides.map(Rows::id)).end(), Rows::default()),
    }
}

/// Rows with some columns, and others that the operator adds.
fn with_columns(id: Id, mut columns: Vec<Id>, added: &[&str]) -> Rows {
    columns.extend(added.iter().map(|name| Hash::of(name).id(id).end()));
    Rows { base: id, filters: BTreeSet::new(), columns }
}

/// The positions of a source are of its data. Its rows are of the table, wherever that has them, so that state behind
/// the source survives when the data moves. Which columns the job reads is of no matter.
fn source(spec: &SourceSpec, is_name_shared: bool) -> (Id, Rows) {
    let id = Hash::of("data").id(table("source", &spec.table)).id(location(&spec.table)).end();
    let rows = Hash::of("table").text(&spec.table.name);
    let rows = if is_name_shared { rows.value(&spec.table.options) } else { rows };
    let base = rows.end();
    let columns = spec.columns.iter().map(|column| {
        let mut path = column.path.iter();
        let first = Hash::of("column").id(base).text(path.next().map_or("", String::as_str)).end();
        path.fold(first, |row, name| field(row, name))
    });
    (id, Rows { base, filters: BTreeSet::new(), columns: columns.collect() })
}

/// The rows of all inputs, whatever their order.
fn united(inputs: &[(usize, Rows)]) -> Rows {
    let [(_, only)] = inputs else {
        let base = Hash::of("union").ids(inputs.iter().map(|(_, rows)| rows.id())).end();
        let width = inputs.iter().map(|(_, rows)| rows.columns.len()).max().unwrap_or(0);
        let column = |column: usize| Hash::of("union").ids(inputs.iter().map(|(_, rows)| rows.column(column))).end();
        return Rows { base, filters: BTreeSet::new(), columns: (0..width).map(column).collect() };
    };
    only.clone()
}

fn calc(spec: &CalcSpec, input: &Rows) -> (Id, Rows) {
    let mut conditions = Vec::new();
    spec.filter.iter().for_each(|filter| conjuncts(filter, &mut conditions));
    let mut rows =
        Rows { columns: spec.projection.iter().map(|expr| expression(expr, input)).collect(), ..input.clone() };
    rows.filters.extend(conditions.into_iter().map(|condition| expression(condition, input)));
    (Hash::of("calc").id(rows.id()).ids(rows.columns.iter().copied()).end(), rows)
}

fn window_assign(spec: &WindowAssignSpec, input: &Rows) -> Id {
    let time = (!spec.processing).then(|| input.column(spec.time));
    let hash = Hash::of("window-assign").id(input.id()).ids(input.columns(&spec.keys)).ids(time);
    hash.value(&spec.window).value(&spec.zone).end()
}

fn window_aggregate(spec: &WindowAggregateSpec, input: &Rows) -> Id {
    let time = (!spec.processing).then(|| input.column(spec.time));
    let hash = Hash::of("window-aggregate").id(input.id()).ids(input.columns(&spec.keys)).ids(time);
    hash.ids(calls(&spec.aggregates, input)).value(&spec.window).value(&spec.zone).end()
}

fn calls(calls: &[AggregateCall], input: &Rows) -> impl Iterator<Item = Id> {
    calls.iter().map(|call| {
        let column = |column: Option<usize>| column.map(|column| input.column(column));
        let hash = Hash::of("call").value(&call.function).value(&call.data_type).value(&call.distinct);
        hash.ids(column(call.argument)).ids(column(call.second)).ids(column(call.filter)).end()
    })
}

/// The keys and the results of an aggregation.
fn aggregated(id: Id, keys: &[usize], aggregates: &[AggregateCall], input: &Rows) -> Vec<Id> {
    let keys = input.columns(keys).map(|key| Hash::of("key").id(id).id(key).end());
    let results = calls(aggregates, input).map(|call| Hash::of("result").id(id).id(call).end());
    keys.chain(results).collect()
}

fn order<'a>(columns: &'a [SortColumn], input: &'a Rows) -> impl Iterator<Item = Id> + 'a {
    columns.iter().map(|column| {
        Hash::of("order").id(input.column(column.column)).value(&(column.descending, column.nulls_first)).end()
    })
}

/// A join: its id, and the columns of both sides or only the left.
fn joined(
    hash: Hash,
    [left, right]: [&Rows; 2],
    (left_keys, right_keys, nulls_equal): (&[usize], &[usize], bool),
    condition: Option<&Expr>,
    of_left: bool,
) -> (Id, Rows) {
    // A column may be on both sides.
    let side = |name: &'static str, rows: &Rows| -> Vec<Id> {
        rows.columns.iter().map(|column| Hash::of(name).id(*column).end()).collect()
    };
    let both = Rows { columns: [side("left", left), side("right", right)].concat(), ..Rows::default() };
    let mut conditions = Vec::new();
    condition.into_iter().for_each(|condition| conjuncts(condition, &mut conditions));
    let conditions: BTreeSet<Id> = conditions.into_iter().map(|condition| expression(condition, &both)).collect();
    let hash = hash.id(left.id()).id(right.id()).ids(left.columns(left_keys)).ids(right.columns(right_keys));
    let id = hash.value(&nulls_equal).ids(conditions).end();
    let columns = if of_left { left.columns.clone() } else { both.columns };
    (id, with_columns(id, columns, &[]))
}
