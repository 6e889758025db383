//! `ROW_NUMBER()`: which rows are wanted is known only when it is known which of its results are.

#![expect(clippy::cast_sign_loss, reason = "numbers of a plan are small")]

use datafusion_expr::{Expr as Logical, Sort, Window, WindowFunctionDefinition};
use graph::{
    ChangelogMode, Expr, OperatorSpec, Value,
    operator::{DeduplicateSpec, Keep, RankSpec, SortColumn},
};
use model::{DataType, Field, Schema};
use sqlparser::tokenizer::Location;

use super::{
    Base, Lowering, Relation, Scope,
    scalar::{columns_of, conjunction, conjuncts, substitute},
};
use crate::{
    SqlError,
    row_number::{self, RowNumber},
    time_attribute::{TimeAttribute, find_time_attribute, orders_by_time},
};

/// Numbered rows that are not an operator yet: the input's fields, then the number. Partition and order are over the
/// base of the input.
#[derive(Clone, Debug)]
pub(super) struct Numbered {
    pub(super) input: Relation,
    partition: Vec<Expr>,
    order: Vec<Order>,
    /// If the order is that of time.
    time: Option<TimeAttribute>,
    /// Whether the order is that of time as far as rows are concerned: at all, and within a window.
    by_time: [bool; 2],
    place: Location,
}

#[derive(Clone, Debug)]
struct Order {
    by: Expr,
    descending: bool,
    nulls_first: bool,
}

/// The numbers that a condition lets through.
struct Bounds {
    from: i64,
    to: Option<i64>,
}

