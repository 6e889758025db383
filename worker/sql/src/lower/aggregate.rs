//! Aggregations: by window and keys, or by keys alone.

mod call;

use datafusion_expr::{Aggregate, Expr as Logical, LogicalPlan};
use graph::{
    ChangelogMode, Expr, NodeId, OperatorSpec, Value,
    operator::{AggregateCall, GroupAggregateSpec, WindowAggregateSpec, WindowKind},
};
use model::{DataType, Field, Schema};

use super::{
    Base, Lowering, Relation, Scope, WindowColumns, WindowOf, grouping_sets, names,
    scalar::{self, columns_of, conjunction},
    window,
};
use crate::{SqlError, nodes::WINDOW_COLUMNS};
use call::{Call, Calls};

/// What a grouping expression of a windowed aggregation is.
enum Group {
    Start,
    End,
    Time,
    Key(usize),
}

/// Columns computed before an aggregation, each once.
#[derive(Default)]
struct Columns {
    exprs: Vec<Expr>,
}

impl Columns {
    fn position(&mut self, expr: Expr) -> usize {
        match self.exprs.iter().position(|other| *other == expr) {
            Some(position) => position,
            None => {
                self.exprs.push(expr);
                self.exprs.len() - 1
            }
        }
    }
}

impl Lowering<'_> {
    pub(super) fn distinct(&mut self, input: &LogicalPlan) -> Result<Relation, SqlError> {
        let relation = self.relation(input)?;
        let groups = relation.exprs.clone();
        self.aggregated(relation, groups, Vec::new(), names(input))
    }

    pub(super) fn aggregate(&mut self, aggregate: &Aggregate) -> Result<Relation, SqlError> {
        let mut relation = self.computed_once(&aggregate.input)?;
        let sets = grouping_sets::sets(&aggregate.group_expr)?;
        if sets.is_some() {
            // Only then are the columns of its window known.
            relation = match relation.base {
                Base::Numbered(numbered) => self.ranked(*numbered, relation.exprs, relation.names, relation.filter)?,
                base => Relation { base, ..relation },
            };
        }
        let is_session = matches!(&relation.base, Base::Window { of, .. } if of.is_session() && of.partition.is_some());
        if let Some(sets) = &sets {
            let are_windows = self.are_of_windows(&relation, aggregate, sets)?;
            if is_session || !are_windows || matches!(relation.base, Base::Node { .. }) {
                // What the sets do not need is not repeated, and sessions are not those of a set.
                let names = relation.names.clone();
                let (node, window) = self.materialize(relation)?;
                let exprs = (0..names.len()).map(Expr::Column).collect();
                let window = window.filter(|_| are_windows);
                relation = Relation { base: Base::Node { node, window }, exprs, names, filter: None };
            }
        }
        let schema = aggregate.input.schema();
        let scope = Scope { schema, exprs: &relation.exprs };
        let calls = aggregate.aggr_expr.iter().filter(|expr| grouping_sets::grouping(expr).is_none());
        let calls = Calls::new(&scope, schema, calls)?;
        if let Some(sets) = sets {
            let expanded = self.expand(relation, schema, &aggregate.group_expr, &sets)?;
            let keys = expanded.groups.len() - 1;
            let fields = aggregate.schema.fields().iter().enumerate();
            let plain = |index: usize, name: &str| index < keys && !name.contains(['(', '$']);
            let names =
                fields.map(
                    |(index, field)| {
                        if plain(index, field.name()) { field.name().clone() } else { format!("$a{index}") }
                    },
                );
            let names = grouping_sets::without_groupings(aggregate, names.collect());
            let over = |expr: &Expr| expanded.over(expr);
            let calls = calls.over(&over);
            let aggregated = self.with_results(expanded.relation, expanded.groups, calls, names)?;
            return grouping_sets::with_groupings(aggregate, Some(&sets), aggregated);
        }
        let groups = aggregate.group_expr.iter().map(|expr| scope.lower(expr)).collect::<Result<Vec<_>, _>>()?;
        // The library's names for what has no name of its own are its own syntax.
        let plain = aggregate.group_expr.iter().map(|expr| match expr {
            Logical::Alias(alias) => !alias.name.starts_with('$'),
            other => matches!(other, Logical::Column(_)),
        });
        let plain = plain.chain(std::iter::repeat_n(false, aggregate.aggr_expr.len()));
        let fields = aggregate.schema.fields().iter().zip(plain).enumerate();
        let names = fields
            .map(|(index, (field, plain))| if plain { field.name().clone() } else { format!("$a{index}") })
            .collect();
        let names = grouping_sets::without_groupings(aggregate, names);
        grouping_sets::with_groupings(aggregate, None, self.with_results(relation, groups, calls, names)?)
    }

    /// An aggregation, and the query's results over what it computes.
    fn with_results(
        &mut self,
        relation: Relation,
        groups: Vec<Expr>,
        calls: Calls,
        names: Vec<String>,
    ) -> Result<Relation, SqlError> {
        let count = groups.len();
        let computed = names.iter().take(count).cloned().chain(calls.names(count)).collect();
        let (calls, results) = calls.into_parts();
        let relation = self.aggregated(relation, groups, calls, computed)?;
        Ok(Calls::finish(&results, count, relation, names))
    }

    /// Groups and calls are over the relation's base.
    fn aggregated(
        &mut self,
        mut relation: Relation,
        groups: Vec<Expr>,
        calls: Vec<Call>,
        names: Vec<String>,
    ) -> Result<Relation, SqlError> {
        let columns = match &relation.base {
            Base::Node { window, .. } => *window,
            Base::Numbered(_) => None,
            Base::Window { input, of } => Some(of.columns(input.exprs.len())),
        };
        let grouped_by = |column: usize| groups.contains(&Expr::Column(column));
        if let Some(columns) = columns.filter(|columns| grouped_by(columns.start) && grouped_by(columns.end)) {
            let mut groups_left = Vec::new();
            let kinds: Vec<Group> = groups
                .into_iter()
                .map(|group| match group {
                    Expr::Column(column) if column == columns.start => Group::Start,
                    Expr::Column(column) if column == columns.end => Group::End,
                    Expr::Column(column) if Some(column) == columns.time => Group::Time,
                    other => {
                        groups_left.push(other);
                        Group::Key(groups_left.len() - 1)
                    }
                })
                .collect();
            return self.window_aggregate(relation, columns, kinds, groups_left, calls, names);
        }
        if matches!(relation.base, Base::Window { .. }) {
            let (node, window) = self.base(relation.base)?;
            relation.base = Base::Node { node, window };
        }
        self.group_aggregate(relation, groups, calls, names)
    }

    fn group_aggregate(
        &mut self,
        relation: Relation,
        groups: Vec<Expr>,
        calls: Vec<Call>,
        names: Vec<String>,
    ) -> Result<Relation, SqlError> {
        let mut columns = Columns::default();
        let keys: Vec<usize> = groups.into_iter().map(|group| columns.position(group)).collect();
        let (input, aggregates) = self.prepare(relation, &mut columns, calls)?;
        let mut fields = self.key_fields(input, &keys, &names);
        fields.extend(aggregate_fields(&aggregates, &names[keys.len()..]));
        let spec = GroupAggregateSpec {
            keys: keys.clone(),
            aggregates,
            input: ChangelogMode::APPEND,
            emit_update_before: false,
            partial: None,
        };
        let node = self.add(OperatorSpec::GroupAggregate(spec), Schema::new(fields));
        self.connect_by_key(input, node, 0, &keys);
        let exprs = (0..names.len()).map(Expr::Column).collect();
        Ok(Relation { base: Base::Node { node, window: None }, exprs, names, filter: None })
    }

    fn window_aggregate(
        &mut self,
        relation: Relation,
        columns: WindowColumns,
        groups: Vec<Group>,
        keys: Vec<Expr>,
        calls: Vec<Call>,
        names: Vec<String>,
    ) -> Result<Relation, SqlError> {
        let reads_window = {
            let first = columns.start.min(columns.end);
            let read = keys.iter().chain(&relation.filter);
            let read = read.chain(calls.iter().flat_map(Call::exprs));
            read.flat_map(columns_of).any(|column| column >= first && column < first + 3)
        };
        // A window that nothing but the grouping reads is assigned by the aggregation itself.
        let mut keys = keys;
        let (relation, time, window, keys, calls, start) = match relation.base {
            Base::Window { input, of } if !reads_window && of.is_of(&keys) => {
                let over = |expr: &Expr| input.over_base(expr);
                let keys = keys.iter().map(over).collect::<Vec<_>>();
                let calls: Vec<Call> = calls.into_iter().map(|call| call.over(&over)).collect();
                let filter = conjunction(input.filter.clone(), relation.filter.as_ref().map(over));
                let time = input.exprs[of.time].clone();
                (Relation { filter, ..*input }, time, of.window, keys, calls, StartOf::Window)
            }
            base => {
                let (node, window) = self.base(base)?;
                let columns = window.unwrap_or(columns);
                if columns.processing {
                    return Err(SqlError::new("an aggregation over the windows of processing time is not supported"));
                }
                let relation = Relation { base: Base::Node { node, window }, ..relation };
                // Rows of one window have one window_time, and no other window ends in the slide before it.
                let (window, start) = slices(columns.window);
                if start == StartOf::Key {
                    keys.push(Expr::Column(columns.start));
                }
                let last = |end| Expr::call("-", vec![Expr::Column(end), interval(1)], DataType::Timestamp(3));
                // Of instants the bounds are the local times that windows are made of.
                let time = match columns.time.filter(|_| !columns.of_instants) {
                    Some(time) => Expr::Column(time),
                    None => last(columns.end),
                };
                (relation, time, window, keys, calls, start)
            }
        };
        let mut before = Columns::default();
        let key_positions: Vec<usize> = keys.into_iter().map(|key| before.position(key)).collect();
        let time = before.position(time);
        let (input, aggregates) = self.prepare(relation, &mut before, calls)?;
        let schema = &self.graph.nodes[input].schema;
        let time_type = match columns.of_instants {
            true => DataType::TimestampLtz(3),
            false => schema.fields[time].data_type.clone(),
        };
        let mut key_names = vec![WINDOW_COLUMNS[0].to_owned(); key_positions.len()];
        for (group, name) in groups.iter().zip(&names) {
            if let Group::Key(key) = group {
                key_names[*key] = name.clone();
            }
        }
        let mut fields = self.key_fields(input, &key_positions, &key_names);
        fields.extend(aggregate_fields(&aggregates, &names[groups.len()..]));
        fields.extend(window::fields(&time_type));
        let processing = columns.processing;
        let (key_count, call_count) = (key_positions.len(), aggregates.len());
        let spec = WindowAggregateSpec {
            keys: key_positions.clone(),
            aggregates,
            time,
            window,
            zone: self.zone_of(columns.of_instants),
            processing,
            input: ChangelogMode::APPEND,
            partial: None,
        };
        let node = self.add(OperatorSpec::WindowAggregate(spec), Schema::new(fields));
        self.connect_by_key(input, node, 0, &key_positions);
        windowed(node, key_count, call_count, &groups, names, columns, start, self)
    }

    /// The operator that computes the columns an aggregation reads, and the aggregates over them.
    fn prepare(
        &mut self,
        relation: Relation,
        columns: &mut Columns,
        calls: Vec<Call>,
    ) -> Result<(NodeId, Vec<AggregateCall>), SqlError> {
        let schema = self.base_schema(&relation.base)?;
        let mut aggregates = Vec::with_capacity(calls.len());
        for call in calls {
            let argument_type = match &call.argument {
                Some(argument) => scalar::type_of(argument, &schema)?,
                None => DataType::Null,
            };
            aggregates.push(AggregateCall {
                function: call.function,
                argument: call.argument.map(|argument| columns.position(argument)),
                second: call.second.map(|second| columns.position(second)),
                filter: call.filter.map(|filter| columns.position(filter)),
                distinct: call.distinct,
                argument_type,
                data_type: call.data_type,
            });
        }
        if columns.exprs.is_empty() {
            // Rows without columns cannot be counted.
            columns.exprs.push(Expr::Literal { value: Value::Boolean(true), data_type: DataType::Boolean });
        }
        let names = columns.exprs.iter().enumerate();
        let names = names
            .map(|(index, expr)| {
                let position = relation.exprs.iter().position(|other| other == expr);
                position.map_or_else(|| format!("$f{index}"), |position| relation.names[position].clone())
            })
            .collect();
        let (node, _) = self.materialize(Relation { exprs: columns.exprs.clone(), names, ..relation })?;
        Ok((node, aggregates))
    }

    fn key_fields(&self, input: NodeId, keys: &[usize], names: &[String]) -> Vec<Field> {
        let schema = &self.graph.nodes[input].schema;
        keys.iter()
            .zip(names)
            .map(|(&key, name)| Field::new(name.clone(), schema.fields[key].data_type.clone()))
            .collect()
    }
}