impl Lowering<'_> {
    pub(super) fn row_number(&mut self, window: &Window) -> Result<Relation, SqlError> {
        let [call] = window.window_expr.as_slice() else {
            return Err(SqlError::new("several ROW_NUMBERs in one SELECT are not supported"));
        };
        let mut call = call;
        while let Logical::Alias(alias) = call {
            call = &alias.expr;
        }
        let Logical::WindowFunction(call) = call else {
            return Err(SqlError::internal(format!("{call} is no window function")));
        };
        let function = match &call.fun {
            WindowFunctionDefinition::WindowUDF(function) => function.inner().downcast_ref::<RowNumber>(),
            WindowFunctionDefinition::AggregateUDF(_) => None,
        };
        let place = function.ok_or_else(|| SqlError::new("OVER is not supported"))?.place();
        let input = self.computed_once(&window.input)?;
        let scope = Scope { schema: window.input.schema(), exprs: &input.exprs };
        let params = &call.params;
        let partition = params.partition_by.iter().map(|expr| scope.lower(expr)).collect::<Result<Vec<_>, _>>()?;
        let order = params.order_by.iter().map(|sort| {
            Ok(Order { by: scope.lower(&sort.expr)?, descending: !sort.asc, nulls_first: sort.nulls_first })
        });
        let order = order.collect::<Result<Vec<_>, SqlError>>()?;
        let ordered_by = match params.order_by.as_slice() {
            [sort] => match &sort.expr {
                Logical::Column(column) => Some(column),
                _ => None,
            },
            _ => None,
        };
        let time = ordered_by.and_then(|column| find_time_attribute(&window.input, column));
        let by_time = [false, true]
            .map(|in_window| ordered_by.is_some_and(|column| orders_by_time(&window.input, column, in_window)));
        let mut names = input.names.clone();
        names.push("w0$o0".to_owned());
        let exprs = (0..names.len()).map(Expr::Column).collect();
        let base = Base::Numbered(Box::new(Numbered { input, partition, order, time, by_time, place }));
        Ok(Relation { base, exprs, names, filter: None })
    }

    /// `ORDER BY … LIMIT`: the rows with the first numbers.
    pub(super) fn top(&mut self, sort: &Sort) -> Result<Relation, SqlError> {
        let Some((first, last)) = self.limits.take() else {
            return Err(SqlError::new("ORDER BY without LIMIT on a stream is not supported"));
        };
        let input = self.computed_once(&sort.input)?;
        let scope = Scope { schema: sort.input.schema(), exprs: &input.exprs };
        let order = sort.expr.iter().map(|sort| {
            Ok(Order { by: scope.lower(&sort.expr)?, descending: !sort.asc, nulls_first: sort.nulls_first })
        });
        let order = order.collect::<Result<Vec<_>, SqlError>>()?;
        let names = input.names.clone();
        let number = Expr::Column(names.len());
        let bound = |sign: &str, value: i64| {
            let value = Expr::Literal { value: Value::Integer(value), data_type: DataType::BigInt };
            Expr::call(sign, vec![number.clone(), value], DataType::Boolean)
        };
        let from = (first > 0).then(|| bound(">", first));
        let filter = conjunction(from, Some(bound("<=", last)));
        let place = Location::new(0, 0);
        let partition = Vec::new();
        let numbered = Numbered { input, partition, order, time: None, by_time: [false; 2], place };
        let exprs = (0..names.len()).map(Expr::Column).collect();
        Ok(Relation { base: Base::Numbered(Box::new(numbered)), exprs, names, filter })
    }

    /// The columns of numbered rows.
    pub(super) fn numbered_schema(&self, numbered: &Numbered) -> Result<Schema, SqlError> {
        let fields = numbered.input.names.iter().cloned().zip(self.types(&numbered.input)?);
        let mut fields: Vec<Field> = fields.map(|(name, data_type)| Field::new(name, data_type)).collect();
        fields.push(Field::new("w0$o0", DataType::BigInt));
        Ok(Schema::new(fields))
    }

    /// A relation over numbered rows as one over the operator that keeps those which the relation's filter wants.
    #[expect(clippy::too_many_lines, reason = "the steps of one rewriting")]
    pub(super) fn ranked(
        &mut self,
        numbered: Numbered,
        exprs: Vec<Expr>,
        names: Vec<String>,
        filter: Option<Expr>,
    ) -> Result<Relation, SqlError> {
        let Numbered { input, partition, mut order, time, by_time, place } = numbered;
        let number = input.exprs.len();
        let (bounds, filter) = bounds(filter, number);
        let to = bounds.to.ok_or_else(|| row_number::error(UNBOUNDED, place))?;
        if to < bounds.from {
            return Err(row_number::error("no row has a ROW_NUMBER that the query wants", place));
        }
        let single = bounds.from == to;
        let reads_number = exprs.iter().chain(&filter).flat_map(columns_of).any(|column| column == number);
        let with_number = reads_number && !single;
        let column = names.iter().zip(&exprs).find(|(_, expr)| **expr == Expr::Column(number));
        let number_name = column.map_or("w0$o0", |(name, _)| name).to_owned();

        // Rows of one batch have the same processing time: the order is that of arrival.
        let processing = matches!(time, Some(TimeAttribute::Processing | TimeAttribute::ProcessingWindow));
        let descending = order.first().is_some_and(|order| order.descending);
        if processing {
            order.clear();
        }
        let keys = partition.iter().cloned().chain(order.iter().map(|order| order.by.clone())).collect();
        let side = self.side(input, keys)?;
        let (partition, order_columns) = side.keys.split_at(partition.len());
        let mut schema = self.graph.nodes[side.node].schema.clone();
        let width = schema.len();
        let window = side.window.filter(|window| {
            let same = [window.start, window.end].iter().all(|column| partition.contains(column));
            same && !window.processing && self.is_append(side.node)
        });
        let is_top_1 = (bounds.from, to) == (1, 1);
        let keep = (is_top_1 && time.is_some()).then_some(if descending { Keep::Last } else { Keep::First });
        let by_time = by_time[usize::from(window.is_some())] && self.is_append(side.node);
        let is_deduplication = is_top_1 && (keep.is_some() || by_time);
        let rank = RankSpec {
            partition: partition.to_vec(),
            order: order
                .iter()
                .zip(order_columns)
                .map(|(order, &column)| SortColumn {
                    column,
                    descending: order.descending,
                    nulls_first: order.nulls_first,
                })
                .collect(),
            from: bounds.from as u64,
            to: to as u64,
            // Of rows of the same time the one that came last.
            latest_first: descending && (processing || is_deduplication),
            window_end: window.map(|window| window.end),
            zone: window.and_then(|window| self.zone_of(window.of_instants)),
            with_number,
            input: ChangelogMode::APPEND,
            emit_update_before: false,
        };
        let operator = match keep.filter(|_| window.is_none()) {
            // Time attributes belong to rows that are only added.
            Some(keep) => OperatorSpec::Deduplicate(DeduplicateSpec {
                keys: rank.partition,
                time: order_columns.first().copied().unwrap_or_default(),
                processing,
                keep,
                emit_update_before: false,
            }),
            None => OperatorSpec::Rank(rank),
        };
        if with_number {
            schema.fields.push(Field::new(number_name, DataType::BigInt));
        }
        let node = self.add(operator, schema);
        self.connect_by_key(side.node, node, 0, partition);
        let column = |index: usize| match index == number {
            false => Expr::Column(index),
            true if single => Expr::Literal { value: Value::Integer(to), data_type: DataType::BigInt },
            true => Expr::Column(width),
        };
        Ok(Relation {
            base: Base::Node { node, window },
            exprs: exprs.iter().map(|expr| substitute(expr, &column)).collect(),
            names,
            filter: filter.map(|filter| substitute(&filter, &column)),
        })
    }
}