fn aggregate_fields<'f>(aggregates: &'f [AggregateCall], names: &'f [String]) -> impl Iterator<Item = Field> + 'f {
    aggregates.iter().zip(names).map(|(call, name)| Field::new(name.clone(), call.data_type.clone()))
}

impl WindowOf {
    /// Whether an aggregation by these keys, over the window's columns, is by the keys of the sessions.
    fn is_of(&self, keys: &[Expr]) -> bool {
        let Some(partition) = &self.partition else { return true };
        let same = partition.iter().all(|column| keys.contains(&Expr::Column(*column)))
            && keys.iter().all(|key| partition.iter().any(|column| *key == Expr::Column(*column)));
        same || !self.is_session()
    }
}

/// Where an aggregation of windows that were aggregated before has the start of a window from.
#[derive(Clone, Copy, PartialEq, Eq)]
enum StartOf {
    /// The windows of the aggregation are those before.
    Window,
    /// They start so much later.
    Later(i64),
    /// It is the last key.
    Key,
}

/// Tumbling windows, one for each end of the given windows.
fn slices(window: WindowKind) -> (WindowKind, StartOf) {
    match window {
        WindowKind::Tumble { .. } => (window, StartOf::Window),
        WindowKind::Hop { size, slide, offset } => {
            (WindowKind::Tumble { size: slide, offset }, StartOf::Later(size - slide))
        }
        WindowKind::Cumulate { step, offset, .. } => (WindowKind::Tumble { size: step, offset }, StartOf::Key),
        WindowKind::Session { .. } => (WindowKind::Tumble { size: 1, offset: 0 }, StartOf::Key),
    }
}

/// The output of a windowed aggregation, in the order of its groups.
#[expect(clippy::too_many_arguments, reason = "the parts of one operator's output")]
fn windowed(
    node: NodeId,
    keys: usize,
    calls: usize,
    groups: &[Group],
    names: Vec<String>,
    before: WindowColumns,
    start_of: StartOf,
    lowering: &mut Lowering<'_>,
) -> Result<Relation, SqlError> {
    let start = keys + calls;
    let mut node = node;
    if let StartOf::Later(shift) = start_of {
        // The window's own start, as a column, so that it stays recognisable.
        let schema = lowering.graph.nodes[node].schema.clone();
        let mut projection: Vec<Expr> = (0..schema.len()).map(Expr::Column).collect();
        projection[start] = Expr::call("-", vec![Expr::Column(start), interval(shift)], DataType::Timestamp(3));
        let columns = schema.fields.into_iter().map(|field| field.name).collect();
        node = lowering.calc(node, None, projection, columns)?;
    }
    let first = if start_of == StartOf::Key { keys - 1 } else { start };
    let columns = WindowColumns { start: first, end: start + 1, time: Some(start + 2), ..before };
    let mut exprs: Vec<Expr> = groups
        .iter()
        .map(|group| {
            Expr::Column(match group {
                Group::Start => columns.start,
                Group::End => columns.end,
                Group::Time => start + 2,
                Group::Key(key) => *key,
            })
        })
        .collect();
    exprs.extend((keys..start).map(Expr::Column));
    Ok(Relation { base: Base::Node { node, window: Some(columns) }, exprs, names, filter: None })
}

fn interval(milliseconds: i64) -> Expr {
    Expr::Literal { value: Value::Integer(milliseconds), data_type: DataType::IntervalDayTime }
}