const UNBOUNDED: &str =
    "OVER is not supported but for ROW_NUMBER with a constant upper bound on its result, as in WHERE rn <= 10";

/// Takes the conditions on the number out of a filter.
fn bounds(filter: Option<Expr>, number: usize) -> (Bounds, Option<Expr>) {
    let mut bounds = Bounds { from: 1, to: None };
    let mut rest = None;
    let mut parts = Vec::new();
    if let Some(filter) = &filter {
        conjuncts(filter, &mut parts);
    }
    for part in parts {
        if bounds.narrow(part, number).is_none() {
            rest = conjunction(rest, Some(part.clone()));
        }
    }
    (bounds, rest)
}

impl Bounds {
    /// Takes a condition into account, if it compares the number with constants.
    fn narrow(&mut self, condition: &Expr, number: usize) -> Option<()> {
        let Expr::Call { function, args, .. } = condition else { return None };
        let constant = |expr: &Expr| match expr {
            Expr::Literal { value: Value::Integer(value), data_type } if data_type.is_numeric() => Some(*value),
            _ => None,
        };
        let is_number = |expr: &Expr| *expr == Expr::Column(number);
        let (low, high) = match (function.as_str(), args.as_slice()) {
            ("BETWEEN", [of, low, high]) if is_number(of) => (Some(constant(low)?), Some(constant(high)?)),
            (sign, [left, right]) => {
                let (sign, value) = if is_number(left) {
                    (sign, constant(right)?)
                } else if is_number(right) {
                    (mirrored(sign), constant(left)?)
                } else {
                    return None;
                };
                match sign {
                    "=" => (Some(value), Some(value)),
                    "<=" => (None, Some(value)),
                    "<" => (None, Some(value.checked_sub(1)?)),
                    ">=" => (Some(value), None),
                    ">" => (Some(value.checked_add(1)?), None),
                    _ => return None,
                }
            }
            _ => return None,
        };
        self.from = low.map_or(self.from, |low| low.max(self.from));
        self.to = high.map_or(self.to, |high| Some(self.to.map_or(high, |to| to.min(high))));
        Some(())
    }
}

fn mirrored(sign: &str) -> &str {
    match sign {
        "<" => ">",
        "<=" => ">=",
        ">" => "<",
        ">=" => "<=",
        other => other,
    }
}
